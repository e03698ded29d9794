//! Who may do what in the store: what the permissions of its root directory say. Whatever is put there gets the same,
//! whoever puts it there, and whatever umask they have.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown, lchown};
use std::path::Path;

use crate::error::NoticeCode;
use crate::output::Output;

/// The group and the permissions of what is in the store. What all the world may write isn't passed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sharing {
    mode: u32,
    group: u32,
}

impl Sharing {
    /// Reads them from the store's root.
    pub(super) fn of(root: &Path) -> Self {
        let (mode, group) = fs::metadata(root).map_or((0o700, 0), |meta| (meta.mode(), meta.gid()));
        Self { mode: mode & 0o2775 | 0o700, group }
    }

    /// Nobody else may do anything.
    pub(super) fn alone() -> Self {
        Self { mode: 0o700, group: 0 }
    }

    /// Returns whether a group shares the store.
    pub(super) fn is_among_users(self) -> bool {
        self.mode & 0o020 != 0
    }

    fn of_dirs(self) -> Permissions {
        Permissions::from_mode(self.mode)
    }

    /// Makes a directory and its parents.
    pub(super) fn make_dir(self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                self.give_to_group(path);
                fs::set_permissions(path, self.of_dirs())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_dir(path.parent().ok_or(error)?)?;
                self.make_dir(path)
            }
            Err(_) if path.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives a file that this process has made to those who share the store.
    pub(super) fn give(self, file: &File) {
        // One that somebody else has made has its group and permissions from them.
        if self.is_among_users() {
            let _ = fchown(file, None, Some(self.group));
        }
        let _ = file.set_permissions(Permissions::from_mode(self.mode & 0o664));
    }

    /// Gives a directory that is about to become a layer to those who share the store. They can only delete what is in
    /// directories that they may write to. The permissions of files are the slug's and stay.
    pub(super) fn give_tree(self, dir: &Path) -> io::Result<()> {
        if !self.is_among_users() {
            return fs::set_permissions(dir, self.of_dirs());
        }
        for entry in walkdir::WalkDir::new(dir) {
            let entry = entry?;
            self.give_to_group(entry.path());
            if entry.file_type().is_dir() {
                fs::set_permissions(entry.path(), self.of_dirs())?;
            }
        }
        Ok(())
    }

    fn give_to_group(self, path: &Path) {
        // Who isn't in the group can't, and may share the store by everybody's permissions all the same.
        if self.is_among_users() {
            let _ = lchown(path, None, Some(self.group));
        }
    }
}

/// Warns of a store that anybody on the machine may put something into: it would go into slugs.
pub(super) fn warn_if_open_to_all(root: &Path, output: &Output) {
    if let Some(parent) = root.parent()
        && is_open_to_all(parent, root)
    {
        output.warning(
            NoticeCode::StoreWritableByAll,
            format!("Every user of this machine may put files into {}.", parent.display()),
        );
    }
}

fn is_open_to_all(parent: &Path, root: &Path) -> bool {
    let (Ok(parent), Ok(root)) = (fs::metadata(parent), fs::metadata(root)) else { return false };
    let anybody_writes = |meta: &fs::Metadata| meta.mode() & 0o002 != 0;
    // As in /tmp, nobody can take what is somebody else's away and put their own there.
    let is_sticky = parent.mode() & 0o1000 != 0;
    let is_trusted = [0, rustix::process::geteuid().as_raw()].contains(&root.uid());
    anybody_writes(&root) || (anybody_writes(&parent) && !(is_sticky && is_trusted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_made_has_the_permissions_of_the_root_but_for_writing_by_all() {
        for (of_root, dirs, files) in
            [(0o700, 0o700, 0o600), (0o755, 0o755, 0o644), (0o775, 0o775, 0o664), (0o1777, 0o775, 0o664)]
        {
            let root = tempfile::tempdir().unwrap();
            fs::set_permissions(root.path(), Permissions::from_mode(of_root)).unwrap();
            let sharing = Sharing::of(root.path());
            let below = root.path().join("a/b");
            sharing.make_dir(&below).unwrap();
            sharing.make_dir(&below).unwrap();
            assert_eq!((mode(&below), mode(&root.path().join("a"))), (dirs, dirs), "{of_root:o}");
            let file = File::create(below.join("file")).unwrap();
            sharing.give(&file);
            assert_eq!(mode(&below.join("file")), files, "{of_root:o}");
        }
    }

    #[test]
    fn only_what_anybody_could_replace_is_open_to_all() {
        for (of_parent, of_root, expected) in [
            (0o755, 0o755, false),
            (0o2775, 0o2775, false),
            (0o777, 0o755, true),
            (0o1777, 0o755, false),
            (0o1777, 0o777, true),
        ] {
            let parent = tempfile::tempdir().unwrap();
            let root = parent.path().join("v1");
            fs::create_dir(&root).unwrap();
            fs::set_permissions(&root, Permissions::from_mode(of_root)).unwrap();
            fs::set_permissions(parent.path(), Permissions::from_mode(of_parent)).unwrap();
            assert_eq!(is_open_to_all(parent.path(), &root), expected, "{of_parent:o} {of_root:o}");
        }
    }
}
