//! Temporary files and directories that go away with their owner, however it ends.
//!
//! Each is locked as long as its owner lives: the kernel gives the lock back when a process is killed. So whoever comes
//! next can tell what was left behind from what is in use; age says nothing about that.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::{NamedTempFile, TempDir};

use super::files;

const DIR_PREFIX: &str = "slugc-scratch-";
const FILE_PREFIX: &str = ".slugc-scratch-";
/// So many that no name of somebody else's looks the same.
const RANDOM_LETTERS: usize = 12;
/// How often another one is made when the first was taken for a leftover before it was locked.
const ATTEMPTS: usize = 100;

/// A temporary directory. It is deleted with everything in it when it is dropped.
#[derive(Debug)]
pub struct ScratchDir {
    dir: Option<TempDir>,
    /// None where directories can't be locked.
    lock: Option<File>,
}

impl ScratchDir {
    /// Makes one in this directory.
    pub fn make_in(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let dir = tempfile::Builder::new()
                .prefix(DIR_PREFIX)
                .rand_bytes(RANDOM_LETTERS)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)
                .map_err(without_path)?;
            let lock = match File::open(dir.path()) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match claim(&lock, dir.path()) {
                Claim::Held => return Ok(Self { dir: Some(dir), lock: Some(lock) }),
                Claim::Impossible => return Ok(Self { dir: Some(dir), lock: None }),
                Claim::Lost => {}
            }
        }
        Err(io::Error::other("others delete it as soon as it is made"))
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("/nonexistent"), TempDir::path)
    }

    /// Leaves it where it is, or where it was renamed to. Returns the lock, which belongs to the directory and
    /// not to its name.
    pub fn keep(mut self) -> Option<File> {
        if let Some(dir) = self.dir.take() {
            let _ = dir.keep();
        }
        self.lock.take()
    }

    /// Deletes it, also what has been made unwritable in it.
    pub fn close(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        let Some(dir) = self.dir.take() else { return Ok(()) };
        remove_tree(&dir.keep())
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // What can't be deleted now is found by the next sweep.
        let _ = self.remove();
    }
}

/// Makes a temporary file beside the place where it will go. It is deleted when it is dropped.
pub(crate) fn temp_file_in(dir: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..ATTEMPTS {
        let file = tempfile::Builder::new()
            .prefix(FILE_PREFIX)
            .rand_bytes(RANDOM_LETTERS)
            .tempfile_in(dir)
            .map_err(without_path)?;
        if !matches!(claim(file.as_file(), file.path()), Claim::Lost) {
            return Ok(file);
        }
    }
    Err(io::Error::other("others delete it as soon as it is made"))
}

/// Takes the temporary name out of an error: nobody knows it.
fn without_path(error: io::Error) -> io::Error {
    match error.to_string().rsplit_once(" at path ") {
        Some((said, _)) => io::Error::new(error.kind(), said),
        None => error,
    }
}

/// Returns whether a file or directory of this name is one of slugc's temporary ones.
pub(crate) fn is_scratch_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    [DIR_PREFIX, FILE_PREFIX].iter().any(|prefix| {
        name.strip_prefix(prefix.as_bytes()).is_some_and(|random| {
            random.len() == RANDOM_LETTERS && random.iter().all(u8::is_ascii_alphanumeric)
        })
    })
}

/// Deletes the temporary files and directories there whose owners are gone. What can't be deleted stays: it is in nobody's
/// way.
pub(crate) fn sweep(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_scratch_name(&entry.file_name())) {
        // Whoever could put a link there could have had another file deleted.
        let mut options = OpenOptions::new();
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.read(true).custom_flags(flags.bits().cast_signed());
        let path = entry.path();
        let Ok(file) = options.open(&path) else { continue };
        let is_mine = |meta: fs::Metadata| meta.uid() == rustix::process::geteuid().as_raw();
        if !file.metadata().is_ok_and(is_mine) || !matches!(claim(&file, &path), Claim::Held) {
            continue;
        }
        let _ = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&path)
        } else {
            fs::remove_file(&path)
        };
    }
}

enum Claim {
    /// It is locked, and it is still what is there.
    Held,
    /// Somebody else has it.
    Lost,
    /// This file system doesn't lock.
    Impossible,
}

fn claim(file: &File, path: &Path) -> Claim {
    match file.try_lock() {
        Ok(()) if is_at(file, path) => Claim::Held,
        Ok(()) | Err(TryLockError::WouldBlock) => Claim::Lost,
        Err(TryLockError::Error(_)) => Claim::Impossible,
    }
}

/// Returns whether the open file is the one that has this name: it may have been deleted or replaced since.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Deletes a directory with everything in it, also below directories that have been made unwritable.
pub(crate) fn remove_tree(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(()) => return Ok(()),
        Err(_) => {}
    }
    let mut dirs: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        // If this fails, so does the deleting, which says so.
        let _ = files::set_mode(&dir, 0o700);
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        dirs.extend(below.map(|entry| entry.path()));
    }
    fs::remove_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    // B04
    #[test]
    fn errors_name_no_temporary_file() {
        let absent = Path::new("/nonexistent/dir");
        for error in [temp_file_in(absent).unwrap_err(), ScratchDir::make_in(absent).unwrap_err()] {
            assert_eq!(error.to_string(), "No such file or directory (os error 2)");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn what_is_in_use_is_not_swept_and_what_was_left_behind_is() {
        let dir = tempfile::tempdir().unwrap();
        let (used, left) =
            (ScratchDir::make_in(dir.path()).unwrap(), ScratchDir::make_in(dir.path()).unwrap());
        let (open, lost) = (temp_file_in(dir.path()).unwrap(), temp_file_in(dir.path()).unwrap());
        fs::create_dir(left.path().join("locked")).unwrap();
        fs::write(left.path().join("locked/file"), "x").unwrap();
        files::set_mode(&left.path().join("locked"), 0o500).unwrap();
        // As a killed process does: the locks go, the files stay.
        drop(left.keep());
        drop(lost.keep().unwrap());
        sweep(dir.path());
        let mut expected = [used.path(), open.path()].map(|path| path.file_name().unwrap().to_owned());
        expected.sort();
        let mut found = names(dir.path());
        found.sort();
        assert_eq!(found, expected.map(|name| name.into_string().unwrap()));
        drop((used, open));
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn what_only_looks_similar_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = ["slugc-scratch-mine", "slugc-scratch-aaaaaaaaaaa.", ".slugc-notes1", "slugc-demo"]
            .map(str::to_owned);
        for name in &kept {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let target = dir.path().join("slugc-demo");
        std::os::unix::fs::symlink(target, dir.path().join("slugc-scratch-aaaaaaaaaaaa")).unwrap();
        sweep(dir.path());
        let mut found = names(dir.path());
        found.sort();
        kept.sort();
        assert_eq!(found.len(), kept.len() + 1);
        assert!(kept.iter().all(|name| found.contains(name)), "{found:?}");
    }
}
