//! Leaving out what is only for debuggers and the static linker: every section that isn't loaded.

use super::{Elf, ElfError, HEADER_SIZE, SECTION_SIZE, SEGMENT_SIZE, Section, offset, put, slice};

const SHT_NULL: u32 = 0;
const SHT_STRTAB: u32 = 3;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;
const SHF_INFO_LINK: u64 = 0x40;

/// Returns the file without the sections that aren't loaded, as `strip --strip-unneeded` does: no symbol
/// table but the dynamic one, no debugging information. It loads and can be linked against as before.
/// A file that wouldn't get smaller, or whose sections are in an unusual order, is returned as it is.
pub fn strip(bytes: &[u8]) -> Result<Vec<u8>, ElfError> {
    let elf = Elf::parse(bytes)?;
    let kept = elf.sections.iter().take_while(|section| is_kept(section)).count();
    // Symbols name their sections by number, so that the numbers of those that stay may not change.
    if kept < 2 || elf.sections[kept..].iter().any(is_kept) {
        return Ok(bytes.to_vec());
    }
    let end = loaded_end(&elf, kept)?;
    let mut stripped = slice(bytes, 0, end, "a segment")?.to_vec();
    let mut names = vec![0];
    let mut headers = Vec::with_capacity((kept + 1) * SECTION_SIZE);
    for (index, section) in elf.sections[..kept].iter().enumerate() {
        let at = elf.sections_at + index * SECTION_SIZE;
        let mut header = slice(bytes, at, SECTION_SIZE, "a section's header")?.to_vec();
        let name = push_name(&mut names, section_name(&elf, section)?);
        put(&mut header, 0, &name.to_le_bytes())?;
        if section.link as usize >= kept {
            put(&mut header, 40, &0_u32.to_le_bytes())?;
        }
        if section.flags & SHF_INFO_LINK != 0 && section.info as usize >= kept {
            put(&mut header, 44, &0_u32.to_le_bytes())?;
        }
        headers.extend(header);
    }
    let own_name = push_name(&mut names, b".shstrtab");
    let names_at = stripped.len() as u64;
    headers.extend(names_header(own_name, names_at, names.len() as u64));
    stripped.extend(names);
    stripped.resize(stripped.len().next_multiple_of(8), 0);
    let headers_at = stripped.len() as u64;
    stripped.extend(headers);
    put(&mut stripped, 40, &headers_at.to_le_bytes())?;
    let count = u16::try_from(kept + 1).map_err(|_| ElfError::Damaged("the table of sections"))?;
    put(&mut stripped, 60, &count.to_le_bytes())?;
    put(&mut stripped, 62, &(count - 1).to_le_bytes())?;
    Ok(if stripped.len() < bytes.len() { stripped } else { bytes.to_vec() })
}

fn is_kept(section: &Section) -> bool {
    section.flags & SHF_ALLOC != 0 || section.kind == SHT_NULL
}

/// Returns where the last byte that is loaded ends, or that a kept section holds.
fn loaded_end(elf: &Elf<'_>, kept: usize) -> Result<usize, ElfError> {
    let mut end = HEADER_SIZE.max(elf.segments_at + elf.segments.len() * SEGMENT_SIZE);
    let segments = elf.segments.iter().map(|segment| (segment.offset, segment.file_size));
    let sections = elf.sections[..kept]
        .iter()
        .filter(|section| ![SHT_NULL, SHT_NOBITS].contains(&section.kind))
        .map(|section| (section.offset, section.size));
    for (start, size) in segments.chain(sections) {
        let stop = start.checked_add(size).ok_or(ElfError::Damaged("a segment"))?;
        end = end.max(offset(stop, "a segment")?);
    }
    Ok(end)
}

fn section_name<'a>(elf: &Elf<'a>, section: &Section) -> Result<&'a [u8], ElfError> {
    const WHAT: &str = "the name of a section";
    let table = elf.sections.get(elf.section_names).ok_or(ElfError::Damaged(WHAT))?;
    let table = slice(elf.bytes, offset(table.offset, WHAT)?, offset(table.size, WHAT)?, WHAT)?;
    let rest = table.get(section.name as usize..).ok_or(ElfError::Damaged(WHAT))?;
    let end = rest.iter().position(|byte| *byte == 0).ok_or(ElfError::Damaged(WHAT))?;
    Ok(&rest[..end])
}

fn push_name(names: &mut Vec<u8>, name: &[u8]) -> u32 {
    if name.is_empty() {
        return 0;
    }
    // Names come from a table whose size was checked, so that their sum is far below 4 GiB.
    let start = u32::try_from(names.len()).unwrap_or(0);
    names.extend(name);
    names.push(0);
    start
}

fn names_header(name: u32, at: u64, size: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(SECTION_SIZE);
    header.extend(name.to_le_bytes());
    header.extend(SHT_STRTAB.to_le_bytes());
    for value in [0, 0, at, size] {
        header.extend(u64::to_le_bytes(value));
    }
    header.extend(0_u64.to_le_bytes());
    for value in [1, 0] {
        header.extend(u64::to_le_bytes(value));
    }
    header
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_stripped_program_is_smaller_and_still_runs() {
        // This very test: it has symbols and line tables.
        let original = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(&original).unwrap();
        assert!(stripped.len() < original.len() / 2, "{} of {}", stripped.len(), original.len());
        assert_eq!(strip(&stripped).unwrap(), stripped, "a second time changes nothing");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stripped");
        std::fs::write(&path, stripped).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let result = Command::new(&path).args(["--list", "a_stripped_program"]).output().unwrap();
        let list = String::from_utf8_lossy(&result.stdout).into_owned();
        assert!(list.contains("a_stripped_program_is_smaller_and_still_runs: test"), "{list}");
    }

    #[test]
    fn what_stays_keeps_its_name_and_number() {
        let original = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(&original).unwrap();
        let (before, after) = (Elf::parse(&original).unwrap(), Elf::parse(&stripped).unwrap());
        for (index, section) in after.sections.iter().enumerate().take(after.sections.len() - 1) {
            let was = &before.sections[index];
            assert_eq!(section_name(&before, was).unwrap(), section_name(&after, section).unwrap());
            assert_eq!((section.offset, section.size), (was.offset, was.size));
        }
        assert!(super::super::u64_at(&stripped, 40).unwrap().is_multiple_of(8));
    }
}
