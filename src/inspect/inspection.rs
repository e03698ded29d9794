//! Everything that is known of a slug: its contents, whose they are, and what its manifest adds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::contents::{Contents, read_contents};
use super::installed::{Installed, SBOM_PATH, find_installed, find_python};
use super::owners::{Owner, find_owners};
use super::sbom;
use crate::app::procfile::Procfile;
use crate::env::Env;
use crate::error::{NoticeCode, Result};
use crate::output::Output;
use crate::slug::Manifest;
use crate::slug::manifest::BesideSlug;
use crate::slug::read::printable;

/// What is known of a slug.
#[derive(Debug)]
pub struct Inspection {
    /// Its file.
    pub slug: PathBuf,
    /// What it holds.
    pub contents: Contents,
    /// Its distributions, sorted by name.
    pub installed: Vec<Installed>,
    /// Whose each entry is.
    pub owners: Vec<Owner>,
    /// Its Python.
    pub python: Option<Python>,
    /// The commands of its process types.
    pub process_types: BTreeMap<String, String>,
    /// Its manifest, if that is beside it.
    pub manifest: Option<Manifest>,
}

/// The Python in a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// Its version.
    pub version: String,
    /// Where it was read.
    pub read_from: &'static str,
}

/// Where the version was read if nothing but Python itself tells.
pub(super) const FROM_HEADER: &str = "Python's own patchlevel.h";

/// Reads a slug once and finds out what is in it.
pub fn inspect_slug(slug: &Path, env: &Env, output: &Output) -> Result<Inspection> {
    let contents = read_contents(slug, env, output)?;
    let manifest = read_manifest(slug, &contents.checksums.file, output)?;
    let installed = find_installed(&contents.metadata);
    let owners = find_owners(&contents.entries, &installed);
    let process_types = match (&manifest, contents.metadata.get("Procfile")) {
        (Some(manifest), _) => manifest.process_types.clone(),
        (None, Some(procfile)) => read_procfile(procfile, output),
        (None, None) => BTreeMap::new(),
    };
    let python = python(manifest.as_ref(), &contents);
    Ok(Inspection { slug: slug.to_owned(), contents, installed, owners, python, process_types, manifest })
}

fn python(manifest: Option<&Manifest>, contents: &Contents) -> Option<Python> {
    let found = |version: Option<String>, read_from| version.map(|version| Python { version, read_from });
    let manifest =
        manifest.and_then(|manifest| manifest.python.as_ref()).map(|python| python.version.clone());
    let listed = || sbom::python_of(contents.metadata.get(SBOM_PATH)?);
    found(manifest, "the manifest")
        .or_else(|| found(listed(), "the list of components in the slug"))
        .or_else(|| found(find_python(&contents.metadata), FROM_HEADER))
}

/// What is wrong with a Procfile isn't a reason to say nothing about the rest of the slug.
fn read_procfile(contents: &[u8], output: &Output) -> BTreeMap<String, String> {
    match Procfile::parse(contents) {
        Ok(procfile) => procfile.process_types(),
        Err(error) => {
            output.warning(
                NoticeCode::InspectProcfileUnreadable,
                format!("{error} Its process types aren't listed."),
            );
            BTreeMap::new()
        }
    }
}

/// Reads the manifest beside a slug, if it is about this very file.
fn read_manifest(slug: &Path, sha256: &str, output: &Output) -> Result<Option<Manifest>> {
    let Some(beside) = BesideSlug::read(slug)? else { return Ok(None) };
    let name = beside.name();
    let problem = match serde_json::from_slice::<Manifest>(&beside.bytes) {
        Ok(manifest) if manifest.checksum == format!("SHA256:{sha256}") => return Ok(Some(manifest)),
        _ if !beside.is_certain => return Ok(None),
        Ok(manifest) => format!(
            "{name} is about another slug, and is ignored:\nit says  {}\nthis has SHA256:{sha256}",
            printable(manifest.checksum.as_bytes())
        ),
        Err(_) => format!("{name} isn't the manifest of a slug. It is ignored."),
    };
    output.warning(NoticeCode::InspectManifestMismatch, problem);
    Ok(None)
}
