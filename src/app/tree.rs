//! The app's files: one walk over the directory, without what git and `.slugignore` leave out.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::links::link_findings;
use super::names::{bullet_list, printable};
use super::reading::open_regular;
use super::removal::Removal;
use super::slugignore::Slugignore;
pub(crate) use super::source::SourceError;
use crate::env::Interrupt;
use crate::error::{MessageCode, NoticeCode};

/// What version control keeps in an app's directory; at any depth, directory or file.
const VERSION_CONTROL: &[&[u8]] = &[b".git", b".hg", b".svn"];

/// The longest path of the app: at `/app/` on a dyno it has to fit into Linux's 4,095 bytes.
const MAX_RELATIVE_PATH: usize = 4_090;
const MAX_PATH: usize = 4_095;
/// As many levels as a slug that is read may have, without that of `app`: see `slug::read`.
pub(crate) const MAX_DEPTH: usize = 511;

/// A pointer of Git LFS is smaller than this.
const MAX_LFS_POINTER: u64 = 1_024;
const LFS_HEADER: &[u8] = b"version https://git-lfs";

/// The files that belong into the slug.
#[derive(Debug, Clone)]
pub(crate) struct SourceTree {
    /// Sorted by the bytes of their paths, so that a directory comes before what is in it.
    pub entries: Vec<SourceEntry>,
    /// How often a pattern of `.slugignore` matched: the number that Heroku prints. What is below a directory that
    /// an earlier line removes doesn't count.
    pub removed: u64,
    /// Sockets, pipes and devices, which are left out.
    pub special: BTreeSet<Vec<u8>>,
    /// What the user should know about the files.
    pub findings: Vec<Finding>,
}

/// A file, directory or symbolic link of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceEntry {
    /// Relative to the root, with `/` between the names and none at the start or the end.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: SourceKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u64,
        /// The permission bits of `st_mode`.
        mode: u32,
        /// When its content was changed, in nanoseconds since 1970; programs can set it.
        mtime_ns: i128,
        /// When it was touched in any way, in nanoseconds since 1970; only the kernel sets it.
        ctime_ns: i128,
        /// The number of its inode.
        inode: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads, as it is written.
        target: Vec<u8>,
    },
}

/// Something about the app that the user should know and that doesn't stop the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The catalogue's entry.
    pub code: MessageCode,
    /// One or more lines.
    pub text: String,
}

/// What is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeOptions<'a> {
    /// The patterns of the app.
    pub slugignore: &'a Slugignore,
    /// Files and whole directories that git ignores, relative to the root; a `/` at the end makes no difference.
    pub ignored: &'a BTreeSet<Vec<u8>>,
}

impl SourceTree {
    /// Returns the entry of this path.
    pub(crate) fn find(&self, path: &[u8]) -> Option<&SourceEntry> {
        let index = self.entries.binary_search_by(|entry| entry.path.as_slice().cmp(path)).ok()?;
        self.entries.get(index)
    }
}

/// Reads which files an app has. No link is followed but one that is the root itself.
pub(crate) fn read_tree(
    root: &Path,
    options: &TreeOptions<'_>,
    interrupt: &Interrupt,
) -> Result<SourceTree, SourceError> {
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(SourceError::NotADirectory { path: root.to_owned(), source: None }),
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Err(SourceError::Unreadable { path: root.display().to_string(), source });
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(SourceError::NoSuchDirectory { path: root.to_owned() });
        }
        Err(source) => {
            return Err(SourceError::NotADirectory { path: root.to_owned(), source: Some(source) });
        }
    }
    let mut walk = Walk::new(root, options);
    while let Some(dir) = walk.pending.pop() {
        interrupt.check()?;
        walk.read_dir(&dir)?;
    }
    walk.finish()
}

/// A directory that is still to be read.
struct Pending {
    path: Vec<u8>,
    /// The pattern that removes it; what is in it is then only counted.
    removed_by: Option<usize>,
}

struct Walk<'a> {
    root: &'a Path,
    removal: Removal<'a>,
    ignored: HashSet<&'a [u8]>,
    /// Not a recursion: a tree can be deeper than the number of files that may be open.
    pending: Vec<Pending>,
    entries: Vec<SourceEntry>,
    left_out_by_git: u64,
    special: BTreeSet<Vec<u8>>,
    lfs_pointers: BTreeSet<Vec<u8>>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path, options: &TreeOptions<'a>) -> Self {
        let TreeOptions { slugignore, ignored } = *options;
        Self {
            root,
            removal: Removal::new(slugignore),
            ignored: ignored.iter().map(|path| path.strip_suffix(b"/").unwrap_or(path)).collect(),
            pending: vec![Pending { path: Vec::new(), removed_by: None }],
            entries: Vec::new(),
            left_out_by_git: 0,
            special: BTreeSet::new(),
            lfs_pointers: BTreeSet::new(),
        }
    }

    fn absolute(&self, path: &[u8]) -> PathBuf {
        join(self.root, path)
    }

    fn read_dir(&mut self, dir: &Pending) -> Result<(), SourceError> {
        let listing = fs::read_dir(self.absolute(&dir.path)).and_then(Iterator::collect);
        let listing: Vec<DirEntry> = match listing {
            Ok(listing) => listing,
            // What is left out needn't be readable.
            Err(_) if dir.removed_by.is_some() => return Ok(()),
            Err(source) => return Err(unreadable(&dir.path, source)),
        };
        for entry in listing {
            let name = entry.file_name();
            if VERSION_CONTROL.contains(&name.as_bytes()) {
                continue;
            }
            let mut path = dir.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            if self.ignored.contains(path.as_slice()) {
                self.left_out_by_git += 1;
                continue;
            }
            self.read_entry(&entry, path, dir.removed_by)?;
        }
        Ok(())
    }

    fn read_entry(
        &mut self,
        entry: &DirEntry,
        path: Vec<u8>,
        removed_above: Option<usize>,
    ) -> Result<(), SourceError> {
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::NotFound || removed_above.is_some() => return Ok(()),
            Err(source) => return Err(unreadable(&path, source)),
        };
        let removed_by = self.removal.remove(&path, removed_above, |follow_links| {
            kind.is_dir()
                || (follow_links
                    && kind.is_symlink()
                    && fs::metadata(join(self.root, &path)).is_ok_and(|metadata| metadata.is_dir()))
        });
        let length = self.root.as_os_str().len() + 1 + path.len();
        let too_long = length > MAX_PATH || path.len() > MAX_RELATIVE_PATH;
        if removed_by.is_some() {
            if kind.is_dir() && !too_long {
                self.pending.push(Pending { path, removed_by });
            }
            return Ok(());
        }
        if path.split(|byte| *byte == b'/').count() > MAX_DEPTH {
            return Err(SourceError::TooDeep { path });
        }
        if too_long {
            return Err(SourceError::PathTooLong { path, root: self.root.to_owned() });
        }
        let absolute = || self.absolute(&path);
        let kind = if kind.is_dir() {
            self.pending.push(Pending { path: path.clone(), removed_by: None });
            SourceKind::Directory
        } else if kind.is_symlink() {
            match fs::read_link(absolute()) {
                Ok(target) => SourceKind::Symlink { target: target.into_os_string().into_vec() },
                Err(source) => return gone_or_unreadable(&path, source),
            }
        } else if kind.is_file() {
            match self.read_file_facts(entry, &path) {
                Ok(file) => file,
                Err(source) => return gone_or_unreadable(&path, source),
            }
        } else {
            self.special.insert(path);
            return Ok(());
        };
        self.entries.push(SourceEntry { path, kind });
        Ok(())
    }

    fn read_file_facts(&mut self, entry: &DirEntry, path: &[u8]) -> io::Result<SourceKind> {
        let metadata = entry.metadata()?;
        let size = metadata.len();
        // Nearly every file is readable for everyone: that saves a system call.
        if metadata.mode() & 0o444 != 0o444 {
            rustix::fs::access(self.absolute(path), Access::READ_OK)?;
        }
        if (LFS_HEADER.len() as u64..MAX_LFS_POINTER).contains(&size) && self.is_lfs_pointer(path)? {
            self.lfs_pointers.insert(path.to_owned());
        }
        Ok(SourceKind::File {
            size,
            mode: metadata.mode() & 0o7777,
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        })
    }

    fn is_lfs_pointer(&self, path: &[u8]) -> io::Result<bool> {
        let mut header = [0; LFS_HEADER.len()];
        match open_regular(&self.absolute(path))?.read_exact(&mut header) {
            Ok(()) => Ok(header == LFS_HEADER),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn finish(mut self) -> Result<SourceTree, SourceError> {
        if self.entries.iter().all(|entry| entry.kind == SourceKind::Directory) {
            return Err(SourceError::Empty {
                path: self.root.to_owned(),
                left_out_by_git: self.left_out_by_git,
                left_out_by_slugignore: self.removal.count(),
            });
        }
        self.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let read = |name: &str| fs::read_to_string(self.absolute(name.as_bytes())).ok();
        let mut findings = self.removal.findings(&self.entries, &read);
        findings.extend(file_finding(
            NoticeCode::SourceSpecialFile,
            "Sockets, pipes and devices can't be in a slug, and are left out:",
            &self.special,
            "",
        ));
        findings.extend(link_findings(self.root, &self.entries));
        findings.extend(file_finding(
            NoticeCode::SourceLfsPointer,
            "These files are pointers of Git LFS, not the files that they stand for:",
            &self.lfs_pointers,
            "\nHeroku doesn't fetch them. For the files themselves, run `git lfs pull` and build the directory.",
        ));
        let removed = self.removal.count();
        Ok(SourceTree { entries: self.entries, removed, special: self.special, findings })
    }
}

fn join(root: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(OsStr::from_bytes(path)) }
}

fn file_finding(code: NoticeCode, title: &str, paths: &BTreeSet<Vec<u8>>, advice: &str) -> Option<Finding> {
    let names: Vec<String> = paths.iter().map(|path| printable(path)).collect();
    (!names.is_empty())
        .then(|| Finding { code: code.into(), text: format!("{title}\n{}{advice}", bullet_list(&names)) })
}

fn unreadable(path: &[u8], source: io::Error) -> SourceError {
    SourceError::Unreadable { path: if path.is_empty() { ".".to_owned() } else { printable(path) }, source }
}

/// A file that goes away while its directory is read is as good as one that never was.
fn gone_or_unreadable(path: &[u8], source: io::Error) -> Result<(), SourceError> {
    if source.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(unreadable(path, source)) }
}

fn nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::error::{ErrorCode, UserError};

    /// Makes a directory; a name that ends with `/` is a directory, one with ` -> ` a link.
    fn app(names: &[&str]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let (name, target) = name.split_once(" -> ").map_or((*name, None), |(name, to)| (name, Some(to)));
            let path = dir.path().join(name);
            fs::create_dir_all(if name.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
            match target {
                Some(target) => symlink(target, path).unwrap(),
                None if name.ends_with('/') => {}
                None => fs::write(path, name).unwrap(),
            }
        }
        dir
    }

    fn read(dir: &TempDir, slugignore: &str, ignored: &[&str]) -> Result<SourceTree, SourceError> {
        let slugignore = Slugignore::parse(slugignore.as_bytes()).unwrap();
        let ignored = ignored.iter().map(|path| path.as_bytes().to_vec()).collect();
        let options = TreeOptions { slugignore: &slugignore, ignored: &ignored };
        read_tree(dir.path(), &options, &Interrupt::default())
    }

    fn paths(tree: &SourceTree) -> Vec<String> {
        tree.entries.iter().map(|entry| printable(&entry.path)).collect()
    }

    fn ids(tree: &SourceTree) -> Vec<&'static str> {
        tree.findings.iter().map(|finding| finding.code.id()).collect()
    }

    #[test]
    fn entries_are_sorted_by_their_bytes_with_parents_first() {
        let dir = app(&["b", "a/c", "a.txt", "a-b/x", "a/b/d", "empty/"]);
        let tree = read(&dir, "", &[]).unwrap();
        assert_eq!(paths(&tree), ["a", "a-b", "a-b/x", "a.txt", "a/b", "a/b/d", "a/c", "b", "empty"]);
        assert!(tree.findings.is_empty(), "{:?}", tree.findings);
        assert_eq!(tree.find(b"a/b").unwrap().kind, SourceKind::Directory);
        assert_eq!(tree.find(b"a/x"), None);
    }

    #[test]
    fn a_file_comes_with_its_facts() {
        let dir = app(&["file", "link -> file"]);
        let path = dir.path().join("file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4750)).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let tree = read(&dir, "", &[]).unwrap();
        let changed = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        let expected = SourceKind::File {
            size: 4,
            mode: 0o4750,
            mtime_ns: i128::try_from(changed.as_nanos()).unwrap(),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        };
        assert_eq!(tree.find(b"file").unwrap().kind, expected);
        assert_eq!(tree.find(b"link").unwrap().kind, SourceKind::Symlink { target: b"file".to_vec() });
    }

    #[test]
    fn what_version_control_keeps_is_left_out_at_any_depth() {
        let dir =
            app(&[".git/config", "sub/.git", "sub/deep/.hg/x", ".svn/x", ".gitignore", "sub/a", "tmp/x"]);
        assert_eq!(
            paths(&read(&dir, "", &[]).unwrap()),
            [".gitignore", "sub", "sub/a", "sub/deep", "tmp", "tmp/x"]
        );
    }

    #[test]
    fn what_git_ignores_is_left_out_with_or_without_a_slash() {
        let dir = app(&["venv/bin/python", ".env", "a.pyc", "src/a.pyc", "src/a.py", "venv2"]);
        let tree = read(&dir, "", &["venv/", ".env", "src/a.pyc"]).unwrap();
        assert_eq!(paths(&tree), ["a.pyc", "src", "src/a.py", "venv2"]);
        assert_eq!(tree.removed, 0);
    }

    #[test]
    fn matches_are_counted_as_heroku_counts_them() {
        let files = &["app.py", "docs/a.md", "docs/b.md", "docs/sub/c.md", "spec/x", "lib/spec/spec/y"];
        for (patterns, removed, left) in [
            // A directory is one match, whatever is in it.
            (
                "/docs",
                1,
                &["app.py", "lib", "lib/spec", "lib/spec/spec", "lib/spec/spec/y", "spec", "spec/x"][..],
            ),
            // One pattern sees the whole tree: the directory below one that goes counts too.
            ("spec", 3, &["app.py", "docs", "docs/a.md", "docs/b.md", "docs/sub", "docs/sub/c.md", "lib"]),
            ("*.md\ndocs\nspec", 7, &["app.py", "lib"]),
            // The next pattern sees only what the ones before it have left.
            ("docs\n*.md\nspec", 4, &["app.py", "lib"]),
            (
                "spec/\ndocs/*.md\nlib/**/y",
                4,
                &["app.py", "docs", "docs/sub", "docs/sub/c.md", "lib", "lib/spec", "lib/spec/spec"],
            ),
        ] {
            let tree = read(&app(files), patterns, &[]).unwrap();
            assert_eq!(tree.removed, removed, "{patterns:?}");
            assert_eq!(paths(&tree), left, "{patterns:?}");
            assert!(tree.findings.is_empty(), "{patterns:?} {:?}", tree.findings);
        }
    }

    #[test]
    fn a_pattern_removes_links_and_not_what_they_lead_to() {
        let dir = app(&["real/file", "link -> real", "dangling -> nothing", "file -> real/file"]);
        let tree = read(&dir, "link/\ndangling/\nfile/\n", &[]).unwrap();
        assert_eq!(paths(&tree), ["dangling", "file", "real", "real/file"]);
        assert_eq!(tree.removed, 1);
    }

    #[test]
    fn odd_patterns_are_found() {
        let files = &["app.py", "Procfile", "bin/pre_compile", "bin/x", ".python-version", "docs/a.md"];
        for (patterns, expected) in [
            ("docs", &[][..]),
            ("nothing\ndocs", &["slugignore::no-match"]),
            // C25
            (".git\n__pycache__/\n**/*.pyc\n/venv/\n.env\n./node_modules\n*.py[cod]\ndist/*\ndocs", &[]),
            (".git\nvenv-old\n", &["slugignore::no-match"]),
            ("docs\n*.md", &[]),
            ("docs\ndocs", &[]),
            ("Procfile", &["slugignore::needed-file"]),
            (".python-version", &["slugignore::needed-file"]),
            ("bin", &["slugignore::needed-file"]),
            ("bin/x", &[]),
            ("*", &["slugignore::needed-file", "slugignore::everything"]),
            ("!app.py", &["slugignore::negation"]),
            ("../etc", &["slugignore::outside"]),
        ] {
            assert_eq!(ids(&read(&app(files), patterns, &[]).unwrap()), expected, "{patterns:?}");
        }
        let text = |patterns: &str| read(&app(files), patterns, &[]).unwrap().findings[0].text.clone();
        assert_eq!(text("docs\n\ngone"), "1 pattern in .slugignore matches nothing: line 3: `gone`.");
        let told = "2 patterns in .slugignore match nothing: line 1: `a`; line 3: `b`.";
        assert_eq!(text("a\n.git\nb"), told);
        let told =
            "12 patterns in .slugignore match nothing: line 1: `no`; line 2: `no`; line 3: `no`; and 9 more.";
        assert_eq!(text(&"no\n".repeat(12)), told);
        let tree = read(&app(files), "# keep\nbin\n", &[]).unwrap();
        assert!(tree.findings[0].text.ends_with("\n- line 2: `bin` removes bin/pre_compile"), "{tree:?}");
    }

    #[test]
    fn only_a_directory_with_files_is_an_app() {
        let (file, none, no_files) = (app(&["file"]), app(&[]), app(&["a/b/", ".git/config"]));
        for (path, expected) in [
            (file.path().join("file"), ErrorCode::SourceNotADirectory),
            (file.path().join("missing"), ErrorCode::SourceNotADirectory),
            (file.path().join("file/below"), ErrorCode::SourceNotADirectory),
            (none.path().to_owned(), ErrorCode::SourceEmpty),
            (no_files.path().to_owned(), ErrorCode::SourceEmpty),
        ] {
            let options = TreeOptions { slugignore: &Slugignore::empty(), ignored: &BTreeSet::new() };
            let error = read_tree(&path, &options, &Interrupt::default()).unwrap_err();
            assert_eq!(error.code(), expected, "{}", path.display());
        }
        let error = read(&app(&["a", "b", "c"]), "a\nb", &["c"]).unwrap_err();
        assert!(error.to_string().ends_with(".gitignore leaves out 1, .slugignore leaves out 2."), "{error}");
    }

    #[test]
    fn the_root_may_be_a_link_and_no_other_link_is_followed() {
        let dir = app(&["real/a", "real/up -> ..", "real/self -> self", "real/here -> .", "root -> real"]);
        let options = TreeOptions { slugignore: &Slugignore::empty(), ignored: &BTreeSet::new() };
        let tree = read_tree(&dir.path().join("root"), &options, &Interrupt::default()).unwrap();
        assert_eq!(paths(&tree), ["a", "here", "self", "up"]);
        assert_eq!(ids(&tree), ["source::outside-link"]);
        assert!(tree.findings[0].text.ends_with("\n- up -> .."), "{tree:?}");
    }

    #[test]
    fn a_root_that_is_a_link_to_itself_is_no_directory() {
        let dir = app(&["loop -> loop"]);
        let options = TreeOptions { slugignore: &Slugignore::empty(), ignored: &BTreeSet::new() };
        let error = read_tree(&dir.path().join("loop"), &options, &Interrupt::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourceNotADirectory);
    }

    #[test]
    fn a_link_into_the_build_directory_is_found() {
        let dir = app(&["a"]);
        symlink(dir.path().join("a"), dir.path().join("link")).unwrap();
        symlink("/usr/bin/env", dir.path().join("env")).unwrap();
        assert_eq!(ids(&read(&dir, "", &[]).unwrap()), ["source::build-dir-link"]);
    }

    #[test]
    fn sockets_and_pipes_are_left_out_and_found() {
        let dir = app(&["a"]);
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let tree = read(&dir, "", &[]).unwrap();
        assert_eq!(paths(&tree), ["a"]);
        assert_eq!(ids(&tree), ["source::special-file"]);
        assert!(tree.findings[0].text.contains("- pipe\n- socket"), "{tree:?}");
        assert_eq!(ids(&read(&dir, "pipe\nsocket", &[]).unwrap()), [""; 0]);
    }

    #[test]
    fn any_name_is_kept_byte_for_byte() {
        let dir = app(&["two\nlines"]);
        let invalid = b"caf\xe9 \xff";
        fs::write(dir.path().join(OsStr::from_bytes(invalid)), "").unwrap();
        let tree = read(&dir, "", &[]).unwrap();
        let names: Vec<&[u8]> = tree.entries.iter().map(|entry| entry.path.as_slice()).collect();
        assert_eq!(names, [&invalid[..], b"two\nlines"]);
    }

    /// Makes directories in each other, until the path below the root has at least this many bytes.
    fn nest(dir: &Path, length: usize) -> Vec<u8> {
        let name = "n".repeat(200);
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
        let mut parent = rustix::fs::open(dir, flags, rustix::fs::Mode::empty()).unwrap();
        let mut path = Vec::new();
        while path.len() < length {
            rustix::fs::mkdirat(&parent, &name, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
            parent = rustix::fs::openat(&parent, &name, flags, rustix::fs::Mode::empty()).unwrap();
            path.extend_from_slice(name.as_bytes());
            path.push(b'/');
        }
        let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
        rustix::fs::openat(&parent, "f", create, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
        path.push(b'f');
        path
    }

    #[test]
    fn a_long_path_works_and_a_longer_one_is_an_error() {
        let dir = app(&[]);
        let path = nest(dir.path(), 3_900);
        assert!(path.len() > 4_000 && read(&dir, "", &[]).unwrap().find(&path).is_some());

        let dir = app(&["a"]);
        nest(dir.path(), 6_000);
        let error = read(&dir, "", &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourcePathTooLong, "{error}");
        assert!(error.to_string().len() < 300, "{error}");
        assert_eq!(paths(&read(&dir, "nnn*", &[]).unwrap()), ["a"]);
        assert_eq!(paths(&read(&dir, "", &[&"n".repeat(200)]).unwrap()), ["a"]);
    }

    #[test]
    fn an_unreadable_file_is_named() {
        if rustix::process::geteuid().is_root() {
            eprintln!("skipped: the root user can read every file");
            return;
        }
        for (mode_of, name) in [("d/file", "d/file"), ("d", "d")] {
            let dir = app(&["d/file", "x"]);
            fs::set_permissions(dir.path().join(mode_of), fs::Permissions::from_mode(0o000)).unwrap();
            let error = read(&dir, "", &[]).unwrap_err();
            assert_eq!(
                (error.code(), error.to_string()),
                (ErrorCode::SourceUnreadable, format!("{name} can't be read."))
            );
            assert_eq!(paths(&read(&dir, "d", &[]).unwrap()), ["x"]);
            fs::set_permissions(dir.path().join(mode_of), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_pointer_of_git_lfs_is_found() {
        let dir = app(&["a"]);
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
        fs::write(dir.path().join("model.bin"), pointer).unwrap();
        fs::write(dir.path().join("large.txt"), format!("{pointer}{}", "x".repeat(1_024))).unwrap();
        fs::write(dir.path().join("other.txt"), format!("the {pointer}")).unwrap();
        let tree = read(&dir, "", &[]).unwrap();
        assert_eq!(ids(&tree), ["source::lfs-pointer"]);
        assert!(tree.findings[0].text.contains(":\n- model.bin\nHeroku"), "{tree:?}");
    }

    #[test]
    fn an_interrupt_ends_the_walk() {
        let interrupt = Interrupt::default();
        interrupt.set(2);
        let dir = app(&["a"]);
        let options = TreeOptions { slugignore: &Slugignore::empty(), ignored: &BTreeSet::new() };
        let error = read_tree(dir.path(), &options, &interrupt).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (ErrorCode::Interrupted, 130));
    }
}
