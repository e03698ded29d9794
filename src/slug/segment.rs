//! Segments: the entries of a slug cut into runs of a few mebibytes that are compressed each on its own,
//! and the keys under which the store keeps them.
//!
//! Where a cut falls depends on as little as possible, so that a change in one package leaves the
//! segments of the others as they were: on the names around it and on the length since the last cut.

use flate2::Crc;
use sha2::{Digest, Sha256};

use super::assemble::{Layout, Times};
use super::deflate::COMPRESSOR;
use super::header::{BLOCK, header_length, padded};
use super::merge::Merged;
use super::size::inside_site_packages;
use super::tree::{EntryKind, Tree, TreeOrigin};

/// No segment is longer; a file that is has its pieces in several. With the lengths below it comes to about a
/// mebibyte a segment. A quarter of them all costs 0.4 % in size, twice as much gains 0.1 %.
pub(super) const MAX: u64 = 4 << 20;

/// From this length on, every end of a unit is a cut.
const LONG: u64 = 2 << 20;

/// From this length on, a unit's name decides whether there is a cut before it: every second one has.
const SHORT: u64 = 256 << 10;

/// From this length on, a file's name decides whether there is a cut before it within a unit: every
/// fourth one has. Without it, one longer file would move all later cuts of a big directory.
const WITHIN_UNIT: u64 = 1 << 20;

/// A run of the tar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// What is in it, in order.
    pub(super) pieces: Vec<Piece>,
    /// Its length in bytes, uncompressed.
    pub(super) length: u64,
}

/// An entry or a range of its content; the first range comes with the header, the last with the padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of the entry.
    pub(super) entry: usize,
    /// Where the range begins in the content.
    pub(super) start: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// The length of the piece in the tar file.
    pub(super) length: u64,
}

impl Piece {
    /// Returns how many bytes of the content are in it.
    pub(super) fn content_length(&self) -> u64 {
        self.end - self.start
    }

    /// Returns whether the header is in it.
    pub(super) fn starts_entry(&self) -> bool {
        self.start == 0
    }
}

/// Returns the name of an entry in the tar file, without the `/` of a directory.
pub(super) fn tar_name(path: &[u8], kind: &EntryKind, layout: Layout) -> Vec<u8> {
    let prefix: &[u8] = match layout {
        Layout::App => b"./app",
        Layout::Flat => b".",
    };
    let mut name = prefix.to_vec();
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    if *kind == EntryKind::Directory {
        name.push(b'/');
    }
    name
}

/// Cuts the entries into segments.
pub(super) fn cut(entries: &[Merged], trees: &[Tree], layout: Layout) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut run = Segment { pieces: Vec::new(), length: 0 };
    for (number, entry) in entries.iter().enumerate() {
        let size = if let EntryKind::File { size, .. } = entry.kind { *size } else { 0 };
        let header = header_length(tar_name(entry.path, entry.kind, layout).len(), entry.kind);
        if run.length > 0
            && (run.length + header + padded(size) > MAX
                || is_cut(&entries[number - 1], entry, run.length, trees))
        {
            close(&mut run, &mut segments);
        }
        let mut start = 0;
        loop {
            let before = if start == 0 { header } else { 0 };
            // At least a block, so that the loop ends whatever an index says.
            let room = MAX.saturating_sub(run.length + before).max(BLOCK);
            let end = size.min(start + room);
            let length = before + padded(end - start);
            run.pieces.push(Piece { entry: number, start, end, length });
            run.length += length;
            start = end;
            if start == size {
                break;
            }
            close(&mut run, &mut segments);
        }
    }
    if run.length > 0 {
        close(&mut run, &mut segments);
    }
    segments
}

fn close(run: &mut Segment, segments: &mut Vec<Segment>) {
    segments.push(std::mem::replace(run, Segment { pieces: Vec::new(), length: 0 }));
}

/// Whether there is a cut between two neighbours.
fn is_cut(before: &Merged, after: &Merged, length: u64, trees: &[Tree]) -> bool {
    if before.tree != after.tree {
        // The files of a layer don't change, and those of the app may. App and generated files both do, and lie
        // side by side in every directory: cut apart they would be a crowd of tiny segments.
        let is_app = |entry: &Merged| trees[entry.tree].origin == TreeOrigin::App;
        if !(is_app(before) && is_app(after)) {
            return true;
        }
    }
    let (unit_before, unit) = (unit(before.path), unit(after.path));
    if unit_before != unit {
        return length >= LONG || (length >= SHORT && fingerprint(unit).is_multiple_of(2));
    }
    length >= WITHIN_UNIT && fingerprint(after.path).is_multiple_of(4)
}

/// Returns what is likely to change as a whole: a top-level name of `site-packages`, else the first two
/// components of the path.
fn unit(path: &[u8]) -> &[u8] {
    let (begin, components) = match inside_site_packages(path) {
        Some(inside) => (path.len() - inside.len(), 1),
        None => (0, 2),
    };
    let end = path[begin..]
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .nth(components - 1)
        .map_or(path.len(), |(slash, _)| begin + slash);
    &path[..end]
}

fn fingerprint(name: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(name);
    crc.sum()
}

/// Returns the key of a segment: the SHA-256 of everything that its compressed bytes depend on.
pub(super) fn key(
    segment: &Segment,
    entries: &[Merged],
    trees: &[Tree],
    layout: Layout,
    times: Times,
) -> String {
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        // With the length before it, no two lists of values make the same bytes.
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(COMPRESSOR.as_bytes());
    add(&[match layout {
        Layout::App => 0,
        Layout::Flat => 1,
    }]);
    // A segment never holds files of two trees.
    let tree = segment.pieces.first().and_then(|piece| trees.get(entries[piece.entry].tree));
    add(&times.of(tree).to_le_bytes());
    for Piece { entry, start, end, length: _ } in &segment.pieces {
        let Merged { path, kind, tree: _ } = entries[*entry];
        add(path);
        match kind {
            EntryKind::Directory => add(b"d"),
            EntryKind::Symlink { target } => {
                add(b"l");
                add(target);
            }
            EntryKind::File { size, mode, digest } => {
                add(b"f");
                for number in [*size, u64::from(*mode), *start, *end] {
                    add(&number.to_le_bytes());
                }
                add(digest);
            }
        }
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::super::tree::Entry;
    use super::*;

    const LIB: &str = ".heroku/python/lib/python3.14/site-packages";
    const TIMES: Times = Times { app: 0, layers: 0 };

    fn tree(origin: TreeOrigin, files: &[(String, u64)]) -> Tree {
        let kind = |size| EntryKind::File { size, mode: 0o644, digest: [1; 32] };
        let mut entries: Vec<Entry> = files
            .iter()
            .map(|(path, size)| Entry { path: path.as_bytes().to_vec(), kind: kind(*size) })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Tree { name: "t".into(), root: "/".into(), origin, entries }
    }

    fn cut_trees(trees: &[Tree]) -> (Vec<Segment>, Vec<String>) {
        let (entries, _) = super::super::merge::without(&super::super::merge::overlay(trees), &|_, _| false);
        let segments = cut(&entries, trees, Layout::App);
        let keys = segments.iter().map(|segment| key(segment, &entries, trees, Layout::App, TIMES)).collect();
        (segments, keys)
    }

    /// Two hundred packages of up to half a mebibyte, the same every time.
    fn packages() -> Vec<(String, u64)> {
        (0..200_u64)
            .flat_map(|package| {
                (0..10)
                    .map(move |file| (format!("{LIB}/p{package:03}/{file}.py"), package * 7919 % 51 * 1024))
            })
            .collect()
    }

    #[test]
    fn a_changed_package_leaves_the_segments_of_the_others_alone() {
        let (segments, before) = cut_trees(&[tree(TreeOrigin::Layer, &packages())]);
        assert!(segments.iter().all(|segment| segment.length <= MAX));
        assert!((40..140).contains(&segments.len()), "{}", segments.len());
        let changes: Vec<usize> = (0..200)
            .map(|changed| {
                let mut files = packages();
                for (path, size) in &mut files {
                    if path.contains(&format!("/p{changed:03}/")) {
                        *size += 60_000;
                    }
                }
                let (_, after) = cut_trees(&[tree(TreeOrigin::Layer, &files)]);
                after.iter().filter(|key| !before.contains(key)).count()
            })
            .collect();
        assert!(changes.iter().all(|change| (1..=5).contains(change)), "{changes:?}");
        assert!(2 * changes.iter().sum::<usize>() < 5 * changes.len(), "{changes:?}");
    }

    #[test]
    fn a_change_in_a_big_directory_does_not_move_all_later_cuts() {
        let files = |changed: Option<usize>| {
            let files: Vec<_> = (0..1000)
                .map(|number| {
                    (
                        format!("static/images/{number:04}"),
                        30_000 + u64::from(changed == Some(number)) * 3_000,
                    )
                })
                .collect();
            cut_trees(&[tree(TreeOrigin::App, &files)]).1
        };
        let before = files(None);
        assert!(before.len() > 15, "{}", before.len());
        for changed in [0, 1, 500, 999] {
            let moved = files(Some(changed)).iter().filter(|key| !before.contains(key)).count();
            assert!((1..=3).contains(&moved), "{changed}: {moved} of {}", before.len());
        }
    }

    #[test]
    fn a_layer_is_cut_off_from_the_app_and_from_other_layers() {
        use TreeOrigin::{App, Layer};
        let one = |origin, name: &str| tree(origin, &[(name.to_owned(), 1)]);
        for (trees, expected) in [
            (vec![one(Layer, "a"), one(Layer, "b")], 2),
            (vec![one(Layer, "a"), one(App, "b")], 2),
            (vec![one(App, "a"), one(App, "b")], 1),
            (vec![one(Layer, "b"), one(App, "a"), one(App, "c")], 3),
            (vec![], 0),
        ] {
            assert_eq!(cut_trees(&trees).0.len(), expected);
        }
    }

    #[test]
    fn a_file_longer_than_a_segment_begins_one_and_is_cut_inside() {
        for (size, expected) in [
            (MAX - BLOCK, vec![(0, MAX - BLOCK)]),
            (MAX - BLOCK + 1, vec![(0, MAX - BLOCK), (MAX - BLOCK, MAX - BLOCK + 1)]),
            (2 * MAX, vec![(0, MAX - BLOCK), (MAX - BLOCK, 2 * MAX - BLOCK), (2 * MAX - BLOCK, 2 * MAX)]),
        ] {
            let files = [("a".to_owned(), 5), ("b".to_owned(), size), ("c".to_owned(), 5)];
            let (segments, _) = cut_trees(&[tree(TreeOrigin::App, &files)]);
            let ranges: Vec<_> = segments
                .iter()
                .flat_map(|segment| &segment.pieces)
                .filter(|piece| piece.entry == 1)
                .map(|piece| (piece.start, piece.end))
                .collect();
            assert_eq!(ranges, expected, "{size}");
            assert_eq!(segments[1].pieces[0].entry, 1);
            for segment in &segments {
                assert_eq!(segment.length, segment.pieces.iter().map(|piece| piece.length).sum::<u64>());
                assert!(segment.length <= MAX && segment.length % BLOCK == 0);
            }
        }
    }

    #[test]
    fn a_unit_is_a_package_or_the_top_two_components() {
        for (path, expected) in [
            ("manage.py", "manage.py"),
            ("static/a", "static/a"),
            ("static/a/b/c", "static/a"),
            (".heroku/python/lib/os.py", ".heroku/python"),
            ("x/site-packages/six.py", "x/site-packages/six.py"),
            ("x/y/site-packages/numpy/core/a.so", "x/y/site-packages/numpy"),
            ("site-packages/numpy/core", "site-packages/numpy"),
            ("not-site-packages/numpy/core", "not-site-packages/numpy"),
        ] {
            assert_eq!(unit(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn a_key_depends_on_everything_in_the_segment() {
        let file = |size, mode, digest| EntryKind::File { size, mode, digest: [digest; 32] };
        let key_of = |path: &[u8], kind: &EntryKind, range: (u64, u64), layout, mtime| {
            let entries = [Merged { path, kind, tree: 0 }];
            let piece = Piece { entry: 0, start: range.0, end: range.1, length: 0 };
            let times = Times { app: mtime, layers: 7 };
            key(
                &Segment { pieces: vec![piece], length: 0 },
                &entries,
                &[tree(TreeOrigin::App, &[])],
                layout,
                times,
            )
        };
        let link = |target: &[u8]| EntryKind::Symlink { target: target.to_vec() };
        let keys = std::collections::BTreeSet::from([
            key_of(b"a", &file(1, 0o644, 1), (0, 1), Layout::App, 0),
            key_of(b"b", &file(1, 0o644, 1), (0, 1), Layout::App, 0),
            key_of(b"a", &file(2, 0o644, 1), (0, 1), Layout::App, 0),
            key_of(b"a", &file(1, 0o755, 1), (0, 1), Layout::App, 0),
            key_of(b"a", &file(1, 0o644, 2), (0, 1), Layout::App, 0),
            key_of(b"a", &file(1, 0o644, 1), (1, 1), Layout::App, 0),
            key_of(b"a", &file(1, 0o644, 1), (0, 2), Layout::App, 0),
            key_of(b"a", &file(1, 0o644, 1), (0, 1), Layout::Flat, 0),
            key_of(b"a", &file(1, 0o644, 1), (0, 1), Layout::App, 1),
            key_of(b"a", &EntryKind::Directory, (0, 0), Layout::App, 0),
            key_of(b"a", &link(b"x"), (0, 0), Layout::App, 0),
            key_of(b"a", &link(b"y"), (0, 0), Layout::App, 0),
        ]);
        assert_eq!(keys.len(), 12);
    }
}
