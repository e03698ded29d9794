//! Archives for tests, byte by byte: also those that no honest program writes.

use std::io::Write;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

/// A tar file that is being made.
#[derive(Default)]
pub(crate) struct TarFile(pub(crate) Vec<u8>);

impl TarFile {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an entry of any kind, with any name and link (up to 100 bytes) and with any size in its header.
    pub(crate) fn entry(
        self,
        name: &[u8],
        kind: EntryType,
        link: &[u8],
        size: Option<u64>,
        data: &[u8],
    ) -> Self {
        self.with(name, kind, link, 0o644, size, data)
    }

    fn with(
        mut self,
        name: &[u8],
        kind: EntryType,
        link: &[u8],
        mode: u32,
        size: Option<u64>,
        data: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(315_532_800);
        header.set_size(size.unwrap_or(data.len() as u64));
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &str) -> Self {
        self.with(name.as_bytes(), EntryType::Regular, b"", 0o644, None, data.as_bytes())
    }

    pub(crate) fn file_with_mode(self, name: &str, mode: u32, data: &str) -> Self {
        self.with(name.as_bytes(), EntryType::Regular, b"", mode, None, data.as_bytes())
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.with(name.as_bytes(), EntryType::Directory, b"", 0o755, None, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name.as_bytes(), EntryType::Symlink, target.as_bytes(), None, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(name.as_bytes(), EntryType::Link, target.as_bytes(), None, b"")
    }

    /// Returns the tar file with its end mark.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    /// Writes the slug that it makes.
    pub(crate) fn slug(self, dir: &Path) -> PathBuf {
        let path = dir.join("slug.tgz");
        std::fs::write(&path, gzip(&self.finish())).unwrap();
        path
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
