//! ELF files (programs and shared libraries) as bytes: what they need, where they look for it, and two
//! edits: another run path, and no debugging information. Nothing here touches the disk.
//!
//! Only 64-bit little-endian files are understood (x86-64 and aarch64); of others it is said that they
//! aren't. Every offset in a file is taken as a claim: a damaged file gives an error, never a panic.

mod run_path;
mod strip;
mod versions;

pub use run_path::{run_path, set_run_path};
pub use strip::strip;
pub use versions::needed_glibc;

/// A file that can't be read or edited as ELF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It isn't a 64-bit little-endian ELF program or shared library.
    #[error("It isn't a 64-bit little-endian program or shared library.")]
    Unsupported,
    /// An offset or a size in it leads nowhere.
    #[error("It is damaged: {0} lies outside of the file.")]
    Damaged(&'static str),
    /// There is no room for the edit.
    #[error("Its run path can't be changed: {0}.")]
    NoRoom(&'static str),
}

const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

pub(crate) const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
pub(crate) const PT_NOTE: u32 = 4;

const SHT_DYNSYM: u32 = 11;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;

const HEADER_SIZE: usize = 64;
const SEGMENT_SIZE: usize = 56;
const SECTION_SIZE: usize = 64;

/// Returns whether these are the first bytes of an ELF file of any kind.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Returns whether these are the first bytes of a program or a shared library: what isn't linked yet (`.o`) and core files
/// look for nothing.
pub fn is_linked(bytes: &[u8]) -> bool {
    is_elf(bytes) && u16_at(bytes, 16).is_ok_and(|kind| [ET_EXEC, ET_DYN].contains(&kind))
}

/// Returns the names of the libraries that a program or library needs, in the file's order.
pub fn needed(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ElfError> {
    let elf = Elf::parse(bytes)?;
    let Some(dynamic) = elf.dynamic()? else { return Ok(Vec::new()) };
    dynamic
        .entries
        .iter()
        .filter(|entry| entry.tag == DT_NEEDED)
        .map(|entry| dynamic.string(bytes, entry.value))
        .map(|name| name.map(<[u8]>::to_vec))
        .collect()
}

/// Returns the name that a shared library goes by.
pub fn soname(bytes: &[u8]) -> Result<Option<Vec<u8>>, ElfError> {
    let elf = Elf::parse(bytes)?;
    let Some(dynamic) = elf.dynamic()? else { return Ok(None) };
    let entry = dynamic.entries.iter().find(|entry| entry.tag == DT_SONAME);
    entry.map(|entry| dynamic.string(bytes, entry.value).map(<[u8]>::to_vec)).transpose()
}

/// What the headers of a file say.
struct Elf<'a> {
    bytes: &'a [u8],
    segments_at: usize,
    segments: Vec<Segment>,
    sections_at: usize,
    sections: Vec<Section>,
    section_names: usize,
}

/// A program header.
#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// A section header.
#[derive(Debug, Clone, Copy)]
struct Section {
    name: u32,
    kind: u32,
    flags: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
}

/// What the dynamic section says.
struct Dynamic {
    entries: Vec<DynamicEntry>,
    /// How many entries fit, the closing one included.
    slots: usize,
    at: usize,
    strings_at: usize,
    strings_size: usize,
}

#[derive(Debug, Clone, Copy)]
struct DynamicEntry {
    tag: u64,
    value: u64,
    /// Where the entry is in the file.
    at: usize,
}

impl<'a> Elf<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        const CLASS_64: u8 = 2;
        const LITTLE_ENDIAN: u8 = 1;
        if !is_elf(bytes)
            || bytes.len() < HEADER_SIZE
            || bytes[4] != CLASS_64
            || bytes[5] != LITTLE_ENDIAN
            || ![ET_EXEC, ET_DYN].contains(&u16_at(bytes, 16)?)
        {
            return Err(ElfError::Unsupported);
        }
        let segments_at = offset(u64_at(bytes, 32)?, "the table of segments")?;
        let sections_at = offset(u64_at(bytes, 40)?, "the table of sections")?;
        let segments = usize::from(u16_at(bytes, 56)?);
        let sections = usize::from(u16_at(bytes, 60)?);
        if (segments > 0 && usize::from(u16_at(bytes, 54)?) != SEGMENT_SIZE)
            || (sections > 0 && usize::from(u16_at(bytes, 58)?) != SECTION_SIZE)
        {
            return Err(ElfError::Unsupported);
        }
        Ok(Self {
            bytes,
            segments_at,
            segments: table(bytes, segments_at, segments, SEGMENT_SIZE, Segment::parse)?,
            sections_at,
            sections: table(bytes, sections_at, sections, SECTION_SIZE, Section::parse)?,
            section_names: usize::from(u16_at(bytes, 62)?),
        })
    }

    /// Returns where in the file the byte is that is loaded at this address.
    fn offset_of(&self, address: u64) -> Result<usize, ElfError> {
        let segment = self.segments.iter().find(|segment| {
            segment.kind == PT_LOAD
                && address.checked_sub(segment.address).is_some_and(|distance| distance < segment.file_size)
        });
        let segment = segment.ok_or(ElfError::Damaged("a loaded table"))?;
        let position = (address - segment.address).checked_add(segment.offset);
        offset(position.ok_or(ElfError::Damaged("a loaded table"))?, "a loaded table")
    }

    fn dynamic(&self) -> Result<Option<Dynamic>, ElfError> {
        let Some(segment) = self.segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
            return Ok(None);
        };
        let at = offset(segment.offset, "the dynamic section")?;
        let slots = offset(segment.file_size, "the dynamic section")? / 16;
        slice(self.bytes, at, slots * 16, "the dynamic section")?;
        let mut entries = Vec::new();
        for index in 0..slots {
            let at = at + index * 16;
            let (tag, value) = (u64_at(self.bytes, at)?, u64_at(self.bytes, at + 8)?);
            if tag == DT_NULL {
                break;
            }
            entries.push(DynamicEntry { tag, value, at });
        }
        let value = |tag| entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.value);
        let (Some(address), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
            return Err(ElfError::Damaged("the table of names"));
        };
        let strings_at = self.offset_of(address)?;
        let strings_size = offset(size, "the table of names")?;
        slice(self.bytes, strings_at, strings_size, "the table of names")?;
        Ok(Some(Dynamic { entries, slots, at, strings_at, strings_size }))
    }
}

impl Dynamic {
    /// Returns the string that starts at this offset of the table of names.
    fn string<'a>(&self, bytes: &'a [u8], start: u64) -> Result<&'a [u8], ElfError> {
        let strings = slice(bytes, self.strings_at, self.strings_size, "the table of names")?;
        let start = offset(start, "a name")?;
        let rest = strings.get(start..).ok_or(ElfError::Damaged("a name"))?;
        let end = rest.iter().position(|byte| *byte == 0).ok_or(ElfError::Damaged("a name"))?;
        Ok(&rest[..end])
    }
}

impl Segment {
    fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        Ok(Self {
            kind: u32_at(bytes, 0)?,
            offset: u64_at(bytes, 8)?,
            address: u64_at(bytes, 16)?,
            file_size: u64_at(bytes, 32)?,
            memory_size: u64_at(bytes, 40)?,
            align: u64_at(bytes, 48)?,
        })
    }
}

impl Section {
    fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        Ok(Self {
            name: u32_at(bytes, 0)?,
            kind: u32_at(bytes, 4)?,
            flags: u64_at(bytes, 8)?,
            offset: u64_at(bytes, 24)?,
            size: u64_at(bytes, 32)?,
            link: u32_at(bytes, 40)?,
            info: u32_at(bytes, 44)?,
        })
    }
}

fn table<T>(
    bytes: &[u8],
    at: usize,
    count: usize,
    size: usize,
    parse: fn(&[u8]) -> Result<T, ElfError>,
) -> Result<Vec<T>, ElfError> {
    slice(bytes, at, count * size, "a table of headers")?.chunks_exact(size).map(parse).collect()
}

fn offset(value: u64, what: &'static str) -> Result<usize, ElfError> {
    usize::try_from(value).map_err(|_| ElfError::Damaged(what))
}

fn slice<'a>(bytes: &'a [u8], at: usize, size: usize, what: &'static str) -> Result<&'a [u8], ElfError> {
    at.checked_add(size).and_then(|end| bytes.get(at..end)).ok_or(ElfError::Damaged(what))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ElfError> {
    let bytes = slice(bytes, at, N, "a header")?;
    bytes.try_into().map_err(|_| ElfError::Damaged("a header"))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ElfError> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ElfError> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, ElfError> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Overwrites bytes that are known to be there.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<(), ElfError> {
    let end = at.checked_add(new.len());
    let place = end.and_then(|end| bytes.get_mut(at..end)).ok_or(ElfError::Damaged("a header"))?;
    place.copy_from_slice(new);
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// A program that every Linux has, and that needs the C library.
    pub(crate) fn sample() -> Option<(PathBuf, Vec<u8>)> {
        let path = PathBuf::from("/bin/sh");
        let bytes = fs::read(&path).ok()?;
        let usable = Elf::parse(&bytes).is_ok_and(|elf| elf.dynamic().is_ok_and(|found| found.is_some()));
        if !usable {
            eprintln!("skipped: /bin/sh is no dynamic 64-bit little-endian program");
        }
        usable.then_some((path, bytes))
    }

    #[test]
    fn what_a_program_needs_is_read() {
        let Some((_, bytes)) = sample() else { return };
        let needed = needed(&bytes).unwrap();
        assert!(needed.iter().any(|name| name.starts_with(b"libc.")), "{needed:?}");
    }

    #[test]
    fn what_is_no_elf_is_said_not_to_be() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &[0; 100], b"\x7fELF\x01\x01\x01"] {
            assert_eq!(needed(bytes), Err(ElfError::Unsupported), "{bytes:?}");
            assert_eq!(strip(bytes), Err(ElfError::Unsupported), "{bytes:?}");
            assert_eq!(set_run_path(&mut bytes.to_vec(), b"x"), Err(ElfError::Unsupported), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
        #[test]
        fn a_damaged_file_never_panics(
            edits in proptest::collection::vec((0..600_usize, proptest::num::u8::ANY), 1..12),
            cut in proptest::option::of(0..200_000_usize),
        ) {
            let Some((_, mut bytes)) = sample() else { return Ok(()) };
            let headers = bytes.len() - u64_at(&bytes, 40).unwrap() as usize;
            for (at, value) in edits {
                // The interesting places: the headers at the front, and the sections' at the end.
                let len = bytes.len();
                bytes[if at < 300 { at } else { len - 1 - (at * 7) % headers }] = value;
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            let _ = (needed(&bytes), soname(&bytes), run_path(&bytes), strip(&bytes));
            if set_run_path(&mut bytes, b"$ORIGIN/../lib").is_ok() {
                assert_eq!(run_path(&bytes).unwrap().as_deref(), Some(&b"$ORIGIN/../lib"[..]));
            }
        }
    }

    #[test]
    fn a_run_path_that_cannot_be_read_again_is_an_error() {
        // Found by fuzzing: its table of names and its dynamic entries lie over each other.
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/elf/overlapping-parts");
        let mut bytes = fs::read(corpus).unwrap();
        assert!(set_run_path(&mut bytes, b"$ORIGIN/../lib").is_err());
    }
}
