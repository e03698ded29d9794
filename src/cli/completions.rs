//! `slugc completions`: a script with which a shell completes slugc's commands and options.

use super::args::Completions;
use crate::error::Result;

/// Prints the script.
pub(super) fn run(arguments: &Completions) -> Result<u8> {
    let mut command = super::command_line();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "slugc", &mut script);
    super::print_result(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
