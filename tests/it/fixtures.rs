//! The apps in `fixtures/`, each through the packaged buildpack: what it says, what it reports, and what then runs.

use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::buildpack::{Dyno, Platform};
use crate::support::{Run, fixture, has_program, skip};

/// What a fixture shows.
struct Case {
    fixture: &'static str,
    /// Changes that are made before: file, text, new text.
    edits: &'static [(&'static str, &'static str, &'static str)],
    /// The id and the detail of the failure; none if it builds.
    fails: Option<(&'static str, &'static str)>,
    /// What the build log has, apart from line breaks in messages.
    says: &'static [&'static str],
    /// What the report has.
    report: &'static [(&'static str, &'static str)],
    /// Commands that work on a dyno, and what they print.
    runs: &'static [(&'static str, &'static str)],
    /// Modules that aren't there.
    lacks: &'static [&'static str],
    /// What is on the web process's page.
    page: Option<&'static str>,
}

const BUILDS: Case =
    Case { fixture: "", edits: &[], fails: None, says: &[], report: &[], runs: &[], lacks: &[], page: None };

/// A fixture that is refused: its name, the error's id and detail, and words of the message.
const fn fails(
    fixture: &'static str,
    id: &'static str,
    detail: &'static str,
    says: &'static [&'static str],
) -> Case {
    Case { fixture, fails: Some((id, detail)), says, ..BUILDS }
}

impl Case {
    fn check(&self, mut platform: Platform) {
        let found = platform.detect().success();
        assert_eq!(found.stdout, "Python\n");
        for (file, from, to) in self.edits {
            platform.edit(file, from, to);
        }
        let compiled = match self.fails {
            None => platform.compile().success(),
            Some((id, _)) => platform.compile().failure(id),
        };
        assert_eq!(compiled.stderr, "", "the log goes to standard output");
        let log = without_margins(&compiled.stdout);
        for words in self.says {
            assert!(log.contains(words), "no {words:?} in\n{}", compiled.stdout);
        }
        let report = platform.report();
        for (name, value) in self.report {
            assert_eq!(report[name], *value, "{name} in {report}");
        }
        match self.fails {
            None => self.check_dyno(&platform, &report),
            Some((id, detail)) => {
                assert_eq!(compiled.code, Some(1));
                assert_eq!(report["failure_reason"], id);
                assert_eq!(report["failure_detail"].as_str().unwrap_or_default(), detail);
                assert!(report.get("total_duration").is_none(), "{report}");
            }
        }
    }

    fn check_dyno(&self, platform: &Platform, report: &serde_json::Value) {
        assert!(report.get("failure_reason").is_none(), "{report}");
        assert!(report["total_duration"].is_f64(), "{report}");
        let release = platform.release().success();
        assert!(release.stdout.is_empty() || release.stdout.starts_with("---\n"), "{}", release.stdout);
        let dyno = platform.boot();
        for (script, expected) in self.runs {
            let ran = dyno.run(script).success();
            assert!(ran.stdout.contains(expected), "{script}: {}", ran.stdout);
        }
        for module in self.lacks {
            let ran = imports(&dyno, module);
            assert!(ran.stderr.contains("ModuleNotFoundError"), "{module}: {}", ran.stderr);
        }
        if let Some(expected) = self.page {
            let page = dyno.page(&[]);
            assert!(page.starts_with("HTTP/1.1 200 ") || page.starts_with("HTTP/1.0 200 "), "{page}");
            assert!(page.contains(expected), "{page}");
        }
    }
}

fn imports(dyno: &Dyno, module: &str) -> Run {
    dyno.run(&format!("python -c 'import {module}'"))
}

/// Checks all of a table, and tells all that fail.
#[track_caller]
fn check_all(cases: &[Case], prepare: impl Fn(&str) -> Option<Platform>) {
    let mut broken = String::new();
    for case in cases {
        let Some(platform) = prepare(case.fixture) else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case.check(platform))) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            writeln!(broken, "\n## {} {:?}\n{text}", case.fixture, case.edits).unwrap();
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

/// Returns a log whose messages are in one line each, so that it doesn't matter where they are wrapped.
fn without_margins(log: &str) -> String {
    let mut text = String::new();
    for line in log.lines() {
        match line.trim_start().strip_prefix('!').map(str::trim) {
            Some("") => {}
            Some(message) => text.extend([" ", message]),
            None => text.extend(["\n", line, "\n"]),
        }
    }
    text.replace("\n\n", "\n")
}

/// What is wrong about a line of a merge conflict in TOML.
const NO_VALUE: &str = "key with no value, expected `=`";

const REFUSED: &[Case] = &[
    // Who installs the packages?
    fails("setup-py-only", "package-manager::setup-py-only", "", &["--editable ."]),
    fails("no-package-manager", "package-manager::none-found", "", &["app.py"]),
    fails("misspelt-requirements", "package-manager::none-found", "", &["requirments.txt"]),
    fails("several-managers", "package-manager::multiple-found", "pip,uv", &["requirements.txt (pip)"]),
    fails("pipfile-and-requirements", "package-manager::pipenv-missing-lockfile", "", &["pipenv lock"]),
    // What is in the way.
    fails("venv-dir", "checks::existing-venv-dir", "venv", &["git rm", "pyvenv.cfg"]),
    fails("dot-venv-dir", "checks::existing-venv-dir", ".venv", &["git rm"]),
    fails("python-dir", "checks::existing-python-dir", "", &["bin/python"]),
    // Which Python?
    fails("runtime-txt-invalid", "runtime-txt::invalid-version", "3.13", &[".python-version"]),
    fails("version-file-misspelt", "python-version-file::misspelled", "python-version", &[".python-version"]),
    fails("version-file-invalid", "python-version-file::invalid-version", "python-3.13", &["python-3.13"]),
    fails("version-file-empty", "python-version-file::no-version", "", &[]),
    fails("version-file-twice", "python-version-file::multiple-versions", "3.12,3.13", &["3.12", "3.13"]),
    fails(
        "version-file-with-bom",
        "python-version-file::invalid-encoding",
        "Unicode text, UTF-8 (with BOM) text",
        &["UTF-8"],
    ),
    fails("version-eol", "python-version::eol", "3.9", &[".python-version"]),
    fails("version-eol-cached", "python-version::eol", "3.9", &["last build"]),
    fails("version-unknown", "python-version::unknown-major", "3.99", &[".python-version"]),
    fails("requires-python-eol", "requires-python::not-supported", "<3.10", &["pyproject.toml"]),
    fails("pipfile-lock-python-eol", "python-version::eol", "3.9", &["Pipfile.lock"]),
    fails("pipfile-lock-python-invalid", "pipfile-lock::invalid-version", "^3.12", &["pipenv lock"]),
    fails("uv-without-version", "python-version-file::not-found", "", &["uv python pin"]),
    fails("uv-with-runtime-txt", "runtime-txt::not-supported", "", &["uv python pin"]),
    // Files of package managers that can't be read.
    fails("pip-broken-requirements", "requirements::invalid-line", "requirements.txt:2", &["<<<<<<< HEAD"]),
    fails("pip-missing-file", "requirements::file-not-found", "requirements/production.txt", &[]),
    fails(
        "pipenv-broken-lock",
        "pipfile-lock::invalid-json",
        "key must be a string at line 2 column 1",
        &["pipenv lock"],
    ),
    fails("poetry-broken-lock", "install-dependencies::poetry", NO_VALUE, &["poetry.lock: ", "poetry lock"]),
    fails("pdm-broken-lock", "install-dependencies::pdm", NO_VALUE, &["pdm.lock: ", "pdm lock"]),
    // Locks that are older than what they lock.
    Case {
        edits: &[("pyproject.toml", "six (==1.16.0)", "six (==1.15.0)")],
        ..fails(
            "poetry-package",
            "install-dependencies::poetry",
            "out-of-date",
            &["poetry.lock is out of date"],
        )
    },
    Case {
        edits: &[("pyproject.toml", "six==1.16.0", "six==1.15.0")],
        ..fails("pdm-app", "install-dependencies::pdm", "out-of-date", &["pdm.lock is out of date"])
    },
    Case {
        edits: &[("Pipfile", "celery = \"==5.5.2\"", "celery = \"==5.5.1\"")],
        ..fails(
            "flask-celery-pipenv",
            "install-dependencies::pipenv",
            "out-of-date",
            &["Pipfile.lock is out of date"],
        )
    },
    // The app's own steps.
    fails("hook-pre-fails", "hooks::pre_compile", "", &["       so far, so good\n", "exit code 3"]),
];

#[test]
fn an_app_that_cannot_be_built_is_told_why() {
    check_all(REFUSED, |fixture| Some(Platform::new(fixture)));
}

#[test]
fn each_fixture_is_detected_but_for_one() {
    for name in fixture_names() {
        let platform = Platform::new(&name);
        let found = platform.detect();
        if name != "not-python" {
            assert_eq!(
                (found.code, found.stdout.as_str(), found.stderr.as_str()),
                (Some(0), "Python\n", ""),
                "{name}"
            );
            continue;
        }
        assert_eq!((found.code, found.stdout.as_str()), (Some(1), "no\n"));
        assert!(found.stderr.contains("index.html"), "{}", found.stderr);
    }
}

fn fixture_names() -> Vec<String> {
    let entries = fs::read_dir(fixture("")).unwrap().map(Result::unwrap);
    let dirs = entries.filter(|entry| entry.path().is_dir());
    let names: Vec<_> = dirs.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(names.len() > 50, "{}", names.len());
    names
}

#[test]
fn a_patch_version_that_there_is_not_is_told() {
    check_all(
        &[fails("version-unknown-patch", "python-version::unknown-patch", "3.13.99", &[])],
        |fixture| {
            let mut platform = Platform::new(fixture);
            platform.set("SLUGC_PYTHON_SOURCE", "catalogue");
            Some(platform)
        },
    );
}

/// Without packages: uv isn't the real one.
const WITHOUT_PACKAGES: &[Case] = &[
    Case { fixture: "web-stdlib", page: Some("\"PYTHONUNBUFFERED\": \"true\""), ..BUILDS },
    Case {
        fixture: "no-procfile",
        runs: &[("python app.py", "an app without a Procfile\n")],
        report: &[("package_manager", "pip"), ("python_version_origin", "cached")],
        ..BUILDS
    },
    Case {
        fixture: "version-file",
        says: &["specified in .python-version\n"],
        report: &[("python_version_origin", ".python-version")],
        ..BUILDS
    },
    Case {
        fixture: "runtime-txt",
        says: &["specified in runtime.txt\n", "Warning: ", ".python-version"],
        report: &[("python_version_origin", "runtime.txt")],
        ..BUILDS
    },
    Case {
        fixture: "requires-python",
        says: &["the newest that pyproject.toml allows ("],
        report: &[("python_version_origin", "pyproject.toml")],
        ..BUILDS
    },
    Case {
        fixture: "pipfile-lock-python",
        says: &["specified in Pipfile.lock\n"],
        report: &[("python_version_origin", "Pipfile.lock"), ("package_manager", "pipenv")],
        ..BUILDS
    },
    Case { fixture: "venv-dir-without-config", runs: &[("cat venv/notes.txt", "no virtual")], ..BUILDS },
    Case {
        fixture: "hooks",
        says: &["-----> Running bin/pre_compile hook\n", "-----> Running bin/post_compile hook\n"],
        runs: &[("cat made_late.txt", "made by the hook\n")],
        ..BUILDS
    },
    fails("hook-post-fails", "hooks::post_compile", "", &["       so far, so good\n", "exit code 1"]),
];

#[test]
fn an_app_without_packages_is_built_and_runs_elsewhere() {
    if !has_program("bash") {
        return skip("there is no bash");
    }
    check_all(WITHOUT_PACKAGES, |fixture| Some(Platform::warm(fixture)));
}

/// With packages.
const WITH_PACKAGES: &[Case] = &[
    Case {
        fixture: "flask-getting-started",
        says: &["-----> Installing dependencies using 'pip install -r requirements.txt'\n"],
        report: &[("package_manager", "pip")],
        runs: &[("pip --version", "pip 26.2.1 "), ("flask --version", "Flask 2.3.3\n")],
        page: Some("<h1>Hello from a slug</h1>"),
        ..BUILDS
    },
    Case {
        fixture: "fastapi-uv",
        says: &["-----> Installing dependencies using 'uv sync --locked --no-default-groups'\n"],
        report: &[("package_manager", "uv"), ("python_version_origin", ".python-version")],
        lacks: &["pytest", "httpx", "pip"],
        page: Some("{\"hello\":\"FastAPI\"}"),
        ..BUILDS
    },
    Case {
        fixture: "poetry-package",
        says: &["-----> Installing dependencies using 'poetry sync --only main'\n"],
        report: &[("package_manager", "poetry")],
        runs: &[("greet", "greetings, six 1.16.0\n")],
        lacks: &["pytest"],
        ..BUILDS
    },
    Case {
        fixture: "pdm-app",
        says: &["-----> Installing dependencies using 'pdm sync --prod'\n"],
        report: &[("package_manager", "pdm")],
        runs: &[("python app.py", "six 1.16.0\n")],
        lacks: &["pytest"],
        ..BUILDS
    },
    Case {
        fixture: "pylock-app",
        says: &["-----> Installing dependencies using 'uv pip install -r pylock.toml'\n"],
        report: &[("package_manager", "pylock")],
        runs: &[("python app.py", "six 1.16.0\n")],
        ..BUILDS
    },
    Case {
        fixture: "pyproject-alone",
        says: &["Warning: ", "aren't locked", "uv lock"],
        report: &[("package_manager", "pyproject")],
        runs: &[("python app.py", "six 1.16.0\n")],
        lacks: &["iniconfig"],
        ..BUILDS
    },
    Case {
        fixture: "pipenv-unlocked",
        says: &["Warning: ", "aren't locked", "pipenv lock"],
        report: &[("package_manager", "pipenv")],
        runs: &[("python app.py", "six 1.16.0\n")],
        ..BUILDS
    },
    Case {
        fixture: "poetry-unlocked",
        says: &["Warning: ", "aren't locked"],
        runs: &[("python app.py", "six 1.16.0\n")],
        ..BUILDS
    },
    Case { fixture: "pip-nested", runs: &[("python app.py", "six 1.16.0\n")], ..BUILDS },
];

#[test]
#[ignore = "needs PyPI"]
fn an_app_of_each_package_manager_is_built_and_runs_elsewhere() {
    check_all(WITH_PACKAGES, Platform::online);
}

/// Packages that are installed from their source.
const FROM_SOURCE: &[Case] = &[
    Case {
        fixture: "local-packages",
        runs: &[
            ("greet", "hello from an editable package\n"),
            ("python -c 'import greeting; print(greeting.__file__)'", "dyno/app/greeting_src/"),
            ("python -c 'import tool; print(tool.__file__)'", "site-packages/tool"),
        ],
        ..BUILDS
    },
    Case { fixture: "editable-root", runs: &[("shop", "open, with six 1.16.0\n")], ..BUILDS },
    Case {
        fixture: "editable-vcs",
        runs: &[
            ("greet", "hello from an editable package\n"),
            (
                "python -c 'import greeting; print(greeting.__file__)'",
                "dyno/app/.heroku/python/src/greeting/",
            ),
        ],
        ..BUILDS
    },
    fails(
        "needs-gdal",
        "install-dependencies::pip",
        "Could not find gdal-config",
        &["Warning: The GDAL library", "Error: "],
    ),
    fails(
        "needs-sqlite-headers",
        "install-dependencies::pip",
        "sqlite3.h: No such file or directory",
        &["Warning: A package is built against SQLite", "Error: "],
    ),
    fails(
        "pip-unknown-package",
        "install-dependencies::pip",
        "no-such-package",
        &["`slugc-no-such-package-anywhere`"],
    ),
    fails("uv-broken-lock", "install-dependencies::uv", "other", &["uv lock"]),
    fails("pylock-broken", "install-dependencies::uv", "key with no value, expected `=`", &["pylock.toml"]),
    Case {
        edits: &[("pyproject.toml", "fastapi==0.115.12", "fastapi==0.115.11")],
        ..fails(
            "fastapi-uv",
            "install-dependencies::uv",
            "stale-lock",
            &["needs to be updated", "out of date"],
        )
    },
];

#[test]
#[ignore = "needs PyPI"]
fn packages_are_built_from_source_or_it_is_told_why_not() {
    check_all(FROM_SOURCE, Platform::online);
}

/// What is done for frameworks.
const FRAMEWORKS: &[Case] = &[
    Case {
        fixture: "django-getting-started",
        says: &["-----> $ python manage.py collectstatic --noinput\n"],
        report: &[("django_collectstatic", "enabled")],
        runs: &[("ls staticfiles/hello", "style.")],
        page: Some("<h1>Hello from Django in a slug</h1>"),
        ..BUILDS
    },
    Case {
        fixture: "django-nested-manage",
        says: &["-----> $ python backend/manage.py collectstatic --noinput\n", "0 static files copied"],
        report: &[("django_collectstatic", "enabled")],
        ..BUILDS
    },
    Case {
        fixture: "django-linked-manage",
        says: &["-----> $ python manage.py collectstatic --noinput\n", "0 static files copied"],
        report: &[("django_collectstatic", "enabled")],
        ..BUILDS
    },
    Case {
        fixture: "django-without-manage",
        says: &["no manage.py"],
        report: &[("django_collectstatic", "skipped-no-manage-py")],
        runs: &[("python app.py", "Django 5.1.4\n")],
        ..BUILDS
    },
    Case {
        fixture: "django-without-staticfiles",
        says: &["'django.contrib.staticfiles' isn't in INSTALLED_APPS"],
        ..BUILDS
    },
    fails(
        "django-bad-settings",
        "collectstatic-improper-configuration",
        "",
        &["STATIC_URL", "DISABLE_COLLECTSTATIC=1"],
    ),
    Case {
        fixture: "nltk-without-file",
        says: &["'nltk.txt' wasn't found"],
        report: &[("nltk_downloader", "skipped-no-nltk-file")],
        runs: &[("python -c 'import nltk; print(nltk.__version__)'", "3.9.1\n")],
        ..BUILDS
    },
    fails("nltk-unknown-corpus", "nltk-downloader", "", &["no_such_corpus_anywhere"]),
];

#[test]
#[ignore = "needs PyPI"]
fn frameworks_get_what_they_need() {
    check_all(FRAMEWORKS, Platform::online);
}

#[test]
fn each_fixture_has_a_line_in_the_readme_and_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("fixtures/README.md")).unwrap();
    let tests: String = fs::read_dir(root.join("tests/it"))
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .collect();
    for name in fixture_names() {
        assert!(readme.contains(&format!("\n| `{name}` | ")), "fixtures/README.md says nothing about {name}");
        assert!(tests.contains(&format!("\"{name}\"")), "no test uses {name}");
    }
    for line in readme.lines() {
        let name = line.strip_prefix("| `").and_then(|rest| rest.split('`').next());
        assert!(name.is_none_or(|name| root.join("fixtures").join(name).is_dir()), "{line}");
    }
}
