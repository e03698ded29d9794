//! Bytecode depends on a distribution and the interpreter, and on nothing else; what is known isn't compiled again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use slugc::testing::build::bytecode::{Ahead, Kept, compile_bytecode, forget_other_bytecode};
use slugc::testing::build::python::Python;
use slugc::testing::env::Env;
use slugc::testing::output::{Counters, Output};
use slugc::testing::plan::LayerId;
use slugc::testing::store::Store;

use crate::support::{TestApp, copy_tree, skip};

/// Where packages are, with the Python that is there.
struct World {
    python: Python,
    /// The sources of its standard library: as real as it gets.
    library: PathBuf,
    store: Store,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        let code = "import os, sys, sysconfig; print(os.path.realpath(sys.executable), sys.prefix, \
                    sysconfig.get_path('stdlib'), '%d.%d.%d' % sys.version_info[:3], sep='\\n')";
        let output = Command::new("python3").args(["-c", code]).current_dir("/").output().ok();
        let text = output.map(|output| String::from_utf8(output.stdout).unwrap()).unwrap_or_default();
        let [executable, prefix, library, version] = text.lines().collect::<Vec<_>>()[..] else {
            skip("there is no python3 on PATH");
            return None;
        };
        let python = Python {
            executable: executable.into(),
            prefix: prefix.into(),
            version: version.parse().unwrap(),
            layer: Some("a-runtime".to_owned()),
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Some(Self { python, library: library.into(), store, _dir: dir })
    }

    fn site_packages(&self, tree: &Path) -> PathBuf {
        tree.join(self.python.library()).join("site-packages")
    }

    /// Installs a part of the standard library under another name.
    fn install(&self, tree: &Path, module: &str, name: &str) {
        let site_packages = self.site_packages(tree);
        let (package, info) = (site_packages.join(name), site_packages.join(format!("{name}-1.dist-info")));
        for dir in [&package, &info] {
            fs::create_dir_all(dir).unwrap();
        }
        let mut record = String::new();
        for entry in fs::read_dir(self.library.join(module)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "py") {
                let file_name = path.file_name().unwrap().to_str().unwrap();
                fs::copy(&path, package.join(file_name)).unwrap();
                record += &format!("{name}/{file_name},,\n");
            }
        }
        fs::write(info.join("RECORD"), record).unwrap();
    }

    fn compile(&self, tree: &Path, cores: usize, is_kept: bool) -> Counters {
        let output = Output::silent();
        let kept = Kept { store: &self.store, lineage: "app", layer: LayerId::Dependencies };
        let env = Env { cores, ..Env::capture() };
        compile_bytecode(&self.python, tree, is_kept.then_some((kept, &Ahead::default())), &env, &output)
            .unwrap();
        output.counters()
    }
}

/// All `.pyc` files below a directory.
fn bytecode(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(dir).into_iter().map(|entry| entry.unwrap().into_path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "pyc"));
    files.map(|path| (path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn its_bytes_depend_neither_on_the_cores_nor_on_what_else_is_installed() {
    let Some(world) = World::new() else { return };
    let alone = tempfile::tempdir().unwrap();
    world.install(alone.path(), "email", "letters");
    world.compile(alone.path(), 1, false);
    let alone = bytecode(&world.site_packages(alone.path()).join("letters"));
    assert!(alone.len() > 10, "{alone:?}");

    let mut expected = None;
    for (cores, is_kept) in [(1, false), (2, true), (5, false), (3, true)] {
        let tree = tempfile::tempdir().unwrap();
        for (module, name) in [("asyncio", "again"), ("email", "letters"), ("logging", "zlog")] {
            world.install(tree.path(), module, name);
        }
        fs::write(world.site_packages(tree.path()).join("nobodys.py"), "value = 'nobody'\n").unwrap();
        world.compile(tree.path(), cores, is_kept);
        let site_packages = world.site_packages(tree.path());
        assert_eq!(bytecode(&site_packages.join("letters")), alone, "{cores} cores");
        let found = bytecode(tree.path());
        assert!(found.keys().any(|path| path.to_string_lossy().contains("nobodys.")));
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{cores} cores, kept: {is_kept}");
        for (path, contents) in &found {
            assert_eq!(contents[4..8], [1, 0, 0, 0], "{}: unchecked", path.display());
            let name = b"/app/.heroku/python/lib/python3.";
            assert!(contents.windows(name.len()).any(|window| window == name), "{}", path.display());
        }
    }
}

#[test]
fn only_what_is_new_is_compiled() {
    let Some(world) = World::new() else { return };
    let tree_of = |packages: &[(&str, &str)]| {
        let tree = tempfile::tempdir().unwrap();
        for (module, name) in packages {
            world.install(tree.path(), module, name);
        }
        fs::write(world.site_packages(tree.path()).join("json_too/broken.py"), "def (:\n").unwrap();
        tree
    };
    let count = |module: &str| {
        let tree = tempfile::tempdir().unwrap();
        world.install(tree.path(), module, "x");
        fs::read_dir(world.site_packages(tree.path()).join("x")).unwrap().count() as u64
    };
    let first = tree_of(&[("json", "json_too")]);
    let counters = world.compile(first.path(), 2, true);
    let json = count("json") + 1;
    assert_eq!((counters.bytecode_compiled, counters.bytecode_reused), (json, 0));

    let second = tree_of(&[("json", "json_too"), ("logging", "added")]);
    let counters = world.compile(second.path(), 2, true);
    assert_eq!((counters.bytecode_compiled, counters.bytecode_reused), (count("logging"), json));
    let fresh = tree_of(&[("json", "json_too"), ("logging", "added")]);
    world.compile(fresh.path(), 2, false);
    assert_eq!(bytecode(second.path()), bytecode(fresh.path()));
    assert!(!bytecode(second.path()).keys().any(|path| path.to_string_lossy().contains("broken")));

    // Nothing is needed any more but what the last build has.
    world.compile(first.path(), 2, true);
    forget_other_bytecode("app", &[LayerId::Dependencies], &world.store).unwrap();
    let counters = world.compile(fresh.path(), 2, true);
    assert_eq!((counters.bytecode_compiled, counters.bytecode_reused), (count("logging"), json));
    assert_eq!(bytecode(second.path()), bytecode(fresh.path()));

    let other =
        World { python: Python { layer: Some("another".to_owned()), ..world.python.clone() }, ..world };
    assert_eq!(other.compile(fresh.path(), 2, true).bytecode_reused, 0, "another Python compiles anew");
}

#[test]
fn a_driver_that_fails_is_an_answer() {
    let Some(world) = World::new() else { return };
    let tree = tempfile::tempdir().unwrap();
    world.install(tree.path(), "json", "json_too");
    // A file where the directory for bytecode should be.
    fs::write(world.site_packages(tree.path()).join("json_too/__pycache__"), "").unwrap();
    let error = compile_bytecode(&world.python, tree.path(), None, &Env::capture(), &Output::silent());
    assert_eq!(error.unwrap_err().code().entry().id, "bytecode::failed");
}

#[test]
#[ignore = "needs PyPI"]
fn a_package_more_is_one_package_to_compile() {
    let app = TestApp::online("flask-getting-started");
    app.build(&[]).success();
    let requirements = app.dir.join("requirements.txt");
    let text = fs::read_to_string(&requirements).unwrap();
    fs::write(&requirements, format!("{text}\nsix==1.16.0\n")).unwrap();
    let rebuilt = app.build(&["--format", "json"]).success().event("finished");
    assert_eq!(rebuilt["counters"]["bytecode_compiled"], 1, "{rebuilt}");
    assert!(rebuilt["counters"]["bytecode_reused"].as_u64().unwrap() > 100, "{rebuilt}");

    let fresh = TestApp::online("flask-getting-started");
    copy_tree(&app.dir, &fresh.dir);
    assert_eq!(fresh.build(&["--format", "json"]).success().event("finished")["sha256"], rebuilt["sha256"]);
}
