//! The classic buildpack's doors: a smoke test, and what the other tests of them share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::buildpack::made_once;
use crate::support::{Run, TestApp, copy_as_it_is, run};

/// Runs `bin/NAME` with the program that is tested.
pub(crate) fn door(app: &TestApp, name: &str, arguments: &[&Path]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slugc"));
    command.arg("classic").arg(name).args(arguments).env_clear().envs(&app.env).current_dir("/");
    run(&mut command)
}

/// Returns the cache of a build of an app with an empty requirements.txt: making a runtime anew for each test would
/// take minutes.
pub(crate) fn shared_cache() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| {
        made_once("classic", |dir| {
            let mut app = TestApp::new(&[("requirements.txt", "")]);
            app.set("STACK", "heroku-24");
            door(&app, "compile", &[&app.dir, dir]).success();
        })
    })
}

/// Puts a copy of it there.
pub(crate) fn warm_cache(cache: &Path) {
    fs::create_dir_all(cache).unwrap();
    copy_as_it_is(shared_cache(), cache);
}

#[test]
fn detect_says_python_or_no() {
    let app = TestApp::new(&[("requirements.txt", "")]);
    let found = door(&app, "detect", &[&app.dir]).success();
    assert_eq!((found.stdout.as_str(), found.stderr.as_str()), ("Python\n", ""));
    let mut app = TestApp::new(&[("index.html", "")]);
    let missing = door(&app, "detect", &[&app.dir]);
    assert_eq!((missing.code, missing.stdout.as_str(), missing.stderr.as_str()), (Some(1), "no\n", ""));
    app.set("STACK", "heroku-24");
    let missing = door(&app, "detect", &[&app.dir]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(1), "no\n"));
    assert!(missing.stderr.contains("index.html"), "{}", missing.stderr);
}

#[test]
fn compile_makes_a_build_directory_that_runs() {
    let app = TestApp::new(&[("requirements.txt", ""), ("app.py", "print('hello')\n")]);
    let cache = app.out.join("cache");
    let compiled = door(&app, "compile", &[&app.dir, &cache, &app.out.join("env")]).success();
    assert_eq!(compiled.stderr, "", "the build log goes to standard output");
    assert!(compiled.stdout.contains("-----> "), "{}", compiled.stdout);
    // As the platform does: the build directory becomes /app somewhere else.
    let moved = app.out.join("app");
    fs::rename(&app.dir, &moved).unwrap();
    let script = "for file in .profile.d/*.sh; do . \"$file\"; done; python app.py; which python";
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg(script)
        .env_clear()
        .env("HOME", &moved)
        .env("PATH", "/usr/bin:/bin")
        .current_dir(&moved);
    let booted = run(&mut command).success();
    assert_eq!(booted.stdout, format!("hello\n{}/.heroku/python/bin/python\n", moved.display()));
    // A second build of the same app, in another directory.
    let again = TestApp::new(&[("requirements.txt", ""), ("app.py", "print('hello')\n")]);
    door(&again, "compile", &[&again.dir, &cache]).success();
    assert!(again.dir.join(".heroku/python/bin/python").exists());
    let release = door(&again, "release", &[&again.dir]).success();
    assert_eq!(release.stdout, "");
    let failed = door(&again, "compile", &[&again.dir, &cache]).failure("checks::existing-python-dir");
    assert_eq!((failed.code, failed.stderr.as_str()), (Some(1), ""));
}

#[test]
fn the_scripts_in_bin_start_the_program() {
    let app = TestApp::new(&[("requirements.txt", "")]);
    // A copy of the buildpack, with spaces in its path and the program where a packaged buildpack has it.
    let buildpack = app.out.join("a buildpack");
    fs::create_dir_all(buildpack.join("bin")).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bin")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, buildpack.join("bin").join(path.file_name().unwrap())).unwrap();
    }
    let program = format!("bin/slugc-{}", std::env::consts::ARCH);
    fs::copy(env!("CARGO_BIN_EXE_slugc"), buildpack.join(program)).unwrap();
    let mut command = Command::new(buildpack.join("bin/detect"));
    let found = run(command.arg(&app.dir).env_clear().envs(&app.env)).success();
    assert_eq!(found.stdout, "Python\n");
    let cache = app.out.join("cache");
    let mut command = Command::new(buildpack.join("bin/compile"));
    run(command.arg(&app.dir).arg(&cache).env_clear().envs(&app.env)).success();
    let export = fs::read_to_string(buildpack.join("export")).unwrap();
    assert!(export.contains("/app/.heroku/python/bin"), "{export}");
    let mut command = Command::new(buildpack.join("bin/release"));
    run(command.arg(&app.dir).env_clear().envs(&app.env)).success();
}
