//! What the app's own programs (hooks, collectstatic, NLTK) made of a directory: found by comparing it with what was
//! put there, and made to run anywhere, as what slugc itself installs does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use regex::bytes::Regex;
use walkdir::WalkDir;

use super::bytecode::compile_bytecode;
use super::context::Context;
use super::execute::Built;
use super::layers::Layer;
use super::normalise::{BuildPlaces, normalise};
use super::python::Python;
use crate::env::Env;
use crate::error::{NoticeCode, Result};
use crate::host::files::{self, FileError, is_within};
use crate::output::Output;
use crate::slug::tree::{Entry, EntryKind, index_directory};

/// Where Python and its packages are, in the app's directory.
const INSTALLED: &[u8] = b".heroku/python/";

/// How a directory differs from what was put there.
pub(crate) struct Changes {
    /// What is new or has another content.
    pub changed: Vec<Entry>,
    /// What is gone or has another content, with the bytecode of it.
    pub removed: BTreeSet<Vec<u8>>,
    /// New bytecode that depends on times. It isn't among what is new: the times in a slug are others.
    pub timestamped: Vec<Vec<u8>>,
}

/// Returns what was put into a directory, by path; what comes later lies over what came before.
pub(crate) fn entries_before<'a>(
    layers: &'a [Layer],
    app_entries: &'a [Entry],
) -> BTreeMap<&'a [u8], &'a EntryKind> {
    let entries = layers.iter().flat_map(|layer| &layer.entries).chain(app_entries);
    entries.map(|entry| (entry.path.as_slice(), &entry.kind)).collect()
}

/// Compares a directory with what was put there.
pub(crate) fn find_changes(before: &BTreeMap<&[u8], &EntryKind>, dir: &Path, env: &Env) -> Result<Changes> {
    let mut gone: BTreeSet<&[u8]> = before.keys().copied().collect();
    let after = index_directory(dir, env)?;
    let (mut changed, mut timestamped) = (Vec::new(), Vec::new());
    for entry in &after {
        if before.get(entry.path.as_slice()) == Some(&&entry.kind) {
            gone.remove(entry.path.as_slice());
        } else if is_timestamped_bytecode(&place(dir, &entry.path)) {
            timestamped.push(entry.path.clone());
        } else {
            changed.push(entry.clone());
        }
    }
    // Python doesn't check the bytecode of layers against its source.
    let stale: Vec<&[u8]> = gone.iter().flat_map(|path| bytecode_of(path, before)).collect();
    gone.extend(stale);
    let removed = gone.into_iter().map(<[u8]>::to_vec).collect();
    Ok(Changes { changed, removed, timestamped })
}

/// Moves what has changed from one directory to another on the same file system.
pub(crate) fn move_changes<'a>(
    changed: impl IntoIterator<Item = &'a [u8]>,
    from: &Path,
    to: &Path,
) -> std::result::Result<(), FileError> {
    for path in changed {
        let (from, to) = (place(from, path), place(to, path));
        if from.is_dir() && !from.is_symlink() {
            files::create_dir_all(&to)?;
            continue;
        }
        files::create_dir_all(to.parent().unwrap_or(&to))?;
        files::rename(&from, &to)?;
    }
    Ok(())
}

/// Makes what a hook has changed in place run anywhere. Returns what has changed.
/// `app_entries` are the app's files before its own programs ran.
pub(crate) fn settle_changes(
    build_dir: &Path,
    app_entries: &[Entry],
    built: &Built,
    context: Context<'_>,
) -> Result<Vec<PathBuf>> {
    let changes = find_changes(&entries_before(&built.layers, app_entries), build_dir, context.env)?;
    let changed = changes.changed.iter().map(|entry| entry.path.as_slice());
    let (bytecode, others): (Vec<&[u8]>, Vec<&[u8]>) = changed
        .clone()
        .chain(changes.timestamped.iter().map(Vec::as_slice))
        .filter(|path| path.starts_with(INSTALLED))
        .partition(|path| path.ends_with(b".pyc"));
    let mut installed: BTreeSet<Vec<u8>> = others.into_iter().map(<[u8]>::to_vec).collect();
    let mut stale: BTreeSet<&[u8]> =
        changes.removed.iter().map(Vec::as_slice).filter(|path| path.ends_with(b".pyc")).collect();
    // Whatever a hook has compiled is compiled anew, unless its source isn't there.
    for path in bytecode {
        let is_file = |source: &Vec<u8>| {
            place(build_dir, source).symlink_metadata().is_ok_and(|metadata| metadata.is_file())
        };
        if let Some(source) = source_of(path).filter(is_file) {
            installed.insert(source);
            stale.insert(path);
        }
    }
    let is_here = |path: &&&[u8]| {
        let parent = path.iter().rposition(|byte| *byte == b'/').map(|slash| &path[..slash]);
        path.starts_with(INSTALLED)
            && parent.is_some_and(|parent| is_within(build_dir, OsStr::from_bytes(parent)))
    };
    for path in stale.iter().filter(is_here) {
        files::remove_file(&place(build_dir, path))?;
    }
    if !installed.is_empty() && is_within(build_dir, ".heroku/python") {
        settle_installed(&installed, build_dir, built, context)?;
    }
    Ok(changed.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
}

/// Goes through what has changed aside, so that only that is treated and compiled again; not in the store, which may
/// be on another file system.
fn settle_installed(
    installed: &BTreeSet<Vec<u8>>,
    build_dir: &Path,
    built: &Built,
    context: Context<'_>,
) -> Result<()> {
    let aside = files::temp_dir(Some(&build_dir.join(".heroku")))?;
    move_changes(installed.iter().map(Vec::as_slice), build_dir, aside.path())?;
    make_movable(aside.path(), build_dir, built, context)?;
    let paths = paths_below(aside.path());
    move_changes(paths.iter().map(|path| path.as_os_str().as_bytes()), aside.path(), build_dir)?;
    Ok(())
}

fn place(dir: &Path, path: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(path))
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

/// Returns the source that bytecode in a `__pycache__` was compiled from.
fn source_of(bytecode: &[u8]) -> Option<Vec<u8>> {
    let path = Path::new(OsStr::from_bytes(bytecode));
    let directory = path.parent().filter(|parent| parent.ends_with("__pycache__"))?.parent()?;
    let name = path.file_name()?.as_bytes();
    let module = OsStr::from_bytes(name.split(|byte| *byte == b'.').next()?);
    Some(directory.join(module).with_extension("py").into_os_string().into_encoded_bytes())
}

/// The second word of a `.pyc` says by what it is checked: 0 is the source's time.
fn is_timestamped_bytecode(path: &Path) -> bool {
    let mut start = [0; 8];
    path.extension().is_some_and(|extension| extension == "pyc")
        && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start[4..] == [0; 4]
}

/// Treats what a hook has installed, by `pip install` say, as all other packages are treated. `tree` holds what has
/// changed in the directory `staged`.
pub(crate) fn make_movable(tree: &Path, staged: &Path, built: &Built, context: Context<'_>) -> Result<()> {
    // What a link leads to isn't this tree's.
    if !is_within(tree, ".heroku/python") {
        return Ok(());
    }
    let runtime = staged.join(".heroku/python");
    normalise(&BuildPlaces { tree: tree.to_owned(), staged_app: Some(staged.to_owned()), runtime })?;
    if let Some(runtime) = built.layers.first().filter(|_| is_within(tree, ".heroku/python/lib")) {
        let python = Python::in_layer(runtime, built.plan.runtime.version());
        compile_bytecode(&python, tree, None, context.env, context.output)?;
    }
    Ok(())
}

/// Lists everything below a directory, relative to it, in order.
pub(crate) fn paths_below(dir: &Path) -> Vec<PathBuf> {
    let entries = WalkDir::new(dir).min_depth(1).sort_by_file_name().into_iter().flatten();
    entries.filter_map(|entry| Some(entry.path().strip_prefix(dir).ok()?.to_owned())).collect()
}

/// Tells of files that name the directory of the build: it isn't there when the app runs, and has another name in
/// the next build, so that the slug's bytes would change. The paths count from `root`.
pub(crate) fn warn_of_build_paths(root: &Path, paths: &[PathBuf], build_dir: &Path, output: &Output) {
    const LARGEST: u64 = 16 << 20;
    const SHOWN: usize = 5;
    let Ok(pattern) = Regex::new(&regex::escape(&build_dir.to_string_lossy())) else { return };
    let names_it = |path: &&PathBuf| {
        let path = root.join(path);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                fs::read_link(&path).is_ok_and(|target| target.starts_with(build_dir))
            }
            Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST => {
                fs::read(&path).is_ok_and(|contents| pattern.is_match(&contents))
            }
            _ => false,
        }
    };
    let found: Vec<&PathBuf> = paths.iter().filter(names_it).collect();
    if found.is_empty() {
        return;
    }
    let more = match found.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let shown: Vec<String> = found.iter().take(SHOWN).map(|path| format!("  {}", path.display())).collect();
    output.warning(
        NoticeCode::BuildPathInFile,
        format!(
            "The app's own build steps have written the path of the build directory into these files:\n{}{more}\n\
             It doesn't exist where the app runs, and is another one in the next build. Write paths relative to \
             the app.",
            shown.join("\n")
        ),
    );
}
