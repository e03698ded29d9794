//! The slug's file while it is written: beside its place, until it is whole.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::deflate::{self, Blob, END_OF_TAR, GZIP_HEADER};
use super::error::SlugError;
use crate::host::scratch::temp_file_in;

/// The slug's file while it is written, aside.
pub(super) struct SlugWriter {
    file: NamedTempFile,
    path: PathBuf,
    hasher: Sha256,
    pub(super) size: u64,
    crc: u32,
    pub(super) uncompressed_size: u64,
}

impl SlugWriter {
    pub(super) fn create(path: &Path) -> Result<Self, SlugError> {
        let refused = |source| SlugError::OutputNotWritable { path: path.to_owned(), source };
        refuse_special(path).map_err(refused)?;
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        let file = temp_file_in(directory_of(path)).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SlugError::Write { path: path.to_owned(), source }
            }
            _ => refused(source),
        })?;
        let mut writer = Self {
            file,
            path: path.to_owned(),
            hasher: Sha256::new(),
            size: 0,
            crc: 0,
            uncompressed_size: 0,
        };
        writer.write(&GZIP_HEADER)?;
        Ok(writer)
    }

    fn failed(&self, source: io::Error) -> SlugError {
        SlugError::Write { path: self.path.clone(), source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SlugError> {
        self.file.as_file_mut().write_all(bytes).map_err(|source| self.failed(source))?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn add(&mut self, blob: &Blob) -> Result<(), SlugError> {
        self.crc = deflate::combine(self.crc, blob.crc(), blob.length());
        self.uncompressed_size += blob.length();
        self.write(blob.deflated())
    }

    /// Ends the gzip member.
    pub(super) fn finish(mut self) -> Result<Self, SlugError> {
        self.write(&deflate::finish(self.crc, self.uncompressed_size))?;
        self.uncompressed_size += END_OF_TAR.len() as u64;
        Ok(self)
    }

    pub(super) fn sha256(&self) -> String {
        hex::encode(self.hasher.clone().finalize())
    }

    /// Puts the file in its place, with these permissions.
    pub(super) fn persist(self, mode: u32) -> Result<(), SlugError> {
        let Self { file, path, .. } = self;
        let ready = file
            .as_file()
            .set_permissions(std::fs::Permissions::from_mode(mode))
            // Else a crash could leave the new name with nothing behind it.
            .and_then(|()| file.as_file().sync_data())
            .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error));
        ready.map_err(|source| SlugError::Write { path, source })
    }
}

pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses to replace what isn't a file: `-o /dev/null` must not make a file out of the device.
fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it isn't a regular file")),
        _ if path.file_name().is_none() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Ok(()),
    }
}
