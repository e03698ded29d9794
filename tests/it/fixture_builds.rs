//! The fixtures over several builds: for tests and for production, and after changes. And what a dyno has of them
//! besides a page.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::buildpack::{Dyno, Platform};
use crate::support::{Run, run};

/// An app with tests.
struct Tested {
    fixture: &'static str,
    /// What the log says of a build for tests.
    installs: &'static str,
    /// How the tests are run.
    command: &'static str,
    /// A module that only tests need.
    module: Option<&'static str>,
    /// A config var that lets a test fail, and the exit code then.
    failure: (&'static str, i32),
}

const fn tested(
    fixture: &'static str,
    installs: &'static str,
    command: &'static str,
    module: Option<&'static str>,
) -> Tested {
    Tested { fixture, installs, command, module, failure: ("wrong", 1) }
}

impl Tested {
    fn check(&self, mut platform: Platform) {
        let compiled = platform.test_compile().success();
        assert_eq!(compiled.stderr, "");
        assert!(compiled.stdout.contains(self.installs), "{}", compiled.stdout);
        let tested = platform.test().success();
        let line = format!("-----> Running the tests: {}\n", self.command);
        assert!(tested.stdout.starts_with(&line), "{}", tested.stdout);
        platform.config_var("EXPECTED", self.failure.0);
        let failed = platform.test();
        assert_eq!(failed.code, Some(self.failure.1), "{}{}", failed.stdout, failed.stderr);
        assert!(failed.stdout.starts_with(&line), "{}", failed.stdout);
        let Some(module) = self.module else { return };
        assert!(can_import(&platform, module));
        let compiled = platform.compile().success();
        assert!(!compiled.stdout.contains(self.installs), "{}", compiled.stdout);
        assert!(!can_import(&platform, module), "{module} is there after a build for production");
    }
}

/// Asks the Python in the build directory.
fn can_import(platform: &Platform, module: &str) -> bool {
    let python = platform.build_dir.join(".heroku/python");
    let mut command = Command::new(python.join("bin/python"));
    command.args(["-I", "-c", &format!("import {module}")]).env_clear();
    run(command.env("LD_LIBRARY_PATH", python.join("lib"))).code == Some(0)
}

#[test]
fn tests_that_need_no_packages_are_run() {
    let json = Tested { failure: ("7", 7), ..tested("tests-app-json", "", "python check.py", None) };
    for case in [tested("tests-unittest", "", "python -m unittest discover", None), json] {
        case.check(Platform::warm(case.fixture));
    }
}

#[test]
#[ignore = "needs PyPI"]
fn a_build_for_tests_has_the_groups_for_tests_and_another_has_not() {
    const PYTEST: &str = "python -m pytest";
    for case in [
        tested("tests-pytest", "-r requirements-test.txt'\n", PYTEST, Some("pytest")),
        tested("flask-celery-pipenv", "'pipenv install --deploy --dev'\n", PYTEST, Some("pytest")),
        tested("poetry-package", "'poetry sync'\n", PYTEST, Some("pytest")),
        tested("fastapi-uv", "'uv sync --locked'\n", PYTEST, Some("pytest")),
        tested("pdm-app", "'pdm sync'\n", PYTEST, Some("pytest")),
        tested("django-tests", "", "python manage.py test --noinput", None),
    ] {
        let Some(platform) = Platform::online(case.fixture) else { return };
        // For the output of a test that fails.
        println!("{}", case.fixture);
        case.check(platform);
    }
}

/// Returns the steps about the cache, and the reasons below them.
fn cache_lines(run: &Run) -> Vec<&str> {
    let is_step = |line: &str| line.starts_with("-----> ") && line.contains(" cache");
    run.stdout.lines().filter(|line| is_step(line) || line.starts_with("       - ")).collect()
}

const KEPT: [&str; 2] = ["-----> Restoring cache", "-----> Saving cache"];

/// Checks that another build has nothing to do.
#[track_caller]
fn rebuilds(platform: &mut Platform) {
    let again = platform.compile().success();
    assert_eq!(cache_lines(&again), KEPT);
    for word in ["Installing", "Copying"] {
        assert!(!again.stdout.contains(word), "{}", again.stdout);
    }
    assert_eq!(platform.report()["cache_status"], "reused");
}

/// Checks that a build has this reason, and no other, to make something anew.
#[track_caller]
fn discards(platform: &mut Platform, reason: &str) {
    let changed = platform.compile().success();
    let reason = format!("       - {reason}");
    assert_eq!(cache_lines(&changed), ["-----> Discarding cache since:", &reason, "-----> Saving cache"]);
    assert_eq!(platform.report()["cache_status"], "discarded");
    assert!(!changed.stdout.contains("Copying Python"), "{}", changed.stdout);
}

#[test]
#[ignore = "needs PyPI"]
fn what_is_taken_out_of_a_file_is_gone_and_the_rest_is_kept() {
    let Some(mut platform) = Platform::online("pip-nested") else { return };
    platform.compile().success();
    rebuilds(&mut platform);
    assert!(can_import(&platform, "iniconfig") && can_import(&platform, "six"));
    platform.edit("requirements/base.txt", "iniconfig==2.0.0\n", "");
    discards(&mut platform, "The contents of requirements/base.txt changed");
    assert!(!can_import(&platform, "iniconfig") && can_import(&platform, "six"));
    platform.edit("requirements/constraints.txt", "1.16.0", "1.15.0");
    discards(&mut platform, "The contents of requirements/constraints.txt changed");
    let dyno = platform.boot();
    assert_eq!(dyno.run("python -c 'import six; print(six.__version__)'").success().stdout, "1.15.0\n");
    drop(dyno);
    platform.edit("requirements/base.txt", "six", "slugc-no-such-package-anywhere");
    platform.compile().failure("install-dependencies::pip");
    platform.edit("requirements/base.txt", "slugc-no-such-package-anywhere", "six");
    rebuilds(&mut platform);
    platform.set("STACK", "heroku-22");
    discards(&mut platform, "The stack has changed from heroku-24 to heroku-22");
    rebuilds(&mut platform);
}

#[test]
#[ignore = "needs PyPI"]
fn another_lock_is_another_set_of_packages() {
    let Some(mut platform) = Platform::online("pylock-app") else { return };
    platform.compile().success();
    assert!(can_import(&platform, "six"));
    rebuilds(&mut platform);
    let lock = std::fs::read_to_string(platform.source.join("pylock.toml")).unwrap();
    platform.write(
        "pylock.toml",
        &lock[..lock.find("[[packages]]").unwrap()].replace("\n\n", "\npackages = []\n"),
    );
    discards(&mut platform, "The contents of pylock.toml changed");
    assert!(!can_import(&platform, "six"));
}

#[test]
#[ignore = "needs PyPI"]
fn a_database_is_added_for_django_with_its_driver() {
    let Some(mut platform) = Platform::online("django-psycopg2") else { return };
    platform.compile().success();
    let release = platform.release().success();
    assert_eq!(
        (release.stdout.as_str(), release.stderr.as_str()),
        ("---\naddons:\n  - heroku-postgresql\n", "")
    );
    let dyno = platform.boot();
    assert!(dyno.run("python -c 'import psycopg2'").success().stderr.is_empty());
}

/// Waits until a process has written this, for at most a minute.
#[track_caller]
fn wait_for(dyno: &Dyno, words: &str) {
    let start = Instant::now();
    while !dyno.output().contains(words) {
        assert!(start.elapsed() < Duration::from_secs(60), "no {words:?} in\n{}", dyno.output());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs PyPI"]
fn the_web_process_queues_what_the_worker_does() {
    let Some(mut platform) = Platform::online("flask-celery-pipenv") else { return };
    let compiled = platform.compile().success();
    let line = "-----> Installing dependencies using 'pipenv install --deploy'\n";
    assert!(compiled.stdout.contains(line), "{}", compiled.stdout);
    assert_eq!(platform.report()["package_manager"], "pipenv");
    assert!(!can_import(&platform, "pytest"));
    let dyno = platform.boot();
    let queue = tempfile::tempdir().unwrap();
    let vars = [("QUEUE", queue.path().to_str().unwrap())];
    let page = dyno.page(&vars);
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("queued"), "{page}");
    let _worker = dyno.start("worker", &vars);
    wait_for(&dyno, "the sum is 5");
}

#[test]
fn a_web_dyno_has_a_number_of_processes_to_start() {
    let mut platform = Platform::warm("web-stdlib");
    platform.compile().success();
    let dyno = platform.boot();
    let environment = |vars: &[(&str, &str)]| {
        let page = dyno.page(vars);
        let body = page.split("\r\n\r\n").nth(1).unwrap();
        serde_json::from_str::<serde_json::Value>(body).unwrap()
    };
    assert_eq!(environment(&[("WEB_CONCURRENCY", "7")])["WEB_CONCURRENCY"], "7");
    let found = environment(&[]);
    assert_eq!(found["GUNICORN_CMD_ARGS"], "--access-logfile -");
    assert_eq!(found["FORWARDED_ALLOW_IPS"], "*");
    assert_eq!(found["PYTHONHOME"], format!("{}/.heroku/python", found["HOME"].as_str().unwrap()));
    // It is counted by the memory, where there is a limit. Either way it is told.
    assert!(dyno.output().contains("Python buildpack: "), "{}", dyno.output());
    assert_eq!(found["WEB_CONCURRENCY"].is_string(), found["DYNO_RAM"].is_string(), "{found}");
    if let Some(count) = found["WEB_CONCURRENCY"].as_str() {
        assert!(count.parse::<u32>().unwrap() > 0);
        assert_eq!(found["WEB_CONCURRENCY_SET_BY"], "heroku/python");
    }
}
