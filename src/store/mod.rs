//! The store: what one build keeps for the next. It holds whole things or nothing, and doesn't know what
//! is in them.
//!
//! ```text
//! layers/<kind>/<key>/     a finished layer, renamed into place
//! segments/<aa>/<key>      a compressed piece of a slug, or the bytecode of a part of a layer, behind the SHA-256 of
//!                          its bytes
//! documents/<kind>/<name>  small JSON values, each before the SHA-256 of its bytes
//! downloads/               archives, named by their checksum
//! uv/, uv-<user>/          uv's own cache; one for each user where several share the store
//! locks/                   one file a lock
//! tmp/, tmp-<machine>/     what is being made
//! ```

#![expect(clippy::disallowed_methods, reason = "the room that owns what is kept")]

mod blob;
mod durable;
mod hold;
mod layers;
mod lock;
mod prune;
mod sharing;
mod size;
mod uv_cache;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use durable::Durable;
use hold::Held;
pub(crate) use lock::Lock;
pub(crate) use prune::{Item, Limits, Pruned, Total};
use sharing::Sharing;
pub(crate) use size::{parse_duration, parse_size};

use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, UserError};
use crate::host::file_system::{FileSystem, file_system, machine_name};
use crate::host::scratch::{self, ScratchDir};
use crate::output::Output;

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
    /// The file system of the store has no locks.
    #[error("Locks don't work in {}.", .path.display())]
    NoLocks {
        /// Where.
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
            Self::NoLocks { .. } => ErrorCode::StoreNoLocks,
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
    sharing: Sharing,
    durable: Durable,
    /// How often this process has begun to use uv's cache.
    uv_uses: Arc<Mutex<u64>>,
    file_system: FileSystem,
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
        Self {
            root: root.join(LAYOUT),
            beneath: None,
            held: Held::default(),
            grown: Arc::default(),
            sharing: Sharing::of(root),
            durable: Durable::new(),
            uv_uses: Arc::default(),
            // One that can't be asked can't be used either, which is found out where it is.
            file_system: file_system(root).unwrap_or(FileSystem::Local),
        }
    }

    /// Opens the store in this directory, if there is one.
    pub fn open_existing(root: &Path) -> Option<Self> {
        Some(Self::at(root)).filter(|store| store.root.is_dir())
    }

    /// Opens the store in this directory, and makes it if there is none.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        if !root.is_dir() {
            // Nobody else's business, unless its owner says so.
            let mut parents = fs::DirBuilder::new();
            parents.recursive(true).create(root.parent().unwrap_or(root)).at(root)?;
            match fs::DirBuilder::new().mode(0o700).create(root) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).at(root),
                _ => {}
            }
        }
        Self::at(root).prepare(root)
    }

    fn prepare(self, root: &Path) -> Result<Self, StoreError> {
        if self.root.is_dir() && !is_writable(&self.root) {
            return Self::above(self.root);
        }
        for dir in ["layers", "segments", "documents", "downloads", "locks"] {
            let path = self.root.join(dir);
            self.sharing.make_dir(&path).at(&path)?;
        }
        self.sharing.make_dir(&self.tmp()).at(&self.tmp())?;
        if self.file_system == FileSystem::Shared {
            lock::check_locks(&self.tmp())?;
        }
        // What killed builds have left.
        scratch::sweep(&self.tmp());
        // Tells backup programs to leave it out: https://bford.info/cachedir/
        let tag = root.join("CACHEDIR.TAG");
        if !tag.exists() {
            fs::write(&tag, "Signature: 8a477f597d28d172789f06886806bc55\n# slugc's store; it can be deleted at any time.\n")
                .at(&tag)?;
        }
        Ok(self)
    }

    /// Warns of a store that anybody on the machine may put something into.
    pub fn warn_if_open_to_all(&self, output: &Output) {
        sharing::warn_if_open_to_all(self.read_only().unwrap_or(&self.root), output);
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
        let parent = self.tmp();
        // On a network, this machine may never have made anything yet.
        self.sharing.make_dir(&parent).at(&parent)?;
        ScratchDir::make_in(&parent).at(&parent)
    }

    /// Returns where this machine keeps what is being made. A lock on a directory says nothing to other machines (NFS has
    /// none), so each has its own and nobody tidies up another's.
    pub fn tmp(&self) -> PathBuf {
        match self.file_system {
            FileSystem::Local => self.root.join("tmp"),
            FileSystem::Shared => self.root.join(format!("tmp-{}", machine_name())),
        }
    }

    /// Waits until nobody else holds the lock of this name, and holds it until the value is dropped.
    /// `on_wait` is called once if it has to wait.
    pub fn lock(&self, name: &str, env: &Env, on_wait: impl FnOnce()) -> Result<Lock, StoreError> {
        Lock::acquire(&self.root.join("locks").join(name), self.sharing, env, on_wait)
    }

    /// Returns where downloads are kept.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// Keeps a file or directory of the store from being pruned before this process ends.
    pub fn hold(&self, path: &Path) {
        self.held.hold(path);
    }
}

/// Returns whether this user may write there, and the file system lets anybody.
fn is_writable(root: &Path) -> bool {
    use rustix::fs::{Access, access};
    let parts =
        ["", "tmp", "locks", "layers", "segments", "documents", "downloads"].map(|name| root.join(name));
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
    use super::*;

    /// Makes a store, which lasts as long as its directory is held.
    pub(super) fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }
}
