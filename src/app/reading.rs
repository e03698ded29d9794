//! Reading files of the app, whatever they turn out to be: no pipe is waited for, and no file is endless.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::slugignore::SlugignoreError;

/// No file that decides about a build is larger than this.
pub(super) const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Reads a file of patterns, if the app has it. It decides what the tree is, so it is read before there is one.
pub(super) fn read_patterns(
    root: &Path,
    name: &str,
    ignored: &BTreeSet<Vec<u8>>,
) -> Result<Option<Vec<u8>>, SlugignoreError> {
    if ignored.contains(name.as_bytes()) {
        return Ok(None);
    }
    let path = root.join(name);
    let unreadable = |reason: &str, source| SlugignoreError::Unreadable {
        file: name.to_owned(),
        reason: reason.to_owned(),
        source,
    };
    let real = match fs::symlink_metadata(&path) {
        // The walk says what is wrong with the root.
        Err(_) => return Ok(None),
        Ok(metadata) if metadata.is_symlink() => {
            let both = path.canonicalize().and_then(|real| Ok((real, root.canonicalize()?)));
            let (real, real_root) =
                both.map_err(|source| unreadable("is a link that leads nowhere", Some(source)))?;
            if !real.starts_with(real_root) {
                return Err(unreadable("is a link that leads out of the app", None));
            }
            real
        }
        Ok(_) => path,
    };
    read_capped(&real).map(Some).map_err(|source| unreadable("can't be read", Some(source)))
}

/// Opens a regular file, and nothing else: no link, and no pipe that would have to be waited for.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it isn't a regular file"))
    }
}

/// Reads a file that decides about a build.
pub(super) fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    open_regular(path)?.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 16 MiB"));
    }
    Ok(contents)
}
