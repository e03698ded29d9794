//! Files and directories that are written, whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::scratch::{ScratchDir, sweep, temp_file_in};
use super::walk::walk;
use crate::error::{ErrorCode, UserError};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {} failed.", .path.display(), .operation)]
pub struct FileError {
    /// What was tried, as a noun: "writing", "deleting".
    pub operation: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl UserError for FileError {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileSystem
    }

    fn detail(&self) -> Option<String> {
        Some(self.source.kind().to_string())
    }
}

/// Says which file an operation failed with.
pub(crate) trait FileContext<T> {
    /// Adds the operation (a noun) and the path to an I/O error.
    fn doing(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T, FileError>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn doing(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T, FileError> {
        self.map_err(|source| FileError { operation, path: path.as_ref().to_owned(), source })
    }
}

/// Makes a directory and its parents.
pub(crate) fn create_dir_all(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).doing("making the directory", path)
}

/// Writes a file whole or not at all: aside first, then renamed over what was there.
pub(crate) fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    // Temporary files are private; this one is to be as if it had been written in place.
    write_for_user(path, contents, 0o644)
}

/// Writes a file for the user, whole or not at all, with the permissions that [`crate::env::Env::file_mode`] gives.
pub(crate) fn write_for_user(path: &Path, contents: &[u8], mode: u32) -> Result<(), FileError> {
    let file = prepare_file(path, contents, mode)?;
    file.persist(path).map_err(|error| error.error).doing("writing", path)?;
    Ok(())
}

/// Writes a file with these permissions beside the place where it will be renamed to.
pub(crate) fn prepare_file(path: &Path, contents: &[u8], mode: u32) -> Result<NamedTempFile, FileError> {
    prepare_with(path, contents, fs::Permissions::from_mode(mode))
}

fn prepare_with(
    path: &Path,
    contents: &[u8],
    permissions: fs::Permissions,
) -> Result<NamedTempFile, FileError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let mut file = temp_file_in(parent).doing("writing", path)?;
    file.write_all(contents).doing("writing", path)?;
    file.as_file().set_permissions(permissions).doing("writing", path)?;
    Ok(file)
}

/// Reads a file that is meant to be small, without waiting for a pipe or reading a device for ever.
pub(crate) fn read_small_file(path: &Path) -> io::Result<Vec<u8>> {
    const LIMIT: u64 = 64 << 20;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it isn't a regular file"));
    }
    let mut contents = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > LIMIT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(contents) }
}

/// Fails if a file can't be written there, before any work is done for it.
pub(crate) fn check_writable(path: &Path) -> Result<(), FileError> {
    // Renaming over a device would make a file of it.
    if path.exists() && !path.is_file() {
        return Err(io::Error::other("it isn't a regular file")).doing("writing", path);
    }
    temp_file_in(path.parent().unwrap_or(Path::new("/"))).map(drop).doing("writing", path)
}

/// Replaces a file's content and keeps its permissions. The file gets a new inode, so that what is
/// hard-linked to the old one (uv's cache) is left alone.
pub(crate) fn replace_contents(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let permissions = fs::metadata(path).doing("reading", path)?.permissions();
    let file = prepare_with(path, contents, permissions)?;
    file.persist(path).map_err(|error| error.error).doing("writing", path)?;
    Ok(())
}

/// Deletes a directory if nothing is in it.
pub(crate) fn remove_empty_dir(path: &Path) {
    // What is in it says that it stays.
    let _ = fs::remove_dir(path);
}

/// Opens a new file for writing; an old one of that name is emptied.
pub(crate) fn create_file(path: &Path) -> Result<File, FileError> {
    File::create(path).doing("writing", path)
}

/// Makes a temporary directory, below `parent` or where this machine keeps them. It is deleted with
/// everything in it when it is dropped. Where this machine keeps them, those that killed processes have left are
/// deleted now.
pub(crate) fn temp_dir(parent: Option<&Path>) -> Result<ScratchDir, FileError> {
    let shared = std::env::temp_dir();
    if parent.is_none() {
        sweep(&shared);
    }
    let parent = parent.unwrap_or(&shared);
    ScratchDir::make_in(parent).doing("making a temporary directory in", parent)
}

/// Makes a symbolic link.
pub(crate) fn create_symlink(target: &Path, link: &Path) -> Result<(), FileError> {
    symlink(target, link).doing("making the symbolic link", link)
}

/// Makes a hard link, or a copy where the file system can't.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)).doing("copying to", to)
}

/// Makes hard links to the files of a directory in an empty one. Returns whether the file system can do that.
pub(crate) fn link_tree(from: &Path, to: &Path) -> Result<bool, FileError> {
    let visit = |entry: &fs::DirEntry, relative: &Path| {
        let (path, target) = (entry.path(), to.join(relative));
        let kind = entry.file_type().doing("reading", &path).map_err(Some)?;
        if kind.is_dir() {
            create_dir_all(&target).map_err(Some)?;
        } else if kind.is_symlink() {
            let points_to = fs::read_link(&path).doing("reading", &path).map_err(Some)?;
            create_symlink(&points_to, &target).map_err(Some)?;
        } else {
            fs::hard_link(path, &target).map_err(|_| None)?;
        }
        Ok(None::<()>)
    };
    let unreadable = |path: &Path, error| Err(error).doing("reading", path).map_err(Some);
    match walk(from, &visit, &unreadable) {
        Ok(_) => Ok(true),
        Err(None) => Ok(false),
        Err(Some(error)) => Err(error),
    }
}

/// Copies a file and its permissions.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::copy(from, to).map(drop).doing("copying to", to)
}

/// Copies a file's content into a new file with these permissions, in place of whatever has that name: a link isn't
/// followed.
pub(crate) fn copy_as(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    let create = || File::options().write(true).create_new(true).open(to);
    let mut target = match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_file(to)?;
            create()
        }
        other => other,
    }
    .doing("copying to", to)?;
    let mut source = File::open(from).doing("reading", from)?;
    // In the kernel, where that can be done.
    io::copy(&mut source, &mut target)
        .and_then(|_| target.set_permissions(fs::Permissions::from_mode(mode)))
        .doing("copying to", to)
}

/// Gives a file another name, in place of whatever has that name. It is copied where the file has other permissions, or can't
/// be linked: across file systems, too often, or by somebody who may only read it.
pub(crate) fn link_as(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    let has_mode = |meta: fs::Metadata| meta.is_file() && meta.mode() & 0o7777 == mode;
    if !fs::symlink_metadata(from).is_ok_and(has_mode) {
        return copy_as(from, to, mode);
    }
    let linked = match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_file(to)?;
            fs::hard_link(from, to)
        }
        other => other,
    };
    linked.or_else(|_| copy_as(from, to, mode))
}

/// Renames a file or directory.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).doing("renaming to", to)
}

/// Sets the permission bits.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), FileError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).doing("setting the permissions of", path)
}

/// Deletes a file or a symbolic link; it is no error if there is none.
pub(crate) fn remove_file(path: &Path) -> Result<(), FileError> {
    ignore_missing(fs::remove_file(path)).doing("deleting", path)
}

/// Deletes a directory with everything in it; it is no error if there is none. Links are not followed.
pub(crate) fn remove_dir_all(path: &Path) -> Result<(), FileError> {
    ignore_missing(fs::remove_dir_all(path)).doing("deleting", path)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Returns whether a directory is in a tree itself: it is there, and no name on the way to it is a link.
pub(crate) fn is_within(tree: &Path, dir: impl AsRef<Path>) -> bool {
    let mut path = tree.to_owned();
    dir.as_ref().iter().all(|name| {
        path.push(name);
        path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_linked_where_that_gives_what_a_copy_would() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to, other] = ["from", "to", "other"].map(|name| dir.path().join(name));
        fs::write(&from, "content").unwrap();
        fs::write(&other, "other").unwrap();
        set_mode(&from, 0o644).unwrap();
        let inode = |path: &Path| fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino())).unwrap();
        // What is in its place goes; a link isn't followed.
        for prepare in [|_: &Path, _: &Path| {}, |other: &Path, to: &Path| symlink(other, to).unwrap()] {
            let _ = fs::remove_file(&to);
            prepare(&other, &to);
            link_as(&from, &to, 0o644).unwrap();
            assert_eq!(inode(&from), inode(&to));
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "other");
        link_as(&from, &to, 0o755).unwrap();
        assert_ne!(inode(&from), inode(&to), "the other permissions are for one of them");
        assert_eq!(fs::read_to_string(&to).unwrap(), "content");
        let modes = [&from, &to].map(|path| fs::metadata(path).unwrap().mode() & 0o777);
        assert_eq!(modes, [0o644, 0o755]);
        // A file system of its own, where there is one.
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            let to = memory.path().join("to");
            link_as(&from, &to, 0o644).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), "content");
        }
        assert!(link_as(&dir.path().join("none"), &to, 0o644).is_err());
    }
}
