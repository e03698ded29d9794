//! Unpacking a slug, and what its process types are. A slug may come from anywhere: whatever its entries are
//! named and link to, only the directory is written to, and if anything is wrong nothing is left in it.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::manifest::BesideSlug;
use super::read::{EntryKind, Layout, SlugEntry, SlugReadError, SlugReader, printable};
use crate::env::{Env, Interrupted};
use crate::error::{Door, ErrorCode, NoticeCode, UserError};
use crate::host::beneath::{Beneath, BeneathError};
use crate::host::files::{self, FileContext, FileError, read_small_file};
use crate::output::{Output, Progress};

/// How many bytes a slug may unpack to: far more than any platform takes. A small file can unpack to any number.
const LIMIT: u64 = 20 << 30;

/// What declares the process types of a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Declared {
    /// The manifest beside it: the commands by process type.
    ByManifest(BTreeMap<String, String>),
    /// The Procfile in it: its content.
    ByProcfile(Vec<u8>),
    /// Nothing does.
    Nowhere,
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The number of regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where in the slug the app was.
    pub layout: Layout,
    /// The names of the entries that were left out: devices, pipes and the like.
    pub skipped: Vec<String>,
}

/// A slug that couldn't be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] SlugReadError),
    /// The directory can't be used.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// There is something in the directory already.
    #[error("{} isn't an empty directory.", .dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// An entry wasn't unpacked, as that would write or link outside of the directory, or make no sense.
    #[error("The entry \"{name}\" of {} can't be unpacked: {source}.", .slug.display())]
    Refused {
        /// The slug.
        slug: PathBuf,
        /// The entry.
        name: String,
        /// Why.
        source: BeneathError,
    },
    /// It unpacks to more than can be meant.
    #[error("{} unpacks to more than {limit} bytes.", .slug.display())]
    TooLarge {
        /// The slug.
        slug: PathBuf,
        /// How many are allowed.
        limit: u64,
    },
    /// The file system failed.
    #[error("Writing \"{name}\" to {} failed.", .dir.display())]
    Write {
        /// The entry.
        name: String,
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for UnpackError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Read(error) => error.code(),
            Self::Directory(error) => error.code(),
            Self::NotEmpty { .. } => ErrorCode::UnpackTarget,
            Self::Refused { .. } | Self::TooLarge { .. } => ErrorCode::SlugInvalid,
            Self::Write { .. } => ErrorCode::FileSystem,
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn fix(&self, door: Door) -> Option<String> {
        match self {
            Self::Read(error) => error.fix(door),
            Self::Directory(error) => error.fix(door),
            _ => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Read(error) => error.exit_code(),
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Unpacks the app of a slug into a directory, which is made, or is there and empty. It is as it was if that fails.
pub fn unpack_slug(slug: &Path, into: &Path, env: &Env, output: &Output) -> Result<Unpacked, UnpackError> {
    let made = prepare(into)?;
    let unpacked = unpack_entries(slug, into, LIMIT, env, output);
    if unpacked.is_err() {
        // The error that comes next is the one to tell.
        let _ = if made { files::remove_dir_all(into) } else { empty(into) };
    }
    let unpacked = unpacked?;
    if !unpacked.skipped.is_empty() {
        let names = unpacked.skipped.iter().take(10).map(|name| format!("\n{name}")).collect::<String>();
        let more = unpacked.skipped.len().saturating_sub(10);
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        output.notice(
            NoticeCode::SlugLeftOut,
            format!("A slug has files, directories and links only. Left out:{names}{more}"),
        );
    }
    Ok(unpacked)
}

/// Returns whether the directory had to be made.
fn prepare(into: &Path) -> Result<bool, UnpackError> {
    let entries = match fs::read_dir(into) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files::create_dir_all(into)?;
            return Ok(true);
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(UnpackError::NotEmpty { dir: into.to_owned() });
        }
        entries => entries.doing("reading the directory", into)?,
    };
    if entries.count() == 0 { Ok(false) } else { Err(UnpackError::NotEmpty { dir: into.to_owned() }) }
}

fn empty(dir: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(dir).doing("reading the directory", dir)? {
        let path = entry.doing("reading the directory", dir)?.path();
        let is_dir = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if is_dir { files::remove_dir_all(&path) } else { files::remove_file(&path) }?;
    }
    Ok(())
}

fn unpack_entries(
    slug: &Path,
    into: &Path,
    limit: u64,
    env: &Env,
    output: &Output,
) -> Result<Unpacked, UnpackError> {
    let mut reader = SlugReader::open_interruptible(slug, &env.interrupt)?;
    let size = fs::metadata(slug).ok().map(|metadata| metadata.len());
    let progress = output.progress("Unpacking", size);
    let tree = Beneath::open(into).doing("opening the directory", into)?;
    let mut unpacked = Unpacked { files: 0, bytes: 0, layout: reader.layout(), skipped: Vec::new() };
    let mut unpacker = Unpacker { slug, into, tree, limit, left: limit, buffer: vec![0; 128 * 1024] };
    let mut entries = reader.entries()?;
    let mut shown = 0;
    while let Some(entry) = entries.next() {
        env.interrupt.check()?;
        unpacker.unpack(entry?, &mut unpacked)?;
        advance(&progress, &mut shown, entries.compressed_bytes());
    }
    Ok(unpacked)
}

fn advance(progress: &Progress, shown: &mut u64, now: u64) {
    progress.add(now.saturating_sub(*shown));
    *shown = now;
}

struct Unpacker<'a> {
    slug: &'a Path,
    into: &'a Path,
    tree: Beneath,
    limit: u64,
    left: u64,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn unpack(&mut self, mut entry: SlugEntry<'_>, unpacked: &mut Unpacked) -> Result<(), UnpackError> {
        let path = entry.path.clone();
        let done = match &entry.kind {
            EntryKind::File => {
                unpacked.bytes += self.unpack_file(&mut entry)?;
                unpacked.files += 1;
                Ok(())
            }
            EntryKind::Directory => self.tree.create_dir(&path, allowed(entry.mode)),
            EntryKind::Symlink(target) => self.tree.create_symlink(&path, target),
            EntryKind::HardLink(target) => self.tree.create_hard_link(&path, target),
            EntryKind::Other(what) => {
                unpacked.skipped.push(format!("{} ({what})", printable(&path)));
                Ok(())
            }
        };
        done.map_err(|error| self.refusal(&path, error))
    }

    fn unpack_file(&mut self, entry: &mut SlugEntry<'_>) -> Result<u64, UnpackError> {
        let path = entry.path.clone();
        let mut file = self.tree.create_file(&path).map_err(|error| self.refusal(&path, error))?;
        let mut bytes = 0;
        // Only what is there is written: the size in the header is a stranger's word.
        loop {
            let read = entry.read_chunk(&mut self.buffer)?;
            if read == 0 {
                break;
            }
            self.left = self
                .left
                .checked_sub(read as u64)
                .ok_or_else(|| UnpackError::TooLarge { slug: self.slug.to_owned(), limit: self.limit })?;
            file.write_all(&self.buffer[..read]).map_err(|error| self.write_error(&path, error))?;
            bytes += read as u64;
        }
        file.set_permissions(Permissions::from_mode(allowed(entry.mode)))
            .map_err(|error| self.write_error(&path, error))?;
        if let Some(time) = UNIX_EPOCH.checked_add(Duration::from_secs(entry.mtime)) {
            // Python compares it with what is in a .pyc file. A time that the file system can't hold is
            // not worth a failure.
            let _ = file.set_modified(time);
        }
        Ok(bytes)
    }

    fn refusal(&self, name: &[u8], error: BeneathError) -> UnpackError {
        match error {
            BeneathError::Io(source) => self.write_error(name, source),
            source => UnpackError::Refused { slug: self.slug.to_owned(), name: printable(name), source },
        }
    }

    fn write_error(&self, name: &[u8], source: io::Error) -> UnpackError {
        UnpackError::Write { name: printable(name), dir: self.into.to_owned(), source }
    }
}

/// Drops setuid and its like, and the right of others to write.
fn allowed(mode: u32) -> u32 {
    mode & 0o755
}

/// Finds what declares the process types of a slug: the manifest beside it, which knows of the buildpacks' defaults, if it
/// is about this very file; else the Procfile in the unpacked app.
pub(crate) fn read_process_types(
    slug: &Path,
    app_dir: &Path,
    env: &Env,
    output: &Output,
) -> crate::error::Result<Declared> {
    if let Some(process_types) = process_types_of_manifest(slug, env, output)? {
        return Ok(Declared::ByManifest(process_types));
    }
    let procfile = app_dir.join("Procfile");
    match read_small_file(&procfile) {
        Ok(contents) => Ok(Declared::ByProcfile(contents)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Declared::Nowhere),
        Err(source) => {
            Err(UnpackError::Directory(FileError { operation: "reading", path: procfile, source }).into())
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    checksum: String,
    process_types: BTreeMap<String, String>,
}

fn process_types_of_manifest(
    slug: &Path,
    env: &Env,
    output: &Output,
) -> Result<Option<BTreeMap<String, String>>, UnpackError> {
    let Some(beside) = BesideSlug::read(slug)? else { return Ok(None) };
    const INSTEAD: &str = "The Procfile in the slug is used instead.";
    let name = beside.name();
    let problem = match serde_json::from_slice::<Manifest>(&beside.bytes) {
        Err(_) if !beside.is_certain => return Ok(None),
        Err(_) => format!("{name} can't be read: it has no `checksum` or no `process_types`. {INSTEAD}"),
        Ok(Manifest { checksum, process_types }) => {
            let actual = checksum_of(slug, env)?;
            if checksum == actual {
                return Ok(Some(process_types));
            }
            if !beside.is_certain {
                return Ok(None);
            }
            format!(
                "{name} is about another slug. {INSTEAD}\nit says  {}\nthis has {actual}",
                printable(checksum.as_bytes())
            )
        }
    };
    output.warning(NoticeCode::RunManifestMismatch, problem);
    Ok(None)
}

/// Returns the checksum of a file as Heroku writes it: `SHA256:` and 64 hexadecimal digits.
pub(crate) fn checksum_of(path: &Path, env: &Env) -> Result<String, UnpackError> {
    let mut file = File::open(path).doing("reading", path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        env.interrupt.check()?;
        let read = file.read(&mut buffer).doing("reading", path)?;
        if read == 0 {
            return Ok(format!("SHA256:{}", hex::encode(hash.finalize())));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use tar::EntryType;

    use super::*;
    use crate::error::Failure;
    use crate::output::Format;
    use crate::output::tests::Captured;
    use crate::slug::read::archives::{TarFile, gzip};

    /// A directory `out` to unpack into, beside a file and a directory that must stay as they are.
    fn unpack(slug: &[u8]) -> (tempfile::TempDir, Result<Unpacked, UnpackError>, String) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("slug.tgz"), slug).unwrap();
        fs::write(dir.path().join("outside"), "untouched").unwrap();
        fs::create_dir(dir.path().join("victim")).unwrap();
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Text);
        let out = dir.path().join("out");
        let unpacked = unpack_slug(&dir.path().join("slug.tgz"), &out, &Env::for_tests(&[]), &output);
        (dir, unpacked, log.text())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn an_app_comes_out_as_it_was() {
        let tar = TarFile::new()
            .dir("./app/")
            .dir("./app/bin/")
            .file_with_mode("./app/bin/run", 0o755, "#!/bin/sh\n")
            .file_with_mode("./app/key", 0o600, "secret")
            .file_with_mode("./app/setuid", 0o6777, "")
            .file("./app/deep/er/file", "text")
            .symlink("./app/link", "deep/er/file")
            .symlink("./app/absolute", "/no/such/file")
            .hard_link("./app/hard", "./app/deep/er/file")
            .file("./app/twice", "first")
            .file("./app/twice", "2nd");
        let (dir, unpacked, log) = unpack(&gzip(&tar.finish()));
        let expected = Unpacked { files: 6, bytes: 28, layout: Layout::App, skipped: vec![] };
        assert_eq!(unpacked.unwrap(), expected);
        assert_eq!(log, "");
        let out = dir.path().join("out");
        for (name, expected) in [("bin/run", 0o755), ("key", 0o600), ("setuid", 0o755), ("bin", 0o755)] {
            assert_eq!(mode(&out.join(name)), expected, "{name}");
        }
        for name in ["deep/er/file", "link", "hard"] {
            assert_eq!(fs::read_to_string(out.join(name)).unwrap(), "text", "{name}");
        }
        assert_eq!(fs::read_to_string(out.join("twice")).unwrap(), "2nd");
        assert_eq!(fs::read_link(out.join("absolute")).unwrap(), Path::new("/no/such/file"));
        let modified = fs::metadata(out.join("key")).unwrap().modified().unwrap();
        assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(315_532_800));
    }

    #[test]
    fn a_hostile_slug_changes_nothing_anywhere() {
        let regular =
            |name: &[u8]| TarFile::new().file("a", "").entry(name, EntryType::Regular, b"", None, b"x");
        let slug = gzip(&TarFile::new().file("a", &"text".repeat(10_000)).finish());
        let mut bad_crc = slug.clone();
        let crc = bad_crc.len() - 8;
        bad_crc[crc] ^= 1;
        for (what, slug) in [
            ("..", gzip(&regular(b"../outside").finish())),
            ("absolute", gzip(&regular(b"/tmp/outside").finish())),
            ("through a link", gzip(&TarFile::new().symlink("l", "../victim").file("l/x", "").finish())),
            (
                "through two",
                gzip(&TarFile::new().symlink("l", "..").symlink("m", "l").file("m/victim/x", "").finish()),
            ),
            (
                "a directory through a link",
                gzip(&TarFile::new().symlink("l", "../victim").dir("l/x").finish()),
            ),
            ("a link as directory", gzip(&TarFile::new().symlink("l", "../victim").dir("l/").finish())),
            (
                "a link through a link",
                gzip(&TarFile::new().symlink("l", "../victim").symlink("l/x", "y").finish()),
            ),
            ("hard link out", gzip(&TarFile::new().hard_link("h", "../outside").file("h", "x").finish())),
            (
                "hard link by a link",
                gzip(&TarFile::new().symlink("l", "..").hard_link("h", "l/outside").finish()),
            ),
            (
                "hard link to a link",
                gzip(&TarFile::new().symlink("l", "../outside").hard_link("h", "l").finish()),
            ),
            ("hard link to nothing", gzip(&TarFile::new().hard_link("h", "none").finish())),
            ("a file as directory", gzip(&TarFile::new().file("f", "").file("f/x", "").finish())),
            ("cut off", slug[..slug.len() - 20].to_vec()),
            ("bad CRC", bad_crc),
            (
                "huge size",
                gzip(&TarFile::new().entry(b"f", EntryType::Regular, b"", Some(1 << 50), b"x").finish()),
            ),
        ] {
            let (dir, unpacked, _) = unpack(&slug);
            let failure = Failure::from(unpacked.expect_err(what));
            assert_eq!(failure.code(), ErrorCode::SlugInvalid, "{what}");
            let mut names: Vec<_> =
                fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["outside", "slug.tgz", "victim"], "{what}");
            assert_eq!(fs::read_to_string(dir.path().join("outside")).unwrap(), "untouched", "{what}");
            assert_eq!(fs::read_dir(dir.path().join("victim")).unwrap().count(), 0, "{what}");
        }
    }

    #[test]
    fn no_slug_fills_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let zeros = "\0".repeat(3 << 20);
        let slug = TarFile::new().file("a", &zeros).file("b", &zeros).slug(dir.path());
        assert!(fs::metadata(&slug).unwrap().len() < 100_000);
        let into = dir.path().join("into");
        fs::create_dir(&into).unwrap();
        let unpack = |limit| unpack_entries(&slug, &into, limit, &Env::for_tests(&[]), &Output::silent());
        let error = unpack(4 << 20).unwrap_err();
        assert!(matches!(error, UnpackError::TooLarge { .. }), "{error}");
        assert!(fs::metadata(into.join("b")).unwrap().len() <= 1 << 20);
        unpack(6 << 20).unwrap();
    }

    #[test]
    fn attributes_are_dropped() {
        let record = |key: &str| {
            let rest = format!(" SCHILY.xattr.{key}=mark\n");
            format!("{}{rest}", rest.len() + 2)
        };
        let records = [record("user.mark"), record("security.selinux")].concat();
        let tar = TarFile::new()
            .entry(b"x", EntryType::XHeader, b"", None, records.as_bytes())
            .file_with_mode("f", 0o7777, "x");
        let (dir, unpacked, _) = unpack(&gzip(&tar.finish()));
        unpacked.unwrap();
        let file = dir.path().join("out/f");
        assert_eq!(mode(&file), 0o755);
        let mut value = [0; 16];
        assert!(rustix::fs::getxattr(&file, "user.mark", &mut value[..]).is_err());
    }

    #[test]
    fn a_file_takes_the_place_of_a_link() {
        let tar =
            TarFile::new().symlink("l", "../outside").file("l", "new").hard_link("m", "l").file("m", "newer");
        let (dir, unpacked, _) = unpack(&gzip(&tar.finish()));
        unpacked.unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("outside")).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(dir.path().join("out/l")).unwrap(), "new");
        assert_eq!(fs::read_to_string(dir.path().join("out/m")).unwrap(), "newer");
    }

    #[test]
    fn devices_and_pipes_are_left_out_with_a_notice() {
        let tar = TarFile::new()
            .entry(b"null", EntryType::Char, b"", None, b"")
            .entry(b"disk", EntryType::Block, b"", None, b"")
            .entry(b"pipe", EntryType::Fifo, b"", None, b"")
            .file("f", "");
        let (dir, unpacked, log) = unpack(&gzip(&tar.finish()));
        assert_eq!(unpacked.unwrap().skipped, ["null (a device)", "disk (a device)", "pipe (a named pipe)"]);
        assert!(log.contains("Left out:\n  null (a device)\n"), "{log}");
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
    }

    #[test]
    fn the_directory_must_be_empty_or_new() {
        let dir = tempfile::tempdir().unwrap();
        let slug = TarFile::new().file("f", "").slug(dir.path());
        let bad = dir.path().join("bad.tgz");
        fs::write(&bad, gzip(&TarFile::new().file("d/f", "").file("../f", "").finish())).unwrap();
        let run = |slug: &Path, into: &str| {
            unpack_slug(slug, &dir.path().join(into), &Env::for_tests(&[]), &Output::silent())
        };
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        run(&bad, "empty").unwrap_err();
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "what failed leaves nothing behind");
        run(&slug, "empty").unwrap();
        run(&slug, "new/er").unwrap();
        for full in ["empty", "slug.tgz"] {
            let error = run(&slug, full).unwrap_err();
            assert!(matches!(error, UnpackError::NotEmpty { .. }), "{full}: {error:?}");
        }
        assert!(empty.join("f").exists(), "what was there before stays");
    }

    #[test]
    fn an_interrupt_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let slug = TarFile::new().file("f", "").slug(dir.path());
        let env = Env::for_tests(&[]);
        env.interrupt.set(15);
        let error = unpack_slug(&slug, &dir.path().join("out"), &env, &Output::silent()).unwrap_err();
        assert_eq!(error.exit_code(), 143);
        assert!(!dir.path().join("out").exists());
    }

    #[test]
    fn process_types_come_from_the_description_of_this_slug_or_from_the_procfile() {
        let dir = tempfile::tempdir().unwrap();
        let slug = TarFile::new().file("Procfile", "from the Procfile").slug(dir.path());
        let env = Env::for_tests(&[]);
        let app_dir = dir.path().join("out");
        unpack_slug(&slug, &app_dir, &env, &Output::silent()).unwrap();
        let checksum = checksum_of(&slug, &env).unwrap();
        let manifest = |checksum: &str| {
            format!(
                r#"{{"schema": 1, "checksum": "{checksum}", "process_types": {{"web": "from the manifest"}}}}"#
            )
        };
        for (contents, expected, warned) in [
            (None, "from the Procfile", false),
            (Some(manifest(&checksum)), "from the manifest", false),
            (Some(manifest("SHA256:00")), "from the Procfile", true),
            (Some("{}".to_owned()), "from the Procfile", true),
            (Some("no JSON".to_owned()), "from the Procfile", true),
        ] {
            let path = dir.path().join("slug.tgz.json");
            match &contents {
                Some(contents) => fs::write(&path, contents).unwrap(),
                None => assert!(!path.exists()),
            }
            let log = Captured::default();
            let output = Output::to_sink(log.clone(), Format::Text);
            let expected = match expected {
                "from the Procfile" => Declared::ByProcfile(expected.into()),
                web => Declared::ByManifest(BTreeMap::from([("web".to_owned(), web.to_owned())])),
            };
            let declared = read_process_types(&slug, &app_dir, &env, &output).unwrap();
            assert_eq!(declared, expected, "{contents:?}");
            assert_eq!(!log.text().is_empty(), warned, "{contents:?}: {}", log.text());
        }
    }

    #[test]
    fn a_procfile_that_is_no_file_is_not_read_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let read = || {
            let slug = dir.path().join("slug.tgz");
            read_process_types(&slug, dir.path(), &Env::for_tests(&[]), &Output::silent())
        };
        assert_eq!(read().unwrap(), Declared::Nowhere);
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("Procfile")).unwrap();
        assert_eq!(read().unwrap_err().code(), ErrorCode::FileSystem);
    }
}
