//! Directories, gone through by all threads: what takes the time is asking the kernel, which it answers each at once.

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What was gathered by a walk that goes on, and the first error.
struct Gathered<T, E> {
    found: Mutex<Vec<T>>,
    error: Mutex<Option<E>>,
    has_failed: AtomicBool,
}

/// Calls `visit` for all that is below a directory, and returns what it returned. There is no order, but that a directory
/// comes before what is in it. Links aren't followed, but `root` may be one. What can't be read is for `fail` to make an
/// error of, or nothing.
pub(crate) fn walk<T: Send, E: Send>(
    root: &Path,
    visit: &(impl Fn(&DirEntry, &Path) -> Result<Option<T>, E> + Sync),
    fail: &(impl Fn(&Path, io::Error) -> Result<(), E> + Sync),
) -> Result<Vec<T>, E> {
    let gathered = Gathered {
        found: Mutex::new(Vec::new()),
        error: Mutex::new(None),
        has_failed: AtomicBool::new(false),
    };
    // Tasks, not calls of itself: however deep the directories are, no stack is.
    rayon::scope(|scope| list(scope, root.to_owned(), PathBuf::new(), &gathered, visit, fail));
    match gathered.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(gathered.found.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn list<'scope, T: Send, E: Send>(
    scope: &rayon::Scope<'scope>,
    dir: PathBuf,
    relative: PathBuf,
    gathered: &'scope Gathered<T, E>,
    visit: &'scope (impl Fn(&DirEntry, &Path) -> Result<Option<T>, E> + Sync),
    fail: &'scope (impl Fn(&Path, io::Error) -> Result<(), E> + Sync),
) {
    if gathered.has_failed.load(Ordering::Relaxed) {
        return;
    }
    let mut here = Vec::new();
    let mut look = || {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) => return fail(&dir, error),
        };
        for entry in entries {
            let (entry, kind) = match entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind))) {
                Ok(found) => found,
                Err(error) => {
                    fail(&dir, error)?;
                    continue;
                }
            };
            let relative = relative.join(entry.file_name());
            here.extend(visit(&entry, &relative)?);
            if kind.is_dir() {
                let dir = entry.path();
                scope.spawn(move |scope| list(scope, dir, relative, gathered, visit, fail));
            }
        }
        Ok(())
    };
    let result = look();
    gathered.found.lock().unwrap_or_else(PoisonError::into_inner).append(&mut here);
    if let Err(error) = result {
        gathered.has_failed.store(true, Ordering::Relaxed);
        gathered.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(root: &Path) -> Result<Vec<String>, String> {
        let visit = |entry: &DirEntry, path: &Path| {
            let kind = if entry.file_type().unwrap().is_dir() { "/" } else { "" };
            Ok(Some(format!("{}{kind}", path.display())))
        };
        let mut names = walk(root, &visit, &|path, error| Err(format!("{}: {error}", path.display())))?;
        names.sort();
        Ok(names)
    }

    #[test]
    fn everything_is_found_once_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for number in 0..30 {
            let name = format!("{number:02}");
            fs::create_dir_all(dir.path().join(&name).join("sub")).unwrap();
            fs::write(dir.path().join(&name).join("sub/file"), "").unwrap();
            std::os::unix::fs::symlink("..", dir.path().join(&name).join("up")).unwrap();
            let of_this = ["/", "/sub/", "/sub/file", "/up"];
            expected.extend(of_this.map(|rest| format!("{name}{rest}")));
        }
        assert_eq!(names(dir.path()).unwrap(), expected);
    }

    #[test]
    fn a_directory_of_any_depth_is_gone_through() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().to_owned();
        // As deep as a path can be.
        while path.as_os_str().len() < 4000 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        let depth = path.components().count() - dir.path().components().count();
        assert_eq!(names(dir.path()).unwrap().len(), depth);
    }

    #[test]
    fn an_error_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(names(&dir.path().join("none")).unwrap_err().contains("none"));
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let visit =
            |_: &DirEntry, path: &Path| if path.ends_with("b") { Err("b".to_owned()) } else { Ok(Some(())) };
        assert_eq!(walk(dir.path(), &visit, &|_, _| Ok(())), Err("b".to_owned()));
    }
}
