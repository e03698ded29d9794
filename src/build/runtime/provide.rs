//! Makes the runtime: fetched or copied, relocated, proven.

use std::path::Path;

use super::archive_programs::relocate_programs;
use super::catalogue::{ArchiveRef, fetch_archive, fetch_catalogue_runtime};
use super::choose::{ChooseError, RuntimeRequest, host_fingerprint, open_prepared};
use super::discover::discover;
use super::host::copy_runtime;
use super::probe::MODULES;
use super::self_test::self_test;
use super::sysconfig;
use crate::build::python::Python;
use crate::env::Env;
use crate::error::Result;
use crate::host::files;
use crate::output::Output;
use crate::plan::runtime::{PythonSource, RuntimeChoice};
use crate::python::catalogue::{Archive, Catalogue};
use crate::python::version::PythonVersion;
use crate::store::Store;

/// Where archives were built to live: the catalogue's, and Heroku's.
const ARCHIVE_PREFIXES: &[&str] = &["/install", "/tmp/python"];

/// Modules that only some builds have: without one, an archive is still whole.
const OPTIONAL_MODULES: &[&str] = &["compression.zstd", "crypt", "dbm.gnu", "dbm.ndbm"];

/// Puts Python into a tree, without bytecode.
pub(crate) fn install_runtime(
    tree: &Path,
    choice: &RuntimeChoice,
    request: &RuntimeRequest<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<Python> {
    let python = Python::in_tree(tree, choice.version());
    let prefix = &python.prefix;
    if let Some(parent) = prefix.parent() {
        files::create_dir_all(parent)?;
    }
    let modules = match choice {
        RuntimeChoice::Catalogue { version, arch, .. } => {
            output.step(format!("Installing Python {version}"));
            install_from_catalogue(prefix, *version, arch, request, store, env, output)?
        }
        RuntimeChoice::Prepared { version, name, arch, .. } => {
            output.step(format!("Installing Python {version} from {name}"));
            install_prepared(prefix, *version, arch, request, store, env, output)?
        }
        RuntimeChoice::Host { version, executable, fingerprint, .. } => {
            output.step(format!("Copying Python {version} from {}", executable.display()));
            let interpreters = discover(env, store, output)?;
            let found = interpreters.iter().find(|interpreter| host_fingerprint(interpreter) == *fingerprint);
            let Some(interpreter) = found else {
                let (wanted, found) = (version.to_string(), Vec::new());
                return Err(ChooseError::NoInterpreter { wanted, found }.into());
            };
            copy_runtime(interpreter, prefix, env, output)?;
            interpreter.modules.clone()
        }
    };
    self_test(prefix, &modules, env, output)?;
    Ok(python)
}

/// Fetches what the runtime is made of, if it comes from the catalogue: whether that is possible is known then.
pub(crate) fn fetch_in_advance(
    choice: &RuntimeChoice,
    request: &RuntimeRequest<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<()> {
    let RuntimeChoice::Catalogue { version, arch, .. } = choice else { return Ok(()) };
    let archive = catalogue_archive(*version, arch, request)?;
    let archive = ArchiveRef { urls: &archive.urls, sha256: &archive.sha256, file_name: &archive.file_name };
    fetch_archive(&archive, store, env, output)?;
    Ok(())
}

fn catalogue_archive(
    version: PythonVersion,
    arch: &str,
    request: &RuntimeRequest<'_>,
) -> std::result::Result<Archive, ChooseError> {
    let catalogue = Catalogue::embedded();
    let archive = match request.mirror {
        Some(mirror) => catalogue.archive_from(version, arch, mirror),
        None => catalogue.archive(version, arch),
    };
    archive.ok_or(ChooseError::UnknownPatch { version })
}

fn install_from_catalogue(
    prefix: &Path,
    version: PythonVersion,
    arch: &str,
    request: &RuntimeRequest<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<Vec<String>> {
    let archive = catalogue_archive(version, arch, request)?;
    let archive = ArchiveRef { urls: &archive.urls, sha256: &archive.sha256, file_name: &archive.file_name };
    fetch_catalogue_runtime(&archive, prefix, store, env, output)?;
    relocate_programs(prefix)?;
    sysconfig::relocate(prefix, ARCHIVE_PREFIXES)?;
    Ok(modules_of_every_build())
}

fn install_prepared(
    prefix: &Path,
    version: PythonVersion,
    arch: &str,
    request: &RuntimeRequest<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<Vec<String>> {
    let location = match request.source {
        PythonSource::Prepared(location) => location.as_str(),
        _ => "",
    };
    let source = open_prepared(location, request.current_dir, env, output)?;
    let (wanted, arch) = (version.to_string(), arch.to_owned());
    let Some(archive) = source.find(&wanted, &arch) else {
        return Err(ChooseError::NotPrepared { location: location.to_owned(), wanted, arch }.into());
    };
    source.fetch(&archive, prefix, store, env, output)?;
    relocate_programs(prefix)?;
    sysconfig::relocate(prefix, ARCHIVE_PREFIXES)?;
    Ok(modules_of_every_build())
}

fn modules_of_every_build() -> Vec<String> {
    MODULES
        .iter()
        .filter(|module| !OPTIONAL_MODULES.contains(module))
        .map(|module| (*module).to_owned())
        .collect()
}
