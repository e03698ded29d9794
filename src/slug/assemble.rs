//! One slug out of several trees: the segments in order, from the store or compressed now, as one gzip member.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::contents::Contents;
use super::deflate::{self, Blob, END_OF_TAR, GZIP_HEADER};
use super::error::{SlugError, TooLarge};
use super::fingerprint::TarHash;
use super::merge::{self, Merged};
use super::segment::{self, Segment};
use super::size::{PartSizes, size_warning};
use super::tree::{EntryKind, Tree};
use crate::env::Env;
use crate::host::files::temp_file_in;
use crate::output::{Event, Output};
use crate::store::Store;

/// What a slug is made of, and how.
pub struct SlugSpec<'a> {
    /// Its trees: a later one wins where two have the same path.
    pub trees: Vec<Tree>,
    /// The time that every entry bears, in seconds since 1970.
    pub mtime: u64,
    /// Where in the tar file the app is.
    pub layout: Layout,
    /// Whether a path is left out; told the path and whether it is a directory or a link to one. A directory
    /// takes what is in it along.
    pub exclude: &'a dyn Fn(&[u8], bool) -> bool,
    /// The size in bytes that the slug may have.
    pub max_size: u64,
    /// How many threads compress.
    pub threads: usize,
    /// Where the slug goes.
    pub output: PathBuf,
    /// Names earlier slugs of the same app in the store.
    pub lineage: String,
}

/// Where in the tar file the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// In `./app/`, as Heroku has it.
    #[default]
    App,
    /// At the top, as `slug import` of other platforms has it.
    Flat,
}

/// A slug that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The SHA-256 of the tar file inside, in hexadecimal: the lasting identity.
    pub tar_sha256: String,
    /// The length of the file in bytes.
    pub size: u64,
    /// The length of the tar file in bytes.
    pub uncompressed_size: u64,
    /// How many files and links are in it.
    pub files: u64,
    /// How many paths matched `exclude`; a directory counts once.
    pub excluded: u64,
    /// What takes how much, the biggest first.
    pub parts: Vec<Part>,
}

/// A part of a slug that a user would know: a distribution, a top-level name of the app, Python.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it takes in the slug, in bytes.
    pub compressed: u64,
    /// What its files hold, in bytes.
    pub size: u64,
    /// How many files and links it has.
    pub files: u64,
}

/// Fails if a slug can't be written there, before any work is done for it.
pub fn check_output(path: &Path) -> Result<(), SlugError> {
    SlugWriter::create(path).map(drop)
}

/// Makes a slug. It appears whole or not at all; one that was there before stays if this fails.
pub fn assemble(spec: &SlugSpec, store: &Store, env: &Env, output: &Output) -> Result<Slug, SlugError> {
    let SlugSpec { trees, mtime, layout, exclude, max_size, threads, output: path, lineage } = spec;
    // First, so that a place that can't be written to doesn't cost the work.
    let mut writer = SlugWriter::create(path)?;

    let (mut entries, excluded) = merge::without(&merge::overlay(trees), *exclude);
    // The app's directory belongs to what follows it, so that it isn't a segment of its own.
    let first_tree = entries.first().map_or(0, |entry| entry.tree);
    entries.insert(0, Merged { path: b"", kind: &EntryKind::Directory, tree: first_tree });
    let segments = segment::cut(&entries, trees, *layout);
    let keys: Vec<String> =
        segments.iter().map(|segment| segment::key(segment, &entries, *layout, *mtime)).collect();

    let mut tar_hash = TarHash::resume(&keys, store, lineage);
    let works = Works {
        contents: Contents::new(trees, &entries, &segments, *layout, *mtime),
        segments: &segments,
        keys: &keys,
        first_unknown: tar_hash.known(),
        store,
        env,
    };
    let bar = output.progress("Compressing", Some(segments.iter().map(|segment| segment.length).sum()));
    let mut parts = PartSizes::default();
    let (mut reused, mut compressed) = (0, 0);
    works.run((*threads).max(1), |number, made| {
        let Made { blob, content, is_new } = made;
        if let Some(content) = content {
            tar_hash.add(&keys[number], &content);
        }
        writer.add(&blob)?;
        parts.add(&segments[number], blob.deflated().len() as u64, &entries, trees);
        *(if is_new { &mut compressed } else { &mut reused }) += 1;
        bar.add(segments[number].length);
        Ok(())
    })?;
    drop(bar);
    output.event(Event::SegmentsAssembled { reused, compressed });

    let tar_sha256 = tar_hash.finish(&END_OF_TAR, store, lineage)?;
    let written = writer.finish()?;
    let parts = parts.into_parts();
    if written.size > *max_size {
        return Err(TooLarge { size: written.size, max: *max_size, parts }.into());
    }
    env.interrupt.check()?;
    let slug = Slug {
        tar_sha256,
        size: written.size,
        uncompressed_size: written.uncompressed_size,
        files: entries.iter().filter(|entry| *entry.kind != EntryKind::Directory).count() as u64,
        excluded,
        parts,
        sha256: written.persist()?,
    };
    if let Some((id, text)) = size_warning(slug.size) {
        output.warning(id, text);
    }
    Ok(slug)
}

/// A segment, ready to be written.
struct Made {
    blob: Blob,
    /// Its uncompressed bytes, where the hash of the tar file needs them.
    content: Option<Vec<u8>>,
    /// Whether it was compressed now.
    is_new: bool,
}

/// The threads that get segments from the store or make them.
struct Works<'a> {
    contents: Contents<'a>,
    segments: &'a [Segment],
    keys: &'a [String],
    first_unknown: usize,
    store: &'a Store,
    env: &'a Env,
}

impl Works<'_> {
    /// Makes all segments on this many threads and hands them over in order.
    ///
    /// At most twice as many as there are threads are under way or waiting for their turn: that, and not the size
    /// of the app, bounds the memory.
    fn run(
        &self,
        threads: usize,
        mut take: impl FnMut(usize, Made) -> Result<(), SlugError>,
    ) -> Result<(), SlugError> {
        let window = 2 * threads;
        let threads = threads.min(self.segments.len());
        let (orders, incoming) = mpsc::channel::<usize>();
        let incoming = Mutex::new(incoming);
        let (finished, results) = mpsc::channel();
        std::thread::scope(|scope| {
            // Moved in, so that it is dropped however this ends: that sends the threads home.
            let orders = orders;
            for _ in 0..threads {
                let (incoming, finished) = (&incoming, finished.clone());
                scope.spawn(move || {
                    loop {
                        let order = incoming.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(number) = order else { return };
                        if finished.send((number, self.make(number))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(finished);
            let order = |number: usize| {
                if number < self.segments.len() {
                    // It fails only if all threads have gone, and then there are no more results either.
                    let _ = orders.send(number);
                }
            };
            (0..window).for_each(order);
            let mut waiting = BTreeMap::new();
            for number in 0..self.segments.len() {
                let made = loop {
                    if let Some(made) = waiting.remove(&number) {
                        break made;
                    }
                    match results.recv() {
                        Ok((number, made)) => waiting.insert(number, made),
                        // A thread that panicked; the scope passes that on.
                        Err(_) => return Ok(()),
                    };
                };
                take(number, made?)?;
                order(number + window);
            }
            Ok(())
        })
    }

    fn make(&self, number: usize) -> Result<Made, SlugError> {
        self.env.interrupt.check()?;
        let (segment, key) = (&self.segments[number], &self.keys[number]);
        let needs_content = number >= self.first_unknown;
        if let Some(blob) = self.store.segment(key).and_then(|bytes| Blob::parse(bytes, segment.length)) {
            let content = needs_content.then(|| deflate::inflate(&blob));
            // One that doesn't decompress is made anew, as if it hadn't been there.
            if content != Some(None) {
                return Ok(Made { blob, content: content.flatten(), is_new: false });
            }
        }
        let content = self.contents.read(segment)?;
        let blob = deflate::compress(&content);
        self.store.put_segment(key, blob.as_bytes())?;
        Ok(Made { blob, content: needs_content.then_some(content), is_new: true })
    }
}

/// The slug's file while it is written, aside.
struct SlugWriter {
    file: NamedTempFile,
    path: PathBuf,
    hasher: Sha256,
    size: u64,
    crc: u32,
    uncompressed_size: u64,
}

impl SlugWriter {
    fn create(path: &Path) -> Result<Self, SlugError> {
        let refused = |source| SlugError::OutputNotWritable { path: path.to_owned(), source };
        refuse_special(path).map_err(refused)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = temp_file_in(dir).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SlugError::Write { path: path.to_owned(), source }
            }
            _ => refused(source),
        })?;
        let mut writer = Self {
            file,
            path: path.to_owned(),
            hasher: Sha256::new(),
            size: 0,
            crc: 0,
            uncompressed_size: 0,
        };
        writer.write(&GZIP_HEADER)?;
        Ok(writer)
    }

    fn failed(&self, source: io::Error) -> SlugError {
        SlugError::Write { path: self.path.clone(), source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SlugError> {
        self.file.as_file_mut().write_all(bytes).map_err(|source| self.failed(source))?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn add(&mut self, blob: &Blob) -> Result<(), SlugError> {
        self.crc = deflate::combine(self.crc, blob.crc(), blob.length());
        self.uncompressed_size += blob.length();
        self.write(blob.deflated())
    }

    /// Ends the gzip member.
    fn finish(mut self) -> Result<Self, SlugError> {
        self.write(&deflate::finish(self.crc, self.uncompressed_size))?;
        self.uncompressed_size += END_OF_TAR.len() as u64;
        Ok(self)
    }

    /// Puts the file in its place and returns its SHA-256.
    fn persist(self) -> Result<String, SlugError> {
        let Self { file, path, hasher, .. } = self;
        let ready = file
            .as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))
            // Else a crash could leave the new name with nothing behind it.
            .and_then(|()| file.as_file().sync_data())
            .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error));
        match ready {
            Ok(()) => Ok(hex::encode(hasher.finalize())),
            Err(source) => Err(SlugError::Write { path, source }),
        }
    }
}

/// Refuses to replace what isn't a file: `-o /dev/null` must not make a file out of the device.
fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it isn't a regular file")),
        _ if path.file_name().is_none() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Ok(()),
    }
}
