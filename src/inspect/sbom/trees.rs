//! The list of components of a build, out of the indexes of its trees. It is remembered by the digests of the files
//! that it is made of, so that a build without changes reads none of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::render;
use crate::env::{Env, Interrupted};
use crate::host::walk::walk;
use crate::inspect::installed::{SBOM_PATH, find_installed, is_metadata};
use crate::slug::SlugError;
use crate::slug::tree::{EntryKind, Tree, open_file};
use crate::store::Store;

/// Changes whenever the same files give another list.
const FORM: &str = "sbom 1";

/// What a list of components is made of.
pub(crate) struct TreesSbom<'a> {
    /// The trees of the slug: a later one wins where two have the same path.
    pub trees: &'a [Tree],
    /// Whether a path is left out of the slug; told the path and whether it is a directory.
    pub exclude: &'a dyn Fn(&[u8], bool) -> bool,
    /// The version of Python.
    pub python: &'a str,
    /// What the kernel calls the processor.
    pub machine: &'a str,
    /// Names the app among others in the store.
    pub lineage: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    key: String,
    text: String,
}

/// Returns the list of components: the remembered one, or a new one.
pub(crate) fn sbom_of_trees(spec: &TreesSbom<'_>, store: &Store) -> Result<String, SlugError> {
    let TreesSbom { python, machine, lineage, .. } = spec;
    let sources = sources(spec);
    let key = key(&sources, python, machine);
    if let Some(remembered) = store.document::<Remembered>("sbom", lineage)
        && remembered.key == key
    {
        return Ok(remembered.text);
    }
    let mut metadata = BTreeMap::new();
    for (path, source) in &sources {
        metadata.insert((*path).to_owned(), source.read(path)?);
    }
    let text = render(&find_installed(&metadata), Some(python), machine);
    store.put_document("sbom", lineage, &Remembered { key, text: text.clone() })?;
    Ok(text)
}

/// Lists what is installed in a directory, which stands for the app's root. What can't be read isn't listed.
pub(crate) fn sbom_of_directory(
    root: &Path,
    python: &str,
    machine: &str,
    env: &Env,
) -> Result<String, Interrupted> {
    let visit = |found: &DirEntry, relative: &Path| {
        env.interrupt.check()?;
        let is_file = || found.file_type().is_ok_and(|kind| kind.is_file());
        let path = relative.to_str().filter(|path| is_source(path) && is_file());
        Ok(path.and_then(|path| Some((path.to_owned(), std::fs::read(found.path()).ok()?))))
    };
    let metadata: BTreeMap<String, Vec<u8>> = walk(root, &visit, &|_, _| Ok(()))?.into_iter().collect();
    Ok(render(&find_installed(&metadata), Some(python), machine))
}

struct Source<'a> {
    tree: &'a Tree,
    digest: &'a [u8; 32],
}

impl Source<'_> {
    /// Reads the file, which has to be what it was when it was indexed.
    fn read(&self, path: &str) -> Result<Vec<u8>, SlugError> {
        let Self { tree, digest } = self;
        let file = tree.root.join(Path::new(OsStr::from_bytes(path.as_bytes())));
        let mut bytes = Vec::new();
        let read = open_file(&file).and_then(|mut file| file.read_to_end(&mut bytes));
        if read.is_ok() && Sha256::digest(&bytes)[..] == digest[..] {
            return Ok(bytes);
        }
        Err(SlugError::Changed { path: file, origin: tree.origin, tree: tree.name.clone() })
    }
}

/// The files that say what is installed, as they will be in the slug.
fn sources<'a>(spec: &TreesSbom<'a>) -> BTreeMap<&'a str, Source<'a>> {
    let mut sources = BTreeMap::new();
    for tree in spec.trees {
        for entry in &tree.entries {
            let Some(path) = std::str::from_utf8(&entry.path).ok().filter(|path| is_source(path)) else {
                continue;
            };
            match &entry.kind {
                EntryKind::File { digest, .. } => sources.insert(path, Source { tree, digest }),
                _ => sources.remove(path),
            };
        }
    }
    sources.retain(|path, _| !is_excluded(path.as_bytes(), spec.exclude));
    sources
}

/// What `is_metadata` names beside has no part in the list; its own earlier self least of all.
fn is_source(path: &str) -> bool {
    is_metadata(path) && path != SBOM_PATH && path != "Procfile" && !path.ends_with("/patchlevel.h")
}

fn is_excluded(path: &[u8], exclude: &dyn Fn(&[u8], bool) -> bool) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index);
    slashes.into_iter().any(|slash| exclude(&path[..slash], true)) || exclude(path, false)
}

fn key(sources: &BTreeMap<&str, Source<'_>>, python: &str, machine: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{FORM}\0{python}\0{machine}\0"));
    for (path, Source { digest, .. }) in sources {
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update(digest);
    }
    hex::encode(hash.finalize())
}
