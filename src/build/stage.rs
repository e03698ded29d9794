//! Trees that are put together for one build: a copy of the app for requirements that are built from it,
//! and the files that slugc adds to the app.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::context::Context;
use super::layers::Layer;
use crate::app::source::AppSource;
use crate::app::tree::{SourceEntry, SourceKind};
use crate::env::Env;
use crate::error::Result;
use crate::host::files::{self, FileContext};
use crate::output::Event;
use crate::plan::EnvDelta;
use crate::plan::environment::{profile_scripts, render_python_sh};
use crate::slug::known::{KnownFiles, Stamp};
use crate::slug::tree::{Entry, EntryKind, FileToHash, hash_files};

/// What the app's own build leaves beside its sources, and no slug needs.
const BY_PRODUCTS: &[&str] = &["build", "__pycache__", ".pdm-build"];

/// Lists the app's files with their digests, as an index has them.
pub(crate) fn index_app(app: &AppSource, env: &Env) -> Result<Vec<Entry>> {
    let (mut entries, files) = list(app);
    let files: Vec<FileToHash> = files.into_iter().map(|(file, _)| file).collect();
    entries.append(&mut hash_files(&app.root, &files, env)?);
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Does the same, and reads no file that nobody has touched since the last build of this app.
pub(crate) fn index_known_app(app: &AppSource, lineage: &str, context: Context<'_>) -> Result<Vec<Entry>> {
    let Context { store, env, output, .. } = context;
    let (mut entries, files) = list(app);
    let mut known = KnownFiles::of(lineage, store);
    let (mut unchanged, changed) = known.sort_out(files);
    let (stamps, changed): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
    let mut hashed = hash_files(&app.root, &changed, env)?;
    output.event(Event::SourceHashed {
        files: changed.len() as u64,
        bytes: changed.iter().map(|file| file.size).sum(),
        known: unchanged.len() as u64,
    });
    known.keep(stamps.iter().zip(&hashed), store)?;
    entries.append(&mut unchanged);
    entries.append(&mut hashed);
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn list(app: &AppSource) -> (Vec<Entry>, Vec<(FileToHash, Stamp)>) {
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for SourceEntry { path, kind } in &app.tree.entries {
        let path = path.clone();
        match kind {
            SourceKind::File { size, mode, mtime_ns, ctime_ns, inode } => {
                let stamp = Stamp { mtime_ns: *mtime_ns, ctime_ns: *ctime_ns, inode: *inode };
                files.push((FileToHash { path, size: *size, mode: *mode }, stamp));
            }
            SourceKind::Directory => entries.push(Entry { path, kind: EntryKind::Directory }),
            SourceKind::Symlink { target } => {
                entries.push(Entry { path, kind: EntryKind::Symlink { target: target.clone() } });
            }
        }
    }
    (entries, files)
}

/// Copies the app, so that what builds in it doesn't touch the user's directory.
pub(crate) fn copy_app(app: &AppSource, into: &Path) -> Result<()> {
    files::create_dir_all(into)?;
    for SourceEntry { path, kind } in &app.tree.entries {
        let name = Path::new(OsStr::from_bytes(path));
        let (from, to) = (app.root.join(name), into.join(name));
        match kind {
            SourceKind::Directory => files::create_dir_all(&to)?,
            SourceKind::File { .. } => files::copy_file(&from, &to)?,
            SourceKind::Symlink { target } => {
                files::create_symlink(Path::new(OsStr::from_bytes(target)), &to)?;
            }
        }
    }
    Ok(())
}

/// How files get from a layer into a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Copied: what runs there may edit them in place.
    Copy,
    /// By hard links, where the file system allows that: for who can tell when a file of the layer was edited in place.
    Link,
}

/// Puts a layer's files into a directory.
pub(crate) fn put_layer(layer: &Layer, into: &Path, transfer: Transfer, env: &Env) -> Result<()> {
    let tree = layer.tree();
    let place = |entry: &Entry| into.join(OsStr::from_bytes(&entry.path));
    let mut levels: BTreeMap<usize, Vec<PathBuf>> = BTreeMap::new();
    for entry in layer.entries.iter().filter(|entry| entry.kind == EntryKind::Directory) {
        let level = entry.path.iter().filter(|byte| **byte == b'/').count();
        levels.entry(level).or_default().push(place(entry));
    }
    for level in levels.values() {
        level.par_iter().try_for_each(|path| files::create_dir_all(path))?;
    }
    layer.entries.par_iter().try_for_each(|entry| {
        env.interrupt.check()?;
        let to = place(entry);
        match &entry.kind {
            EntryKind::Directory => {}
            EntryKind::File { mode, .. } => {
                let from = tree.join(OsStr::from_bytes(&entry.path));
                match transfer {
                    Transfer::Copy => files::copy_as(&from, &to, *mode)?,
                    Transfer::Link => files::link_as(&from, &to, *mode)?,
                }
            }
            EntryKind::Symlink { target } => {
                files::remove_file(&to)?;
                files::create_symlink(Path::new(OsStr::from_bytes(target)), &to)?;
            }
        }
        Ok(())
    })
}

/// Copies a directory that a step has made. A step that has made none gives an empty one.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    files::create_dir_all(to)?;
    for entry in WalkDir::new(from).min_depth(1).sort_by_file_name().into_iter().flatten() {
        let Ok(relative) = entry.path().strip_prefix(from) else { continue };
        let to = to.join(relative);
        let kind = entry.file_type();
        if kind.is_dir() {
            files::create_dir_all(&to)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path()).doing("reading", entry.path())?;
            files::create_symlink(&target, &to)?;
        } else {
            files::copy_file(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// Moves what building the requirements has added to the copied app (extension modules of editable
/// installs, metadata) into the layer's tree.
pub(crate) fn keep_additions(app: &AppSource, staged: &Path, tree: &Path) -> Result<()> {
    let known: BTreeSet<&[u8]> = app.tree.entries.iter().map(|entry| entry.path.as_slice()).collect();
    let mut walk = WalkDir::new(staged).min_depth(1).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry else { continue };
        let Ok(relative) = entry.path().strip_prefix(staged) else { continue };
        if known.contains(relative.as_os_str().as_bytes()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_dir() {
            if BY_PRODUCTS.contains(&&*name) || name.ends_with(".egg-info") {
                walk.skip_current_dir();
            }
            continue;
        }
        if entry.file_type().is_file() {
            let to = tree.join(relative);
            if let Some(parent) = to.parent() {
                files::create_dir_all(parent)?;
            }
            files::rename(entry.path(), &to)?;
        }
    }
    Ok(())
}

/// Writes what slugc adds to the app: the scripts that set the environment at boot. The app's own `python.sh` is
/// kept and extended.
pub(crate) fn write_generated_files(app: &AppSource, environment: &EnvDelta, into: &Path) -> Result<()> {
    const SCRIPT: &str = ".profile.d/python.sh";
    let mut script = app.read_file(SCRIPT).unwrap_or_default();
    if script.last().is_some_and(|last| *last != b'\n') {
        script.push(b'\n');
    }
    script.extend_from_slice(render_python_sh(environment).as_bytes());
    let directory = into.join(".profile.d");
    files::create_dir_all(&directory)?;
    files::write_atomically(&into.join(SCRIPT), &script)?;
    for (name, contents) in profile_scripts() {
        files::write_atomically(&directory.join(name), contents.as_bytes())?;
    }
    Ok(())
}
