//! The app's files with their digests, without reading those that are what they were in the last build.
//!
//! As git's index has it: a file with the same size, times and inode has the same content. Its ctime can't be set by
//! anybody, so only a change right after it was read could go unnoticed: within the clock's tick. What was changed a
//! moment before is therefore not remembered.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::stage::index_app_with;
use crate::app::source::AppSource;
use crate::app::tree::{SourceEntry, SourceKind};
use crate::env::Env;
use crate::error::Result;
use crate::host::clock;
use crate::slug::tree::{Entry, EntryKind};
use crate::store::Store;

/// How old a change must be, in nanoseconds: the coarsest clocks of file systems tick every two seconds.
const SETTLED: i128 = 2_000_000_000;

/// The digest of a file's name, size, times and inode.
type State = [u8; 16];
const STATE: usize = size_of::<State>();
const DIGEST: usize = 32;

/// The digests of files by their states.
type Known = HashMap<State, [u8; DIGEST]>;

/// Lists the app's files with their digests. `lineage` names the app in the store.
pub fn index_app_again(app: &AppSource, lineage: &str, store: &Store, env: &Env) -> Result<Vec<Entry>> {
    let now = i128::try_from(clock::unix_milliseconds()).unwrap_or(0) * 1_000_000;
    let name = hex::encode(Sha256::digest(format!("app index 1\0{lineage}")));
    let known = store.segment(&name).map(|bytes| decode(&bytes)).unwrap_or_default();
    let entries = index_app_with(app, &|entry| known.get(&state(entry)?).copied(), env)?;
    let settled: Known = app
        .tree
        .entries
        .iter()
        .filter(|entry| is_settled(entry, now))
        .filter_map(|entry| {
            let found = entries.binary_search_by(|other| other.path.cmp(&entry.path)).ok()?;
            match &entries.get(found)?.kind {
                EntryKind::File { digest, .. } => Some((state(entry)?, *digest)),
                _ => None,
            }
        })
        .collect();
    if settled != known {
        store.put_segment(&name, &encode(&settled))?;
    }
    Ok(entries)
}

fn state(entry: &SourceEntry) -> Option<State> {
    let SourceKind::File { size, mtime_ns, ctime_ns, inode, .. } = &entry.kind else { return None };
    let mut hasher = Sha256::new();
    hasher.update(&entry.path);
    hasher.update([0]);
    for number in [i128::from(*size), *mtime_ns, *ctime_ns, i128::from(*inode)] {
        hasher.update(number.to_le_bytes());
    }
    hasher.finalize()[..STATE].try_into().ok()
}

fn is_settled(entry: &SourceEntry, now: i128) -> bool {
    matches!(&entry.kind, SourceKind::File { ctime_ns, .. } if *ctime_ns + SETTLED < now)
}

fn encode(known: &Known) -> Vec<u8> {
    let mut pairs: Vec<_> = known.iter().collect();
    pairs.sort_unstable();
    pairs.into_iter().flat_map(|(state, digest)| state.iter().chain(digest)).copied().collect()
}

fn decode(bytes: &[u8]) -> Known {
    let (pairs, _) = bytes.as_chunks::<{ STATE + DIGEST }>();
    let pair = |pair: &[u8; STATE + DIGEST]| {
        let (state, digest) = pair.split_first_chunk::<STATE>()?;
        Some((*state, digest.try_into().ok()?))
    };
    pairs.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::app::source::read_source;
    use crate::env::Interrupt;

    struct World {
        app: tempfile::TempDir,
        store: Store,
        _dir: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let (app, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::write(app.path().join("requirements.txt"), "").unwrap();
            let store = Store::open(dir.path()).unwrap();
            Self { app, store, _dir: dir }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.app.path().join(name)
        }

        /// Reads the app as if all its files had last been changed an hour before.
        fn read(&self) -> AppSource {
            let mut app = read_source(self.app.path(), &BTreeSet::new(), &Interrupt::default()).unwrap();
            for entry in &mut app.tree.entries {
                if let SourceKind::File { ctime_ns, .. } = &mut entry.kind {
                    *ctime_ns -= 3_600_000_000_000;
                }
            }
            app
        }

        fn digest(&self, app: &AppSource, name: &str) -> String {
            let entries = index_app_again(app, "app", &self.store, &Env::for_tests(&[])).unwrap();
            let entry = entries.iter().find(|entry| entry.path == name.as_bytes()).unwrap();
            match &entry.kind {
                EntryKind::File { digest, .. } => hex::encode(digest),
                other => panic!("{other:?}"),
            }
        }
    }

    fn sha256(text: &str) -> String {
        hex::encode(Sha256::digest(text))
    }

    /// Sets the time of a file's last change in nanoseconds, as `touch` could.
    fn set_mtime(path: &Path, time: SystemTime) {
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_file_that_is_what_it_was_is_not_read_again() {
        let world = World::new();
        fs::write(world.path("a"), "one").unwrap();
        let app = world.read();
        assert_eq!(world.digest(&app, "a"), sha256("one"));
        // The same facts: whatever is in it now isn't looked at.
        fs::write(world.path("a"), "two").unwrap();
        assert_eq!(world.digest(&app, "a"), sha256("one"));
    }

    #[test]
    fn any_other_size_time_or_inode_means_that_it_is_read() {
        let world = World::new();
        let path = world.path("a");
        let time = SystemTime::now() - Duration::from_secs(3600);
        fs::write(&path, "one").unwrap();
        set_mtime(&path, time);
        assert_eq!(world.digest(&world.read(), "a"), sha256("one"));
        // Its time of change is put back; the time of that is what tells.
        fs::write(&path, "two").unwrap();
        set_mtime(&path, time);
        assert_eq!(world.digest(&world.read(), "a"), sha256("two"));
        fs::write(world.path("b"), "six").unwrap();
        set_mtime(&world.path("b"), time);
        let inode = fs::metadata(&path).unwrap().ino();
        fs::rename(world.path("b"), &path).unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), inode);
        assert_eq!(world.digest(&world.read(), "a"), sha256("six"));
    }

    #[test]
    fn what_was_changed_a_moment_ago_is_not_remembered() {
        let world = World::new();
        fs::write(world.path("a"), "one").unwrap();
        let app = read_source(world.app.path(), &BTreeSet::new(), &Interrupt::default()).unwrap();
        assert_eq!(world.digest(&app, "a"), sha256("one"));
        // Within the same tick of the clock, as it were: none of the facts has changed.
        fs::write(world.path("a"), "two").unwrap();
        assert_eq!(world.digest(&app, "a"), sha256("two"));
    }

    #[test]
    fn what_is_remembered_comes_back_and_what_is_damaged_is_nothing() {
        let known: Known = (0..9_u8).map(|number| ([number; STATE], [number + 100; DIGEST])).collect();
        assert_eq!(decode(&encode(&known)), known);
        assert_eq!(decode(&encode(&known)[..100]).len(), 2);
        assert!(decode(b"").is_empty());
    }
}
