//! The store: what one build keeps for the next. It holds whole things or nothing, and doesn't know what
//! is in them.
//!
//! ```text
//! layers/<kind>/<key>/     a finished layer, renamed into place
//! segments/<aa>/<key>      a compressed piece of a slug, or the bytecode of a part of a layer, behind the SHA-256 of
//!                          its bytes
//! documents/<kind>/<name>  small JSON values
//! downloads/               archives, named by their checksum
//! uv/                      uv's own cache
//! locks/                   one file a lock
//! tmp/                     what is being made
//! ```

#![expect(clippy::disallowed_methods, reason = "the room that owns what is kept")]

mod hold;
mod lock;
mod prune;
mod size;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use hold::{Held, note_use};
pub use lock::Lock;
use prune::record_size;
pub use prune::{Item, Limits, Pruned, Total};
pub use size::{parse_duration, parse_size};

use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, UserError};
use crate::host::scratch::{self, ScratchDir};

/// The version of the layout; another one starts empty, beside the old.
const LAYOUT: &str = "v1";

/// Something about the store that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A directory or file of the store can't be written.
    #[error("{} can't be used.", .path.display())]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was kept isn't what it was.
    #[error("{what} isn't what was put there.")]
    Corrupt {
        /// What is damaged.
        what: String,
    },
    /// The user asked slugc to stop while it waited for another build.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unusable { .. } => ErrorCode::StoreUnusable,
            Self::Corrupt { .. } => ErrorCode::StoreCorrupt,
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// A store on disk.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    beneath: Option<Arc<Beneath>>,
    held: Held,
    grown: Arc<Grown>,
}

/// A store that can't be written to, below one that lasts as long as this process.
#[derive(Debug)]
struct Beneath {
    root: PathBuf,
    /// What was found damaged: it can't be thrown away.
    hidden: Mutex<BTreeSet<PathBuf>>,
    _scratch: ScratchDir,
}

/// What this process has put into the store.
#[derive(Debug, Default)]
struct Grown {
    layers: AtomicBool,
    blobs: AtomicBool,
}

impl Store {
    /// Returns where the store is unless the caller says otherwise: `SLUGC_CACHE_DIR`, else `slugc` in
    /// `XDG_CACHE_HOME`, else `~/.cache/slugc`. There is none without a home directory.
    pub fn default_root(env: &Env) -> Option<PathBuf> {
        let named = env.var("SLUGC_CACHE_DIR").map(|dir| env.absolute(dir));
        let xdg = || {
            env.var("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join("slugc"))
        };
        named.or_else(xdg).or_else(|| env.home().map(|home| home.join(".cache/slugc")))
    }

    fn at(root: &Path) -> Self {
        Self { root: root.join(LAYOUT), beneath: None, held: Held::default(), grown: Arc::default() }
    }

    /// Opens the store in this directory, if there is one.
    pub fn open_existing(root: &Path) -> Option<Self> {
        Some(Self::at(root)).filter(|store| store.root.is_dir())
    }

    /// Opens the store in this directory, and makes it if there is none.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self::at(root);
        if store.root.is_dir() && !is_writable(&store.root) {
            return Self::above(store.root);
        }
        for dir in ["layers", "segments", "documents", "downloads", "locks", "tmp"] {
            let path = store.root.join(dir);
            fs::create_dir_all(&path).at(&path)?;
        }
        // What killed builds have left.
        scratch::sweep(&store.root.join("tmp"));
        // Tells backup programs to leave it out: https://bford.info/cachedir/
        let tag = root.join("CACHEDIR.TAG");
        if !tag.exists() {
            fs::write(&tag, "Signature: 8a477f597d28d172789f06886806bc55\n# slugc's store; it can be deleted at any time.\n")
                .at(&tag)?;
        }
        Ok(store)
    }

    /// Opens a store that can only be read. What is new goes into a scratch directory, where this machine keeps those.
    fn above(root: PathBuf) -> Result<Self, StoreError> {
        let parent = std::env::temp_dir();
        let scratch = ScratchDir::make_in(&parent).at(&parent)?;
        let mut store = Self::open(scratch.path())?;
        store.beneath = Some(Arc::new(Beneath { root, hidden: Mutex::default(), _scratch: scratch }));
        Ok(store)
    }

    /// Returns the store that can't be written to: what is new won't be kept.
    pub fn read_only(&self) -> Option<&Path> {
        self.beneath.as_deref().map(|beneath| beneath.root.as_path())
    }

    /// Finds something that lasts: where this process writes, else in the store that can't be written to.
    fn find(&self, path: PathBuf) -> PathBuf {
        let Some(beneath) = &self.beneath else { return path };
        let Ok(name) = path.strip_prefix(&self.root) else { return path };
        let below = beneath.root.join(name);
        let hidden = beneath.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if path.exists() || hidden.contains(&below) { path } else { below }
    }

    /// Doesn't find this in the store that can't be written to any more.
    fn hide(&self, path: &Path) {
        if let (Some(beneath), Ok(name)) = (&self.beneath, path.strip_prefix(&self.root)) {
            let mut hidden = beneath.hidden.lock().unwrap_or_else(PoisonError::into_inner);
            hidden.insert(beneath.root.join(name));
        }
    }

    /// Returns the directory of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a directory to work in, on the store's file system. It is deleted when it is dropped.
    pub fn scratch(&self) -> Result<ScratchDir, StoreError> {
        let parent = self.root.join("tmp");
        ScratchDir::make_in(&parent).at(&parent)
    }

    /// Waits until nobody else holds the lock of this name, and holds it until the value is dropped.
    /// `on_wait` is called once if it has to wait.
    pub fn lock(&self, name: &str, env: &Env, on_wait: impl FnOnce()) -> Result<Lock, StoreError> {
        Lock::acquire(&self.root.join("locks").join(name), env, on_wait)
    }

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
        fs::create_dir_all(&parent).at(&parent)?;
        record_size(finished.path())?;
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
        Ok(path)
    }

    /// Throws a layer away: moved aside first, so that nobody sees half of it.
    pub fn remove_layer(&self, kind: &str, key: &str) -> Result<(), StoreError> {
        let path = self.layer_path(kind, key);
        let grave = self.scratch()?;
        self.held.release(&path);
        self.hide(&path);
        match fs::rename(&path, grave.path().join("layer")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Unusable { path, source: error })
            }
            _ => Ok(()),
        }
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

    fn segment_path(&self, key: &str) -> PathBuf {
        self.root.join("segments").join(key.get(..2).unwrap_or("00")).join(key)
    }

    /// Returns whether a segment or document is what was put there; nothing for other kinds.
    pub fn is_whole(&self, item: &Item) -> Option<bool> {
        let bytes = fs::read(&item.path).unwrap_or_default();
        match item.kind.as_str() {
            "segments" => Some(bytes.len() >= 32 && Sha256::digest(&bytes[32..])[..] == bytes[..32]),
            "documents" => Some(serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok()),
            _ => None,
        }
    }

    /// Returns a segment, if it is there and is what was put there. A damaged one is thrown away.
    pub fn segment(&self, key: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_segment(key, &mut bytes).then_some(bytes)
    }

    /// Reads a segment into a buffer, and returns whether it is there and is what was put there.
    pub fn read_segment(&self, key: &str, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        let path = self.find(self.segment_path(key));
        let Ok(mut file) = File::open(&path) else { return false };
        note_use(&file);
        if file.read_to_end(bytes).is_err() {
            return false;
        }
        if bytes.len() >= 32 && Sha256::digest(&bytes[32..])[..] == bytes[..32] {
            bytes.drain(..32);
            return true;
        }
        // Whether or not this works, the caller makes it anew.
        let _ = fs::remove_file(&path);
        false
    }

    /// Keeps a segment.
    pub fn put_segment(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.segment_path(key);
        let digest = Sha256::digest(bytes);
        self.write_aside(&path, &[&digest[..], bytes])
    }

    /// Throws away all segments but these.
    pub fn retain_segments(&self, keys: &BTreeSet<String>) -> Result<(), StoreError> {
        let parent = self.root.join("segments");
        for directory in fs::read_dir(&parent).at(&parent)? {
            let directory = directory.at(&parent)?.path();
            for segment in fs::read_dir(&directory).at(&directory)? {
                let segment = segment.at(&directory)?;
                if segment.file_name().to_str().is_none_or(|name| !keys.contains(name)) {
                    fs::remove_file(segment.path()).at(&segment.path())?;
                }
            }
        }
        Ok(())
    }

    fn document_path(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join("documents").join(kind).join(format!("{name}.json"))
    }

    /// Returns a small value that was kept; one that can't be read counts as none.
    pub fn document<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.find(self.document_path(kind, name))).ok()?).ok()
    }

    /// Keeps a small value.
    pub fn put_document<T: Serialize>(&self, kind: &str, name: &str, value: &T) -> Result<(), StoreError> {
        let path = self.document_path(kind, name);
        let bytes = serde_json::to_vec(value).map_err(io::Error::other).at(&path)?;
        self.write_aside(&path, &[&bytes])
    }

    /// Forgets a small value.
    pub fn remove_document(&self, kind: &str, name: &str) {
        // It is no loss if there was none.
        let path = self.document_path(kind, name);
        let _ = fs::remove_file(&path);
        self.hide(&path);
    }

    /// Returns where downloads are kept.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// Returns the directory that uv may use as its cache.
    pub fn uv_cache(&self) -> PathBuf {
        let path = self.root.join("uv");
        // If this fails, so does uv, and says why.
        let _ = fs::create_dir_all(&path);
        self.held.hold(&path);
        path
    }

    /// Keeps a file or directory of the store from being pruned before this process ends.
    pub fn hold(&self, path: &Path) {
        self.held.hold(path);
    }

    fn write_aside(&self, path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
        let mut file = scratch::temp_file_in(&self.root.join("tmp")).at(path)?;
        for part in parts {
            file.write_all(part).at(path)?;
        }
        // Not synced: half a segment has the wrong checksum, half a document isn't JSON, and both are made anew.
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).at(parent)?;
        file.persist(path).map_err(|error| error.error).at(path)?;
        self.grown.blobs.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns whether this user may write there, and the file system lets anybody.
fn is_writable(root: &Path) -> bool {
    use rustix::fs::{Access, access};
    let parts = ["", "tmp", "locks", "layers", "segments", "documents"].map(|name| root.join(name));
    // What isn't there is made.
    parts.iter().all(|path| !path.exists() || access(path, Access::WRITE_OK).is_ok())
}

trait At<T> {
    fn at(self, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Unusable { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn store() -> (TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_segment_comes_back_as_it_was() {
        let (_dir, store) = store();
        store.put_segment("abcd", b"bytes").unwrap();
        assert_eq!(store.segment("abcd").as_deref(), Some(&b"bytes"[..]));
        assert_eq!(store.segment("none"), None);
    }

    #[test]
    fn a_damaged_segment_is_not_returned_and_goes_away() {
        let (_dir, store) = store();
        store.put_segment("abcd", b"bytes").unwrap();
        let path = store.segment_path("abcd");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.segment("abcd"), None);
        assert!(!path.exists());
    }

    #[test]
    fn only_the_named_segments_stay() {
        let (_dir, store) = store();
        store.put_segment("abcd", b"first").unwrap();
        store.put_segment("abef", b"second").unwrap();
        store.retain_segments(&BTreeSet::from(["abef".to_owned()])).unwrap();
        assert_eq!((store.segment("abcd"), store.segment("abef")), (None, Some(b"second".to_vec())));
    }

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

    #[test]
    fn a_document_that_is_not_json_counts_as_none() {
        let (_dir, store) = store();
        store.put_document("kind", "name", &vec![1, 2]).unwrap();
        assert_eq!(store.document::<Vec<u8>>("kind", "name"), Some(vec![1, 2]));
        fs::write(store.document_path("kind", "name"), "{").unwrap();
        assert_eq!(store.document::<Vec<u8>>("kind", "name"), None);
    }
}
