//! Zip files made by hand: no library writes what hostile ones hold.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// One file of a zip file.
pub(crate) struct ZipFile {
    /// Its name, whatever it is.
    pub(crate) name: Vec<u8>,
    /// What is in it.
    pub(crate) contents: Vec<u8>,
    /// Its type and permissions, as `stat` has them.
    pub(crate) mode: u32,
}

impl ZipFile {
    /// Describes an ordinary file.
    pub(crate) fn new(name: impl Into<Vec<u8>>, contents: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), contents: contents.into(), mode: 0o100_644 }
    }
}

/// Makes a zip file.
pub(crate) fn zip(files: &[ZipFile]) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let (mut zip, mut central) = (Vec::new(), Vec::new());
    for ZipFile { name, contents, mode } in files {
        let offset = zip.len();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(contents).unwrap();
        let compressed = encoder.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(contents);
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        // Version 2.0, no flags, deflated, 1980-01-01.
        let common = [
            &[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0][..],
            &crc.sum().to_le_bytes(),
            &number(compressed.len()),
            &number(contents.len()),
            &length,
            &[0, 0],
        ]
        .concat();
        zip.extend([&b"PK\x03\x04"[..], &common, name, &compressed].concat());
        let attributes = (mode << 16).to_le_bytes();
        central.extend(
            [&b"PK\x01\x02\x14\x03"[..], &common, &[0; 6], &attributes, &number(offset), name].concat(),
        );
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let end =
        [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &number(central.len()), &number(zip.len()), &[0, 0]]
            .concat();
    [zip, central, end].concat()
}
