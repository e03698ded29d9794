//! The arguments of `slugc version`.

use clap::Args;

/// `slugc version`
#[derive(Debug, Args)]
pub(in crate::cli) struct Version {
    /// Write the answer as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
