//! The classic buildpack's doors as platforms and test harnesses use them: arguments, streams, exit codes, the
//! environment that is left, and every error that needs no network.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::buildpack::unpack;
use crate::classic::{door, warm_cache};
use crate::support::{Run, TestApp, has_program, run, skip};

fn app(files: &[(&str, &str)]) -> TestApp {
    let mut app = TestApp::new(files);
    app.set("STACK", "heroku-24");
    app
}

/// An app that was built before.
fn built_app(files: &[(&str, &str)]) -> TestApp {
    let app = app(files);
    warm_cache(&app.out.join("cache"));
    app
}

fn compile(app: &TestApp) -> Run {
    door(app, "compile", &[&app.dir, &app.out.join("cache"), &app.out.join("env")])
}

fn report(app: &TestApp) -> BTreeMap<String, serde_json::Value> {
    let run = door(app, "report", &[&app.dir, &app.out.join("cache"), &app.out.join("env")]).success();
    serde_json::from_str(&run.stdout).unwrap()
}

fn write_config_var(app: &TestApp, name: &str, value: &str) {
    fs::create_dir_all(app.out.join("env")).unwrap();
    fs::write(app.out.join("env").join(name), value).unwrap();
}

/// A copy of the buildpack's scripts and the program, as a packaged buildpack has them.
fn buildpack(parent: &Path, name: &str) -> PathBuf {
    let buildpack = parent.join(name);
    fs::create_dir_all(buildpack.join("bin")).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bin")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, buildpack.join("bin").join(path.file_name().unwrap())).unwrap();
    }
    let program = format!("bin/slugc-{}", std::env::consts::ARCH);
    fs::copy(env!("CARGO_BIN_EXE_slugc"), buildpack.join(program)).unwrap();
    buildpack
}

#[test]
fn every_error_of_the_app_has_the_id_of_herokus_buildpack() {
    type Files = &'static [(&'static str, &'static str)];
    let rows: &[(Files, &str, &str)] = &[
        (&[("setup.py", "")], "package-manager::setup-py-only", ""),
        (&[("pyproject.toml", "")], "package-manager::none-found", ""),
        (&[("Pipfile", ""), ("requirements.txt", "")], "package-manager::pipenv-missing-lockfile", ""),
        (&[("poetry.lock", ""), ("uv.lock", "")], "package-manager::multiple-found", "poetry,uv"),
        (&[("requirements.txt", ""), ("venv/pyvenv.cfg", "")], "checks::existing-venv-dir", "venv"),
        (&[("requirements.txt", ""), (".venv/pyvenv.cfg", "")], "checks::existing-venv-dir", ".venv"),
        (&[("requirements.txt", ""), (".heroku/python/x", "")], "checks::existing-python-dir", ""),
        (
            &[("requirements.txt", ""), ("python-version", "")],
            "python-version-file::misspelled",
            "python-version",
        ),
        (&[("requirements.txt", ""), ("runtime.txt", "3.13")], "runtime-txt::invalid-version", "3.13"),
        (
            &[("requirements.txt", ""), (".python-version", "3.*")],
            "python-version-file::invalid-version",
            "3.*",
        ),
        (
            &[("requirements.txt", ""), (".python-version", "\u{feff}3.13")],
            "python-version-file::invalid-encoding",
            "Unicode text, UTF-8 (with BOM) text, with no line terminators",
        ),
        (&[("requirements.txt", ""), (".python-version", "#")], "python-version-file::no-version", ""),
        (
            &[("requirements.txt", ""), (".python-version", "3.12\n3.13\n")],
            "python-version-file::multiple-versions",
            "3.12,3.13",
        ),
        (&[("requirements.txt", ""), (".python-version", "3.9")], "python-version::eol", "3.9"),
        (&[("requirements.txt", ""), (".python-version", "4.0")], "python-version::unknown-major", "4.0"),
        (&[("requirements.txt", ""), ("bin/pre_compile", "exit 3\n")], "hooks::pre_compile", ""),
        (
            &[("requirements.txt", ""), ("bin/pre_compile", "rm \"$CACHE_DIR/build-data/python.json\"\n")],
            "build-data::data-file-deleted",
            "",
        ),
    ];
    for (files, id, detail) in rows {
        let app = app(files);
        let failed = compile(&app).failure(id);
        assert_eq!((failed.code, failed.stderr.as_str()), (Some(1), ""), "{id}");
        let report = report(&app);
        assert_eq!(report["failure_reason"], *id, "{report:?}");
        let found = report.get("failure_detail").and_then(|detail| detail.as_str()).unwrap_or_default();
        assert_eq!(found, *detail, "{id}");
        assert!(!report.contains_key("total_duration"), "{report:?}");
    }
}

#[test]
fn the_stack_must_be_one_that_is_supported() {
    for (stack, id) in [
        ("cedar-14", "checks::stack::eol"),
        ("heroku-20", "checks::stack::eol"),
        ("heroku-99", "checks::stack::unknown"),
    ] {
        let mut app = app(&[("requirements.txt", "")]);
        app.set("STACK", stack);
        compile(&app).failure(id);
        assert_eq!(report(&app)["failure_detail"], stack);
    }
}

#[test]
fn a_python_of_an_earlier_buildpack_is_a_duplicate_only_with_its_variable() {
    let mut app = app(&[("requirements.txt", ""), (".heroku/python/bin/python", "")]);
    compile(&app).failure("checks::existing-python-dir");
    app.set("PYTHONHOME", "/app/.heroku/python");
    compile(&app).failure("checks::duplicate-python-buildpack");
}

#[test]
fn what_is_in_the_way_is_listed_two_levels_deep() {
    let app = app(&[("requirements.txt", ""), ("venv/pyvenv.cfg", ""), ("venv/bin/deep/x", "")]);
    let failed = compile(&app).failure("checks::existing-venv-dir");
    let listing = " !     bin/\n !     bin/deep/\n !     pyvenv.cfg\n";
    assert!(failed.stdout.contains(listing), "{}", failed.stdout);
}

#[test]
fn four_variables_are_enough_in_any_directory_and_from_any_path() {
    let test = "import unittest\nclass Test(unittest.TestCase):\n    def test(self): pass\n";
    let app = app(&[("requirements.txt", ""), ("test_app.py", test)]);
    warm_cache(&app.out.join("no/such/cache"));
    let buildpack = unpack(&app.out.join("a read-only \"buildpack\" for $HOME"));
    let mode = |mode| {
        for dir in [&buildpack, &buildpack.join("bin")] {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    // The superuser may write anywhere, but not a file over a directory.
    fs::create_dir(buildpack.join("export")).unwrap();
    mode(0o555);
    let build = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(buildpack.join("bin").join(name));
        command.args(arguments).env_clear().current_dir(app.dir.parent().unwrap());
        for name in ["HOME", "PATH", "LANG", "STACK"] {
            command.env(name, &app.env[std::ffi::OsStr::new(name)]);
        }
        // How the tests come by an interpreter and an installer.
        for name in ["PYENV_ROOT", "SLUGC_UV", "SLUGC_PYTHON_SOURCE"] {
            command.envs(app.env.get(std::ffi::OsStr::new(name)).map(|value| (name, value)));
        }
        run(&mut command).success()
    };
    assert_eq!(build("detect", &["app"]).stdout, "Python\n");
    let compiled = build("compile", &["app", "out/no/such/cache", "out/no such env"]);
    assert_eq!(compiled.stderr, "");
    assert_eq!(build("release", &["app", "out/no/such/cache"]).stdout, "");
    assert!(build("report", &["app", "out/no/such/cache"]).stdout.contains("\"total_duration\": "));
    let tested = build("test", &["app", "out/no such env"]);
    assert!(tested.stdout.contains("python -m unittest discover"), "{}", tested.stdout);
    mode(0o755);
}

#[test]
fn without_a_stack_the_running_system_is_built_for() {
    let app = TestApp::new(&[("requirements.txt", "")]);
    warm_cache(&app.out.join("cache"));
    let compiled = compile(&app).success();
    assert!(compiled.stdout.contains("STACK isn't set"), "{}", compiled.stdout);
    assert_eq!(compiled.stderr, "");
}

#[test]
fn the_report_has_the_fields_of_herokus_buildpack() {
    let app = built_app(&[("requirements.txt", ""), ("bin/post_compile", "true\n")]);
    compile(&app).success();
    let run = door(&app, "report", &[&app.dir, &app.out.join("cache")]).success();
    let names: Vec<&str> =
        run.stdout.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    for name in [
        "cache_restore_duration",
        "cache_save_duration",
        "cache_status",
        "dependencies_install_duration",
        "nltk_downloader_duration",
        "package_manager",
        "pip_version",
        "post_compile_hook",
        "post_compile_hook_duration",
        "pre_compile_hook",
        "python_install_duration",
        "python_version",
        "python_version_major",
        "python_version_origin",
        "python_version_outdated",
        "python_version_pinned",
        "python_version_requested",
        "total_duration",
    ] {
        assert!(names.contains(&name), "no {name} in {}", run.stdout);
    }
    assert!(run.stdout.starts_with("{\n  \"cache_restore_duration\": 0."), "{}", run.stdout);
    let values = report(&app);
    assert_eq!(values["pre_compile_hook"], false);
    let major = values["python_version_major"].as_str().unwrap();
    let with_setuptools = ["3.10", "3.11", "3.12"].contains(&major);
    assert_eq!(values.contains_key("setuptools_version"), with_setuptools, "{values:?}");
    assert!(values.values().all(|value| !value.is_object() && !value.is_array()), "{values:?}");
}

#[test]
fn hooks_run_in_their_place_with_the_config_vars() {
    let app = built_app(&[
        ("bin/pre_compile", "echo \"pre [$SECRET] $PWD\"\n> requirements.txt\n"),
        ("bin/post_compile", "which python\nls .profile.d\n"),
        ("requirements.text", ""),
    ]);
    write_config_var(&app, "SECRET", "two\nlines\n");
    write_config_var(&app, "PATH", "/nowhere");
    write_config_var(&app, "A-B", "odd");
    write_config_var(&app, "1x", "odd");
    symlink("/nowhere", app.out.join("env/LOST")).unwrap();
    let compiled = compile(&app).success();
    let dir = app.dir.display();
    for expected in [
        format!("-----> Running bin/pre_compile hook\n       pre [two\n       lines] {dir}\n"),
        format!(
            "-----> Running bin/post_compile hook\n       {dir}/.heroku/python/bin/python\n       WEB_CONCURRENCY.sh\n       python.gunicorn.sh\n       python.sh\n-----> Saving cache\n"
        ),
    ] {
        assert!(compiled.stdout.contains(&expected), "no {expected} in {}", compiled.stdout);
    }
    // A config var reaches the app's own programs, and nothing else.
    for entry in walkdir::WalkDir::new(app.out.join("cache")) {
        let entry = entry.unwrap();
        let is_text = entry.path().extension().is_some_and(|extension| extension == "json");
        if is_text && entry.file_type().is_file() {
            let text = fs::read_to_string(entry.path()).unwrap();
            assert!(!text.contains("two\\nlines"), "{}", entry.path().display());
        }
    }
}

#[test]
fn a_failing_post_compile_keeps_the_last_cache() {
    let app = built_app(&[("requirements.txt", ""), ("bin/post_compile", "echo oh no; exit 1\n")]);
    let failed = compile(&app).failure("hooks::post_compile");
    assert!(failed.stdout.contains("       oh no\n"), "{}", failed.stdout);
    assert!(!failed.stdout.contains("Saving cache"), "{}", failed.stdout);
}

#[test]
fn the_boot_scripts_and_the_export_file_make_the_same_environment() {
    if !has_program("bash") {
        return skip("there is no bash");
    }
    let app = built_app(&[("requirements.txt", "")]);
    let buildpack = buildpack(&app.out, "buildpack");
    let mut command = Command::new(buildpack.join("bin/compile"));
    command.arg(&app.dir).arg(app.out.join("cache")).env_clear().envs(&app.env);
    run(&mut command).success();
    // A buildpack directory that is used again doesn't pile up lines.
    fs::remove_dir_all(app.dir.join(".heroku")).unwrap();
    fs::remove_dir_all(app.dir.join(".profile.d")).unwrap();
    let first = fs::read(buildpack.join("export")).unwrap();
    run(&mut command).success();
    assert_eq!(fs::read(buildpack.join("export")).unwrap(), first);
    for (name, old) in [("empty", ""), ("set", "/old")] {
        let sourced = |file: &Path| {
            let mut command = Command::new("bash");
            command.arg("-c").arg("source \"$1\" && env -0").arg("bash").arg(file).env_clear();
            command.env("HOME", &app.dir).env("PATH", "/usr/bin:/bin");
            for name in ["LD_LIBRARY_PATH", "LIBRARY_PATH", "PYTHONPATH", "LANG"] {
                command.env(name, old);
            }
            let run = run(&mut command).success();
            let vars = run.stdout.split_terminator('\0').map(str::to_owned);
            vars.filter(|line| !line.starts_with("_=")).collect::<Vec<_>>()
        };
        let mut booted = sourced(&app.dir.join(".profile.d/python.sh"));
        let mut exported = sourced(&buildpack.join("export"));
        booted.sort();
        exported.sort();
        // Built here for here: without a home in /app, the build directory stands for it.
        assert_eq!(booted, exported, "{name}");
        let mut computed: BTreeMap<_, _> = [("HOME", app.dir.to_str().unwrap()), ("PATH", "/usr/bin:/bin")]
            .into_iter()
            .chain(["LD_LIBRARY_PATH", "LIBRARY_PATH", "PYTHONPATH", "LANG"].map(|name| (name, old)))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        slugc::testing::plan::environment::runtime_environment(slugc::testing::plan::PackageManager::Pip)
            .apply(app.dir.as_os_str(), &mut computed);
        for (name, value) in computed {
            let line = format!("{}={}", name.display(), value.display());
            assert!(booted.contains(&line), "no {line} in {booted:?}");
        }
    }
}

#[test]
fn release_adds_a_database_for_django_with_its_driver() {
    let app = app(&[("requirements.txt", ""), ("manage.py", "")]);
    assert_eq!(door(&app, "release", &[&app.dir]).success().stdout, "");
    for module in ["django", "psycopg2"] {
        let package = app.dir.join(".heroku/python/lib/python3.13/site-packages").join(module);
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
    }
    let release = door(&app, "release", &[&app.dir, &app.out]).success();
    assert_eq!(release.stdout, "---\naddons:\n  - heroku-postgresql\n");
}

#[test]
fn a_build_for_tests_runs_them() {
    let app = built_app(&[
        ("requirements.txt", ""),
        ("answer.py", "def answer():\n    return 42\n"),
        (
            "test_answer.py",
            "import os, unittest, answer\nclass Test(unittest.TestCase):\n    def test_answer(self):\n        self.assertEqual(answer.answer(), int(os.environ['EXPECTED']))\n",
        ),
    ]);
    write_config_var(&app, "EXPECTED", "42");
    let (cache, env) = (app.out.join("cache"), app.out.join("env"));
    let compiled = door(&app, "test-compile", &[&app.dir, &cache, &env]).success();
    assert!(compiled.stdout.contains("DISABLE_COLLECTSTATIC"), "{}", compiled.stdout);
    let passed = door(&app, "test", &[&app.dir, &env]).success();
    assert!(
        passed.stdout.starts_with("-----> Running the tests: python -m unittest discover\n"),
        "{}",
        passed.stdout
    );
    assert!(passed.stderr.contains("\nOK\n"), "the tests write where they want: {}", passed.stderr);
    write_config_var(&app, "EXPECTED", "43");
    assert_eq!(door(&app, "test", &[&app.dir, &env]).code, Some(1));
    let json = r#"{"environments": {"test": {"scripts": {"test": "echo $DYNO $HOME; exit 7"}}}}"#;
    fs::write(app.dir.join("app.json"), json).unwrap();
    write_config_var(&app, "DYNO", "test.1");
    let declared = door(&app, "test", &[&app.dir, &env]);
    assert_eq!(declared.code, Some(7));
    assert!(declared.stdout.ends_with(&format!("test.1 {}\n", app.dir.display())), "{}", declared.stdout);
    fs::write(app.dir.join("app.json"), "{").unwrap();
    door(&app, "test", &[&app.dir, &env]).failure("test::invalid-app-json");
    fs::remove_file(app.dir.join("app.json")).unwrap();
    fs::remove_dir_all(app.dir.join(".heroku")).unwrap();
    door(&app, "test", &[&app.dir]).failure("test::no-python");
}

#[test]
fn an_installer_that_fails_in_known_words_gets_a_hint() {
    let app = built_app(&[("requirements.txt", "gdal\n")]);
    let uv = PathBuf::from(&app.env[std::ffi::OsStr::new("SLUGC_UV")]);
    compile(&app).success();
    fs::remove_dir_all(app.dir.join(".heroku")).unwrap();
    fs::write(app.dir.join("requirements.txt"), "gdal==3\n").unwrap();
    let script = "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; else echo 'error: could not find gdal-config'; exit 1; fi\n";
    fs::write(&uv, script).unwrap();
    let failed = compile(&app).failure("install-dependencies::pip");
    let hint = failed.stdout.find("Warning: The GDAL library").expect("a hint");
    let error = failed.stdout.find("Error: The app's dependencies").expect("the error");
    assert!(hint < error, "{}", failed.stdout);
    assert_eq!(report(&app)["failure_detail"], "Could not find gdal-config");
}

#[test]
fn the_log_of_a_build_is_framed_as_herokus() {
    let app = built_app(&[("requirements.txt", ""), ("Procfile", "web: python app.py\n")]);
    compile(&app).success();
    let major = report(&app)["python_version_major"].as_str().unwrap().to_owned();
    fs::write(app.dir.join(".python-version"), &major).unwrap();
    fs::remove_dir_all(app.dir.join(".heroku")).unwrap();
    let again = compile(&app).success();
    // What is between depends on the interpreters of this machine.
    let start = format!("-----> Using Python {major} specified in .python-version\n");
    let end = "-----> Saving cache

 !     Note: pip works well. For new apps, uv is the better choice: it is fast,
 !     and its lock file makes every build the same.
 !     https://docs.astral.sh/uv/guides/migration/

";
    assert!(again.stdout.starts_with(&start), "{}", again.stdout);
    assert!(again.stdout.ends_with(end), "{}", again.stdout);
    let steps: Vec<&str> = again.stdout.lines().filter(|line| line.starts_with("-----> ")).collect();
    assert_eq!(steps[1..], ["-----> Restoring cache", "-----> Saving cache"]);
}

#[test]
fn a_traced_build_shows_its_command_lines_without_secrets() {
    let mut app = built_app(&[("requirements.txt", "six==1.17.0\n"), ("bin/post_compile", "true\n")]);
    app.set("BUILDPACK_XTRACE", "1");
    write_config_var(
        &app,
        "PIP_EXTRA_INDEX_URL",
        "https://me:hush-hush@packages.invalid/simple?token=hush-hush",
    );
    write_config_var(&app, "SECRET", "hush-hush");
    let traced = compile(&app).success();
    for command in [" pip install --no-progress ", "bash", "/bin/post_compile\n"] {
        let shows = |line: &str| line.starts_with("       + ") && format!("{line}\n").contains(command);
        assert!(traced.stdout.lines().any(shows), "no {command:?} in {}", traced.stdout);
    }
    assert!(!traced.stdout.contains("hush"), "{}", traced.stdout);
    // A config var doesn't switch it on, nor does another value.
    app.env.remove(std::ffi::OsStr::new("BUILDPACK_XTRACE"));
    write_config_var(&app, "BUILDPACK_XTRACE", "1");
    fs::write(app.dir.join("requirements.txt"), "six==1.16.0\n").unwrap();
    for value in ["", "0"] {
        for name in [".heroku", ".profile.d"] {
            fs::remove_dir_all(app.dir.join(name)).unwrap();
        }
        app.set("BUILDPACK_XTRACE", value);
        let plain = compile(&app).success();
        assert!(!plain.stdout.contains("       + "), "{value:?}: {}", plain.stdout);
    }
}

#[test]
fn a_project_without_a_lock_is_told_how_uv_would_lock_it() {
    let mut app = TestApp::new(&[("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\n")]);
    app.set("STACK", "heroku-24");
    let cache = app.out.join("cache");
    warm_cache(&cache);
    let log = door(&app, "compile", &[&app.dir, &cache]).success().stdout;
    assert!(log.contains("`uv lock` writes uv.lock") && !log.contains("uv works well"), "{log}");
}
