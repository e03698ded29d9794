//! Tar headers in GNU's format, byte by byte: the `tar` crate would take the leading `./` off the names.

use tar::{EntryType, Header};

use super::tree::EntryKind;

/// Tar files are made of blocks of this many bytes.
pub(super) const BLOCK: u64 = 512;

/// How many bytes of a name or link target the header itself has room for.
const FIELD: usize = 100;

/// The mode of every directory.
const DIRECTORY_MODE: u32 = 0o755;

/// The mode of every symbolic link; nothing looks at it.
const LINK_MODE: u32 = 0o777;

/// Rounds up to whole blocks.
pub(super) fn padded(length: u64) -> u64 {
    length.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// Returns how many bytes [`write_header`] writes for a name of this length.
pub(super) fn header_length(name_length: usize, kind: &EntryKind) -> u64 {
    let long = |length: usize| if length > FIELD { BLOCK + padded(length as u64 + 1) } else { 0 };
    let target = if let EntryKind::Symlink { target } = kind { long(target.len()) } else { 0 };
    long(name_length) + target + BLOCK
}

/// Writes the header of an entry, after the records for what is too long for it.
pub(super) fn write_header(out: &mut Vec<u8>, name: &[u8], kind: &EntryKind, mtime: u64) {
    let mut header = Header::new_gnu();
    let (entry_type, mode, size) = match kind {
        EntryKind::Directory => (EntryType::Directory, DIRECTORY_MODE, 0),
        EntryKind::File { size, mode, .. } => (EntryType::Regular, *mode, *size),
        EntryKind::Symlink { .. } => (EntryType::Symlink, LINK_MODE, 0),
    };
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(mtime);
    if name.len() > FIELD {
        write_long(out, EntryType::GNULongName, name);
    }
    if let EntryKind::Symlink { target } = kind {
        if target.len() > FIELD {
            write_long(out, EntryType::GNULongLink, target);
        }
        put(&mut header.as_old_mut().linkname, target);
    }
    finish(out, header, name);
}

/// Writes a name or target that is too long for the header as the content of an entry of its own.
fn write_long(out: &mut Vec<u8>, entry_type: EntryType, value: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_mode(0o644);
    header.set_size(value.len() as u64 + 1);
    header.set_mtime(0);
    finish(out, header, b"././@LongLink");
    out.extend_from_slice(value);
    // The NUL at its end, and up to the whole block.
    out.push(0);
    pad(out);
}

fn finish(out: &mut Vec<u8>, mut header: Header, name: &[u8]) {
    put(&mut header.as_old_mut().name, name);
    header.set_uid(0);
    header.set_gid(0);
    if let Some(gnu) = header.as_gnu_mut() {
        put(&mut gnu.uname, b"root");
        put(&mut gnu.gname, b"root");
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

fn put(field: &mut [u8], value: &[u8]) {
    for (to, from) in field.iter_mut().zip(value) {
        *to = *from;
    }
}

/// Fills the last block with zeros.
pub(super) fn pad(out: &mut Vec<u8>) {
    let length = padded(out.len() as u64) as usize;
    out.resize(length, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8], kind: &EntryKind) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out, name, kind, 315_532_800);
        assert_eq!(out.len() as u64, header_length(name.len(), kind));
        out
    }

    #[test]
    fn a_header_has_the_fields_of_gnu_tar() {
        let out = header(b"./app/run", &EntryKind::File { size: 5, mode: 0o755, digest: [0; 32] });
        assert_eq!(out.len(), 512);
        assert_eq!(&out[..10], b"./app/run\0");
        assert_eq!(&out[100..108], b"0000755\0");
        assert_eq!(&out[108..116], b"0000000\0");
        assert_eq!(&out[124..136], b"00000000005\0");
        assert_eq!(&out[136..148], b"02263523000\0");
        assert_eq!(out[156], b'0');
        assert_eq!(&out[257..265], b"ustar  \0");
        assert_eq!(&out[265..270], b"root\0");
        assert_eq!(&out[297..302], b"root\0");
    }

    #[test]
    fn a_size_of_eight_gibibytes_or_more_is_in_base_256() {
        for (size, expected) in [
            ((8 << 30) - 1, *b"77777777777\0"),
            (8 << 30, [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]),
            ((1 << 40) + 3, [0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3]),
        ] {
            let out = header(b"./app/big", &EntryKind::File { size, mode: 0o644, digest: [0; 32] });
            assert_eq!(out[124..136], expected, "{size}");
            assert_eq!(Header::from_byte_slice(&out).entry_size().unwrap(), size);
        }
    }

    #[test]
    fn what_is_longer_than_a_hundred_bytes_has_an_entry_of_its_own() {
        for (name, target, expected) in [
            (100, 100, 512),
            (101, 0, 512 * 3),
            (0, 101, 512 * 3),
            (511, 511, 512 * 5),
            (512, 0, 512 * 4),
            (4000, 4000, 512 * (1 + 8 + 1 + 8 + 1)),
        ] {
            let kind = EntryKind::Symlink { target: vec![b't'; target] };
            assert_eq!(header(&vec![b'n'; name], &kind).len(), expected, "{name} {target}");
        }
        let out = header(&[b'n'; 101], &EntryKind::Directory);
        assert_eq!(&out[..14], b"././@LongLink\0");
        assert_eq!(out[156], b'L');
        assert_eq!(&out[512 + 100..512 + 102], b"n\0");
    }
}
