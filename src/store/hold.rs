//! What this process uses of the store: held by shared locks until it ends, so that nobody's pruning takes it away.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::host::clock;
use crate::host::scratch::is_at;

/// How much later a use has to be than the last one to be noted.
pub(super) const DAY: u64 = 24 * 60 * 60;

#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<BTreeMap<PathBuf, File>>>);

impl Held {
    /// Holds a file or directory, and notes that it was used. Returns whether it is there.
    pub(super) fn hold(&self, path: &Path) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(path).is_some_and(|file| is_at(file, path)) {
            return true;
        }
        while let Ok(file) = File::open(path) {
            // Whoever has it alone takes it away or puts it there, and is done in a moment. Where nothing can be
            // locked, it is used all the same.
            let _ = file.lock_shared();
            if is_at(&file, path) {
                note_use(&file);
                held.insert(path.to_owned(), file);
                return true;
            }
        }
        false
    }

    /// Holds what this process has locked for itself until now.
    pub(super) fn share(&self, path: &Path, lock: File) {
        let _ = lock.lock_shared();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), lock);
    }

    /// Returns whether this process holds it.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(path)
    }

    /// Returns whether this process holds it, and nobody else.
    pub(super) fn is_alone(&self, path: &Path) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(path).is_some_and(|file| {
            let is_alone = file.try_lock().is_ok();
            // Either way it is to be shared again.
            let _ = file.lock_shared();
            is_alone
        })
    }

    /// Lets go of what this process takes away itself.
    pub(super) fn release(&self, path: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}

/// The time of a file's last change is when it was last used, to the day: a write for each use would cost more than it tells.
pub(super) fn note_use(file: &File) {
    let is_off = |meta: std::fs::Metadata| is_off(meta.mtime(), clock::unix_seconds());
    if file.metadata().is_ok_and(is_off) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // A store that can only be read stays as it is.
        let _ = futimens(file, &Timestamps { last_access: now, last_modification: now });
    }
}

/// Returns whether a time is more than a day from now. One to come is from a clock that was wrong: until then, what bears it
/// would count as used.
fn is_off(time: i64, now: u64) -> bool {
    now.abs_diff(time.unsigned_abs()) > DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_after_a_day_and_when_the_last_one_is_to_come() {
        let now = 1_000_000_000;
        for (time, expected) in [(now, false), (now - DAY, false), (now - DAY - 1, true), (now + 10, false)] {
            assert_eq!(is_off(time.cast_signed(), now), expected, "{time}");
        }
        assert!(is_off((now + 400 * DAY).cast_signed(), now) && is_off(0, now));
    }
}
