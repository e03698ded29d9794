//! Faults of slugc's own are answered as all errors are: with an id, what to report, and an exit code.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::messages::{boxes, snapshot};
use crate::support::{Run, TestApp, run};

/// Has a value when this test program is started by the test below; the value is the command line.
const AS_CHILD: &str = "SLUGC_TEST_ARGUMENTS";

/// As child, does what `main` does, and panics as a bug would.
#[test]
fn a_child_with_a_bug() {
    let Ok(arguments) = std::env::var(AS_CHILD) else { return };
    let mut env = slugc::testing::env::Env::capture();
    env.args = ["slugc"].into_iter().chain(arguments.split('|')).map(Into::into).collect();
    slugc::testing::answer_panics(&env);
    // In a thread, where nobody would wait for its answer.
    let _ = std::thread::spawn(|| panic!("a layer without a name")).join();
    unreachable!("the program has ended");
}

fn run_with_bug(arguments: &[&str]) -> Run {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "internal_error::a_child_with_a_bug", "--nocapture", "--quiet"]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env(AS_CHILD, arguments.join("|"));
    run(&mut command)
}

#[test]
fn a_bug_is_told_in_the_log_and_in_the_report() {
    let app = TestApp::new(&[]);
    let cache = app.out.join("cache");
    let failed = run_with_bug(&["classic", "compile", "/nowhere", cache.to_str().unwrap()]);
    assert_eq!((failed.code, failed.stderr.as_str()), (Some(1), ""), "{}", failed.stdout);
    assert!(!failed.stdout.contains("panicked"), "{}", failed.stdout);
    let report = fs::read_to_string(cache.join("build-data/python.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["failure_reason"], "internal-error::abort");
    let detail = report["failure_detail"].as_str().unwrap();
    assert!(detail.starts_with("a layer without a name (tests/it/internal_error.rs:"), "{detail}");
    let shown = boxes(&failed.stdout, &["Internal Error:"]).join("\n");
    snapshot(
        "X2",
        "what was impossible, and where in slugc",
        &format!("{shown}\n[exit status: 1]"),
        Path::new("/nowhere"),
    );
}

#[test]
fn a_bug_has_its_exit_code_and_leaves_the_data_alone() {
    for (arguments, code) in [
        (&["classic", "detect", "/nowhere"][..], 1),
        (&["classic", "report", "/nowhere", "/nowhere"], 1),
        (&["build", "/nowhere"], 3),
    ] {
        let failed = run_with_bug(arguments);
        assert_eq!(failed.code, Some(code), "{arguments:?}");
        let lines: Vec<&str> = failed.stdout.lines().filter(|line| line.contains(" !")).collect();
        assert!(lines.is_empty(), "{arguments:?}: {lines:?}");
        failed.failure("internal-error::abort");
    }
}
