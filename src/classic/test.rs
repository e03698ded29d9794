//! `bin/test BUILD_DIR [ENV_DIR]`: runs the app's tests. Heroku's own buildpack leaves that to app.json.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::release::has_module;
use crate::build::config_vars::ConfigVars;
use crate::env::Env;
use crate::error::{self, ErrorCode, UserError};
use crate::host::process::{Invocation, replace_process};
use crate::output::Output;

/// Sources what a dyno would source, then becomes the command.
const SCRIPT: &str = r#"for file in .profile.d/*.sh; do [ -f "$file" ] && . "$file"; done
[ -s .profile ] && . ./.profile
exec bash -c "$1""#;

/// A reason that no tests can be run.
#[derive(Debug, thiserror::Error)]
enum TestError {
    /// app.json isn't JSON.
    #[error("app.json isn't valid JSON.")]
    InvalidJson {
        #[source]
        source: serde_json::Error,
    },
    /// app.json is there, but can't be read.
    #[error("app.json couldn't be opened.")]
    Unreadable {
        #[source]
        source: io::Error,
    },
    /// Nothing was built.
    #[error("app.json names no command for tests, and {0} isn't there.")]
    NotBuilt(&'static str),
}

impl UserError for TestError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidJson { .. } | Self::Unreadable { .. } => ErrorCode::AppJsonInvalid,
            Self::NotBuilt(_) => ErrorCode::NothingToTest,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct TestCommand {
    command: String,
    reason: &'static str,
}

/// Becomes the tests: the exit code is theirs, and so is what they write. Returns only on failure.
pub(super) fn run(
    build_dir: &Path,
    config_vars: &ConfigVars,
    env: &Env,
    output: &Output,
) -> error::Result<()> {
    let app_json = match std::fs::read(build_dir.join("app.json")) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(TestError::Unreadable { source }.into()),
    };
    let test = match declared_command(app_json.as_deref())? {
        Some(test) => test,
        None => default_command(build_dir)?,
    };
    output.step(format!("Running the tests: {}", test.command));
    output.detail(test.reason);
    let mut invocation = Invocation::new("bash").args(["-c", SCRIPT, "bash"]).arg(&test.command);
    invocation = invocation.current_dir(build_dir);
    invocation.env = env.vars.clone();
    invocation.env.remove(std::ffi::OsStr::new("SLUGC_BUILDPACK_DIR"));
    // Some platforms have set them already, some leave it to us.
    for name in config_vars.names() {
        let value = config_vars.get(name).unwrap_or_default();
        invocation.env.insert(name.into(), value.into());
    }
    invocation.env.insert("HOME".into(), build_dir.into());
    invocation.env.entry("PATH".into()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into());
    Err(replace_process(&invocation).into())
}

fn declared_command(app_json: Option<&[u8]>) -> Result<Option<TestCommand>, TestError> {
    let Some(bytes) = app_json else { return Ok(None) };
    let json: Value = serde_json::from_slice(bytes).map_err(|source| TestError::InvalidJson { source })?;
    let command = json.pointer("/environments/test/scripts/test").and_then(Value::as_str);
    Ok(command.filter(|command| !command.trim().is_empty()).map(|command| TestCommand {
        command: command.to_owned(),
        reason: "app.json says so: environments.test.scripts.test",
    }))
}

fn default_command(build_dir: &Path) -> Result<TestCommand, TestError> {
    const PYTHON: &str = ".heroku/python/bin/python";
    if !build_dir.join(PYTHON).exists() {
        return Err(TestError::NotBuilt(PYTHON));
    }
    let (command, reason) = if has_module(build_dir, "pytest") {
        ("python -m pytest", "pytest is installed, and app.json has no environments.test.scripts.test")
    } else if build_dir.join("manage.py").is_file() {
        ("python manage.py test --noinput", "There is a manage.py, and pytest isn't installed")
    } else {
        ("python -m unittest discover", "There is neither pytest nor a manage.py")
    };
    Ok(TestCommand { command: command.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn app_json_decides_if_it_names_a_command() {
        for (json, expected) in [
            (r#"{"environments": {"test": {"scripts": {"test": "make test"}}}}"#, Ok(Some("make test"))),
            (r#"{"environments": {"test": {"scripts": {"test": " "}}}}"#, Ok(None)),
            (r#"{"environments": {"test": {}}, "scripts": {"test": "x"}}"#, Ok(None)),
            ("[]", Ok(None)),
            ("{", Err(())),
        ] {
            let found = declared_command(Some(json.as_bytes()));
            let found = found.map(|found| found.map(|test| test.command)).map_err(drop);
            assert_eq!(found, expected.map(|command| command.map(str::to_owned)), "{json}");
        }
    }

    #[test]
    fn without_a_declared_command_what_is_there_decides() {
        for (files, expected) in [
            (&["lib/python3.14/site-packages/pytest/__init__.py", "bin/python"][..], "python -m pytest"),
            (&["bin/python", "../../manage.py"], "python manage.py test --noinput"),
            (&["bin/python"], "python -m unittest discover"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join(".heroku/python").join(file);
                fs::create_dir_all(dir.path().join(".heroku/python")).unwrap();
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            assert_eq!(default_command(dir.path()).unwrap().command, expected, "{files:?}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(default_command(empty.path()), Err(TestError::NotBuilt(_))));
    }
}
