//! Segments and documents: small files whose bytes have a checksum, which every reader compares. So they needn't be
//! waited for on their way to the disk: half of one has the wrong checksum, and is made anew.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::hold::note_use;
use super::{At, Item, Store, StoreError};
use crate::host::scratch;

impl Store {
    fn segment_path(&self, key: &str) -> PathBuf {
        self.root.join("segments").join(key.get(..2).unwrap_or("00")).join(key)
    }

    /// Returns whether a segment or document is what was put there; nothing for other kinds.
    pub fn is_whole(&self, item: &Item) -> Option<bool> {
        let bytes = fs::read(&item.path).unwrap_or_default();
        match item.kind.as_str() {
            "segments" => Some(segment_content(&bytes).is_some()),
            "documents" => Some(document_content(&bytes).is_some()),
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
        if segment_content(bytes).is_some() {
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

    /// Returns a small value that was kept; one that isn't what was put there counts as none.
    pub fn document<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        let bytes = fs::read(self.find(self.document_path(kind, name))).ok()?;
        serde_json::from_slice(document_content(&bytes)?).ok()
    }

    /// Keeps a small value.
    pub fn put_document<T: Serialize>(&self, kind: &str, name: &str, value: &T) -> Result<(), StoreError> {
        let path = self.document_path(kind, name);
        let bytes = serde_json::to_vec(value).map_err(io::Error::other).at(&path)?;
        let digest = hex::encode(Sha256::digest(&bytes));
        self.write_aside(&path, &[&bytes, b"\n", digest.as_bytes(), b"\n"])
    }

    /// Forgets a small value.
    pub fn remove_document(&self, kind: &str, name: &str) {
        // It is no loss if there was none.
        let path = self.document_path(kind, name);
        let _ = fs::remove_file(&path);
        self.hide(&path);
    }

    fn write_aside(&self, path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
        let mut file = scratch::temp_file_in(&self.tmp()).at(path)?;
        for part in parts {
            file.write_all(part).at(path)?;
        }
        self.sharing.give(file.as_file());
        let parent = path.parent().unwrap_or(&self.root);
        self.sharing.make_dir(parent).at(parent)?;
        file.persist(path).map_err(|error| error.error).at(path)?;
        self.grown.blobs.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// A segment is the SHA-256 of its bytes, and its bytes.
fn segment_content(bytes: &[u8]) -> Option<&[u8]> {
    let (digest, content) = bytes.split_first_chunk::<32>()?;
    (Sha256::digest(content)[..] == digest[..]).then_some(content)
}

/// A document is one line of JSON, and a line with its SHA-256.
fn document_content(bytes: &[u8]) -> Option<&[u8]> {
    let (content, digest) = bytes.strip_suffix(b"\n")?.split_at_checked(bytes.len().checked_sub(66)?)?;
    let digest = digest.strip_prefix(b"\n")?;
    (hex::encode(Sha256::digest(content)).as_bytes() == digest).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

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
    fn a_document_that_is_not_what_was_put_there_counts_as_none() {
        let (_dir, store) = store();
        let value = vec![17, 256];
        store.put_document("kind", "name", &value).unwrap();
        assert_eq!(store.document::<Vec<u32>>("kind", "name"), Some(value.clone()));
        let path = store.document_path("kind", "name");
        let whole = fs::read(&path).unwrap();
        let item = |path: &Path| Item { kind: "documents".into(), path: path.into(), size: 0, last_used: 0 };
        assert_eq!(store.is_whole(&item(&path)), Some(true));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            for bytes in [&damaged[..], &whole[..at]] {
                fs::write(&path, bytes).unwrap();
                let text = String::from_utf8_lossy(bytes);
                assert_eq!(store.document::<Vec<u32>>("kind", "name"), None, "{text}");
                assert_eq!(store.is_whole(&item(&path)), Some(false), "{text}");
            }
        }
        // Without a checksum, as earlier versions wrote them.
        fs::write(&path, "[17,256]").unwrap();
        assert_eq!(store.document::<Vec<u32>>("kind", "name"), None);
    }
}
