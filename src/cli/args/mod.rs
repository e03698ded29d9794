//! The arguments of every command.

mod build;
mod cache;
mod check;
mod config_vars;
mod inspect;
mod package;
mod run;
mod version;

use clap::{Parser, Subcommand};

use crate::output::ColorChoice;

pub(super) use build::{AppArguments, Build, Plan};
pub(super) use cache::{Cache, CacheAction, Prune, StoreArguments};
pub(super) use check::{Check, CheckFormat, Completions, Explain, Man};
pub(super) use config_vars::ConfigVarArguments;
pub(super) use inspect::{Diff, Inspect, ReportFormat, Sbom};
pub(super) use package::{Inventory, Package, PackageKind};
pub(super) use run::Run;
pub(super) use version::Version;

/// The heading of the options that every command takes.
const GLOBAL: &str = "Global options";

/// Turn a Python app into a Heroku slug, and run it locally, without Docker.
#[derive(Debug, Parser)]
#[command(name = "slugc", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN", help_heading = GLOBAL)]
    pub(super) color: ColorChoice,

    /// Print only warnings and errors
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(super) quiet: bool,

    /// Print warnings in full, and the command line of each program; with --version, also tools and Pythons
    #[arg(long, short, global = true, conflicts_with = "quiet", help_heading = GLOBAL)]
    pub(super) verbose: bool,
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
    /// Show what is in a slug, how large it is, and what could go
    Inspect(Inspect),
    /// Show how two slugs differ; exits with 1 if they do, with 2 if that can't be told
    Diff(Diff),
    /// Print the components of a slug (SBOM) as CycloneDX
    Sbom(Sbom),
    /// Check whether an app or a slug would boot
    Check(Check),
    /// Explain an error, a warning or a finding by its id
    Explain(Explain),
    /// Print a script for a shell's completion
    Completions(Completions),
    /// Write manual pages
    Man(Man),
    /// Show, check or remove what builds keep for the next ones
    Cache(Cache),
    /// Regenerate the catalogue of Python runtimes
    #[command(hide = true)]
    Inventory(Inventory),
    /// The first process of a dyno, which slugc starts itself
    #[command(name = crate::host::cell::INSIDE_COMMAND, hide = true)]
    DynoInit {
        /// What describes the dyno
        file: std::path::PathBuf,
    },
    /// Starts a program in a session of its own, which slugc does itself
    #[command(name = crate::host::session::SESSION_COMMAND, hide = true)]
    Session {
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// Pack slugc as a buildpack that platforms can fetch
    Package(Package),
    /// Print the versions of slugc, of its tools and of the Pythons that it knows
    Version(Version),
}

/// Returns the description of the command line, for documentation and tests.
pub fn command_line() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }
}
