//! Lines for `.slugignore.post` that leave out a set of entries, and nothing else: each is tried before it is said.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::app::slugignore_post::SlugignorePost;
use crate::inspect::contents::{Content, EntryFacts};

/// What is left out of a slug by entries, by their numbers: sorted.
pub(super) type Set = Vec<usize>;

/// How entries are told apart from others in a line.
pub(super) enum Leaf<'a> {
    /// Directories of this name.
    Directory(&'a str),
    /// Files whose names end so: `*.pyi`.
    Files(&'a str),
    /// Nothing that they have in common.
    Paths,
}

/// The entries of a slug, sorted by path, and what may be left out of them.
pub(super) struct Site<'a> {
    pub(super) entries: &'a [EntryFacts],
    /// Whether an entry may be left out.
    pub(super) may_go: &'a [bool],
}

impl Site<'_> {
    /// Makes the lines that leave out these entries; nothing if that can't be said in lines.
    pub(super) fn lines_for(&self, wanted: &Set, leaf: &Leaf<'_>) -> Vec<String> {
        let by_name = |directory: &str| match leaf {
            Leaf::Directory(name) => Some(format!("{directory}/**/{name}/")),
            Leaf::Files(pattern) => Some(format!("{directory}/**/{pattern}")),
            Leaf::Paths => None,
        };
        let mut lines: Vec<String> = Vec::new();
        let mut left: Vec<usize> = wanted.clone();
        // One line for all packages, else one for each package, else one for each directory and file.
        for depth in [Depth::Site, Depth::Package] {
            let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
            for number in std::mem::take(&mut left) {
                let group = depth.directory_of(&self.entries[number].path).unwrap_or_default();
                match groups.last_mut() {
                    Some((name, members)) if *name == group => members.push(number),
                    _ => groups.push((group, vec![number])),
                }
            }
            for (group, members) in groups {
                let line = by_name(&pattern(&group));
                match line.filter(|line| !group.is_empty() && self.is_exact(line, &group, &members)) {
                    Some(line) => lines.push(line),
                    None => left.extend(members),
                }
            }
        }
        left.sort_unstable();
        lines.extend(self.paths(&left));
        lines
    }

    /// Makes a line for each entry that isn't below another one.
    pub(super) fn paths(&self, wanted: &[usize]) -> Vec<String> {
        let mut lines = Vec::new();
        // `pip-26.2.dist-info` stands between `pip` and what is in it.
        let mut above: HashSet<&[u8]> = HashSet::new();
        for number in wanted {
            let EntryFacts { path, content, .. } = &self.entries[*number];
            let mut parents = std::iter::successors(parent(path), |path| parent(path));
            if parents.any(|parent| above.contains(parent)) {
                continue;
            }
            let Ok(text) = std::str::from_utf8(path) else { continue };
            if *content == Content::Directory {
                lines.push(format!("{}/", pattern(text)));
                above.insert(path);
            } else {
                lines.push(pattern(text));
            }
        }
        lines
    }

    /// Tells whether a line about a directory leaves out all of these and nothing that has to stay.
    fn is_exact(&self, line: &str, directory: &str, wanted: &[usize]) -> bool {
        let from = self.entries.partition_point(|entry| entry.path.as_slice() < directory.as_bytes());
        // What is below stands together, but for names such as `numpy.libs` between `numpy` and `numpy/`.
        let below =
            self.entries[from..].iter().take_while(|entry| entry.path.starts_with(directory.as_bytes()));
        let gone = self.left_out(&[line.to_owned()], from..from + below.count());
        gone.iter().all(|number| self.may_go[*number])
            && wanted.iter().all(|number| gone.binary_search(number).is_ok())
    }

    /// Returns what lines leave out of these entries, as a build does.
    pub(super) fn left_out(&self, lines: &[String], range: Range<usize>) -> Set {
        let Ok(post) = SlugignorePost::parse(lines.join("\n").as_bytes()) else { return Set::new() };
        let mut directories: HashMap<&[u8], bool> = HashMap::new();
        let mut gone = Set::new();
        for number in range {
            let entry = &self.entries[number];
            let above = parent(&entry.path).is_some_and(|parent| is_gone(parent, &post, &mut directories));
            if above || post.matches(&entry.path, entry.content == Content::Directory) {
                gone.push(number);
            }
        }
        gone
    }
}

fn is_gone<'a>(directory: &'a [u8], post: &SlugignorePost, known: &mut HashMap<&'a [u8], bool>) -> bool {
    if let Some(gone) = known.get(directory) {
        return *gone;
    }
    let above = parent(directory).is_some_and(|parent| is_gone(parent, post, known));
    let gone = above || post.matches(directory, true);
    known.insert(directory, gone);
    gone
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|slash| &path[..slash])
}

#[derive(Clone, Copy)]
enum Depth {
    Site,
    Package,
}

impl Depth {
    /// Returns site-packages, or the directory of a package in it.
    fn directory_of(self, path: &[u8]) -> Option<String> {
        let path = std::str::from_utf8(path).ok()?;
        let (site, inside) = crate::python::distribution::split_site_packages(path)?;
        Some(match self {
            Self::Site => site.to_owned(),
            Self::Package => format!("{site}/{}", inside.split_once('/')?.0),
        })
    }
}

/// Writes a path as a pattern from the app's root. The next minor version of Python is meant, too.
pub(super) fn pattern(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 1);
    for part in path.split('/') {
        text.push('/');
        let minor =
            part.strip_prefix("python3.").filter(|_| text.ends_with("/lib/") || text.ends_with("/include/"));
        if minor.is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())) {
            text.push_str("python3.*");
            continue;
        }
        for letter in part.chars() {
            if "*?[]\\!#{}".contains(letter) {
                text.push('\\');
            }
            text.push(letter);
        }
    }
    // A space at the end wouldn't count.
    if text.ends_with(' ') {
        text.pop();
        text.push_str("\\ ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_directory_needs_no_line_of_its_own() {
        let entries: Vec<EntryFacts> =
            ["pip", "pip-1.dist-info", "pip-1.dist-info/METADATA", "pip.py", "pip/a", "pip/b/c"]
                .into_iter()
                .map(|path| EntryFacts {
                    path: path.into(),
                    content: match path {
                        "pip" | "pip-1.dist-info" => Content::Directory,
                        _ => Content::File([0; 32]),
                    },
                    size: 0,
                    compressed: 0,
                    mode: 0o644,
                    mtime: 0,
                })
                .collect();
        let site = Site { entries: &entries, may_go: &[true; 6] };
        assert_eq!(site.paths(&[0, 1, 2, 3, 4, 5]), ["/pip/", "/pip-1.dist-info/", "/pip.py"]);
        assert_eq!(site.paths(&[1, 2, 4, 5]), ["/pip-1.dist-info/", "/pip/a", "/pip/b/c"]);
    }

    #[test]
    fn paths_are_patterns_that_match_themselves() {
        for (path, expected) in [
            ("a/b.txt", "/a/b.txt"),
            (".heroku/python/lib/python3.12/x", "/.heroku/python/lib/python3.*/x"),
            ("docs/python3.12/x", "/docs/python3.12/x"),
            ("a/[x]*?", "/a/\\[x\\]\\*\\?"),
            ("odd{a}", "/odd\\{a\\}"),
            ("end ", "/end\\ "),
        ] {
            let line = pattern(path);
            assert_eq!(line, expected);
            let post = SlugignorePost::parse(line.as_bytes()).unwrap();
            assert!(post.matches(path.as_bytes(), false), "{line}");
        }
    }
}
