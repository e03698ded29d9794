//! The bytes of a segment as they stand in the tar file. Every file that is read is compared with the
//! index: what goes into the slug, and under a key into the store, is what was hashed before.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::assemble::{Layout, Times};
use super::error::SlugError;
use super::header::{pad, write_header};
use super::merge::Merged;
use super::segment::{Piece, Segment, tar_name};
use super::tree::{EntryKind, READ, Tree, is_a_change, open_file};

/// Where the bytes of segments come from.
pub(super) struct Contents<'a> {
    trees: &'a [Tree],
    entries: &'a [Merged<'a>],
    layout: Layout,
    times: Times,
    split: BTreeMap<usize, SplitFile>,
}

/// A file whose content is in several segments, which different threads may read.
///
/// None of them sees the whole. So whoever comes first reads it all once, compares its hash with the index, and
/// notes the hash of every range: the others compare theirs with that.
#[derive(Default)]
struct SplitFile {
    /// Where the ranges begin and end.
    ranges: Vec<(u64, u64)>,
    digests: OnceLock<Result<Vec<[u8; 32]>, Fault>>,
}

/// Why a file can't be used; unlike an I/O error it can be told to several threads.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Changed,
    Unreadable { kind: io::ErrorKind, number: Option<i32> },
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if is_a_change(&error) {
            return Self::Changed;
        }
        Self::Unreadable { kind: error.kind(), number: error.raw_os_error() }
    }
}

impl<'a> Contents<'a> {
    pub(super) fn new(
        trees: &'a [Tree],
        entries: &'a [Merged<'a>],
        segments: &[Segment],
        layout: Layout,
        times: Times,
    ) -> Self {
        let mut split: BTreeMap<usize, SplitFile> = BTreeMap::new();
        for piece in segments.iter().flat_map(|segment| &segment.pieces) {
            if let EntryKind::File { size, .. } = entries[piece.entry].kind
                && piece.content_length() < *size
            {
                split.entry(piece.entry).or_default().ranges.push((piece.start, piece.end));
            }
        }
        Self { trees, entries, layout, times, split }
    }

    /// Reads a segment into an empty buffer.
    pub(super) fn read(&self, segment: &Segment, out: &mut Vec<u8>) -> Result<(), SlugError> {
        for piece in &segment.pieces {
            let Merged { path, kind, tree } = self.entries[piece.entry];
            if piece.starts_entry() {
                write_header(
                    out,
                    &tar_name(path, kind, self.layout),
                    kind,
                    self.times.of(self.trees.get(tree)),
                );
            }
            if let EntryKind::File { size, digest, .. } = kind {
                let file = self.trees[tree].root.join(OsStr::from_bytes(path));
                let result = match self.split.get(&piece.entry) {
                    Some(split) => read_range(&file, piece, split, *size, digest, out),
                    None => read_whole(&file, *size, digest, out),
                };
                result.map_err(|fault| self.error(fault, tree, file))?;
                pad(out);
            }
        }
        Ok(())
    }

    fn error(&self, fault: Fault, tree: usize, path: PathBuf) -> SlugError {
        let Tree { name, origin, .. } = &self.trees[tree];
        let (tree, origin) = (name.clone(), *origin);
        match fault {
            Fault::Changed => SlugError::Changed { path, origin, tree },
            Fault::Unreadable { kind, number } => {
                let source = number.map_or_else(|| kind.into(), io::Error::from_raw_os_error);
                SlugError::Unreadable { path, origin, tree, source }
            }
        }
    }
}

fn read_whole(path: &Path, size: u64, digest: &[u8; 32], out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    // One byte more than there should be, to notice that it has grown.
    open_file(path)?.take(size.saturating_add(1)).read_to_end(out)?;
    let content = &out[start..];
    if content.len() as u64 == size && Sha256::digest(content)[..] == digest[..] {
        Ok(())
    } else {
        Err(Fault::Changed)
    }
}

fn read_range(
    path: &Path,
    piece: &Piece,
    split: &SplitFile,
    size: u64,
    digest: &[u8; 32],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let file = open_file(path)?;
    let digests = match split.digests.get_or_init(|| verify(&file, &split.ranges, size, digest)) {
        Ok(digests) => digests,
        Err(fault) => return Err(*fault),
    };
    let start = out.len();
    out.resize(start + usize::try_from(piece.content_length()).map_err(|_| Fault::Changed)?, 0);
    file.read_exact_at(&mut out[start..], piece.start)?;
    let expected = split.ranges.iter().position(|range| *range == (piece.start, piece.end));
    let expected = expected.and_then(|index| digests.get(index));
    match expected {
        Some(expected) if Sha256::digest(&out[start..])[..] == expected[..] => Ok(()),
        _ => Err(Fault::Changed),
    }
}

/// Reads a file from its beginning to its end and returns the hash of each range.
fn verify(file: &File, ranges: &[(u64, u64)], size: u64, digest: &[u8; 32]) -> Result<Vec<[u8; 32]>, Fault> {
    let mut buffer = vec![0; READ];
    let mut whole = Sha256::new();
    let mut digests = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        let mut part = Sha256::new();
        let mut place = *start;
        while place < *end {
            let length = buffer.len().min(usize::try_from(end - place).unwrap_or(usize::MAX));
            file.read_exact_at(&mut buffer[..length], place)?;
            whole.update(&buffer[..length]);
            part.update(&buffer[..length]);
            place += length as u64;
        }
        digests.push(part.finalize().into());
    }
    let is_longer = file.read_at(&mut buffer[..1], size)? > 0;
    if is_longer || whole.finalize()[..] != digest[..] {
        return Err(Fault::Changed);
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::super::merge::{overlay, without};
    use super::super::segment::{MAX, cut};
    use super::super::tree::{TreeOrigin, index_directory};
    use super::*;
    use crate::env::Env;

    #[test]
    fn every_range_of_a_file_is_compared_with_the_whole_that_was_verified() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        let content = vec![7; 2 * MAX as usize + 1000];
        std::fs::write(&path, &content).unwrap();
        let entries = index_directory(dir.path(), &Env::for_tests(&[])).unwrap();
        let trees = [Tree { name: "t".into(), root: dir.path().into(), origin: TreeOrigin::App, entries }];
        let (entries, _) = without(&overlay(&trees), &|_, _| false);
        let segments = cut(&entries, &trees, Layout::App);
        let contents = Contents::new(&trees, &entries, &segments, Layout::App, Times { app: 0, layers: 0 });

        let read = |number: usize| {
            let mut out = Vec::new();
            contents.read(&segments[number], &mut out).map(|()| out)
        };
        let first = read(0).unwrap();
        assert_eq!(first.len() as u64, MAX);
        // After it was verified as a whole, before the other ranges are read.
        let mut changed = content.clone();
        changed[MAX as usize + 5] = 8;
        std::fs::write(&path, &changed).unwrap();
        assert!(matches!(read(1), Err(SlugError::Changed { .. })));
        std::fs::write(&path, &content[..content.len() - 1]).unwrap();
        assert!(matches!(read(2), Err(SlugError::Changed { .. })));
        std::fs::write(&path, &content).unwrap();
        let rest = [read(1).unwrap(), read(2).unwrap()].concat();
        assert_eq!([&first[512..], &rest].concat()[..content.len()], content);
    }
}
