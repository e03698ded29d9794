//! Which tools there are, in which versions, and how they install.

use std::fs;

use super::Check::{Elsewhere, Runs};
use super::Section::Installers;
use super::detection::{PIPFILE_LOCK, PYPROJECT, UV_LOCK};
use super::world::World;
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        Installers,
        "pip is of version 26.2.1, and has setuptools 70.3.0 beside it up to Python 3.12.",
        Runs(|world| {
            let Some(build) = world.built() else { return };
            let report = build.report();
            assert_eq!(report["pip_version"], "26.2.1");
            if let Some(setuptools) = report.get("setuptools_version") {
                assert_eq!(setuptools, "70.3.0");
            }
        }),
    ),
    row(
        Installers,
        "pip is installed in each build, which does nothing if it is there.",
        Elsewhere("classic_cache::an_unchanged_app_is_built_from_the_cache"),
    )
    .differs("it is a layer of its own; an unchanged build starts no installer and no Python."),
    row(
        Installers,
        "Pipenv is installed for the app, at run time, too; Poetry for the build.",
        Elsewhere("managers::a_tool_that_is_called_but_not_there_is_told"),
    )
    .differs("what their lock files say is installed without them; a process type or hook that calls one gets a warning."),
    row(
        Installers,
        "uv 0.12.5 is downloaded as an archive, without a checksum.",
        Runs(|_| {
            let pinned = fs::read_to_string("inventory/uv.txt").unwrap();
            assert!(pinned.contains("uv==0.12.5") && pinned.contains("--hash=sha256:"), "{pinned}");
        }),
    )
    .differs("from the package index that pip is set up for, by its hash."),
    row(
        Installers,
        "The step names the command: `pip install -r requirements.txt`, `pipenv install --deploy`, `poetry sync --only main`, `uv sync --locked --no-default-groups`.",
        Runs(|world| steps_name(world, false)),
    ),
    row(
        Installers,
        "For tests: with `-r requirements-test.txt` if that is there, with `--dev`, without `--only main`, without `--no-default-groups`.",
        Runs(|world| steps_name(world, true)),
    ),
    row(
        Installers,
        "That command is run.",
        Elsewhere("managers::poetry_lock"),
    )
    .differs("uv installs, also for pip, Pipenv and Poetry, what the files or lock files say; pip itself where uv can't."),
    row(
        Installers,
        "A lock file that is out of date fails the build.",
        Elsewhere("messages::an_installer_that_fails_is_told_by_its_manager_and_by_known_causes"),
    ),
    row(
        Installers,
        "Packages go into the app's own Python; there is no virtual environment.",
        Elsewhere("classic::compile_makes_a_build_directory_that_runs"),
    ),
    row(
        Installers,
        "Bytecode is compiled at the build, and checked by the times of its sources.",
        Runs(bytecode_is_unchecked),
    )
    .differs("it isn't checked at all, so that no change of times makes it stale; what hooks change is compiled again."),
    row(
        Installers,
        "uv and Poetry set variables of theirs (UV_PROJECT_ENVIRONMENT, POETRY_VIRTUALENVS_CREATE) for later buildpacks.",
        Runs(|world| {
            let files = [("uv.lock", UV_LOCK), ("pyproject.toml", PYPROJECT)];
            let Some(build) = world.ready(&files) else { return };
            build.compile().success();
            let export = fs::read_to_string(build.buildpack.join("export")).unwrap();
            assert!(export.contains("PYTHONPATH") && !export.contains("UV_"), "{export}");
        }),
    )
    .differs("they don't: neither tool is there for later buildpacks."),
    row(
        Installers,
        "Python is downloaded from Heroku's archives for the stack, without a checksum; there is no other place.",
        Elsewhere("bad_input::a_mirror_that_sends_the_wrong_bytes"),
    )
    .differs("from a catalogue with checksums, from a mirror or a directory of archives, or copied from this machine."),
    row(
        Installers,
        "CURL_TIMEOUT and CURL_CONNECT_TIMEOUT set how long a download may take.",
        Runs(|_| {
            let mut build = super::world::Build::new(&[("requirements.txt", ""), (".python-version", "3.13")]);
            build.hide_pythons();
            build.app.set("CURL_TIMEOUT", "none");
            build.compile().failure("install-python");
        }),
    )
    .differs("they aren't read: downloads are tried again and end when nothing comes any more."),
];

fn steps_name(world: &World, test: bool) {
    // Its lock files are built with packages of the index elsewhere.
    let poetry = slugc::testing::plan::PackageManager::Poetry.command(test, false);
    assert_eq!(poetry, if test { "poetry sync" } else { "poetry sync --only main" });
    for (files, built, tested) in [
        (
            &[("requirements.txt", "# 1\n"), ("requirements-test.txt", "# 2\n")][..],
            "pip install -r requirements.txt",
            "pip install -r requirements.txt -r requirements-test.txt",
        ),
        (&[("Pipfile.lock", PIPFILE_LOCK)], "pipenv install --deploy", "pipenv install --deploy --dev"),
        (
            &[("uv.lock", UV_LOCK), ("pyproject.toml", PYPROJECT)],
            "uv sync --locked --no-default-groups",
            "uv sync --locked",
        ),
    ] {
        let Some(build) = world.ready(files) else { return };
        let (run, command) = if test { (build.test_compile(), tested) } else { (build.compile(), built) };
        let step = format!("-----> Installing dependencies using '{command}'\n");
        assert!(run.stdout.contains(&step), "no {step:?} in {}", run.stdout);
    }
}

fn bytecode_is_unchecked(world: &World) {
    let Some(build) = world.built() else { return };
    let files = walkdir::WalkDir::new(build.app.dir.join(".heroku/python/lib"));
    let files = files.into_iter().map(|entry| entry.unwrap().into_path());
    let mut checked = 0;
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "pyc")) {
        assert_eq!(fs::read(&path).unwrap()[4..8], [1, 0, 0, 0], "{}", path.display());
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}
