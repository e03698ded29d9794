//! What slugc wrote into the app's directory isn't a part of the app: slugs and their manifests, reports, lists of
//! components, packages; under whatever names.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::names::{printable, shortened};
use crate::app::source::AppSource;
use crate::app::tree::{SourceEntry, SourceKind};
use crate::host::clock;
use crate::host::scratch::is_scratch_name;
use crate::inspect::made::{HEAD, Written, begins_as_slug};
use crate::output::Output;
use crate::slug::manifest::{is_manifest_of, manifest_path, manifest_paths};
use crate::store::Store;

/// The kind of the store's documents: which files were looked into, and whether they are slugc's.
const KIND: &str = "own_output";

/// What a file is by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Beginning {
    /// Something that slugc has written.
    Ours,
    /// A slug; whether slugc has made it, only a manifest says.
    Slug,
    /// Anything else.
    Other,
}

/// The endings of names that are looked into; and names without any.
const ENDINGS: &[&[u8]] = &[
    b"html",
    b"htm",
    b"json",
    b"cdx",
    b"bom",
    b"sbom",
    b"tgz",
    b"gz",
    b"tar",
    b"buildpack",
    b"1",
    b"slug",
    b"old",
    b"bak",
];

/// The coarsest clock of a file system, FAT's, counts every two seconds.
const COARSEST_NS: i128 = 2_000_000_000;

/// How many names are told.
const SHOWN: usize = 5;

/// Leaves out of the app what slugc has written, and tells which files that are; but for what this build replaces.
pub(super) fn leave_out_own_output(
    app: &mut AppSource,
    source: &Path,
    slug: &Path,
    (lineage, store): (&str, &Store),
    output: &Output,
) {
    let mut own = slugs_of_ours(app);
    for (path, beginning) in look_into_files(app, lineage, store) {
        match beginning {
            Beginning::Ours => drop(own.insert(path)),
            Beginning::Slug if !own.contains(&path) => app.slugs.push(printable(&path)),
            Beginning::Slug | Beginning::Other => {}
        }
    }
    let replaced: BTreeSet<Vec<u8>> = [slug.to_owned(), manifest_path(slug)]
        .iter()
        .filter_map(|path: &PathBuf| path.strip_prefix(source).ok())
        .map(|relative| relative.as_os_str().as_bytes().to_owned())
        .collect();
    tell(own.difference(&replaced), output);
    app.slugs.retain(|name| !replaced.iter().any(|path| printable(path) == *name));
    own.extend(replaced);
    // Nor is one that another build is writing there.
    let is_own = |path: &[u8]| {
        own.contains(path) || Path::new(OsStr::from_bytes(path)).file_name().is_some_and(is_scratch_name)
    };
    app.tree.entries.retain(|entry| matches!(entry.kind, SourceKind::Directory) || !is_own(&entry.path));
    app.names.retain(|name| !is_own(name));
}

fn tell<'a>(own: impl Iterator<Item = &'a Vec<u8>>, output: &Output) {
    let names: Vec<String> = own.map(|path| printable(path)).collect();
    if !names.is_empty() {
        output.detail(format!("Left out, as slugc wrote it: {}", shortened(&names, SHOWN)));
    }
}

/// Finds the slugs that slugc has made, under whatever names, and their manifests. A slug is known by its manifest, which
/// is of its size; only JSON files that stand beside one of the right name are read.
fn slugs_of_ours(app: &AppSource) -> BTreeSet<Vec<u8>> {
    let entries = &app.tree.entries;
    let on_disk = |path: &[u8]| app.root.join(OsStr::from_bytes(path));
    let mut own = BTreeSet::new();
    for manifest in entries.iter().filter(|entry| is_file(entry)) {
        let manifest = manifest.path.as_slice();
        let Some(stem) = manifest.strip_suffix(b".json") else { continue };
        // Sorted by their paths: those that begin alike are neighbours.
        let beginning = |start: &[u8]| {
            let from = entries.partition_point(|entry| entry.path.as_slice() < start);
            let start = start.to_vec();
            entries[from..].iter().take_while(move |entry| entry.path.starts_with(&start))
        };
        let same = beginning(stem).take(1).filter(|entry| entry.path == stem);
        let longer = beginning(&[stem, b"."].concat());
        let slugs =
            same.chain(longer).filter(|entry| is_file(entry) && entry.path != manifest).filter(|entry| {
                let places = manifest_paths(Path::new(OsStr::from_bytes(&entry.path)));
                places.iter().any(|place| place.as_os_str().as_bytes() == manifest)
            });
        for slug in slugs.filter(|slug| is_manifest_of(&on_disk(manifest), &on_disk(&slug.path))) {
            own.extend([slug.path.clone(), manifest.to_vec()]);
        }
    }
    own
}

fn is_file(entry: &SourceEntry) -> bool {
    matches!(entry.kind, SourceKind::File { .. })
}

/// Looks into the other files that slugc may have written. One that nobody has touched since the last build isn't read
/// again.
fn look_into_files(app: &AppSource, lineage: &str, store: &Store) -> Vec<(Vec<u8>, Beginning)> {
    let last: BTreeMap<String, Beginning> = store.document(KIND, lineage).unwrap_or_default();
    let settled_ns = i128::from(clock::unix_seconds()) * 1_000_000_000 - COARSEST_NS;
    let (mut found, mut known) = (Vec::new(), BTreeMap::new());
    // One for all: between what is kept for each file, one for each would leave holes that add up to all of them.
    let mut head = Vec::new();
    for entry in &app.tree.entries {
        let SourceKind::File { size, mtime_ns, ctime_ns, inode, .. } = &entry.kind else { continue };
        if *size == 0 || !is_candidate(&entry.path) {
            continue;
        }
        let stamp = format!("{size} {mtime_ns} {ctime_ns} {inode} {}", hex::encode(&entry.path));
        let beginning = last
            .get(&stamp)
            .copied()
            .unwrap_or_else(|| read_beginning(&app.root.join(OsStr::from_bytes(&entry.path)), &mut head));
        found.push((entry.path.clone(), beginning));
        // What was touched a moment ago may be touched again without another time.
        if *mtime_ns.max(ctime_ns) < settled_ns {
            known.insert(stamp, beginning);
        }
    }
    if known != last {
        // Without it, the next build reads them again.
        let _ = store.put_document(KIND, lineage, &known);
    }
    found
}

fn is_candidate(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let ending = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
    ending.is_none_or(|ending| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

fn read_beginning(path: &Path, head: &mut Vec<u8>) -> Beginning {
    head.clear();
    match File::open(path).and_then(|file| file.take(HEAD).read_to_end(head)) {
        Ok(_) if Written::of(head).is_some() => Beginning::Ours,
        Ok(_) if begins_as_slug(head) => Beginning::Slug,
        _ => Beginning::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::app::source::read_source;
    use crate::env::Env;

    fn write(dir: &Path, name: &str, contents: &[u8]) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Reads the app, and leaves out what a build to `slug.tgz` beside its files would.
    fn read(dir: &Path, store: &Store) -> AppSource {
        let env = Env::for_tests(&[]);
        let mut app = read_source(dir, &BTreeSet::new(), &env.interrupt).unwrap();
        leave_out_own_output(&mut app, dir, &dir.join("slug.tgz"), ("app", store), &Output::silent());
        app
    }

    // B02
    #[test]
    fn what_slugc_wrote_is_left_out_and_what_looks_like_it_stays() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(other.path()).unwrap();
        let page = "<!DOCTYPE html>\n<head>\n<meta name=\"generator\" content=\"slugc\">\n";
        let components = "{\"bomFormat\": \"CycloneDX\", \"metadata\": {\"tools\": {\"components\": [\n\
                          {\"type\": \"application\", \"name\": \"slugc\"}]}}}";
        let rows = [
            ("report.html", page, false),
            ("docs/report", page, false),
            ("templates/page.HTML", page, false),
            ("sbom.json", components, false),
            ("bom.cdx", components, false),
            ("man/slugc.1", ".ie \\n(.g\n.TH slugc 1\n", false),
            ("index.html", "<!DOCTYPE html>\n", true),
            ("others.json", "{\"bomFormat\": \"CycloneDX\", \"serialNumber\": \"urn:uuid:1\"}", true),
            ("app.json", "{\"name\": \"slugc\"}", true),
            ("notes.py", page, true),
        ];
        rows.iter().for_each(|(name, contents, _)| write(dir.path(), name, contents.as_bytes()));
        // The second time, from what the first has remembered or not.
        for _ in 0..2 {
            let app = read(dir.path(), &store);
            for (name, _, expected) in rows {
                assert_eq!(app.tree.find(name.as_bytes()).is_some(), expected, "{name}");
            }
        }
    }

    // B02: whose slug it is, only a manifest says.
    #[test]
    fn a_slug_without_its_manifest_is_found_and_stays() {
        let archive = |names: &[&str]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            for name in names {
                let mut header = [0_u8; 512];
                header[..name.len()].copy_from_slice(name.as_bytes());
                encoder.write_all(&header).unwrap();
            }
            encoder.finish().unwrap()
        };
        let slug =
            archive(&["./app/", "./app/.heroku/", "./app/.heroku/python/", "./app/.heroku/python/bin/"]);
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(other.path()).unwrap();
        for (name, contents) in [
            ("old.tgz", &slug),
            ("backup/old.tgz.bak", &slug),
            ("flat.tar.gz", &archive(&["./.heroku/", "./.heroku/python/"])),
            ("slug.tgz", &slug),
            ("data.tgz", &archive(&["./app/", "./app/data.csv"])),
            ("python.tgz", &archive(&["app/.heroku/python/"])),
            ("empty.tgz", &Vec::new()),
        ] {
            write(dir.path(), name, contents);
        }
        for _ in 0..2 {
            let app = read(dir.path(), &store);
            assert_eq!(app.slugs, ["backup/old.tgz.bak", "flat.tar.gz", "old.tgz"]);
            assert!(app.tree.find(b"old.tgz").is_some());
        }
    }
}
