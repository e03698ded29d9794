//! Every package manager, with locks that the real tools make: each app is built and run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::real_tools::{PROJECT, lock, locked_app, online, poetry_source, tools};
use crate::support::{Run, TestApp, run};

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
    builds(&app, "uv pip install -r Pipfile.lock");
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
    let log = crate::support::flowing(&builds(&app, "uv pip install -r Pipfile"));
    assert!(log.contains("aren't locked") && log.contains("pipenv lock"), "{log}");
    imports(&app, "six", true);
    imports(&app, "iniconfig", false);
    app.build(&["--require-locked"]).failure("package-manager::not-locked");
}

#[test]
#[ignore = "needs PyPI"]
fn poetry_lock() {
    let project = format!("{PROJECT}[tool.poetry]\npackage-mode = false\n{}", poetry_source());
    let Some(app) = locked_app(&[("pyproject.toml", &project)], "poetry lock --no-interaction") else {
        return;
    };
    builds(&app, "uv pip install -r poetry.lock");
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
    builds(&app, "uv pip install -r poetry.lock");
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert!(ran.stdout.contains("from the shop"), "{}", ran.stdout);
}

#[test]
#[ignore = "needs PyPI"]
fn pdm_lock() {
    let project = format!("{PROJECT}[tool.pdm]\ndistribution = false\n");
    let Some(app) = locked_app(&[("pyproject.toml", &project)], "pdm lock --quiet") else { return };
    builds(&app, "uv pip install -r pdm.lock");
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

/// PDM installs the project itself, in place.
#[test]
#[ignore = "needs PyPI"]
fn pdm_lock_of_a_package() {
    let project = &format!(
        "{PROJECT}[project.scripts]\nshop = \"shop:main\"\n[build-system]\nrequires = [\"pdm-backend\"]\n\
         build-backend = \"pdm.backend\"\n"
    );
    let files =
        [("pyproject.toml", project.as_str()), ("shop/__init__.py", "def main(): print('from the shop')\n")];
    let Some(app) = locked_app(&files, "pdm lock --quiet") else { return };
    builds(&app, "uv pip install -r pdm.lock");
    fs::write(app.dir.join("shop/__init__.py"), "def main(): print('from another shop')\n").unwrap();
    let log = app.build(&[]).success().stderr;
    assert!(
        log.contains("the app's own packages") && !log.contains("Installing dependencies using"),
        "{log}"
    );
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert!(ran.stdout.contains("from another shop"), "{}", ran.stdout);
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

// D17
#[test]
fn the_range_of_pythons_decides_after_the_version_file() {
    let requirements = ("requirements.txt", "");
    let project = |range: &str| format!("[project]\nname = 'x'\nrequires-python = '{range}'\n");
    let plan = |files: &[(&str, &str)]| {
        let mut app = TestApp::new(files);
        app.set("SLUGC_PYTHON_SOURCE", "catalogue");
        app.run(&["plan", app.dir.to_str().unwrap()])
    };
    let planned = plan(&[requirements, ("pyproject.toml", &project(">=3.10,<3.13"))]).success();
    let text = crate::support::flowing(&planned.stdout);
    assert!(
        text.contains("Using Python 3.12, the newest that pyproject.toml allows (`>=3.10,<3.13`)"),
        "{text}"
    );
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

#[test]
fn a_project_that_only_poetry_understands_has_to_be_locked() {
    let project = "[tool.poetry]\nname = 'x'\nversion = '1'\n[tool.poetry.dependencies]\nsix = '*'\n";
    let failed = TestApp::new(&[("pyproject.toml", project)]).build(&[]);
    assert!(failed.failure("package-manager::poetry-missing-lockfile").stderr.contains("poetry lock"));
}
