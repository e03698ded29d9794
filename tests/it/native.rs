//! The package managers' own tools as installers: asked for, chosen because uv can't, and compared with the engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::classic::door;
use crate::real_tools::{locked_app, poetry_source};
use crate::support::{TestApp, copy_tree, run};

/// What only one of the two writes, or writes in words of its own: who installed it, on whose wish, and the list of
/// the files, which has these in it.
const NOT_COMPARED: &[&str] = &["INSTALLER", "RECORD", "REQUESTED"];

/// A package of the app's: a directory with a console script.
const HELPER: &[(&str, &str)] = &[
    (
        "libs/helper/pyproject.toml",
        "[project]\nname = \"helper\"\nversion = \"1\"\nscripts = { helper = \"helper:main\" }\n[build-system]\n\
         requires = [\"setuptools==84.2.1\"]\nbuild-backend = \"setuptools.build_meta\"\n",
    ),
    ("libs/helper/helper/__init__.py", "def main(): print('from the helper')\n"),
];
const PACKAGE: (&str, &str) =
    ("shop/__init__.py", "import six\ndef main(): print('from the shop', six.__name__)\n");

/// An extra, a marker that holds, one that doesn't, a group for development.
const PROJECT: &str = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\ndependencies = [\n\
    \"six==1.16.0\", \"requests[socks]\", \"idna ; sys_platform == 'linux'\", \"colorama ; sys_platform == 'win32'\",\n";
const REST: &str = "]\nscripts = { shop = \"shop:main\" }\n[dependency-groups]\ndev = [\"iniconfig\"]\n";

/// Makes an app whose Python and tools are in a store that these tests share.
fn app(manager_files: &[(&str, &str)], command: &str) -> Option<TestApp> {
    static STORE: OnceLock<TempDir> = OnceLock::new();
    let mut app = locked_app(&[HELPER, &[PACKAGE], manager_files].concat(), command)?;
    app.store = STORE.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned();
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app.set("SLUGC_PYTHON_SOURCE", "host");
    Some(app)
}

/// What is in a tree of packages, by the files' names.
fn contents(root: &Path) -> BTreeMap<PathBuf, String> {
    let prefix = root.join(".heroku/python");
    let libraries = fs::read_dir(prefix.join("lib")).unwrap().flatten();
    let mut site_packages = libraries.map(|entry| entry.path().join("site-packages"));
    let site_packages = site_packages.find(|path| path.is_dir()).unwrap();
    let mut found = BTreeMap::new();
    for dir in [site_packages, prefix.join("bin")] {
        for entry in walkdir::WalkDir::new(&dir) {
            let entry = entry.unwrap();
            let name = entry.file_name().to_str().unwrap();
            if entry.file_type().is_dir() || NOT_COMPARED.contains(&name) {
                continue;
            }
            let bytes = fs::read(entry.path()).unwrap();
            let is_script = dir.ends_with("bin") && bytes.starts_with(b"#!");
            let what = if name == "direct_url.json" {
                // In any order.
                format!(
                    "{:?}",
                    serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&bytes).unwrap()
                )
            } else if is_script {
                script(&String::from_utf8(bytes).unwrap())
            } else {
                hex::encode(Sha256::digest(&bytes))
            };
            found.insert(entry.path().strip_prefix(root).unwrap().to_owned(), what);
        }
    }
    found
}

/// A console script says by which interpreter it is run, and what it calls. How it does so is the tool's own.
fn script(text: &str) -> String {
    let is_compared =
        |line: &&str| line.starts_with("#!") || line.starts_with("'''exec'") || line.starts_with("from ");
    text.lines().filter(is_compared).collect::<Vec<_>>().join("\n")
}

fn unpacked(app: &TestApp, name: &str) -> PathBuf {
    let dir = app.out.join(name);
    fs::create_dir(&dir).unwrap();
    run(Command::new("tar").arg("xzf").arg(app.slug()).arg("-C").arg(&dir)).success();
    dir.join("app")
}

#[track_caller]
fn assert_equal(native: &BTreeMap<PathBuf, String>, engine: &BTreeMap<PathBuf, String>) {
    let differing: Vec<_> = native
        .iter()
        .filter(|(name, what)| engine.get(*name) != Some(*what))
        .map(|(name, what)| format!("{}: {what}, not {:?}", name.display(), engine.get(name)))
        .chain(
            engine
                .keys()
                .filter(|name| !native.contains_key(*name))
                .map(|name| format!("{} is missing", name.display())),
        )
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(native.len() > 100, "{native:?}");
}

/// Builds with the engine and with the tool; both are the same but for what is listed above.
#[track_caller]
fn the_same_is_installed(app: &TestApp, tool: &str, scripts: &[&str]) {
    let log = app.build(&[]).success().stderr;
    assert!(!log.contains(&format!("-----> Installing {tool} ")), "{log}");
    let engine = contents(&unpacked(app, "engine"));
    let log = app.build(&["--installer", "native"]).success().stderr;
    // Another test may have put the tool into the store already.
    assert!(log.contains("It was asked for."), "{log}");
    let native = unpacked(app, "native");
    assert_equal(&contents(&native), &engine);

    let traces = run(Command::new("grep").arg("-rlF").arg(&app.store).arg(&native));
    assert_eq!(traces.stdout, "", "paths of the build are in the slug");
    for name in ["pyvenv.cfg", "bin/activate", "src", ".project"] {
        assert!(!native.join(".heroku/python").join(name).exists(), "{name}");
    }
    let list = run(Command::new("tar").arg("tzf").arg(app.slug())).success().stdout;
    for name in ["iniconfig", "colorama", "pip", "poetry", "pipenv", "pdm"] {
        assert!(!list.contains(&format!("/site-packages/{name}/")), "{name} is in the slug");
    }
    for name in scripts {
        let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", name]).success();
        assert!(ran.stdout.contains(&format!("from the {name}")), "{}", ran.stdout);
    }
    // Once installed, the tool isn't needed: nothing is run or fetched.
    let again = app.build(&["--installer", "native", "--format", "json"]).success().event("finished");
    for counter in ["processes", "downloads", "layers_built", "segments_compressed"] {
        assert_eq!(again["counters"][counter], 0, "{counter}: {again}");
    }
    // The same bytes, made anew, by the tool that the store has.
    let anew = app.build(&["--installer", "native", "--refresh", "--format", "json"]).success();
    assert_eq!(anew.event("finished")["sha256"], again["sha256"]);
    assert!(!anew.stdout.contains(&format!("Installing {tool} ")), "{}", anew.stdout);
}

#[test]
#[ignore = "needs PyPI"]
fn pipenv_installs_what_the_engine_does() {
    let pipfile = "[packages]\nsix = \"==1.16.0\"\nrequests = { extras = [\"socks\"], version = \"*\" }\ncertifi = \"*\"\n\
                   colorama = { version = \"==0.4.6\", markers = \"sys_platform == 'win32'\" }\n\
                   helper = { path = \"./libs/helper\", editable = true }\n[dev-packages]\niniconfig = \"*\"\n";
    let Some(app) = app(&[("Pipfile", pipfile)], "pipenv lock") else { return };
    the_same_is_installed(&app, "Pipenv", &["helper"]);
}

#[test]
#[ignore = "needs PyPI"]
fn poetry_installs_what_the_engine_does() {
    // Poetry itself builds what it installs in place, by the poetry-core that it came with.
    let pinned = fs::read_to_string("inventory/poetry.txt").unwrap();
    let core =
        pinned.lines().find_map(|line| line.strip_prefix("poetry-core==")).unwrap().trim_end_matches(" \\");
    let project = format!(
        "{PROJECT}\"helper\",{REST}[tool.poetry.dependencies]\nhelper = {{ path = \"libs/helper\" }}\n{}[build-system]\n\
         requires = [\"poetry-core=={core}\"]\nbuild-backend = \"poetry.core.masonry.api\"\n",
        poetry_source()
    );
    let Some(app) = app(&[("pyproject.toml", &project)], "poetry lock --no-interaction") else { return };
    the_same_is_installed(&app, "Poetry", &["helper", "shop"]);
}

#[test]
#[ignore = "needs PyPI"]
fn pdm_installs_what_the_engine_does() {
    let project = format!(
        "{PROJECT}\"helper @ file:///${{PROJECT_ROOT}}/libs/helper\",{REST}[build-system]\n\
         requires = [\"pdm-backend\"]\nbuild-backend = \"pdm.backend\"\n"
    );
    let Some(app) = app(&[("pyproject.toml", &project)], "pdm lock --quiet") else { return };
    the_same_is_installed(&app, "PDM", &["helper", "shop"]);
}

/// The classic doors, with the group for development.
#[test]
#[ignore = "needs PyPI"]
fn pipenv_installs_for_tests_what_the_engine_does() {
    let pipfile = "[packages]\nrequests = \"*\"\n[dev-packages]\niniconfig = \"*\"\n";
    let Some(mut app) = app(&[("Pipfile", pipfile)], "pipenv lock") else { return };
    app.set("STACK", "heroku-24");
    let [engine, native] = ["uv", "native"].map(|installer| {
        let build_dir = app.out.join(installer);
        fs::create_dir(&build_dir).unwrap();
        copy_tree(&app.dir, &build_dir);
        fs::create_dir(app.out.join("env")).unwrap_or_default();
        fs::write(app.out.join("env/SLUGC_INSTALLER"), installer).unwrap();
        let places = [build_dir.clone(), app.out.join("cache"), app.out.join("env")];
        let log = door(&app, "test-compile", &places.each_ref().map(PathBuf::as_path)).success().stdout;
        assert!(log.contains("Installing dependencies using 'pipenv install --deploy --dev'"), "{log}");
        assert_eq!(log.contains("-----> Installing Pipenv "), installer == "native", "{log}");
        contents(&build_dir)
    });
    assert_equal(&native, &engine);
    assert!(native.keys().any(|name| name.ends_with("site-packages/iniconfig/__init__.py")));
}

/// What no requirements file can say is installed by the tool, without being asked.
#[test]
#[ignore = "needs PyPI"]
fn what_the_engine_cannot_do_is_done_by_the_tool() {
    let files = [
        (
            "my libs/odd/pyproject.toml",
            "[project]\nname = \"odd\"\nversion = \"1\"\n[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n",
        ),
        ("my libs/odd/odd.py", "def main(): print('an odd place')\n"),
        ("Pipfile", "[packages]\nodd = { path = \"./my libs/odd\" }\n"),
    ];
    let Some(app) = app(&files, "pipenv lock") else { return };
    let log = app.build(&[]).success().stderr;
    assert!(log.contains("Pipenv 2026.7.1 installs, since uv can't: Pipfile.lock, odd: "), "{log}");
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", "import odd; odd.main()"]);
    assert!(ran.success().stdout.contains("an odd place"));
    let again = app.build(&["--format", "json"]).success().event("finished");
    assert_eq!(again["counters"]["processes"], 0, "{again}");
}

/// The user's settings of Poetry don't count, and its own words come before our error.
#[test]
#[ignore = "needs PyPI"]
fn a_tool_that_fails_says_why() {
    let project = format!("{PROJECT}{REST}[tool.poetry]\npackage-mode = false\n{}", poetry_source());
    let Some(mut app) = app(&[("pyproject.toml", &project)], "poetry lock --no-interaction") else { return };
    let config = app.out.join("config/pypoetry");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.toml"), "[installer]\nno-binary = [\"charset-normalizer\"]\n").unwrap();
    app.set("XDG_CONFIG_HOME", app.out.join("config"));
    app.set("POETRY_INSTALLER_NO_BINARY", "charset-normalizer");
    app.set("SLUGC_INSTALLER", "native");
    app.build(&[]).success();
    let list = run(Command::new("tar").arg("tzf").arg(app.slug())).success().stdout;
    assert!(list.contains("x86_64-linux-gnu.so") || !cfg!(target_arch = "x86_64"), "built from source");
    let lock = app.dir.join("poetry.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let (before, six) = text.split_once("name = \"six\"").unwrap();
    let hash = regex::Regex::new("sha256:[0-9a-f]{64}").unwrap();
    let spoilt = hash.replacen(six, 2, format!("sha256:{}", "0".repeat(64)));
    fs::write(&lock, format!("{before}name = \"six\"{spoilt}")).unwrap();
    let failed = app.build(&[]).failure("install-dependencies::poetry");
    assert!(failed.stderr.contains("six"), "{}", failed.stderr);
}

#[track_caller]
fn plan(files: &[(&str, &str)]) -> String {
    let app = TestApp::new(files);
    app.run(&["plan", app.dir.to_str().unwrap()]).success().stdout
}

#[test]
fn the_plan_says_why_it_is_not_the_engine() {
    let lock = |entry: &str| format!("{{\"_meta\": {{}}, \"default\": {{\"a\": {entry}}}}}");
    let mercurial = lock("{\"hg\": \"https://host.test/a\", \"ref\": \"0123\"}");
    let text = plan(&[("Pipfile.lock", &mercurial)]);
    assert!(text.contains("Installer        Pipenv 2026.7.1\n"), "{text}");
    let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flowing.contains("installs, since uv can't: Pipfile.lock, a: it comes from hg. Layers"),
        "{text}"
    );
    let outside = lock("{\"path\": \"../a\"}");
    let app = TestApp::new(&[("Pipfile.lock", &outside)]);
    let failed = app.build(&[]).failure("install-dependencies::pipenv");
    assert!(failed.stderr.contains("leads out of the app"), "{}", failed.stderr);
}

#[test]
fn native_is_uv_and_pip_where_they_are_the_manager() {
    let project = ("pyproject.toml", "[project]\nname = 'x'\nrequires-python = '>=3.10'\n");
    for (files, installer) in [
        (&[("requirements.txt", "")][..], "pip "),
        (&[project, ("uv.lock", "version = 1\n")], "uv 0.12.5\n"),
        (&[("Pipfile", "")], "Pipenv 2026.7.1\n"),
    ] {
        let mut app = TestApp::new(files);
        app.set("SLUGC_INSTALLER", "native");
        let text = app.run(&["plan", app.dir.to_str().unwrap()]).success().stdout;
        assert!(text.contains(&format!("Installer        {installer}")), "{files:?}: {text}");
    }
}

#[test]
fn a_wrong_installer_is_an_error_in_every_door() {
    let mut app = TestApp::new(&[("requirements.txt", "")]);
    app.set("STACK", "heroku-24");
    let places = [app.dir.clone(), app.out.join("cache"), app.out.join("env")];
    let arguments = places.each_ref().map(PathBuf::as_path);
    fs::create_dir(app.out.join("env")).unwrap();
    fs::write(app.out.join("env/SLUGC_INSTALLER"), "poetry").unwrap();
    let failed = door(&app, "compile", &arguments).failure("installer::invalid");
    assert!(failed.stdout.contains("SLUGC_INSTALLER is: \"poetry\""), "{}", failed.stdout);
    fs::remove_file(app.out.join("env/SLUGC_INSTALLER")).unwrap();
    app.set("SLUGC_INSTALLER", "conda");
    door(&app, "compile", &arguments).failure("installer::invalid");
    let failed = app.build(&[]);
    assert_eq!(failed.code, Some(2), "{}", failed.stderr);
    assert!(failed.stderr.contains("native"), "{}", failed.stderr);
}
