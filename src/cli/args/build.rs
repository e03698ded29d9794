//! The arguments of `slugc build` and `slugc plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ConfigVarArguments;
use crate::output::Format;
use crate::plan::Installer;
use crate::plan::runtime::{PythonSource, parse_python_source};
use crate::slug::assemble::Layout;
use crate::store::{parse_duration, parse_size};

const PYTHON: &str = "Python and packages";
const STORE: &str = "Store";

/// What follows the options in the help of `build`.
const AFTER_HELP: &str = "\
Examples:
  slugc build
  slugc build my-app -o my-app.tgz --env-file .env
  slugc build --commit HEAD --require-locked
  slugc build --format json > events.jsonl

Exit codes: 0 the slug is there, 1 the app is at fault, 2 a mistake on the command line, 3 this machine's or the network's \
fault. The log goes to standard error, the slug's path to standard output.";

/// Where the app is and how it is built.
#[derive(Debug, Args)]
pub(in crate::cli) struct AppArguments {
    /// The app's directory
    #[arg(default_value = ".", value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,

    /// Use this revision of the git repository instead of the files in the directory
    #[arg(long, value_name = "REV")]
    pub(in crate::cli) commit: Option<String>,

    /// Include files that git ignores
    #[arg(long)]
    pub(in crate::cli) include_ignored: bool,

    /// Where Python comes from: auto, catalogue, host, or a directory or URL of prepared archives
    #[arg(long, env = "SLUGC_PYTHON_SOURCE", hide_env_values = true, value_name = "SOURCE", default_value = "auto",
          value_parser = python_source, help_heading = PYTHON)]
    pub(in crate::cli) python_source: PythonSource,

    /// Download the catalogue's archives from this URL
    #[arg(long, env = "SLUGC_PYTHON_MIRROR", hide_env_values = true, value_name = "URL", help_heading = PYTHON)]
    pub(in crate::cli) python_mirror: Option<String>,

    /// Which program installs the dependencies: `native` is Pipenv, Poetry or PDM itself [default: uv, or another for
    /// what uv can't express]
    #[arg(long, env = "SLUGC_INSTALLER", value_enum, value_name = "PROGRAM", help_heading = PYTHON)]
    pub(in crate::cli) installer: Option<Installer>,

    /// Fail if anything isn't locked or pinned to an exact version
    #[arg(long, env = "SLUGC_REQUIRE_LOCKED", hide_env_values = true,
          value_parser = clap::builder::FalseyValueParser::new(), help_heading = PYTHON)]
    pub(in crate::cli) require_locked: bool,

    /// Directory of the store, which keeps what the next build needs [default: ~/.cache/slugc]
    #[arg(long, env = "SLUGC_CACHE_DIR", value_name = "DIR", help_heading = STORE)]
    pub(in crate::cli) cache_dir: Option<PathBuf>,
}

fn python_source(text: &str) -> Result<PythonSource, String> {
    parse_python_source(text).map_err(crate::cli::as_text)
}

/// `slugc build`
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Build {
    /// The app and how it is built.
    #[command(flatten)]
    pub(in crate::cli) app: AppArguments,

    /// Write the slug to this file, and its manifest beside it: slug.tgz.json
    #[arg(long, short, value_name = "FILE", default_value = "slug.tgz")]
    pub(in crate::cli) output: PathBuf,

    /// Overwrite the output file even if slugc didn't make it
    #[arg(long)]
    pub(in crate::cli) force: bool,

    /// Where the app is in the slug: below ./app, as Heroku wants it, or at the top
    #[arg(long, value_enum, default_value = "app")]
    pub(in crate::cli) layout: Layout,

    /// Maximum size of the compressed slug: bytes, or with K, M or G (powers of 1024)
    #[arg(long, value_name = "SIZE", default_value = "500M", value_parser = parse_size)]
    pub(in crate::cli) max_size: u64,

    /// Maximum size of the store after the build: bytes, or with K, M or G; 0 for no limit
    #[arg(long, env = "SLUGC_CACHE_LIMIT", value_name = "SIZE", default_value = "10G", value_parser = parse_size,
          help_heading = STORE)]
    pub(in crate::cli) cache_limit: u64,

    /// Time limit of the build: 90s, 15m, 1h; 0 for no limit
    #[arg(long, env = "SLUGC_TIMEOUT", value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    pub(in crate::cli) timeout: u64,

    /// Number of threads for compression [default: one per core]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(in crate::cli) threads: Option<u16>,

    /// Install the dependencies and run the app's own build steps again even if nothing has changed
    #[arg(long)]
    pub(in crate::cli) refresh: bool,

    /// Run hooks and collectstatic without isolation: they can read and change whatever you can
    #[arg(long)]
    pub(in crate::cli) no_isolate: bool,

    /// The config vars, for hooks and collectstatic.
    #[command(flatten)]
    pub(in crate::cli) config_vars: ConfigVarArguments,

    /// How the build log is written: text, or one JSON event a line on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub(in crate::cli) format: Format,
}

/// `slugc plan`
#[derive(Debug, Args)]
pub(in crate::cli) struct Plan {
    /// The app and how it is built.
    #[command(flatten)]
    pub(in crate::cli) app: AppArguments,

    /// How the plan is written
    #[arg(long, value_enum, default_value = "text")]
    pub(in crate::cli) format: Format,
}

impl ValueEnum for Installer {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
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
