//! The programs and libraries of an archive: they have what only debuggers need, may look for libraries where they were
//! built, or expect `LD_LIBRARY_PATH`, and run from anywhere afterwards.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::elf::{self, OldPaths};
use super::error::RuntimeError;
use crate::host::elf::is_linked;
use crate::host::files::{self, FileContext};

/// Strips every program and library below `prefix`, and makes it look for libraries in the runtime's own `lib` first.
pub(crate) fn relocate_programs(prefix: &Path) -> Result<(), RuntimeError> {
    let own = libraries(&prefix.join("lib"));
    let in_archive = |source| RuntimeError::InArchive { source: Box::new(source) };
    for entry in WalkDir::new(prefix).sort_by_file_name() {
        let entry =
            entry.map_err(std::io::Error::from).doing("reading", prefix).map_err(RuntimeError::File)?;
        let path = entry.path();
        let Ok(place) = path.strip_prefix(prefix) else { continue };
        if !entry.file_type().is_file() {
            continue;
        }
        let bytes = fs::read(path).doing("reading", path).map_err(RuntimeError::File)?;
        if is_linked(&bytes) {
            let relocated = elf::relocate(&bytes, path, place, &own, OldPaths::Keep)
                .map_err(|source| in_archive(RuntimeError::Elf { path: place.to_owned(), source }))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UserError;

    /// The first bytes of an ELF file of this type.
    fn elf_of_type(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        bytes[16] = kind;
        bytes
    }

    // B15
    #[test]
    fn what_is_not_linked_stays_as_it_is_and_a_damaged_program_is_the_archives_fault() {
        const ET_REL: u8 = 1;
        const ET_DYN: u8 = 3;
        const ET_CORE: u8 = 4;
        for (name, bytes, is_right) in [
            ("lib/python3.13/config-3.13/python.o", elf_of_type(ET_REL), true),
            ("lib/python3.13/core", elf_of_type(ET_CORE), true),
            ("lib/libpython3.13.a", b"!<arch>\n".to_vec(), true),
            ("bin/python3.13-config", b"#!/bin/sh\n".to_vec(), true),
            ("lib/short.o", b"\x7fELF".to_vec(), true),
            (
                "lib/damaged.so",
                [elf_of_type(ET_DYN), vec![255; 8]].concat().into_iter().take(60).collect(),
                false,
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
            let result = relocate_programs(dir.path());
            assert_eq!(result.is_ok(), is_right, "{name}: {result:?}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
            if let Err(error) = result {
                assert_eq!(error.code().entry().id, "python-runtime::invalid-archive");
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }
}
