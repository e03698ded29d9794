//! The programs and libraries of an archive that somebody prepared: they may look for libraries where they were
//! built, or expect `LD_LIBRARY_PATH`, and run from anywhere afterwards.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::elf;
use super::error::RuntimeError;
use crate::host::elf::is_elf;
use crate::host::files::{self, FileContext};

/// Makes every program and library below `prefix` look for libraries in the runtime's own `lib` first.
pub(crate) fn relocate_programs(prefix: &Path) -> Result<(), RuntimeError> {
    let own = libraries(&prefix.join("lib"));
    for entry in WalkDir::new(prefix).sort_by_file_name() {
        let entry =
            entry.map_err(std::io::Error::from).doing("reading", prefix).map_err(RuntimeError::File)?;
        let path = entry.path();
        let Ok(place) = path.strip_prefix(prefix) else { continue };
        if !entry.file_type().is_file() {
            continue;
        }
        let bytes = fs::read(path).doing("reading", path).map_err(RuntimeError::File)?;
        if is_elf(&bytes) {
            let relocated = elf::relocate(&bytes, path, place, &own)
                .map_err(|source| RuntimeError::Elf { path: path.to_owned(), source })?;
            if relocated.bytes != bytes {
                files::replace_contents(path, &relocated.bytes).map_err(RuntimeError::File)?;
            }
        }
    }
    Ok(())
}

fn libraries(lib: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains(".so")).collect()
}
