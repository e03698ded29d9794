//! Which apps are taken, and who installs their packages.

use std::fs;
use std::os::unix::fs::symlink;

use super::Check::{Chooses, Detects, Fails, Ignores, Runs};
use super::Section::{Checks, Detect, PackageManager};
use super::world::{Build, unwrapped};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        Detect,
        "A package manager's file makes a Python app: `requirements.txt`, `Pipfile`, `Pipfile.lock`, `poetry.lock`, `uv.lock`, `pdm.lock`, `pyproject.toml`.",
        Detects(&[
            "requirements.txt",
            "Pipfile",
            "Pipfile.lock",
            "poetry.lock",
            "uv.lock",
            "pdm.lock",
            "pyproject.toml",
        ]),
    ),
    row(
        Detect,
        "So does a file that names the Python version: `.python-version`, `runtime.txt`.",
        Detects(&[".python-version", "runtime.txt"]),
    ),
    row(Detect, "So does `setup.py` or `setup.cfg`.", Detects(&["setup.py", "setup.cfg"])),
    row(
        Detect,
        "So does a usual name of a source file: `__init__.py`, `app.py`, `main.py`, `manage.py`, `server.py`.",
        Detects(&["__init__.py", "app.py", "main.py", "manage.py", "server.py"]),
    ),
    row(
        Detect,
        "So does a misspelt `requirements.txt`, for the sake of a better error: seven spellings.",
        Detects(&[
            "requeriments.txt",
            "requirement.txt",
            "requirements",
            "requirements.text",
            "Requirements.txt",
            "requirements.txt.txt",
            "requirments.txt",
        ]),
    ),
    row(
        Detect,
        "So does a directory `__pycache__`, `.venv` or `venv`.",
        Detects(&["__pycache__/", ".venv/", "venv/"]),
    ),
    row(
        Detect,
        "A file with the name of one of those directories doesn't.",
        Ignores(&["__pycache__", ".venv", "venv"]),
    ),
    row(
        Detect,
        "Any other of the names may be a directory, too.",
        Detects(&["requirements/", "Pipfile/", "app.py/"]),
    ),
    row(
        Detect,
        "Only the top level directory counts, and names are case-sensitive.",
        Ignores(&["backend/requirements.txt", "PIPFILE", "App.py", "wsgi.py", "package.json"]),
    ),
    row(Detect, "`pylock.toml` alone doesn't make a Python app.", Detects(&["pylock.toml"]))
        .differs("it does, as it can be built."),
    row(Detect, "Symbolic links are followed; one that leads nowhere doesn't count.", Runs(links_are_followed)),
    row(
        Detect,
        "An app is answered by `Python` on standard output, exit code 0, and nothing on standard error.",
        Runs(the_answer_is_python),
    ),
    row(Detect, "Anything else is answered by exit code 1.", Ignores(&["index.html"])),
    row(Detect, "Standard output is empty if it isn't a Python app.", Runs(the_answer_is_no)).differs(
        "it holds `no`, which platforms ignore and the buildpack test runner asks for.",
    ),
    row(
        Detect,
        "A long explanation on standard error lists the top level directory and the things to check.",
        Runs(the_reason_needs_a_stack),
    )
    .differs("only when STACK is set; elsewhere several buildpacks are tried, and a story for each would be noise."),
    row(
        Detect,
        "The listing has dotfiles, a slash after directories, and the order of the locale.",
        Runs(the_listing_is_sorted),
    )
    .differs("the order is that of the bytes, the same everywhere, and a listing ends after 40 names."),
    row(
        Checks,
        "A build without STACK fails.",
        Runs(a_stack_is_not_needed),
    )
    .differs("it goes on: harnesses and machines of developers have none."),
    row(
        Checks,
        "A stack that isn't supported any more fails the build: `cedar-14`, `heroku-16`, `heroku-18`, `heroku-20`.",
        Runs(|world| stacks_fail(world, &["cedar-14", "heroku-16", "heroku-18", "heroku-20"], "checks::stack::eol")),
    ),
    row(
        Checks,
        "A stack that was never heard of fails it with another message.",
        Runs(|world| stacks_fail(world, &["heroku-99", "HEROKU-24", "ubuntu"], "checks::stack::unknown")),
    ),
    row(
        Checks,
        "`.heroku/python` in the app, file or directory, fails the build.",
        Fails(
            &[
                &[("requirements.txt", ""), (".heroku/python/x", "")],
                &[("requirements.txt", ""), (".heroku/python", "")],
            ],
            "checks::existing-python-dir",
        ),
    ),
    row(
        Checks,
        "`.heroku/python/bin/python` together with the variable PYTHONHOME is told apart: another Python buildpack has run.",
        Runs(|_| {
            let mut build = Build::new(&[("requirements.txt", ""), (".heroku/python/bin/python", "")]);
            build.app.set("PYTHONHOME", "/app/.heroku/python");
            build.compile().failure("checks::duplicate-python-buildpack");
        }),
    ),
    row(
        Checks,
        "A virtual environment in `.venv` or `venv` fails the build.",
        Fails(
            &[
                &[("requirements.txt", ""), (".venv/pyvenv.cfg", "")],
                &[("requirements.txt", ""), ("venv/pyvenv.cfg", "")],
            ],
            "checks::existing-venv-dir",
        ),
    ),
    row(
        Checks,
        "A directory `venv` without `pyvenv.cfg` is none.",
        Runs(|world| {
            let run = world.refused(&[("requirements.txt", ""), ("venv/x.py", "")]);
            assert!(!run.stdout.contains("checks::"), "{}", run.stdout);
        }),
    ),
    row(
        PackageManager,
        "`Pipfile` without `Pipfile.lock` fails, whatever else there is.",
        Runs(|world| {
            for other in ["requirements.txt", "poetry.lock"] {
                let run = world.refused(&[("Pipfile", ""), (other, "")]);
                assert!(run.stdout.contains("package-manager::pipenv-missing-lockfile"), "{other}: {}", run.stdout);
            }
            let alone = world.refused(&[("Pipfile", "")]);
            assert!(alone.stdout.contains("There is no Pipfile.lock"), "{}", alone.stdout);
            let mut build = Build::new(&[("Pipfile", "")]);
            build.app.set("SLUGC_REQUIRE_LOCKED", "1");
            build.compile().failure("package-manager::not-locked");
        }),
    )
    .differs("a Pipfile alone is resolved and built, with a warning; SLUGC_REQUIRE_LOCKED=1 makes it an error."),
    row(
        PackageManager,
        "`requirements.txt` alone means pip, with or without `setup.py` and `pyproject.toml`.",
        Chooses(
            &[
                &[("requirements.txt", "")],
                &[("requirements.txt", ""), ("setup.py", "")],
                &[("requirements.txt", ""), ("pyproject.toml", "")],
            ],
            "pip",
        ),
    ),
    row(
        PackageManager,
        "`Pipfile.lock` means Pipenv, also without a Pipfile.",
        Chooses(&[&[("Pipfile.lock", PIPFILE_LOCK), ("Pipfile", "")], &[("Pipfile.lock", PIPFILE_LOCK)]], "pipenv"),
    ),
    row(
        PackageManager,
        "`poetry.lock` means Poetry.",
        Chooses(&[&[("poetry.lock", POETRY_LOCK), ("pyproject.toml", PYPROJECT)]], "poetry"),
    ),
    row(
        PackageManager,
        "`uv.lock` means uv.",
        Chooses(&[&[("uv.lock", UV_LOCK), ("pyproject.toml", PYPROJECT), (".python-version", "3.13")]], "uv"),
    ),
    row(
        PackageManager,
        "`pdm.lock` alone is no package manager's file.",
        Chooses(&[&[("pdm.lock", PDM_LOCK), ("pyproject.toml", PYPROJECT)]], "pdm"),
    )
    .differs("PDM's lock file is installed."),
    row(
        PackageManager,
        "Links to files count; directories with such a name don't.",
        Runs(|world| {
            let build = Build::new(&[("deploy/all.txt", ""), (".python-version", "three")]);
            symlink("deploy/all.txt", build.app.dir.join("requirements.txt")).unwrap();
            build.compile().failure("python-version-file::invalid-version");
            world.refused(&[("requirements.txt/", ""), ("app.py", "")]).failure("package-manager::none-found");
        }),
    ),
    row(
        PackageManager,
        "Only `setup.py` fails with its own message; nothing but source files or a misspelt name with another.",
        Runs(|world| {
            world.refused(&[("setup.py", "")]).failure("package-manager::setup-py-only");
            for name in ["app.py", "requirement.txt", "setup.cfg", "manage.py"] {
                world.refused(&[(name, "")]).failure("package-manager::none-found");
            }
        }),
    ),
    row(
        PackageManager,
        "Two or more fail, and are listed in a fixed order.",
        Runs(|world| {
            let run = world
                .refused(&[("uv.lock", ""), ("poetry.lock", ""), ("requirements.txt", ""), ("Pipfile.lock", "")])
                .failure("package-manager::multiple-found");
            let text = unwrapped(&run.stdout);
            let places: Vec<_> = [
                "Pipfile.lock (Pipenv)",
                "requirements.txt (pip)",
                "poetry.lock (Poetry)",
                "uv.lock (uv)",
            ]
            .iter()
            .map(|name| text.find(name).unwrap_or_else(|| panic!("{name} isn't in {text}")))
            .collect();
            assert!(places.is_sorted(), "{text}");
        }),
    ),
];

pub(super) const PIPFILE_LOCK: &str = r#"{"_meta": {"hash": {"sha256": "x"}, "pipfile-spec": 6, "requires": {}, "sources": []}, "default": {}, "develop": {}}"#;
pub(super) const POETRY_LOCK: &str = "package = []\n\n[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.10\"\ncontent-hash = \"x\"\n";
pub(super) const UV_LOCK: &str = "version = 1\nrevision = 3\nrequires-python = \">=3.10\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\n";
pub(super) const PDM_LOCK: &str = "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.0\"\n";
pub(super) const PYPROJECT: &str =
    "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.10\"\ndependencies = []\n";

use super::world::World;

fn links_are_followed(_: &World) {
    let build = Build::new(&[("deploy/all.txt", "")]);
    let link = build.app.dir.join("requirements.txt");
    symlink("nowhere", &link).unwrap();
    assert_eq!(build.door("detect", &[&build.app.dir]).code, Some(1));
    fs::remove_file(&link).unwrap();
    symlink("deploy/all.txt", &link).unwrap();
    assert_eq!(build.door("detect", &[&build.app.dir]).code, Some(0));
}

fn the_answer_is_python(world: &World) {
    let run = world.detect(&[("requirements.txt", "")]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "Python\n", ""));
}

fn the_answer_is_no(world: &World) {
    let run = world.detect(&[("index.html", "")]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(1), "no\n", ""));
}

fn the_reason_needs_a_stack(world: &World) {
    assert_eq!(world.detect(&[("index.html", "")]).stderr, "");
    let build = Build::new(&[("index.html", "")]);
    let text = build.door("detect", &[&build.app.dir]).stderr;
    for words in [
        "index.html",
        "requirements.txt",
        "Pipfile.lock",
        "poetry.lock",
        "uv.lock",
        "spelling",
        ".gitignore",
        "committed",
    ] {
        assert!(text.contains(words), "{words} isn't in {text}");
    }
}

fn the_listing_is_sorted(_: &World) {
    let names: Vec<String> = (0..60).map(|number| format!("page{number:02}.html")).collect();
    let build = Build::new(&[("b", ""), (".a", ""), ("B/", "")]);
    let text = build.door("detect", &[&build.app.dir]).stderr;
    let listed: Vec<_> = text
        .lines()
        .map(|line| line.trim_start_matches(" !").trim())
        .filter(|line| [".a", "B/", "b"].contains(line))
        .collect();
    assert_eq!(listed, [".a", "B/", "b"], "{text}");
    for name in names {
        build.write(&name, "");
    }
    let text = build.door("detect", &[&build.app.dir]).stderr;
    assert!(text.contains("page36.html") && !text.contains("page37.html"), "{text}");
}

fn a_stack_is_not_needed(_: &World) {
    let mut build = Build::new(&[("requirements.txt", "")]);
    build.app.env.remove(std::ffi::OsStr::new("STACK"));
    build.hide_pythons();
    build.compile().failure("install-python");
}

fn stacks_fail(_: &World, stacks: &[&str], id: &str) {
    for stack in stacks {
        let mut build = Build::new(&[("requirements.txt", "")]);
        build.app.set("STACK", *stack);
        build.hide_pythons();
        build.compile().failure(id);
    }
}
