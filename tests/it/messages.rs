//! Every message of the classic buildpack's catalogue, once each, as a build by `bin/*` shows it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::buildpack::unpack;
use crate::classic::warm_cache;
use crate::steps::install;
use crate::support::{Run, TestApp, run, skip};

/// A message, and an app that gets it.
struct Message {
    /// Its name in the specification.
    id: &'static str,
    /// What it must tell.
    tells: &'static str,
    /// The app's files; a name that ends with a slash is an empty directory.
    files: &'static [(&'static str, &'static str)],
    /// What else is done to the app's world before.
    arrange: fn(&mut TestApp),
    /// The first words of the boxes that are shown.
    kinds: &'static [&'static str],
}

const ERROR: &[&str] = &["Error:", "Internal Error:"];
const WARNING: &[&str] = &["Warning:"];
const BOTH: &[&str] = &["Warning:", "Error:"];

const fn error(
    id: &'static str,
    tells: &'static str,
    files: &'static [(&'static str, &'static str)],
) -> Message {
    Message { id, tells, files, arrange: |_| {}, kinds: ERROR }
}

const fn warning(
    id: &'static str,
    tells: &'static str,
    files: &'static [(&'static str, &'static str)],
) -> Message {
    Message { id, tells, files, arrange: |_| {}, kinds: WARNING }
}

impl Message {
    const fn with(mut self, arrange: fn(&mut TestApp)) -> Self {
        self.arrange = arrange;
        self
    }

    const fn showing(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    fn app(&self) -> TestApp {
        let mut app = TestApp::new(&[]);
        app.set("STACK", "heroku-24");
        for (name, contents) in self.files {
            let path = app.dir.join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, contents).unwrap();
            }
        }
        (self.arrange)(&mut app);
        app
    }

    /// Builds the app, and compares what is shown with the snapshot.
    fn check(&self, app: &TestApp) {
        let compiled = call(app, "compile", &[&app.dir, &app.out.join("cache"), &app.out.join("env")]);
        assert_eq!(compiled.stderr, "", "{}: everything goes to standard output", self.id);
        let found = boxes(&compiled.stdout, self.kinds);
        assert!(!found.is_empty(), "{}: no message in\n{}", self.id, compiled.stdout);
        let mut text = format!("{}\n[exit status: {}]\n", found.join("\n"), compiled.code.unwrap());
        let report = call(app, "report", &[&app.dir, &app.out.join("cache"), &app.out.join("env")]).success();
        let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
        assert_eq!(report.get("failure_reason").is_some(), compiled.code != Some(0), "{}: {report}", self.id);
        if self.kinds != WARNING {
            for name in ["failure_reason", "failure_detail"] {
                if let Some(value) = report.get(name) {
                    text.push_str(&format!("{name}: {}\n", value.as_str().unwrap()));
                }
            }
        }
        snapshot(self.id, self.tells, &text, app.dir.parent().unwrap());
    }
}

/// Calls one of the scripts of the packaged buildpack.
fn call(app: &TestApp, name: &str, arguments: &[&Path]) -> Run {
    static BUILDPACK: OnceLock<PathBuf> = OnceLock::new();
    let buildpack =
        BUILDPACK.get_or_init(|| unpack(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("messages")));
    let mut command = Command::new(buildpack.join("bin").join(name));
    run(command.args(arguments).env_clear().envs(&app.env).current_dir("/"))
}

/// Returns the boxes in a log that begin with one of these words.
pub(crate) fn boxes(log: &str, kinds: &[&str]) -> Vec<String> {
    let mut boxes = vec![String::new()];
    for line in log.lines() {
        match line.strip_prefix(" !") {
            Some(_) => boxes.last_mut().unwrap().push_str(&format!("{line}\n")),
            None => boxes.push(String::new()),
        }
    }
    let starts = |text: &String| kinds.iter().any(|kind| text.starts_with(&format!(" !     {kind}")));
    // What it says of the machine's own Python depends on the machine.
    let of_machine = |text: &String| text.to_lowercase().contains("the slug has a copy");
    boxes.retain(|text| starts(text) && !of_machine(text));
    boxes
}

/// Compares a text with the snapshot of a message; `root` is the test's own directory.
pub(crate) fn snapshot(id: &str, tells: &str, text: &str, root: &Path) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/messages");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!("{id} must tell: {tells}."));
    settings.add_filter(&regex::escape(root.to_str().unwrap()), "[root]");
    settings.add_filter(r"python3\.\d+", "python3.N");
    settings.add_filter(r"internal_error\.rs:\d+:\d+", "internal_error.rs:[line]");
    settings.add_filter(concat!("slugc ", env!("CARGO_PKG_VERSION")), "slugc [version]");
    settings.bind(|| insta::assert_snapshot!(id, text));
}

/// Lets no Python be had: a build ends where it would be downloaded.
fn hide_pythons(app: &mut TestApp) {
    app.set("SLUGC_PYTHON_SOURCE", "catalogue");
    app.set("SLUGC_PYTHON_MIRROR", "file:///nowhere");
}

/// The Python version that Heroku's buildpack has noted in the last build.
fn last_python(app: &TestApp, version: &str) {
    fs::create_dir_all(app.out.join("cache/.heroku")).unwrap();
    fs::write(app.out.join("cache/.heroku/python-version"), format!("python-{version}\n")).unwrap();
}

const VENV: &[(&str, &str)] = &[("requirements.txt", ""), (".venv/pyvenv.cfg", ""), (".venv/bin/python", "")];
const PYPROJECT: &str = "[project]\nname = \"app\"\nversion = \"1\"\n";
const UV_LOCK: &str = "version = 1\nrequires-python = \">=3.10\"\n";

/// What ends before a Python is needed.
const EARLY: &[Message] = &[
    error("S1", "the stack is end-of-life and not supported; upgrade; link", &[("requirements.txt", "")])
        .with(|app| app.set("STACK", "heroku-20")),
    error(
        "S2",
        "the stack isn't recognised; use the newest buildpack, don't pin an old one; link",
        &[("requirements.txt", "")],
    )
    .with(|app| app.set("STACK", "heroku-99")),
    error(
        "S3",
        "a Python buildpack already ran; remove the duplicate; link; replaces a warning of December 2024",
        &[("requirements.txt", ""), (".heroku/python/bin/python", "")],
    )
    .with(|app| app.set("PYTHONHOME", "/app/.heroku/python")),
    error(
        "S4",
        "what is in .heroku/python, two levels; delete it from git or use another place; or what made it",
        &[("requirements.txt", ""), (".heroku/python/lib/python3/site.py", ""), (".heroku/python/bin/x", "")],
    ),
    error(
        "S5",
        "what is in the directory, sorted; why; git rm, .gitignore, commit; or the hook that makes it",
        VENV,
    ),
    error(
        "M1",
        "unsafe without a lock; pipenv lock, ignore files; or another manager; uv",
        &[("Pipfile", ""), ("requirements.txt", "")],
    ),
    error(
        "M2",
        "the implicit editable install is gone; add a manager file; `--editable .`; uv",
        &[("setup.py", "")],
    ),
    error("M3", "as D1", &[("app.py", ""), ("requirement.txt", ""), ("static/x.css", "")]),
    error(
        "M4",
        "lists them; choose one, delete the others; buildpacks that write requirements.txt",
        &[("Pipfile.lock", ""), ("requirements.txt", ""), ("poetry.lock", ""), ("uv.lock", "")],
    ),
    error(
        "V1",
        "the name in quotes, and the right one",
        &[("requirements.txt", ""), (".python_version", "3.13\n")],
    ),
    error(
        "V2",
        "wrong format; deprecated; how to switch",
        &[("requirements.txt", ""), ("runtime.txt", "3.13\n")],
    ),
    error(
        "V3",
        "the version; two forms; no quotes, prefix, wildcard, comment; example; no patch version",
        &[("requirements.txt", ""), (".python-version", "# my Python\npython-3.13\n")],
    ),
    error(
        "V4",
        "the encoding; UTF-8 without BOM; .gitattributes; Windows",
        &[("requirements.txt", ""), (".python-version", "\u{feff}3.13\r\n")],
    ),
    error(
        "V5",
        "put the major version in; example; comments",
        &[("requirements.txt", ""), (".python-version", "# 3.13\n")],
    ),
    error("V6", "lists them; keep one", &[("requirements.txt", ""), (".python-version", "3.12\n3.13\n")]),
    error("V7", "the parser's message; pipenv lock", &[("Pipfile.lock", "<<<<<<< HEAD\n{}\n")]),
    error(
        "V8",
        "the version; two forms; no wildcards; correct the Pipfile, lock again; link",
        &[("Pipfile.lock", "{\"_meta\": {\"requires\": {\"python_version\": \"3.*\"}}, \"default\": {}}")],
    ),
    error(
        "V9",
        "the last build's version is end-of-life; at least 3.10; .python-version",
        &[("requirements.txt", "")],
    )
    .with(|app| last_python(app, "3.9.20")),
    error(
        "V10",
        "change the version in that file; at least 3.10, better the default",
        &[("requirements.txt", ""), (".python-version", "3.9\n")],
    ),
    error(
        "V11",
        "probably an older buildpack than the last; go back to that, or .python-version",
        &[("requirements.txt", "")],
    )
    .with(|app| last_python(app, "3.99.1")),
    error(
        "V12",
        "check that it is released and supported; update the buildpack; or use the default",
        &[("requirements.txt", ""), (".python-version", "3.99\n")],
    ),
    error(
        "V13",
        "uv needs .python-version; three steps with `uv python pin`",
        &[("pyproject.toml", PYPROJECT), ("uv.lock", "version = 1\n")],
    ),
    warning(
        "V14",
        "a version was picked and may change; how to say it; four checks; will become an error",
        &[("requirements.txt", "")],
    )
    .with(hide_pythons),
    error(
        "V15",
        "delete runtime.txt, uv python pin, commit",
        &[("pyproject.toml", PYPROJECT), ("uv.lock", UV_LOCK), ("runtime.txt", "python-3.13\n")],
    ),
    warning(
        "V16",
        "deprecated; how to switch; will become an error",
        &[("requirements.txt", ""), ("runtime.txt", "python-3.13\n")],
    )
    .with(hide_pythons),
    warning(
        "V17",
        "when it ends, when it is removed; upgrade in that file",
        &[("requirements.txt", ""), (".python-version", "3.10\n")],
    )
    .with(|app| {
        hide_pythons(app);
        app.set("SLUGC_TODAY", "2026-08-20");
    }),
    warning(
        "V18",
        "the versions; security; only the major version",
        &[("requirements.txt", ""), (".python-version", "3.13.1\n")],
    )
    .with(hide_pythons),
    error(
        "P1",
        "check the release, update the buildpack; don't pin",
        &[("requirements.txt", ""), (".python-version", "3.13.99\n")],
    )
    .with(hide_pythons),
    error(
        "P2",
        "the address; it may pass; update the buildpack; try again",
        &[("requirements.txt", ""), (".python-version", "3.13\n")],
    )
    .with(hide_pythons),
    error(
        "H1-pre_compile",
        "the script has failed; correct or rename it",
        &[("requirements.txt", ""), ("bin/pre_compile", "exit 3\n")],
    ),
    error(
        "B1",
        "the data file was deleted: not from the cache, not from /tmp",
        &[("requirements.txt", ""), ("bin/pre_compile", "rm \"$CACHE_DIR/build-data/python.json\"\n")],
    ),
];

#[test]
fn what_is_wrong_with_the_app_is_told_before_a_python_is_needed() {
    for message in EARLY {
        let app = message.app();
        message.check(&app);
    }
}

/// The cache of an earlier build, so that a Python is there at once.
fn warm(app: &mut TestApp) {
    warm_cache(&app.out.join("cache"));
}

/// With a cache, and an installer that fails with these words.
fn installer_says(app: &mut TestApp, words: &str) {
    warm(app);
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; exit; fi\necho '{words}' >&2\nexit 2\n"
    );
    write_uv(app, &script);
}

fn write_uv(app: &TestApp, script: &str) {
    let uv = Path::new(&app.env[OsStr::new("SLUGC_UV")]);
    fs::write(uv, script).unwrap();
    fs::set_permissions(uv, fs::Permissions::from_mode(0o755)).unwrap();
}

const PIPFILE_LOCK: &str = r#"{"_meta": {"sources": [], "requires": {}}, "default": {"six": {"hashes": [], "version": "==1.17.0"}}, "develop": {}}"#;
const POETRY_LOCK: &str = "[[package]]\nname = \"six\"\nversion = \"1.17.0\"\ndescription = \"\"\noptional = false\npython-versions = \"*\"\ngroups = [\"main\"]\nfiles = []\n\n[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.10\"\ncontent-hash = \"x\"\n";

/// What an installer's failure is told as.
const INSTALLERS: &[Message] = &[
    error("I1", "see the log above", &[("requirements.txt", "six==1.17.0\n")])
        .with(|app| installer_says(app, "error: no")),
    error("I2", "see the log above", &[("Pipfile.lock", PIPFILE_LOCK)])
        .with(|app| installer_says(app, "error: no")),
    error(
        "I3",
        "see the log above",
        &[
            ("poetry.lock", POETRY_LOCK),
            ("pyproject.toml", "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n"),
        ],
    )
    .with(|app| installer_says(app, "error: no")),
    error(
        "I4",
        "see the log above",
        &[
            ("uv.lock", UV_LOCK),
            ("pyproject.toml", "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n"),
        ],
    )
    .with(|app| installer_says(app, "error: no")),
    error("W1", "the geospatial buildpack", &[("requirements.txt", "gdal==3\n")])
        .with(|app| installer_says(app, "WARNING: Could Not Find gdal-config"))
        .showing(BOTH),
    error(
        "W2",
        "the headers aren't installed; sqlite3, or pysqlite3 from 0.6.0 on",
        &[("requirements.txt", "pysqlite3==0.5\n")],
    )
    .with(|app| installer_says(app, "x.h:1:10: fatal error: sqlite3.h: No such file or directory"))
    .showing(BOTH),
    error(
        "W3",
        "invalid metadata, as of an old Celery; upgrade that package",
        &[("requirements.txt", "celery==5.0\n")],
    )
    .with(|app| installer_says(app, "Please use pip<24.1 if you need to use this version."))
    .showing(BOTH),
];

#[test]
fn an_installer_that_fails_is_told_by_its_manager_and_by_known_causes() {
    for message in INSTALLERS {
        // Lock files of the other managers don't name a Python: the last build's stays, with a warning.
        let app = message.app();
        if app.dir.join("requirements.txt").exists() || app.dir.join("Pipfile.lock").exists() {
            fs::write(app.dir.join(".python-version"), last_major(&app)).unwrap();
        }
        message.check(&app);
    }
}

/// Returns the version of the Python in the cache, as `3.N`.
fn last_major(app: &TestApp) -> String {
    let report = fs::read_to_string(app.out.join("cache/build-data/python.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    report["python_version_major"].as_str().unwrap().to_owned()
}

/// An app of Django's, with a `manage.py` that fails with these words.
fn collectstatic_says(app: &mut TestApp, words: &str) {
    warm(app);
    install(app, &[("django/__init__.py", "")]);
    let script = format!("import sys\nprint({words:?})\nsys.exit(1)\n");
    fs::write(app.dir.join("manage.py"), script).unwrap();
}

const PLAIN: &[(&str, &str)] = &[("requirements.txt", "")];

/// What is told of a build that got as far as the app's own steps.
const LATE: &[Message] = &[
    error(
        "H1-post_compile",
        "the script has failed; correct or rename it",
        &[("requirements.txt", ""), ("bin/post_compile", "exit 3\n")],
    )
    .with(warm),
    warning(
        "C1",
        "use DISABLE_COLLECTSTATIC=1 instead",
        &[("requirements.txt", ""), (".heroku/collectstatic_disabled", "")],
    )
    .with(warm),
    error("C2-syntax-error", "the command; see the traceback; correct it, or switch it off; link", PLAIN)
        .with(|app| collectstatic_says(app, "SyntaxError: x")),
    error("C2-improper-configuration", "the same", PLAIN)
        .with(|app| collectstatic_says(app, "django.core.exceptions.ImproperlyConfigured: x")),
    error("C2-fancy-references", "the same", PLAIN)
        .with(|app| collectstatic_says(app, "The CSS file 'x' references a file")),
    error("C2-missing-file", "the same", PLAIN).with(|app| collectstatic_says(app, "OSError: x")),
    error("C2-other", "the same", PLAIN).with(|app| collectstatic_says(app, "anything")),
    error("K1", "see the log", &[("requirements.txt", ""), ("nltk.txt", "brown\nwordnet\n")]).with(|app| {
        warm(app);
        install(app, &[("nltk/__init__.py", ""), ("nltk/downloader.py", "raise SystemExit('no')\n")]);
    }),
    warning(
        "N1",
        "uv is supported and recommended",
        &[("requirements.txt", ""), ("Procfile", "web: true\n")],
    )
    .with(warm)
    .showing(&["Note:"]),
];

#[test]
fn what_the_apps_own_steps_and_a_good_build_come_to_is_told() {
    for message in LATE {
        let app = message.app();
        fs::write(app.dir.join(".python-version"), last_major(&app)).unwrap();
        message.check(&app);
    }
}

#[test]
fn an_app_that_is_none_of_pythons_is_told_what_would_make_it_one() {
    let mut app = TestApp::new(&[("index.html", ""), (".gitignore", ""), ("Static/x.css", "")]);
    app.set("STACK", "heroku-24");
    let run = call(&app, "detect", &[&app.dir]);
    let text = format!("{}[exit status: {}]\n{}", run.stdout, run.code.unwrap(), run.stderr);
    let tells =
        "no Python file; four manager files; the listing; four checks; an empty requirements.txt; uv; links";
    snapshot("D1", tells, &text, &app.dir);
}

/// Leaves no uv to be found, and no index to be reached. Returns false if the machine has a uv beside the system's
/// own programs.
fn without_uv(app: &mut TestApp) -> bool {
    app.env.remove(OsStr::new("SLUGC_UV"));
    app.set("PATH", "/usr/bin:/bin");
    app.set("PIP_INDEX_URL", "http://127.0.0.1:9/simple");
    app.set("PIP_RETRIES", "0");
    let has_uv = ["/usr/bin/uv", "/bin/uv"].iter().any(|uv| Path::new(uv).exists());
    if has_uv {
        skip("this machine has a uv beside the system's own programs");
    }
    !has_uv
}

#[test]
fn a_tool_that_cannot_be_fetched_is_told() {
    let message =
        error("T4", "it may pass; try again; the index's state", &[("requirements.txt", "six==1.17.0\n")]);
    let mut app = message.app();
    warm(&mut app);
    fs::write(app.dir.join(".python-version"), last_major(&app)).unwrap();
    if without_uv(&mut app) {
        message.check(&app);
    }
}

#[test]
fn a_python_without_a_bundled_pip_is_told() {
    let message = error("X1", "what is in its directory", &[("requirements.txt", "six==1.17.0\n")]);
    let mut app = message.app();
    warm(&mut app);
    fs::write(app.dir.join(".python-version"), last_major(&app)).unwrap();
    // An archive of the Python that the cache holds.
    let archives = app.out.join("archives");
    fs::create_dir(&archives).unwrap();
    let runtime =
        fs::read_dir(app.out.join("cache/.slugc/v1/layers/runtime")).unwrap().next().unwrap().unwrap();
    let python = archives.join("python");
    fs::rename(runtime.path().join("tree/.heroku/python"), &python).unwrap();
    for lib in fs::read_dir(python.join("lib")).unwrap() {
        let bundled = lib.unwrap().path().join("ensurepip/_bundled");
        if bundled.exists() {
            fs::remove_dir_all(&bundled).unwrap();
            fs::create_dir(&bundled).unwrap();
        }
    }
    let report = fs::read_to_string(app.out.join("cache/build-data/python.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let name = format!("python-{}.tar.gz", report["python_version"].as_str().unwrap());
    let script = format!("tar cf - python | gzip -1 >{name} && rm -r python && sha256sum {name} >SHA256SUMS");
    let packed = run(Command::new("sh").arg("-c").arg(script).current_dir(&archives));
    assert_eq!(packed.code, Some(0), "{}", packed.stderr);
    fs::remove_dir_all(app.out.join("cache")).unwrap();
    app.set("SLUGC_PYTHON_SOURCE", archives);
    if without_uv(&mut app) {
        message.check(&app);
    }
}

#[test]
fn a_pip_that_cannot_be_installed_is_told() {
    let message = error("T1", "it may pass; try again; the index's state", &[("requirements.txt", "")]);
    let mut app = message.app();
    installer_says(&mut app, "error: tcp connect error: Connection refused");
    fs::write(app.dir.join(".python-version"), last_major(&app)).unwrap();
    fs::remove_dir_all(app.out.join("cache/.slugc/v1/layers/pip")).unwrap();
    message.check(&app);
}
