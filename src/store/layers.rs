//! Layers: directories that are renamed into place when they are finished.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::prune::{directories, record_size};
use super::{At, Store, StoreError, durable};
use crate::host::scratch::ScratchDir;

impl Store {
    fn layer_path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join("layers").join(kind).join(key)
    }

    /// Returns the directory of a finished layer. Nobody prunes it before this process ends.
    pub fn layer(&self, kind: &str, key: &str) -> Option<PathBuf> {
        Some(self.find(self.layer_path(kind, key))).filter(|path| self.held.hold(path))
    }

    /// Puts a finished directory into the store, whole. If somebody else was faster, theirs stays.
    pub fn insert_layer(&self, kind: &str, key: &str, finished: ScratchDir) -> Result<PathBuf, StoreError> {
        let path = self.layer_path(kind, key);
        let parent = self.root.join("layers").join(kind);
        self.sharing.make_dir(&parent).at(&parent)?;
        record_size(finished.path())?;
        self.durable.begin(&finished.path().join(durable::MARK)).at(&path)?;
        self.sharing.give_tree(finished.path()).at(&path)?;
        loop {
            match fs::rename(finished.path(), &path) {
                Ok(()) => {
                    // It has moved: there is nothing left to delete.
                    if let Some(lock) = finished.keep() {
                        self.held.share(&path, lock);
                    }
                    break;
                }
                // One that is pruned at this moment is no use.
                Err(_) if path.is_dir() => {
                    if self.held.hold(&path) {
                        break;
                    }
                }
                Err(source) => return Err(StoreError::Unusable { path, source }),
            }
        }
        self.grown.layers.store(true, Ordering::Relaxed);
        self.write_out(&path);
        Ok(path)
    }

    /// Has everything written out that is in the store until now, and notes that for this layer and uv's cache.
    fn write_out(&self, layer: &Path) {
        let (mark, store, uses) = (layer.join(durable::MARK), self.clone(), self.uv_uses());
        // The thread may outlive the build, whose directories are deleted then.
        let store = Self { beneath: None, ..store };
        self.durable.write_out(layer, move || {
            durable::settle(&mark);
            store.settle_uv_cache(uses);
        });
    }

    /// Returns whether the files of a layer are there as they were written. After a power cut they may not be: then they have
    /// to be compared with its index before they are used, and [`Store::settle`] notes that they were.
    pub fn is_sure(&self, layer: &Path) -> bool {
        self.durable.is_sure(&layer.join(durable::MARK))
    }

    /// Notes that the files of a layer were compared with its index.
    pub fn settle(&self, layer: &Path) {
        durable::settle(&layer.join(durable::MARK));
    }

    /// Waits until what this process has put there is written out.
    pub fn wait_until_written(&self) {
        self.durable.wait();
    }

    /// Throws a layer away: moved aside first, so that nobody sees half of it.
    pub fn remove_layer(&self, kind: &str, key: &str) -> Result<(), StoreError> {
        let path = self.layer_path(kind, key);
        let trash = self.scratch()?;
        self.held.release(&path);
        self.hide(&path);
        match fs::rename(&path, trash.path().join("layer")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Unusable { path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Lists the finished layers, by their kinds and keys.
    pub fn layers(&self) -> Vec<(String, String)> {
        let kinds = directories(&self.root.join("layers")).into_iter();
        kinds
            .flat_map(|(kind, path)| directories(&path).into_iter().map(move |(key, _)| (kind.clone(), key)))
            .collect()
    }

    /// Throws away the layers of a kind that don't have one of these keys.
    pub fn retain_layers(&self, kind: &str, keys: &[&str]) -> Result<(), StoreError> {
        let parent = self.root.join("layers").join(kind);
        let entries = match fs::read_dir(&parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.at(&parent)?,
        };
        for entry in entries {
            let name = entry.at(&parent)?.file_name();
            match name.to_str() {
                Some(key) if !keys.contains(&key) => self.remove_layer(kind, key)?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    #[test]
    fn a_layer_appears_whole_and_the_first_one_stays() {
        let (_dir, store) = store();
        for text in ["first", "second"] {
            let work = store.scratch().unwrap();
            fs::write(work.path().join("file"), text).unwrap();
            store.insert_layer("runtime", "key", work).unwrap();
        }
        let layer = store.layer("runtime", "key").unwrap();
        assert_eq!(fs::read_to_string(layer.join("file")).unwrap(), "first");
        assert_eq!(fs::read_dir(store.root.join("tmp")).unwrap().count(), 0);
        store.remove_layer("runtime", "key").unwrap();
        assert_eq!(store.layer("runtime", "key"), None);
    }

    #[test]
    fn only_the_named_layers_stay() {
        let (_dir, store) = store();
        store.retain_layers("runtime", &[]).unwrap();
        for (kind, key) in [("runtime", "a"), ("runtime", "b"), ("pip", "a")] {
            store.insert_layer(kind, key, store.scratch().unwrap()).unwrap();
        }
        store.retain_layers("runtime", &["b"]).unwrap();
        for (kind, key, expected) in [("runtime", "a", false), ("runtime", "b", true), ("pip", "a", true)] {
            assert_eq!(store.layer(kind, key).is_some(), expected, "{kind} {key}");
        }
    }
}
