//! The one reading function: what an app is, gathered once, as a value that everything else decides on.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::deciders::{unusable, without_use};
use super::ignored::find_ignored;
use super::names::printable;
use super::procfile::{Procfile, ProcfileError, ProcfileFinding, is_misnamed};
use super::reading::{read_capped, read_patterns};
use super::slugignore::{self, Slugignore};
use super::slugignore_post::{self, SlugignorePost};
pub(crate) use super::source_error::SourceError;
use super::tree::{Finding, SourceEntry, SourceKind, SourceTree, TreeOptions, read_tree};
use crate::env::Interrupt;
use crate::error::{FindingCode, MessageCode, NoticeCode, Severity};

/// As many links in a row as Linux follows.
const MAX_LINKS: usize = 40;

/// What an app is made of.
#[derive(Debug, Clone)]
pub(crate) struct AppSource {
    /// The app's directory.
    pub root: PathBuf,
    /// The names in the top level directory, without what is left out of the slug.
    pub names: BTreeSet<Vec<u8>>,
    /// Those of them that are directories, or links to directories of the app.
    pub dirs: BTreeSet<Vec<u8>>,
    /// The Procfile, if there is one.
    pub procfile: Option<Procfile>,
    /// All files that belong into the slug.
    pub tree: SourceTree,
    /// The patterns of `.slugignore`.
    pub slugignore: Slugignore,
    /// The patterns of `.slugignore.post`, for what is left out after the build.
    pub slugignore_post: SlugignorePost,
    /// What the user should know; the tree's own findings and the Procfile's are among them.
    pub findings: Vec<Finding>,
    /// Files and whole directories that git ignores, relative to the root; directories with a slash at the end.
    pub ignored: BTreeSet<Vec<u8>>,
    /// Those of them that decide about a build, each with what leaves it out.
    pub ignored_deciders: Vec<(String, String)>,
    /// Files that decide about a build and have no effect, as they can't be read, each with the reason.
    pub unusable: Vec<(&'static str, &'static str)>,
    /// Files that are slugs, by how they begin, and that no manifest shows to be slugc's.
    pub slugs: Vec<String>,
    /// The submodules that git has below the root, unless `.slugignore` leaves them out.
    pub gitlinks: Vec<Gitlink>,
}

/// A submodule, as git's index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gitlink {
    /// Its path, relative to the app.
    pub path: String,
    /// Whether `.gitmodules` says where it comes from.
    pub is_named: bool,
}

/// Reads an app. `ignored` are the paths that git ignores, relative to `root`.
pub(crate) fn read_source(
    root: &Path,
    ignored: &BTreeSet<Vec<u8>>,
    interrupt: &Interrupt,
) -> Result<AppSource, SourceError> {
    let slugignore = match read_patterns(root, slugignore::NAME, ignored)? {
        Some(contents) => Slugignore::parse(&contents)?,
        None => Slugignore::empty(),
    };
    let slugignore_post = read_slugignore_post(root, ignored)?;
    let tree = read_tree(root, &TreeOptions { slugignore: &slugignore, ignored }, interrupt)?;
    gather(root, slugignore, slugignore_post, tree)
}

fn gather(
    root: &Path,
    slugignore: Slugignore,
    slugignore_post: SlugignorePost,
    tree: SourceTree,
) -> Result<AppSource, SourceError> {
    let findings = tree.findings.clone();
    let names: BTreeSet<Vec<u8>> =
        tree.entries.iter().map(|entry| &entry.path).filter(|path| !path.contains(&b'/')).cloned().collect();
    let mut source = AppSource {
        root: root.to_owned(),
        names,
        dirs: BTreeSet::new(),
        procfile: None,
        tree,
        slugignore,
        slugignore_post,
        findings,
        ignored: BTreeSet::new(),
        ignored_deciders: Vec::new(),
        unusable: Vec::new(),
        slugs: Vec::new(),
        gitlinks: Vec::new(),
    };
    source.dirs = source.names.iter().filter(|name| source.leads_to_directory(name)).cloned().collect();
    source.unusable = unusable(&source);
    let useless = source.unusable.iter().map(|(name, why)| Finding {
        code: FindingCode::SourceFileUnusable.into(),
        text: without_use(name, why),
    });
    source.findings.extend(useless);
    source.procfile = source.read_procfile()?;
    match &source.procfile {
        Some(procfile) => source.findings.extend(
            procfile
                .findings
                .iter()
                .filter(|finding| finding.severity != Severity::Note)
                .map(|finding| Finding { code: finding.code.into(), text: told(finding) }),
        ),
        None => source.findings.extend(find_misnamed_procfile(&source.names)),
    }
    let ignored = find_ignored(|name| String::from_utf8(source.read_file(name).ok()?).ok());
    source.findings.extend(ignored);
    Ok(source)
}

/// Says what a line of the Procfile is, and what to do about it.
fn told(ProcfileFinding { text, fix, .. }: &ProcfileFinding) -> String {
    fix.as_ref().map_or_else(|| text.clone(), |fix| format!("{text}\n{fix}"))
}

/// What is told of `.slugignore`, which is applied once.
const SLUGIGNORE: &[MessageCode] = &[
    MessageCode::Notice(NoticeCode::SlugignoreNoMatch),
    MessageCode::Notice(NoticeCode::SlugignoreNeededFile),
    MessageCode::Notice(NoticeCode::SlugignoreEverything),
    MessageCode::Notice(NoticeCode::SlugignoreNegation),
    MessageCode::Notice(NoticeCode::SlugignoreOutside),
];

impl AppSource {
    /// Reads the app again from a copy that something has been built in. What is there was put there on purpose:
    /// `.slugignore` isn't applied a second time.
    pub(crate) fn read_copy(&self, root: &Path, interrupt: &Interrupt) -> Result<Self, SourceError> {
        let nothing = BTreeSet::new();
        let slugignore_post = read_slugignore_post(root, &nothing)?;
        let options = TreeOptions { slugignore: &Slugignore::empty(), ignored: &nothing };
        let mut tree = read_tree(root, &options, interrupt)?;
        tree.removed = self.tree.removed;
        let told = self.findings.iter().filter(|finding| SLUGIGNORE.contains(&finding.code));
        tree.findings.splice(0..0, told.cloned());
        gather(root, self.slugignore.clone(), slugignore_post, tree)
    }

    /// Returns whether the app has a regular file of this path, or a link to one of its files.
    pub(crate) fn has_file(&self, name: impl AsRef<[u8]>) -> bool {
        matches!(
            self.resolve(name.as_ref()),
            Resolved::Entry(SourceEntry { kind: SourceKind::File { .. }, .. })
        )
    }

    /// Returns why a file that is in the directory can't be used, to go after its name.
    pub(crate) fn why_unusable(&self, name: &str) -> Option<&'static str> {
        if self.tree.special.contains(name.as_bytes()) {
            return Some("is a pipe, socket or device, which a slug can't have");
        }
        self.tree.find(name.as_bytes())?;
        match self.resolve(name.as_bytes()) {
            Resolved::Entry(SourceEntry { kind: SourceKind::File { .. }, .. }) => None,
            Resolved::Entry(_) | Resolved::Root => Some("is a directory"),
            Resolved::Outside => Some("is a link that leads out of the app, where the slug can't have it"),
            Resolved::Nothing => Some("is a link to a file that isn't there or is left out"),
        }
    }

    /// Reads a file of the app. Links are followed as long as they lead to files that are in the slug, so that a
    /// build never depends on what else is on this machine.
    pub(crate) fn read_file(&self, relative: &str) -> io::Result<Vec<u8>> {
        match self.resolve(relative.as_bytes()) {
            Resolved::Entry(SourceEntry { path, kind: SourceKind::File { .. } }) => {
                read_capped(&self.root.join(std::ffi::OsStr::from_bytes(path)))
            }
            Resolved::Entry(_) | Resolved::Root => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a directory"))
            }
            Resolved::Outside => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is outside of the app, where the slug can't have it",
            )),
            Resolved::Nothing => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "there is no such file, or it is left out by .gitignore or .slugignore",
            )),
        }
    }

    /// Returns whether the app has a directory of this path, or a link to one of its directories.
    pub(crate) fn leads_to_directory(&self, name: &[u8]) -> bool {
        match self.resolve(name) {
            Resolved::Entry(entry) => entry.kind == SourceKind::Directory,
            Resolved::Root => true,
            Resolved::Nothing | Resolved::Outside => false,
        }
    }

    /// Finds where a path leads, as the system would in a directory that holds just the slug's files.
    fn resolve(&self, path: &[u8]) -> Resolved<'_> {
        let mut links = 0;
        let mut current: Vec<u8> = Vec::new();
        let mut rest: VecDeque<Vec<u8>> = VecDeque::new();
        if !self.follow(path, &mut current, &mut rest) {
            return Resolved::Outside;
        }
        while let Some(name) = rest.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." if current.is_empty() => return Resolved::Outside,
                b".." => {
                    current.truncate(current.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let parent = current.len();
            if parent > 0 {
                current.push(b'/');
            }
            current.extend_from_slice(&name);
            match self.tree.find(&current).map(|entry| &entry.kind) {
                None => return Resolved::Nothing,
                Some(SourceKind::Directory) => {}
                Some(SourceKind::File { .. }) if rest.is_empty() => {}
                Some(SourceKind::File { .. }) => return Resolved::Nothing,
                Some(SourceKind::Symlink { target }) => {
                    links += 1;
                    current.truncate(parent);
                    if links > MAX_LINKS {
                        return Resolved::Nothing;
                    }
                    if !self.follow(target, &mut current, &mut rest) {
                        return Resolved::Outside;
                    }
                }
            }
        }
        if current.is_empty() {
            return Resolved::Root;
        }
        self.tree.find(&current).map_or(Resolved::Nothing, Resolved::Entry)
    }

    /// Puts the names of a path before those that are still to be followed. An absolute path has to lead into the
    /// app.
    fn follow(&self, path: &[u8], current: &mut Vec<u8>, rest: &mut VecDeque<Vec<u8>>) -> bool {
        let mut path = path;
        if path.starts_with(b"/") {
            let Some(below) = path.strip_prefix(self.root.as_os_str().as_bytes()) else { return false };
            if !below.is_empty() && !below.starts_with(b"/") {
                return false;
            }
            current.clear();
            path = below;
        }
        for name in path.split(|byte| *byte == b'/').rev() {
            rest.push_front(name.to_owned());
        }
        true
    }

    fn read_procfile(&self) -> Result<Option<Procfile>, SourceError> {
        if !self.names.contains(&b"Procfile"[..]) {
            return Ok(None);
        }
        let contents = self.read_file("Procfile").map_err(|source| ProcfileError::Unreadable {
            reason: "can't be read".to_owned(),
            source: Some(source),
        })?;
        Ok(Some(Procfile::parse(&contents)?))
    }
}

enum Resolved<'a> {
    Entry(&'a SourceEntry),
    Root,
    Nothing,
    Outside,
}

fn find_misnamed_procfile(names: &BTreeSet<Vec<u8>>) -> Option<Finding> {
    let name = names.iter().find(|name| is_misnamed(name))?;
    Some(Finding {
        code: FindingCode::ProcfileMisnamed.into(),
        text: format!(
            "There is no Procfile, but a file named {}.\n\
             Only the name `Procfile` counts, spelt just so.",
            printable(name)
        ),
    })
}

fn read_slugignore_post(root: &Path, ignored: &BTreeSet<Vec<u8>>) -> Result<SlugignorePost, SourceError> {
    match read_patterns(root, slugignore_post::NAME, ignored)? {
        Some(contents) => Ok(SlugignorePost::parse(&contents)?),
        None => Ok(SlugignorePost::empty()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::super::reading::MAX_FILE;
    use super::*;
    use crate::error::{ErrorCode, UserError};

    fn app(files: &[(&str, &str)], links: &[(&str, &str)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        for (name, target) in links {
            symlink(target, dir.path().join(name)).unwrap();
        }
        dir
    }

    fn read(dir: &TempDir, ignored: &[&str]) -> Result<AppSource, SourceError> {
        let ignored = ignored.iter().map(|path| path.as_bytes().to_vec()).collect();
        read_source(dir.path(), &ignored, &Interrupt::default())
    }

    fn ids(source: &AppSource) -> Vec<&'static str> {
        source.findings.iter().map(|finding| finding.code.id()).collect()
    }

    fn names(set: &BTreeSet<Vec<u8>>) -> Vec<String> {
        set.iter().map(|name| printable(name)).collect()
    }

    #[test]
    fn the_top_level_and_the_procfile_are_read() {
        let dir = app(
            &[
                ("Procfile", "web: a\nweb:b"),
                ("src/a", ""),
                (".slugignore", "docs"),
                ("docs/a", ""),
                (".env", ""),
            ],
            &[("link", "src"), ("dangling", "docs"), ("file", "src/a")],
        );
        let source = read(&dir, &[".env"]).unwrap();
        assert_eq!(names(&source.names), [".slugignore", "Procfile", "dangling", "file", "link", "src"]);
        assert_eq!(names(&source.dirs), ["link", "src"]);
        assert_eq!(source.procfile.as_ref().unwrap().process_types()["web"], "a");
        assert_eq!(source.tree.removed, 1);
        assert_eq!(ids(&source), ["procfile::no-space"]);
    }

    #[test]
    fn only_files_of_the_slug_are_read() {
        let outside = app(&[("secret", "x")], &[]);
        let secret = outside.path().join("secret");
        let dir = app(
            &[("real/base.txt", "base"), (".slugignore", "gone"), ("gone/a", "a"), (".env", "x")],
            &[
                ("requirements", "real"),
                ("link.txt", "./requirements/../real/base.txt"),
                ("loop", "loop"),
                ("up", "../x"),
                ("to-gone", "gone/a"),
                ("to-env", ".env"),
                ("evil", secret.to_str().unwrap()),
            ],
        );
        symlink(dir.path().join("real/base.txt"), dir.path().join("absolute")).unwrap();
        let source = read(&dir, &[".env"]).unwrap();
        use io::ErrorKind::{InvalidInput, NotFound};
        for (path, expected) in [
            ("real/base.txt", Ok(())),
            ("./real//base.txt", Ok(())),
            ("requirements/base.txt", Ok(())),
            ("link.txt", Ok(())),
            ("absolute", Ok(())),
            ("real", Err(InvalidInput)),
            ("", Err(InvalidInput)),
            ("real/base.txt/x", Err(NotFound)),
            ("missing", Err(NotFound)),
            ("loop", Err(NotFound)),
            ("gone/a", Err(NotFound)),
            ("to-gone", Err(NotFound)),
            (".env", Err(NotFound)),
            ("to-env", Err(NotFound)),
            ("up", Err(InvalidInput)),
            ("../x", Err(InvalidInput)),
            ("evil", Err(InvalidInput)),
            ("/etc/passwd", Err(InvalidInput)),
        ] {
            let read = source.read_file(path);
            assert_eq!(read.as_ref().map(|_| ()).map_err(io::Error::kind), expected, "{path}");
            assert_eq!(source.has_file(path), expected.is_ok(), "{path}");
            if let Ok(contents) = read {
                assert_eq!(contents, b"base", "{path}");
            }
        }
    }

    #[test]
    fn a_file_that_has_become_a_pipe_or_is_huge_is_not_read() {
        let dir = app(&[("a", ""), ("b", "")], &[]);
        File::options().write(true).open(dir.path().join("b")).unwrap().set_len(MAX_FILE + 1).unwrap();
        let source = read(&dir, &[]).unwrap();
        fs::remove_file(dir.path().join("a")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let pipe = dir.path().join("a");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(source.read_file("a").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(source.read_file("b").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_procfile_with_another_name_is_found() {
        for (name, expected) in [
            ("procfile", &["procfile::misnamed"][..]),
            ("ProcFile", &["procfile::misnamed"]),
            ("Procfile.txt", &["procfile::misnamed"]),
            ("Procfile.dev", &[]),
            ("Procfile", &[]),
        ] {
            let source = read(&app(&[(name, "web: a")], &[]), &[]).unwrap();
            assert_eq!(ids(&source), expected, "{name}");
            assert_eq!(source.procfile.is_some(), name == "Procfile", "{name}");
        }
        let both = app(&[("Procfile", "web: a"), ("procfile", "web: b")], &[]);
        assert_eq!(ids(&read(&both, &[]).unwrap()), [""; 0]);
    }

    #[test]
    fn a_procfile_with_byte_order_mark_and_crlf_works_and_warns_once() {
        let source = read(&app(&[("Procfile", "\u{feff}web: a\r\nworker: b\r\n")], &[]), &[]).unwrap();
        let types: Vec<_> = source.procfile.as_ref().unwrap().process_types().into_iter().collect();
        assert_eq!(types, [("web".into(), "a".into()), ("worker".into(), "b".into())]);
        assert_eq!(ids(&source), ["procfile::byte-order-mark"]);
    }

    #[test]
    fn files_that_decide_and_cannot_be_read_are_errors() {
        let outside = app(&[("x", "a")], &[]);
        let to_outside = outside.path().join("x");
        let to_outside = to_outside.to_str().unwrap();
        for (files, links, expected) in [
            (&[("a", ""), (".slugignore", "[")][..], &[][..], ErrorCode::SlugignoreInvalidPattern),
            (&[("a", ""), (".slugignore.post", "[")], &[], ErrorCode::SlugignoreInvalidPattern),
            (&[("a", ""), (".slugignore/x", "")], &[], ErrorCode::SlugignoreUnreadable),
            (&[("a", "")], &[(".slugignore", "nowhere")], ErrorCode::SlugignoreUnreadable),
            (&[("a", "")], &[(".slugignore", to_outside)], ErrorCode::SlugignoreUnreadable),
            (&[("a", ""), ("Procfile/x", "")], &[], ErrorCode::ProcfileUnreadable),
            (&[("a", "")], &[("Procfile", "nowhere")], ErrorCode::ProcfileUnreadable),
            (&[("a", "")], &[("Procfile", to_outside)], ErrorCode::ProcfileUnreadable),
            (&[("a", ""), ("Procfile", "w\0b")], &[], ErrorCode::ProcfileUnreadable),
        ] {
            let error = read(&app(files, links), &[]).unwrap_err();
            assert_eq!(error.code(), expected, "{files:?} {links:?} {error}");
        }
    }

    #[test]
    fn patterns_may_be_in_a_linked_file_and_are_not_read_if_git_ignores_them() {
        let dir =
            app(&[("config/ignore", "docs"), ("docs/a", ""), ("a", "")], &[(".slugignore", "config/ignore")]);
        assert_eq!(read(&dir, &[]).unwrap().tree.removed, 1);
        assert_eq!(read(&dir, &[".slugignore"]).unwrap().tree.removed, 0);
        let post = app(&[(".slugignore.post", "*.c\n!x"), ("a.c", "")], &[]);
        let source = read(&post, &[]).unwrap();
        assert!(source.slugignore_post.matches(b"a.c", false));
        // Here `!` is a pattern as in .gitignore, and nothing to be told.
        assert!(source.has_file("a.c") && ids(&source).is_empty());
    }
}
