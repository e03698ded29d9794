//! Which version of glibc a program or library needs.

use super::{Elf, ElfError, u16_at, u32_at};

const DT_VERNEED: u64 = 0x6fff_fffe;
const DT_VERNEEDNUM: u64 = 0x6fff_ffff;

/// No file needs more libraries, or more versions of one.
const MAX: u64 = 4096;

/// Returns the newest version of glibc that a file needs: its numbers, as in 2.38.
pub fn needed_glibc(bytes: &[u8]) -> Result<Option<(u32, u32)>, ElfError> {
    const DAMAGED: ElfError = ElfError::Damaged("the versions that it needs");
    let elf = Elf::parse(bytes)?;
    let Some(dynamic) = elf.dynamic()? else { return Ok(None) };
    let value = |tag| dynamic.entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.value);
    let (Some(address), Some(count)) = (value(DT_VERNEED), value(DT_VERNEEDNUM)) else { return Ok(None) };
    let mut newest = None;
    let mut at = elf.offset_of(address)?;
    for _ in 0..count.min(MAX) {
        let versions = u16_at(bytes, at + 2)?;
        let mut aux = at.checked_add(u32_at(bytes, at + 8)? as usize).ok_or(DAMAGED)?;
        for _ in 0..u64::from(versions).min(MAX) {
            let name = dynamic.string(bytes, u64::from(u32_at(bytes, aux + 8)?))?;
            newest = newest.max(parse_version(name));
            let next = u32_at(bytes, aux + 12)? as usize;
            if next == 0 {
                break;
            }
            aux = aux.checked_add(next).ok_or(DAMAGED)?;
        }
        let next = u32_at(bytes, at + 12)? as usize;
        if next == 0 {
            break;
        }
        at = at.checked_add(next).ok_or(DAMAGED)?;
    }
    Ok(newest)
}

/// `GLIBC_2.38`, `GLIBC_2.2.5`.
fn parse_version(name: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = text.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (name, expected) in [
            ("GLIBC_2.38", Some((2, 38))),
            ("GLIBC_2.2.5", Some((2, 2))),
            ("GLIBC_PRIVATE", None),
            ("OPENSSL_3.0.0", None),
        ] {
            assert_eq!(parse_version(name.as_bytes()), expected, "{name}");
        }
        assert!(parse_version(b"GLIBC_2.9") < parse_version(b"GLIBC_2.10"));
    }

    #[test]
    fn this_machines_own_programs_need_some_glibc() {
        let Ok(bytes) = std::fs::read("/bin/bash") else {
            eprintln!("SKIPPED: there is no /bin/bash");
            return;
        };
        match needed_glibc(&bytes) {
            Ok(Some(version)) => assert!(version > (2, 1) && version < (3, 0), "{version:?}"),
            other => eprintln!("SKIPPED: /bin/bash isn't linked to glibc here: {other:?}"),
        }
        assert!(needed_glibc(&bytes[..5000]).is_err());
    }
}
