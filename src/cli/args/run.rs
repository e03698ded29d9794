//! The arguments of `slugc run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// `slugc run`
#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// The slug
    #[arg(value_name = "SLUG")]
    pub(in crate::cli) slug: PathBuf,

    /// The process type to run
    #[arg(value_name = "TYPE", default_value = "web", conflicts_with = "command_line")]
    pub(in crate::cli) process_type: String,

    /// A command to run instead of a process type
    #[arg(last = true, value_name = "COMMAND")]
    pub(in crate::cli) command_line: Vec<OsString>,

    /// The port for a web process [default: 5000, or a free one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: Option<u16>,

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

pub(super) fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
