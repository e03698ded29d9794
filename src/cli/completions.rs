//! `slugc completions`: a script with which a shell completes slugc's commands and options.

use clap::builder::PossibleValuesParser;

use super::args::Completions;
use super::explain;
use crate::error::Result;

/// Prints the script.
pub(super) fn run(arguments: &Completions) -> Result<u8> {
    // Here alone: `slugc explain` takes the end of an id as well, and a code in lower case.
    let ids = PossibleValuesParser::new(explain::ids());
    let mut command =
        super::command_line().mut_subcommand("explain", |sub| sub.mut_arg("id", |id| id.value_parser(ids)));
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "slugc", &mut script);
    super::print_result(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
