//! The packaged buildpack as a platform drives it: a copy of it for each app, a build directory, a cache and config
//! vars; then a dyno that has only the app.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::classic::shared_cache;
use crate::flask::{free_port, wait_for_page};
use crate::index::Index;
use crate::support::{
    Run, TestApp, copy_as_it_is, fixture, link_as_it_is, machines_index, python_minor, run,
};

/// Where a platform's programs are, and nothing of a developer's.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the package of the program that is tested, once for all tests.
pub(crate) fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("buildpack.tgz");
        let app = TestApp::new(&[]);
        let program = env!("CARGO_BIN_EXE_slugc");
        let arguments = ["package", "classic", "--program", program, "-o", file.to_str().unwrap()];
        assert_eq!(app.run(&arguments).success().stdout, format!("{}\n", file.display()));
        file
    })
}

/// Unpacks the package.
pub(crate) fn unpack(into: &Path) -> PathBuf {
    fs::create_dir_all(into).unwrap();
    run(Command::new("tar").arg("xzf").arg(package()).arg("-C").arg(into)).success();
    into.to_owned()
}

/// A directory that is made once in a test run, and shared by its tests. Those of runs that have ended are removed.
pub(crate) fn made_once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in fs::read_dir(parent).unwrap().flatten() {
        let file_name = entry.file_name().into_string().unwrap();
        let process = file_name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let dir = parent.join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    make(&dir);
    dir
}

/// What a platform has for one app.
pub(crate) struct Platform {
    root: TempDir,
    buildpack: PathBuf,
    /// The app's own files, from which each build begins.
    pub(crate) source: PathBuf,
    /// Where the app is built: another directory each time.
    pub(crate) build_dir: PathBuf,
    /// What is kept from build to build.
    pub(crate) cache: PathBuf,
    env_dir: PathBuf,
    env: BTreeMap<OsString, OsString>,
    builds: u32,
}

impl Platform {
    /// Prepares to build a fixture. Packages can't be had: uv is a script that installs nothing.
    pub(crate) fn new(fixture: &str) -> Self {
        let machine = TestApp::new(&[]);
        let mut platform = Self::with_environment_of(&machine, fixture);
        let uv = platform.root.path().join("uv");
        fs::copy(&machine.env[OsStr::new("SLUGC_UV")], &uv).unwrap();
        platform.set("SLUGC_UV", uv);
        platform.fill_in(None);
        platform
    }

    /// The same, with the cache of an app that needs no packages.
    pub(crate) fn warm(fixture: &str) -> Self {
        let platform = Self::new(fixture);
        fs::create_dir(&platform.cache).unwrap();
        link_as_it_is(shared_cache(), &platform.cache);
        platform
    }

    /// Prepares to build a fixture with packages from the index, and with the cache of an app that has none. None if
    /// this machine can't.
    pub(crate) fn online(fixture: &str) -> Option<Self> {
        python_minor()?;
        let index = crate::index::index()?;
        let mut platform = Self::with_environment_of(&TestApp::new(&[]), fixture);
        platform.env.extend(machines_index());
        platform.fill_in(Some(index));
        platform.config_var("INDEX_URL", &index.simple);
        static WARM: OnceLock<PathBuf> = OnceLock::new();
        let warm = WARM.get_or_init(|| {
            made_once("warm-cache", |dir| {
                let mut empty = Self::with_environment_of(&TestApp::new(&[]), "version-file");
                empty.env.extend(machines_index());
                empty.write("requirements.txt", "six==1.16.0\n");
                empty.fill_in(Some(index));
                empty.compile().success();
                fs::create_dir_all(dir).unwrap();
                copy_as_it_is(&empty.cache, dir);
            })
        });
        fs::create_dir(&platform.cache).unwrap();
        link_as_it_is(warm, &platform.cache);
        Some(platform)
    }

    fn with_environment_of(machine: &TestApp, name: &str) -> Self {
        static BUILDPACK: OnceLock<PathBuf> = OnceLock::new();
        let unpacked = BUILDPACK.get_or_init(|| made_once("buildpack", |dir| drop(unpack(dir))));
        let root = tempfile::tempdir().unwrap();
        let [buildpack, source, cache, env_dir] =
            ["a \"buildpack\"", "source", "the cache", "env"].map(|name| root.path().join(name));
        for dir in [&buildpack, &source, &env_dir, &root.path().join("elsewhere")] {
            fs::create_dir(dir).unwrap();
        }
        link_as_it_is(unpacked, &buildpack);
        copy_as_it_is(&fixture(name), &source);
        let mut env: BTreeMap<OsString, OsString> =
            [("PATH", PATH), ("LANG", "C.UTF-8"), ("STACK", "heroku-24")]
                .map(|(name, value)| (name.into(), value.into()))
                .into();
        // Not /app, where there may be one: builds that run side by side would link their Pythons there.
        env.insert("HOME".into(), root.path().join("home").into());
        // How the tests come by an interpreter.
        for name in ["PYENV_ROOT", "SLUGC_PYTHON_SOURCE"] {
            env.extend(machine.env.get(OsStr::new(name)).map(|value| (name.into(), value.clone())));
        }
        let build_dir = root.path().join("build_0");
        Self { root, buildpack, source, build_dir, cache, env_dir, env, builds: 0 }
    }

    /// Puts what this machine has in the place of the fixture's placeholders.
    fn fill_in(&self, index: Option<&Index>) {
        let repository = self.root.path().join("repository");
        for entry in walkdir::WalkDir::new(&self.source) {
            let path = entry.unwrap().into_path();
            let Some(mut text) = fs::read_to_string(&path).ok().filter(|text| text.contains('@')) else {
                continue;
            };
            if text.contains("@PYTHON@") {
                // Without one, the build says so.
                text = text.replace("@PYTHON@", python_minor().unwrap_or("3.13"));
            }
            if let Some(index) = index {
                text = text.replace("@INDEX@", &index.simple).replace("@FILES@", &index.files);
            }
            if text.contains("@REPOSITORY@") {
                make_repository(&repository);
                text = text.replace("@REPOSITORY@", &format!("file://{}", repository.display()));
            }
            fs::write(path, text).unwrap();
        }
    }

    /// Writes a file of the app.
    pub(crate) fn write(&self, name: &str, contents: &str) {
        let path = self.source.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Changes a text in a file of the app.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.source.join(name)).unwrap();
        let changed = text.replace(from, to);
        assert_ne!(text, changed, "{from:?} isn't in {name}");
        self.write(name, &changed);
    }

    /// Sets a variable of the platform's environment.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// Sets a config var.
    pub(crate) fn config_var(&self, name: &str, value: &str) {
        fs::write(self.env_dir.join(name), value).unwrap();
    }

    fn call(&self, script: &str, arguments: &[&Path]) -> Run {
        let mut command = Command::new(self.buildpack.join("bin").join(script));
        command.args(arguments).env_clear().envs(&self.env).stdin(Stdio::null());
        run(command.current_dir(self.root.path().join("elsewhere")))
    }

    /// Calls `bin/detect` on the app's files.
    pub(crate) fn detect(&self) -> Run {
        self.call("detect", &[&self.source])
    }

    /// Calls `bin/compile` on a copy of the app's files.
    pub(crate) fn compile(&mut self) -> Run {
        self.build("compile")
    }

    /// Calls `bin/test-compile` on a copy of the app's files.
    pub(crate) fn test_compile(&mut self) -> Run {
        self.build("test-compile")
    }

    fn build(&mut self, script: &str) -> Run {
        let _ = fs::remove_dir_all(&self.build_dir);
        self.builds += 1;
        self.build_dir = self.root.path().join(format!("build_{}", self.builds));
        fs::create_dir(&self.build_dir).unwrap();
        copy_as_it_is(&self.source, &self.build_dir);
        self.call(script, &[&self.build_dir, &self.cache, &self.env_dir])
    }

    /// Calls `bin/test` on what was built.
    pub(crate) fn test(&self) -> Run {
        self.call("test", &[&self.build_dir, &self.env_dir])
    }

    /// Calls `bin/release` on what was built.
    pub(crate) fn release(&self) -> Run {
        self.call("release", &[&self.build_dir])
    }

    /// Returns what `bin/report` says about the last build.
    pub(crate) fn report(&self) -> serde_json::Value {
        let run = self.call("report", &[&self.build_dir, &self.cache, &self.env_dir]).success();
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// Moves what was built to where a dyno has it, and everything else out of the way.
    pub(crate) fn boot(&self) -> Dyno {
        let home = self.root.path().join("dyno/app");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(home.parent().unwrap()).unwrap();
        fs::rename(&self.build_dir, &home).unwrap();
        let away = self.cache.with_extension("away");
        fs::rename(&self.cache, &away).unwrap();
        Dyno { home, cache: self.cache.clone(), away }
    }
}

/// Makes a repository whose first version is a package, with a tag.
fn make_repository(at: &Path) {
    fs::create_dir(at).unwrap();
    copy_as_it_is(&fixture("local-packages"), at);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(at).args(["-c", "user.name=test", "-c", "user.email=test@localhost"]);
        run(command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null")).success();
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "A package"]);
    git(&["tag", "v1"]);
}

/// The app where it runs. The cache comes back when this goes.
pub(crate) struct Dyno {
    home: PathBuf,
    cache: PathBuf,
    away: PathBuf,
}

impl Dyno {
    /// Describes a command of a shell that has sourced the boot scripts, with these variables besides.
    fn command(&self, vars: &[(&str, &str)], script: &str) -> Command {
        let script = format!("for file in .profile.d/*.sh; do . \"$file\"; done; {script}");
        let mut command = Command::new("bash");
        command.args(["-c", &script]).env_clear().env("HOME", &self.home).env("PATH", PATH);
        command.envs(vars.iter().copied()).current_dir(&self.home).stdin(Stdio::null());
        command
    }

    /// Runs a command.
    pub(crate) fn run(&self, script: &str) -> Run {
        run(&mut self.command(&[], script))
    }

    /// Starts a process type of the Procfile.
    #[track_caller]
    pub(crate) fn start(&self, process_type: &str, vars: &[(&str, &str)]) -> Process {
        let procfile = fs::read_to_string(self.home.join("Procfile")).unwrap();
        let prefix = format!("{process_type}: ");
        let command = procfile.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap();
        let log = fs::File::create(self.log()).unwrap();
        let mut process = self.command(vars, &format!("exec {command}"));
        Process(process.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// Starts the web process, asks for its page, and ends it.
    #[track_caller]
    pub(crate) fn page(&self, vars: &[(&str, &str)]) -> String {
        let port = free_port().to_string();
        let vars = [vars, &[("PORT", port.as_str()), ("DYNO", "web.1")]].concat();
        let mut process = self.start("web", &vars);
        wait_for_page(port.parse().unwrap(), &mut process.0)
    }

    /// Returns what the process that was started last has written so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.home.with_extension("log")
    }
}

impl Drop for Dyno {
    fn drop(&mut self) {
        let _ = fs::rename(&self.away, &self.cache);
    }
}

/// A process that ends with the test.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}
