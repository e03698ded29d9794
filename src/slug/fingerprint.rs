//! The SHA-256 of the tar file inside a slug, without reading what an earlier slug of the same app began with.
//!
//! The store keeps, for an app, the keys of its last slug's segments with the hash's inner state after each.
//! The next slug goes on from the end of the longest common beginning.

use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

use crate::store::{Store, StoreError};

/// The kind of the store's documents.
const KIND: &str = "slugs";

/// What the store knows of the last slug of an app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct History {
    /// The keys of the segments, in order.
    keys: Vec<String>,
    /// The state of the hash after each of them, in hexadecimal.
    states: Vec<String>,
    /// The SHA-256 of the above: a state that is wrong in one bit would make a wrong hash that nobody notices.
    checksum: String,
}

impl History {
    fn sum(&self) -> String {
        let mut hasher = Sha256::new();
        for line in self.keys.iter().chain(&self.states) {
            hasher.update(line);
            hasher.update("\n");
        }
        hex::encode(hasher.finalize())
    }
}

/// The hash of a tar file, which segments are added to in order.
pub(super) struct TarHash {
    hasher: Sha256,
    history: History,
    known: usize,
    is_new: bool,
}

impl TarHash {
    /// Starts with what the store knows of an earlier slug.
    pub(super) fn resume(keys: &[String], store: &Store, lineage: &str) -> Self {
        let mut history = store.document::<History>(KIND, &document_name(lineage)).unwrap_or_default();
        if history.keys.len() != history.states.len() || history.checksum != history.sum() {
            history = History::default();
        }
        let known = history.keys.iter().zip(keys).take_while(|(old, new)| old == new).count();
        let is_new = known != keys.len() || known != history.keys.len();
        let hasher = known.checked_sub(1).map(|last| restore(&history.states[last]));
        match hasher {
            Some(Some(hasher)) => {
                history.keys.truncate(known);
                history.states.truncate(known);
                Self { hasher, history, known, is_new }
            }
            _ => Self { hasher: Sha256::new(), history: History::default(), known: 0, is_new: true },
        }
    }

    /// Returns how many segments at the beginning needn't be added.
    pub(super) fn known(&self) -> usize {
        self.known
    }

    /// Adds the content of the next segment.
    pub(super) fn add(&mut self, key: &str, content: &[u8]) {
        self.hasher.update(content);
        self.history.keys.push(key.to_owned());
        self.history.states.push(hex::encode(self.hasher.serialize()));
    }

    /// Adds the end of the tar file, and keeps the states for the next slug.
    pub(super) fn finish(mut self, end: &[u8], store: &Store, lineage: &str) -> Result<String, StoreError> {
        if self.is_new {
            self.history.checksum = self.history.sum();
            store.put_document(KIND, &document_name(lineage), &self.history)?;
        }
        self.hasher.update(end);
        Ok(hex::encode(self.hasher.finalize()))
    }
}

fn restore(state: &str) -> Option<Sha256> {
    let bytes = hex::decode(state).ok()?;
    let state = SerializedState::<Sha256>::try_from(bytes.as_slice()).ok()?;
    Sha256::deserialize(&state).ok()
}

/// A lineage may be any text, a file's name may not.
fn document_name(lineage: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !lineage.is_empty() && lineage.len() <= 100 && lineage.bytes().all(is_plain) {
        lineage.to_owned()
    } else {
        hex::encode(Sha256::digest(lineage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    /// Hashes segments that are named by their content; returns how many were known.
    fn hash(store: &Store, segments: &[&str]) -> (usize, String) {
        let keys: Vec<String> = segments.iter().map(|&segment| segment.to_owned()).collect();
        let mut hash = TarHash::resume(&keys, store, "app");
        let known = hash.known();
        for key in &keys[known..] {
            hash.add(key, key.as_bytes());
        }
        (known, hash.finish(b"end", store, "app").unwrap())
    }

    #[test]
    fn the_hash_goes_on_from_the_longest_common_beginning() {
        let (_dir, store) = store();
        for (segments, known) in [
            (&["a", "b", "c"][..], 0),
            (&["a", "b", "c"], 3),
            (&["a", "x", "c"], 1),
            (&["a", "x", "c", "d"], 3),
            (&["a", "x"], 2),
            (&["a", "x", "c"], 2),
            (&["y", "x", "c"], 0),
            (&[], 0),
            (&["y"], 0),
        ] {
            let expected = hex::encode(Sha256::digest(segments.concat() + "end"));
            assert_eq!(hash(&store, segments), (known, expected), "{segments:?}");
        }
    }

    #[test]
    fn a_damaged_document_is_not_trusted() {
        let (dir, store) = store();
        let (_, expected) = hash(&store, &["a", "b"]);
        let path = dir.path().join("v1/documents/slugs/app.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let states = text.find("states").unwrap() + 12;
        for (from, to) in [(states, "0"), (states, "1"), (12, "z")] {
            let mut damaged = text.clone();
            damaged.replace_range(from..=from, to);
            if damaged == text {
                continue;
            }
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(hash(&store, &["a", "b"]), (0, expected.clone()), "{from} {to}");
        }
    }

    #[test]
    fn any_lineage_has_a_document() {
        let (_dir, store) = store();
        for lineage in ["", "../../x", "/abs/olute", "plain", &"long".repeat(100)] {
            TarHash::resume(&[], &store, lineage).finish(b"", &store, lineage).unwrap();
            assert!(!document_name(lineage).contains(['/', '.']), "{lineage}");
        }
    }
}
