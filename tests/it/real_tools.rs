//! The package managers' own tools, which make the lock files of tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::{TestApp, has_program, run, skip};

/// The tools, in virtual environments that all tests share.
pub(crate) fn tools() -> Option<&'static Path> {
    static TOOLS: OnceLock<Option<TempDir>> = OnceLock::new();
    let dir = TOOLS.get_or_init(|| {
        if !has_program("python3") {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("python3").args(["-m", "venv"]).arg(dir.path())).success();
        fs::create_dir(dir.path().join("all")).unwrap();
        // What they need themselves doesn't fit together.
        for (name, tool) in [
            ("uv", "uv==0.12.5"),
            ("pipenv", "pipenv==2026.7.1"),
            ("poetry", "poetry==2.4.1"),
            // The extra holds the versions of what it needs, newer ones of which it can't use.
            ("pdm", "pdm[locked]==2.29.3"),
        ] {
            let venv = dir.path().join(name);
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).success();
            run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", tool])).success();
            std::os::unix::fs::symlink(venv.join("bin").join(name), dir.path().join("all").join(name))
                .unwrap();
        }
        Some(dir)
    });
    dir.as_ref().map(TempDir::path)
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
    let mut process = Command::new(tools.join("all").join(words.next().unwrap()));
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
/// do. The URL is the one that uv writes into its lock file.
pub(crate) fn poetry_source() -> String {
    let Some(app) = locked_app(&[("pyproject.toml", PROJECT)], "uv lock --quiet") else {
        return String::new();
    };
    let lock = fs::read_to_string(app.dir.join("uv.lock")).unwrap();
    let url = lock.split("registry = \"").nth(1).unwrap().split('"').next().unwrap();
    format!("[[tool.poetry.source]]\nname = \"index\"\nurl = \"{url}/\"\npriority = \"primary\"\n")
}
