//! The run path: where a program looks for its libraries first.
//!
//! It is always written as `DT_RPATH`. That counts before `LD_LIBRARY_PATH`, and for the libraries of a
//! library too; the newer `DT_RUNPATH` does neither, so that another build's libpython could be loaded.

use super::{
    DT_NULL, DT_SONAME, DT_STRSZ, DT_STRTAB, Dynamic, DynamicEntry, Elf, ElfError, PT_LOAD, PT_NOTE,
    SECTION_SIZE, SEGMENT_SIZE, SHT_DYNSYM, Section, offset, put, slice, u16_at, u32_at,
};

const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
/// More entries whose value is a name: `DT_NEEDED`, `DT_SONAME`, `DT_CONFIG`, `DT_DEPAUDIT`, `DT_AUDIT`,
/// `DT_AUXILIARY`, `DT_FILTER`.
const NAMES: [u64; 7] =
    [super::DT_NEEDED, DT_SONAME, 0x6fff_fefa, 0x6fff_fefb, 0x6fff_fefc, 0x7fff_fffd, 0x7fff_ffff];
const SHT_GNU_VERDEF: u32 = 0x6fff_fffd;
const SHT_GNU_VERNEED: u32 = 0x6fff_fffe;

/// Returns the run path of a program or library, of either kind; `DT_RUNPATH` if it has both, as the
/// loader then ignores the other.
pub fn run_path(bytes: &[u8]) -> Result<Option<Vec<u8>>, ElfError> {
    let Some(dynamic) = Elf::parse(bytes)?.dynamic()? else { return Ok(None) };
    let find = |tag| dynamic.entries.iter().find(|entry| entry.tag == tag);
    let entry = find(DT_RUNPATH).or_else(|| find(DT_RPATH));
    entry.map(|entry| dynamic.string(bytes, entry.value).map(<[u8]>::to_vec)).transpose()
}

/// Gives a program or library this run path instead of what it had.
///
/// The old one is overwritten in place if the new one isn't longer and nothing else uses its bytes: then
/// no other byte of the file changes. Otherwise, or if it had none, a copy of the table of names that
/// has the new path in it is added to the file, and its notes (a build id) are no longer loaded.
pub fn set_run_path(bytes: &mut Vec<u8>, value: &[u8]) -> Result<(), ElfError> {
    let elf = Elf::parse(bytes)?;
    let Some(dynamic) = elf.dynamic()? else { return Err(ElfError::NoRoom("it is statically linked")) };
    let old: Vec<DynamicEntry> = dynamic.entries.iter().filter(|entry| is_run_path(entry)).copied().collect();
    let used = used_names(&elf, &dynamic)?;
    let mut own = Vec::new();
    for entry in &old {
        let len = dynamic.string(bytes, entry.value)?.len();
        let start = offset(entry.value, "the run path")?;
        if is_free(bytes, &dynamic, &used, start, len) {
            own.push((start, len));
        }
    }
    let room = own.iter().find(|(_, len)| value.len() <= *len).copied();
    let strings_at = dynamic.strings_at;
    let start = match room {
        Some((start, _)) => start,
        None => grow(bytes, value, &own, old.is_empty())?,
    };
    for (old_start, len) in own {
        put(bytes, strings_at + old_start, &vec![0; len])?;
    }
    if room.is_some() {
        put(bytes, strings_at + start, value)?;
    }
    for entry in old {
        put(bytes, entry.at, &DT_RPATH.to_le_bytes())?;
        put(bytes, entry.at + 8, &(start as u64).to_le_bytes())?;
    }
    // In a damaged file, one part may lie over another.
    match run_path(bytes)? {
        Some(written) if written == value => Ok(()),
        _ => Err(ElfError::NoRoom("parts of it overlap")),
    }
}

fn is_run_path(entry: &DynamicEntry) -> bool {
    [DT_RPATH, DT_RUNPATH].contains(&entry.tag)
}

/// Returns the start of every name that something other than a run path uses; `None` if that can't be
/// told, for want of section headers.
fn used_names(elf: &Elf<'_>, dynamic: &Dynamic) -> Result<Option<Vec<usize>>, ElfError> {
    let mut used: Vec<usize> = dynamic
        .entries
        .iter()
        .filter(|entry| NAMES.contains(&entry.tag))
        .map(|entry| offset(entry.value, "a name"))
        .collect::<Result<_, _>>()?;
    if !elf.sections.iter().any(|section| section.kind == SHT_DYNSYM) {
        return Ok(None);
    }
    for section in &elf.sections {
        match section.kind {
            SHT_DYNSYM => {
                for symbol in content(elf, section)?.chunks_exact(24) {
                    used.push(u32_at(symbol, 0)? as usize);
                }
            }
            // vn_cnt, vn_aux, vn_next; vna_name, vna_next; and vn_file, a name of its own.
            SHT_GNU_VERNEED => {
                chained_names(content(elf, section)?, [2, 8, 12], [8, 12], Some(4), &mut used)?;
            }
            // vd_cnt, vd_aux, vd_next; vda_name, vda_next.
            SHT_GNU_VERDEF => chained_names(content(elf, section)?, [6, 12, 16], [0, 4], None, &mut used)?,
            _ => {}
        }
    }
    Ok(Some(used))
}

fn content<'a>(elf: &Elf<'a>, section: &Section) -> Result<&'a [u8], ElfError> {
    const WHAT: &str = "a section";
    slice(elf.bytes, offset(section.offset, WHAT)?, offset(section.size, WHAT)?, WHAT)
}

/// Collects the names in a chain of version records, each with a chain of its own. The numbers say where
/// the fields are: count, first and next in a record; name and next in what hangs on it.
fn chained_names(
    bytes: &[u8],
    [count, first, next]: [usize; 3],
    [name, next_inner]: [usize; 2],
    own_name: Option<usize>,
    used: &mut Vec<usize>,
) -> Result<(), ElfError> {
    let mut at = 0_usize;
    // A chain only leads forward, by at least 8 bytes: a damaged one ends when it leaves the section.
    loop {
        if let Some(own_name) = own_name {
            used.push(u32_at(bytes, at + own_name)? as usize);
        }
        let mut inner = at + u32_at(bytes, at + first)? as usize;
        for _ in 0..u16_at(bytes, at + count)? {
            used.push(u32_at(bytes, inner + name)? as usize);
            match u32_at(bytes, inner + next_inner)? as usize {
                0 => break,
                step => inner += step,
            }
        }
        match u32_at(bytes, at + next)? as usize {
            0 => return Ok(()),
            step => at += step,
        }
    }
}

/// Returns whether these bytes of the table of names belong to the run path alone. Linkers let a name be
/// the tail of another.
fn is_free(bytes: &[u8], dynamic: &Dynamic, used: &Option<Vec<usize>>, start: usize, len: usize) -> bool {
    let Some(used) = used else { return false };
    let begins_alone = start == 0 || bytes.get(dynamic.strings_at + start - 1) == Some(&0);
    begins_alone && !used.iter().any(|name| (start..start + len).contains(name))
}

/// Adds a copy of the table of names with one more name to the end of the file, lets the note segment
/// load it, and returns where the name starts in it. The copy lacks the names in `dead`. With
/// `new_entry`, a free slot of the dynamic section becomes the run path.
fn grow(
    bytes: &mut Vec<u8>,
    value: &[u8],
    dead: &[(usize, usize)],
    new_entry: bool,
) -> Result<usize, ElfError> {
    let elf = Elf::parse(bytes)?;
    let dynamic = elf.dynamic()?.ok_or(ElfError::NoRoom("it is statically linked"))?;
    let last_load = elf.segments.iter().rposition(|segment| segment.kind == PT_LOAD);
    let last_load = last_load.ok_or(ElfError::Damaged("a segment"))?;
    // The loader wants what is loaded in ascending order.
    let note = elf.segments.iter().skip(last_load).position(|segment| segment.kind == PT_NOTE);
    let note = last_load + note.ok_or(ElfError::NoRoom("there is no segment to spare"))?;
    if new_entry && dynamic.entries.len() + 2 > dynamic.slots {
        return Err(ElfError::NoRoom("the dynamic section is full"));
    }
    let old_at = dynamic.strings_at;
    let mut strings = slice(bytes, old_at, dynamic.strings_size, "the table of names")?.to_vec();
    for (start, len) in dead {
        put(&mut strings, *start, &vec![0; *len])?;
    }
    let start = strings.len();
    strings.extend(value);
    strings.push(0);

    let at = bytes.len().next_multiple_of(8);
    let address = free_address(&elf, at as u64)?;
    let size = strings.len() as u64;
    let header = elf.segments_at + note * SEGMENT_SIZE;
    let section =
        elf.sections.iter().position(|section| section.offset == old_at as u64 && section.kind == 3);
    let section = section.map(|index| elf.sections_at + index * SECTION_SIZE);
    let entry = |tag| dynamic.entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.at + 8);
    let (table, table_size) = (entry(DT_STRTAB), entry(DT_STRSZ));
    let free_slot = dynamic.at + dynamic.entries.len() * 16;

    const READ: u32 = 4;
    put(bytes, header, &PT_LOAD.to_le_bytes())?;
    put(bytes, header + 4, &READ.to_le_bytes())?;
    let fields = [(8, at as u64), (16, address), (24, address), (32, size), (40, size), (48, PAGE)];
    for (field, value) in fields {
        put(bytes, header + field, &value.to_le_bytes())?;
    }
    for (place, value) in [(table, address), (table_size, size)] {
        put(bytes, place.ok_or(ElfError::Damaged("the table of names"))?, &value.to_le_bytes())?;
    }
    if let Some(section) = section {
        for (field, value) in [(16, address), (24, at as u64), (32, size)] {
            put(bytes, section + field, &value.to_le_bytes())?;
        }
    }
    if new_entry {
        put(bytes, free_slot, &DT_RPATH.to_le_bytes())?;
        put(bytes, free_slot + 8, &(start as u64).to_le_bytes())?;
        put(bytes, free_slot + 16, &DT_NULL.to_le_bytes())?;
    }
    bytes.resize(at, 0);
    bytes.extend(strings);
    Ok(start)
}

/// The largest page of the supported machines.
const PAGE: u64 = 0x1_0000;

/// Returns an address behind all that is loaded, that fits this offset of the file.
fn free_address(elf: &Elf<'_>, at: u64) -> Result<u64, ElfError> {
    const WHAT: ElfError = ElfError::Damaged("a segment");
    let mut end = 0;
    let mut align = PAGE;
    for segment in elf.segments.iter().filter(|segment| segment.kind == PT_LOAD) {
        end = end.max(segment.address.checked_add(segment.memory_size).ok_or(WHAT)?);
        align = align.max(segment.align);
    }
    end.checked_next_multiple_of(align).and_then(|end| end.checked_add(at % PAGE)).ok_or(WHAT)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use super::super::needed;
    use super::super::tests::sample;
    use super::*;

    fn runs(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sh");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let result = Command::new(&path).args(["-c", "echo ok"]).env_clear().output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr))
    }

    #[test]
    fn a_program_without_a_run_path_gets_one_and_still_runs() {
        let Some((_, original)) = sample() else { return };
        let before = run_path(&original).unwrap();
        if before.is_some() {
            eprintln!("skipped: this machine's shell has a run path");
            return;
        }
        let mut bytes = original.clone();
        set_run_path(&mut bytes, b"$ORIGIN/../lib").unwrap();
        assert_eq!(run_path(&bytes).unwrap().as_deref(), Some(&b"$ORIGIN/../lib"[..]));
        assert_eq!(needed(&bytes), needed(&original));
        assert_eq!(runs(&bytes), "ok\n");

        // Now there is a path to overwrite: by a shorter one, in place.
        let len = bytes.len();
        let with_long = bytes.clone();
        set_run_path(&mut bytes, b"$ORIGIN").unwrap();
        assert_eq!(bytes.len(), len);
        assert_eq!(run_path(&bytes).unwrap().as_deref(), Some(&b"$ORIGIN"[..]));
        let changed = bytes.iter().zip(&with_long).filter(|(new, old)| new != old).count();
        assert_eq!(changed, "/../lib".len(), "nothing else changes");
        assert_eq!(runs(&bytes), "ok\n");
        assert_eq!(runs(&super::super::strip(&bytes).unwrap()), "ok\n");
    }

    /// Builds a program with gcc, if there is one.
    fn build(dir: &Path, flags: &[&str]) -> Option<Vec<u8>> {
        let (source, program) = (dir.join("main.c"), dir.join("main"));
        std::fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"ok\") < 0; }\n").unwrap();
        let status = Command::new("gcc").arg(&source).arg("-o").arg(&program).args(flags).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("skipped: gcc isn't there");
            return None;
        }
        Some(std::fs::read(program).unwrap())
    }

    #[test]
    fn a_run_path_becomes_rpath_whatever_it_was() {
        let dir = tempfile::tempdir().unwrap();
        for flags in [
            &["-Wl,-rpath,/opt/python/of/this/machine/lib", "-Wl,--enable-new-dtags"][..],
            &["-Wl,-rpath,/opt/python/of/this/machine/lib", "-Wl,--disable-new-dtags"],
            // Too short to be overwritten in place.
            &["-Wl,-rpath,/p/lib", "-Wl,--enable-new-dtags"],
            &["-Wl,-rpath,/p/lib", "-Wl,--enable-new-dtags", "-no-pie"],
            &[],
        ] {
            let Some(original) = build(dir.path(), flags) else { return };
            let mut bytes = super::super::strip(&original).unwrap();
            set_run_path(&mut bytes, b"$ORIGIN/../lib").unwrap();
            let elf = Elf::parse(&bytes).unwrap();
            let entries = elf.dynamic().unwrap().unwrap().entries;
            let tags: Vec<u64> = entries.iter().filter(|entry| is_run_path(entry)).map(|e| e.tag).collect();
            assert_eq!(tags, [DT_RPATH], "{flags:?}");
            assert_eq!(run_path(&bytes).unwrap().as_deref(), Some(&b"$ORIGIN/../lib"[..]), "{flags:?}");
            for old in [&b"/opt/python"[..], b"/p/lib"] {
                assert!(!bytes.windows(old.len()).any(|window| window == old), "{flags:?}");
            }
            assert_eq!(runs(&bytes), "ok\n", "{flags:?}");
        }
    }

    #[test]
    fn a_run_path_whose_bytes_are_another_name_too_is_left_to_it() {
        let dir = tempfile::tempdir().unwrap();
        // Linkers merge tails: the needed library's name is the end of the run path here.
        let library = dir.path().join("libtail_of_run_path.so");
        let made = Command::new("gcc")
            .args(["-shared", "-x", "c", "/dev/null", "-Wl,-soname,libtail_of_run_path.so", "-o"])
            .arg(&library)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("skipped: gcc isn't there");
            return;
        }
        let run = format!("-Wl,-rpath,{}", library.display());
        let flags = ["-Wl,--no-as-needed", library.to_str().unwrap(), run.as_str()];
        let Some(mut bytes) = build(dir.path(), &flags) else { return };
        let (before, len) = (needed(&bytes).unwrap(), bytes.len());
        set_run_path(&mut bytes, b"$ORIGIN").unwrap();
        assert_eq!(needed(&bytes).unwrap(), before);
        assert!(bytes.len() > len, "there was no place for it");
        assert_eq!(run_path(&bytes).unwrap().as_deref(), Some(&b"$ORIGIN"[..]));
    }
}
