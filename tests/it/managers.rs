//! Every package manager, with locks that the real tools make: each app is built and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Once, OnceLock};

use tempfile::TempDir;

use crate::index::index;
use crate::support::{Run, TestApp, has_program, run, skip};

/// A directory for the tools, with a Python for them, that all tests share.
fn tools() -> Option<&'static Path> {
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
    let (once, requirement) = match name {
        "uv" => (&UV, "uv==0.12.5"),
        "pipenv" => (&PIPENV, "pipenv==2026.7.1"),
        "poetry" => (&POETRY, "poetry==2.4.1"),
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

fn online(files: &[(&str, &str)]) -> TestApp {
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

fn lock(app: &TestApp, tools: &Path, command: &str) {
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

#[track_caller]
fn python(app: &TestApp, code: &str) -> Run {
    app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", code])
}

/// Builds twice: the second time, nothing is left to do.
#[track_caller]
fn builds(app: &TestApp, command: &str) -> String {
    let log = app.build(&[]).success().stderr;
    assert!(log.contains(&format!("-----> Installing dependencies using '{command}'\n")), "{log}");
    let again = app.build(&["--format", "json"]).success().event("finished");
    for counter in ["processes", "downloads", "layers_built", "segments_compressed"] {
        assert_eq!(again["counters"][counter], 0, "{counter}: {again}");
    }
    log
}

#[track_caller]
fn imports(app: &TestApp, module: &str, expected: bool) {
    let ran = python(app, &format!("import {module}"));
    assert_eq!(ran.code == Some(0), expected, "import {module}: {}{}", ran.stdout, ran.stderr);
}

/// Changes the first hash in a file for another.
#[track_caller]
fn spoil_hashes(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let hash = regex::Regex::new("[0-9a-f]{64}").unwrap();
    let metadata = regex::Regex::new("(?m)^.*(content[-_]hash|\"sha256\":).*$").unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| match metadata.is_match(line) {
            true => line.to_owned(),
            false => hash.replace_all(line, "0".repeat(64)).into_owned(),
        })
        .collect();
    let spoilt = lines.join("\n") + "\n";
    assert_ne!(spoilt, text);
    fs::write(file, spoilt).unwrap();
}

pub(crate) const PROJECT: &str = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\n\
                       dependencies = [\"six==1.16.0\"]\n[dependency-groups]\ndev = [\"iniconfig\"]\n";

#[test]
#[ignore = "needs PyPI"]
fn uv_lock() {
    let Some(app) =
        locked_app(&[("pyproject.toml", PROJECT), (".python-version", "3.13\n")], "uv lock --quiet")
    else {
        return;
    };
    builds(&app, "uv sync --locked --no-default-groups");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    imports(&app, "pip", false);
    let lock = app.dir.join("uv.lock");
    let whole = fs::read_to_string(&lock).unwrap();
    spoil_hashes(&lock);
    app.build(&["--refresh"]).failure("install-dependencies::uv");
    fs::write(&lock, whole).unwrap();
    fs::write(app.dir.join("pyproject.toml"), PROJECT.replace("1.16.0", "1.15.0")).unwrap();
    let stale = app.build(&[]).failure("install-dependencies::uv");
    assert!(stale.stderr.contains("needs to be updated"), "uv's own message: {}", stale.stderr);
    assert!(stale.stderr.contains("out of date"), "{}", stale.stderr);
}

/// The project itself, a member of its workspace and a directory are installed, and run where the slug does.
#[test]
#[ignore = "needs PyPI"]
fn uv_lock_with_a_workspace() {
    const BUILD: &str =
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n";
    let member = format!("[project]\nname = \"member\"\nversion = \"1\"\n{BUILD}");
    let root = format!(
        "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\ndependencies = [\"member\"]\n\
         scripts = {{ shop = \"shop:main\" }}\n{BUILD}[tool.uv.sources]\nmember = {{ workspace = true }}\n\
         [tool.uv.workspace]\nmembers = [\"packages/*\"]\n"
    );
    let files = [
        ("pyproject.toml", root.as_str()),
        ("src/shop/__init__.py", "import member\ndef main(): print('shop and', member.NAME)\n"),
        ("packages/member/pyproject.toml", &member),
        ("packages/member/src/member/__init__.py", "NAME = 'its member'\n"),
    ];
    let Some(app) = locked_app(&files, "uv lock --quiet") else { return };
    builds(&app, "uv sync --locked --no-default-groups");
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert!(ran.stdout.contains("shop and its member"), "{}", ran.stdout);
    let unpacked = app.out.join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    run(Command::new("tar").arg("xzf").arg(app.slug()).arg("-C").arg(&unpacked)).success();
    let traces = run(Command::new("grep").arg("-rlF").arg(&app.store).arg(&unpacked));
    assert_eq!(traces.stdout, "", "paths of the build are in the slug");
    let left = ["bin/activate", "pyvenv.cfg", "lib64", ".gitignore", "CACHEDIR.TAG"];
    for name in left {
        assert!(!unpacked.join("app/.heroku/python").join(name).exists(), "{name}");
    }
    let bytes =
        |app: &TestApp| app.build(&["--format", "json"]).success().event("finished")["sha256"].clone();
    let mut other = online(&files);
    fs::copy(app.dir.join("uv.lock"), other.dir.join("uv.lock")).unwrap();
    other.set("SLUGC_CACHE_DIR", other.out.join("another store"));
    assert_eq!(bytes(&app), bytes(&other));
    // The installed copy of a member is in the layer, so that its source is a part of the key.
    fs::write(app.dir.join("packages/member/src/member/__init__.py"), "NAME = 'another'\n").unwrap();
    app.build(&[]).success();
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert!(ran.stdout.contains("shop and another"), "{}", ran.stdout);
}

#[test]
#[ignore = "needs PyPI"]
fn pylock() {
    let Some(app) = locked_app(&[("pyproject.toml", PROJECT)], "uv lock --quiet") else { return };
    lock(
        &app,
        tools().unwrap(),
        "uv export --quiet --locked --no-emit-project --no-default-groups -o pylock.toml",
    );
    fs::remove_file(app.dir.join("uv.lock")).unwrap();
    builds(&app, "uv pip install -r pylock.toml");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    spoil_hashes(&app.dir.join("pylock.toml"));
    let failed = app.build(&[]).failure("install-dependencies::uv");
    assert!(failed.stderr.contains("doesn't have the hash"), "{}", failed.stderr);
}

#[test]
#[ignore = "needs PyPI"]
fn pyproject_alone() {
    let app = online(&[("pyproject.toml", PROJECT)]);
    let log = builds(&app, "uv pip install -r pyproject.toml");
    assert!(log.contains("aren't locked") && log.contains("uv lock"), "{log}");
    imports(&app, "six", true);
    app.build(&["--require-locked"]).failure("package-manager::not-locked");
    let dynamic = "[project]\nname = \"shop\"\nversion = \"1\"\ndynamic = [\"dependencies\"]\n[build-system]\n\
                   requires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
                   [tool.setuptools.dynamic]\ndependencies = { file = [\"needs.txt\"] }\n";
    let app = online(&[("pyproject.toml", dynamic), ("needs.txt", "six==1.16.0\n"), ("shop.py", "")]);
    builds(&app, "uv pip install -r pyproject.toml");
    imports(&app, "six", true);
}

const PIPFILE: &str = "[packages]\nsix = \"==1.16.0\"\n[dev-packages]\niniconfig = \"*\"\n";

#[test]
#[ignore = "needs PyPI"]
fn pipfile_lock() {
    let Some(app) = locked_app(&[("Pipfile", PIPFILE)], "pipenv lock") else { return };
    builds(&app, "pipenv install --deploy");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    let lock = app.dir.join("Pipfile.lock");
    let whole = fs::read_to_string(&lock).unwrap();
    fs::write(
        &lock,
        regex::Regex::new("sha256:[0-9a-f]{64}")
            .unwrap()
            .replace_all(&whole, format!("sha256:{}", "0".repeat(64)).as_str())
            .as_ref(),
    )
    .unwrap();
    app.build(&[]).failure("install-dependencies::pipenv");
    fs::write(&lock, &whole).unwrap();
    fs::write(app.dir.join("Pipfile"), PIPFILE.replace("1.16.0", "1.15.0")).unwrap();
    app.build(&[]).failure("install-dependencies::pipenv");
}

#[test]
#[ignore = "needs PyPI"]
fn pipfile_alone() {
    let app = online(&[("Pipfile", PIPFILE)]);
    let log = builds(&app, "pipenv install");
    assert!(log.contains("aren't locked") && log.contains("pipenv lock"), "{log}");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    app.build(&["--require-locked"]).failure("package-manager::not-locked");
}

/// Names the index as a source of Poetry's own: in this way it asks for no more than pip does, so that a mirror will
/// do.
fn poetry_source() -> String {
    let url = index().map(|index| index.simple.as_str()).unwrap_or_default();
    format!("[[tool.poetry.source]]\nname = \"index\"\nurl = \"{url}/\"\npriority = \"primary\"\n")
}

#[test]
#[ignore = "needs PyPI"]
fn poetry_lock() {
    let project = format!("{PROJECT}[tool.poetry]\npackage-mode = false\n{}", poetry_source());
    let Some(app) = locked_app(&[("pyproject.toml", &project)], "poetry lock --no-interaction") else {
        return;
    };
    builds(&app, "poetry sync --only main");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    let lock = app.dir.join("poetry.lock");
    let whole = fs::read_to_string(&lock).unwrap();
    spoil_hashes(&lock);
    app.build(&[]).failure("install-dependencies::poetry");
    fs::write(&lock, whole).unwrap();
    fs::write(app.dir.join("pyproject.toml"), project.replace("1.16.0", "1.15.0")).unwrap();
    app.build(&[]).failure("install-dependencies::poetry");
}

/// Poetry installs the project itself, also where pyproject.toml doesn't say what builds it.
#[test]
#[ignore = "needs PyPI"]
fn poetry_lock_of_a_package() {
    let source = poetry_source();
    let project = &format!(
        "[tool.poetry]\nname = \"shop\"\nversion = \"1\"\ndescription = \"\"\nauthors = []\n\
                   [tool.poetry.dependencies]\npython = \"^3.10\"\nsix = \"1.16.0\"\n\
                   [tool.poetry.scripts]\nshop = \"shop:main\"\n{source}"
    );
    let files =
        [("pyproject.toml", project.as_str()), ("shop/__init__.py", "def main(): print('from the shop')\n")];
    let Some(app) = locked_app(&files, "poetry lock --no-interaction") else { return };
    builds(&app, "poetry sync --only main");
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert!(ran.stdout.contains("from the shop"), "{}", ran.stdout);
}

#[test]
#[ignore = "needs PyPI"]
fn pdm_lock() {
    let project = format!("{PROJECT}[tool.pdm]\ndistribution = false\n");
    let Some(app) = locked_app(&[("pyproject.toml", &project)], "pdm lock --quiet") else { return };
    builds(&app, "pdm sync --prod");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    let lock = app.dir.join("pdm.lock");
    let whole = fs::read_to_string(&lock).unwrap();
    spoil_hashes(&lock);
    app.build(&[]).failure("install-dependencies::pdm");
    fs::write(&lock, whole).unwrap();
    fs::write(app.dir.join("pyproject.toml"), project.replace("1.16.0", "1.15.0")).unwrap();
    app.build(&[]).failure("install-dependencies::pdm");
}

#[test]
fn what_is_not_pinned_is_listed_when_locks_are_required() {
    let files = [("requirements.txt", "-r more.txt\nsix==1.16.0\n"), ("more.txt", "flask\nrequests>=2\n")];
    let mut app = TestApp::new(&files);
    app.build(&[]).success();
    let failed = app.build(&["--require-locked"]).failure("package-manager::not-locked");
    assert!(failed.stderr.contains("flask, requests"), "{}", failed.stderr);
    app.set("SLUGC_REQUIRE_LOCKED", "1");
    app.build(&[]).failure("package-manager::not-locked");
    app.set("SLUGC_REQUIRE_LOCKED", "0");
    app.build(&[]).success();
}

#[test]
fn uv_wants_to_be_told_the_version_of_python() {
    let lock = ("uv.lock", "version = 1\n");
    let project = ("pyproject.toml", "[project]\nname = 'x'\n");
    TestApp::new(&[lock, project]).build(&[]).failure("python-version-file::not-found");
    let runtime = ("runtime.txt", "python-3.13\n");
    TestApp::new(&[lock, project, runtime]).build(&[]).failure("runtime-txt::not-supported");
}

#[test]
fn the_range_of_pythons_decides_after_the_version_file() {
    let requirements = ("requirements.txt", "");
    let project = |range: &str| format!("[project]\nname = 'x'\nrequires-python = '{range}'\n");
    let plan = |files: &[(&str, &str)]| {
        let mut app = TestApp::new(files);
        app.set("SLUGC_PYTHON_SOURCE", "catalogue");
        app.run(&["plan", app.dir.to_str().unwrap()])
    };
    let text = plan(&[requirements, ("pyproject.toml", &project(">=3.10,<3.13"))]).success().stdout;
    assert!(text.contains("Using Python 3.12 specified in pyproject.toml"), "{text}");
    let version = (".python-version", "3.11\n");
    let text = plan(&[requirements, ("pyproject.toml", &project(">=3.12")), version]).success().stdout;
    assert!(text.contains("Using Python 3.11 specified in .python-version"), "{text}");
    plan(&[requirements, ("pyproject.toml", &project("<3.10"))]).failure("requires-python::not-supported");
    plan(&[requirements, ("pyproject.toml", &project("three"))]).failure("requires-python::invalid");
}

#[test]
fn a_tool_that_is_called_but_not_there_is_told() {
    let files = [
        ("requirements.txt", ""),
        ("Procfile", "web: pipenv run gunicorn x\nworker: python run.py\n"),
        ("bin/post_compile", "#!/bin/sh\ntrue # uv run\n"),
    ];
    let app = TestApp::new(&files);
    let log = app.build(&[]).success().stderr;
    assert!(log.contains("`web` calls `pipenv run`"), "{log}");
    assert!(!log.contains("`worker` calls"), "{log}");
}

#[test]
fn a_broken_pyproject_only_matters_where_it_decides() {
    let broken = ("pyproject.toml", "[project\n");
    TestApp::new(&[broken, ("requirements.txt", "")]).build(&[]).success();
    let failed = TestApp::new(&[broken]).build(&[]).failure("pyproject::invalid");
    assert!(failed.stderr.contains("line 1"), "{}", failed.stderr);
}
