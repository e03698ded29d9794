//! What `slugc inspect` says of a slug, as a value: the text, the JSON and the page are made of it.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::contents::{Content, EntryFacts};
use super::inspection::Inspection;
use super::installed::Installed;
use super::owners::Owner;
use super::removable::{Removable, find_removable};
use super::why::ways;
use crate::python::distribution::Licence;
use crate::slug::Manifest;
use crate::slug::read::Layout;

/// The version of the report's form.
const SCHEMA: u32 = 1;

/// A report about a slug. The fields' names are a promise to scripts. Sizes are in bytes; `compressed` is what
/// something takes in the slug.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this form.
    pub schema: u32,
    /// The slug itself.
    pub slug: SlugFacts,
    /// Its Python.
    pub python: Option<PythonFacts>,
    /// The commands of its process types.
    pub process_types: BTreeMap<String, String>,
    /// What it was made of, as far as that can be told.
    pub layers: Vec<Layer>,
    /// Its distributions, those that take most first.
    pub distributions: Vec<DistributionFacts>,
    /// The directories that take most. One that is nearly all in one directory below isn't listed: that one is.
    pub directories: Vec<PathFacts>,
    /// The files that take most.
    pub files: Vec<PathFacts>,
    /// The files that are there several times, those that waste most first.
    pub duplicates: Vec<Duplicate>,
    /// What the app can't need when it runs, what takes most first.
    pub could_go: Vec<Removable>,
    /// How many entries the lists would have if they were whole.
    pub totals: Totals,
    /// The manifest beside the slug, if it is about this slug.
    pub manifest: Option<Manifest>,
}

/// A slug.
#[derive(Debug, Clone, Serialize)]
pub struct SlugFacts {
    /// Its file.
    pub file: String,
    /// Its length.
    pub size: u64,
    /// The length of the tar file inside.
    pub uncompressed_size: u64,
    /// What the files in it hold.
    pub content_size: u64,
    /// The SHA-256 of the file, as `SHA256:` and hexadecimal digits.
    pub checksum: String,
    /// The SHA-256 of the tar file inside, in the same form: the lasting identity.
    pub tar_checksum: String,
    /// Where in the tar file the app is: `app` or `flat`.
    pub layout: &'static str,
    /// How many files it has.
    pub files: u64,
    /// How many directories.
    pub directories: u64,
    /// How many links.
    pub links: u64,
}

/// The Python in a slug.
#[derive(Debug, Clone, Serialize)]
pub struct PythonFacts {
    /// Its version.
    pub version: String,
    /// Where that was read.
    pub read_from: &'static str,
}

/// What several files take together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// What their content has.
    pub size: u64,
    /// What they take in the slug.
    pub compressed: u64,
    /// How many there are, links included and directories not.
    pub files: u64,
}

/// A part of a slug by what put it there.
#[derive(Debug, Clone, Serialize)]
pub struct Layer {
    /// `runtime`, `dependencies`, `generated` or `app`.
    pub name: &'static str,
    /// What it takes.
    #[serde(flatten)]
    pub sizes: Sizes,
}

/// A distribution.
#[derive(Debug, Clone, Serialize)]
pub struct DistributionFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it takes.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// Its licences: expressions and ids of SPDX, or names.
    pub licences: Vec<String>,
    /// What it is, in a sentence.
    pub summary: Option<String>,
    /// Where its metadata is.
    pub location: String,
    /// Why it is there: ways that begin with it and end with a file of the app's, if one asks for it.
    pub ways: Vec<Vec<String>>,
}

/// A file or directory.
#[derive(Debug, Clone, Serialize)]
pub struct PathFacts {
    /// Its path, relative to the app's root.
    pub path: String,
    /// What it takes.
    #[serde(flatten)]
    pub sizes: Sizes,
}

/// A content that several files have.
#[derive(Debug, Clone, Serialize)]
pub struct Duplicate {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub size: u64,
    /// What all but the biggest of them take in the slug.
    pub wasted: u64,
    /// Where it is.
    pub paths: Vec<String>,
}

/// How long the whole lists are.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Totals {
    /// Directories.
    pub directories: usize,
    /// Files.
    pub files: usize,
    /// Contents that several files have.
    pub duplicates: usize,
    /// What the duplicates waste together.
    pub wasted: u64,
}

impl Sizes {
    pub(super) fn add(&mut self, entry: &EntryFacts) {
        self.size += entry.size;
        self.compressed += entry.compressed;
        self.files += u64::from(entry.content != Content::Directory);
    }
}

/// Makes the report; its lists of paths have at most `top` entries.
pub fn report(inspection: &Inspection, top: usize) -> Report {
    let Inspection { python, process_types, manifest, .. } = inspection;
    let (directories, files, duplicates) =
        (directories(inspection), files(inspection), duplicates(inspection));
    let totals = Totals {
        directories: directories.len(),
        files: files.len(),
        duplicates: duplicates.len(),
        wasted: duplicates.iter().map(|duplicate| duplicate.wasted).sum(),
    };
    Report {
        schema: SCHEMA,
        slug: slug_facts(inspection),
        python: python
            .as_ref()
            .map(|python| PythonFacts { version: python.version.clone(), read_from: python.read_from }),
        process_types: process_types.clone(),
        layers: layers(inspection),
        distributions: distributions(inspection),
        directories: first(directories, top),
        files: first(files, top),
        duplicates: first(duplicates, top),
        could_go: find_removable(inspection),
        totals,
        manifest: manifest.clone(),
    }
}

/// Says what a slug is.
pub(super) fn slug_facts(inspection: &Inspection) -> SlugFacts {
    let contents = &inspection.contents;
    let count =
        |is: fn(&Content) -> bool| contents.entries.iter().filter(|entry| is(&entry.content)).count() as u64;
    SlugFacts {
        file: inspection.slug.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        size: contents.size,
        uncompressed_size: contents.checksums.tar_size,
        content_size: contents.entries.iter().map(|entry| entry.size).sum(),
        checksum: format!("SHA256:{}", contents.checksums.file),
        tar_checksum: format!("SHA256:{}", contents.checksums.tar),
        layout: match contents.layout {
            Layout::App => "app",
            Layout::Flat => "flat",
        },
        files: count(|content| matches!(content, Content::File(_))),
        directories: count(|content| matches!(content, Content::Directory)),
        links: count(|content| matches!(content, Content::Symlink(_) | Content::HardLink(_))),
    }
}

fn first<T>(mut list: Vec<T>, count: usize) -> Vec<T> {
    list.truncate(count);
    list
}

fn layers(inspection: &Inspection) -> Vec<Layer> {
    let mut layers = [
        ("runtime", Sizes::default()),
        ("dependencies", Sizes::default()),
        ("generated", Sizes::default()),
        ("app", Sizes::default()),
    ];
    for (entry, owner) in inspection.contents.entries.iter().zip(&inspection.owners) {
        let number = match owner {
            Owner::Runtime => 0,
            Owner::Distribution(_) => 1,
            Owner::Generated => 2,
            Owner::App => 3,
        };
        layers[number].1.add(entry);
    }
    layers
        .into_iter()
        .filter(|(_, sizes)| sizes.files > 0)
        .map(|(name, sizes)| Layer { name, sizes })
        .collect()
}

/// Adds up what each distribution takes.
pub(super) fn distribution_sizes(inspection: &Inspection) -> Vec<Sizes> {
    let mut sizes = vec![Sizes::default(); inspection.installed.len()];
    for (entry, owner) in inspection.contents.entries.iter().zip(&inspection.owners) {
        if let Owner::Distribution(number) = owner {
            sizes[*number].add(entry);
        }
    }
    sizes
}

fn distributions(inspection: &Inspection) -> Vec<DistributionFacts> {
    let sizes = distribution_sizes(inspection);
    let rows = inspection.installed.iter().zip(sizes).zip(ways(inspection));
    let rows = rows.map(|((found, sizes), ways)| DistributionFacts {
        name: found.distribution.name.clone(),
        version: found.distribution.version.clone(),
        sizes,
        licences: licence_names(found),
        summary: found.distribution.summary.clone(),
        location: found.info.clone(),
        ways,
    });
    let mut rows: Vec<_> = rows.collect();
    // The sort is stable: what takes the same stays in the order of the names.
    rows.sort_by_key(|row| std::cmp::Reverse(row.sizes.compressed));
    rows
}

pub(super) fn licence_names(found: &Installed) -> Vec<String> {
    let name = |licence| match licence {
        Licence::Expression(text) | Licence::Named(text) => text,
        Licence::Id(id) => id.to_owned(),
    };
    found.distribution.licence.licences().into_iter().map(name).collect()
}

fn directories(inspection: &Inspection) -> Vec<PathFacts> {
    let mut all: BTreeMap<&[u8], Sizes> = BTreeMap::new();
    for entry in &inspection.contents.entries {
        if entry.content == Content::Directory {
            all.entry(&entry.path).or_default().add(entry);
        }
        let mut rest = entry.path.as_slice();
        while let Some(slash) = rest.iter().rposition(|byte| *byte == b'/') {
            rest = &rest[..slash];
            all.entry(rest).or_default().add(entry);
        }
    }
    let mut biggest_child: HashMap<&[u8], u64> = HashMap::new();
    for (path, sizes) in &all {
        if let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
            let biggest = biggest_child.entry(&path[..slash]).or_default();
            *biggest = (*biggest).max(sizes.compressed);
        }
    }
    let says_more = |path: &[u8], sizes: &Sizes| {
        biggest_child.get(path).is_none_or(|child| child * 10 < sizes.compressed * 9)
    };
    let rows = all.iter().filter(|(path, sizes)| says_more(path, sizes));
    sorted(rows.map(|(path, sizes)| PathFacts { path: text(path), sizes: *sizes }).collect())
}

fn files(inspection: &Inspection) -> Vec<PathFacts> {
    let files = inspection.contents.entries.iter().filter(|entry| matches!(entry.content, Content::File(_)));
    let facts = |entry: &EntryFacts| {
        let sizes = Sizes { size: entry.size, compressed: entry.compressed, files: 1 };
        PathFacts { path: entry.name(), sizes }
    };
    sorted(files.map(facts).collect())
}

fn sorted(mut rows: Vec<PathFacts>) -> Vec<PathFacts> {
    rows.sort_by(|a, b| b.sizes.compressed.cmp(&a.sizes.compressed).then_with(|| a.path.cmp(&b.path)));
    rows
}

fn duplicates(inspection: &Inspection) -> Vec<Duplicate> {
    let mut by_digest: BTreeMap<[u8; 32], Vec<&EntryFacts>> = BTreeMap::new();
    for entry in inspection.contents.entries.iter().filter(|entry| entry.size > 0) {
        if let Content::File(digest) = &entry.content {
            by_digest.entry(*digest).or_default().push(entry);
        }
    }
    let several = by_digest.into_iter().filter(|(_, entries)| entries.len() > 1);
    let mut duplicates: Vec<Duplicate> = several
        .map(|(digest, entries)| {
            let compressed = entries.iter().map(|entry| entry.compressed);
            Duplicate {
                sha256: hex::encode(digest),
                size: entries[0].size,
                wasted: compressed.clone().sum::<u64>() - compressed.max().unwrap_or(0),
                paths: entries.iter().map(|entry| entry.name()).collect(),
            }
        })
        .collect();
    duplicates.sort_by(|a, b| b.wasted.cmp(&a.wasted).then_with(|| a.paths.cmp(&b.paths)));
    duplicates
}

pub(super) fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
