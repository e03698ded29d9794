//! The programs and libraries of a copy: made smaller, and made to find each other wherever they are.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::host::elf::{self, ElfError};

/// What came of a program or library.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Relocated {
    /// The file as it goes into the copy.
    pub bytes: Vec<u8>,
    /// Libraries of the original that it needs and that the system doesn't have: they have to come along.
    pub companions: BTreeSet<PathBuf>,
    /// The names of all libraries that it needs.
    pub needed: BTreeSet<OsString>,
}

/// What becomes of a run path that leads from the file to directories beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldPaths {
    /// It stays, behind the copy's own: the directories came along.
    Keep,
    /// It goes: what was found there is put beside the copy's own libraries.
    Leave,
}

/// Strips a program or library, and lets it look for libraries in the copy's own `lib` first.
///
/// `original` is where it was, `place` where it goes, relative to the copy's prefix. `own` are the names of
/// the libraries that are in the copy's `lib`; one that needs none of them and had no run path gets none.
pub(crate) fn relocate(
    bytes: &[u8],
    original: &Path,
    place: &Path,
    own: &BTreeSet<OsString>,
    old_paths: OldPaths,
) -> Result<Relocated, ElfError> {
    let needed: BTreeSet<OsString> = elf::needed(bytes)?.into_iter().map(OsString::from_vec).collect();
    let old = elf::run_path(bytes)?;
    let dirs = old.as_deref().map(|path| search_dirs(path, original)).unwrap_or_default();
    let mut needs_own = false;
    let mut companions = BTreeSet::new();
    for name in &needed {
        let companion = dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
        needs_own |= own.contains(name) || companion.is_some();
        companions.extend(companion.filter(|_| !own.contains(name)));
    }
    let mut bytes = elf::strip(bytes)?;
    if old.is_some() || needs_own {
        let mut path = run_path(place);
        if old_paths == OldPaths::Keep {
            add_relative(&mut path, old.as_deref().unwrap_or_default());
        }
        elf::set_run_path(&mut bytes, &path)?;
    }
    Ok(Relocated { bytes, companions, needed })
}

/// Adds the directories of a run path that count from the file itself.
fn add_relative(path: &mut Vec<u8>, old: &[u8]) {
    let is_relative = |dir: &&[u8]| dir.starts_with(b"$ORIGIN") || dir.starts_with(b"${ORIGIN}");
    for dir in old.split(|byte| *byte == b':').filter(is_relative) {
        if !path.split(|byte| *byte == b':').any(|known| known == dir) {
            path.push(b':');
            path.extend(dir);
        }
    }
}

/// Returns the directories of a run path that aren't the system's.
fn search_dirs(run_path: &[u8], original: &Path) -> Vec<PathBuf> {
    let origin = original.parent().unwrap_or(Path::new("/"));
    let dirs = run_path.split(|byte| *byte == b':').filter_map(|dir| {
        let relative = [&b"$ORIGIN"[..], b"${ORIGIN}"].iter().find_map(|name| dir.strip_prefix(*name));
        match relative {
            Some(rest) => {
                let rest = OsStr::from_bytes(rest).as_bytes();
                let rest = rest.strip_prefix(b"/").unwrap_or(rest);
                std::fs::canonicalize(origin.join(OsStr::from_bytes(rest))).ok()
            }
            None => Some(PathBuf::from(OsStr::from_bytes(dir))),
        }
    });
    dirs.filter(|dir| dir.is_absolute() && !is_system_library_dir(dir)).collect()
}

/// Returns whether a directory is one where every machine of the same stack has the same libraries.
pub(crate) fn is_system_library_dir(dir: &Path) -> bool {
    ["/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32"]
        .iter()
        .any(|system| dir.starts_with(system))
}

/// Returns the run path that leads from a place in the prefix to its `lib`.
fn run_path(place: &Path) -> Vec<u8> {
    let parent: Vec<&OsStr> = place.parent().into_iter().flat_map(Path::iter).collect();
    let mut path = b"$ORIGIN".to_vec();
    match parent.strip_prefix(&[OsStr::new("lib")]) {
        Some(below) => below.iter().for_each(|_| path.extend(b"/..")),
        None => {
            parent.iter().for_each(|_| path.extend(b"/.."));
            path.extend(b"/lib");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_path_leads_to_lib() {
        for (place, expected) in [
            ("bin/python3.12", "$ORIGIN/../lib"),
            ("lib/libpython3.12.so.1.0", "$ORIGIN"),
            ("lib/python3.12/lib-dynload/_ssl.so", "$ORIGIN/../.."),
        ] {
            assert_eq!(run_path(Path::new(place)), expected.as_bytes(), "{place}");
        }
    }

    #[test]
    fn libraries_are_looked_for_where_the_original_did_but_not_in_the_system() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("lib")).unwrap();
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let original = root.join("bin/python3.12");
        for (run_path, expected) in [
            ("", vec![]),
            ("$ORIGIN/../lib", vec![root.join("lib")]),
            ("${ORIGIN}/../lib:/usr/lib/x86_64-linux-gnu", vec![root.join("lib")]),
            ("/opt/ssl/lib:/lib64:relative", vec![PathBuf::from("/opt/ssl/lib")]),
        ] {
            assert_eq!(search_dirs(run_path.as_bytes(), &original), expected, "{run_path}");
        }
    }

    #[test]
    fn a_library_beside_the_original_comes_along() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::write(root.join("a.c"), "int answer(void) { return 42; }\n").unwrap();
        std::fs::write(root.join("main.c"), "int answer(void);\nint main(void) { return answer(); }\n")
            .unwrap();
        let gcc = |args: &[&str]| {
            let status = std::process::Command::new("gcc").args(args).current_dir(&root).status();
            status.is_ok_and(|status| status.success())
        };
        let run_path = format!("-Wl,-rpath,{}", root.display());
        let made = gcc(&["-shared", "-fPIC", "a.c", "-o", "liba.so"])
            && gcc(&["main.c", "-L.", "-la", &run_path, "-o", "main"]);
        if !made {
            eprintln!("skipped: gcc isn't there");
            return;
        }
        let original = root.join("main");
        let bytes = std::fs::read(&original).unwrap();
        let relocated =
            relocate(&bytes, &original, Path::new("bin/main"), &BTreeSet::new(), OldPaths::Leave).unwrap();
        assert_eq!(relocated.companions, BTreeSet::from([root.join("liba.so")]));
        assert_eq!(elf::run_path(&relocated.bytes).unwrap().as_deref(), Some(&b"$ORIGIN/../lib"[..]));
        // Once it is in the copy, nothing has to come.
        let own = BTreeSet::from([OsString::from("liba.so")]);
        let relocated = relocate(&bytes, &original, Path::new("bin/main"), &own, OldPaths::Leave).unwrap();
        assert_eq!(relocated.companions, BTreeSet::new());
    }

    // B19
    #[test]
    fn directories_beside_the_file_stay_in_a_run_path() {
        for (old, expected) in [
            ("$ORIGIN/../x.libs", "$ORIGIN/../lib:$ORIGIN/../x.libs"),
            ("${ORIGIN}/deps:/usr/lib", "$ORIGIN/../lib:${ORIGIN}/deps"),
            ("/build/lib", "$ORIGIN/../lib"),
            ("$ORIGIN/../lib:$ORIGIN", "$ORIGIN/../lib:$ORIGIN"),
            ("", "$ORIGIN/../lib"),
        ] {
            let mut path = run_path(Path::new("bin/python3.13"));
            add_relative(&mut path, old.as_bytes());
            assert_eq!(String::from_utf8(path).unwrap(), expected, "{old}");
        }
    }
}
