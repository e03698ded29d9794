//! What a classic build keeps in CACHE_DIR, and what it does when that isn't what it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::classic::{door, warm_cache};
use crate::support::{Run, TestApp, copy_tree};

/// An app and its cache directory.
struct Cached {
    app: TestApp,
    cache: PathBuf,
    builds: u32,
}

impl Cached {
    fn new(files: &[(&str, &str)]) -> Self {
        let mut app = TestApp::new(files);
        app.set("STACK", "heroku-24");
        let cache = app.out.join("cache");
        Self { app, cache, builds: 0 }
    }

    /// As after a build of an app with an empty requirements.txt.
    fn warm(files: &[(&str, &str)]) -> Self {
        let cached = Self::new(files);
        warm_cache(&cached.cache);
        cached
    }

    fn write(&self, name: &str, contents: &str) {
        fs::create_dir_all(self.app.dir.join(name).parent().unwrap()).unwrap();
        fs::write(self.app.dir.join(name), contents).unwrap();
    }

    /// Builds a copy of the app in a directory of its own, as platforms do.
    fn compile(&mut self) -> Run {
        let build_dir = self.app.out.join(format!("build_{}_of_this_app", self.builds));
        self.builds += 1;
        fs::create_dir(&build_dir).unwrap();
        copy_tree(&self.app.dir, &build_dir);
        let run = door(&self.app, "compile", &[&build_dir, &self.cache]);
        fs::remove_dir_all(build_dir).unwrap();
        run
    }

    fn report(&self) -> serde_json::Value {
        let run = door(&self.app, "report", &[&self.app.dir, &self.cache]).success();
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// The Python that the last build has used: this machine may not have the default.
    fn python_major(&self) -> String {
        self.report()["python_version_major"].as_str().unwrap().to_owned()
    }

    fn layers(&self) -> PathBuf {
        self.cache.join(".slugc/v1/layers")
    }
}

/// Returns the steps about the cache, and the reasons below them.
fn cache_lines(run: &Run) -> Vec<&str> {
    run.stdout.lines().filter(|line| line.contains("cache") || line.starts_with("       - ")).collect()
}

#[test]
fn an_unchanged_app_is_built_from_the_cache() {
    let mut cached = Cached::new(&[("requirements.txt", "")]);
    let first = cached.compile().success();
    assert_eq!(cache_lines(&first), ["-----> Saving cache"]);
    assert_eq!(cached.report()["cache_status"], "empty");
    let second = cached.compile().success();
    assert_eq!(cache_lines(&second), ["-----> Restoring cache", "-----> Saving cache"]);
    assert!(!second.stdout.contains("Installing"), "{}", second.stdout);
    assert_eq!(cached.report()["cache_status"], "reused");
}

#[test]
fn every_change_is_a_reason_and_only_what_changed_is_made_anew() {
    let mut cached =
        Cached::warm(&[("requirements.txt", "-r requirements/base.txt\n"), ("requirements/base.txt", "")]);
    cached.compile().success();
    cached.write("requirements/base.txt", "# changed\n");
    cached.app.set("STACK", "heroku-22");
    let changed = cached.compile().success();
    assert_eq!(
        cache_lines(&changed),
        [
            "-----> Discarding cache since:",
            "       - The stack has changed from heroku-24 to heroku-22",
            "       - The contents of requirements/base.txt changed",
            "-----> Saving cache",
        ]
    );
    assert_eq!(cached.report()["cache_status"], "discarded");
    assert!(changed.stdout.contains("Installing dependencies using"), "{}", changed.stdout);
    assert!(!changed.stdout.contains("Installing pip"), "{}", changed.stdout);
    for kind in ["runtime", "pip", "dependencies"] {
        let kept = fs::read_dir(cached.layers().join(kind)).unwrap().count();
        assert_eq!(kept, 1, "old layers of {kind} are thrown away");
    }
}

#[test]
fn a_failed_build_keeps_the_cache_of_the_last_good_one() {
    let mut cached = Cached::warm(&[("requirements.txt", "")]);
    cached.compile().success();
    cached.write("requirements.txt", "not a requirement\n");
    cached.compile().failure("requirements::invalid-line");
    assert_eq!(cached.report()["failure_reason"], "requirements::invalid-line");
    cached.write("Pipfile.lock", "{}");
    cached.compile().failure("package-manager::multiple-found");
    let report = cached.report();
    assert_eq!(report["failure_reason"], "package-manager::multiple-found");
    assert_eq!(report["failure_detail"], "pipenv,pip");
    assert!(report.get("total_duration").is_none(), "{report}");
    fs::remove_file(cached.app.dir.join("Pipfile.lock")).unwrap();
    cached.write("requirements.txt", "");
    let rebuilt = cached.compile().success();
    assert_eq!(cache_lines(&rebuilt), ["-----> Restoring cache", "-----> Saving cache"]);
    let previous = fs::read_to_string(cached.cache.join("build-data/python-prev.json")).unwrap();
    assert!(previous.contains("package-manager::multiple-found"), "{previous}");
}

#[test]
fn the_build_directory_is_nowhere_in_the_cache() {
    let mut cached = Cached::new(&[("requirements.txt", ""), ("app.py", "")]);
    cached.compile().success();
    let needle = b"_of_this_app";
    for entry in walkdir::WalkDir::new(&cached.cache) {
        let entry = entry.unwrap();
        assert!(!entry.path().to_str().unwrap().contains("_of_this_app"), "{}", entry.path().display());
        let bytes = match fs::read_link(entry.path()) {
            Ok(target) => target.to_str().unwrap().as_bytes().to_vec(),
            Err(_) if entry.file_type().is_file() => fs::read(entry.path()).unwrap(),
            Err(_) => continue,
        };
        let found = bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!found, "{}", entry.path().display());
    }
}

#[test]
fn a_cache_that_went_through_a_tar_file_without_its_hard_links_is_as_good() {
    let mut cached = Cached::warm(&[("requirements.txt", "")]);
    cached.compile().success();
    let tar = cached.app.out.join("cache.tar");
    let run = |args: &[&str]| {
        assert!(Command::new("tar").args(args).status().unwrap().success(), "{args:?}");
    };
    let (tar, out) = (tar.to_str().unwrap(), cached.app.out.to_str().unwrap().to_owned());
    run(&["--hard-dereference", "-cf", tar, "-C", &out, "cache"]);
    fs::remove_dir_all(&cached.cache).unwrap();
    let moved = Path::new(&out).join("moved");
    fs::create_dir(&moved).unwrap();
    run(&["-xf", tar, "-C", moved.to_str().unwrap()]);
    cached.cache = moved.join("cache");
    let rebuilt = cached.compile().success();
    assert_eq!(cache_lines(&rebuilt), ["-----> Restoring cache", "-----> Saving cache"]);
    assert!(!rebuilt.stdout.contains("Installing"), "{}", rebuilt.stdout);
}

#[test]
fn a_damaged_layer_is_found_and_made_anew() {
    let mut cached = Cached::warm(&[("requirements.txt", "")]);
    cached.compile().success();
    type Damage = fn(&Path);
    let python = |layers: &Path| {
        let runtime = fs::read_dir(layers.join("runtime")).unwrap().next().unwrap().unwrap().path();
        walkdir::WalkDir::new(runtime.join("tree/.heroku/python/lib"))
            .max_depth(2)
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .find(|path| path.ends_with("os.py"))
            .unwrap()
    };
    let damages: [(&str, Damage); 3] = [
        ("cut", |file| fs::File::options().write(true).open(file).unwrap().set_len(100).unwrap()),
        ("lost", |file| fs::remove_file(file).unwrap()),
        ("changed", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[0] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
    ];
    let file = python(&cached.layers());
    let whole = fs::read(&file).unwrap();
    for (name, damage) in damages {
        damage(&file);
        let rebuilt = cached.compile().success();
        assert_eq!(
            cache_lines(&rebuilt),
            [
                "-----> Discarding cache since:",
                "       - The cached Python is damaged",
                "-----> Saving cache"
            ],
            "{name}"
        );
        assert_eq!(fs::read(&file).unwrap(), whole, "{name}");
    }
}

#[test]
fn a_cache_with_anything_in_it_is_no_obstacle() {
    let mut cached = Cached::warm(&[("requirements.txt", "")]);
    cached.compile().success();
    // Documents that end in the middle.
    for entry in walkdir::WalkDir::new(cached.cache.join(".slugc/v1/documents")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            fs::write(entry.path(), "{\"sta").unwrap();
        }
    }
    fs::write(cached.cache.join("build-data/python.json"), "{\"pack").unwrap();
    let rebuilt = cached.compile().success();
    assert_eq!(
        cache_lines(&rebuilt)[..2],
        ["-----> Discarding cache since:", "       - The buildpack cache format has changed"]
    );
    // What Heroku's own buildpack leaves: its Python version stays, the rest goes.
    let major = cached.python_major();
    fs::remove_dir_all(&cached.cache).unwrap();
    let foreign = cached.cache.join(".heroku");
    fs::create_dir_all(foreign.join("python/bin")).unwrap();
    fs::write(foreign.join("python-version"), format!("python-{major}.0")).unwrap();
    fs::write(foreign.join("python-stack"), "heroku-24").unwrap();
    fs::create_dir_all(foreign.join("node")).unwrap();
    let rebuilt = cached.compile().success();
    assert!(rebuilt.stdout.contains("The buildpack cache format has changed"), "{}", rebuilt.stdout);
    let line = format!("Using the same major version as the last build: Python {major}\n");
    assert!(rebuilt.stdout.contains(&line), "{}", rebuilt.stdout);
    let left: Vec<_> = fs::read_dir(&foreign).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["node"], "another buildpack's cache is left alone");
}

#[test]
fn an_app_without_a_version_keeps_that_of_the_last_build() {
    let mut cached = Cached::new(&[("requirements.txt", "")]);
    let first = cached.compile().success();
    let line = "-----> No Python version was specified. Using the default: Python ";
    assert!(first.stdout.starts_with(line), "{}", first.stdout);
    assert_eq!(cached.report()["python_version_origin"], "default");
    let major = cached.python_major();
    let rebuilt = cached.compile().success();
    let line =
        "-----> No Python version was specified. Using the same major version as the last build: Python ";
    assert!(rebuilt.stdout.starts_with(&format!("{line}{major}\n")), "{}", rebuilt.stdout);
    assert_eq!(cached.report()["python_version_origin"], "cached");
}

#[test]
fn layers_that_no_build_uses_leave_the_cache() {
    let mut cached = Cached::warm(&[("requirements.txt", "")]);
    let old = ["project", "pipenv", "poetry", "pdm", "dependencies"]
        .map(|kind| cached.layers().join(kind).join("old"));
    for dir in &old {
        fs::create_dir_all(dir).unwrap();
    }
    cached.compile().success();
    for dir in &old {
        assert!(!dir.exists(), "{}", dir.display());
    }
}

/// What a cache holds after many builds is what it holds after one.
#[test]
fn a_cache_does_not_grow_from_build_to_build() {
    let mut cached = Cached::new(&[("requirements.txt", "")]);
    // Whatever uv is asked for, its cache grows.
    let uv = cached.app.env[std::ffi::OsStr::new("SLUGC_UV")].clone();
    let script = "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; exit; fi\n\
                  truncate -s 20M \"$UV_CACHE_DIR/$$\"\n";
    fs::write(uv, script).unwrap();
    let store = cached.cache.join(".slugc/v1");
    let uv_cache = || {
        let caches = fs::read_dir(&store).into_iter().flatten().flatten();
        let files = caches
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("uv-"))
            .flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten());
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let (mut largest, mut counts) = (0, Vec::new());
    for number in 0..10 {
        cached.write("requirements.txt", &format!("# {number}\n"));
        if number == 1 {
            fs::write(store.join("downloads/old"), "").unwrap();
            fs::create_dir_all(store.join("layers/uv/0.1.0")).unwrap();
        }
        cached.compile().success();
        largest = largest.max(uv_cache());
        let kinds = ["layers/dependencies", "layers/runtime", "layers/uv", "downloads", "tmp"];
        let in_kinds = kinds.map(|kind| fs::read_dir(store.join(kind)).map_or(0, Iterator::count));
        let others = ["documents", "segments"].map(|kind| {
            let files = walkdir::WalkDir::new(store.join(kind)).into_iter();
            files.filter(|entry| entry.as_ref().unwrap().file_type().is_file()).count()
        });
        counts.push((in_kinds, others));
    }
    assert_eq!(counts[0].0, [1, 1, 0, 0, 0]);
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    let layers =
        walkdir::WalkDir::new(cached.layers()).into_iter().map(|entry| entry.unwrap().metadata().unwrap());
    let installed: u64 = layers.filter(fs::Metadata::is_file).map(|meta| meta.len()).sum();
    assert!(largest > 0 && largest <= 2 * installed, "{largest} bytes, and {installed} are installed");
}

/// The app keeps the Python that stands in, although the catalogue has a newer one.
#[test]
fn a_python_that_cannot_be_had_is_no_reason_to_discard_the_cache() {
    let mut cached = Cached::warm(&[("requirements.txt", "")]);
    cached.compile().success();
    // Nothing listens there.
    cached.app.set("SLUGC_PYTHON_MIRROR", "http://127.0.0.1:9");
    cached.app.set("SLUGC_PYTHON_SOURCE", "auto");
    let again = cached.compile().success();
    assert_eq!(cache_lines(&again), ["-----> Restoring cache", "-----> Saving cache"], "{}", again.stdout);
    assert!(again.stdout.contains("couldn't be downloaded"), "{}", again.stdout);
    assert!(!again.stdout.contains("-----> Installing Python"), "{}", again.stdout);
}

/// uv links what it installs from its cache, and slugc from the layer into the build.
#[test]
#[ignore = "needs PyPI"]
fn what_was_edited_in_a_build_is_not_installed_again() {
    let mut app = TestApp::online("flask-getting-started");
    app.set("STACK", "heroku-24");
    let cache = app.out.join("cache");
    let cached = Cached { app, cache, builds: 0 };
    cached.write("requirements.txt", "six==1.17.0\n");
    let six = |build_dir: &Path| {
        let files = walkdir::WalkDir::new(build_dir.join(".heroku/python/lib")).into_iter();
        let mut paths = files.map(|entry| entry.unwrap().into_path());
        paths.find(|path| path.ends_with("site-packages/six.py")).unwrap()
    };
    let build_dir = cached.app.out.join("build");
    let mut whole = String::new();
    // Unchanged, and with another set of packages.
    for requirements in ["six==1.17.0\n", "six==1.17.0\n", "six==1.17.0 # again\n"] {
        cached.write("requirements.txt", requirements);
        let _ = fs::remove_dir_all(&build_dir);
        fs::create_dir(&build_dir).unwrap();
        copy_tree(&cached.app.dir, &build_dir);
        let run = door(&cached.app, "compile", &[&build_dir, &cached.cache]).success();
        let file = six(&build_dir);
        let text = fs::read_to_string(&file).unwrap();
        if whole.is_empty() {
            whole = text;
        } else {
            assert!(run.stdout.contains("- The cached set of packages is damaged\n"), "{}", run.stdout);
            assert!(text == whole, "what was edited is there again");
        }
        let mut file = fs::File::options().append(true).open(&file).unwrap();
        std::io::Write::write_all(&mut file, b"spoilt = True\n").unwrap();
    }
}
