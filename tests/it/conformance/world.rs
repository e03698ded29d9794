//! What the checks do with the classic buildpack: its doors are called as a platform calls them.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::steps::{MANAGE, with_package};
use crate::support::{Run, TestApp, copy_as_it_is, link_as_it_is, python_minor, run};

pub(super) use crate::support::python_minor as python;

/// Gives the checks their apps.
#[derive(Default)]
pub(super) struct World {
    built: OnceCell<Option<Build>>,
    full: OnceCell<Option<(Build, String)>>,
}

/// An app on its way through the buildpack.
pub(super) struct Build {
    pub(super) app: TestApp,
    pub(super) cache: PathBuf,
    pub(super) env_dir: PathBuf,
    pub(super) buildpack: PathBuf,
}

impl World {
    /// Runs `bin/detect` on these files, without a stack.
    pub(super) fn detect(&self, files: &[(&str, &str)]) -> Run {
        let mut build = Build::new(files);
        build.app.env.remove(std::ffi::OsStr::new("STACK"));
        build.door("detect", &[&build.app.dir])
    }

    /// Runs `bin/compile` where no Python can be had: it fails with `install-python` if not before.
    pub(super) fn refused(&self, files: &[(&str, &str)]) -> Run {
        let mut build = Build::new(files);
        build.hide_pythons();
        build.compile()
    }

    /// Returns what `bin/report` says after that.
    pub(super) fn report_of_refused(&self, files: &[(&str, &str)]) -> serde_json::Value {
        let mut build = Build::new(files);
        build.hide_pythons();
        build.compile();
        build.report()
    }

    /// Prepares an app whose build finds its Python in the cache; none if this machine has no Python to make one of.
    pub(super) fn ready(&self, files: &[(&str, &str)]) -> Option<Build> {
        let build = Build::new(files);
        if build.app.dir.join(".python-version").exists() {
            return Some(build);
        }
        fs::write(build.app.dir.join(".python-version"), format!("{}\n", python_minor()?)).unwrap();
        link_as_it_is(prepared_cache()?, &build.cache);
        Some(build)
    }

    /// Returns an app that was built, for checks that only look at it.
    pub(super) fn built(&self) -> Option<&Build> {
        let make = || {
            let build = self.ready(&[("requirements.txt", "")])?;
            build.compile().success();
            Some(build)
        };
        self.built.get_or_init(make).as_ref()
    }

    /// Returns an app whose build has every step but for that of Python, and the build's log.
    pub(super) fn full(&self) -> Option<(&Build, &str)> {
        let make = || {
            let files = [
                ("bin/pre_compile", "true\n"),
                ("bin/post_compile", "true\n"),
                ("manage.py", MANAGE),
                ("nltk.txt", "brown\n"),
                ("nltk/__init__.py", ""),
                ("nltk/downloader.py", "print('downloaded')\n"),
                ("check_python_version.py", ""),
            ];
            let build = with_package(self, "django", &files)?;
            fs::remove_file(build.app.dir.join(".python-version")).unwrap();
            fs::remove_dir_all(build.cache.join(".slugc/v1/layers/pip")).unwrap();
            let log = build.compile().success().stdout;
            Some((build, log))
        };
        self.full.get_or_init(make).as_ref().map(|(build, log)| (build, log.as_str()))
    }
}

impl Build {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let mut app = TestApp::new(&[]);
        for (name, contents) in files {
            let path = app.dir.join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, contents).unwrap();
            }
        }
        let [cache, env_dir, buildpack] = ["cache", "env", "buildpack"].map(|name| {
            let dir = app.out.join(name);
            fs::create_dir(&dir).unwrap();
            dir
        });
        app.set("STACK", "heroku-24");
        app.set("SLUGC_BUILDPACK_DIR", buildpack.clone());
        Self { app, cache, env_dir, buildpack }
    }

    /// Lets no Python be had: a build ends where it would be downloaded.
    pub(super) fn hide_pythons(&mut self) {
        self.app.set("SLUGC_PYTHON_SOURCE", "catalogue");
        self.app.set("SLUGC_PYTHON_MIRROR", "file:///nowhere");
    }

    /// Writes a file of the app.
    pub(super) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.app.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Sets a config var.
    pub(super) fn config_var(&self, name: &str, value: &str) {
        fs::write(self.env_dir.join(name), value).unwrap();
    }

    /// Calls one of the programs.
    pub(super) fn door(&self, name: &str, arguments: &[&Path]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slugc"));
        command.arg("classic").arg(name).args(arguments).env_clear().envs(&self.app.env).current_dir("/");
        run(&mut command)
    }

    pub(super) fn compile(&self) -> Run {
        self.door("compile", &[&self.app.dir, &self.cache, &self.env_dir])
    }

    pub(super) fn test_compile(&self) -> Run {
        self.door("test-compile", &[&self.app.dir, &self.cache, &self.env_dir])
    }

    pub(super) fn report(&self) -> serde_json::Value {
        let report = self.door("report", &[&self.app.dir, &self.cache, &self.env_dir]).success();
        serde_json::from_str(&report.stdout).unwrap()
    }

    /// Takes away what a build has put into the build directory, as the next one begins with the app's own files.
    pub(super) fn clean(&self) {
        for name in [".heroku", ".profile.d"] {
            let _ = fs::remove_dir_all(self.app.dir.join(name));
        }
    }

    /// Runs a shell script as a dyno would, with these variables; returns what it prints.
    pub(super) fn on_a_dyno(&self, vars: &[(&str, &str)], script: &str) -> Run {
        let script = format!("for file in .profile.d/*.sh; do . \"$file\"; done\n{script}");
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).current_dir(&self.app.dir).env_clear();
        run(command.env("HOME", &self.app.dir).env("PATH", "/usr/bin:/bin").envs(vars.iter().copied()))
    }
}

/// Returns a cache directory in which a build of an empty app has left its Python.
fn prepared_cache() -> Option<&'static Path> {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    let version = python_minor()?;
    let dir = CACHE.get_or_init(|| {
        let build = Build::new(&[("requirements.txt", ""), (".python-version", version)]);
        let log = build.compile().success().stdout;
        let places =
            ["-----> Copying Python ", "-----> Installing pip ", "-----> Installing dependencies using "]
                .map(|step| log.find(step).unwrap_or_else(|| panic!("no {step:?} in {log}")));
        assert!(places.is_sorted(), "{log}");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-cache");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        copy_as_it_is(&build.cache, &dir);
        dir
    });
    Some(dir)
}

/// Returns a text without the margin of a box and its line ends, so that wrapping doesn't matter.
pub(super) fn unwrapped(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start_matches(" !").trim());
    lines.collect::<Vec<_>>().join(" ")
}
