//! The package managers' own tools, which make the lock files of tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Once, OnceLock};

use tempfile::TempDir;

use crate::index::index;
use crate::support::{TestApp, has_program, run, skip};

/// A directory for the tools, with a Python for them, that all tests share.
pub(crate) fn tools() -> Option<&'static Path> {
    static TOOLS: OnceLock<Option<TempDir>> = OnceLock::new();
    let dir = TOOLS.get_or_init(|| {
        if !has_program("python3") {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("python3").args(["-m", "venv"]).arg(dir.path())).success();
        Some(dir)
    });
    dir.as_ref().map(TempDir::path)
}

/// Returns the program of a tool, which is installed when it is first asked for. Each has a virtual environment of its
/// own: what they need themselves doesn't fit together.
fn tool(tools: &Path, name: &str) -> PathBuf {
    static UV: Once = Once::new();
    static PIPENV: Once = Once::new();
    static POETRY: Once = Once::new();
    static PDM: Once = Once::new();
    static PIP: Once = Once::new();
    let (once, requirement) = match name {
        "uv" => (&UV, "uv==0.12.5"),
        "pipenv" => (&PIPENV, "pipenv==2026.7.1"),
        "poetry" => (&POETRY, "poetry==2.4.1"),
        "pip" => (&PIP, "pip==26.2.1"),
        // The extra holds the versions of what it needs, newer ones of which it can't use.
        _ => (&PDM, "pdm[locked]==2.29.3"),
    };
    let venv = tools.join(name);
    once.call_once(|| {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).success();
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", requirement])).success();
    });
    venv.join("bin").join(name)
}

/// Makes an app and locks it by this command.
pub(crate) fn locked_app(files: &[(&str, &str)], command: &str) -> Option<TestApp> {
    let Some(tools) = tools() else {
        skip("no python3 on PATH to install the package managers with");
        return None;
    };
    let app = online(files);
    lock(&app, tools, command);
    Some(app)
}

/// Makes an app of these files, built from the package index.
pub(crate) fn online(files: &[(&str, &str)]) -> TestApp {
    let app = TestApp::online("flask-getting-started");
    for entry in fs::read_dir(&app.dir).unwrap() {
        let path = entry.unwrap().path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap();
    }
    for (name, contents) in files {
        let path = app.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    app
}

/// Runs a command of a tool in an app, as on a machine of its own.
pub(crate) fn lock(app: &TestApp, tools: &Path, command: &str) {
    let mut words = command.split(' ');
    let mut process = Command::new(tool(tools, words.next().unwrap()));
    let path = std::env::join_paths([tools.join("bin"), PathBuf::from("/usr/bin"), PathBuf::from("/bin")]);
    // As on a machine of its own: nothing of an outer project.
    process.args(words).current_dir(&app.dir).env_clear().envs(&app.env).env("PATH", path.unwrap());
    let interpreter = tools.join("bin/python3");
    process.env("PIPENV_DEFAULT_PYTHON_VERSION", &interpreter).env("PIPENV_PYTHON", &interpreter);
    if let Some(certificates) = app.env.get(std::ffi::OsStr::new("PIP_CERT")) {
        process.env("REQUESTS_CA_BUNDLE", certificates).env("SSL_CERT_FILE", certificates);
    }
    process.env("PDM_IGNORE_SAVED_PYTHON", "1").env("PDM_CHECK_UPDATE", "0");
    process.env("UV_PYTHON", &interpreter).env("UV_PYTHON_DOWNLOADS", "never");
    run(&mut process).success();
    let _ = fs::remove_dir_all(app.dir.join(".venv"));
    let _ = fs::remove_file(app.dir.join(".pdm-python"));
}

/// A project with a dependency, and a group for development.
pub(crate) const PROJECT: &str = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\n\
                       dependencies = [\"six==1.16.0\"]\n[dependency-groups]\ndev = [\"iniconfig\"]\n";

/// Names the index as a source of Poetry's own: in this way it asks for no more than pip does, so that a mirror will
/// do.
pub(crate) fn poetry_source() -> String {
    let url = index().map(|index| index.simple.as_str()).unwrap_or_default();
    format!("[[tool.poetry.source]]\nname = \"index\"\nurl = \"{url}/\"\npriority = \"primary\"\n")
}
