//! The data about a build in `CACHE_DIR/build-data/python.json`: written by compile, printed by
//! `bin/report BUILD_DIR CACHE_DIR`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::build::record::Record;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files;

/// The file is gone in the middle of a build.
#[derive(Debug, thiserror::Error)]
#[error("build-data/python.json is gone from the cache directory.")]
struct DataFileDeleted;

impl UserError for DataFileDeleted {
    fn code(&self) -> ErrorCode {
        ErrorCode::BuildDataDeleted
    }
}

fn data_file(cache_dir: &Path) -> PathBuf {
    cache_dir.join("build-data/python.json")
}

/// Puts the last build's data aside, and begins with none.
pub(super) fn begin(cache_dir: &Path) -> Result<()> {
    let file = data_file(cache_dir);
    files::create_dir_all(&cache_dir.join("build-data"))?;
    if file.is_file() {
        files::rename(&file, &cache_dir.join("build-data/python-prev.json"))?;
    }
    Ok(files::write_atomically(&file, b"{}\n")?)
}

/// Checks that a program of the app hasn't deleted the file. Whoever does that has most likely deleted
/// the whole cache, under a build that uses it.
pub(super) fn check(cache_dir: &Path) -> Result<()> {
    if data_file(cache_dir).is_file() { Ok(()) } else { Err(DataFileDeleted.into()) }
}

/// Writes what is known at the end of a build, also of one that failed.
pub(super) fn write(cache_dir: &Path, record: &Record) -> Result<()> {
    files::create_dir_all(&cache_dir.join("build-data"))?;
    Ok(files::write_atomically(&data_file(cache_dir), render(&record.to_map()).as_bytes())?)
}

/// Prints the data, or an empty object if there is none.
pub(super) fn run(cache_dir: &Path) -> String {
    render(&read(&data_file(cache_dir)).unwrap_or_default())
}

fn read(file: &Path) -> Option<BTreeMap<String, Value>> {
    let mut values: BTreeMap<String, Value> = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    // The platform takes a flat object.
    values.retain(|_, value| value.is_string() || value.is_boolean() || value.is_number());
    Some(values)
}

fn render(values: &BTreeMap<String, Value>) -> String {
    // Maps of JSON values can always be written.
    let text = serde_json::to_string_pretty(values).unwrap_or_else(|_| "{}".to_owned());
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_sorted_and_flat_whatever_the_file_holds() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run(dir.path()), "{}\n");
        begin(dir.path()).unwrap();
        for (content, expected) in [
            ("{\"b\": 1.5, \"a\": \"x\", \"c\": {\"d\": 1}}", "{\n  \"a\": \"x\",\n  \"b\": 1.5\n}\n"),
            ("{\"a\": ", "{}\n"),
            ("[]", "{}\n"),
            ("", "{}\n"),
        ] {
            fs::write(data_file(dir.path()), content).unwrap();
            assert_eq!(run(dir.path()), expected, "{content}");
        }
    }

    #[test]
    fn the_last_builds_data_are_kept_beside() {
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path()).unwrap();
        let record = Record::default();
        record.set("a", 1);
        write(dir.path(), &record).unwrap();
        begin(dir.path()).unwrap();
        let previous = fs::read_to_string(dir.path().join("build-data/python-prev.json")).unwrap();
        assert_eq!((previous.as_str(), run(dir.path()).as_str()), ("{\n  \"a\": 1\n}\n", "{}\n"));
        check(dir.path()).unwrap();
        fs::remove_dir_all(dir.path().join("build-data")).unwrap();
        assert_eq!(check(dir.path()).unwrap_err().code(), ErrorCode::BuildDataDeleted);
    }
}
