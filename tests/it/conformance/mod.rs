//! The rules of the classic Python buildpack as rows of data, each with the check that runs it.
//! `docs/compatibility.md` is generated from them.

mod builds;
mod cache;
mod detection;
mod doors;
mod installers;
mod order;
mod report;
mod steps;
mod versions;
mod world;

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// The files of an app: names and contents. A name that ends with a slash is an empty directory.
type Files = &'static [(&'static str, &'static str)];

/// A rule of the classic buildpack, and what becomes of it here.
#[derive(Clone, Copy)]
struct Row {
    /// The topic; rows are sorted by it.
    section: Section,
    /// What a platform or an app can rely on, in a sentence.
    rule: &'static str,
    /// What differs here and why; none if nothing does.
    different: Option<&'static str>,
    check: Check,
}

/// The topics, in the order of the page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Section {
    Detect,
    Order,
    Checks,
    PackageManager,
    VersionOrigin,
    VersionFile,
    RuntimeTxt,
    PipfileLock,
    Resolution,
    Installers,
    Cache,
    Environment,
    Hooks,
    Collectstatic,
    Nltk,
    Release,
    Report,
    Tests,
    Output,
    Messages,
}

impl Section {
    fn title(self) -> &'static str {
        match self {
            Self::Detect => "bin/detect",
            Self::Order => "The order of a build",
            Self::Checks => "Checks before a build",
            Self::PackageManager => "Choice of the package manager",
            Self::VersionOrigin => "Where the Python version comes from",
            Self::VersionFile => ".python-version",
            Self::RuntimeTxt => "runtime.txt",
            Self::PipfileLock => "The Python version in Pipfile.lock",
            Self::Resolution => "From the request to a version",
            Self::Installers => "Tools and dependencies",
            Self::Cache => "The cache",
            Self::Environment => "Environment",
            Self::Hooks => "Hooks",
            Self::Collectstatic => "Django's collectstatic",
            Self::Nltk => "NLTK",
            Self::Release => "bin/release",
            Self::Report => "bin/report",
            Self::Tests => "bin/test-compile and bin/test",
            Self::Output => "The build log",
            Self::Messages => "Messages",
        }
    }
}

impl Section {
    /// Names the files of the reference that the topic's rules come from.
    fn source(self) -> &'static str {
        match self {
            Self::Detect => "bin/detect",
            Self::Order => "bin/compile",
            Self::Checks => "lib/checks.sh",
            Self::PackageManager => "lib/package_manager.sh",
            Self::VersionOrigin
            | Self::VersionFile
            | Self::RuntimeTxt
            | Self::PipfileLock
            | Self::Resolution => "lib/python_version.sh",
            Self::Installers => "lib/pip.sh, lib/pipenv.sh, lib/poetry.sh, lib/uv.sh, lib/python.sh",
            Self::Cache => "lib/cache.sh",
            Self::Environment => "bin/compile, vendor/",
            Self::Hooks => "lib/hooks.sh",
            Self::Collectstatic => "bin/steps/collectstatic",
            Self::Nltk => "bin/steps/nltk",
            Self::Release => "bin/release",
            Self::Report => "bin/report, lib/build_data.sh",
            Self::Tests => "bin/test-compile",
            Self::Output => "lib/output.sh",
            Self::Messages => "all of them; each message has a snapshot in `tests/it/snapshots/messages`",
        }
    }
}

/// How a rule is checked.
#[derive(Clone, Copy)]
enum Check {
    /// Each of these names alone makes a Python app.
    Detects(&'static [&'static str]),
    /// None of these names alone makes a Python app.
    Ignores(&'static [&'static str]),
    /// Each of these apps is refused with this id.
    Fails(&'static [Files], &'static str),
    /// Each of these apps asks for this version of Python.
    Requests(&'static [Files], &'static str),
    /// The build data name this package manager.
    Chooses(&'static [Files], &'static str),
    /// Something else that runs.
    Runs(fn(&World)),
    /// Another test does it; it is named.
    Elsewhere(&'static str),
}

const fn row(section: Section, rule: &'static str, check: Check) -> Row {
    Row { section, rule, different: None, check }
}

impl Row {
    /// Says what differs, and why.
    const fn differs(mut self, why: &'static str) -> Self {
        self.different = Some(why);
        self
    }

    /// Runs the check; panics if the rule isn't kept.
    fn run(&self, world: &World) {
        match self.check {
            Check::Detects(names) => names.iter().for_each(|name| {
                assert_eq!(world.detect(&[(*name, "")]).code, Some(0), "{name:?} isn't detected");
            }),
            Check::Ignores(names) => names.iter().for_each(|name| {
                assert_eq!(world.detect(&[(*name, "")]).code, Some(1), "{name:?} is detected");
            }),
            Check::Fails(apps, id) => apps.iter().for_each(|files| {
                let run = world.refused(files);
                assert!(run.stdout.contains(&format!("Error id: {id}\n")), "{files:?}: {}", run.stdout);
                assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""), "{files:?}");
            }),
            Check::Requests(apps, version) => apps.iter().for_each(|files| {
                let text = world.refused(files).stdout;
                let words = [format!("Using Python {version} specified in"), format!(": Python {version}\n")];
                assert!(words.iter().any(|words| text.contains(words)), "{files:?}: {text}");
            }),
            Check::Chooses(apps, manager) => apps.iter().for_each(|files| {
                assert_eq!(world.report_of_refused(files)["package_manager"], manager, "{files:?}");
            }),
            Check::Runs(check) => check(world),
            Check::Elsewhere(_) => {}
        }
    }
}

/// Returns every row, sorted by section.
fn rows() -> Vec<Row> {
    let tables = [
        detection::ROWS,
        order::ROWS,
        versions::ROWS,
        installers::ROWS,
        builds::ROWS,
        cache::ROWS,
        steps::ROWS,
        doors::ROWS,
        report::ROWS,
    ];
    let mut rows: Vec<Row> = tables.concat();
    rows.sort_by_key(|row| row.section);
    rows
}

/// Runs the checks of the rows of some sections, and tells all that fail.
#[track_caller]
fn check(rows: &[Row]) {
    let world = World::default();
    let mut broken = String::new();
    for row in rows {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| row.run(&world))) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            writeln!(broken, "\n## {:?}: {}\n{text}", row.section, row.rule).unwrap();
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn rules_of_detection_and_choice_are_kept() {
    check(detection::ROWS);
}

#[test]
fn rules_of_python_versions_are_kept() {
    check(versions::ROWS);
}

#[test]
fn rules_of_cache_and_environment_are_kept() {
    check(builds::ROWS);
}

#[test]
fn rules_of_what_the_cache_knows_are_kept() {
    check(cache::ROWS);
}

#[test]
fn rules_of_the_order_and_of_installers_are_kept() {
    check(order::ROWS);
    check(installers::ROWS);
}

#[test]
fn rules_of_the_report_are_kept() {
    check(report::ROWS);
}

#[test]
fn rules_of_hooks_and_frameworks_are_kept() {
    check(steps::ROWS);
}

#[test]
fn rules_of_the_other_programs_and_the_log_are_kept() {
    check(doors::ROWS);
}

#[test]
fn every_row_is_written_once_and_in_sentences() {
    let mut seen = std::collections::BTreeSet::new();
    for row in rows() {
        assert!(seen.insert(row.rule), "twice: {}", row.rule);
        for text in [Some(row.rule), row.different].into_iter().flatten() {
            assert!(text.ends_with('.') && !text.contains('\n') && !text.contains('|'), "{text}");
        }
        if let Check::Elsewhere(test) = row.check {
            let (file, name) = test.split_once("::").unwrap();
            let text = std::fs::read_to_string(format!("tests/it/{file}.rs")).unwrap();
            assert!(text.contains(&format!("fn {name}()")), "no test {test}");
        }
    }
}

#[test]
fn compatibility_md_is_up_to_date() {
    crate::docs::check("docs/compatibility.md", &render_page());
}

fn render_page() -> String {
    let rows = rows();
    let different = rows.iter().filter(|row| row.different.is_some()).count();
    let mut page = format!(
        "# Compatibility\n\n\
         How slugc's classic buildpack compares with Heroku's Python buildpack (v351). Each row is a rule, which is\n\
         what that buildpack does; a check for it runs with the tests. This page is generated from the rows in\n\
         `tests/it/conformance/` by `UPDATE_DOCS=1 cargo test _md`.\n\n\
         \"Same\": a platform or an app can't tell the difference. \"Different\": it can, knowingly.\n\n\
         {} rules: {} the same, {different} different.\n",
        rows.len(),
        rows.len() - different,
    );
    let mut section = None;
    for row in rows {
        if section != Some(row.section) {
            section = Some(row.section);
            let title = row.section.title();
            let source = row.section.source();
            write!(page, "\n## {title}\n\nThe reference: {source}.\n\n| Rule | Here |\n|---|---|\n").unwrap();
        }
        let here = match row.different {
            Some(why) => format!("Different: {why}"),
            None => "Same".to_owned(),
        };
        writeln!(page, "| {} | {here} |", row.rule).unwrap();
    }
    page
}
