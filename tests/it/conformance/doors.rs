//! The other programs of the buildpack, and how the build log looks.

use std::fs;
use std::path::Path;

use super::Check::Runs;
use super::Section::{Output, Release, Report, Tests};
use super::world::{Build, python};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        Release,
        "Nothing is printed for an app without Django and psycopg2: no process types, no config vars.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", ""), ("manage.py", "")]) else { return };
            build.compile().success();
            let release = build.door("release", &[&build.app.dir]).success();
            assert_eq!((release.stdout.as_str(), release.stderr.as_str()), ("", ""));
        }),
    ),
    row(
        Release,
        "An app with `manage.py`, Django and psycopg2 gets a database: one add-on.",
        Runs(|_| {
            let release = release_with(&["django", "psycopg2"], &["manage.py"]);
            assert!(release.contains("addons:") && release.contains("- heroku-postgresql"), "{release}");
            for (packages, files) in [
                (&["django", "psycopg2"][..], &[][..]),
                (&["django"], &["manage.py"]),
                (&["django", "psycopg"], &["manage.py"]),
                (&["psycopg2"], &["manage.py"]),
            ] {
                assert_eq!(release_with(packages, files), "", "{packages:?} {files:?}");
            }
        }),
    ),
    row(
        Release,
        "It fails unless compile has run before.",
        Runs(|_| {
            let build = Build::new(&[("requirements.txt", "")]);
            assert_eq!(build.door("release", &[&build.app.dir]).success().stdout, "");
        }),
    )
    .differs("it succeeds, as test harnesses call it alone."),
    row(
        Release,
        "A second argument is ignored.",
        Runs(|_| {
            let build = Build::new(&[("requirements.txt", "")]);
            build.door("release", &[&build.app.dir, &build.cache]).success();
        }),
    ),
    row(
        Report,
        "It prints a flat JSON object, sorted, indented by two spaces.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            build.compile().success();
            let report =
                build.door("report", &[&build.app.dir, &build.cache, &build.env_dir]).success().stdout;
            let names: Vec<_> = report.lines().filter_map(|line| line.strip_prefix("  \"")).collect();
            assert!(names.len() > 5 && names.is_sorted(), "{report}");
            let values = build.report();
            assert!(
                values.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()),
                "{report}"
            );
        }),
    ),
    row(
        Report,
        "It works for a failed build, and names reason and detail.",
        Runs(|world| {
            let report = world.report_of_refused(&[("requirements.txt", ""), (".python-version", "3.9")]);
            assert_eq!(report["failure_reason"], "python-version::eol");
            assert_eq!(report["failure_detail"], "3.9");
            assert_eq!(report["package_manager"], "pip");
        }),
    ),
    row(
        Report,
        "Texts are cut after 200 characters.",
        Runs(|world| {
            let names: Vec<String> =
                (0..30).map(|number| format!("{number:02}_python_version.txt")).collect();
            let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
            files.push(("requirements.txt", ""));
            let report = world.report_of_refused(&files);
            assert_eq!(report["python_version_files"].as_str().unwrap().chars().count(), 200);
        }),
    ),
    row(
        Report,
        "It has the version of Python: requested, full, its origin, whether a patch version was asked for.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            build.compile().success();
            let report = build.report();
            assert_eq!(report["python_version_requested"], python().unwrap());
            assert_eq!(report["python_version_major"], python().unwrap());
            assert_eq!(report["python_version_origin"], ".python-version");
            assert_eq!(report["python_version_pinned"], false);
            assert!(report["total_duration"].is_f64(), "{report}");
        }),
    ),
    row(
        Tests,
        "`bin/test-compile` builds with the test requirements.",
        Runs(|world| {
            let files = [("requirements.txt", ""), ("requirements-test.txt", "-r missing.txt\n")];
            let Some(build) = world.ready(&files) else { return };
            build.compile().success();
            build.clean();
            build.test_compile().failure("requirements::file-not-found");
        }),
    ),
    row(
        Tests,
        "It runs no collectstatic.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            build.test_compile().success();
            assert_eq!(build.report()["django_collectstatic"], "disabled-env-var");
        }),
    ),
    row(Tests, "There is no `bin/test`.", Runs(|_| assert!(Path::new("bin/test").is_file(), "no bin/test")))
        .differs("there is one, for platforms that call it."),
    row(
        Output,
        "Steps begin with `-----> `, on standard output; what programs say is indented by seven spaces.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "flask\n")]) else { return };
            let log = build.compile().success().stdout;
            for line in log.lines().filter(|line| !line.is_empty()) {
                let known = ["-----> ", "       ", " !"].iter().any(|start| line.starts_with(start));
                assert!(known, "{line:?} in {log}");
            }
            assert!(log.contains("-----> Installing dependencies using '"), "{log}");
        }),
    ),
    row(
        Output,
        "Notices, warnings and errors are boxes: an empty line, lines after ` !     `, an empty line.",
        Runs(|world| {
            let log = world.refused(&[("requirements.txt", ""), (".python-version", "three")]).stdout;
            assert!(
                log.contains("\n !     Error: ") && log.starts_with('\n') && log.ends_with("\n\n"),
                "{log:?}"
            );
        }),
    ),
    row(
        Output,
        "Boxes go to standard error.",
        Runs(|world| {
            let run = world.refused(&[("setup.py", "")]);
            assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""));
        }),
    )
    .differs(
        "everything goes to standard output, in order: harnesses read it there, and platforms show both.",
    ),
    row(
        Output,
        "Boxes are coloured, always: blue, yellow, red, line by line.",
        Runs(|_| {
            for (name, value, coloured) in
                [("CLICOLOR_FORCE", "1", true), ("NO_COLOR", "1", false), ("TERM", "xterm", false)]
            {
                let mut build = Build::new(&[("setup.py", "")]);
                build.app.set(name, value);
                let log = build.compile().stdout;
                assert!(log.contains("Error id: package-manager::setup-py-only"), "{log:?}");
                assert_eq!(log.contains("\u{1b}["), coloured, "{name}: {log:?}");
            }
        }),
    )
    .differs("on a terminal or when CLICOLOR_FORCE is set, and never with NO_COLOR."),
    row(
        Output,
        "Every failure has a stable name, which the report calls `failure_reason`.",
        Runs(|world| {
            world.refused(&[("setup.py", "")]).failure("package-manager::setup-py-only");
        }),
    )
    .differs("the box shows it as well."),
    row(
        Output,
        "A build fails with exit code 1, whatever the reason.",
        Runs(|world| {
            // On the command line this one is 3.
            let run = world.refused(&[("requirements.txt", "")]).failure("install-python");
            assert_eq!(run.code, Some(1));
        }),
    ),
];

/// Makes a build directory in which these packages are installed, and returns what `bin/release` says of it.
fn release_with(packages: &[&str], files: &[&str]) -> String {
    let build = Build::new(&[("requirements.txt", "")]);
    for file in files {
        build.write(file, "");
    }
    let site_packages = build.app.dir.join(".heroku/python/lib/python3.13/site-packages");
    for package in packages {
        fs::create_dir_all(site_packages.join(package)).unwrap();
        fs::write(site_packages.join(package).join("__init__.py"), "").unwrap();
    }
    build.door("release", &[&build.app.dir]).success().stdout
}
