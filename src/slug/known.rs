//! What the last build has hashed: a file that nobody has touched since isn't read again.
//!
//! As git does it: size, time of change, inode and the kernel's own time of touching tell whether it is still the same.
//! A file that was touched while the build began could be touched once more at the same time by the file system's clock,
//! so it isn't remembered.

use sha2::{Digest, Sha256};

use super::tree::{Entry, EntryKind, FileToHash, normalise_mode};
use crate::host::clock;
use crate::store::{Store, StoreError};

/// The kind of the store's documents.
const KIND: &str = "files";

/// Part of each fingerprint: another one forgets all.
const VERSION: &[u8] = b"1";

/// The coarsest clock of a file system, FAT's, counts every two seconds.
const COARSEST_NS: i128 = 2_000_000_000;

/// The length of a fingerprint, and with its digest, in hexadecimal.
const FINGERPRINT: usize = 32;
const RECORD: usize = FINGERPRINT + 64;

/// What tells of a file that it is still the same, besides its path and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When its content was changed, in nanoseconds since 1970; programs can set it.
    pub mtime_ns: i128,
    /// When it was touched in any way, in nanoseconds since 1970; only the kernel sets it.
    pub ctime_ns: i128,
    /// The number of its inode.
    pub inode: u64,
}

/// The files that an app had when it was built last.
pub(crate) struct KnownFiles {
    name: String,
    /// Records of one length, sorted: the fingerprint of a file and its digest.
    last: String,
    /// The records of the files that are still the same.
    unchanged: Vec<String>,
    /// What was touched later may be touched again without another time.
    settled_ns: i128,
}

impl KnownFiles {
    /// Returns what the store knows of an app. Ask before the files are hashed.
    pub(crate) fn of(lineage: &str, store: &Store) -> Self {
        let last = store.document::<String>(KIND, lineage);
        let last = last.filter(|last| last.is_ascii() && last.len().is_multiple_of(RECORD));
        Self {
            name: lineage.to_owned(),
            last: last.unwrap_or_default(),
            unchanged: Vec::new(),
            settled_ns: i128::from(clock::unix_seconds()) * 1_000_000_000 - COARSEST_NS,
        }
    }

    /// Forgets an app's files, so that all of them are read again.
    pub(crate) fn forget(lineage: &str, store: &Store) {
        store.remove_document(KIND, lineage);
    }

    /// Returns the entries of the files that are still the same, and the others with their fingerprints; those that
    /// can't be remembered have none.
    pub(crate) fn sort_out(
        &mut self,
        files: Vec<(FileToHash, Stamp)>,
    ) -> (Vec<Entry>, Vec<(Option<String>, FileToHash)>) {
        let (mut known, mut others) = (Vec::new(), Vec::new());
        for (file, stamp) in files {
            if stamp.mtime_ns.max(stamp.ctime_ns) >= self.settled_ns {
                others.push((None, file));
                continue;
            }
            let fingerprint = fingerprint(&file, stamp);
            match self.find(&fingerprint) {
                Some((record, digest)) => {
                    let record = record.to_owned();
                    let FileToHash { path, size, mode } = file;
                    let kind = EntryKind::File { size, mode: normalise_mode(mode), digest };
                    known.push(Entry { path, kind });
                    self.unchanged.push(record);
                }
                None => others.push((Some(fingerprint), file)),
            }
        }
        (known, others)
    }

    /// Remembers the files that are still the same, and those that were hashed now, for the next build.
    pub(crate) fn keep<'a>(
        self,
        hashed: impl Iterator<Item = (&'a Option<String>, &'a Entry)>,
        store: &Store,
    ) -> Result<(), StoreError> {
        let mut records = self.unchanged;
        records.extend(hashed.filter_map(|(fingerprint, entry)| match &entry.kind {
            EntryKind::File { digest, .. } => {
                Some(format!("{}{}", fingerprint.as_ref()?, hex::encode(digest)))
            }
            _ => None,
        }));
        records.sort_unstable();
        let records = records.concat();
        if records == self.last {
            return Ok(());
        }
        store.put_document(KIND, &self.name, &records)
    }

    fn find(&self, fingerprint: &str) -> Option<(&str, [u8; 32])> {
        let record = |number: usize| &self.last[number * RECORD..(number + 1) * RECORD];
        let (mut low, mut high) = (0, self.last.len() / RECORD);
        while low < high {
            let middle = low + (high - low) / 2;
            if &record(middle)[..FINGERPRINT] < fingerprint { low = middle + 1 } else { high = middle }
        }
        let found = (low < self.last.len() / RECORD).then(|| record(low))?;
        let digest = found.strip_prefix(fingerprint)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digest, &mut bytes).ok()?;
        Some((found, bytes))
    }
}

fn fingerprint(file: &FileToHash, stamp: Stamp) -> String {
    let mut hasher = Sha256::new();
    hasher.update(VERSION);
    hasher.update(file.size.to_le_bytes());
    hasher.update(stamp.mtime_ns.to_le_bytes());
    hasher.update(stamp.ctime_ns.to_le_bytes());
    hasher.update(stamp.inode.to_le_bytes());
    // The last of them: only it has no fixed length.
    hasher.update(&file.path);
    hex::encode(&hasher.finalize()[..FINGERPRINT / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Stamp = Stamp { mtime_ns: 1_000_000_000, ctime_ns: 1_000_000_000, inode: 7 };

    fn file(path: &str, size: u64) -> FileToHash {
        FileToHash { path: path.as_bytes().to_vec(), size, mode: 0o100_644 }
    }

    /// Pretends to hash: returns the paths that had to be read.
    fn build(files: &[(FileToHash, Stamp)], store: &Store) -> Vec<String> {
        let mut known = KnownFiles::of("app", store);
        let (unchanged, others) = known.sort_out(files.to_vec());
        let hashed: Vec<_> = others
            .iter()
            .map(|(fingerprint, file)| {
                let digest = Sha256::digest(&file.path).into();
                let kind = EntryKind::File { size: file.size, mode: 0o644, digest };
                (fingerprint, Entry { path: file.path.clone(), kind })
            })
            .collect();
        for entry in &unchanged {
            let EntryKind::File { digest, .. } = entry.kind else { panic!("{entry:?}") };
            assert_eq!(digest[..], Sha256::digest(&entry.path)[..], "{entry:?}");
        }
        known.keep(hashed.iter().map(|(fingerprint, entry)| (*fingerprint, entry)), store).unwrap();
        others.iter().map(|(_, file)| String::from_utf8(file.path.clone()).unwrap()).collect()
    }

    #[test]
    fn only_what_was_touched_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let files: Vec<_> = (0..100).map(|number| (file(&format!("f{number:02}"), number), OLD)).collect();
        assert_eq!(build(&files, &store).len(), 100);
        assert!(build(&files, &store).is_empty());
        for change in [
            (file("f50", 51), OLD),
            (file("f50", 50), Stamp { mtime_ns: 1_000_000_001, ..OLD }),
            (file("f50", 50), Stamp { ctime_ns: 1_000_000_001, ..OLD }),
            (file("f50", 50), Stamp { inode: 8, ..OLD }),
            (file("f50", 50), OLD),
        ] {
            let mut changed = files.clone();
            changed[50] = change.clone();
            assert_eq!(build(&changed, &store), ["f50"], "{change:?}");
            assert!(build(&changed, &store).is_empty(), "{change:?}");
        }
        let mut renamed = files.clone();
        renamed[3].0.path = b"g".to_vec();
        assert_eq!(build(&renamed, &store), ["g"]);
        KnownFiles::forget("app", &store);
        assert_eq!(build(&files, &store).len(), 100);
    }

    #[test]
    fn what_was_touched_a_moment_ago_is_read_the_next_time_too() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let now = i128::from(clock::unix_seconds()) * 1_000_000_000;
        for recent in [Stamp { mtime_ns: now, ..OLD }, Stamp { ctime_ns: now + 3_600_000_000_000, ..OLD }] {
            let files = [(file("old", 1), OLD), (file("recent", 1), recent)];
            KnownFiles::forget("app", &store);
            assert_eq!(build(&files, &store), ["old", "recent"]);
            assert_eq!(build(&files, &store), ["recent"]);
        }
    }

    #[test]
    fn what_cannot_be_records_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let files = [(file("a", 1), OLD), (file("b", 1), OLD)];
        assert_eq!(build(&files, &store).len(), 2);
        let whole: String = store.document(KIND, "app").unwrap();
        for damaged in [whole[1..].to_owned(), "é".repeat(RECORD / 2), String::new()] {
            store.put_document(KIND, "app", &damaged).unwrap();
            assert_eq!(build(&files, &store).len(), 2, "{damaged:?}");
        }
    }
}
