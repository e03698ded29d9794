//! The corpora of NLTK that `nltk.txt` names, downloaded into the slug.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::config_vars::ConfigVars;
use super::confine::run_step;
use super::execute::Workshop;
use super::importable::{can_import, python_in};
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::FileContext;
use crate::host::process::{Invocation, RunError, stream};

/// Where corpora go, in the app's directory.
pub(crate) const NLTK_DATA: &str = ".heroku/python/nltk_data";

/// Where the app names its corpora.
pub(super) const FILE: &str = "nltk.txt";

/// Downloading corpora failed.
#[derive(Debug, thiserror::Error)]
#[error("nltk.txt names these: {}.", .packages.join(", "))]
pub(crate) struct NltkError {
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
pub(crate) fn run(
    build_dir: &Path,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<bool> {
    shop.record.time("nltk_downloader_duration", || {
        let vars = with_config_vars(python_env, config_vars);
        let Some(packages) = wanted_corpora(build_dir, &vars, shop)? else { return Ok(false) };
        download(packages, build_dir, &build_dir.join(NLTK_DATA), vars, shop)?;
        Ok(true)
    })
}

/// Returns the environment of the downloader.
pub(crate) fn with_config_vars(
    python_env: &BTreeMap<OsString, OsString>,
    config_vars: &ConfigVars,
) -> BTreeMap<OsString, OsString> {
    let mut vars = python_env.clone();
    vars.extend(config_vars.for_child());
    vars
}

/// Returns the corpora that `nltk.txt` names, if NLTK is installed. Says so if there are none.
pub(crate) fn wanted_corpora(
    build_dir: &Path,
    vars: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<Option<Vec<String>>> {
    if !can_import("nltk", build_dir, vars, shop)? {
        return Ok(None);
    }
    let file = build_dir.join(FILE);
    if !file.is_file() {
        tell_no_file(shop);
        return Ok(None);
    }
    let packages = parse_packages(&fs::read(&file).doing("reading", &file)?);
    if packages.is_empty() {
        shop.record.set("nltk_downloader", "skipped-no-nltk-file");
        shop.output.step("Downloading NLTK corpora...");
        shop.output.detail("'nltk.txt' names no corpora, so none are downloaded");
        return Ok(None);
    }
    shop.record.set("nltk_downloader", "enabled");
    Ok(Some(packages))
}

/// Downloads corpora into a directory.
pub(crate) fn download(
    packages: Vec<String>,
    build_dir: &Path,
    into: &Path,
    vars: BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<()> {
    let Workshop { env, output, cell, .. } = shop;
    output.step("Downloading NLTK corpora...");
    output.step(format!("Downloading NLTK packages: {}", packages.join(" ")));
    let mut invocation = Invocation::new(python_in(build_dir))
        .args(["-m", "nltk.downloader", "-d"])
        // Through a symbolic link NLTK doesn't write.
        .arg(into)
        .args(packages.iter().cloned())
        .current_dir(build_dir);
    invocation.env = vars;
    run_step(stream, invocation, build_dir, cell, env, output)
        .map_err(|source| NltkError { packages, source })?;
    Ok(())
}

/// Says that the app names no corpora, and notes it.
pub(super) fn tell_no_file(shop: Workshop<'_>) {
    shop.record.set("nltk_downloader", "skipped-no-nltk-file");
    shop.output.step("Downloading NLTK corpora...");
    shop.output.detail("'nltk.txt' wasn't found, so no corpora are downloaded");
}

/// Parses the names of packages: one a line, or several with blanks between them. `#` begins a comment, also after
/// a name.
pub(crate) fn parse_packages(contents: &[u8]) -> Vec<String> {
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
