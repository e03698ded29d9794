//! The plan of every fixture: what would be built, compared with a snapshot. Nothing is downloaded or installed for it.
//! To accept new ones: `INSTA_UPDATE=always cargo test --test it -- plans`.

use std::fs;

use regex::Regex;

use crate::support::{TestApp, copy_tree, fixture};

/// What changes with the catalogue, the inventory and the machine, and says nothing about a decision.
const VARYING: &[(&str, &str)] = &[
    (r"\b[0-9a-f]{12}\b", "[key]"),
    (r"\b(uv|pip|setuptools|Pipenv|Poetry|PDM) \d+(\.\d+)+", "$1 [version]"),
    (r"\b3\.(\d+)\.\d+\b", "3.$1.[patch]"),
    (r"x86_64|aarch64", "[arch]"),
];

#[test]
fn every_fixture_has_the_plan_that_it_had() {
    let mut names: Vec<String> = fs::read_dir(fixture(""))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 50, "{names:?}");
    let varying: Vec<(Regex, &str)> =
        VARYING.iter().map(|(pattern, text)| (Regex::new(pattern).unwrap(), *text)).collect();
    for name in names {
        let mut text = plan(&name);
        for (pattern, shown) in &varying {
            text = pattern.replace_all(&text, *shown).into_owned();
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/plans");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

/// Returns the plan, or why there is none.
fn plan(name: &str) -> String {
    let mut app = TestApp::new(&[]);
    copy_tree(&fixture(name), &app.dir);
    // Nothing of this machine may matter, and the store is empty.
    app.set("PATH", "/usr/bin:/bin");
    app.set("SLUGC_CACHE_DIR", app.out.with_file_name("store"));
    app.set("SLUGC_PYTHON_SOURCE", "catalogue");
    app.set("SLUGC_TODAY", "2026-11-01");
    app.set("COLUMNS", "100");
    app.env.remove(std::ffi::OsStr::new("SLUGC_UV"));
    let run = app.run(&["plan", app.dir.to_str().unwrap()]);
    let text = format!("exit code {}\n{}{}", run.code.unwrap_or(-1), run.stdout, run.stderr);
    text.replace(app.dir.parent().unwrap().to_str().unwrap(), "[dir]")
}
