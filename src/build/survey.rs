//! Reads the facts that the plan is made from.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use sha2::{Digest, Sha256};

use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::Result;
use crate::plan::runtime::VersionDecision;
use crate::plan::{Notice, suggest};
use crate::python::pip_config::{PipConfig, pip_config_file_paths};
use crate::python::requirements::{Requirements, read_requirements};
use crate::python::supported;
use crate::python::version::{PythonVersion, RequestedVersion, VersionOrigin};
use crate::python::version_file::{misspelled_version_file, parse_runtime_txt, parse_version_file};
use crate::slug::tree::{Entry, EntryKind};

/// Decides the Python version from the app's files: runtime.txt, .python-version; then that of the last
/// build, or the default.
pub fn read_version(app: &AppSource, last: Option<PythonVersion>, today: u64) -> Result<VersionDecision> {
    let (requested, origin) = match (read_requested_version(app)?, last) {
        // The patch version always moves to the newest.
        ((_, VersionOrigin::Default), Some(PythonVersion { major, minor, .. })) => {
            (RequestedVersion { major, minor, patch: None }, VersionOrigin::Cached)
        }
        (decided, _) => decided,
    };
    let version = supported::resolve_version(&requested, origin)?;
    let notices = supported::notices(version, origin, today)
        .into_iter()
        .map(|notice| Notice { id: notice.id.to_owned(), text: notice.text, warning: true })
        .collect();
    Ok(VersionDecision { requested, origin, version, notices })
}

fn read_requested_version(app: &AppSource) -> Result<(RequestedVersion, VersionOrigin)> {
    let read = |name: &'static str| -> Result<Vec<u8>> {
        app.read_file(name).map_err(|source| UnreadableVersionFile { name, source }.into())
    };
    if app.has_file("runtime.txt") {
        return Ok((parse_runtime_txt(&read("runtime.txt")?)?, VersionOrigin::RuntimeTxt));
    }
    if let Some(error) = misspelled_version_file(&app.names) {
        return Err(error.into());
    }
    if app.has_file(".python-version") {
        return Ok((parse_version_file(&read(".python-version")?)?, VersionOrigin::PythonVersionFile));
    }
    Ok((supported::DEFAULT, VersionOrigin::Default))
}

/// A version file is there but can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't be read.")]
struct UnreadableVersionFile {
    name: &'static str,
    source: io::Error,
}

impl crate::error::UserError for UnreadableVersionFile {
    fn code(&self) -> crate::error::ErrorCode {
        crate::error::ErrorCode::SourceUnreadable
    }
}

/// Reads the app's requirements files, nested ones included.
pub fn read_app_requirements(app: &AppSource) -> Result<Requirements> {
    Ok(read_requirements("requirements.txt", &mut |path| app.read_file(path))?)
}

/// Reads pip's configuration: its files, then its variables.
pub fn read_pip_config(env: &Env) -> PipConfig {
    let vars: BTreeMap<String, String> = env
        .vars
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    // pip goes on without the files that aren't there or that it may not read.
    let contents: Vec<String> =
        pip_config_file_paths(&vars).iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    PipConfig::parse(&contents, &vars)
}

/// Returns a digest of the app's files, for requirements that are built from them.
pub fn digest_of_source(entries: &[Entry]) -> String {
    let mut hasher = Sha256::new();
    for Entry { path, kind } in entries {
        hasher.update(path);
        match kind {
            EntryKind::Directory => hasher.update(b"\0d"),
            EntryKind::File { mode, digest, .. } => {
                hasher.update(format!("\0f{mode:o}"));
                hasher.update(digest);
            }
            EntryKind::Symlink { target } => {
                hasher.update(b"\0l");
                hasher.update(target);
            }
        }
        hasher.update(b"\0");
    }
    hex::encode(&hasher.finalize()[..16])
}

/// Reads the files in which a web app may be defined, for a suggestion.
pub fn read_web_app_candidates(app: &AppSource) -> Vec<(String, String)> {
    let nested = app
        .dirs
        .iter()
        .filter_map(|dir| std::str::from_utf8(dir).ok())
        .flat_map(|dir| ["wsgi.py", "asgi.py"].map(|name| format!("{dir}/{name}")));
    suggest::CANDIDATES
        .iter()
        .map(|name| (*name).to_owned())
        .chain(nested)
        .filter_map(|name| {
            let text = String::from_utf8(app.read_file(&name).ok()?).ok()?;
            Some((name, text))
        })
        .collect()
}
