//! The corpora of NLTK that `nltk.txt` names, downloaded into the slug.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::config_vars::ConfigVars;
use super::execute::Workshop;
use super::importable::{can_import, python_in};
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::FileContext;
use crate::host::process::{Invocation, RunError, stream};

/// Where corpora go, in the app's directory.
pub const NLTK_DATA: &str = ".heroku/python/nltk_data";

/// Where the app names its corpora.
const FILE: &str = "nltk.txt";

/// Downloading corpora failed.
#[derive(Debug, thiserror::Error)]
#[error("nltk.txt names these: {}.", .packages.join(", "))]
pub struct NltkError {
    packages: Vec<String>,
    source: RunError,
}

impl UserError for NltkError {
    fn code(&self) -> ErrorCode {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.code(),
            _ => ErrorCode::NltkDownloader,
        }
    }

    fn exit_code(&self) -> u8 {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Downloads the corpora if NLTK is installed and `nltk.txt` names some. Returns whether it did: then
/// `NLTK_DATA` is to be set.
pub fn run(
    build_dir: &Path,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<bool> {
    shop.record.time("nltk_downloader_duration", || download(build_dir, config_vars, python_env, shop))
}

fn download(
    build_dir: &Path,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<bool> {
    let Workshop { env, output, record, .. } = shop;
    let mut vars = python_env.clone();
    vars.extend(config_vars.for_child());
    if !can_import("nltk", build_dir, &vars, shop)? {
        return Ok(false);
    }
    output.step("Downloading NLTK corpora...");
    let file = build_dir.join(FILE);
    if !file.is_file() {
        record.set("nltk_downloader", "skipped-no-nltk-file");
        output.detail("'nltk.txt' wasn't found, so no corpora are downloaded");
        return Ok(false);
    }
    let packages = parse_packages(&fs::read(&file).doing("reading", &file)?);
    if packages.is_empty() {
        record.set("nltk_downloader", "skipped-no-nltk-file");
        output.detail("'nltk.txt' names no corpora, so none are downloaded");
        return Ok(false);
    }
    record.set("nltk_downloader", "enabled");
    output.step(format!("Downloading NLTK packages: {}", packages.join(" ")));
    let mut invocation = Invocation::new(python_in(build_dir))
        .args(["-m", "nltk.downloader", "-d"])
        // Through a symbolic link NLTK doesn't write.
        .arg(build_dir.join(NLTK_DATA))
        .args(packages.iter().cloned())
        .current_dir(build_dir);
    invocation.env = vars;
    match stream(&invocation, env, output) {
        Ok(_) => Ok(true),
        Err(source) => Err(NltkError { packages, source }.into()),
    }
}

/// Parses the names of packages: one a line, or several with blanks between them. `#` begins a comment, also after
/// a name.
pub fn parse_packages(contents: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(contents)
        .trim_start_matches('\u{feff}')
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_comments_are_no_packages() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n\n# nothing\n", &[]),
            ("punkt\nstopwords\n", &["punkt", "stopwords"]),
            ("\u{feff}punkt\r\n\r\n  stopwords  # of all languages\r\n", &["punkt", "stopwords"]),
            ("punkt wordnet", &["punkt", "wordnet"]),
        ] {
            assert_eq!(parse_packages(text.as_bytes()), expected, "{text:?}");
        }
    }
}
