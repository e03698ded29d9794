//! A project of uv's, installed by `uv sync`, so that everything its lock file and settings say counts.
//!
//! uv installs into virtual environments only. One is made in the layer's tree, and when everything is installed,
//! what made it a virtual environment is taken away: what is left is a tree like those that `--prefix` gives.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::dependencies::{own_uv_cache, with_uv_settings};
use super::install_error::{Hints, InstallError};
use super::python::Python;
use super::tool_env::{tool_environment, with_python};
use super::uv::Uv;
use crate::env::Env;
use crate::error::{ErrorCode, Failure, Result};
use crate::host::files;
use crate::host::process::{Invocation, stream};
use crate::output::Output;
use crate::python::pip_config::PipConfig;
use crate::store::Store;

/// Settings of pip that say how an index is reached. Which index it is, the lock file says.
const PASSED: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CLIENT_CERT",
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_RETRIES",
];

/// What is installed and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncTarget<'a> {
    /// The tree that stands for the app's root.
    pub tree: &'a Path,
    /// The interpreter.
    pub python: &'a Python,
    /// The project's directory: a copy, since building may write into it.
    pub directory: &'a Path,
    /// Whether the default groups are installed, too.
    pub test: bool,
    /// What isn't installed.
    pub leave_out: &'a LeaveOut,
}

/// What of a lock file isn't installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaveOut {
    /// Everything is.
    Nothing,
    /// What is on this machine's disk: the project, members of its workspace, directories and archives.
    Local,
    /// Packages of these names.
    Packages(BTreeSet<String>),
}

/// Installs what the lock file says. Returns the prefix that console scripts name.
pub(crate) fn sync(
    uv: &Uv,
    target: &SyncTarget<'_>,
    pip: &PipConfig,
    store: &Store,
    env: &Env,
    output: &Output,
    hints: &Hints<'_>,
) -> Result<PathBuf> {
    let prefix = target.tree.join(".heroku/python");
    let run = |invocation: Invocation| {
        let invocation = with_environment(invocation, target.tree, pip, store, env);
        stream(&with_python(invocation, target.python), env, output)
            .map_err(|source| Failure::from(InstallError::new(ErrorCode::InstallUvProject, source, hints)))
    };
    run(venv_invocation(uv, target, &prefix))?;
    let scaffold: Vec<PathBuf> = WalkDir::new(&prefix)
        .min_depth(1)
        .into_iter()
        .flatten()
        .filter(|entry| !entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .collect();
    run(sync_invocation(uv, target))?;
    files::remove_dir_all(&own_uv_cache(target.tree))?;
    scaffold.iter().try_for_each(|path| files::remove_file(path))?;
    Ok(prefix)
}

fn venv_invocation(uv: &Uv, target: &SyncTarget<'_>, prefix: &Path) -> Invocation {
    Invocation::new(&uv.executable)
        .args(["venv", "--quiet", "--no-project", "--no-config", "--python"])
        .arg(&target.python.executable)
        .arg(prefix)
        .current_dir(target.directory)
}

fn sync_invocation(uv: &Uv, target: &SyncTarget<'_>) -> Invocation {
    let invocation = Invocation::new(&uv.executable)
        .args(["sync", "--locked", "--no-progress", "--color=never", "--link-mode=hardlink"])
        // A stray package could only be one that another step has installed.
        .arg("--inexact")
        .arg("--python")
        .arg(&target.python.executable)
        .current_dir(target.directory);
    let invocation = match target.leave_out {
        LeaveOut::Nothing => invocation,
        LeaveOut::Local => invocation.arg("--no-install-local"),
        LeaveOut::Packages(names) => {
            invocation.args(names.iter().flat_map(|name| ["--no-install-package", name]))
        }
    };
    if target.test { invocation } else { invocation.arg("--no-default-groups") }
}

/// Returns what pip's configuration says about how an index is reached, as variables.
pub(super) fn network_settings(pip: &PipConfig) -> impl Iterator<Item = (OsString, OsString)> {
    let settings = pip.uv_environment(&|_: &str| true).into_iter();
    let passed = settings.filter(|(name, _)| PASSED.contains(&name.as_str()));
    passed.map(|(name, value)| (name.into(), value.into()))
}

fn with_environment(
    mut invocation: Invocation,
    tree: &Path,
    pip: &PipConfig,
    store: &Store,
    env: &Env,
) -> Invocation {
    invocation.env = tool_environment(env);
    invocation.env.extend(network_settings(pip));
    with_uv_settings(invocation, tree, store)
        .env("UV_PROJECT_ENVIRONMENT", tree.join(".heroku/python").as_os_str())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn the_lock_decides_and_the_index_of_pip_does_not() {
        let uv = Uv { executable: "/t/uv".into(), version: "0.12.5".into() };
        let python = Python {
            executable: "/t/python3.13".into(),
            prefix: "/t".into(),
            version: "3.13.1".parse().unwrap(),
            layer: None,
        };
        let tree = Path::new("/t/tree");
        let directory = Path::new("/t/app");
        let target =
            SyncTarget { tree, python: &python, directory, test: false, leave_out: &LeaveOut::Nothing };
        let args = |test: bool| -> Vec<String> {
            let args = sync_invocation(&uv, &SyncTarget { test, ..target }).args;
            args.into_iter().map(|arg| arg.into_string().unwrap()).collect()
        };
        assert!(args(false).contains(&"--locked".to_owned()));
        assert!(args(false).contains(&"--no-default-groups".to_owned()));
        assert!(!args(true).contains(&"--no-default-groups".to_owned()));

        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let vars = [("PIP_INDEX_URL", "https://i.test/simple"), ("PIP_CERT", "/c.pem")];
        let pip = PipConfig::parse(&[], &vars.map(|(name, value)| (name.into(), value.into())).into());
        let env = Env::for_tests(&[("UV_INDEX_A_PASSWORD", "x"), ("UV_INDEX_URL", "https://i.test/simple")]);
        let invocation = with_environment(sync_invocation(&uv, &target), tree, &pip, &store, &env);
        let has = |name: &str| invocation.env.contains_key(OsStr::new(name));
        assert!(has("SSL_CERT_FILE") && has("UV_INDEX_A_PASSWORD") && has("UV_PROJECT_ENVIRONMENT"));
        assert!(!has("UV_DEFAULT_INDEX") && !has("UV_INDEX_URL") && !has("UV_NO_CONFIG"));
    }
}
