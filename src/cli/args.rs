//! The arguments of every command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::build::package::Architecture;
use crate::output::{ColorChoice, Format};
use crate::plan::runtime::{PythonSource, parse_python_source};
use crate::slug::assemble::Layout;

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
    /// Make the catalogue of Python runtimes anew
    Inventory(Inventory),
    /// Pack slugc as a buildpack that platforms can fetch
    Package(Package),
}

/// Where the app is and how it is built.
#[derive(Debug, Args)]
pub(super) struct AppArguments {
    /// The app's directory
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dir: PathBuf,

    /// Build this revision of the git repository instead of the files in the directory
    #[arg(long, value_name = "REV")]
    pub(super) commit: Option<String>,

    /// Keep what git ignores
    #[arg(long)]
    pub(super) include_ignored: bool,

    /// Where Python comes from: auto, catalogue, host, or a directory or URL of prepared archives
    #[arg(long, env = "SLUGC_PYTHON_SOURCE", hide_env_values = true, value_name = "SOURCE", default_value = "auto",
          value_parser = python_source)]
    pub(super) python_source: PythonSource,

    /// Download the catalogue's archives from here
    #[arg(long, env = "SLUGC_PYTHON_MIRROR", hide_env_values = true, value_name = "URL")]
    pub(super) python_mirror: Option<String>,

    /// Which program installs the dependencies [default: uv, or pip for what uv can't express]
    #[arg(long, env = "SLUGC_INSTALLER", value_enum, value_name = "PROGRAM")]
    pub(super) installer: Option<InstallerChoice>,

    /// Fail if anything isn't locked or pinned to an exact version
    #[arg(long, env = "SLUGC_REQUIRE_LOCKED", hide_env_values = true,
          value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) require_locked: bool,

    /// Where to keep what the next build needs [default: ~/.cache/slugc]
    #[arg(long, env = "SLUGC_CACHE_DIR", value_name = "DIR")]
    pub(super) cache_dir: Option<PathBuf>,
}

fn python_source(text: &str) -> Result<PythonSource, String> {
    parse_python_source(text).map_err(super::as_text)
}

/// A program that installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InstallerChoice {
    /// uv
    Uv,
    /// pip
    Pip,
}

/// `slugc build`
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The app and how it is built.
    #[command(flatten)]
    pub(super) app: AppArguments,

    /// Where the slug goes; its manifest goes beside it, as .json
    #[arg(long, short, value_name = "FILE", default_value = "slug.tgz")]
    pub(super) output: PathBuf,

    /// Where the app is in the slug: below ./app, as Heroku wants it, or at the top
    #[arg(long, value_enum, default_value = "app")]
    pub(super) layout: Layout,

    /// The most the compressed slug may have: bytes, or with K, M or G (powers of 1024)
    #[arg(long, value_name = "SIZE", default_value = "500M", value_parser = parse_size)]
    pub(super) max_size: u64,

    /// How many threads compress [default: one per core]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,

    /// Install the dependencies and run the app's own build steps again even if nothing has changed
    #[arg(long)]
    pub(super) refresh: bool,

    /// Config vars for hooks and collectstatic, from a file of NAME=value lines
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,

    /// Config vars for hooks and collectstatic, from a directory with a file for each
    #[arg(long, value_name = "DIR")]
    pub(super) env_dir: Option<PathBuf>,

    /// How the build log is written: text, or one JSON event a line on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// `slugc plan`
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// The app and how it is built.
    #[command(flatten)]
    pub(super) app: AppArguments,

    /// How the plan is written
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// `slugc run`
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The slug
    #[arg(value_name = "SLUG")]
    pub(super) slug: PathBuf,

    /// The process type to run
    #[arg(value_name = "TYPE", default_value = "web", conflicts_with = "command_line")]
    pub(super) process_type: String,

    /// A command to run instead of a process type
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command_line: Vec<OsString>,

    /// The port for a web process [default: 5000, or a free one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,

    /// Config vars from a file of NAME=value lines
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,

    /// Config vars from a directory with a file for each
    #[arg(long, value_name = "DIR")]
    pub(super) env_dir: Option<PathBuf>,

    /// A config var
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    pub(super) set: Vec<(String, String)>,
}

/// `slugc inventory`
#[derive(Debug, Args)]
pub(super) struct Inventory {
    /// uv's download-metadata.json; the catalogue is written to standard output
    #[arg(long, value_name = "FILE")]
    pub(super) from: PathBuf,
}

/// `slugc package`
#[derive(Debug, Args)]
pub(super) struct Package {
    /// For which kind of platform
    #[arg(value_enum, value_name = "KIND")]
    pub(super) kind: PackageKind,

    /// Where the package goes
    #[arg(long, short, value_name = "FILE", default_value = "buildpack.tgz")]
    pub(super) output: PathBuf,

    /// The slugc to pack, a Linux program for this machine's architecture or that of --arch
    /// [default: the one that is running]
    #[arg(long, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,

    /// The architecture that the program of --program is for; it is checked [default: this machine's]
    #[arg(long, value_name = "ARCH", requires = "program")]
    pub(super) arch: Option<Architecture>,
}

/// A kind of buildpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PackageKind {
    /// The classic buildpack API: Heroku, Dokku, herokuish
    Classic,
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

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

impl ValueEnum for Layout {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::App, Self::Flat]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::App => "app",
            Self::Flat => "flat",
        }))
    }
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
