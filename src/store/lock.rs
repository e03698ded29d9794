//! A lock between processes: an advisory lock on a file, released by the kernel however its holder ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::sharing::Sharing;
use super::{At, StoreError};
use crate::env::Env;
use crate::host::scratch::{is_at, temp_file_in};

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(
        path: &Path,
        sharing: Sharing,
        env: &Env,
        on_wait: impl FnOnce(),
    ) -> Result<Self, StoreError> {
        let open = || open(path, sharing).at(path);
        let mut file = open()?;
        let mut on_wait = Some(on_wait);
        loop {
            match file.try_lock() {
                // Somebody has tidied up meanwhile: a lock on a file without a name keeps nobody out.
                Ok(()) if !is_at(&file, path) => file = open()?,
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if let Some(on_wait) = on_wait.take() {
                        on_wait();
                    }
                    env.interrupt.check()?;
                    // Polled, because a blocking lock can't be interrupted.
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::NoLocks { path: path.to_owned(), source });
                }
            }
        }
    }

    /// Waits for a lock that nobody holds for more than a moment.
    pub(super) fn wait(path: &Path, sharing: Sharing) -> io::Result<Self> {
        loop {
            let file = open(path, sharing)?;
            file.lock()?;
            if is_at(&file, path) {
                return Ok(Self { _file: file });
            }
        }
    }
}

fn open(path: &Path, sharing: Sharing) -> io::Result<File> {
    match OpenOptions::new().create(true).truncate(false).write(true).open(path) {
        Ok(file) => {
            sharing.give(&file);
            Ok(file)
        }
        // Somebody else's: it can be locked without being written to, but on NFS.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        Err(error) => Err(error),
    }
}

/// Takes a lock twice: the second time has to fail. There are file systems that have no locks, and some that say yes to
/// everybody.
pub(super) fn check_locks(dir: &Path) -> Result<(), StoreError> {
    let file = temp_file_in(dir).at(dir)?;
    let first = file.as_file().try_lock();
    let again = OpenOptions::new().write(true).open(file.path()).at(dir)?;
    judge_locks(first, again.try_lock())
        .map_err(|source| StoreError::NoLocks { path: dir.to_owned(), source })
}

fn judge_locks(first: Result<(), TryLockError>, second: Result<(), TryLockError>) -> io::Result<()> {
    match (first, second) {
        (Ok(()), Err(TryLockError::WouldBlock)) => Ok(()),
        (Ok(()), Ok(())) => Err(io::Error::other("two can have the same lock")),
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_has_to_be_refused() {
        let broken = || Err(TryLockError::Error(io::ErrorKind::Unsupported.into()));
        for (first, second, expected) in [
            (Ok(()), Err(TryLockError::WouldBlock), true),
            (Ok(()), Ok(()), false),
            (broken(), broken(), false),
            (Ok(()), broken(), false),
            (Err(TryLockError::WouldBlock), Err(TryLockError::WouldBlock), false),
        ] {
            let what = format!("{first:?} {second:?}");
            assert_eq!(judge_locks(first, second).is_ok(), expected, "{what}");
        }
        let dir = tempfile::tempdir().unwrap();
        check_locks(dir.path()).unwrap();
    }
}
