//! The arguments of `slugc cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    /// Show what is in the store and how much it takes
    Info(StoreArguments),
    /// Check all that is in the store, and throw damaged things away; exits with 1 if there were any
    Verify(StoreArguments),
    /// Throw away what nobody has used for long; without a limit, everything
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
pub(in crate::cli) struct Prune {
    /// Which store.
    #[command(flatten)]
    pub(in crate::cli) store: StoreArguments,

    /// The most that stays: bytes, or with K, M or G. What was used last stays longest
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(in crate::cli) max_size: Option<u64>,

    /// Throw away what wasn't used for so long: 12h, 30d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(in crate::cli) older_than: Option<u64>,
}
