//! The arguments of the commands that look into slugs: `slugc inspect`, `slugc diff` and `slugc sbom`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::store::parse_size;

/// `slugc inspect`
#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The slug, whoever made it
    #[arg(value_name = "SLUG")]
    pub(in crate::cli) slug: PathBuf,

    /// Say why this distribution is in the slug, and nothing else: what asks for it, up to a file of the app
    #[arg(long, value_name = "NAME", conflicts_with = "html")]
    pub(in crate::cli) why: Option<String>,

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

    /// The most by which the slug may grow: bytes, or with K, M or G. Exits with 1 if it grows more, else with 0
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(in crate::cli) max_growth: Option<u64>,

    /// How the report is written
    #[command(flatten)]
    pub(in crate::cli) report: ReportArguments,
}

/// How a report is written.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArguments {
    /// How the report is written: for people, as JSON, or as Markdown
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,

    /// As --format json, which it was called once
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,

    /// Write a page to this file, too: it needs no network and no server
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,

    /// How many entries each list has; 0 for all [default: 10, as JSON 100]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) top: Option<usize>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    // No doc comments: clap would make a second, long form of the help out of them.
    Text,
    Json,
    Markdown,
}

impl ReportArguments {
    /// Returns how the report is written.
    pub(in crate::cli) fn format(&self) -> ReportFormat {
        if self.json { ReportFormat::Json } else { self.format }
    }

    /// Returns how many entries each list has.
    pub(in crate::cli) fn entries(&self) -> usize {
        match self.top {
            Some(0) => usize::MAX,
            Some(top) => top,
            None if self.format() == ReportFormat::Json => 100,
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

    /// Regenerate the list from what is installed in the slug, even if there is one in it
    #[arg(long)]
    pub(in crate::cli) recompute: bool,

    /// Write the list to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}
