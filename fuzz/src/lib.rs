//! What several targets need.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use slugc::testing::python::locked::LockedSet;
use slugc::testing::python::requirements::{RequirementKind, read_requirements};

/// Two files in one: a NUL byte is between them.
pub fn two(data: &[u8]) -> (&[u8], &[u8]) {
    let cut = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    (&data[..cut], data.get(cut + 1..).unwrap_or_default())
}

/// Puts bytes into gzip, without spending time on it.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory can be written to")
}

/// Makes a directory, in memory where there is such a file system.
pub fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
        .expect("a directory can be made")
}

/// Fails if a set, rendered as a requirements file, asks for anything else than what is in the set.
pub fn assert_rendered(set: &LockedSet) {
    let text = set.render_requirements();
    // What the reader refuses, the installers refuse.
    let Ok(requirements) = read_requirements("r.txt", &mut |_| Ok(text.clone().into_bytes())) else { return };
    let entries =
        requirements.entries.iter().filter(|entry| !matches!(entry.kind, RequirementKind::Option(_)));
    assert_eq!(entries.count(), set.packages.len(), "{text}");
}
