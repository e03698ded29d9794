//! Gathers the facts: from an app's directory, from the layers of a build, or from a slug in one pass.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::facts::{Facts, FileFacts, Installed};
use super::installed::{Gatherer, PYTHON_DIR};
use crate::app::names::printable;
use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::app::tree::SourceKind;
use crate::env::Env;
use crate::error::Result;
use crate::error::escape::is_unsafe;
use crate::python::requirements::read_requirements;
use crate::slug::read::{EntryKind as SlugEntryKind, SlugReader};
use crate::slug::tree::{Entry, EntryKind};

/// The stack that a slug is for unless somebody says otherwise.
pub(crate) const DEFAULT_STACK: &str = "heroku-24";

/// A text above this isn't read: nobody wrote it.
const MAX_TEXT: u64 = 512 << 10;

/// A lock above this isn't read.
const MAX_LOCK: u64 = 16 << 20;

/// Files that are left by a package manager: then requirements.txt isn't what is installed.
pub(super) const LOCK_FILES: &[&str] = &["Pipfile.lock", "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml"];

/// Gathers what an app's own files say.
pub(crate) fn read_app(app: &AppSource) -> Facts {
    let mut facts = Facts { stack: DEFAULT_STACK.to_owned(), ..Facts::default() };
    for entry in &app.tree.entries {
        let Ok(path) = std::str::from_utf8(&entry.path) else { continue };
        let file = match &entry.kind {
            SourceKind::Directory => FileFacts { is_dir: true, ..FileFacts::default() },
            SourceKind::Symlink { .. } => FileFacts { is_link: true, ..FileFacts::default() },
            SourceKind::File { size, mode, .. } => {
                FileFacts { size: *size, executable: mode & 0o111 != 0, ..FileFacts::default() }
            }
        };
        if !file.is_dir && wants_text(path, file.size) {
            // What can't be read is the build's concern.
            if let Ok(contents) = app.read_file(path) {
                facts.texts.insert(shown_name(path), to_text(&contents));
            }
        }
        facts.files.insert(shown_name(path), file);
    }
    facts.ignored_deciders.clone_from(&app.ignored_deciders);
    facts.unusable.clone_from(&app.unusable);
    facts.slugs.clone_from(&app.slugs);
    facts.gitlinks.clone_from(&app.gitlinks);
    let procfile = app.procfile.clone();
    facts.procfile = procfile.zip(facts.texts.get("Procfile").cloned());
    add_requirements(&mut facts);
    facts
}

/// The files of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerFiles<'a> {
    /// The directory that stands for the app's root.
    pub root: &'a Path,
    /// What is in it.
    pub entries: &'a [Entry],
}

/// Gathers what layers have installed.
pub(crate) fn read_layers(layers: &[LayerFiles<'_>], env: &Env) -> Result<Installed> {
    let mut gatherer = Gatherer::default();
    for layer in layers {
        for entry in layer.entries {
            env.interrupt.check()?;
            let Ok(path) = std::str::from_utf8(&entry.path) else { continue };
            let content = match &entry.kind {
                EntryKind::File { size, .. } if Gatherer::wants(path, *size) => {
                    std::fs::read(layer.root.join(OsStr::from_bytes(&entry.path))).ok()
                }
                _ => None,
            };
            gatherer.see(path, content.as_deref());
        }
    }
    Ok(gatherer.finish())
}

/// Gathers what is in a slug.
pub fn read_slug(slug: &Path, env: &Env) -> Result<Facts> {
    let mut facts = Facts { stack: DEFAULT_STACK.to_owned(), is_built: true, ..Facts::default() };
    let mut gatherer = Gatherer::default();
    let mut reader = SlugReader::open_interruptible(slug, &env.interrupt)?;
    for entry in reader.entries()? {
        let mut entry = entry?;
        let Ok(path) = std::str::from_utf8(&entry.path).map(shown_name) else { continue };
        let is_file = entry.kind == SlugEntryKind::File;
        if path.starts_with(PYTHON_DIR) {
            let content = if is_file && Gatherer::wants(&path, entry.size) {
                Some(read_all(&mut entry)?)
            } else {
                None
            };
            gatherer.see(&path, content.as_deref());
            continue;
        }
        if path.starts_with(".heroku/") || path.starts_with(".profile.d/") {
            if is_file && wants_text(&path, entry.size) && path.starts_with(".profile.d/") {
                facts.texts.insert(path, to_text(&read_all(&mut entry)?));
            }
            continue;
        }
        let file = FileFacts {
            size: entry.size,
            executable: entry.mode & 0o111 != 0,
            is_dir: entry.kind == SlugEntryKind::Directory,
            is_link: matches!(entry.kind, SlugEntryKind::Symlink(_) | SlugEntryKind::HardLink(_)),
        };
        if is_file && wants_text(&path, entry.size) {
            let contents = read_all(&mut entry)?;
            facts.texts.insert(path.clone(), to_text(&contents));
        }
        facts.files.insert(path, file);
    }
    add_parents(&mut facts.files);
    if let Some(text) = facts.texts.get("Procfile") {
        facts.procfile = Some((Procfile::parse(text.as_bytes())?, text.clone()));
    }
    facts.installed = Some(gatherer.finish()).filter(|installed| installed.python.is_some());
    add_requirements(&mut facts);
    Ok(facts)
}

fn read_all(entry: &mut crate::slug::read::SlugEntry<'_>) -> Result<Vec<u8>> {
    // The size is what a header claims.
    let mut content = Vec::with_capacity(usize::try_from(entry.size.min(1 << 20)).unwrap_or_default());
    let mut buffer = [0; 64 << 10];
    loop {
        match entry.read_chunk(&mut buffer)? {
            0 => return Ok(content),
            read => content.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Returns the name by which findings speak of a file: its path, in one line whatever it holds.
fn shown_name(path: &str) -> String {
    if path.chars().any(is_unsafe) { printable(path.as_bytes()) } else { path.to_owned() }
}

/// Archives needn't have entries for directories.
fn add_parents(files: &mut BTreeMap<String, FileFacts>) {
    let parents: Vec<String> = files
        .keys()
        .flat_map(|path| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>())
        .collect();
    for parent in parents {
        files.entry(parent).or_insert(FileFacts { is_dir: true, ..FileFacts::default() });
    }
}

fn to_text(contents: &[u8]) -> String {
    String::from_utf8_lossy(contents).into_owned()
}

/// Returns whether checks may want to read a file.
fn wants_text(path: &str, size: u64) -> bool {
    const KINDS: &[&str] =
        &["py", "toml", "cfg", "ini", "txt", "json", "yml", "yaml", "env", "pem", "key", "sh", "conf", "in"];
    const NAMES: &[&str] = &[
        "Procfile",
        ".buildpacks",
        "Aptfile",
        ".netrc",
        "_netrc",
        ".pypirc",
        ".pgpass",
        ".git-credentials",
        ".gitmodules",
        "credentials",
        ".envrc",
        ".env",
        ".flaskenv",
        ".python-version",
        "Pipfile",
        ".profile",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
    let is_elsewhere = path.split('/').any(|part| ["node_modules", "site-packages"].contains(&part));
    let limit = if LOCK_FILES.contains(&path) { MAX_LOCK } else { MAX_TEXT };
    size <= limit
        && !is_elsewhere
        && (KINDS.contains(&kind)
            || NAMES.contains(&name)
            || LOCK_FILES.contains(&path)
            || path.starts_with("bin/")
            || name.starts_with(".env.")
            || name.starts_with("id_"))
}

/// Reads pip's requirements, if they are what is installed. What is wrong with them is the build's concern.
fn add_requirements(facts: &mut Facts) {
    if LOCK_FILES.iter().any(|name| facts.has_file(name)) {
        return;
    }
    let texts = &facts.texts;
    let mut read = |path: &str| {
        texts
            .get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or(std::io::Error::from(std::io::ErrorKind::NotFound))
    };
    let requirements =
        texts.contains_key("requirements.txt").then(|| read_requirements("requirements.txt", &mut read));
    facts.requirements = requirements.and_then(std::result::Result::ok);
}
