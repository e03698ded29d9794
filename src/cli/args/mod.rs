//! The arguments of every command.

mod build;
mod check;
mod inspect;
mod package;
mod run;

use clap::{Parser, Subcommand};

use crate::output::ColorChoice;

pub(super) use build::{AppArguments, Build, Plan};
pub(super) use check::{Check, CheckFormat, Completions, Explain, Man};
pub(super) use inspect::{Diff, Inspect, Sbom};
pub(super) use package::{Inventory, Package, PackageKind};
pub(super) use run::Run;

/// A Python buildpack and slug compiler: this directory, as a slug that boots.
#[derive(Debug, Parser)]
#[command(name = "slugc", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(super) color: ColorChoice,

    /// Says only what is wrong
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build a slug of an app
    Build(Build),
    /// Show what would be built and why, without doing it
    Plan(Plan),
    /// Run a process type of a slug as a dyno does
    Run(Run),
    /// Show what is in a slug and what takes how much
    Inspect(Inspect),
    /// Show how two slugs differ; exits with 1 if they do, with 2 if that can't be told
    Diff(Diff),
    /// Print the list of components of a slug (SBOM), as CycloneDX
    Sbom(Sbom),
    /// Say what would keep an app or a slug from booting
    Check(Check),
    /// Explain an error, a warning or a finding by its id
    Explain(Explain),
    /// Print a script for a shell's completion
    Completions(Completions),
    /// Write manual pages
    Man(Man),
    /// Make the catalogue of Python runtimes anew
    Inventory(Inventory),
    /// The first process of a dyno, which slugc starts itself
    #[command(name = crate::dyno::INSIDE_COMMAND, hide = true)]
    DynoInit {
        /// What describes the dyno
        file: std::path::PathBuf,
    },
    /// Pack slugc as a buildpack that platforms can fetch
    Package(Package),
}

/// Returns the description of the command line, for documentation and tests.
pub fn command_line() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        unit => return Err(format!("`{unit}` isn't a unit: use K, M or G")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{digits}` isn't a whole number"))?;
    number.checked_mul(factor).ok_or_else(|| "that is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, expected) in [
            ("500M", Some(500 << 20)),
            ("10", Some(10)),
            ("2g", Some(2 << 30)),
            ("1KiB", Some(1024)),
            ("M", None),
            ("5X", None),
            ("-1", None),
            ("99999999999G", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }
}
