//! The arguments that give config vars to what runs.

use std::path::PathBuf;

use clap::Args;

/// Where config vars come from: `--set` wins over `--env-file`, which wins over `--env-dir`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConfigVarArguments {
    /// Config vars from a file of NAME=value lines
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) env_file: Option<PathBuf>,

    /// Config vars from a directory with a file for each
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) env_dir: Option<PathBuf>,

    /// A config var
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    pub(in crate::cli) set: Vec<(String, String)>,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
