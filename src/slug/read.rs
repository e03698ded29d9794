//! Reading a slug, ours or somebody else's: what is in it, entry by entry, in one pass and with bounded memory.
//!
//! The tar crate is used in its raw mode. Left to itself it reads extension records (long names) of any size
//! into memory; it skips what it doesn't know; and it stops at the end of the tar, before the checksum.

mod entry;
mod gunzip;
mod problem;

use std::io::Read;
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType, PaxExtensions};

pub(super) use entry::MAX_DEPTH;
pub(crate) use entry::{EntryKind, SlugEntry};
pub(crate) use gunzip::Checksums;
pub(crate) use problem::{SlugProblem, SlugReadError};

use crate::env::Interrupt;
use entry::{Context, Extensions};
use gunzip::Gunzip;
use problem::fault_error;
pub(crate) use problem::printable;

/// Long names and pax records; real ones have some hundred bytes.
const MAX_EXTENSION: u64 = 1 << 20;

/// Where in the tar file the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In `app/`, as Heroku's API wants it. What is outside is ignored, as Heroku does.
    App,
    /// At the top, as herokuish and other builders write it.
    Flat,
}

/// A slug on disk.
pub(crate) struct SlugReader {
    path: PathBuf,
    layout: Layout,
    interrupt: Interrupt,
    archive: Option<Archive<Gunzip>>,
}

impl SlugReader {
    /// Opens a slug, and finds out where in it the app is.
    #[cfg(test)]
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, SlugReadError> {
        Self::open_interruptible(path, &Interrupt::default())
    }

    /// Opens a slug; all reading fails once the user has asked for the end.
    pub(crate) fn open_interruptible(
        path: impl AsRef<Path>,
        interrupt: &Interrupt,
    ) -> Result<Self, SlugReadError> {
        let path = path.as_ref().to_owned();
        let metadata =
            path.metadata().map_err(|source| SlugReadError::Unreadable { path: path.clone(), source })?;
        if metadata.is_dir() {
            return Err(SlugReadError::Directory { path });
        }
        if !metadata.is_file() {
            return Err(SlugReadError::NotAFile { path });
        }
        let mut reader = Self { path, layout: Layout::Flat, interrupt: interrupt.clone(), archive: None };
        reader.layout = detect_layout(reader.entries()?)?;
        Ok(reader)
    }

    /// Returns where in the tar file the app is.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Starts a pass over the entries. The root directory itself isn't among them. The slug is whole only if
    /// the iterator has come to its end: the checksum is there.
    pub(crate) fn entries(&mut self) -> Result<SlugEntries<'_>, SlugReadError> {
        self.start(false)
    }

    /// Starts a pass over the entries that ends with the checksums of the slug.
    pub(crate) fn entries_with_checksums(&mut self) -> Result<SlugEntries<'_>, SlugReadError> {
        self.start(true)
    }

    fn start(&mut self, hashed: bool) -> Result<SlugEntries<'_>, SlugReadError> {
        let Self { path, layout, interrupt, archive } = self;
        let source =
            Gunzip::open(path, hashed, interrupt).map_err(|fault| fault_error(path, interrupt, fault))?;
        let entries = archive
            .insert(Archive::new(source.clone()))
            .entries()
            .map_err(|source| SlugReadError::Unreadable { path: path.clone(), source })?
            .raw(true);
        let context = Context { path, interrupt, source, last: None };
        Ok(SlugEntries { context, entries, layout: *layout, done: false })
    }
}

/// The app is in `app/` if the first entry is `./app/`, which `tar c ./app` and slugc write, or if all of
/// them are in there. So a slug of slugc is read once, and one with other files at the top nearly once; only
/// `app/` first and nothing else is read twice, as that may be a directory of the app's own.
fn detect_layout(mut entries: SlugEntries<'_>) -> Result<Layout, SlugReadError> {
    let mut count = 0;
    while let Some(entry) = entries.next_anywhere()? {
        let is_dir = entry.kind == EntryKind::Directory;
        if count == 0 && is_dir && entry.raw_name == b"./app/" {
            return Ok(Layout::App);
        }
        count += 1;
        let is_root_or_app = is_dir && matches!(&entry.path[..], b"" | b"app");
        if !is_root_or_app && !entry.path.starts_with(b"app/") {
            return Ok(Layout::Flat);
        }
    }
    Ok(if count > 0 { Layout::App } else { Layout::Flat })
}

/// A pass over the entries of a slug.
pub(crate) struct SlugEntries<'a> {
    context: Context<'a>,
    entries: tar::Entries<'a, Gunzip>,
    layout: Layout,
    done: bool,
}

impl<'a> Iterator for SlugEntries<'a> {
    type Item = Result<SlugEntry<'a>, SlugReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_of_app();
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl<'a> SlugEntries<'a> {
    /// Returns how much of the compressed file was needed so far: exact to a few bytes, as a deflate stream hands out
    /// bytes as soon as it has the bits for them.
    pub(crate) fn compressed_bytes(&self) -> u64 {
        self.context.source.compressed_bytes()
    }

    /// Returns the checksums of the slug: once the pass has come to its end, and if they were wanted.
    pub(crate) fn checksums(&self) -> Option<Checksums> {
        self.context.source.checksums()
    }

    fn next_of_app(&mut self) -> Result<Option<SlugEntry<'a>>, SlugReadError> {
        while let Some(mut entry) = self.next_anywhere()? {
            if self.layout == Layout::App {
                let Some(path) = entry.path.strip_prefix(b"app/") else { continue };
                entry.path = path.to_owned();
                if let EntryKind::HardLink(target) = &mut entry.kind {
                    let Some(inside) = target.strip_prefix(b"app/") else {
                        return Err(self
                            .context
                            .invalid(SlugProblem::UnsafeName { name: printable(target) }));
                    };
                    *target = inside.to_owned();
                }
            }
            if !entry.path.is_empty() {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Returns the next entry, wherever in the archive it is.
    fn next_anywhere(&mut self) -> Result<Option<SlugEntry<'a>>, SlugReadError> {
        let mut extensions = Extensions::default();
        loop {
            let entry = match self.entries.next() {
                None => {
                    self.finish(extensions.any)?;
                    return Ok(None);
                }
                Some(Err(_)) => return Err(self.context.tar_error()),
                Some(Ok(entry)) => entry,
            };
            match entry.header().entry_type() {
                EntryType::GNULongName => extensions.name = Some(self.read_gnu_name(entry)?),
                EntryType::GNULongLink => extensions.link = Some(self.read_gnu_name(entry)?),
                EntryType::XHeader => extensions.pax = self.read_pax(entry)?,
                // What holds for all entries: a comment, as `git archive` writes one.
                EntryType::XGlobalHeader => continue,
                _ => {
                    return self.context.entry(entry, &extensions).map(|entry| {
                        self.context.last = Some(printable(&entry.path));
                        Some(entry)
                    });
                }
            }
            extensions.any = true;
        }
    }

    /// At the end of the tar: it must have its end mark, and what is left of the file must be right.
    fn finish(&self, extension_without_entry: bool) -> Result<(), SlugReadError> {
        if self.context.source.is_at_end() || extension_without_entry {
            let last = self.context.last.clone();
            return Err(self.context.invalid(match last {
                None => SlugProblem::NotTar,
                last => SlugProblem::TarCutOff { last },
            }));
        }
        self.context.source.drain().map_err(|_| self.context.tar_error())
    }

    fn read_gnu_name(&self, entry: tar::Entry<'a, Gunzip>) -> Result<Vec<u8>, SlugReadError> {
        let mut name = self.read_extension(entry)?;
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    fn read_pax(&self, entry: tar::Entry<'a, Gunzip>) -> Result<Vec<u8>, SlugReadError> {
        let records = self.read_extension(entry)?;
        if PaxExtensions::new(&records).any(|record| record.is_err()) {
            return Err(self.context.damaged("it has a pax record that can't be read"));
        }
        Ok(records)
    }

    fn read_extension(&self, entry: tar::Entry<'a, Gunzip>) -> Result<Vec<u8>, SlugReadError> {
        let size = entry.size();
        if size > MAX_EXTENSION {
            return Err(self.context.damaged("it has a name or a record of an absurd length"));
        }
        let mut bytes = Vec::new();
        let mut entry = entry;
        entry.read_to_end(&mut bytes).map_err(|_| self.context.tar_error())?;
        if (bytes.len() as u64) < size {
            let last = self.context.last.clone();
            return Err(self.context.invalid(SlugProblem::TarCutOff { last }));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
pub(crate) mod archives;

#[cfg(test)]
mod tests {
    use super::archives::{TarFile, gzip};
    use super::*;

    type Listed = Vec<(String, String)>;

    fn list(bytes: &[u8]) -> Result<(Layout, Listed), SlugReadError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slug.tgz");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = SlugReader::open(&path)?;
        let layout = reader.layout();
        let mut listed = Vec::new();
        for entry in reader.entries()? {
            let mut entry = entry?;
            let mut content = Vec::new();
            let mut buffer = [0; 1000];
            loop {
                match entry.read_chunk(&mut buffer)? {
                    0 => break,
                    read => content.extend_from_slice(&buffer[..read]),
                }
            }
            let content = match &entry.kind {
                EntryKind::File => String::from_utf8(content).unwrap(),
                other => format!("{other:?}"),
            };
            listed.push((printable(&entry.path), content));
        }
        Ok((layout, listed))
    }

    fn problem(bytes: &[u8]) -> String {
        match list(bytes) {
            Err(SlugReadError::Invalid { problem, .. }) => problem.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn listed(rows: &[(&str, &str)]) -> Listed {
        rows.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
    }

    #[test]
    fn the_app_is_found_wherever_builders_put_it() {
        let app = || listed(&[("a", "Directory"), ("a/b", "text")]);
        let with_app_dir = || listed(&[("app", "Directory"), ("app/x", "text"), ("Procfile", "")]);
        for (what, tar, layout, expected) in [
            (
                "./app/ first",
                TarFile::new().dir("./app/").dir("./app/a/").file("./app/a/b", "text"),
                Layout::App,
                app(),
            ),
            (
                "app/ first",
                TarFile::new().dir("app/").dir("app/a/").file("app/a/b", "text"),
                Layout::App,
                app(),
            ),
            (
                "a root and then app only",
                TarFile::new().dir("./").dir("./app/").dir("./app/a").file("./app/a/b", "text"),
                Layout::App,
                app(),
            ),
            (
                "no directories of its own",
                TarFile::new().dir("app/a").file("app/a/b", "text"),
                Layout::App,
                app(),
            ),
            ("flat with ./", TarFile::new().dir("./").dir("./a/").file("./a/b", "text"), Layout::Flat, app()),
            ("flat", TarFile::new().dir("a/").file("a/b", "text"), Layout::Flat, app()),
            (
                "flat, with an app directory",
                TarFile::new().dir("./").dir("./app/").file("./app/x", "text").file("./Procfile", ""),
                Layout::Flat,
                with_app_dir(),
            ),
            (
                "flat, with an app directory first",
                TarFile::new().dir("app/").file("app/x", "text").file("Procfile", ""),
                Layout::Flat,
                with_app_dir(),
            ),
            (
                "files outside of ./app/ are ignored",
                TarFile::new().dir("./app/").file("./etc/x", "").dir("./app/a").file("./app/a/b", "text"),
                Layout::App,
                app(),
            ),
            (
                "a link called app",
                TarFile::new().symlink("app", "x"),
                Layout::Flat,
                listed(&[("app", "Symlink([120])")]),
            ),
            ("nothing", TarFile::new(), Layout::Flat, vec![]),
        ] {
            let (found, entries) = list(&gzip(&tar.finish())).unwrap();
            assert_eq!((found, entries), (layout, expected), "{what}");
        }
    }

    #[test]
    fn links_and_their_targets_are_read() {
        let tar = TarFile::new()
            .dir("./app/")
            .symlink("./app/s", "/etc/passwd")
            .file("./app/f", "x")
            .hard_link("./app/h", "./app/f");
        let (_, entries) = list(&gzip(&tar.finish())).unwrap();
        let symlink = format!("{:?}", EntryKind::Symlink(b"/etc/passwd".to_vec()));
        let hard_link = format!("{:?}", EntryKind::HardLink(b"f".to_vec()));
        assert_eq!(entries, listed(&[("s", &symlink), ("f", "x"), ("h", &hard_link)]));
    }

    #[test]
    fn long_names_are_read_in_both_formats() {
        let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
        let record = |key: &str, value: &str| {
            let rest = format!(" {key}={value}\n");
            let length = rest.len() + 3;
            format!("{length}{rest}")
        };
        let gnu = TarFile::new()
            .entry(b"././@LongLink", EntryType::GNULongName, b"", None, format!("{long}\0").as_bytes())
            .file("short", "gnu");
        let pax = TarFile::new()
            .entry(b"g", EntryType::XGlobalHeader, b"", None, b"19 comment=whatever")
            .entry(b"x", EntryType::XHeader, b"", None, record("path", &long).as_bytes())
            .file("short", "pax");
        for (tar, content) in [(gnu, "gnu"), (pax, "pax")] {
            assert_eq!(list(&gzip(&tar.finish())).unwrap().1, listed(&[(&long, content)]), "{content}");
        }
    }

    #[test]
    fn names_need_not_be_utf8_and_messages_obey_no_terminal() {
        let tar = TarFile::new().entry(b"\xff\x1b[2J", EntryType::Regular, b"", None, b"");
        assert_eq!(list(&gzip(&tar.finish())).unwrap().1, listed(&[("\u{fffd}\\u{1b}[2J", "")]));
    }

    #[test]
    fn what_is_no_slug_is_named() {
        let tar = || TarFile::new().file("./app/Procfile", &"web: x\n".repeat(1000)).finish();
        let slug = gzip(&tar());
        let (mut bad_crc, mut bad_data) = (slug.clone(), slug.clone());
        let crc = bad_crc.len() - 8;
        bad_crc[crc] ^= 1;
        bad_data[15..60].fill(0xff);
        let no_end = TarFile::new().file("a", "text").0;
        let no_gzip = "The file isn't compressed by gzip";
        let cut = "The file is cut off: the compressed data goes on after its";
        for (what, bytes, expected) in [
            ("empty", vec![], "The file is empty.".to_owned()),
            ("text", b"hello".to_vec(), format!("{no_gzip}.")),
            ("zip", b"PK\x03\x04...".to_vec(), format!("{no_gzip}: it looks like a zip file.")),
            ("html", b"<!DOCTYPE".to_vec(), format!("{no_gzip}: it looks like an HTML or XML page.")),
            ("tar", tar(), format!("{no_gzip}: it looks like a tar file that isn't compressed.")),
            ("two bytes", slug[..2].to_vec(), format!("{cut} 2 bytes.")),
            ("half", slug[..slug.len() / 2].to_vec(), format!("{cut} {} bytes.", slug.len() / 2)),
            (
                "without its last byte",
                slug[..slug.len() - 1].to_vec(),
                format!("{cut} {} bytes.", slug.len() - 1),
            ),
            (
                "bad CRC",
                bad_crc,
                format!(
                    "The compressed data is damaged, in its first {} bytes: corrupt gzip stream does not have a matching checksum.",
                    slug.len()
                ),
            ),
            (
                "bad data",
                bad_data,
                format!(
                    "The compressed data is damaged, in its first {} bytes: corrupt deflate stream.",
                    slug.len()
                ),
            ),
            (
                "something after it",
                [slug.clone(), b"x".to_vec()].concat(),
                "After the compressed data there are bytes that don't belong to it.".to_owned(),
            ),
            ("no tar", gzip(b"hello"), SlugProblem::NotTar.to_string()),
            ("no tar, long", gzip(&b"hello".repeat(1000)), SlugProblem::NotTar.to_string()),
            ("nothing inside", gzip(b""), SlugProblem::NotTar.to_string()),
            ("no end mark", gzip(&no_end), "The tar file in it is cut off after the entry \"a\".".to_owned()),
            (
                "half a file",
                gzip(&tar()[..4096]),
                "The tar file in it is cut off after the entry \"app/Procfile\".".to_owned(),
            ),
            (
                "a second header that is none",
                gzip(&[&no_end[..], &[b'x'; 2048]].concat()),
                "The tar file in it is damaged after the entry \"a\": what follows isn't the header of an entry."
                    .to_owned(),
            ),
        ] {
            let found = match list(&bytes) {
                Err(SlugReadError::Invalid { problem, .. }) => problem.to_string(),
                other => panic!("{what}: {other:?}"),
            };
            // Where in a damaged stream it shows is the decompressor's business.
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn padding_and_further_gzip_members_are_fine() {
        let tar = TarFile::new().file("a", "text").finish();
        let (first, second) = tar.split_at(700);
        let bytes = [gzip(first), gzip(second), vec![0; 1000]].concat();
        assert_eq!(list(&bytes).unwrap().1, listed(&[("a", "text")]));
    }

    #[test]
    fn hostile_entries_are_refused() {
        let regular = |name: &[u8]| TarFile::new().entry(name, EntryType::Regular, b"", None, b"x");
        let outside =
            |name: &str| format!("The entry \"{name}\" would be unpacked outside of the app's directory.");
        let pax = |records: &[u8]| {
            TarFile::new().entry(b"x", EntryType::XHeader, b"", None, records).file("a", "text")
        };
        for (tar, expected) in [
            (regular(b"../x"), outside("../x")),
            (regular(b"a/../../x"), outside("a/../../x")),
            (regular(b"/etc/x"), outside("/etc/x")),
            (regular(b"./app/../../x"), outside("./app/../../x")),
            (TarFile::new().hard_link("a", "../x"), outside("../x")),
            (TarFile::new().hard_link("a", "/etc/passwd"), outside("/etc/passwd")),
            (TarFile::new().dir("./app/").hard_link("./app/a", "etc/x"), outside("etc/x")),
            (pax(b"13 path=../x\n"), outside("../x")),
            (pax(b"15 path=/etc/x\n"), outside("/etc/x")),
            (
                pax(b"13 size=1000\n"),
                "The entry \"a\" is stored in a format that slugs don't have (a size in a pax record).".to_owned(),
            ),
            (
                pax(b"22 GNU.sparse.major=1\n"),
                "The entry \"a\" is stored in a format that slugs don't have (sparse files).".to_owned(),
            ),
            (
                TarFile::new().entry(b"a", EntryType::GNUSparse, b"", None, b""),
                "The entry \"a\" is stored in a format that slugs don't have (sparse files).".to_owned(),
            ),
            (
                pax(b"99 path=x\n"),
                "The tar file in it is damaged at its beginning: it has a pax record that can't be read.".to_owned(),
            ),
            (
                TarFile::new().entry(b"L", EntryType::GNULongName, b"", Some(1 << 40), b""),
                "The tar file in it is damaged at its beginning: it has a name or a record of an absurd length.".to_owned(),
            ),
            (
                TarFile::new().file("a", "").entry(b"L", EntryType::GNULongName, b"", None, b"name"),
                "The tar file in it is cut off after the entry \"a\".".to_owned(),
            ),
            (
                TarFile::new().entry(b"a", EntryType::Regular, b"", Some(1 << 40), b"x"),
                "The tar file in it is cut off after the entry \"a\".".to_owned(),
            ),
            (
                TarFile::new().file("a", "").entry(b"b", EntryType::Regular, b"", Some(u64::MAX), b"x"),
                "The tar file in it is damaged after the entry \"a\": what follows isn't the header of an entry.".to_owned(),
            ),
            (
                TarFile::new()
                    .entry(b"L", EntryType::GNULongName, b"", None, "d/".repeat(1000).as_bytes())
                    .file("a", ""),
                format!("The entry \"{}…\" has a name that is too long.", "d/".repeat(30)),
            ),
        ] {
            assert_eq!(problem(&gzip(&tar.finish())), expected);
        }
    }

    #[test]
    fn what_is_not_a_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let error = SlugReader::open(dir.path()).err().unwrap();
        assert!(matches!(error, SlugReadError::Directory { .. }), "{error:?}");
        let error = SlugReader::open("/dev/null").err().unwrap();
        assert!(matches!(error, SlugReadError::NotAFile { .. }), "{error:?}");
        let error = SlugReader::open(dir.path().join("none")).err().unwrap();
        assert!(matches!(error, SlugReadError::Unreadable { .. }), "{error:?}");
    }

    #[test]
    fn an_interrupt_ends_the_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = TarFile::new().file("a", "text").slug(dir.path());
        let interrupt = Interrupt::default();
        interrupt.set(2);
        let error = SlugReader::open_interruptible(&path, &interrupt).err().unwrap();
        assert!(matches!(error, SlugReadError::Interrupted(_)), "{error:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2000),
            position in 0_usize..1500,
        ) {
            let _ = list(&gzip(&bytes));
            let mut tar = TarFile::new().dir("./app/").symlink("./app/a", "b").file("./app/c", "text").finish();
            let end = (position + bytes.len().min(40)).min(tar.len());
            tar[position..end].copy_from_slice(&bytes[..end - position]);
            let _ = list(&gzip(&tar));
        }
    }
}
