//! What is in the store, how much it takes, and taking away what nobody has used for long. It goes by
//! where things are, and knows nothing of what they are for: another kind of layer or blob needs no change here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use serde::Serialize;

use super::hold::DAY;
use super::{At, Store, StoreError};
use crate::env::Env;
use crate::host::clock;
use crate::host::file_system::FileSystem;
use crate::host::scratch::{self, is_at};
use crate::host::walk::walk;
use crate::output::Output;

const LAYERS: &str = "layers";
/// Beside a layer's tree: how many bytes it has, so that nobody needs to count them again.
pub(super) const SIZE_FILE: &str = "size";
/// Says by its time when the limit was last enforced.
const CHECKED_FILE: &str = "checked";
const HOUR: u64 = 60 * 60;

/// One thing in the store, which is there or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is: `layers/runtime`, `segments`, `documents`.
    pub kind: String,
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last used, in seconds since 1970, to the day.
    pub last_used: u64,
}

/// How much there is of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// What may stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The most bytes that stay; what was used last stays longest.
    pub max_size: Option<u64>,
    /// The most seconds since the last use.
    pub max_age: Option<u64>,
}

/// What was taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// What is gone.
    pub removed: Total,
    /// What is left.
    pub left: Total,
    /// How many were to go, but are used by a running build.
    pub in_use: u64,
    /// How many were to go, but belong to somebody else.
    pub refused: u64,
}

enum Removal {
    Done,
    InUse,
    Refused,
}

impl Store {
    /// Lists all that is in the store.
    pub fn items(&self, env: &Env) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for (top, dir) in directories(&self.root) {
            env.interrupt.check()?;
            match top.as_str() {
                name if is_no_content(name) => {}
                name if is_whole(name) => items.extend(directory_item(top, dir, env)?),
                LAYERS => {
                    for (kind, dir) in directories(&dir) {
                        for (_, layer) in directories(&dir) {
                            items.extend(directory_item(format!("{LAYERS}/{kind}"), layer, env)?);
                        }
                    }
                }
                _ => items.extend(files_below(&dir).map(|(path, meta)| Item {
                    kind: top.clone(),
                    path,
                    size: meta.len(),
                    last_used: meta.mtime().unsigned_abs(),
                })),
            }
        }
        Ok(items)
    }

    /// Returns how much there is of each kind.
    pub fn totals(&self, env: &Env) -> Result<BTreeMap<String, Total>, StoreError> {
        let mut totals = BTreeMap::<String, Total>::new();
        for item in self.items(env)? {
            totals.entry(item.kind.clone()).or_default().add(&item);
        }
        Ok(totals)
    }

    /// Takes away what is beyond the limits, beginning with what was used least recently, but nothing that a running build
    /// uses.
    pub fn prune(&self, limits: Limits, env: &Env) -> Result<Pruned, StoreError> {
        let mut items = self.items(env)?;
        items.sort_by(|one, other| (one.last_used, &one.path).cmp(&(other.last_used, &other.path)));
        let mut pruned = Pruned::default();
        items.iter().for_each(|item| pruned.left.add(item));
        let now = clock::unix_seconds();
        for item in &items {
            env.interrupt.check()?;
            let too_old = limits.max_age.is_some_and(|age| item.last_used.saturating_add(age) <= now);
            let too_much = limits.max_size.is_some_and(|size| pruned.left.bytes > size);
            if !too_old && !too_much {
                continue;
            }
            match self.remove_unless_used(item, now)? {
                Removal::Done => {
                    pruned.removed.add(item);
                    pruned.left.count -= 1;
                    pruned.left.bytes -= item.size;
                }
                Removal::InUse => pruned.in_use += 1,
                Removal::Refused => pruned.refused += 1,
            }
        }
        self.remove_free_locks();
        self.remove_lost_machines(now);
        Ok(pruned)
    }

    /// Keeps the store below a limit after a build, whose result doesn't depend on it. No limit is 0.
    pub fn keep_below(&self, limit: u64, env: &Env, output: &Output) {
        if limit == 0 {
            return;
        }
        match self.enforce_limit(limit, env) {
            Ok(Some(Pruned { removed, .. })) if removed.count > 0 => output.detail(format!(
                "Removed {}M that were not used lately from the store, to keep it below {}M",
                removed.bytes >> 20,
                limit >> 20
            )),
            Ok(_) => {}
            Err(error) => output.detail(format!("The store can't be tidied up: {error}")),
        }
    }

    /// Keeps the store below a limit, if this build has put something there. It costs a build that has only made
    /// new segments nothing, but once an hour.
    fn enforce_limit(&self, limit: u64, env: &Env) -> Result<Option<Pruned>, StoreError> {
        let stamp = self.root.join(CHECKED_FILE);
        let is_late = || {
            let checked = fs::metadata(&stamp).map_or(0, |meta| meta.mtime().unsigned_abs());
            // Also when the last look is yet to come: the clock was wrong then.
            checked.abs_diff(clock::unix_seconds()) > HOUR
        };
        let has_layers = self.grown.layers.load(Ordering::Relaxed);
        let is_due = has_layers || (self.grown.blobs.load(Ordering::Relaxed) && is_late());
        if !is_due {
            return Ok(None);
        }
        self.stamp(&stamp);
        self.prune(Limits { max_size: Some(limit), max_age: None }, env).map(Some)
    }

    /// Throws away what would grow from build to build in a store that belongs to one app: downloads that this process hasn't
    /// used, and uv's cache once it is twice as large as what is installed. Nothing if this process has made no layer.
    pub fn forget_surplus(&self, env: &Env) -> Result<(), StoreError> {
        if !self.grown.layers.load(Ordering::Relaxed) {
            return Ok(());
        }
        let items = self.items(env)?;
        let layers = items.iter().filter(|item| item.kind.starts_with(LAYERS));
        let installed: u64 = layers.map(|item| item.size).sum();
        for item in &items {
            let is_surplus = match item.kind.as_str() {
                "downloads" => !self.held.has(&item.path),
                kind => is_whole(kind) && item.size > installed.saturating_mul(2),
            };
            if is_surplus {
                self.held.release(&item.path);
                self.remove_item(item)?;
            }
        }
        Ok(())
    }

    fn stamp(&self, path: &Path) {
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(path);
        // A store that only other users may write to is theirs to look after.
        let _ = file.and_then(|file| {
            self.sharing.give(&file);
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            Ok(futimens(&file, &Timestamps { last_access: now, last_modification: now })?)
        });
    }

    /// Takes one thing away, unless a running build uses it.
    pub fn remove(&self, item: &Item) -> Result<bool, StoreError> {
        self.remove_item(item).map(|removal| matches!(removal, Removal::Done))
    }

    /// Other machines' builds can't be seen by locks on directories where they are on a network. What they use was
    /// noted as used, to the day.
    fn remove_unless_used(&self, item: &Item, now: u64) -> Result<Removal, StoreError> {
        let is_fresh = item.last_used.saturating_add(2 * DAY) > now;
        if self.file_system == FileSystem::Shared && is_fresh {
            return Ok(Removal::InUse);
        }
        self.remove_item(item)
    }

    fn remove_item(&self, item: &Item) -> Result<Removal, StoreError> {
        let _lock = is_whole(&item.kind).then(|| self.lock_uv_cache());
        let Ok(file) = File::open(&item.path) else { return Ok(Removal::Refused) };
        match file.try_lock() {
            Ok(()) if is_at(&file, &item.path) => {}
            Err(fs::TryLockError::Error(_)) => {}
            _ => return Ok(Removal::InUse),
        }
        if !file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Ok(fs::remove_file(&item.path).map_or(Removal::Refused, |()| Removal::Done));
        }
        let Ok(trash) = self.scratch() else { return Ok(Removal::Refused) };
        let renamed = fs::rename(&item.path, trash.path().join("gone"));
        // From here on others see that it isn't there, and needn't wait until it is deleted.
        drop(file);
        Ok(renamed.map_or(Removal::Refused, |()| Removal::Done))
    }

    /// Deletes what machines were making that haven't been here for long: containers have a new name each time.
    fn remove_lost_machines(&self, now: u64) {
        let of_machines = directories(&self.root).into_iter().filter(|(name, _)| name.starts_with("tmp-"));
        for (_, path) in of_machines.filter(|(_, path)| *path != self.tmp()) {
            let changed = fs::metadata(&path).map_or(now, |meta| meta.mtime().unsigned_abs());
            if changed.saturating_add(2 * DAY) < now {
                // What stays is in nobody's way.
                let _ = scratch::remove_tree(&path);
            }
        }
    }

    /// Deletes the files of locks that nobody holds; whoever takes one looks whether it is still there.
    fn remove_free_locks(&self) {
        for (path, _) in files_below(&self.root.join("locks")) {
            if let Ok(file) = File::open(&path)
                && file.try_lock().is_ok()
                && is_at(&file, &path)
            {
                // It stays if it is somebody else's: it takes no room.
                let _ = fs::remove_file(&path);
            }
        }
    }
}

impl Total {
    /// Adds an item.
    pub fn add(&mut self, item: &Item) {
        self.count += 1;
        self.bytes += item.size;
    }
}

/// Locks, and what is being made.
fn is_no_content(top: &str) -> bool {
    top == "locks" || top == "tmp" || top.starts_with("tmp-")
}

/// Directories that belong to another program, which only go as a whole.
fn is_whole(top: &str) -> bool {
    top == "uv" || top.starts_with("uv-")
}

fn directory_item(kind: String, path: PathBuf, env: &Env) -> Result<Option<Item>, StoreError> {
    // It may be pruned by somebody else at this moment.
    let Ok(meta) = fs::metadata(&path) else { return Ok(None) };
    let recorded = fs::read_to_string(path.join(SIZE_FILE)).ok().and_then(|text| text.trim().parse().ok());
    let size = match recorded {
        Some(size) => size,
        None => size_below(&path, || Ok(env.interrupt.check()?))?,
    };
    Ok(Some(Item { kind, path, size, last_used: meta.mtime().unsigned_abs() }))
}

/// Adds up the bytes of the files below a directory; what goes away meanwhile doesn't count.
fn size_below(dir: &Path, check: impl Fn() -> Result<(), StoreError> + Sync) -> Result<u64, StoreError> {
    let visit = |entry: &fs::DirEntry, _: &Path| {
        check()?;
        let meta = entry.metadata().ok().filter(|meta| !meta.is_dir());
        Ok::<_, StoreError>(meta.map(|meta| meta.len()))
    };
    Ok(walk(dir, &visit, &|_, _| Ok(()))?.iter().sum())
}

/// Notes how big a layer is, before it is put into the store.
pub(super) fn record_size(dir: &Path) -> Result<(), StoreError> {
    let size = size_below(dir, || Ok(()))?;
    let path = dir.join(SIZE_FILE);
    fs::write(&path, format!("{size}\n")).at(&path)
}

/// Lists the directories in a directory, by their names, sorted.
pub(super) fn directories(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    found.sort();
    found
}

/// Lists the files below a directory; what goes away meanwhile isn't among them.
fn files_below(dir: &Path) -> impl Iterator<Item = (PathBuf, fs::Metadata)> {
    let entries = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    entries
        .filter(|entry| !entry.file_type().is_dir())
        .filter_map(|entry| Some((entry.path().to_owned(), entry.metadata().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store, Env) {
        let (dir, store) = crate::store::tests::store();
        (dir, store, Env::for_tests(&[]))
    }

    fn insert(store: &Store, key: &str, bytes: usize, days_ago: u64) {
        let work = store.scratch().unwrap();
        fs::write(work.path().join("file"), vec![0; bytes]).unwrap();
        let path = store.insert_layer("runtime", key, work).unwrap();
        store.wait_until_written();
        age(&path, days_ago);
    }

    fn age(path: &Path, days: u64) {
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    fn has(store: &Store, key: &str) -> bool {
        store.root().join("layers/runtime").join(key).is_dir()
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let (dir, store, env) = store();
        for (key, days_ago) in [("newest", 0), ("oldest", 30), ("middle", 5)] {
            insert(&store, key, 1000, days_ago);
        }
        // Another process, as it were: this one holds what it has made.
        let other = Store::open(dir.path()).unwrap();
        drop(store);
        let all = other.totals(&env).unwrap()["layers/runtime"];
        assert_eq!((all.count, all.bytes), (3, 3000));
        let pruned = other.prune(Limits { max_size: Some(2500), max_age: None }, &env).unwrap();
        assert_eq!((pruned.removed.count, pruned.left.bytes), (1, 2000));
        assert_eq!(["newest", "middle", "oldest"].map(|key| has(&other, key)), [true, true, false]);
        let pruned = other.prune(Limits { max_size: None, max_age: Some(3 * 86_400) }, &env).unwrap();
        assert_eq!(pruned.removed.count, 1);
        assert_eq!(["newest", "middle"].map(|key| has(&other, key)), [true, false]);
        assert_eq!(fs::read_dir(other.root().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_used_is_not_pruned_and_a_use_is_noted() {
        let (dir, store, env) = store();
        insert(&store, "used", 10, 30);
        insert(&store, "made", 10, 30);
        drop(store);
        let user = Store::open(dir.path()).unwrap();
        assert!(user.layer("runtime", "used").is_some());
        let pruner = Store::open(dir.path()).unwrap();
        let old = Limits { max_size: None, max_age: Some(86_400) };
        assert_eq!(pruner.prune(old, &env).unwrap().removed.count, 1, "the one that isn't used");
        let pruned = pruner.prune(Limits { max_size: Some(0), max_age: None }, &env).unwrap();
        assert_eq!((pruned.in_use, pruned.removed.count), (1, 0));
        drop(user);
        assert_eq!(pruner.prune(Limits { max_size: Some(0), max_age: None }, &env).unwrap().removed.count, 1);
        assert_eq!(pruner.layer("runtime", "used"), None);
    }

    #[test]
    fn the_limit_is_enforced_only_by_who_has_put_something_there() {
        let (dir, store, env) = store();
        insert(&store, "old", 1000, 30);
        drop(store);
        let idle = Store::open(dir.path()).unwrap();
        assert_eq!(idle.enforce_limit(0, &env).unwrap(), None);
        let busy = Store::open(dir.path()).unwrap();
        insert(&busy, "new", 1000, 0);
        let pruned = busy.enforce_limit(0, &env).unwrap().unwrap();
        assert_eq!((pruned.removed.count, pruned.in_use), (1, 1), "its own layer stays");
        assert!(has(&busy, "new"));
    }

    #[test]
    fn a_new_kind_of_blob_counts_and_goes_as_the_others_do() {
        let (_dir, store, env) = store();
        let path = store.root().join("some-new-kind/ab/abcd");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "12345").unwrap();
        assert_eq!(store.totals(&env).unwrap()["some-new-kind"], Total { count: 1, bytes: 5 });
        drop(store.lock("free", &env, || {}).unwrap());
        let held = store.lock("held", &env, || {}).unwrap();
        store.prune(Limits { max_size: Some(0), max_age: None }, &env).unwrap();
        assert!(!path.exists());
        let locks = fs::read_dir(store.root().join("locks")).unwrap();
        assert_eq!(locks.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["held"]);
        drop(held);
    }

    #[test]
    fn on_a_network_what_other_machines_may_use_or_make_stays() {
        let (dir, store, env) = store();
        insert(&store, "fresh", 10, 1);
        insert(&store, "old", 10, 3);
        drop(store);
        let made_by = |machine: &str, days| {
            let path = dir.path().join("v1").join(machine).join("slugc-scratch-0123456789ab");
            fs::create_dir_all(&path).unwrap();
            age(path.parent().unwrap(), days);
            path
        };
        let (running, lost) = (made_by("tmp-running", 1), made_by("tmp-lost", 3));
        let network = Store { file_system: FileSystem::Shared, ..Store::at(dir.path()) };
        let network = network.prepare(dir.path()).unwrap();
        assert_ne!(network.tmp(), dir.path().join("v1/tmp"));
        assert!(running.exists() && lost.exists(), "no lock tells whose they are");
        let own = network.scratch().unwrap();
        let pruned = network.prune(Limits { max_size: Some(0), max_age: None }, &env).unwrap();
        assert_eq!((pruned.removed.count, pruned.in_use), (1, 1));
        assert_eq!(["fresh", "old"].map(|key| has(&network, key)), [true, false]);
        assert_eq!([&running, &lost].map(|path| path.exists()), [true, false]);
        assert!(own.path().exists());
        // On a disk of the machine, locks say all.
        let local = Store::open(dir.path()).unwrap();
        assert_eq!(local.prune(Limits { max_size: Some(0), max_age: None }, &env).unwrap().removed.count, 1);
    }
}
