//! An app in a directory of its own, and the program run on it from outside, with nothing leaking in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// An app, a store and an environment for one test.
pub(crate) struct TestApp {
    _root: TempDir,
    /// The app's directory.
    pub(crate) dir: PathBuf,
    /// A directory beside it, for slugs.
    pub(crate) out: PathBuf,
    /// The store.
    pub(crate) store: PathBuf,
    /// The environment of the program.
    pub(crate) env: BTreeMap<OsString, OsString>,
}

/// How a run of the program ended.
pub(crate) struct Run {
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
}

impl TestApp {
    /// Makes an app of these files. Python is an interpreter of this machine, kept in a store that all tests share;
    /// uv is a script that installs nothing.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (dir, out, home) = (root.path().join("app"), root.path().join("out"), root.path().join("home"));
        for made in [&dir, &out, &home] {
            fs::create_dir(made).unwrap();
        }
        for (name, contents) in files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let uv = root.path().join("uv");
        fs::write(&uv, "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; fi\n").unwrap();
        fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
        let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store");
        let mut app = Self { _root: root, dir, out, store: store.clone(), env: BTreeMap::new() };
        app.set("PATH", std::env::var_os("PATH").unwrap());
        app.set("HOME", home);
        // Interpreters are looked for where the developer has them.
        let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
        let pyenv = pyenv.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
        if let Some(pyenv) = pyenv.filter(|path| path.is_dir()) {
            app.set("PYENV_ROOT", pyenv);
        }
        app.set("SLUGC_CACHE_DIR", store);
        app.set("SLUGC_UV", uv);
        app.set("SLUGC_PYTHON_SOURCE", "host");
        app.set("LANG", "C.UTF-8");
        app
    }

    /// Makes an app of a fixture, built with the real uv from the package index, in a store of its own.
    pub(crate) fn online(fixture: &str) -> Self {
        let mut app = Self::new(&[]);
        copy_tree(&self::fixture(fixture), &app.dir);
        app.store = app.out.parent().unwrap().join("store");
        app.set("SLUGC_CACHE_DIR", app.store.clone());
        app.env.remove(&OsString::from("SLUGC_UV"));
        app.env.remove(&OsString::from("SLUGC_PYTHON_SOURCE"));
        app.env.extend(machines_index());
        app
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// Describes a run of the program.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slugc"));
        command.args(args).env_clear().envs(&self.env).current_dir(&self.out).stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        run(&mut self.command(args))
    }

    /// Builds the slug `out/slug.tgz`, with more arguments.
    pub(crate) fn build(&self, args: &[&str]) -> Run {
        let dir = self.dir.to_str().unwrap();
        self.run(&[&["build", dir], args].concat())
    }

    /// Returns where the slug goes.
    pub(crate) fn slug(&self) -> PathBuf {
        self.out.join("slug.tgz")
    }

    /// Returns the names in the output directory: nothing half-written may be among them.
    pub(crate) fn left_in_out(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

impl Run {
    /// Fails unless the program succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless the program failed with this id, without a panic.
    #[track_caller]
    pub(crate) fn failure(self, id: &str) -> Self {
        let text = format!("{}{}", self.stdout, self.stderr);
        assert!(!matches!(self.code, None | Some(0) | Some(101)), "{:?}\n{text}", self.code);
        // The command line's form, or the classic buildpack's.
        let forms = [format!("error[{id}]: "), format!("Error id: {id}\n")];
        assert!(forms.iter().any(|form| text.contains(form)), "no `{id}` in\n{text}");
        assert!(!text.contains("panicked"), "{text}");
        self
    }

    /// Returns the JSON events that were written.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the last event of this name.
    #[track_caller]
    pub(crate) fn event(&self, name: &str) -> serde_json::Value {
        let events = self.events();
        let found = events.into_iter().rfind(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no event `{name}` in\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Takes the line breaks and margins out of a log, so that a sentence can be looked for however it was wrapped.
pub(crate) fn flowing(log: &str) -> String {
    let lines = log.lines().map(|line| line.strip_prefix(" !").unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Reads a document of a store: one line of JSON, and one with its SHA-256.
pub(crate) fn read_document(path: &Path) -> serde_json::Value {
    serde_json::from_str(fs::read_to_string(path).unwrap().lines().next().unwrap()).unwrap()
}

/// Writes a document as the store does.
pub(crate) fn write_document(path: &Path, value: &serde_json::Value) {
    let text = value.to_string();
    fs::write(path, format!("{text}\n{}\n", hex::encode(Sha256::digest(&text)))).unwrap();
}

/// Returns the variables by which this machine reaches the package index.
pub(crate) fn machines_index() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let text = name.to_string_lossy().to_uppercase();
        text.starts_with("PIP_") || text.ends_with("_PROXY") || text.starts_with("SSL_CERT")
    })
}

/// Returns the newest Python of this machine that is supported, as `3.N`.
pub(crate) fn python_minor() -> Option<&'static str> {
    static PYTHON: OnceLock<Option<String>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        let found = (10..=14).rev().map(|minor| format!("3.{minor}")).find(|version| {
            let app = TestApp::new(&[("requirements.txt", ""), (".python-version", version)]);
            app.run(&["plan", app.dir.to_str().unwrap()]).code == Some(0)
        });
        if found.is_none() {
            skip("this machine has no Python that a build could copy");
        }
        found
    });
    found.as_deref()
}

/// Returns the directory of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Copies a directory's content as it is: links, permissions and times.
pub(crate) fn copy_as_it_is(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to)).success();
}

/// Copies a directory's content, or links its files if it can: they are never changed in place.
pub(crate) fn link_as_it_is(from: &Path, to: &Path) {
    if run(Command::new("cp").arg("-al").arg(from.join(".")).arg(to)).code != Some(0) {
        copy_as_it_is(from, to);
    }
}

/// Copies a directory.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Returns whether a program is on PATH.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Says plainly that a test did not test anything.
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Returns whether this process may make user and mount namespaces.
pub(crate) fn can_unshare() -> bool {
    has_program("unshare")
        && Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "true"])
            .output()
            .is_ok_and(|output| output.status.success())
}
