//! The environment of the app's own steps in `slugc build`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::collectstatic::DEBUG_VARIABLE;
use super::config_vars::ConfigVars;
use super::tool_env::BUILD_EPOCH;
use crate::check::gather::DEFAULT_STACK;
use crate::env::Env;
use crate::host::files::{self, FileError};
use crate::host::scratch::ScratchDir;
use crate::plan::steps::DISABLING_VARIABLE;

/// What steps get of the user's own environment: how to find programs and the network. Whatever else changes the
/// result is a config var, so that the result can be remembered.
const PASSED: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "STACK", "NODE_EXTRA_CA_CERTS"];

/// Returns the environment of the steps, before it is known where they run.
pub(super) fn step_environment(env: &Env) -> BTreeMap<OsString, OsString> {
    let is_passed = |name: &str| {
        PASSED.contains(&name)
            || [DISABLING_VARIABLE, DEBUG_VARIABLE].contains(&name)
            || name.starts_with("SSL_CERT_")
            || name.to_ascii_lowercase().ends_with("_proxy")
    };
    let mut vars: BTreeMap<OsString, OsString> = env
        .vars
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(is_passed))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in
        [("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("SOURCE_DATE_EPOCH", BUILD_EPOCH)]
    {
        vars.insert(name.into(), value.into());
    }
    vars
}

/// What steps are told of besides the build directory, as on Heroku: a cache, which is empty in each build, and the config
/// vars as files. They hold secrets, and are gone when the steps have run.
pub(super) struct StepPlaces {
    dir: ScratchDir,
}

impl StepPlaces {
    /// Makes them.
    pub(super) fn make(config_vars: &ConfigVars) -> Result<Self, FileError> {
        let dir = files::temp_dir(None)?;
        let (cache, env) = (dir.path().join("cache"), dir.path().join("env"));
        files::create_dir_all(&cache)?;
        files::create_dir_all(&env)?;
        // A step may have another user id. The directory around lets nobody else in.
        files::set_mode(&env, 0o755)?;
        for name in config_vars.names() {
            let value = config_vars.get(name).unwrap_or_default();
            files::write_atomically(&env.join(name), value.as_encoded_bytes())?;
        }
        Ok(Self { dir })
    }

    /// Adds where they are.
    pub(super) fn vars(
        &self,
        mut vars: BTreeMap<OsString, OsString>,
        build_dir: &Path,
        commit: Option<&str>,
    ) -> BTreeMap<OsString, OsString> {
        vars.entry("STACK".into()).or_insert_with(|| DEFAULT_STACK.into());
        for (name, value) in [
            ("BUILD_DIR", build_dir.into()),
            ("CACHE_DIR", self.dir.path().join("cache").into_os_string()),
            ("ENV_DIR", self.dir.path().join("env").into_os_string()),
            ("SOURCE_VERSION", commit.unwrap_or_default().into()),
        ] {
            vars.insert(name.into(), value);
        }
        vars
    }
}

/// Returns a digest of the config vars, and of what of the environment changes what the steps do.
pub(super) fn digest_of_vars(config_vars: &ConfigVars, base: &BTreeMap<OsString, OsString>) -> String {
    let mut all = config_vars.clone();
    for name in [DISABLING_VARIABLE, "STACK"] {
        if let (None, Some(value)) = (config_vars.get(name), base.get(std::ffi::OsStr::new(name))) {
            all.extend([(name, value.clone())]);
        }
    }
    all.digest()
}
