//! One pass over a slug: every entry with its sizes and its digest, and the content of the few files that say what
//! the others are. Memory grows with the number of entries, not with their bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::installed::is_metadata;
use super::removable::{Mentions, Scanner};
use crate::env::Env;
use crate::error::NoticeCode;
use crate::output::Output;
use crate::python::asked::is_asking_file;
use crate::slug::read::{Checksums, EntryKind, Layout, SlugEntry, SlugReadError, SlugReader};

/// How many bytes of a file are read at once.
const READ: usize = 128 << 10;

/// A longer file isn't kept, whatever its name.
const LONGEST_KEPT: u64 = 16 << 20;

/// No more is kept of all of them together.
const MOST_KEPT: u64 = 64 << 20;

/// What a slug holds.
#[derive(Debug)]
pub struct Contents {
    /// Where in the tar file the app is.
    pub layout: Layout,
    /// The length of the slug in bytes.
    pub size: u64,
    /// What it is known by.
    pub checksums: Checksums,
    /// Its entries, sorted by path. Of entries with the same path the last counts, as when they are unpacked.
    pub entries: Vec<EntryFacts>,
    /// The files that say what the others are, by path.
    pub metadata: BTreeMap<String, Vec<u8>>,
    /// The files that say what packages the app asks for, by path.
    pub(super) asking: BTreeMap<String, Vec<u8>>,
    /// What its files name.
    pub(super) mentions: Mentions,
}

/// An entry of a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFacts {
    /// Its path, relative to the app's root.
    pub path: Vec<u8>,
    /// What it is.
    pub content: Content,
    /// The bytes of its content.
    pub size: u64,
    /// What it takes in the slug, its header included. Exact to some bytes; a file that repeats what stands shortly
    /// before it takes little.
    pub compressed: u64,
    /// Its permission bits.
    pub mode: u32,
    /// When it was changed last, in seconds since 1970.
    pub mtime: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file, by the SHA-256 of its content.
    File([u8; 32]),
    /// A directory.
    Directory,
    /// A symbolic link, by its target.
    Symlink(Vec<u8>),
    /// Another name of a file.
    HardLink(Vec<u8>),
    /// A device or the like.
    Other,
}

impl EntryFacts {
    /// Returns its path as text, with what can't be shown replaced.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

/// Reads a slug once, from its beginning to its end.
pub(super) fn read_contents(slug: &Path, env: &Env, output: &Output) -> Result<Contents, SlugReadError> {
    let mut reader = SlugReader::open_interruptible(slug, &env.interrupt)?;
    let layout = reader.layout();
    let size = slug.metadata().map_or(0, |metadata| metadata.len());
    let progress = output.progress("Reading", Some(size));
    let mut entries = reader.entries_with_checksums()?;
    let mut pass = Pass { buffer: vec![0; READ], ..Pass::default() };
    let mut before = 0;
    while let Some(entry) = entries.next() {
        let mut facts = pass.read(entry?)?;
        let now = entries.compressed_bytes();
        facts.compressed = now.saturating_sub(before);
        progress.add(facts.compressed);
        before = now;
        pass.add(facts);
    }
    let checksums = entries.checksums().expect("a pass that has come to its end has checksums");
    let Pass { entries: mut found, metadata, asking, mentions, left_out, .. } = pass;
    if left_out > 0 {
        output.warning(
            NoticeCode::InspectMetadataTooLarge,
            format!("{left_out} files with metadata are larger than metadata is, and weren't read. Their distributions may be missing here."),
        );
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(Contents { layout, size, checksums, entries: found, metadata, asking, mentions })
}

/// What was found so far.
#[derive(Default)]
struct Pass {
    entries: Vec<EntryFacts>,
    places: HashMap<Vec<u8>, usize>,
    metadata: BTreeMap<String, Vec<u8>>,
    asking: BTreeMap<String, Vec<u8>>,
    mentions: Mentions,
    kept: u64,
    left_out: u64,
    buffer: Vec<u8>,
}

impl Pass {
    /// Reads an entry to its end.
    fn read(&mut self, mut entry: SlugEntry<'_>) -> Result<EntryFacts, SlugReadError> {
        let content = match &entry.kind {
            EntryKind::File => Content::File(self.read_file(&mut entry)?),
            EntryKind::Directory => Content::Directory,
            EntryKind::Symlink(target) => Content::Symlink(target.clone()),
            EntryKind::HardLink(target) => Content::HardLink(target.clone()),
            EntryKind::Other(_) => Content::Other,
        };
        let SlugEntry { path, size, mode, mtime, .. } = entry;
        Ok(EntryFacts { path, content, size, compressed: 0, mode: mode & 0o7777, mtime })
    }

    fn read_file(&mut self, entry: &mut SlugEntry<'_>) -> Result<[u8; 32], SlugReadError> {
        let is_kept = |path: &&str| is_metadata(path) || is_asking_file(path);
        let name = std::str::from_utf8(&entry.path).ok().filter(is_kept).map(str::to_owned);
        let fits = entry.size <= LONGEST_KEPT && self.kept + entry.size <= MOST_KEPT;
        self.left_out += u64::from(name.is_some() && !fits);
        let mut kept = name.filter(|_| fits).map(|name| (name, Vec::new()));
        let mut scanner = Scanner::of(&entry.path);
        let mut hash = Sha256::new();
        loop {
            let read = entry.read_chunk(&mut self.buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&self.buffer[..read]);
            if let Some(scanner) = &mut scanner {
                scanner.feed(&self.buffer[..read]);
            }
            if let Some((_, bytes)) = &mut kept {
                bytes.extend_from_slice(&self.buffer[..read]);
            }
        }
        // Of entries with the same path the last counts.
        match scanner.map(Scanner::finish).filter(|found| !found.is_empty()) {
            Some(found) => drop(self.mentions.insert(entry.path.clone(), found)),
            None => drop(self.mentions.remove(&entry.path)),
        }
        if let Some((name, bytes)) = kept {
            self.kept += bytes.len() as u64;
            match is_metadata(&name) {
                true => self.metadata.insert(name, bytes),
                false => self.asking.insert(name, bytes),
            };
        }
        Ok(hash.finalize().into())
    }

    /// Adds an entry; what an earlier one of the same path took counts with it.
    fn add(&mut self, mut facts: EntryFacts) {
        match self.places.get(&facts.path) {
            Some(place) => {
                let earlier = &mut self.entries[*place];
                facts.compressed += earlier.compressed;
                *earlier = facts;
            }
            None => {
                self.places.insert(facts.path.clone(), self.entries.len());
                self.entries.push(facts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slug::read::archives::{TarFile, gzip};

    fn read(tar: TarFile) -> Contents {
        let dir = tempfile::tempdir().unwrap();
        read_contents(&tar.slug(dir.path()), &Env::for_tests(&[]), &Output::silent()).unwrap()
    }

    #[test]
    fn every_entry_is_there_once_with_its_sizes() {
        let noise: String = (0..20_000u32)
            .map(|n| char::from(33 + (n.wrapping_mul(n ^ 2_654_435_761) >> 13) as u8 % 90))
            .collect();
        let tar = TarFile::new()
            .dir("./app/")
            .file("./app/noise", &noise)
            .file("./app/flat", &"a".repeat(200_000))
            .file("./app/twice", "first")
            .symlink("./app/link", "flat")
            .hard_link("./app/other", "./app/flat")
            .file("./app/twice", "second");
        let contents = read(tar);
        let row = |name: &str| contents.entries.iter().find(|entry| entry.path == name.as_bytes()).unwrap();
        let names: Vec<String> = contents.entries.iter().map(EntryFacts::name).collect();
        assert_eq!(names, ["flat", "link", "noise", "other", "twice"]);
        assert_eq!(row("twice").content, Content::File(Sha256::digest(b"second").into()));
        assert_eq!(row("link").content, Content::Symlink(b"flat".to_vec()));
        assert_eq!(row("other").content, Content::HardLink(b"flat".to_vec()));
        assert_eq!((row("noise").size, row("flat").size), (20_000, 200_000));
        assert!(row("noise").compressed > 10_000, "{}", row("noise").compressed);
        assert!(row("flat").compressed < 2_000, "{}", row("flat").compressed);
        let sum: u64 = contents.entries.iter().map(|entry| entry.compressed).sum();
        assert!(sum <= contents.size && contents.size - sum < 200, "{sum} of {}", contents.size);
    }

    #[test]
    fn the_checksums_are_those_of_the_file_and_of_the_tar() {
        let dir = tempfile::tempdir().unwrap();
        let tar = TarFile::new().dir("./app/").file("./app/x", "x").finish();
        let path = dir.path().join("slug.tgz");
        let bytes = gzip(&tar);
        std::fs::write(&path, &bytes).unwrap();
        let contents = read_contents(&path, &Env::for_tests(&[]), &Output::silent()).unwrap();
        assert_eq!(contents.checksums.file, hex::encode(Sha256::digest(&bytes)));
        assert_eq!(contents.checksums.tar, hex::encode(Sha256::digest(&tar)));
        assert_eq!(contents.checksums.tar_size, tar.len() as u64);
        assert_eq!(contents.size, bytes.len() as u64);
    }

    #[test]
    fn only_metadata_is_kept() {
        let info = "./app/lib/site-packages/x-1.dist-info";
        let contents = read(
            TarFile::new()
                .dir("./app/")
                .file(&format!("{info}/METADATA"), "Name: x")
                .file(&format!("{info}/LICENSE"), "text")
                .file("./app/Procfile", "web: x")
                .file("./app/docs/Procfile", "web: y"),
        );
        let kept: Vec<&String> = contents.metadata.keys().collect();
        assert_eq!(kept, ["Procfile", "lib/site-packages/x-1.dist-info/METADATA"]);
    }
}
