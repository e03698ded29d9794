//! Trees laid over each other: which path comes from which tree, and what is left out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;

use super::tree::{EntryKind, Tree};

/// Links are followed this often before they count as a circle, as in Linux.
const MAX_LINKS: usize = 40;

/// Where the app is when it runs.
const APP_DIRECTORY: &[u8] = b"/app";

/// An entry of the slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merged<'a> {
    /// Relative to the app's root; empty for the root itself.
    pub(super) path: &'a [u8],
    /// What it is.
    pub(super) kind: &'a EntryKind,
    /// The number of the tree it comes from.
    pub(super) tree: usize,
}

type Entries<'a> = BTreeMap<&'a [u8], Merged<'a>>;

/// Lays trees over each other, a later one over an earlier, and adds the directories that are missing.
/// In the result a directory stands before what is in it.
pub(super) fn overlay(trees: &[Tree]) -> Entries<'_> {
    let mut merged = BTreeMap::new();
    for (number, tree) in trees.iter().enumerate() {
        let mut last_parent: &[u8] = b"";
        for entry in tree.entries.iter().filter(|entry| !entry.path.is_empty()) {
            let path = entry.path.as_slice();
            let parent = parent(path);
            if parent != last_parent {
                add_parents(&mut merged, path, number);
                last_parent = parent;
            }
            add(&mut merged, Merged { path, kind: &entry.kind, tree: number });
        }
    }
    merged
}

fn add_parents<'a>(merged: &mut Entries<'a>, path: &'a [u8], tree: usize) {
    for (slash, _) in path.iter().enumerate().filter(|(index, byte)| **byte == b'/' && *index > 0) {
        add(merged, Merged { path: &path[..slash], kind: &EntryKind::Directory, tree });
    }
}

fn add<'a>(merged: &mut Entries<'a>, entry: Merged<'a>) {
    let is_directory = |entry: &Merged| *entry.kind == EntryKind::Directory;
    let was_directory = merged.get(entry.path).is_some_and(is_directory);
    match (was_directory, is_directory(&entry)) {
        // It stays with the first tree that has it: so its place in the segments doesn't depend on later ones.
        (true, true) => return,
        // Nothing may lie below a file or a link: whoever unpacks it would write through the link.
        (true, false) => {
            let below: Vec<&[u8]> = merged
                .range::<[u8], _>((Bound::Excluded(entry.path), Bound::Unbounded))
                .map(|(path, _)| *path)
                .take_while(|path| path.starts_with(entry.path))
                .filter(|path| path[entry.path.len()] == b'/')
                .collect();
            for path in below {
                merged.remove(path);
            }
        }
        (false, _) => {}
    }
    merged.insert(entry.path, entry);
}

/// What was left out of a slug.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Excluded {
    /// The paths that matched: a directory stands for everything in it.
    pub matched: Vec<Vec<u8>>,
    /// How many of them are directories.
    pub directories: u64,
    /// How many files and links went, those in directories included.
    pub files: u64,
    /// How many bytes these files have.
    pub bytes: u64,
}

/// Takes out what `exclude` matches, a directory with everything in it. It is asked about every path, so that it can tell
/// which of its patterns matched at all. Returns what is left and what went.
pub(super) fn without<'a>(
    merged: &Entries<'a>,
    exclude: &dyn Fn(&[u8], bool) -> bool,
) -> (Vec<Merged<'a>>, Excluded) {
    let mut left = Vec::with_capacity(merged.len());
    let mut gone: HashSet<&[u8]> = HashSet::new();
    let mut out = Excluded::default();
    for entry in merged.values() {
        let is_directory = *entry.kind == EntryKind::Directory;
        let is_below = gone.contains(parent(entry.path));
        let is_excluded = exclude(entry.path, is_directory || leads_to_directory(merged, entry));
        if !is_below && !is_excluded {
            left.push(*entry);
            continue;
        }
        if !is_below {
            out.matched.push(entry.path.to_vec());
            out.directories += u64::from(is_directory);
        }
        match entry.kind {
            EntryKind::Directory => {
                gone.insert(entry.path);
            }
            EntryKind::File { size, .. } => {
                out.files += 1;
                out.bytes += size;
            }
            EntryKind::Symlink { .. } => out.files += 1,
        }
    }
    (left, out)
}

/// Orders entries by tree, then by path: each layer owns its run of the tar file, and what changes most often comes last.
/// A directory stands before what is in it all the same, as it belongs to the first tree that has something in it.
pub(super) fn order_by_tree(entries: &mut [Merged<'_>]) {
    entries.sort_by_key(|entry| entry.tree);
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |slash| &path[..slash])
}

/// Whether an entry is a link that ends at a directory of the slug.
fn leads_to_directory(merged: &Entries, link: &Merged) -> bool {
    if !matches!(link.kind, EntryKind::Symlink { .. }) {
        return false;
    }
    let mut rest: VecDeque<&[u8]> = components(link.path).collect();
    let mut reached: Vec<&[u8]> = Vec::new();
    let mut links = 0;
    while let Some(component) = rest.pop_front() {
        if component == b".." {
            // Above the app's root there is nothing that a slug brings.
            if reached.pop().is_none() {
                return false;
            }
            continue;
        }
        reached.push(component);
        match merged.get(reached.join(&b'/').as_slice()).map(|entry| entry.kind) {
            Some(EntryKind::Directory) => {}
            Some(EntryKind::Symlink { target }) => {
                links += 1;
                reached.pop();
                let mut target = target.as_slice();
                if target.starts_with(b"/") {
                    let Some(inside) = target.strip_prefix(APP_DIRECTORY) else { return false };
                    if !inside.is_empty() && !inside.starts_with(b"/") {
                        return false;
                    }
                    target = inside;
                    reached.clear();
                }
                if links > MAX_LINKS {
                    return false;
                }
                for component in components(target).rev() {
                    rest.push_front(component);
                }
            }
            Some(EntryKind::File { .. }) | None => return false,
        }
    }
    true
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|component| !component.is_empty() && *component != b".")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree::{Entry, TreeOrigin};
    use super::*;

    /// Makes a tree of names: `a/` is a directory, `a -> b` a link, `a` a file.
    fn tree(names: &[&str]) -> Tree {
        let entries = names
            .iter()
            .map(|name| match (name.split_once(" -> "), name.strip_suffix('/')) {
                (Some((path, target)), _) => {
                    Entry { path: path.into(), kind: EntryKind::Symlink { target: target.into() } }
                }
                (None, Some(path)) => Entry { path: path.into(), kind: EntryKind::Directory },
                (None, None) => Entry {
                    path: (*name).into(),
                    kind: EntryKind::File { size: 0, mode: 0o644, digest: [0; 32] },
                },
            })
            .collect();
        Tree { name: String::new(), root: "/".into(), origin: TreeOrigin::App, entries }
    }

    fn shown(entries: &[Merged]) -> Vec<String> {
        entries
            .iter()
            .map(|entry| {
                let slash = if *entry.kind == EntryKind::Directory { "/" } else { "" };
                format!("{}{slash} {}", String::from_utf8_lossy(entry.path), entry.tree)
            })
            .collect()
    }

    #[test]
    fn a_later_tree_wins_and_parents_are_added() {
        for (name, trees, expected) in [
            ("same file", vec![tree(&["a"]), tree(&["a"])], vec!["a 1"]),
            (
                "directory in both",
                vec![tree(&["d/", "d/a"]), tree(&["d/", "d/b"])],
                vec!["d/ 0", "d/a 0", "d/b 1"],
            ),
            ("missing parents", vec![tree(&["x/y/z"])], vec!["x/ 0", "x/y/ 0", "x/y/z 0"]),
            (
                "file over directory",
                vec![tree(&["d/", "d-", "d/a", "d/b/c", "da"]), tree(&["d"])],
                vec!["d 1", "d- 0", "da 0"],
            ),
            ("link over directory", vec![tree(&["d/", "d/a"]), tree(&["d -> e"])], vec!["d 1"]),
            ("directory over file", vec![tree(&["d"]), tree(&["d/", "d/a"])], vec!["d/ 1", "d/a 1"]),
            (
                "implied directory over link",
                vec![tree(&["d -> /etc"]), tree(&["d/a"])],
                vec!["d/ 1", "d/a 1"],
            ),
            ("a file and below it", vec![tree(&["d", "d/a"])], vec!["d/ 0", "d/a 0"]),
            ("order of bytes", vec![tree(&["a/", "a/b", "a-"])], vec!["a/ 0", "a- 0", "a/b 0"]),
            ("the root", vec![tree(&["", "a"])], vec!["a 0"]),
        ] {
            let (left, _) = without(&overlay(&trees), &|_, _| false);
            assert_eq!(shown(&left), expected, "{name}");
        }
    }

    #[test]
    fn each_tree_has_its_run_and_the_last_comes_last() {
        let trees =
            [tree(&["p/", "p/lib/a", "p/lib/z"]), tree(&["p/lib/m", "q"]), tree(&["", "a", "p/lib/b"])];
        let (mut entries, _) = without(&overlay(&trees), &|_, _| false);
        order_by_tree(&mut entries);
        assert_eq!(
            shown(&entries),
            ["p/ 0", "p/lib/ 0", "p/lib/a 0", "p/lib/z 0", "p/lib/m 1", "q 1", "a 2", "p/lib/b 2"]
        );
    }

    proptest! {
        #[test]
        fn a_directory_stands_before_what_is_in_it(
            names in prop::collection::vec(prop::collection::btree_set("[ab](/[ab]){0,3}/?", 0..8), 1..5),
        ) {
            let trees: Vec<Tree> = names
                .iter()
                .map(|names| tree(&names.iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            let (mut entries, _) = without(&overlay(&trees), &|_, _| false);
            order_by_tree(&mut entries);
            let mut directories = HashSet::from([&b""[..]]);
            for entry in &entries {
                prop_assert!(directories.contains(parent(entry.path)), "{names:?}: {:?}", shown(&entries));
                if *entry.kind == EntryKind::Directory {
                    directories.insert(entry.path);
                }
            }
            prop_assert!(entries.is_sorted_by_key(|entry| (entry.tree, entry.path)));
        }
    }

    #[test]
    fn an_excluded_directory_takes_what_is_in_it_along() {
        let trees = [tree(&["d/", "d-", "d/a", "d/e/", "d/e/f", "g/d"]), tree(&["d/later"])];
        let (left, out) = without(&overlay(&trees), &|path, _| path == b"d" || path == b"g/d");
        assert_eq!(shown(&left), ["d- 0", "g/ 0"]);
        assert_eq!(out.matched, [&b"d"[..], b"g/d"]);
        assert_eq!((out.directories, out.files), (1, 4));
    }

    #[test]
    fn a_link_to_a_directory_counts_as_one() {
        for (target, expected) in [
            ("d", true),
            ("./d/", true),
            ("d/e", true),
            ("d/file", false),
            ("gone", false),
            ("/app/d", true),
            ("/app", true),
            ("/apple/d", false),
            ("/etc", false),
            ("..", false),
            ("d/..", true),
            ("d/../../x", false),
            ("other", true),
            ("d/up/d/e", true),
            ("circle", false),
            ("link", false),
            ("d/file/..", false),
        ] {
            let names = ["circle -> circle", "d/", "d/e/", "d/file", "d/up -> ..", "other -> d"];
            let link = format!("link -> {target}");
            let mut names: Vec<&str> = names.to_vec();
            names.push(&link);
            let seen = std::cell::RefCell::new(None);
            without(&overlay(&[tree(&names)]), &|path, is_directory| {
                if path == b"link" {
                    *seen.borrow_mut() = Some(is_directory);
                }
                false
            });
            assert_eq!(seen.take(), Some(expected), "{target}");
        }
    }
}
