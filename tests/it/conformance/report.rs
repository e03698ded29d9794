//! The fields of the report: which there are, of which type, and when.

use serde_json::Value;

use super::Check::Runs;
use super::Section::{Report, Tests};
use super::world::{Build, World};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        Report,
        "Every step that was passed leaves its fields, of the documented types, durations in seconds.",
        Runs(every_field_is_there),
    ),
    row(
        Report,
        "A build that fails has those of the steps before, its reason and no `total_duration`.",
        Runs(fields_end_where_the_build_does),
    ),
    row(
        Report,
        "`pipenv_version` and `poetry_version` name the tool of those managers.",
        Runs(|world| {
            let Some(build) = world.ready(&[("Pipfile.lock", super::detection::PIPFILE_LOCK)]) else {
                return;
            };
            build.compile().success();
            let report = build.report();
            assert_eq!(report["package_manager"], "pipenv");
            assert!(report.get("pipenv_version").is_none(), "{report}");
            // Here it is noted before it is installed, as the reference does.
            build.config_var("SLUGC_INSTALLER", "native");
            build.clean();
            build.compile();
            assert!(build.report()["pipenv_version"].is_string(), "{}", build.report());
        }),
    )
    .differs("only where the tool installs: uv does in its place, for most lock files."),
    row(
        Report,
        "`package_manager_install_duration` is there in each build.",
        Runs(|world| {
            let Some(build) = world.built() else { return };
            assert!(build.report().get("package_manager_install_duration").is_none());
        }),
    )
    .differs("only in those that need a tool: a build from the cache starts none."),
    row(
        Report,
        "`django_collectstatic` and `nltk_downloader` have no value for an app without those packages.",
        Runs(|world| {
            let Some(build) = world.built() else { return };
            let report = build.report();
            for name in ["django_collectstatic", "nltk_downloader"] {
                assert!(
                    report.get(name).is_none() && report[format!("{name}_duration")].is_f64(),
                    "{report}"
                );
            }
        }),
    ),
    row(
        Report,
        "`django_collectstatic` is `enabled`, `disabled-env-var`, `disabled-file` or `skipped-no-manage-py`.",
        Runs(|world| {
            let Some(build) = super::steps::with_package(world, "django", &[]) else { return };
            build.compile().success();
            assert_eq!(build.report()["django_collectstatic"], "skipped-no-manage-py");
        }),
    )
    .differs("or `skipped-no-staticfiles`, where the app doesn't have django.contrib.staticfiles."),
    row(
        Report,
        "The last build's data are kept as `python-prev.json`; without a build there is an error.",
        Runs(|_| {
            let build = Build::new(&[("requirements.txt", "")]);
            assert_eq!(build.report(), serde_json::json!({}));
            for (file, expected) in
                [("python.json", "python-version::eol"), ("python-prev.json", "package-manager::none-found")]
            {
                if file == "python.json" {
                    std::fs::remove_file(build.app.dir.join("requirements.txt")).unwrap();
                    build.write("app.py", "");
                    build.compile().failure("package-manager::none-found");
                    build.write("requirements.txt", "");
                    build.write(".python-version", "3.9");
                    build.compile().failure("python-version::eol");
                }
                let text = std::fs::read_to_string(build.cache.join("build-data").join(file)).unwrap();
                assert!(text.contains(expected), "{file}: {text}");
            }
        }),
    )
    .differs("without a build there is an empty object."),
    row(
        Tests,
        "It sets LC_ALL and LANG to C.UTF-8; compile sets LANG again.",
        Runs(|_| {
            let build =
                Build::new(&[("app.py", ""), ("bin/pre_compile", "echo \"$LC_ALL $LANG $INSTALL_TEST\"\n")]);
            let text = build.test_compile().failure("package-manager::none-found").stdout;
            assert!(text.contains("       C.UTF-8 en_US.UTF-8 1\n"), "{text}");
        }),
    ),
    row(
        Tests,
        "A config var DISABLE_COLLECTSTATIC=0 turns collectstatic on again; one named INSTALL_TEST does nothing.",
        Runs(|world| {
            let files = [("requirements.txt", ""), ("requirements-test.txt", "-r missing.txt\n")];
            let Some(build) = world.ready(&files) else { return };
            build.config_var("INSTALL_TEST", "1");
            build.compile().success();
            build.clean();
            build.write("requirements-test.txt", "");
            build.config_var("DISABLE_COLLECTSTATIC", "0");
            build.test_compile().success();
            assert!(build.report().get("django_collectstatic").is_none(), "it isn't disabled");
        }),
    ),
];

const TEXT: fn(&Value) -> bool = Value::is_string;
const FLOAT: fn(&Value) -> bool = Value::is_f64;
const FLAG: fn(&Value) -> bool = Value::is_boolean;

/// The name of a field, and what its value must be.
type Field = (&'static str, fn(&Value) -> bool);

/// What a build leaves, in the order in which it is known.
const HOOK: &[Field] = &[("pre_compile_hook", FLAG)];
const HOOK_RAN: &[Field] = &[("pre_compile_hook_duration", FLOAT)];
const MANAGER: &[Field] = &[("package_manager", TEXT)];
const REQUESTED: &[Field] = &[("python_version_requested", TEXT), ("python_version_origin", TEXT)];
const RESOLVED: &[Field] = &[
    ("python_version", TEXT),
    ("python_version_major", TEXT),
    ("python_version_pinned", FLAG),
    ("python_version_outdated", FLAG),
];
const TOOLS: &[Field] = &[("pip_version", TEXT)];
const CACHE: &[Field] = &[("cache_status", TEXT), ("cache_restore_duration", FLOAT)];
const INSTALLED: &[Field] = &[("python_install_duration", FLOAT), ("dependencies_install_duration", FLOAT)];
const STEPS: &[Field] = &[
    ("nltk_downloader_duration", FLOAT),
    ("django_collectstatic_duration", FLOAT),
    ("post_compile_hook", FLAG),
];
const FULL: &[Field] = &[
    ("python_version_files", TEXT),
    ("package_manager_install_duration", FLOAT),
    ("nltk_downloader", TEXT),
    ("django_collectstatic", TEXT),
    ("post_compile_hook_duration", FLOAT),
    ("cache_save_duration", FLOAT),
    ("total_duration", FLOAT),
];

#[track_caller]
fn assert_fields(report: &Value, expected: &[&[Field]]) {
    let mut report = report.as_object().unwrap().clone();
    // Up to Python 3.12.
    let has_setuptools = report.remove("setuptools_version").is_some();
    let minor = report.get("python_version_major").and_then(Value::as_str);
    let is_old = minor.is_some_and(|minor| ["3.10", "3.11", "3.12"].contains(&minor));
    assert_eq!(has_setuptools, is_old && report.contains_key("pip_version"), "{report:?}");
    for (name, is_right) in expected.iter().copied().flatten() {
        let value = report.remove(*name).unwrap_or_else(|| panic!("no {name} beside {report:?}"));
        assert!(is_right(&value), "{name}: {value}");
    }
    assert!(report.is_empty(), "more than expected: {report:?}");
}

fn every_field_is_there(world: &World) {
    let Some((build, _)) = world.full() else { return };
    let report = build.report();
    assert_fields(
        &report,
        &[HOOK, HOOK_RAN, MANAGER, REQUESTED, RESOLVED, TOOLS, CACHE, INSTALLED, STEPS, FULL],
    );
    for (name, value) in [
        ("pre_compile_hook", Value::from(true)),
        ("post_compile_hook", true.into()),
        ("package_manager", "pip".into()),
        ("pip_version", "26.2.1".into()),
        ("cache_status", "discarded".into()),
        ("python_version_origin", "cached".into()),
        ("python_version_pinned", false.into()),
        ("python_version_files", "check_python_version.py,".into()),
        ("nltk_downloader", "enabled".into()),
        ("django_collectstatic", "enabled".into()),
    ] {
        assert_eq!(report[name], value, "{name}");
    }
}

fn fields_end_where_the_build_does(world: &World) {
    const FAILED: &[Field] = &[("failure_reason", TEXT)];
    const DETAIL: &[Field] = &[("failure_detail", TEXT)];
    let failed = |files: &[(&str, &str)], arrange: &dyn Fn(&mut Build), expected: &[&[Field]]| {
        let mut build = Build::new(files);
        arrange(&mut build);
        assert_eq!(build.compile().code, Some(1));
        assert_fields(&build.report(), &[expected, &[FAILED]].concat());
    };
    failed(&[("requirements.txt", "")], &|build| build.app.set("STACK", "heroku-20"), &[DETAIL]);
    failed(&[("bin/pre_compile", "exit 1\n")], &|_| {}, &[HOOK]);
    failed(&[("app.py", ""), ("bin/pre_compile", "true\n")], &|_| {}, &[HOOK, HOOK_RAN]);
    // What is known by then is told, however early the build ends.
    failed(&[("requirements.txt", ""), (".python-version", "3")], &|_| {}, &[HOOK, MANAGER, DETAIL]);
    for (name, text) in [
        (".python-version", "3.9"),
        (".python-version", "3.99"),
        ("runtime.txt", "python-3.8.10"),
        (
            "Pipfile.lock",
            r#"{"_meta": {"requires": {"python_version": "3.9"}}, "default": {}, "develop": {}}"#,
        ),
    ] {
        let manager = if name == "Pipfile.lock" { "app.py" } else { "requirements.txt" };
        failed(&[(manager, ""), (name, text)], &|_| {}, &[HOOK, MANAGER, REQUESTED, DETAIL]);
    }
    failed(
        &[
            ("uv.lock", "version = 1\n"),
            ("pyproject.toml", "[project]\nname = 'a'\n"),
            ("runtime.txt", "python-3.13"),
        ],
        &|_| {},
        &[HOOK, MANAGER, REQUESTED, RESOLVED],
    );
    failed(
        &[("requirements.txt", "-r missing.txt\n"), (".python-version", "3.13.1")],
        &|_| {},
        &[HOOK, MANAGER, REQUESTED, RESOLVED, DETAIL],
    );
    failed(
        &[("requirements.txt", ""), (".python-version", "3.13")],
        &Build::hide_pythons,
        &[HOOK, MANAGER, REQUESTED, RESOLVED, TOOLS, CACHE],
    );
    let Some(build) = world.ready(&[("requirements.txt", ""), ("bin/post_compile", "exit 1\n")]) else {
        return;
    };
    build.compile().failure("hooks::post_compile");
    assert_fields(
        &build.report(),
        &[HOOK, MANAGER, REQUESTED, RESOLVED, TOOLS, CACHE, INSTALLED, STEPS, FAILED],
    );
}
