//! The files that tell an installer what to install.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dependencies::Mode;
use crate::error::Result;
use crate::host::files;
use crate::python::pylock::Pylock;

/// The name of the file with exact versions, beside the requirements file that refers to it.
pub(super) const EXACT: &str = "exact.txt";

/// What is to be installed, and how that is to be read.
pub(super) struct Requirements {
    /// The files, in the order in which the installer gets them.
    pub files: Vec<PathBuf>,
    /// What is installed before, each package with its hashes.
    pub hashed_first: Option<PathBuf>,
    pub overrides: Option<String>,
    pub mode: Mode,
}

/// Writes a pylock.toml whose paths count from a directory, wherever the file is.
pub(super) fn write_pylock(lock: &Pylock, directory: &Path, place: &Path) -> Result<Requirements> {
    let file = place.join("pylock.toml");
    files::create_dir_all(place)?;
    files::write_atomically(&file, lock.render(Some(directory)).as_bytes())?;
    Ok(Requirements { files: vec![file], hashed_first: None, overrides: None, mode: Mode::Requirements })
}

/// Writes what a requirements file can't say into files beside it, and returns the files that uv is given: exact
/// versions as constraints, and indexes of packages as a pyproject.toml.
pub(super) fn write_beside(
    requirements: PathBuf,
    exact: Option<&str>,
    bindings: Option<&str>,
) -> Result<Vec<PathBuf>> {
    if let Some(exact) = exact {
        files::write_atomically(&requirements.with_file_name(EXACT), exact.as_bytes())?;
    }
    let mut all = vec![requirements];
    if let Some(bindings) = bindings {
        let file = all[0].with_file_name("pyproject.toml");
        files::write_atomically(&file, bindings.as_bytes())?;
        all.push(file);
    }
    Ok(all)
}

/// Writes files below a directory.
pub(super) fn write_files(directory: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    for (name, contents) in files {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            files::create_dir_all(parent)?;
        }
        files::write_atomically(&path, contents)?;
    }
    Ok(())
}
