//! The arguments of `slugc cache`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::output::Format;
use crate::store::{parse_duration, parse_size};

/// `slugc cache`
#[derive(Debug, Args)]
pub(in crate::cli) struct Cache {
    /// What to do with the store.
    #[command(subcommand)]
    pub(in crate::cli) action: CacheAction,
}

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CacheAction {
    /// Print where the store is
    Dir(StoreArguments),
    /// Show what is in the store, and its size
    Info(StoreArguments),
    /// Check everything in the store, and remove what is damaged; exits with 1 if anything was
    Verify(StoreArguments),
    /// Remove unused entries, or everything
    Prune(Prune),
}

/// Which store, and how the answer is written.
#[derive(Debug, Args)]
pub(in crate::cli) struct StoreArguments {
    /// Where the store is [default: ~/.cache/slugc]
    #[arg(long, env = "SLUGC_CACHE_DIR", value_name = "DIR")]
    pub(in crate::cli) cache_dir: Option<PathBuf>,

    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// As --format json, which it was called once
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
}

impl StoreArguments {
    /// Tells whether the answer is JSON.
    pub(in crate::cli) fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// `slugc cache prune`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["all", "max_size", "older_than"]))]
pub(in crate::cli) struct Prune {
    /// Which store.
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,

    /// Remove everything that isn't in use
    #[arg(long, conflicts_with_all = ["max_size", "older_than"])]
    pub(in crate::cli) all: bool,

    /// Remove the least recently used entries until the store is this small: bytes, or with K, M or G
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(in crate::cli) max_size: Option<u64>,

    /// Remove what hasn't been used for this long: 12h, 30d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(in crate::cli) older_than: Option<u64>,
}
