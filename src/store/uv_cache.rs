//! uv's own cache, which is uv's business but for whether it can be trusted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::lock::Lock;
use super::sharing::Sharing;
use super::{Store, durable};
use crate::host::libc::c_library;

impl Store {
    /// Returns the directory that uv may use as its cache. uv trusts what is in it, so it starts anew if that may be what
    /// a power cut has left.
    pub fn uv_cache(&self) -> PathBuf {
        let (path, mark) = (self.uv_path(), self.uv_mark());
        let mut uses = self.uv_uses.lock().unwrap_or_else(PoisonError::into_inner);
        *uses += 1;
        // Another build that begins meanwhile would take a mark that isn't written yet for that of a power cut.
        let _lock = self.lock_uv_cache();
        self.held.hold(&path);
        // Whoever else uses it has looked, in this run of the machine.
        if self.held.is_alone(&path) && !self.durable.is_sure(&mark) {
            self.bury_uv_cache(&path);
        }
        // If this fails, so does uv, and says why.
        let _ = self.sharing_of_uv().make_dir(&path).and_then(|()| self.durable.begin(&mark));
        self.held.hold(&path);
        path
    }

    /// Lets uv begin anew, as what is in its cache isn't what it has put there.
    pub fn forget_uv_cache(&self) {
        let _lock = self.lock_uv_cache();
        self.bury_uv_cache(&self.uv_path());
    }

    fn bury_uv_cache(&self, path: &Path) {
        self.held.release(path);
        // What can't be moved can't be used by uv either, which says why.
        let _ = self.scratch().map(|trash| fs::rename(path, trash.path().join("uv")));
    }

    /// Notes that uv's cache is on the disk, unless this process or another has begun to write there since.
    pub(super) fn settle_uv_cache(&self, uses_until_now: u64) {
        let uses = self.uv_uses.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = self.lock_uv_cache();
        if *uses == uses_until_now && self.held.is_alone(&self.uv_path()) {
            durable::settle(&self.uv_mark());
        }
    }

    /// Returns how often this process has begun to use uv's cache.
    pub(super) fn uv_uses(&self) -> u64 {
        *self.uv_uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps others from looking at uv's cache and its mark while one of them changes. Without locks it is done all the
    /// same, as it was without anybody else.
    pub(super) fn lock_uv_cache(&self) -> Option<Lock> {
        Lock::wait(&self.root.join("locks/uv-cache"), self.sharing).ok()
    }

    /// uv writes by its own umask, so users of one store can't share its cache. Neither can machines with different C
    /// libraries: what uv has built is in it.
    pub(super) fn uv_path(&self) -> PathBuf {
        let libc = c_library();
        match self.sharing.is_among_users() {
            true => self.root.join(format!("uv-{libc}-{}", rustix::process::geteuid().as_raw())),
            false => self.root.join(format!("uv-{libc}")),
        }
    }

    pub(super) fn uv_mark(&self) -> PathBuf {
        // The C library's version has dots.
        let mut mark = self.uv_path().into_os_string();
        mark.push(".");
        mark.push(durable::MARK);
        mark.into()
    }

    fn sharing_of_uv(&self) -> Sharing {
        if self.sharing.is_among_users() { Sharing::alone() } else { self.sharing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_power_cut_may_have_spoilt_is_not_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let write = |store: &Store| fs::write(store.uv_cache().join("wheel"), "").unwrap();
        let store = Store::open(dir.path()).unwrap();
        write(&store);
        let mark = store.uv_mark();
        drop(store);
        let has_wheel = || Store::open(dir.path()).unwrap().uv_cache().join("wheel").exists();
        assert!(has_wheel(), "the machine still runs");
        fs::write(&mark, "an earlier run of the machine").unwrap();
        assert!(!has_wheel());

        let store = Store::open(dir.path()).unwrap();
        write(&store);
        store.insert_layer("dependencies", "key", store.scratch().unwrap()).unwrap();
        store.wait_until_written();
        assert_eq!(fs::read_to_string(&mark).unwrap().trim_end(), "on disk");
        // Whoever writes there again has it to be written out again.
        assert!(has_wheel());
        assert_ne!(fs::read_to_string(&mark).unwrap().trim_end(), "on disk");
    }

    #[test]
    fn what_uv_writes_while_something_else_is_written_out_is_not_taken_for_safe() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.uv_cache();
        let other = Store::open(dir.path()).unwrap();
        other.uv_cache();
        store.insert_layer("runtime", "key", store.scratch().unwrap()).unwrap();
        store.wait_until_written();
        assert_ne!(
            fs::read_to_string(store.uv_mark()).unwrap().trim_end(),
            "on disk",
            "another process uses it"
        );
    }

    #[test]
    fn builds_that_begin_at_once_do_not_take_it_from_each_other() {
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let began = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for number in 0..4 {
                    let (dir, began) = (dir.path(), &began);
                    scope.spawn(move || {
                        let store = Store::open(dir).unwrap();
                        began.wait();
                        let wheel = store.uv_cache().join(number.to_string());
                        fs::write(&wheel, "").unwrap();
                        store.uv_cache();
                        began.wait();
                        assert!(wheel.exists(), "another build took it away");
                    });
                }
            });
        }
    }
}
