//! The index of a layer as a file: read on every build, so it is small and quick rather than pretty.
//!
//! ```text
//! "slugc-index 1\n"
//! per entry: kind byte, path length (u32), path, then
//!   'd' nothing
//!   'f' size (u64), mode (u32), SHA-256
//!   'l' target length (u32), target
//! SHA-256 of all that
//! ```
//! Numbers are little-endian.

use sha2::{Digest, Sha256};

use super::tree::{Entry, EntryKind};

const MAGIC: &[u8] = b"slugc-index 1\n";

/// Writes an index.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for Entry { path, kind } in entries {
        let tag = match kind {
            EntryKind::Directory => b'd',
            EntryKind::File { .. } => b'f',
            EntryKind::Symlink { .. } => b'l',
        };
        bytes.push(tag);
        put_bytes(&mut bytes, path);
        match kind {
            EntryKind::Directory => {}
            EntryKind::File { size, mode, digest } => {
                bytes.extend_from_slice(&size.to_le_bytes());
                bytes.extend_from_slice(&mode.to_le_bytes());
                bytes.extend_from_slice(digest);
            }
            EntryKind::Symlink { target } => put_bytes(&mut bytes, target),
        }
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn put_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    // A name of 4 GiB can't be.
    bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(value);
}

/// Reads an index; returns nothing if it is damaged.
pub fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(content)[..] != *digest {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let mut entries = Vec::new();
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        let path = take_bytes(&mut rest)?;
        let kind = match tag {
            b'd' => EntryKind::Directory,
            b'f' => EntryKind::File {
                size: u64::from_le_bytes(take(&mut rest)?),
                mode: u32::from_le_bytes(take(&mut rest)?),
                digest: take(&mut rest)?,
            },
            b'l' => EntryKind::Symlink { target: take_bytes(&mut rest)? },
            _ => return None,
        };
        entries.push(Entry { path, kind });
    }
    Some(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back_as_it_was_and_damage_is_seen() {
        let entries = vec![
            Entry { path: b"bin".to_vec(), kind: EntryKind::Directory },
            Entry {
                path: b"bin/a\nb\xff".to_vec(),
                kind: EntryKind::File { size: 7, mode: 0o755, digest: [9; 32] },
            },
            Entry { path: b"link".to_vec(), kind: EntryKind::Symlink { target: b"../x".to_vec() } },
        ];
        let bytes = encode(&entries);
        assert_eq!(decode(&bytes), Some(entries));
        assert_eq!(decode(&encode(&[])), Some(Vec::new()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_entries_come_back_and_any_bytes_are_an_index_or_none(
            names in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..20), 0..8),
            size in proptest::num::u64::ANY,
            mode in proptest::num::u32::ANY,
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let kinds = [
                EntryKind::Directory,
                EntryKind::File { size, mode, digest: [7; 32] },
                EntryKind::Symlink { target: noise.clone() },
            ];
            let entries: Vec<_> =
                names.into_iter().zip(kinds.into_iter().cycle()).map(|(path, kind)| Entry { path, kind }).collect();
            assert_eq!(decode(&encode(&entries)), Some(entries));
            // With a right checksum, so that what is behind it is read.
            let content = [MAGIC, &noise].concat();
            let bytes = [&content[..], &Sha256::digest(&content)[..]].concat();
            if let Some(entries) = decode(&bytes) {
                assert_eq!(encode(&entries), bytes);
            }
        }
    }
}
