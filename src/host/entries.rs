//! The entries of a compressed tar file, read one by one, with limits on what they may demand.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::archive::ArchiveError;
use super::zstd::ZstdReader;
use crate::env::Env;

/// What an archive may demand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 20 << 30, entries: 2_000_000 }
    }
}

/// The longest name or set of attributes that an entry may have.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// One entry, with the names that its extension headers gave it.
pub(super) struct Entry<'a> {
    pub(super) archive: &'a str,
    pub(super) path: Vec<u8>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) kind: tar::EntryType,
    pub(super) mode: u32,
}

impl Entry<'_> {
    pub(super) fn refused(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::Entry {
            archive: self.archive.to_owned(),
            entry: String::from_utf8_lossy(&self.path).into_owned(),
            reason,
        }
    }
}

/// Reads an archive entry by entry until `visit` returns false.
///
/// The extension headers are read here and not by the library, which would take any length of them into
/// memory, and knows sparse files, which no archive of ours holds.
pub(super) fn read_entries(
    reader: impl Read,
    name: &str,
    limits: &Limits,
    env: &Env,
    visit: &mut dyn FnMut(&Entry<'_>, &mut dyn Read) -> Result<bool, ArchiveError>,
) -> Result<(), ArchiveError> {
    let damage = |source| damaged(name, source);
    let budget = Rc::new(Cell::new(Some(limits.bytes)));
    let mut reader = Budgeted { reader: decompress(reader, name)?, left: Rc::clone(&budget) };
    let too_large = |limit: String| ArchiveError::TooLarge { archive: name.to_owned(), limit };
    let outcome = (|| {
        let mut archive = tar::Archive::new(&mut reader);
        let mut extensions = Extensions::default();
        let mut count = 0;
        for entry in archive.entries().map_err(damage)?.raw(true) {
            env.interrupt.check()?;
            let mut entry = entry.map_err(damage)?;
            count += 1;
            if count > limits.entries {
                return Err(too_large(format!("{} entries", limits.entries)));
            }
            if extensions.take_in(&mut entry).map_err(damage)? {
                continue;
            }
            let Extensions { path, link } = std::mem::take(&mut extensions);
            let header = entry.header();
            let mut kind = header.entry_type();
            let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
            // Archives older than the directory type mark one by its name.
            if kind.is_file() && path.ends_with(b"/") {
                kind = tar::EntryType::Directory;
            }
            let described = Entry {
                archive: name,
                link: link.or_else(|| header.link_name_bytes().map(Cow::into_owned)),
                mode: header.mode().map_err(damage)?,
                kind,
                path,
            };
            if !visit(&described, &mut entry)? {
                return Ok(false);
            }
        }
        Ok(true)
    })();
    let outcome = outcome.and_then(|to_the_end| {
        // What follows the last entry holds the checksum of the compressed data.
        if to_the_end { io::copy(&mut reader, &mut io::sink()).map(drop).map_err(damage) } else { Ok(()) }
    });
    match outcome {
        Err(ArchiveError::Damaged { .. }) if budget.get().is_none() => {
            Err(too_large(format!("{} GiB", limits.bytes >> 30)))
        }
        other => other,
    }
}

/// The names and attributes that stand before the entry they belong to.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    /// Reads an extension header; returns false for another entry.
    fn take_in(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<bool> {
        use tar::EntryType as Kind;
        let kind = entry.header().entry_type();
        if !matches!(kind, Kind::GNULongName | Kind::GNULongLink | Kind::XHeader | Kind::XGlobalHeader) {
            return Ok(false);
        }
        if entry.size() > LONGEST_EXTENSION {
            return Err(io::Error::other("the attributes of an entry are too long"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        match kind {
            Kind::GNULongName => self.path = Some(until_nul(bytes)),
            Kind::GNULongLink => self.link = Some(until_nul(bytes)),
            Kind::XHeader => self.take_in_pax(&bytes)?,
            // Comments on the whole archive, such as git's commit id.
            _ => {}
        }
        Ok(true)
    }

    fn take_in_pax(&mut self, bytes: &[u8]) -> io::Result<()> {
        for attribute in tar::PaxExtensions::new(bytes) {
            let attribute = attribute?;
            match attribute.key_bytes() {
                b"path" => self.path = Some(attribute.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(attribute.value_bytes().to_vec()),
                // Readers differ in which size they believe; one file of 8 GiB and more isn't expected.
                b"size" => return Err(io::Error::other("a file of 8 GiB or more")),
                key if key.starts_with(b"GNU.sparse.") => return Err(io::Error::other("a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

/// Splits an entry's name and refuses one that leads elsewhere.
pub(super) fn components(path: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    if path.starts_with(b"/") {
        return Err("an absolute name");
    }
    if path.contains(&0) {
        return Err("a name with a NUL byte");
    }
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(|part| if part == b".." { Err("a name with `..`") } else { Ok(part.to_vec()) }).collect()
}

pub(super) fn damaged(archive: &str, source: io::Error) -> ArchiveError {
    ArchiveError::Damaged { archive: archive.to_owned(), source }
}

/// Chooses the decompressor by the first bytes: names can be wrong.
fn decompress<'a>(reader: impl Read + 'a, name: &str) -> Result<Box<dyn Read + 'a>, ArchiveError> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let start = reader.fill_buf().map_err(|source| damaged(name, source))?;
    let found = match start {
        [0x1f, 0x8b, ..] => return Ok(Box::new(MultiGzDecoder::new(reader))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            return Ok(Box::new(ZstdReader::new(reader)));
        }
        [] => "empty",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "an xz file",
        [b'B', b'Z', b'h', ..] => "a bzip2 file",
        [b'P', b'K', ..] => "a zip file",
        _ if start.get(257..262) == Some(b"ustar") => "a tar file without compression",
        [b'<', ..] => "a web page or XML, maybe a proxy's or a login page",
        _ => "something else",
    };
    Err(ArchiveError::Format { archive: name.to_owned(), found })
}

/// Lets only so many bytes through, so that a small archive can't fill the disk.
struct Budgeted<R> {
    reader: R,
    /// What is left; none once more was asked for.
    left: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(bytes)?;
        self.left.set(self.left.get().and_then(|left| left.checked_sub(length as u64)));
        if self.left.get().is_none() {
            return Err(io::Error::other("too many bytes"));
        }
        Ok(length)
    }
}
