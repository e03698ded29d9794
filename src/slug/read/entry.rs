//! One entry of a slug: its name, kind and content, out of a tar header and the records before it.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;

use tar::{EntryType, PaxExtensions};

use super::gunzip::Gunzip;
use super::problem::{SlugProblem, SlugReadError, fault_error, printable};
use crate::env::Interrupt;

/// The longest name that Linux can open.
const MAX_NAME: usize = 4095;
/// Deeper trees can't be deleted again by programs that keep a directory of each level open.
pub(in crate::slug) const MAX_DEPTH: usize = 512;
/// What an entry of a slug is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and its target as it is written.
    Symlink(Vec<u8>),
    /// Another name of an earlier file, whose name is relative to the app root.
    HardLink(Vec<u8>),
    /// A device, a pipe or the like, which no slug needs.
    Other(&'static str),
}

/// An entry of a slug. Its content must be read before the next entry is asked for.
pub(crate) struct SlugEntry<'a> {
    /// The name, relative to the app root, with `/` between its components: never empty, `.` or `..`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// The bytes of its content.
    pub size: u64,
    /// The permission bits, with setuid and its like as they are in the archive.
    pub mode: u32,
    /// When it was changed last, in seconds since 1970.
    pub mtime: u64,
    pub(super) raw_name: Vec<u8>,
    context: Context<'a>,
    entry: tar::Entry<'a, Gunzip>,
    left: u64,
}

impl SlugEntry<'_> {
    /// Reads a piece of the content; 0 bytes at its end.
    pub(crate) fn read_chunk(&mut self, buffer: &mut [u8]) -> Result<usize, SlugReadError> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.entry.read(buffer).map_err(|_| self.context.tar_error())?;
        if read == 0 {
            let last = Some(printable(&self.path));
            return Err(self.context.invalid(SlugProblem::TarCutOff { last }));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl Read for SlugEntry<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_chunk(buffer).map_err(io::Error::other)
    }
}

/// What the records before an entry say about it.
#[derive(Default)]
pub(super) struct Extensions {
    pub(super) any: bool,
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) pax: Vec<u8>,
}

impl Extensions {
    fn pax_value(&self, key: &[u8]) -> Option<Vec<u8>> {
        // Malformed records were refused when they were read.
        PaxExtensions::new(&self.pax)
            .flatten()
            .find(|record| record.key_bytes() == key)
            .map(|record| record.value_bytes().to_owned())
    }
}

/// Where in which slug the reader is, for messages.
#[derive(Clone)]
pub(super) struct Context<'a> {
    pub(super) path: &'a Path,
    pub(super) interrupt: &'a Interrupt,
    pub(super) source: Gunzip,
    pub(super) last: Option<String>,
}

impl<'a> Context<'a> {
    /// Makes an entry of its header and the records before it.
    pub(super) fn entry(
        &self,
        entry: tar::Entry<'a, Gunzip>,
        extensions: &Extensions,
    ) -> Result<SlugEntry<'a>, SlugReadError> {
        let header = entry.header();
        let raw_name = extensions
            .name
            .clone()
            .or_else(|| extensions.pax_value(b"path"))
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let path = self.relative(&raw_name)?;
        self.check_format(&entry, extensions, &path)?;
        let link = || {
            let link = extensions.link.clone().or_else(|| extensions.pax_value(b"linkpath"));
            link.or_else(|| header.link_name_bytes().map(Cow::into_owned)).unwrap_or_default()
        };
        let kind = match header.entry_type() {
            EntryType::Directory => EntryKind::Directory,
            // As it was before there were directories in tar's format.
            EntryType::Regular if raw_name.ends_with(b"/") => EntryKind::Directory,
            EntryType::Regular | EntryType::Continuous => EntryKind::File,
            EntryType::Symlink => EntryKind::Symlink(self.checked_target(link(), &path)?),
            EntryType::Link => EntryKind::HardLink(self.relative(&link())?),
            EntryType::Char | EntryType::Block => EntryKind::Other("a device"),
            EntryType::Fifo => EntryKind::Other("a named pipe"),
            _ => EntryKind::Other("of an unknown kind"),
        };
        // A number that can't be read decides nothing: the usual one takes its place.
        let mode = header.mode().unwrap_or(0o644);
        let mtime = header.mtime().unwrap_or(0);
        let size = if kind == EntryKind::File { entry.size() } else { 0 };
        Ok(SlugEntry { path, kind, size, mode, mtime, raw_name, context: self.clone(), entry, left: size })
    }

    /// Refuses what other readers understand differently: an archive that isn't the same to everybody.
    fn check_format(
        &self,
        entry: &tar::Entry<'a, Gunzip>,
        extensions: &Extensions,
        path: &[u8],
    ) -> Result<(), SlugReadError> {
        let sparse = entry.header().entry_type().is_gnu_sparse()
            || PaxExtensions::new(&extensions.pax)
                .flatten()
                .any(|record| record.key_bytes().starts_with(b"GNU.sparse."));
        let sized = extensions.pax_value(b"size");
        let format = match sized {
            _ if sparse => "sparse files",
            Some(size) if size != entry.size().to_string().as_bytes() => "a size in a pax record",
            _ => return Ok(()),
        };
        Err(self.invalid(SlugProblem::UnsupportedFormat { name: printable(path), format }))
    }

    fn relative(&self, name: &[u8]) -> Result<Vec<u8>, SlugReadError> {
        if name.len() > MAX_NAME {
            return Err(self.invalid(SlugProblem::LongName { name: printable(name) }));
        }
        let components: Vec<&[u8]> = name
            .split(|byte| *byte == b'/')
            .filter(|component| !component.is_empty() && *component != b".")
            .collect();
        if name.starts_with(b"/") || components.contains(&&b".."[..]) || name.contains(&0) {
            return Err(self.invalid(SlugProblem::UnsafeName { name: printable(name) }));
        }
        if components.len() > MAX_DEPTH || components.iter().any(|component| component.len() > 255) {
            return Err(self.invalid(SlugProblem::LongName { name: printable(name) }));
        }
        Ok(components.join(&b'/'))
    }

    fn checked_target(&self, target: Vec<u8>, path: &[u8]) -> Result<Vec<u8>, SlugReadError> {
        if target.len() > MAX_NAME {
            return Err(self.invalid(SlugProblem::LongName { name: printable(&target) }));
        }
        if target.is_empty() || target.contains(&0) {
            let link = printable(path);
            return Err(self.damaged(&format!("the symbolic link \"{link}\" has no target that can be")));
        }
        Ok(target)
    }

    pub(super) fn invalid(&self, problem: SlugProblem) -> SlugReadError {
        SlugReadError::Invalid { path: self.path.to_owned(), problem }
    }

    pub(super) fn damaged(&self, reason: &str) -> SlugReadError {
        self.invalid(SlugProblem::TarDamaged { last: self.last.clone(), reason: reason.to_owned() })
    }

    /// Explains an error that came out of the tar reader: the compressed file's own, if there is one.
    pub(super) fn tar_error(&self) -> SlugReadError {
        if let Some(fault) = self.source.take_fault() {
            return fault_error(self.path, self.interrupt, fault);
        }
        let last = self.last.clone();
        self.invalid(match last {
            None => SlugProblem::NotTar,
            last if self.source.is_at_end() => SlugProblem::TarCutOff { last },
            // The tar crate's own words repeat what it found there, which may be anything.
            last => SlugProblem::TarDamaged {
                last,
                reason: "what follows isn't the header of an entry".to_owned(),
            },
        })
    }
}
