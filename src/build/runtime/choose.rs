//! Where Python comes from: decided by what was asked for, what the store has, and what could not be
//! reached a while ago.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::discover::discover;
use super::host::COPY_RULES;
use super::prepared::PreparedSource;
use super::probe::HostInterpreter;
use crate::build::layers::has_layer;
use crate::build::unreachable;
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::output::Output;
use crate::plan::layers::runtime_layer;
use crate::plan::runtime::{PythonSource, RuntimeChoice, VersionDecision};
use crate::python::catalogue::Catalogue;
use crate::python::supported::supported;
use crate::python::version::PythonVersion;
use crate::store::Store;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuntimeRequest<'a> {
    /// Where the user lets it come from.
    pub source: &'a PythonSource,
    /// Another place for the catalogue's archives.
    pub mirror: Option<&'a str>,
    /// Which version.
    pub version: &'a VersionDecision,
    /// The directory that a relative directory of prepared archives counts from.
    pub current_dir: &'a Path,
}

/// There is no Python that fits.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    /// The catalogue doesn't have it.
    #[error("Python {version} isn't in the catalogue. The newest {} is {}.", .version.minor_version(), newest_text(*.version))]
    UnknownPatch {
        /// What was asked for.
        version: PythonVersion,
    },
    /// Nothing on this machine fits.
    #[error("Python {wanted} was wanted. On this machine there {}", found_text(.found))]
    NoInterpreter {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// The directory or URL doesn't have it.
    #[error("{location} has no archive of Python {wanted} for {arch}.")]
    NotPrepared {
        /// Where it was looked for.
        location: String,
        /// What was asked for.
        wanted: String,
        /// For which machine.
        arch: String,
    },
}

fn newest_text(version: PythonVersion) -> String {
    supported()
        .iter()
        .map(|minor| minor.newest)
        .find(|newest| (newest.major, newest.minor) == (version.major, version.minor))
        .map_or_else(|| "not known".to_owned(), |newest| newest.to_string())
}

fn found_text(found: &[String]) -> String {
    if found.is_empty() {
        "is no Python 3.10 or newer.".to_owned()
    } else {
        format!("is: {}.", found.join(", "))
    }
}

impl UserError for ChooseError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownPatch { .. } | Self::NotPrepared { .. } => ErrorCode::PythonUnknownPatch,
            Self::NoInterpreter { .. } => ErrorCode::PythonNotFound,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::UnknownPatch { version } => Some(version.to_string()),
            Self::NoInterpreter { wanted, .. } | Self::NotPrepared { wanted, .. } => Some(wanted.clone()),
        }
    }
}

/// Decides where Python comes from. Starts no download.
pub(crate) fn choose_runtime(
    request: &RuntimeRequest<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<RuntimeChoice> {
    match request.source {
        PythonSource::Catalogue => catalogue_choice(request, false),
        PythonSource::Host => host_choice(request, None, store, env, output),
        PythonSource::Prepared(location) => prepared_choice(request, location, env, output),
        PythonSource::Auto => auto_choice(request, store, env, output),
    }
}

fn auto_choice(
    request: &RuntimeRequest<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<RuntimeChoice> {
    let choice = match catalogue_choice(request, true) {
        Ok(choice) => choice,
        // A patch version that the catalogue lacks may be on this machine.
        Err(error) => return host_choice(request, None, store, env, output).map_err(|_| error),
    };
    if has_layer(&runtime_layer(&choice), store)
        || !unreachable::is_remembered(&fallback_name(&choice, request), store)
    {
        return Ok(choice);
    }
    host_choice(request, Some(choice.version()), store, env, output)
}

fn catalogue_choice(request: &RuntimeRequest<'_>, fallback: bool) -> Result<RuntimeChoice> {
    let version = request.version.version;
    let arch = std::env::consts::ARCH;
    let archive =
        Catalogue::embedded().archive(version, arch).ok_or(ChooseError::UnknownPatch { version })?;
    Ok(RuntimeChoice::Catalogue { version, sha256: archive.sha256, arch: arch.to_owned(), fallback })
}

/// Chooses an interpreter of this machine; `instead_of` says what it stands in for.
pub(crate) fn host_choice(
    request: &RuntimeRequest<'_>,
    instead_of: Option<PythonVersion>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<RuntimeChoice> {
    let interpreters = discover(env, store, output)?;
    let wanted = request.version.version;
    let is_supported = |version: PythonVersion| {
        supported()
            .iter()
            .any(|minor| (minor.newest.major, minor.newest.minor) == (version.major, version.minor))
    };
    let fits = |interpreter: &&HostInterpreter| {
        is_supported(interpreter.version) && request.version.accepts(interpreter.version)
    };
    // The same minor version if there is one, else the newest: the list is sorted newest first.
    let same_minor = |version: PythonVersion| (version.major, version.minor) == (wanted.major, wanted.minor);
    let mut fitting = interpreters.iter().filter(fits);
    let chosen =
        fitting.clone().find(|interpreter| same_minor(interpreter.version)).or_else(|| fitting.next());
    let Some(interpreter) = chosen else {
        let found = interpreters
            .iter()
            .map(|interpreter| format!("{} ({})", interpreter.version, interpreter.executable.display()))
            .collect();
        return Err(
            ChooseError::NoInterpreter { wanted: request.version.requested.to_string(), found }.into()
        );
    };
    Ok(RuntimeChoice::Host {
        version: interpreter.version,
        executable: interpreter.executable.clone(),
        fingerprint: host_fingerprint(interpreter),
        arch: std::env::consts::ARCH.to_owned(),
        instead_of: instead_of.or((wanted != interpreter.version).then_some(wanted)),
        asked_for: *request.source == PythonSource::Host,
    })
}

/// Returns what changes when the copy of an interpreter would.
pub(crate) fn host_fingerprint(interpreter: &HostInterpreter) -> String {
    format!("{} (copied by rules {COPY_RULES})", interpreter.fingerprint)
}

fn prepared_choice(
    request: &RuntimeRequest<'_>,
    location: &str,
    env: &Env,
    output: &Output,
) -> Result<RuntimeChoice> {
    let source = open_prepared(location, request.current_dir, env, output)?;
    let arch = std::env::consts::ARCH;
    let requested = &request.version.requested;
    let minor = request.version.version.minor_version();
    // The minor version that was asked for; any, newest first, if none was.
    let others =
        supported().iter().rev().map(|minor| minor.newest).filter(|newest| request.version.accepts(*newest));
    let found = match requested.patch {
        Some(_) => {
            let version = request.version.version;
            source.find(&version.to_string(), arch).map(|archive| (version.to_string(), archive))
        }
        None => std::iter::once(minor)
            .chain(others.map(|newest| newest.minor_version()))
            .find_map(|minor| source.newest(&minor, arch)),
    };
    let parsed = found.and_then(|(version, archive)| Some((version.parse::<PythonVersion>().ok()?, archive)));
    let Some((version, archive)) = parsed else {
        let (location, wanted) = (location.to_owned(), requested.to_string());
        return Err(ChooseError::NotPrepared { location, wanted, arch: arch.to_owned() }.into());
    };
    Ok(RuntimeChoice::Prepared { version, name: archive.name, sha256: archive.sha256, arch: arch.to_owned() })
}

/// Opens a directory or URL of prepared archives.
pub(crate) fn open_prepared(
    location: &str,
    current_dir: &Path,
    env: &Env,
    output: &Output,
) -> Result<PreparedSource> {
    let location = if location.contains("://") {
        location.to_owned()
    } else {
        current_dir.join(location).display().to_string()
    };
    Ok(PreparedSource::open(&location, env, output)?)
}

/// Names an archive and where it comes from: with another mirror, it is tried again.
fn fallback_name(choice: &RuntimeChoice, request: &RuntimeRequest<'_>) -> String {
    let mirror = request.mirror.map(|mirror| hex::encode(&Sha256::digest(mirror)[..8]));
    [Some(choice.version().to_string()), Some(choice.arch().to_owned()), mirror]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("-")
}

/// Remembers for a day that this runtime couldn't be downloaded, so that the next builds don't try.
pub(crate) fn remember_unreachable(
    choice: &RuntimeChoice,
    request: &RuntimeRequest<'_>,
    store: &Store,
) -> Result<()> {
    unreachable::remember(&fallback_name(choice, request), store)?;
    Ok(())
}
