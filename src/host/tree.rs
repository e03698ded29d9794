//! A directory that an archive is unpacked into. Nothing is written through a symbolic link, and no link
//! leads out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::archive::ArchiveError;
use super::files::{self, FileContext, FileError};

/// Whether an entry was acceptable, or what is wrong with it.
pub(super) type Verdict = Result<(), &'static str>;

/// The directory, and what is known of it.
pub(super) struct Tree {
    root: PathBuf,
    /// Directories, relative to the root, that were seen to be real. They stay that: a directory is never
    /// replaced.
    directories: BTreeSet<PathBuf>,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), directories: BTreeSet::from([PathBuf::new()]) }
    }

    pub(super) fn make_directory(&mut self, path: &[Vec<u8>], mode: u32) -> Result<Verdict, FileError> {
        let verdict = self.ensure_directory(&relative(path))?;
        if verdict.is_ok() {
            files::set_mode(&self.root.join(relative(path)), mode & 0o777 | 0o700)?;
        }
        Ok(verdict)
    }

    /// Makes a file of what `fill` writes.
    pub(super) fn write_file(
        &mut self,
        path: &[Vec<u8>],
        mode: u32,
        fill: &mut dyn FnMut(&mut File) -> Result<(), ArchiveError>,
    ) -> Result<Verdict, ArchiveError> {
        let target = match self.clear_place(path)? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        // `create_new` doesn't follow a link.
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&target)
            .doing("writing", &target)?;
        fill(&mut file)?;
        // Without setuid, setgid and sticky bits, and always readable and writable for us.
        let mode = mode & 0o777 | 0o600;
        file.set_permissions(fs::Permissions::from_mode(mode)).doing("writing", &target)?;
        Ok(Ok(()))
    }

    pub(super) fn make_symlink(&mut self, path: &[Vec<u8>], link: &[u8]) -> Result<Verdict, FileError> {
        if let Err(reason) = stays_inside(path.len().saturating_sub(1), link) {
            return Ok(Err(reason));
        }
        Ok(match self.clear_place(path)? {
            Ok(target) => {
                files::create_symlink(Path::new(OsStr::from_bytes(link)), &target)?;
                Ok(())
            }
            Err(reason) => Err(reason),
        })
    }

    pub(super) fn make_hard_link(
        &mut self,
        path: &[Vec<u8>],
        original: &[Vec<u8>],
    ) -> Result<Verdict, FileError> {
        if path == original {
            // Archives that name a file twice hold such an entry.
            return Ok(Ok(()));
        }
        let original = relative(original);
        let parents = original.ancestors().skip(1);
        let is_plain = parents.clone().all(|parent| self.directories.contains(parent));
        let original = self.root.join(original);
        if !is_plain || !metadata(&original)?.is_some_and(|found| found.is_file()) {
            return Ok(Err("a hard link to no file that came before"));
        }
        Ok(match self.clear_place(path)? {
            Ok(target) => {
                files::link_or_copy(&original, &target)?;
                Ok(())
            }
            Err(reason) => Err(reason),
        })
    }

    /// Makes sure that a directory and its parents are there, and are directories and not links to some.
    fn ensure_directory(&mut self, path: &Path) -> Result<Verdict, FileError> {
        if self.directories.contains(path) {
            return Ok(Ok(()));
        }
        if let Some(parent) = path.parent() {
            let verdict = self.ensure_directory(parent)?;
            if verdict.is_err() {
                return Ok(verdict);
            }
        }
        let full = self.root.join(path);
        match metadata(&full)? {
            Some(found) if found.is_dir() => {}
            Some(found) if found.is_symlink() => return Ok(Err("a name that goes through a symbolic link")),
            Some(_) => return Ok(Err("a directory in place of a file")),
            None => {
                fs::DirBuilder::new().mode(0o755).create(&full).doing("making the directory", &full)?;
            }
        }
        self.directories.insert(path.to_owned());
        Ok(Ok(()))
    }

    /// Makes room for a file or link: as in tar, a later entry replaces an earlier one.
    fn clear_place(&mut self, path: &[Vec<u8>]) -> Result<Result<PathBuf, &'static str>, FileError> {
        let path = relative(path);
        if let Err(reason) = self.ensure_directory(path.parent().unwrap_or(Path::new("")))? {
            return Ok(Err(reason));
        }
        let full = self.root.join(path);
        match metadata(&full)? {
            Some(found) if found.is_dir() => return Ok(Err("a file or link in place of a directory")),
            Some(_) => files::remove_file(&full)?,
            None => {}
        }
        Ok(Ok(full))
    }
}

fn relative(path: &[Vec<u8>]) -> PathBuf {
    path.iter().map(|part| OsStr::from_bytes(part)).collect()
}

fn metadata(path: &Path) -> Result<Option<Metadata>, FileError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).doing("reading", path),
    }
}

/// Checks where a symbolic link in a directory of this depth leads.
///
/// `..` is allowed at the start only: after a name, which can be another link, it could lead anywhere.
fn stays_inside(depth: usize, link: &[u8]) -> Verdict {
    if link.starts_with(b"/") {
        return Err("a symbolic link to an absolute path");
    }
    let parts = link.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let (mut ups, mut names) = (0, 0);
    for part in parts {
        match part {
            b".." if names > 0 => return Err("a symbolic link with `..` after a name"),
            b".." => ups += 1,
            _ => names += 1,
        }
    }
    if ups > depth { Err("a symbolic link out of the directory") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symlink_stays_inside_or_is_refused() {
        for (depth, link, inside) in [
            (0, "python3.13", true),
            (0, "./lib", true),
            (0, "lib//x", true),
            (0, "..", false),
            (1, "..", true),
            (1, "../lib/x", true),
            (1, "../../etc", false),
            (2, "./.././../x", true),
            (2, "a/../../../x", false),
            // With `a -> ..`, this is two directories up.
            (2, "a/../x", false),
            (1, "/etc/passwd", false),
        ] {
            assert_eq!(stays_inside(depth, link.as_bytes()).is_ok(), inside, "{link} at {depth}");
        }
    }
}
