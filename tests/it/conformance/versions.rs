//! Which Python an app gets.

use super::Check::{Fails, Requests, Runs};
use super::Section::{PipfileLock, Resolution, RuntimeTxt, VersionFile, VersionOrigin};
use super::detection::{PYPROJECT, UV_LOCK};
use super::world::{Build, World, python, unwrapped};
use super::{Row, row};

/// An app for pip with this file.
macro_rules! pip_with {
    ($name:literal, $contents:expr) => {
        &[("requirements.txt", ""), ($name, $contents)]
    };
}

/// An app for Pipenv whose lock file has this as `_meta.requires`.
macro_rules! pipenv_requires {
    ($requires:literal) => {
        &[(
            "Pipfile.lock",
            concat!(
                r#"{"_meta": {"requires": "#,
                $requires,
                r#", "sources": []}, "default": {}, "develop": {}}"#
            ),
        )]
    };
}

const MISSPELLED: &[&str] = &[
    " .python-version",
    ". python-version",
    ".python_version.txt",
    ".python_version",
    ".python-version ",
    ",python-version",
    ".python-version.",
    ".python-version.py",
    ".python-version.rtf",
    ".python-version.txt",
    ".python-version.TXT",
    ".Python-version",
    ".python.version",
    ".pythonversion",
    "'.python-version'",
    "python_version.txt",
    "python_version",
    "python-version.",
    "python-version.txt",
    "python-version",
];

pub(super) const ROWS: &[Row] = &[
    row(
        VersionOrigin,
        "`runtime.txt` goes before everything else, even before the check for misspelt names.",
        Requests(
            &[&[
                ("requirements.txt", ""),
                ("runtime.txt", "python-3.13"),
                (".python-version", "3.12"),
                ("python-version", "3.11"),
            ]],
            "3.13",
        ),
    ),
    row(
        VersionOrigin,
        "Twenty misspellings of `.python-version` fail the build, even beside a right one.",
        Runs(|world| {
            for name in MISSPELLED {
                for files in [
                    &[("requirements.txt", ""), (*name, "3.13")][..],
                    &[("requirements.txt", ""), (*name, "3.13"), (".python-version", "3.13")],
                ] {
                    world.refused(files).failure("python-version-file::misspelled");
                }
            }
        }),
    ),
    row(
        VersionOrigin,
        "`.python-version` goes before what a lock file says.",
        Requests(
            &[&[
                ("Pipfile.lock", r#"{"_meta": {"requires": {"python_version": "3.12"}}, "default": {}}"#),
                (".python-version", "3.13"),
            ]],
            "3.13",
        ),
    ),
    row(
        VersionOrigin,
        "Without any, the minor version of the last build stays, with its newest patch version.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            build.compile().success();
            build.clean();
            std::fs::remove_file(build.app.dir.join(".python-version")).unwrap();
            // Python is in the cache, under the request that the last build made.
            let text = unwrapped(&build.compile().success().stdout);
            let words =
                format!("Using the same major version as the last build: Python {}", python().unwrap());
            assert!(text.contains(&words), "{text}");
        }),
    ),
    row(
        VersionOrigin,
        "Without any and without a last build, the default is taken: 3.14.",
        Requests(&[&[("requirements.txt", "")]], "3.14"),
    ),
    row(
        VersionOrigin,
        "Other files whose names look like it are only noted for the report.",
        Runs(|world| {
            let report = world.report_of_refused(&[
                ("requirements.txt", ""),
                ("check_python_version.py", ""),
                (".Python-Version.bak", ""),
            ]);
            assert_eq!(report["python_version_files"], ".Python-Version.bak,check_python_version.py,");
        }),
    ),
    row(
        VersionFile,
        "A version is `3.N` or `3.N.P`; the newest patch version isn't needed.",
        Requests(&[pip_with!(".python-version", "3.13.1")], "3.13.1"),
    ),
    row(
        VersionFile,
        "White space around it is ignored: blanks, tabs, CR, VT, FF, and Unicode's spaces but for the no-break ones.",
        Requests(
            &[
                pip_with!(".python-version", "3.13"),
                pip_with!(".python-version", "3.13\r\n"),
                pip_with!(".python-version", "\t 3.13 \n\n"),
                pip_with!(".python-version", "\u{b}3.13\u{c}"),
                pip_with!(".python-version", "\u{2003}3.13\u{3000}\n"),
            ],
            "3.13",
        ),
    ),
    row(
        VersionFile,
        "A no-break space, U+0085 or a zero-width space is no white space.",
        Fails(
            &[
                pip_with!(".python-version", "3.13\u{a0}"),
                pip_with!(".python-version", "3.13\u{85}"),
                pip_with!(".python-version", "\u{200b}3.13"),
            ],
            "python-version-file::invalid-version",
        ),
    ),
    row(
        VersionFile,
        "Lines that are empty or begin with `#` don't count.",
        Requests(&[pip_with!(".python-version", "#!/bin/sh\n\n  # Comment\n3.13\n")], "3.13"),
    ),
    row(
        VersionFile,
        "There are no comments after a version, and a lone CR is no line break.",
        Fails(
            &[pip_with!(".python-version", "3.13 # comment"), pip_with!(".python-version", "3.13\r3.12")],
            "python-version-file::invalid-version",
        ),
    ),
    row(
        VersionFile,
        "A file without a version fails.",
        Fails(
            &[pip_with!(".python-version", ""), pip_with!(".python-version", "\n# 3.13\n\n")],
            "python-version-file::no-version",
        ),
    ),
    row(
        VersionFile,
        "Two versions fail, even equal ones.",
        Fails(
            &[pip_with!(".python-version", "3.12\n3.13"), pip_with!(".python-version", "3.13\n3.13")],
            "python-version-file::multiple-versions",
        ),
    ),
    row(
        VersionFile,
        "A wrong line goes before the count of lines: the first wrong one is named.",
        Fails(
            &[pip_with!(".python-version", "3.12\n3.13\nthree"), pip_with!(".python-version", "three\n3.13")],
            "python-version-file::invalid-version",
        ),
    ),
    row(
        VersionFile,
        "What pyenv, uv or a requirement would take isn't a version: prefixes, suffixes, ranges, wildcards, quotes, names.",
        Fails(
            &[
                pip_with!(".python-version", "3"),
                pip_with!(".python-version", "3.09"),
                pip_with!(".python-version", "03.13"),
                pip_with!(".python-version", "3.13."),
                pip_with!(".python-version", "3.13.1.2"),
                pip_with!(".python-version", "v3.13"),
                pip_with!(".python-version", "3.14.0rc1"),
                pip_with!(".python-version", "3.13-dev"),
                pip_with!(".python-version", "3.13t"),
                pip_with!(".python-version", "python-3.13"),
                pip_with!(".python-version", "cpython@3.12"),
                pip_with!(".python-version", "pypy3.10-7.3.12"),
                pip_with!(".python-version", ">=3.12"),
                pip_with!(".python-version", "3.*"),
                pip_with!(".python-version", "\"3.13\""),
                pip_with!(".python-version", "system"),
                pip_with!(".python-version", "my-virtualenv"),
                pip_with!(".python-version", "{\"a\":1}"),
            ],
            "python-version-file::invalid-version",
        ),
    ),
    row(
        VersionFile,
        "A byte order mark, UTF-16 with one, and Latin-1 are a wrong encoding.",
        Runs(|_| {
            for bytes in [
                &b"\xef\xbb\xbf3.13\n"[..],
                b"\xef\xbb\xbf# comment\n3.13\n",
                b"\xff\xfe3\0.\x001\x003\0\n\0",
                b"\xfe\xff\x003\0.\x001\x003",
                b"3.13 \xe9t\xe9\n",
            ] {
                let build = Build::new(&[("requirements.txt", "")]);
                build.write(".python-version", bytes);
                build.compile().failure("python-version-file::invalid-encoding");
            }
        }),
    ),
    row(
        VersionFile,
        "NUL bytes are a wrong version, not a wrong encoding.",
        Fails(&[pip_with!(".python-version", "3.13\0\0")], "python-version-file::invalid-version"),
    ),
    row(
        RuntimeTxt,
        "The one line is `python-3.N` or `python-3.N.P`; blank and comment lines don't count.",
        Requests(
            &[
                pip_with!("runtime.txt", "python-3.13"),
                pip_with!("runtime.txt", "# comment\n\n python-3.13 \r\n"),
            ],
            "3.13",
        ),
    ),
    row(
        RuntimeTxt,
        "Anything else fails.",
        Fails(
            &[
                pip_with!("runtime.txt", ""),
                pip_with!("runtime.txt", "3.13"),
                pip_with!("runtime.txt", "Python-3.13"),
                pip_with!("runtime.txt", "python-3.13\npython-3.12"),
                pip_with!("runtime.txt", "python-3.13 # comment"),
                pip_with!("runtime.txt", "python-3"),
                pip_with!("runtime.txt", "pypy-7.3.12"),
                pip_with!("runtime.txt", "\u{feff}python-3.13"),
                pip_with!("runtime.txt", "python-3.13\0"),
            ],
            "runtime-txt::invalid-version",
        ),
    ),
    row(
        RuntimeTxt,
        "The message doesn't show what was in the file: the way out is another file.",
        Runs(|world| {
            let run = world
                .refused(&[("requirements.txt", ""), ("runtime.txt", "pypy-strange")])
                .failure("runtime-txt::invalid-version");
            assert!(
                !run.stdout.contains("strange") && run.stdout.contains(".python-version"),
                "{}",
                run.stdout
            );
        }),
    ),
    row(
        RuntimeTxt,
        "A valid one works, with a warning that it is deprecated.",
        Runs(|world| {
            let files = [("requirements.txt", ""), ("runtime.txt", "python-3.13\n")];
            let text = unwrapped(&world.refused(&files).failure("install-python").stdout);
            assert!(text.contains("Warning: runtime.txt is deprecated"), "{text}");
        }),
    ),
    row(
        RuntimeTxt,
        "With uv it fails.",
        Fails(
            &[&[("uv.lock", UV_LOCK), ("pyproject.toml", PYPROJECT), ("runtime.txt", "python-3.13")]],
            "runtime-txt::not-supported",
        ),
    ),
    row(
        PipfileLock,
        "`python_full_version` goes before `python_version`; null and false count as none.",
        Requests(
            &[
                pipenv_requires!(r#"{"python_full_version": "3.13.1", "python_version": "3.12"}"#),
                pipenv_requires!(r#"{"python_full_version": null, "python_version": "3.13.1"}"#),
                pipenv_requires!(r#"{"python_full_version": false, "python_version": "3.13.1"}"#),
            ],
            "3.13.1",
        ),
    ),
    row(
        PipfileLock,
        "A number is read as it is written in JSON.",
        Requests(&[pipenv_requires!(r#"{"python_version": 3.13}"#)], "3.13"),
    ),
    row(PipfileLock, "Without either, the default is taken.", Requests(&[pipenv_requires!("{}")], "3.14")),
    row(
        PipfileLock,
        "A byte order mark before the JSON is accepted.",
        Requests(
            &[&[(
                "Pipfile.lock",
                "\u{feff}{\"_meta\": {\"requires\": {\"python_version\": \"3.13\"}}, \"default\": {}}",
            )]],
            "3.13",
        ),
    ),
    row(
        PipfileLock,
        "What isn't a version fails: an empty text, a range, a wildcard, white space.",
        Fails(
            &[
                pipenv_requires!(r#"{"python_version": ""}"#),
                pipenv_requires!(r#"{"python_version": "^3.12"}"#),
                pipenv_requires!(r#"{"python_version": "3.9.*"}"#),
                pipenv_requires!(r#"{"python_version": " 3.13"}"#),
                pipenv_requires!(r#"{"python_full_version": "", "python_version": "3.13"}"#),
            ],
            "pipfile-lock::invalid-version",
        ),
    ),
    row(
        PipfileLock,
        "What isn't JSON of the right shape fails: an array, text after the end, `requires` as a text.",
        Fails(
            &[
                &[("Pipfile.lock", "[]")],
                &[("Pipfile.lock", "{\"_meta\": {}} x")],
                &[("Pipfile.lock", "<<<<<<< HEAD\n{}")],
                pipenv_requires!("\"3.13\""),
            ],
            "pipfile-lock::invalid-json",
        ),
    ),
    row(
        Resolution,
        "Before 3.10 the version is end-of-life: Python 2 too.",
        Fails(
            &[
                pip_with!(".python-version", "3.9"),
                pip_with!(".python-version", "2.7.18"),
                pip_with!(".python-version", "0.1"),
                pip_with!("runtime.txt", "python-3.8.18"),
            ],
            "python-version::eol",
        ),
    ),
    row(
        Resolution,
        "After 3.14 it is unknown, however large the number.",
        Fails(
            &[
                pip_with!(".python-version", "3.15"),
                pip_with!(".python-version", "4.0"),
                pip_with!(".python-version", "3.99999999999999999999"),
                pip_with!("runtime.txt", "python-3.15.0"),
            ],
            "python-version::unknown-major",
        ),
    ),
    row(
        Resolution,
        "A major number too large for 64 bits ends in an internal error.",
        Fails(&[pip_with!(".python-version", "18446744073709551619.10")], "python-version::unknown-major"),
    )
    .differs("it is an unknown version like any other."),
    row(
        Resolution,
        "A patch version that doesn't exist fails when Python is downloaded.",
        Runs(|_| {
            let mut build = Build::new(&[("requirements.txt", ""), (".python-version", "3.13.99")]);
            build.hide_pythons();
            build.compile().failure("python-version::unknown-patch");
        }),
    )
    .differs("it fails before anything is downloaded."),
    row(
        Resolution,
        "uv without a version file fails.",
        Fails(
            &[&[
                ("uv.lock", "version = 1\n"),
                ("pyproject.toml", "[project]\nname = \"app\"\nversion = \"1\"\n"),
            ]],
            "python-version-file::not-found",
        ),
    )
    .differs("`requires-python` in pyproject.toml is enough."),
    row(
        Resolution,
        "With the other managers, no version file is a warning.",
        Runs(|world| {
            let text =
                unwrapped(&world.refused(&[("requirements.txt", "")]).failure("install-python").stdout);
            assert!(text.contains("Warning: The app doesn't say which version of Python it needs"), "{text}");
        }),
    ),
    row(
        Resolution,
        "3.10 is deprecated: a warning until its removal.",
        Runs(|world| {
            let files = [("requirements.txt", ""), (".python-version", "3.10")];
            let text = unwrapped(&world.refused(&files).failure("install-python").stdout);
            assert!(text.contains("Warning: Python 3.10 reache"), "{text}");
        }),
    )
    .differs("the warning comes for any version in its last year, by the calendar."),
    row(
        Resolution,
        "An older patch version than the newest known is a warning, and a newer one isn't.",
        Runs(outdated_patch),
    ),
];

fn outdated_patch(world: &World) {
    for (version, is_old) in [("3.13.1", true), ("3.13.15", false), ("3.13", false)] {
        let run = world.refused(&[("requirements.txt", ""), (".python-version", version)]);
        let warned =
            unwrapped(&run.stdout).contains("Warning: Python 3.13.15 is out, and the app uses 3.13.1");
        assert_eq!(warned, is_old, "{version}: {}", run.stdout);
    }
}
