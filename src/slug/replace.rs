//! What a slug may take the place of: nothing, the empty file of `mktemp`, or what slugc itself has made. A file of the
//! user's is never replaced: an empty one may be an `__init__.py`.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use super::manifest::{BesideSlug, checksum_in, manifest_path};
use super::unpack::{UnpackError, checksum_of};
use crate::env::Env;
use crate::error::{ErrorCode, UserError};
use crate::host::files::{FileContext, FileError, read_small_file};
use crate::store::Store;

/// The kind of the store's documents.
const KIND: &str = "output";

/// A file is where slugc would write one, and slugc didn't make it.
#[derive(Debug, thiserror::Error)]
#[error("{} is there already, and it isn't {kind} that slugc made.", .path.display())]
pub(crate) struct NotOurs {
    /// Which file.
    pub(crate) path: PathBuf,
    /// What would be written: `a slug`, `a manifest`.
    pub(crate) kind: &'static str,
}

impl UserError for NotOurs {
    fn code(&self) -> ErrorCode {
        ErrorCode::OutputNotOurs
    }

    fn detail(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }
}

/// The slug or its manifest can't be written where it is to go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// Something else is there.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// What it is can't be found out.
    #[error(transparent)]
    File(#[from] FileError),
    /// It can't be compared with what slugc has made.
    #[error(transparent)]
    Checksum(#[from] UnpackError),
}

impl UserError for ReplaceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotOurs(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Checksum(error) => error.code(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NotOurs(error) => error.detail(),
            Self::File(error) => error.detail(),
            Self::Checksum(error) => error.detail(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::NotOurs(error) => error.exit_code(),
            Self::File(error) => error.exit_code(),
            Self::Checksum(error) => error.exit_code(),
        }
    }
}

/// What tells without reading it that a file is the slug that was written last.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    path: PathBuf,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: u64,
    checksum: String,
}

impl Written {
    fn of(path: &Path, metadata: &Metadata, checksum: String) -> Self {
        Self {
            path: path.to_owned(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            checksum,
        }
    }
}

/// Fails if the slug or its manifest would replace a file that slugc didn't make.
pub(crate) fn check_replaceable(
    slug: &Path,
    lineage: &str,
    store: &Store,
    env: &Env,
) -> Result<(), ReplaceError> {
    let manifest = manifest_path(slug);
    match read_small_file(&manifest) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        bytes => {
            let bytes = bytes.doing("reading", &manifest)?;
            if checksum_in(&bytes).is_none() && !is_placeholder(&manifest) {
                return Err(NotOurs { path: manifest, kind: "a manifest" }.into());
            }
        }
    }
    let metadata = match fs::metadata(slug) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.doing("reading", slug)?,
    };
    if is_placeholder(slug) {
        return Ok(());
    }
    let last = store.document::<Written>(KIND, lineage);
    if let Some(last) = &last
        && *last == Written::of(slug, &metadata, last.checksum.clone())
    {
        return Ok(());
    }
    // It was copied, touched or written by another build: only its content tells.
    let manifest = BesideSlug::read(slug)?.and_then(|beside| checksum_in(&beside.bytes));
    let has_manifest = manifest.is_some();
    let known: Vec<String> = manifest.into_iter().chain(last.map(|last| last.checksum)).collect();
    let is_known = !known.is_empty() && known.contains(&checksum_of(slug, env)?);
    // A build that was ended between the two has left a new slug beside the manifest of an earlier one.
    if is_known || (has_manifest && begins_as_slug(slug)) {
        return Ok(());
    }
    Err(NotOurs { path: slug.to_owned(), kind: "a slug" }.into())
}

/// Returns whether a file is as `mktemp` makes it: empty, and private.
pub(crate) fn is_placeholder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0 && found.mode() & 0o077 == 0)
}

/// Returns whether a file is compressed and begins with the app's directory, as each slug of slugc's does.
fn begins_as_slug(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| GzDecoder::new(file).take(512).read_to_end(&mut start));
    read.is_ok() && (start.starts_with(b"./app/\0") || start.starts_with(b"./\0"))
}

/// Remembers what was written, so that the next build knows it without reading it. The slug is there whether or not
/// that can be kept.
pub(crate) fn remember_output(slug: &Path, sha256: &str, lineage: &str, store: &Store) {
    if let Ok(metadata) = fs::metadata(slug) {
        let _ = store.put_document(KIND, lineage, &Written::of(slug, &metadata, format!("SHA256:{sha256}")));
    }
}
