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

/// A Python buildpack and slug compiler: this directory, as a slug that boots.
#[derive(Debug, Parser)]
#[command(name = "slugc", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,

    /// With --version: the tools and Pythons, too
    #[arg(long, requires = "version")]
    verbose: bool,

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
    /// Look at what builds keep for the next ones, check it, or throw it away
    Cache(Cache),
    /// Make the catalogue of Python runtimes anew
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
