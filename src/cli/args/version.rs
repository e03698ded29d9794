//! The arguments of `slugc version`.

use clap::Args;

use crate::output::Format;

/// `slugc version`
#[derive(Debug, Args)]
pub(in crate::cli) struct Version {
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// As --format json, which it was called once
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
}

impl Version {
    /// Tells whether the answer is JSON.
    pub(in crate::cli) fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}
