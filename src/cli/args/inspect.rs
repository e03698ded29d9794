//! The arguments of the commands that look into slugs: `slugc inspect`, `slugc diff` and `slugc sbom`.

use std::path::PathBuf;

use clap::Args;

/// `slugc inspect`
#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The slug, whoever made it
    #[arg(value_name = "SLUG")]
    pub(in crate::cli) slug: PathBuf,

    /// How the report is written
    #[command(flatten)]
    pub(in crate::cli) report: ReportArguments,
}

/// `slugc diff`
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The older slug
    #[arg(value_name = "OLD")]
    pub(in crate::cli) old: PathBuf,

    /// The newer slug
    #[arg(value_name = "NEW")]
    pub(in crate::cli) new: PathBuf,

    /// How the report is written
    #[command(flatten)]
    pub(in crate::cli) report: ReportArguments,
}

/// How a report is written.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArguments {
    /// Write the report as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,

    /// Write a page to this file, too: it needs no network and no server
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,

    /// How many entries each list has; 0 for all [default: 10, with --json 100]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) top: Option<usize>,
}

impl ReportArguments {
    /// Returns how many entries each list has.
    pub(in crate::cli) fn entries(&self) -> usize {
        match self.top {
            Some(0) => usize::MAX,
            Some(top) => top,
            None if self.json => 100,
            None => 10,
        }
    }
}

/// `slugc sbom`
#[derive(Debug, Args)]
pub(in crate::cli) struct Sbom {
    /// The slug, whoever made it
    #[arg(value_name = "SLUG")]
    pub(in crate::cli) slug: PathBuf,

    /// Make the list anew of what is installed in the slug, even if there is one in it
    #[arg(long)]
    pub(in crate::cli) recompute: bool,

    /// Write the list to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}
