//! The arguments of `slugc check`, and of the commands that explain slugc itself.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::{AppArguments, ConfigVarArguments};

/// What follows the options in the help.
const AFTER_HELP: &str = "\
Examples:
  slugc check
  slugc check slug.tgz --boot --env-file .env
  slugc check --deny-warnings --format github

Exit codes: 0 nothing is wrong, 1 there is an error (or a warning, with --deny-warnings), 2 a mistake on the command \
line, 3 this machine's fault.

Of a slug, the app is also imported by its own Python, unless --static is given. A directory is only read: what is \
installed is known if the app was built before. `slugc explain ID` says more about a finding.";

/// `slugc check`
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, mut_arg("dir", |dir| dir.value_name("DIR|SLUG").help("The app's directory, or a slug")))]
pub(in crate::cli) struct Check {
    /// The app and how it would be built.
    #[command(flatten)]
    pub(in crate::cli) app: AppArguments,

    /// Don't run any of the app's code
    #[arg(long, conflicts_with = "boot")]
    pub(in crate::cli) r#static: bool,

    /// Boot the web process, too, and wait until it listens; a directory is built first
    #[arg(long)]
    pub(in crate::cli) boot: bool,

    /// Seconds that the web process has to listen
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(in crate::cli) boot_timeout: u64,

    /// Fail on warnings, too
    #[arg(long)]
    pub(in crate::cli) deny_warnings: bool,

    /// How findings are written: for people, as JSON, as SARIF 2.1.0, or as annotations for GitHub's workflows
    #[arg(long, value_enum, default_value = "text")]
    pub(in crate::cli) format: CheckFormat,

    /// The stack that the slug is for
    #[arg(long, env = "STACK", value_name = "STACK", default_value = crate::check::gather::DEFAULT_STACK,
          value_parser = PossibleValuesParser::new(crate::check::stack_names()))]
    pub(in crate::cli) stack: String,

    /// The config vars.
    #[command(flatten)]
    pub(in crate::cli) config_vars: ConfigVarArguments,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum CheckFormat {
    // With a text for each, `--help` would be the long form.
    Text,
    Json,
    Sarif,
    Github,
}

/// `slugc explain`
#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// An id or its last part, or a Heroku code such as H10; without one, all are listed
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: Option<String>,
}

/// `slugc completions`
#[derive(Debug, Args)]
pub(in crate::cli) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(in crate::cli) shell: Shell,
}

/// `slugc man`
#[derive(Debug, Args)]
pub(in crate::cli) struct Man {
    /// Directory for the pages, one for each command
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
}
