//! A tree: what a directory held when it was indexed, every file with its SHA-256.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, UserError};
use crate::host::walk::walk;

/// How many bytes of a file are read at once.
pub(super) const READ: usize = 256 << 10;

/// One of the trees that a slug is made of.
#[derive(Debug, Clone)]
pub struct Tree {
    /// What it holds: `runtime`, `pip`, `dependencies`, `app`, `generated`.
    pub name: String,
    /// The directory that its paths are relative to.
    pub root: PathBuf,
    /// Whose directory that is.
    pub origin: TreeOrigin,
    /// What is in it, sorted by the bytes of the path.
    pub entries: Vec<Entry>,
}

/// Whose files a tree has; decides what it means when a file isn't what the index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeOrigin {
    /// The app's own: somebody changed them during the build.
    App,
    /// A finished layer of the store: they are damaged.
    Layer,
}

/// A file, directory or symbolic link of a tree.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it goes, relative to the app's root, with `/` between the parts.
    #[serde(with = "text")]
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Its permissions, as [`normalise_mode`] makes them.
        mode: u32,
        /// The SHA-256 of its content.
        #[serde(with = "hex_digest")]
        digest: [u8; 32],
    },
    /// A symbolic link.
    Symlink {
        /// What it points at, as it stands in the link.
        #[serde(with = "text")]
        target: Vec<u8>,
    },
}

/// A file that is still to be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToHash {
    /// Its path, relative to the root.
    pub path: Vec<u8>,
    /// Its length in bytes when it was listed.
    pub size: u64,
    /// Its permissions, as they are on disk or normalised.
    pub mode: u32,
}

/// A directory that can't be indexed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file or directory can't be read.
    #[error("{} can't be read.", .path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Whose it is.
        origin: TreeOrigin,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file became another one between listing and reading it.
    #[error("{} isn't what it was when the build began.", .path.display())]
    Changed {
        /// Which one.
        path: PathBuf,
        /// Whose it is.
        origin: TreeOrigin,
    },
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for IndexError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unreadable { origin, .. } => unreadable_code(*origin),
            Self::Changed { origin, .. } => changed_code(*origin),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

pub(super) fn unreadable_code(origin: TreeOrigin) -> ErrorCode {
    match origin {
        TreeOrigin::App => ErrorCode::SourceUnreadable,
        TreeOrigin::Layer => ErrorCode::StoreUnusable,
    }
}

pub(super) fn changed_code(origin: TreeOrigin) -> ErrorCode {
    match origin {
        TreeOrigin::App => ErrorCode::SourceChanged,
        TreeOrigin::Layer => ErrorCode::StoreCorrupt,
    }
}

/// Reduces permissions to what a slug keeps: whether a file can be run, and whether it is its owner's alone.
///
/// Keys that others may read are refused by ssh and others, so private files stay private.
pub fn normalise_mode(st_mode: u32) -> u32 {
    let owner_may_run = st_mode & 0o100 != 0;
    let private = st_mode & 0o077 == 0;
    match (owner_may_run, private) {
        (false, false) => 0o644,
        (true, false) => 0o755,
        (false, true) => 0o600,
        (true, true) => 0o700,
    }
}

/// Lists and hashes everything in a finished layer. What can't be in a slug (sockets, pipes, devices) is
/// left out.
pub fn index_directory(root: &Path, env: &Env) -> Result<Vec<Entry>, IndexError> {
    let origin = TreeOrigin::Layer;
    let unreadable = |path: &Path, source| IndexError::Unreadable { path: path.to_owned(), origin, source };
    if !fs::symlink_metadata(root).map_err(|source| unreadable(root, source))?.is_dir() {
        return Err(unreadable(root, io::ErrorKind::NotADirectory.into()));
    }
    let visit = |found: &fs::DirEntry, relative: &Path| {
        env.interrupt.check()?;
        let path = relative.as_os_str().as_bytes().to_vec();
        let failed = |source| unreadable(&found.path(), source);
        let file_type = found.file_type().map_err(failed)?;
        Ok(if file_type.is_dir() {
            Some(Listed::Entry(Entry { path, kind: EntryKind::Directory }))
        } else if file_type.is_symlink() {
            let target = fs::read_link(found.path()).map_err(failed)?.into_os_string().into_vec();
            Some(Listed::Entry(Entry { path, kind: EntryKind::Symlink { target } }))
        } else if file_type.is_file() {
            let metadata = found.metadata().map_err(failed)?;
            Some(Listed::File(FileToHash { path, size: metadata.len(), mode: metadata.mode() }))
        } else {
            None
        })
    };
    let (mut entries, mut files) = (Vec::new(), Vec::new());
    for listed in walk(root, &visit, &|path, source| Err(unreadable(path, source)))? {
        match listed {
            Listed::Entry(entry) => entries.push(entry),
            Listed::File(file) => files.push(file),
        }
    }
    entries.append(&mut hash_files_of(root, &files, origin, env)?);
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// What a directory holds, before files are read.
enum Listed {
    Entry(Entry),
    File(FileToHash),
}

/// Hashes files of the app in parallel and makes their entries, in the order given.
pub fn hash_files(root: &Path, files: &[FileToHash], env: &Env) -> Result<Vec<Entry>, IndexError> {
    hash_files_of(root, files, TreeOrigin::App, env)
}

fn hash_files_of(
    root: &Path,
    files: &[FileToHash],
    origin: TreeOrigin,
    env: &Env,
) -> Result<Vec<Entry>, IndexError> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    // The biggest first, so that no thread is left alone with one at the end.
    order.sort_by_key(|index| std::cmp::Reverse(files[*index].size));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        let mut buffer = vec![0; READ];
        while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = env.interrupt.check().map_err(IndexError::from).and_then(|()| {
                let file = &files[index];
                hash_file(&root.join(OsStr::from_bytes(&file.path)), file.size, origin, &mut buffer)
            });
            let failed = result.is_err();
            done.push((index, result));
            if failed {
                next.store(order.len(), Ordering::Relaxed);
            }
        }
        done
    };
    let threads = env.cores.clamp(1, files.len().max(1));
    let mut hashed: Vec<(usize, Result<[u8; 32], IndexError>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        all.extend(workers.into_iter().filter_map(|worker| worker.join().ok()).flatten());
        all
    });
    hashed.sort_unstable_by_key(|(index, _)| *index);
    hashed
        .into_iter()
        .map(|(index, digest)| {
            let FileToHash { path, size, mode } = files[index].clone();
            Ok(Entry { path, kind: EntryKind::File { size, mode: normalise_mode(mode), digest: digest? } })
        })
        .collect()
}

fn hash_file(path: &Path, size: u64, origin: TreeOrigin, buffer: &mut [u8]) -> Result<[u8; 32], IndexError> {
    let failed = |source: io::Error| match is_a_change(&source) {
        true => IndexError::Changed { path: path.to_owned(), origin },
        false => IndexError::Unreadable { path: path.to_owned(), origin, source },
    };
    // One byte more than was listed, to notice that it has grown; not all, for it may be growing still.
    let mut content = open_file(path).map_err(failed)?.take(size.saturating_add(1));
    let mut hasher = Sha256::new();
    let mut read = 0;
    loop {
        match content.read(buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
                read += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if read == size { Ok(hasher.finalize().into()) } else { Err(failed(io::ErrorKind::UnexpectedEof.into())) }
}

/// Opens a regular file: what has become a link since it was listed is refused, and a pipe isn't waited for.
/// (That it is one isn't asked: what can be read of anything else isn't what the index says.)
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Whether opening or reading failed because the file is gone or has become something else.
pub(super) fn is_a_change(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, UnexpectedEof, WouldBlock};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory | UnexpectedEof | WouldBlock)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Paths in JSON: as text where they are text, else in hexadecimal behind a NUL, which no path has.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with('\0') => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("\0{}", hex::encode(bytes))),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix('\0') {
            Some(encoded) => hex::decode(encoded).map_err(D::Error::custom),
            None => Ok(text.into_bytes()),
        }
    }
}

mod hex_digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut digest = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut digest).map_err(D::Error::custom)?;
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn permissions_are_reduced_to_four() {
        for (mode, expected) in [
            (0o100_644, 0o644),
            (0o100_664, 0o644),
            (0o100_444, 0o644),
            (0o100_755, 0o755),
            (0o100_775, 0o755),
            (0o104_755, 0o755),
            (0o101_777, 0o755),
            (0o100_654, 0o644),
            (0o100_600, 0o600),
            (0o100_400, 0o600),
            (0o100_700, 0o700),
            (0o100_500, 0o700),
            (0o106_700, 0o700),
        ] {
            assert_eq!(normalise_mode(mode), expected, "{mode:o}");
            assert_eq!(normalise_mode(expected), expected, "{expected:o} stays");
        }
    }

    #[test]
    fn a_directory_is_indexed_in_the_order_of_bytes_with_links_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/empty")).unwrap();
        fs::write(root.join("a/z"), "hello\n").unwrap();
        fs::write(root.join("a-b"), "").unwrap();
        fs::set_permissions(root.join("a-b"), fs::Permissions::from_mode(0o775)).unwrap();
        fs::write(root.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
        symlink("nowhere/at/all", root.join("link")).unwrap();
        symlink("/", root.join("up")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let entries = index_directory(root, &Env::for_tests(&[])).unwrap();
        let paths: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(&entry.path)).collect();
        assert_eq!(paths, ["a", "a-b", "a/empty", "a/z", "link", "up", "\u{fffd}"]);
        assert_eq!(entries[4].kind, EntryKind::Symlink { target: b"nowhere/at/all".to_vec() });
        let EntryKind::File { size, mode, digest } = &entries[3].kind else { panic!("{:?}", entries[3]) };
        assert_eq!((*size, *mode), (6, 0o644));
        assert_eq!(hex::encode(digest), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert!(matches!(entries[1].kind, EntryKind::File { size: 0, mode: 0o755, .. }));
    }

    #[test]
    fn the_index_is_the_same_for_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..50 {
            fs::write(dir.path().join(format!("{number}")), vec![number; usize::from(number) * 100]).unwrap();
        }
        let with = |cores| {
            let env = Env { cores, ..Env::for_tests(&[]) };
            index_directory(dir.path(), &env).unwrap()
        };
        assert_eq!(with(1), with(7));
        assert_eq!(with(1).len(), 50);
    }

    #[test]
    fn a_file_that_is_not_as_listed_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("file"), "12345").unwrap();
        fs::create_dir(root.join("dir")).unwrap();
        symlink("file", root.join("link")).unwrap();
        let env = Env::for_tests(&[]);
        for (name, size) in [("file", 4), ("file", 6), ("gone", 0), ("dir", 0), ("link", 5), ("file/x", 1)] {
            let file = FileToHash { path: name.into(), size, mode: 0o644 };
            let error = hash_files(root, &[file], &env).unwrap_err();
            assert_eq!(error.code(), ErrorCode::SourceChanged, "{name} {size}: {error}");
        }
        let file = FileToHash { path: b"file".to_vec(), size: 4, mode: 0o644 };
        let error = hash_files_of(root, &[file], TreeOrigin::Layer, &env).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StoreCorrupt);
    }

    #[test]
    fn a_missing_layer_and_an_interrupt_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::for_tests(&[]);
        let error = index_directory(&dir.path().join("gone"), &env).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StoreUnusable);
        fs::write(dir.path().join("file"), "").unwrap();
        env.interrupt.set(2);
        assert!(matches!(index_directory(dir.path(), &env), Err(IndexError::Interrupted(_))));
    }

    #[test]
    fn entries_survive_json_whatever_their_names() {
        let entries = vec![
            Entry { path: b"a/b".to_vec(), kind: EntryKind::Directory },
            Entry { path: b"\xff\xfe".to_vec(), kind: EntryKind::Symlink { target: "ü".into() } },
            Entry { path: b"f".to_vec(), kind: EntryKind::File { size: 1, mode: 0o644, digest: [7; 32] } },
        ];
        let json = serde_json::to_string(&entries).unwrap();
        assert!(json.starts_with(r#"[{"path":"a/b","kind":"Directory"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Vec<Entry>>(&json).unwrap(), entries);
    }
}
