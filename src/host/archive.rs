//! Archives: `.tar.gz` and `.tar.zst` from elsewhere, unpacked so that nothing in them reaches out of the
//! directory they go to.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::entries::{Limits, components, damaged, read_entries};
use super::files::{FileContext, FileError};
use super::tree::Tree;
use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, UserError};
use crate::output::{Output, Progress};

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnpackOptions {
    /// How many leading directories are taken off each name; what has no more is left out.
    pub strip_components: usize,
}

/// An archive that can't be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no archive, or of a kind that can't be read.
    #[error("{archive} is {found}; it should be a .tar.gz or .tar.zst file.")]
    Format {
        /// The archive's file name.
        archive: String,
        /// What it looks like.
        found: &'static str,
    },
    /// An entry would reach out of the directory, or has no place in a directory of files.
    #[error("{archive} has the entry {entry:?}, {reason}.")]
    Entry {
        /// The archive's file name.
        archive: String,
        /// The entry's name in it.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is cut off or its bytes make no sense.
    #[error("{archive} is damaged.")]
    Damaged {
        /// The archive's file name.
        archive: String,
        /// Where reading it failed.
        #[source]
        source: io::Error,
    },
    /// It unpacks to more than can be meant.
    #[error("{archive} unpacks to more than {limit}.")]
    TooLarge {
        /// The archive's file name.
        archive: String,
        /// How much is allowed.
        limit: String,
    },
    /// A file couldn't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for ArchiveError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Format { .. } | Self::Entry { .. } | Self::Damaged { .. } | Self::TooLarge { .. } => {
                ErrorCode::UnsafeArchive
            }
            Self::File(error) => error.code(),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Entry { entry, .. } => Some(entry.clone()),
            Self::File(error) => error.detail(),
            _ => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Unpacks an archive into a directory, which is made if it isn't there. On failure, what was unpacked
/// stays: the directory is one to be thrown away.
pub(crate) fn unpack(
    archive: &Path,
    into: &Path,
    options: &UnpackOptions,
    env: &Env,
    output: &Output,
) -> Result<(), ArchiveError> {
    let (file, name) = open(archive, output)?;
    unpack_entries(file, &name, into, &Strip::Components(options.strip_components), &Limits::default(), env)
}

/// Unpacks an archive that is being read; `name` is for messages.
pub fn unpack_reader(
    reader: impl Read,
    name: &str,
    into: &Path,
    options: &UnpackOptions,
    env: &Env,
) -> Result<(), ArchiveError> {
    let strip = Strip::Components(options.strip_components);
    unpack_entries(reader, name, into, &strip, &Limits::default(), env)
}

/// Unpacks one directory of an archive, as if it were the whole of it.
pub(crate) fn unpack_subdirectory(
    archive: &Path,
    subdirectory: &[Vec<u8>],
    into: &Path,
    env: &Env,
    output: &Output,
) -> Result<(), ArchiveError> {
    let (file, name) = open(archive, output)?;
    unpack_entries(file, &name, into, &Strip::Directory(subdirectory.to_vec()), &Limits::default(), env)
}

/// Reads the names of an archive's entries, as components, until `test` finds what it looks for.
pub(crate) fn find_entry<T>(
    archive: &Path,
    env: &Env,
    output: &Output,
    mut test: impl FnMut(&[Vec<u8>]) -> Option<T>,
) -> Result<Option<T>, ArchiveError> {
    let (file, name) = open(archive, output)?;
    let mut found = None;
    read_entries(file, &name, &Limits::default(), env, &mut |entry, _| {
        let path = components(&entry.path).map_err(|reason| entry.refused(reason))?;
        found = test(&path);
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// What is taken off the names.
#[derive(Debug, Clone)]
enum Strip {
    Components(usize),
    /// This directory; what isn't in it is left out.
    Directory(Vec<Vec<u8>>),
}

impl Strip {
    fn apply<'a>(&self, path: &'a [Vec<u8>]) -> Option<&'a [Vec<u8>]> {
        match self {
            Self::Components(count) => path.get(*count..),
            Self::Directory(directory) => path.strip_prefix(&directory[..]),
        }
    }
}

fn unpack_entries(
    reader: impl Read,
    name: &str,
    into: &Path,
    strip: &Strip,
    limits: &Limits,
    env: &Env,
) -> Result<(), ArchiveError> {
    super::files::create_dir_all(into)?;
    let mut tree = Tree::new(into);
    read_entries(reader, name, limits, env, &mut |entry, data| {
        let refused = |reason| entry.refused(reason);
        let path = components(&entry.path).map_err(refused)?;
        let Some(path) = strip.apply(&path).filter(|path| !path.is_empty()) else { return Ok(true) };
        let link = || {
            entry.link.as_deref().filter(|link| !link.is_empty()).ok_or_else(|| refused("a link to nothing"))
        };
        let outcome = match entry.kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                tree.write_file(path, entry.mode, &mut |into| copy(data, into, entry.archive, env))?
            }
            tar::EntryType::Directory => tree.make_directory(path, entry.mode)?,
            tar::EntryType::Symlink => tree.make_symlink(path, link()?)?,
            tar::EntryType::Link => {
                let target = components(link()?).map_err(refused)?;
                match strip.apply(&target).filter(|target| !target.is_empty()) {
                    Some(target) => tree.make_hard_link(path, target)?,
                    None => Err("a hard link out of the directory"),
                }
            }
            tar::EntryType::GNUSparse => Err("a sparse file"),
            _ => Err("neither a file nor a directory nor a link"),
        };
        outcome.map(|()| true).map_err(refused)
    })
}

/// Copies an entry's bytes; what fails on the archive's side is damage, on the file's side a file error.
fn copy(data: &mut dyn Read, into: &mut File, archive: &str, env: &Env) -> Result<(), ArchiveError> {
    let mut piece = vec![0; 256 * 1024];
    loop {
        env.interrupt.check()?;
        match data.read(&mut piece).map_err(|source| damaged(archive, source))? {
            0 => return Ok(()),
            length => io::Write::write_all(into, &piece[..length]).doing("writing a file of", archive)?,
        }
    }
}

/// Opens an archive so that reading it moves a progress bar.
fn open(archive: &Path, output: &Output) -> Result<(impl Read + use<>, String), ArchiveError> {
    let file = File::open(archive).doing("reading", archive)?;
    let length = file.metadata().doing("reading", archive)?.len();
    let name = archive.file_name().unwrap_or(archive.as_os_str()).to_string_lossy().into_owned();
    let progress = output.progress("Unpacking", Some(length));
    Ok((Watched { file, progress, path: archive.to_owned() }, name))
}

struct Watched {
    file: File,
    progress: Progress,
    path: PathBuf,
}

impl Read for Watched {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self
            .file
            .read(bytes)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))?;
        self.progress.add(length as u64);
        Ok(length)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    /// One raw entry: the library's own builder would refuse what these tests are about.
    pub(crate) fn raw(kind: u8, name: &str, link: &str, mode: u32, data: &[u8]) -> Vec<u8> {
        let mut header = [0; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0001750\x000001750\0");
        put(124, format!("{:011o}", data.len()).as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let padding = data.len().next_multiple_of(512) - data.len();
        [&header[..], data, &vec![0; padding]].concat()
    }

    pub(crate) fn file(name: &str, data: &str) -> Vec<u8> {
        raw(b'0', name, "", 0o644, data.as_bytes())
    }

    fn link(name: &str, target: &str) -> Vec<u8> {
        raw(b'2', name, target, 0o777, b"")
    }

    fn hard_link(name: &str, target: &str) -> Vec<u8> {
        raw(b'1', name, target, 0o644, b"")
    }

    fn dir(name: &str) -> Vec<u8> {
        raw(b'5', name, "", 0o755, b"")
    }

    fn pax(attributes: &[(&str, &str)]) -> Vec<u8> {
        let records = attributes.iter().map(|(key, value)| {
            let rest = format!(" {key}={value}\n");
            let length = (1..).find(|length| length.to_string().len() + rest.len() == *length).unwrap();
            format!("{length}{rest}")
        });
        raw(b'x', "pax", "", 0o644, records.collect::<String>().as_bytes())
    }

    pub(crate) fn gzip(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&entries.concat()).unwrap();
        encoder.write_all(&[0; 1024]).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zstd(entries: &[Vec<u8>]) -> Vec<u8> {
        let tar = [entries.concat(), vec![0; 1024]].concat();
        compress_to_vec(&tar[..], CompressionLevel::Fastest)
    }

    /// Unpacks into a directory with a witness beside it.
    fn unpack_bytes(
        bytes: &[u8],
        strip: &Strip,
        limits: &Limits,
    ) -> (tempfile::TempDir, Result<(), ArchiveError>) {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("witness"), "untouched").unwrap();
        let env = Env::for_tests(&[]);
        let result = unpack_entries(bytes, "a.tar.gz", &outer.path().join("into"), strip, limits, &env);
        assert_eq!(fs::read_to_string(outer.path().join("witness")).unwrap(), "untouched");
        assert!(fs::read_dir(outer.path()).unwrap().count() <= 2);
        (outer, result)
    }

    fn unpack_plain(bytes: &[u8]) -> (tempfile::TempDir, Result<(), ArchiveError>) {
        unpack_bytes(bytes, &Strip::Components(0), &Limits::default())
    }

    #[test]
    fn both_kinds_of_archive_are_unpacked_with_their_modes_and_links() {
        let entries = [
            dir("./"),
            dir("./python/"),
            dir("./python/bin"),
            raw(b'0', "./python/bin/python3.13", "", 0o755, b"#!"),
            link("./python/bin/python3", "python3.13"),
            raw(b'0', "python//lib/secret", "", 0o6400, b"x"),
            raw(b'5', "python/closed", "", 0o1500, b""),
            file("python/closed/inside", "y"),
            hard_link("python/lib/again", "./python/lib/secret"),
            link("python/lib/up", "../bin/python3"),
            file("README", "not in a directory"),
        ];
        for bytes in [gzip(&entries), zstd(&entries), [gzip(&entries), gzip(&[])].concat()] {
            let (outer, result) = unpack_bytes(&bytes, &Strip::Components(1), &Limits::default());
            result.unwrap();
            let into = outer.path().join("into");
            let mode = |name| fs::metadata(into.join(name)).unwrap().mode() & 0o7777;
            assert_eq!(mode("bin/python3.13"), 0o755);
            assert_eq!(mode("lib/secret"), 0o600);
            assert_eq!(mode("closed"), 0o700);
            assert_eq!(fs::read_link(into.join("bin/python3")).unwrap(), Path::new("python3.13"));
            assert_eq!(fs::read_to_string(into.join("lib/up")).unwrap(), "#!");
            assert_eq!(fs::read_to_string(into.join("lib/again")).unwrap(), "x");
            assert_eq!(fs::read_to_string(into.join("closed/inside")).unwrap(), "y");
            assert!(!into.join("README").exists());
        }
    }

    #[test]
    fn long_names_of_both_dialects_are_read() {
        let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
        let gnu = [
            raw(b'L', "././@LongLink", "", 0o644, format!("{long}\0").as_bytes()),
            file("short", "gnu"),
            raw(b'K', "././@LongLink", "", 0o644, format!("{}\0", "f".repeat(150)).as_bytes()),
            link("link", "short"),
        ];
        let posix = [
            raw(b'g', "global", "", 0o644, b"20 comment=1234567\n"),
            pax(&[("mtime", "1.5"), ("path", &long)]),
            file("short", "pax"),
            pax(&[("linkpath", &"f".repeat(150))]),
            link("link", "short"),
        ];
        for (entries, text) in [(&gnu[..], "gnu"), (&posix[..], "pax")] {
            let (outer, result) = unpack_plain(&gzip(entries));
            result.unwrap();
            let into = outer.path().join("into");
            assert_eq!(fs::read_to_string(into.join(&long)).unwrap(), text);
            assert_eq!(fs::read_link(into.join("link")).unwrap().as_os_str().len(), 150);
        }
    }

    #[test]
    fn hostile_entries_are_refused() {
        for (what, entries) in [
            ("parent", vec![file("../witness", "x")]),
            ("parent in the middle", vec![file("a/../../witness", "x")]),
            ("absolute", vec![file("/tmp/witness", "x")]),
            ("parent by pax", vec![pax(&[("path", "../witness")]), file("a", "x")]),
            ("parent by a GNU name", vec![raw(b'L', "l", "", 0o644, b"../witness\0"), file("a", "x")]),
            ("link out", vec![link("a", "../witness"), file("a", "x")]),
            ("absolute link", vec![link("a", "/etc/passwd")]),
            ("link out by pax", vec![pax(&[("linkpath", "../witness")]), link("a", "b")]),
            ("through a link", vec![dir("d"), link("a", "d"), file("a/witness", "x")]),
            ("directory in place of a link", vec![dir("d"), link("a", "d"), dir("a")]),
            ("link in place of a directory", vec![dir("d"), dir("a"), link("a", "d")]),
            ("file in place of a directory", vec![dir("a"), file("a", "x")]),
            ("directory in place of a file", vec![file("a", "x"), file("a/b", "x")]),
            ("two links up", vec![dir("d/e"), link("d/e/s", "../.."), link("d/e/t", "s/../witness")]),
            ("hard link out", vec![hard_link("a", "../witness")]),
            ("hard link to nothing", vec![hard_link("a", "b")]),
            ("hard link to a link", vec![file("b", "x"), link("c", "b"), hard_link("a", "c")]),
            ("hard link through a link", vec![file("d/b", "x"), link("c", "d"), hard_link("a", "c/b")]),
            ("link to nothing", vec![link("a", "")]),
            ("character device", vec![raw(b'3', "a", "", 0o644, b"")]),
            ("block device", vec![raw(b'4', "a", "", 0o644, b"")]),
            ("fifo", vec![raw(b'6', "a", "", 0o644, b"")]),
            ("unknown kind", vec![raw(b'Z', "a", "", 0o644, b"")]),
            ("GNU sparse", vec![raw(b'S', "a", "", 0o644, b"")]),
            ("pax sparse", vec![pax(&[("GNU.sparse.major", "1")]), file("a", "x")]),
            ("pax size", vec![pax(&[("size", "1")]), file("a", "xx")]),
            ("long attributes", vec![pax(&[("comment", &"1".repeat(2 << 20))]), file("a", "x")]),
        ] {
            let (_outer, result) = unpack_plain(&gzip(&entries));
            let error = result.expect_err(what);
            assert_eq!(error.code(), ErrorCode::UnsafeArchive, "{what}: {error}");
        }
    }

    #[test]
    fn a_later_entry_replaces_a_link_and_not_what_it_leads_to() {
        let entries = [file("b", "first"), link("a", "b"), file("a", "second"), hard_link("a", "a")];
        let (outer, result) = unpack_plain(&gzip(&entries));
        result.unwrap();
        let read = |name| fs::read_to_string(outer.path().join("into").join(name)).unwrap();
        assert_eq!((read("a"), read("b")), ("second".to_owned(), "first".to_owned()));
    }

    #[test]
    fn a_link_that_is_in_the_directory_already_is_not_followed() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("into")).unwrap();
        symlink(outer.path(), outer.path().join("into/d")).unwrap();
        let bytes = gzip(&[file("d/witness", "x")]);
        let env = Env::for_tests(&[]);
        let result =
            unpack_reader(&bytes[..], "a", &outer.path().join("into"), &UnpackOptions::default(), &env);
        assert!(matches!(result, Err(ArchiveError::Entry { .. })));
        assert!(!outer.path().join("witness").exists());
    }

    #[test]
    fn what_is_stripped_counts_for_links_too() {
        for (entries, accepted) in [
            (vec![link("p/a", "../p/b")], false),
            (vec![link("p/d/a", "../b")], true),
            (vec![file("q", "x"), hard_link("p/a", "q")], false),
            (vec![file("p/q", "x"), hard_link("p/a", "p/q")], true),
        ] {
            let (_outer, result) = unpack_bytes(&gzip(&entries), &Strip::Components(1), &Limits::default());
            assert_eq!(result.is_ok(), accepted, "{result:?}");
        }
    }

    #[test]
    fn a_subdirectory_is_unpacked_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any name");
        let entries = [file("p/build/x", "no"), file("p/install/bin/y", "yes"), file("p/installed", "no")];
        fs::write(&path, zstd(&entries)).unwrap();
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let find = |name: &str| {
            find_entry(&path, &env, &output, |path| {
                (path.last().map(Vec::as_slice) == Some(name.as_bytes())).then_some(path.len())
            })
        };
        assert_eq!(find("y").unwrap(), Some(4));
        assert_eq!(find("z").unwrap(), None);
        let into = dir.path().join("into");
        unpack_subdirectory(&path, &[b"p".to_vec(), b"install".to_vec()], &into, &env, &output).unwrap();
        assert_eq!(fs::read_to_string(into.join("bin/y")).unwrap(), "yes");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    }

    #[test]
    fn too_much_is_refused_before_it_is_written() {
        let bomb = gzip(&[raw(b'0', "a", "", 0o644, &vec![0; 3 << 20])]);
        assert!(bomb.len() < 100_000);
        let limits = Limits { bytes: 1 << 20, entries: 10 };
        let (outer, result) = unpack_bytes(&bomb, &Strip::Components(0), &limits);
        assert!(matches!(result, Err(ArchiveError::TooLarge { .. })), "{result:?}");
        assert!(fs::metadata(outer.path().join("into/a")).unwrap().len() <= 1 << 20);

        let many: Vec<_> = (0..11).map(|number| file(&format!("{number}"), "")).collect();
        let (_outer, result) = unpack_bytes(&gzip(&many), &Strip::Components(0), &limits);
        assert!(matches!(result, Err(ArchiveError::TooLarge { .. })), "{result:?}");
    }

    #[test]
    fn what_is_no_archive_is_named() {
        for (bytes, found) in [
            (&b""[..], "empty"),
            (b"\xfd7zXZ\0", "xz"),
            (b"BZh9", "bzip2"),
            (b"PK\x03\x04", "zip"),
            (b"<html>", "web page"),
            (&file("a", "x"), "without compression"),
            (b"hello", "something else"),
        ] {
            let error = unpack_plain(bytes).1.unwrap_err();
            assert_eq!(error.code(), ErrorCode::UnsafeArchive);
            assert!(error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let text: String = (0..9000).map(|number| format!("{number}\n")).collect();
        let entries = [file("a", &text), file("b", "end")];
        for whole in [gzip(&entries), zstd(&entries)] {
            for length in (5..whole.len()).step_by(501).chain([whole.len() - 1]) {
                let (_outer, result) = unpack_plain(&whole[..length]);
                assert!(matches!(result, Err(ArchiveError::Damaged { .. })), "{length}: {result:?}");
            }
        }
        let mut wrong_sum = gzip(&entries);
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 1;
        assert!(matches!(unpack_plain(&wrong_sum).1, Err(ArchiveError::Damaged { .. })));
        let mut header = file("a", "x");
        header[0] = b'b';
        assert!(matches!(unpack_plain(&gzip(&[header])).1, Err(ArchiveError::Damaged { .. })));
    }

    #[test]
    fn an_interrupt_stops_the_unpacking() {
        let env = Env::for_tests(&[]);
        env.interrupt.set(15);
        let dir = tempfile::tempdir().unwrap();
        let bytes = gzip(&[file("a", "x")]);
        let result = unpack_reader(&bytes[..], "a", dir.path(), &UnpackOptions::default(), &env);
        assert!(matches!(result, Err(ArchiveError::Interrupted(_))));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2000), at in 0..900_usize) {
            // A valid archive with noise somewhere in it, and the noise alone.
            let mut tar = [file("a/b", "text"), link("c", "a"), dir("d")].concat();
            let end = (at + bytes.len()).min(tar.len());
            tar[at..end].copy_from_slice(&bytes[..end - at]);
            let _ = unpack_plain(&gzip(&[tar]));
            let _ = unpack_plain(&[b"\x28\xb5\x2f\xfd", &bytes[..]].concat());
            let _ = unpack_plain(&[b"\x1f\x8b\x08\0", &bytes[..]].concat());
            let text: String = (0..400).map(|number| format!("{number} ")).collect();
            let mut compressed = zstd(&[file("a", &text)]);
            let length = compressed.len();
            for (index, byte) in bytes.iter().enumerate().take(8) {
                compressed[(at + index * usize::from(*byte)) % length] ^= byte;
            }
            let _ = unpack_plain(&compressed);
        }
    }

    #[test]
    fn what_makes_one_somebody_else_is_dropped() {
        let xattrs =
            pax(&[("SCHILY.xattr.user.mark", "x"), ("SCHILY.xattr.security.capability", "x"), ("uid", "0")]);
        let entries = [
            xattrs.clone(),
            raw(b'5', "d", "", 0o7777, b""),
            xattrs.clone(),
            raw(b'0', "d/f", "", 0o7777, b"x"),
            hard_link("d/g", "d/f"),
        ];
        let (outer, result) = unpack_plain(&gzip(&entries));
        result.unwrap();
        for name in ["d", "d/f", "d/g"] {
            let path = outer.path().join("into").join(name);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7000, 0, "{name}");
            let mut names = Vec::<u8>::with_capacity(4096);
            let length =
                rustix::fs::llistxattr(&path, rustix::buffer::spare_capacity(&mut names)).unwrap_or(0);
            assert!(!names[..length].windows(9).any(|window| window == b"user.mark"), "{name}");
        }
    }

    #[test]
    fn an_entry_in_the_place_of_another_stays_in_the_directory() {
        for (what, entries, accepted) in [
            ("a file twice", vec![file("a", "1"), file("a", "2")], true),
            (
                "names that differ in case",
                vec![file("a", "1"), file("A", "2"), dir("D"), file("d", "x")],
                true,
            ),
            ("a directory twice", vec![dir("a"), dir("a"), file("a/b", "x")], true),
            ("a file over a directory", vec![file("a/b", "x"), file("a", "x")], false),
            ("a link over a file, written to", vec![file("a", "1"), link("a", "b"), file("a", "2")], true),
            ("a file over a hard link", vec![file("a", "1"), hard_link("b", "a"), file("b", "2")], true),
            (
                "a link over a directory, written through",
                vec![dir("a"), link("a", "."), file("a/b", "x")],
                false,
            ),
            ("a link to the root, written through", vec![link("a", "."), file("a/b", "x")], false),
            ("an empty name", vec![file("", "x")], true),
            ("a name of dots", vec![file(".", "x")], true),
            ("names of dots", vec![dir("././."), file("./././a", "x")], true),
            ("a NUL by pax", vec![pax(&[("path", "a\0b")]), file("a", "x")], false),
        ] {
            let (outer, result) = unpack_plain(&gzip(&entries));
            assert_eq!(result.is_ok(), accepted, "{what}: {result:?}");
            if let Ok(first) = fs::read_to_string(outer.path().join("into/a")) {
                assert!(!what.contains("hard link") || first == "1", "{what}: the other name was written to");
            }
        }
    }

    #[test]
    fn sizes_and_ends_that_make_no_sense_are_damage_or_left_alone() {
        let header = |size: &[u8]| {
            let mut entry = file("a", "");
            entry[124..136].copy_from_slice(size);
            entry[148..156].copy_from_slice(b"        ");
            let sum: u32 = entry.iter().map(|byte| u32::from(*byte)).sum();
            entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            entry
        };
        let good = gzip(&[file("a", "x")]);
        for (what, bytes, accepted) in [
            ("a negative size", gzip(&[header(b"-0000000001\0")]), false),
            ("a negative size in base 256", gzip(&[header(&[0xff; 12])]), false),
            ("the biggest size", gzip(&[header(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")]), false),
            ("more than there is", gzip(&[header(b"77777777777\0")]), false),
            ("no number", gzip(&[header(b"zzzzzzzzzzz\0")]), false),
            (
                "a pax record that is too long",
                gzip(&[raw(b'x', "p", "", 0o644, b"999999 path=b\n"), file("a", "x")]),
                false,
            ),
            (
                "a pax record without an end",
                gzip(&[raw(b'x', "p", "", 0o644, b"9 path=bb"), file("a", "x")]),
                false,
            ),
            ("garbage after gzip", [&good[..], b"garbage"].concat(), false),
            ("zeros after gzip", [&good[..], &[0; 600]].concat(), false),
            ("tar without its end", gzip(&[file("a", "x")]), true),
            ("many gzip members", [gzip(&[file("a", "x")]), gzip(&[]), gzip(&[])].concat(), true),
        ] {
            let (_outer, result) = unpack_plain(&bytes);
            assert_eq!(result.is_ok(), accepted, "{what}: {result:?}");
        }
    }

    #[test]
    fn modes_in_use_do_not_stand_in_the_way() {
        let entries = [raw(b'5', "d", "", 0, b""), file("d/e/f", "x"), raw(b'0', "g", "", 0o4755, b"x")];
        let (outer, result) = unpack_plain(&gzip(&entries));
        result.unwrap();
        let into = outer.path().join("into");
        assert_eq!(fs::metadata(into.join("g")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert!(into.join("d/e/f").exists());
    }
}
