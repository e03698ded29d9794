//! `bin/test BUILD_DIR [ENV_DIR]`: runs the app's tests. Heroku's own buildpack leaves that to app.json.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::release::has_module;
use crate::build::config_vars::{ConfigVars, is_variable_name};
use crate::env::Env;
use crate::error::{self, ErrorCode, UserError};
use crate::host::process::{Invocation, replace_process};
use crate::output::Output;

/// Sources what a dyno would source, prepares the tests, if there is something to prepare, and becomes the command.
const SCRIPT: &str = r#"for file in .profile.d/*.sh; do [ -f "$file" ] && . "$file"; done
[ -s .profile ] && . ./.profile
if [ -n "$2" ]; then bash -c "$2" || exit; fi
exec bash -c "$1""#;

/// `python -m unittest discover`, with the same answer of every Python if there are no tests: 5, as pytest has it, and
/// unittest from 3.12 on.
const UNITTEST: &str = r#"python -c '
import os, sys, unittest
result = unittest.main(module=None, argv=["unittest", "discover"], exit=False).result
if not result.testsRun and not result.skipped and result.wasSuccessful():
    print("No tests were found: unittest looks for them in files named test*.py below " + os.getcwd() + ".", file=sys.stderr)
    sys.exit(5)
sys.exit(not result.wasSuccessful())
'"#;

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
    /// There are no files that tests could be in.
    #[error("No tests were found: {command} looks for them in files named test*.py below {}.", .dir.display())]
    NoTests {
        /// What would run them.
        command: &'static str,
        /// Where it was looked.
        dir: PathBuf,
    },
}

impl UserError for TestError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidJson { .. } | Self::Unreadable { .. } => ErrorCode::AppJsonInvalid,
            Self::NotBuilt(_) => ErrorCode::NothingToTest,
            Self::NoTests { .. } => ErrorCode::NoTests,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct TestCommand {
    /// What the log says.
    command: String,
    /// What is run, if that is something else.
    script: Option<&'static str>,
    reason: &'static str,
}

/// What app.json says about tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Declared {
    test: Option<String>,
    setup: Option<String>,
    /// Config vars, which count where nothing else sets them.
    env: BTreeMap<String, String>,
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
    let declared = read_declared(app_json.as_deref())?;
    let test = match &declared.test {
        Some(command) => TestCommand {
            command: command.clone(),
            script: None,
            reason: "app.json says so: environments.test.scripts.test",
        },
        None => default_command(build_dir)?,
    };
    if let Some(setup) = &declared.setup {
        output.step(format!("Preparing the tests: {setup}"));
        output.detail("app.json says so: environments.test.scripts.test-setup");
    }
    output.step(format!("Running the tests: {}", test.command));
    output.detail(test.reason);
    let mut invocation = Invocation::new("bash")
        .args(["-c", SCRIPT, "bash"])
        .arg(test.script.unwrap_or(&test.command))
        .arg(declared.setup.as_deref().unwrap_or_default());
    invocation = invocation.current_dir(build_dir);
    invocation.env = env.vars.clone();
    invocation.env.remove(std::ffi::OsStr::new("SLUGC_BUILDPACK_DIR"));
    // Some platforms have set them already, some leave it to us.
    for name in config_vars.names() {
        let value = config_vars.get(name).unwrap_or_default();
        invocation.env.insert(name.into(), value.into());
    }
    for (name, value) in &declared.env {
        invocation.env.entry(name.into()).or_insert_with(|| value.into());
    }
    invocation.env.insert("HOME".into(), build_dir.into());
    invocation.env.entry("PATH".into()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into());
    Err(replace_process(&invocation).into())
}

fn read_declared(app_json: Option<&[u8]>) -> Result<Declared, TestError> {
    let Some(bytes) = app_json else { return Ok(Declared::default()) };
    let json: Value = serde_json::from_slice(bytes).map_err(|source| TestError::InvalidJson { source })?;
    let script = |name: &str| {
        let script = json.pointer(&format!("/environments/test/scripts/{name}")).and_then(Value::as_str);
        script.filter(|script| !script.trim().is_empty()).map(str::to_owned)
    };
    // What is said for tests wins over what is said for all.
    let mut env = BTreeMap::new();
    for place in ["/env", "/environments/test/env"] {
        let vars = json.pointer(place).and_then(Value::as_object);
        for (name, value) in vars.into_iter().flatten().filter(|(name, _)| is_variable_name(name)) {
            if let Some(value) = value_of(value) {
                env.insert(name.clone(), value);
            }
        }
    }
    Ok(Declared { test: script("test"), setup: script("test-setup"), env })
}

/// A text, or an object that has one; a secret that the platform would make is any text.
fn value_of(value: &Value) -> Option<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let is_generated = value.get("generator").and_then(Value::as_str) == Some("secret");
    text(value)
        .or_else(|| text(value.get("value")?))
        .or_else(|| is_generated.then(|| "secret-for-tests".to_owned()))
}

fn default_command(build_dir: &Path) -> Result<TestCommand, TestError> {
    const PYTHON: &str = ".heroku/python/bin/python";
    if !build_dir.join(PYTHON).exists() {
        return Err(TestError::NotBuilt(PYTHON));
    }
    let (command, script, reason) = if has_module(build_dir, "pytest") {
        const REASON: &str = "pytest is installed, and app.json has no environments.test.scripts.test";
        return Ok(TestCommand { command: "python -m pytest".to_owned(), script: None, reason: REASON });
    } else if build_dir.join("manage.py").is_file() {
        ("python manage.py test --noinput", None, "There is a manage.py, and pytest isn't installed")
    } else {
        ("python -m unittest discover", Some(UNITTEST), "There is neither pytest nor a manage.py")
    };
    if !has_tests(build_dir) {
        return Err(TestError::NoTests { command, dir: build_dir.to_owned() });
    }
    Ok(TestCommand { command: command.to_owned(), script, reason })
}

/// Returns whether there is a file that unittest and Django would look into.
fn has_tests(build_dir: &Path) -> bool {
    let walk = walkdir::WalkDir::new(build_dir).min_depth(1).into_iter();
    let is_searched = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        !name.starts_with('.') && name != "node_modules"
    };
    walk.filter_entry(is_searched).flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy();
        name.starts_with("test") && name.ends_with(".py") && entry.path().is_file()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    // B10
    #[test]
    fn app_json_decides_what_it_names() {
        let vars = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (json, test, setup, env) in [
            (
                r#"{"environments": {"test": {"scripts": {"test": "make test"}}}}"#,
                Some("make test"),
                None,
                vars(&[]),
            ),
            (r#"{"environments": {"test": {"scripts": {"test": " "}}}}"#, None, None, vars(&[])),
            (r#"{"environments": {"test": {}}, "scripts": {"test": "x"}}"#, None, None, vars(&[])),
            (
                r#"{"environments": {"test": {"env": {"FOO": "bar"}, "scripts": {"test-setup": "touch ready"}}}}"#,
                None,
                Some("touch ready"),
                vars(&[("FOO", "bar")]),
            ),
            (
                r#"{"env": {"A": "1", "B": {"value": "2"}, "C": {"required": true}}, "environments": {"test": {"env":
                   {"A": {"value": "3"}, "S": {"generator": "secret"}, "N": 4, "not-a-name": "x"}}}}"#,
                None,
                None,
                vars(&[("A", "3"), ("B", "2"), ("N", "4"), ("S", "secret-for-tests")]),
            ),
            ("[]", None, None, vars(&[])),
        ] {
            let expected = Declared { test: test.map(str::to_owned), setup: setup.map(str::to_owned), env };
            assert_eq!(read_declared(Some(json.as_bytes())).unwrap(), expected, "{json}");
        }
        assert!(matches!(read_declared(Some(b"{")), Err(TestError::InvalidJson { .. })));
        assert_eq!(read_declared(None).unwrap(), Declared::default());
    }

    #[test]
    fn without_a_declared_command_what_is_there_decides() {
        for (files, expected) in [
            (&["lib/python3.14/site-packages/pytest/__init__.py", "bin/python"][..], "python -m pytest"),
            (&["bin/python", "../../manage.py", "../../shop/tests.py"], "python manage.py test --noinput"),
            (&["bin/python", "../../test_shop.py"], "python -m unittest discover"),
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

    // B23
    #[test]
    fn that_there_are_no_tests_is_an_error_of_its_own() {
        for files in [
            &["bin/python"][..],
            &["bin/python", "lib/test_this.py"],
            &["bin/python", "../../manage.py", "../../contest.py"],
            &["bin/python", "../../.tox/test_x.py", "../../node_modules/test_y.py"],
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                fs::create_dir_all(dir.path().join(".heroku/python")).unwrap();
                let path = dir.path().join(".heroku/python").join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            let error = default_command(dir.path()).unwrap_err();
            assert!(matches!(error, TestError::NoTests { .. }), "{files:?}: {error:?}");
            assert_eq!(error.exit_code(), 5);
        }
    }
}
