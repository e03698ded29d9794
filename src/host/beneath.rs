//! Writing a tree from names that somebody else chose: whatever they are, nothing outside of the directory is
//! written, linked to or looked at.
//!
//! Each name is followed from the directory's own descriptor, one component at a time, and never through a
//! symbolic link. Checking a path first and then opening it by name would be the usual hole: `a -> /etc`,
//! followed by the file `a/passwd`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// A directory that is written to by untrusted relative names, with `/` between their components.
#[derive(Debug)]
pub(crate) struct Beneath {
    root: OwnedFd,
    // Archives list a directory's files one after the other: the last directory is kept open.
    last: Option<(Vec<u8>, OwnedFd)>,
}

/// A name that isn't followed, or an operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum BeneathError {
    /// The name is empty, absolute, or has a component that is empty, `.` or `..`.
    #[error("the name isn't a plain relative one")]
    Name,
    /// A directory in the name is a symbolic link.
    #[error("a directory of its path is a symbolic link")]
    ThroughLink,
    /// A directory in the name is something else, or the name itself is already a directory.
    #[error("the same name stands for a file and for a directory")]
    Conflict,
    /// A hard link's target isn't a regular file of this tree.
    #[error("what it links to isn't a file that came before it")]
    LinkTarget,
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for BeneathError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

const OPEN_DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Beneath {
    /// Opens the directory. This one name is trusted, and may lead through links.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::openat(CWD, dir, flags, Mode::empty())?, last: None })
    }

    /// Makes a directory, and those above it; one that is there already only gets the permissions.
    /// Its owner can always enter it and write to it, or what comes next couldn't be put there.
    pub(crate) fn create_dir(&mut self, name: &[u8], mode: u32) -> Result<(), BeneathError> {
        check(name)?;
        let dir = self.enter(name, true)?;
        rustix::fs::fchmod(dir, Mode::from_raw_mode(mode & 0o777 | 0o700))?;
        Ok(())
    }

    /// Makes a new, empty file and the directories above it. What was there under this name goes away, so that
    /// neither a link's target nor another name of the same file is written to.
    pub(crate) fn create_file(&mut self, name: &[u8]) -> Result<File, BeneathError> {
        let (parent, base) = self.parent_of(name, true)?;
        remove(parent, base)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(parent, base, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Makes a symbolic link, with any target: it is not followed from here.
    pub(crate) fn create_symlink(&mut self, name: &[u8], target: &[u8]) -> Result<(), BeneathError> {
        let (parent, base) = self.parent_of(name, true)?;
        remove(parent, base)?;
        Ok(rustix::fs::symlinkat(target, parent, base)?)
    }

    /// Makes another name for a regular file of this tree.
    pub(crate) fn create_hard_link(&mut self, name: &[u8], existing: &[u8]) -> Result<(), BeneathError> {
        let (dir, existing_base) = self.parent_of(existing, false).map_err(|error| match error {
            BeneathError::Io(error) if error.kind() == io::ErrorKind::NotFound => BeneathError::LinkTarget,
            other => other,
        })?;
        let found = rustix::fs::statat(dir, existing_base, AtFlags::SYMLINK_NOFOLLOW);
        let is_file = found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if !is_file {
            return Err(BeneathError::LinkTarget);
        }
        if name == existing {
            return Ok(());
        }
        let dir = dir.try_clone()?;
        let (parent, base) = self.parent_of(name, true)?;
        remove(parent, base)?;
        // Without AT_SYMLINK_FOLLOW: a link that took the file's place just now would be linked itself.
        Ok(rustix::fs::linkat(&dir, existing_base, parent, base, AtFlags::empty())?)
    }

    fn parent_of<'n>(&mut self, name: &'n [u8], make: bool) -> Result<(&OwnedFd, &'n [u8]), BeneathError> {
        check(name)?;
        match name.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Ok((self.enter(&name[..slash], make)?, &name[slash + 1..])),
            None => Ok((&self.root, name)),
        }
    }

    fn enter(&mut self, dir: &[u8], make: bool) -> Result<&OwnedFd, BeneathError> {
        let known = self.last.take().filter(|(name, _)| name == dir);
        let fd = match known {
            Some((_, fd)) => fd,
            None => self.walk(dir, make)?,
        };
        Ok(&self.last.insert((dir.to_owned(), fd)).1)
    }

    fn walk(&self, dir: &[u8], make: bool) -> Result<OwnedFd, BeneathError> {
        let mut at: Option<OwnedFd> = None;
        for component in dir.split(|byte| *byte == b'/') {
            at = Some(open_dir(at.as_ref().unwrap_or(&self.root), component, make)?);
        }
        at.ok_or(BeneathError::Name)
    }
}

fn check(name: &[u8]) -> Result<(), BeneathError> {
    let plain = name.split(|byte| *byte == b'/').all(|component| !matches!(component, b"" | b"." | b".."));
    if plain && !name.contains(&0) { Ok(()) } else { Err(BeneathError::Name) }
}

fn open_dir(at: impl AsFd, name: &[u8], make: bool) -> Result<OwnedFd, BeneathError> {
    let open = || rustix::fs::openat(at.as_fd(), name, OPEN_DIR, Mode::empty());
    let opened = match open() {
        Err(Errno::NOENT) if make => {
            rustix::fs::mkdirat(at.as_fd(), name, Mode::from_raw_mode(0o755))?;
            open()
        }
        opened => opened,
    };
    opened.map_err(|error| match error {
        // Linux says ENOTDIR of a link, too, when it was asked for a directory.
        Errno::LOOP | Errno::NOTDIR => {
            let found = rustix::fs::statat(at.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW);
            match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Ok(FileType::Symlink) => BeneathError::ThroughLink,
                _ => BeneathError::Conflict,
            }
        }
        other => other.into(),
    })
}

fn remove(parent: &OwnedFd, base: &[u8]) -> Result<(), BeneathError> {
    match rustix::fs::unlinkat(parent, base, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Err(BeneathError::Conflict),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tree() -> (tempfile::TempDir, Beneath) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inside")).unwrap();
        fs::write(dir.path().join("outside"), "untouched").unwrap();
        let beneath = Beneath::open(&dir.path().join("inside")).unwrap();
        (dir, beneath)
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let (_dir, mut beneath) = tree();
        for name in ["", ".", "..", "../outside", "/etc/x", "a/../../outside", "a//b", "a/", "a/./b", "a\0b"]
        {
            let error = beneath.create_file(name.as_bytes()).unwrap_err();
            assert!(matches!(error, BeneathError::Name), "{name:?}: {error:?}");
            let error = beneath.create_dir(name.as_bytes(), 0o755).unwrap_err();
            assert!(matches!(error, BeneathError::Name), "{name:?}: {error:?}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (dir, mut beneath) = tree();
        fs::create_dir(dir.path().join("victim")).unwrap();
        beneath.create_symlink(b"link", b"../victim").unwrap();
        beneath.create_symlink(b"file", b"../outside").unwrap();
        for error in [
            beneath.create_file(b"link/x").map(drop),
            beneath.create_dir(b"link/x", 0o755),
            beneath.create_dir(b"link", 0o755),
            beneath.create_symlink(b"link/x", b"y"),
        ] {
            assert!(matches!(error, Err(BeneathError::ThroughLink)), "{error:?}");
        }
        // A file of the link's own name takes its place.
        beneath.create_file(b"file").unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("outside")).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(dir.path().join("inside/file")).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path().join("victim")).unwrap().count(), 0);
    }

    #[test]
    fn the_directory_that_is_kept_open_is_the_one_that_was_named() {
        let (dir, mut beneath) = tree();
        for name in ["a/b/1", "a/b/2", "a/1", "3", "a/b/4"] {
            beneath.create_file(name.as_bytes()).unwrap();
            assert!(dir.path().join("inside").join(name).is_file(), "{name}");
        }
    }

    #[test]
    fn a_hard_link_goes_to_a_file_of_the_tree_only() {
        let (dir, mut beneath) = tree();
        beneath.create_symlink(b"out", b"../outside").unwrap();
        beneath.create_symlink(b"up", b"..").unwrap();
        beneath.create_dir(b"dir", 0o755).unwrap();
        beneath.create_file(b"dir/file").unwrap().write_all(b"text").unwrap();
        for target in ["out", "dir", "none", "none/none"] {
            let error = beneath.create_hard_link(b"x", target.as_bytes()).unwrap_err();
            assert!(matches!(error, BeneathError::LinkTarget), "{target}: {error:?}");
        }
        let error = beneath.create_hard_link(b"x", b"up/outside").unwrap_err();
        assert!(matches!(error, BeneathError::ThroughLink), "{error:?}");
        let error = beneath.create_hard_link(b"x", b"../outside").unwrap_err();
        assert!(matches!(error, BeneathError::Name), "{error:?}");
        beneath.create_hard_link(b"new/x", b"dir/file").unwrap();
        beneath.create_hard_link(b"dir/file", b"dir/file").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("inside/new/x")).unwrap(), "text");
    }

    #[test]
    fn a_file_and_a_directory_of_one_name_are_a_conflict() {
        let (_dir, mut beneath) = tree();
        beneath.create_file(b"a").unwrap();
        beneath.create_dir(b"d/e", 0o755).unwrap();
        for error in [
            beneath.create_dir(b"a", 0o755),
            beneath.create_file(b"a/b").map(drop),
            beneath.create_file(b"d").map(drop),
        ] {
            assert!(matches!(error, Err(BeneathError::Conflict)), "{error:?}");
        }
    }

    #[test]
    fn the_owner_can_always_work_in_a_directory() {
        let (dir, mut beneath) = tree();
        beneath.create_dir(b"a", 0o7555).unwrap();
        beneath.create_file(b"a/b").unwrap();
        let mode = fs::metadata(dir.path().join("inside/a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }
}
