//! uv's own cache, which is uv's business but for whether it can be trusted.

use std::fs;
use std::path::PathBuf;
use std::sync::PoisonError;

use super::sharing::Sharing;
use super::{Store, durable};

impl Store {
    /// Returns the directory that uv may use as its cache. uv trusts what is in it, so it starts anew if that may be what
    /// a power cut has left.
    pub fn uv_cache(&self) -> PathBuf {
        let (path, mark) = (self.uv_path(), self.uv_mark());
        let mut uses = self.uv_uses.lock().unwrap_or_else(PoisonError::into_inner);
        *uses += 1;
        if path.is_dir() && !self.durable.is_sure(&mark) {
            // What can't be moved can't be used by uv either, which says why.
            let _ = self.scratch().map(|grave| fs::rename(&path, grave.path().join("uv")));
        }
        // If this fails, so does uv, and says why.
        let _ = self.sharing_of_uv().make_dir(&path).and_then(|()| self.durable.begin(&mark));
        self.held.hold(&path);
        path
    }

    /// uv writes by its own umask, so users of one store can't share its cache.
    pub(super) fn uv_path(&self) -> PathBuf {
        match self.sharing.is_among_users() {
            true => self.root.join(format!("uv-{}", rustix::process::geteuid().as_raw())),
            false => self.root.join("uv"),
        }
    }

    pub(super) fn uv_mark(&self) -> PathBuf {
        self.uv_path().with_extension(durable::MARK)
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
        assert_eq!(fs::read_to_string(&mark).unwrap(), "on disk");
        // Whoever writes there again has it to be written out again.
        assert!(has_wheel());
        assert_ne!(fs::read_to_string(&mark).unwrap(), "on disk");
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
        assert_ne!(fs::read_to_string(store.uv_mark()).unwrap(), "on disk", "another process uses it");
    }
}
