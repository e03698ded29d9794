//! uv: the one a user names, the store's, a pinned one fetched from pip's index (by pip itself where it isn't
//! simple), or one on PATH that is new enough.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::python::Python;
use super::tool_env::tool_environment;
use super::unreachable;
use super::uv_wheel::fetch_uv_wheel;
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files;
use crate::host::process::{Invocation, RunError, capture, stream};
use crate::output::{Event, Output};
use crate::plan::manager::UV_VERSION;
use crate::python::pip_config::PipConfig;
use crate::store::Store;

/// The first version with all the options that are used.
const OLDEST: (u64, u64, u64) = (0, 8, 0);
const PINNED: &str = include_str!("../../inventory/uv.txt");

/// A uv that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uv {
    /// Its file.
    pub executable: PathBuf,
    /// Its version.
    pub version: String,
}

/// uv can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UvError {
    /// `SLUGC_UV` names something else.
    #[error("SLUGC_UV names {}, which isn't a uv that works.", .path.display())]
    Named {
        /// What it names.
        path: PathBuf,
    },
    /// `SLUGC_UV` names an old one.
    #[error("SLUGC_UV names {}, which is uv {version}. At least {}.{}.{} is needed.", .path.display(), OLDEST.0, OLDEST.1, OLDEST.2)]
    TooOld {
        /// What it names.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// The pinned one couldn't be fetched, and there is none on PATH.
    #[error(
        "uv {UV_VERSION} couldn't be fetched by pip, and there is no uv on PATH that could be used instead."
    )]
    Fetch {
        /// What pip said.
        #[source]
        source: RunError,
    },
    /// The runtime has no pip to fetch it with.
    #[error("uv can't be fetched, and there is no uv on PATH.\n{listing}")]
    NoPip {
        /// What is in the place of the bundled pip, in words.
        listing: String,
    },
    /// What pip has fetched isn't uv.
    #[error("What was fetched has no program named uv in it.")]
    Incomplete,
}

impl UserError for UvError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Fetch { source: RunError::Interrupted(interrupted) } => interrupted.code(),
            Self::NoPip { .. } => ErrorCode::BundledPipNotFound,
            _ => ErrorCode::InstallUv,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Fetch { source: RunError::Interrupted(interrupted) } => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// What is remembered of a uv, so that it needn't be asked again.
#[derive(Debug, Serialize, Deserialize)]
struct Probe {
    size: u64,
    modified: i64,
    inode: u64,
    version: Option<String>,
}

/// Finds the uv whose use can be decided without fetching anything: the user's, or the store's.
pub(crate) fn find_uv(store: &Store, env: &Env, output: &Output) -> Result<Option<Uv>> {
    if let Some(named) = env.var("SLUGC_UV") {
        return named_uv(&env.absolute(named), store, env, output).map(Some);
    }
    Ok(store_uv(store))
}

/// Finds a uv as [`find_uv`] does, or the one on PATH if fetching one has lately failed.
pub(crate) fn known_uv(store: &Store, env: &Env, output: &Output) -> Result<Option<Uv>> {
    match find_uv(store, env, output)? {
        None if unreachable::is_remembered("uv", store) => uv_on_path(store, env, output),
        found => Ok(found),
    }
}

fn named_uv(path: &Path, store: &Store, env: &Env, output: &Output) -> Result<Uv> {
    let Some(version) = probe(path, store, env, output)? else {
        return Err(UvError::Named { path: path.to_owned() }.into());
    };
    if !is_new_enough(&version) {
        return Err(UvError::TooOld { path: path.to_owned(), version }.into());
    }
    Ok(Uv { executable: path.to_owned(), version })
}

fn store_uv(store: &Store) -> Option<Uv> {
    let layer = store.layer("uv", UV_VERSION)?;
    let executable = layer.join("bin/uv");
    if !store.is_sure(&layer) {
        // It has no index that a power cut's traces could be seen by. One that stays is used by nobody.
        let _ = store.remove_layer("uv", UV_VERSION);
        return None;
    }
    executable.is_file().then(|| Uv { executable, version: UV_VERSION.to_owned() })
}

/// Returns a uv on PATH that is new enough.
pub(crate) fn uv_on_path(store: &Store, env: &Env, output: &Output) -> Result<Option<Uv>> {
    for path in env.path_dirs().iter().map(|dir| dir.join("uv")).filter(|path| path.is_file()) {
        if let Some(version) = probe(&path, store, env, output)?.filter(|version| is_new_enough(version)) {
            return Ok(Some(Uv { executable: path, version }));
        }
    }
    Ok(None)
}

/// Fetches the pinned uv into the store.
pub(crate) fn fetch_uv(
    python: &Python,
    pip: &PipConfig,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<Uv> {
    let _lock = store.lock("uv", env, || output.detail("Waiting for another build that installs uv"))?;
    if let Some(uv) = store_uv(store) {
        return Ok(uv);
    }
    output.step(format!("Installing uv {UV_VERSION}"));
    let _bar = output.progress("Fetching uv", None);
    let (work, finished) = (store.scratch()?, store.scratch()?);
    let executable = finished.path().join("bin/uv");
    files::create_dir_all(&finished.path().join("bin"))?;
    if !fetch_uv_wheel(python, PINNED, pip, work.path(), &executable, env, output)? {
        fetch_by_pip(python, work.path(), &executable, env, output)?;
    }
    store.insert_layer("uv", UV_VERSION, finished)?;
    output.event(Event::LayerBuilt {
        layer: "uv".to_owned(),
        key: UV_VERSION.to_owned(),
        reasons: Vec::new(),
    });
    store_uv(store).ok_or_else(|| UvError::Incomplete.into())
}

/// Has the pip that is bundled with Python fetch uv: it knows every way to an index.
fn fetch_by_pip(python: &Python, work: &Path, into: &Path, env: &Env, output: &Output) -> Result<()> {
    let Some(pip) = python.bundled_pip() else {
        return Err(UvError::NoPip { listing: python.list_bundled() }.into());
    };
    let requirements = work.join("uv.txt");
    files::write_atomically(&requirements, PINNED.as_bytes())?;
    let mut invocation = Invocation::new(&python.executable)
        .arg(pip)
        .args(["install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"])
        .args(["--no-input", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"])
        .arg("--target")
        .arg(work.join("target"))
        .arg("--requirement")
        .arg(&requirements)
        .current_dir(work);
    invocation.env = pip_environment(env);
    stream(&invocation, env, output).map_err(|source| UvError::Fetch { source })?;
    Ok(files::rename(&work.join("target/bin/uv"), into)?)
}

/// The environment for pip itself: the user's, with pip's own variables.
pub(crate) fn pip_environment(env: &Env) -> BTreeMap<OsString, OsString> {
    let mut vars = tool_environment(env);
    for (name, value) in &env.vars {
        if name.to_string_lossy().starts_with("PIP_") {
            vars.insert(name.clone(), value.clone());
        }
    }
    // Where things go is for slugc to say.
    for name in [
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_PYTHON",
        "PIP_REPORT",
    ] {
        vars.remove(std::ffi::OsStr::new(name));
    }
    // A configuration file may say it, too.
    vars.insert("PIP_DRY_RUN".into(), "0".into());
    vars.insert("PIP_DISABLE_PIP_VERSION_CHECK".into(), "1".into());
    vars.insert("PIP_ROOT_USER_ACTION".into(), "ignore".into());
    vars
}

/// Asks a uv for its version, once as long as the file doesn't change.
fn probe(path: &Path, store: &Store, env: &Env, output: &Output) -> Result<Option<String>> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    let name = hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..16]);
    if let Some(known) = store.document::<Probe>("uv", &name)
        && (known.size, known.modified, known.inode) == (metadata.size(), metadata.mtime(), metadata.ino())
    {
        return Ok(known.version);
    }
    let mut invocation = Invocation::new(path).arg("--version");
    invocation.env = tool_environment(env);
    let version = match capture(&invocation, env, output) {
        Ok(captured) => captured
            .text()
            .strip_prefix("uv ")
            .and_then(|rest| rest.split_whitespace().next())
            .map(str::to_owned),
        Err(RunError::Interrupted(interrupted)) => return Err(interrupted.into()),
        Err(_) => None,
    };
    let probe = Probe { size: metadata.size(), modified: metadata.mtime(), inode: metadata.ino(), version };
    store.put_document("uv", &name, &probe)?;
    Ok(probe.version)
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>().ok());
    match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor), Some(patch)) => (major, minor, patch) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventory_pins_the_version_that_the_plan_names() {
        assert!(PINNED.contains(&format!("\nuv=={UV_VERSION} ")), "{PINNED}");
    }

    #[test]
    fn old_and_odd_versions_are_refused() {
        for (version, expected) in
            [("0.12.5", true), ("1.0.0", true), ("0.8.0", true), ("0.7.9", false), ("x", false)]
        {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }
}
