//! The arguments that give config vars to what runs.

use std::path::PathBuf;

use clap::Args;

use crate::build::config_vars::is_variable_name;

const HEADING: &str = "Config vars";

/// Where config vars come from: `--set` wins over `--env-file`, which wins over `--env-dir`.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ConfigVarArguments {
    /// Config vars from a file of NAME=value lines
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(in crate::cli) env_file: Option<PathBuf>,

    /// Config vars from a directory with a file for each
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    pub(in crate::cli) env_dir: Option<PathBuf>,

    /// A config var; wins over --env-file, which wins over --env-dir
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_assignment, help_heading = HEADING)]
    pub(in crate::cli) set: Vec<(String, String)>,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if is_variable_name(name) => Ok((name.to_owned(), value.to_owned())),
        Some((name, _)) if !name.is_empty() => {
            Err(format!("`{name}` can't be a variable's name: letters, digits and `_`, no digit first"))
        }
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // B06
    #[test]
    fn a_config_var_has_a_name_that_a_shell_can_set() {
        for (text, expected) in [
            ("A=b", Some(("A", "b"))),
            ("A=b=c", Some(("A", "b=c"))),
            ("a_1=", Some(("a_1", ""))),
            ("A", None),
            ("=b", None),
            ("A-B=c", None),
            ("1A=c", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(parse_assignment(text).ok(), expected, "{text}");
        }
    }
}
