//! Trees that are put together for one build: a copy of the app for requirements that are built from it,
//! and the files that slugc adds to the app.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use walkdir::WalkDir;

use super::layers::Layer;
use crate::app::source::AppSource;
use crate::app::tree::{SourceEntry, SourceKind};
use crate::env::Env;
use crate::error::Result;
use crate::host::files;
use crate::plan::EnvDelta;
use crate::plan::environment::{profile_scripts, render_python_sh};
use crate::slug::tree::{Entry, EntryKind, FileToHash, hash_files, index_directory};

/// What the app's own build leaves beside its sources, and no slug needs.
const BY_PRODUCTS: &[&str] = &["build", "__pycache__", ".pdm-build"];

/// Lists the app's files with their digests, as an index has them.
pub fn index_app(app: &AppSource, env: &Env) -> Result<Vec<Entry>> {
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for SourceEntry { path, kind } in &app.tree.entries {
        let path = path.clone();
        match kind {
            SourceKind::File { size, mode, .. } => files.push(FileToHash { path, size: *size, mode: *mode }),
            SourceKind::Directory => entries.push(Entry { path, kind: EntryKind::Directory }),
            SourceKind::Symlink { target } => {
                entries.push(Entry { path, kind: EntryKind::Symlink { target: target.clone() } });
            }
        }
    }
    entries.append(&mut hash_files(&app.root, &files, env)?);
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Copies the app, so that what builds in it doesn't touch the user's directory.
pub fn copy_app(app: &AppSource, into: &Path) -> Result<()> {
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

/// Copies a layer into a directory. Not by hard links: what runs there may edit the files in place.
pub fn copy_layer(layer: &Layer, into: &Path, env: &Env) -> Result<()> {
    let tree = layer.tree();
    for entry in &layer.entries {
        env.interrupt.check()?;
        let relative = Path::new(OsStr::from_bytes(&entry.path));
        let to = into.join(relative);
        match &entry.kind {
            EntryKind::Directory => files::create_dir_all(&to)?,
            EntryKind::File { mode, .. } => {
                // Copying would follow a link of an earlier layer.
                files::remove_file(&to)?;
                files::copy_file(&tree.join(relative), &to)?;
                files::set_mode(&to, *mode)?;
            }
            EntryKind::Symlink { target } => {
                files::remove_file(&to)?;
                files::create_symlink(Path::new(OsStr::from_bytes(target)), &to)?;
            }
        }
    }
    Ok(())
}

/// How a directory differs from what was put there.
pub struct Difference {
    /// What is gone or has changed, with the bytecode of what has.
    pub removed: BTreeSet<Vec<u8>>,
}

/// Moves what is new or has changed in a directory into a tree of its own, and tells what isn't there any more.
/// New bytecode that depends on times is left behind: the times in a slug are others.
pub fn keep_changes(
    before: &BTreeMap<&[u8], &EntryKind>,
    staged: &Path,
    tree: &Path,
    env: &Env,
) -> Result<Difference> {
    let mut gone: BTreeSet<&[u8]> = before.keys().copied().collect();
    let after = index_directory(staged, env)?;
    for Entry { path, kind } in &after {
        if before.get(path.as_slice()) == Some(&kind) {
            gone.remove(path.as_slice());
            continue;
        }
        let relative = Path::new(OsStr::from_bytes(path));
        let (from, to) = (staged.join(relative), tree.join(relative));
        if is_timestamped_bytecode(&from) {
            continue;
        }
        if let Some(parent) = to.parent() {
            files::create_dir_all(parent)?;
        }
        match kind {
            EntryKind::Directory => files::create_dir_all(&to)?,
            EntryKind::File { .. } => files::rename(&from, &to)?,
            EntryKind::Symlink { target } => {
                files::create_symlink(Path::new(OsStr::from_bytes(target)), &to)?;
            }
        }
    }
    // Python doesn't check the bytecode of layers against its source.
    let stale: Vec<&[u8]> = gone.iter().flat_map(|path| bytecode_of(path, before)).collect();
    gone.extend(stale);
    Ok(Difference { removed: gone.into_iter().map(<[u8]>::to_vec).collect() })
}

fn bytecode_of<'a>(path: &[u8], before: &BTreeMap<&'a [u8], &EntryKind>) -> Vec<&'a [u8]> {
    let Some(stem) = path.strip_suffix(b"py") else { return Vec::new() };
    let name = stem.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let prefix = [&stem[..name], b"__pycache__/", &stem[name..]].concat();
    before
        .range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded))
        .map(|(path, _)| *path)
        .take_while(|path| path.starts_with(&prefix))
        .collect()
}

/// The second word of a `.pyc` says by what it is checked: 0 is the source's time.
fn is_timestamped_bytecode(path: &Path) -> bool {
    let mut start = [0; 8];
    path.extension().is_some_and(|extension| extension == "pyc")
        && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start[4..] == [0; 4]
}

/// Moves what building the requirements has added to the copied app (extension modules of editable
/// installs, metadata) into the layer's tree.
pub fn keep_additions(app: &AppSource, staged: &Path, tree: &Path) -> Result<()> {
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
pub fn write_generated_files(app: &AppSource, environment: &EnvDelta, into: &Path) -> Result<()> {
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
