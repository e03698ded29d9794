//! Hooks, and what is done for some frameworks.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Check::Runs;
use super::Section::{Collectstatic, Hooks, Nltk};
use super::world::{Build, World, unwrapped};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        Hooks,
        "`bin/pre_compile` runs before package manager and version are chosen: it may write their files.",
        Runs(|_| {
            let mut build = Build::new(&[("app.py", "")]);
            build.hide_pythons();
                build.write("bin/pre_compile", "echo three >.python-version; : >requirements.txt\n");
            build.compile().failure("python-version-file::invalid-version");
        }),
    ),
    row(
        Hooks,
        "A hook runs in the build directory, without arguments, executable or not, with or without `#!`.",
        Runs(hooks_run_anyway),
    ),
    row(
        Hooks,
        "Its two streams go to the log, indented by seven spaces, after a line that names it.",
        Runs(|_| {
            let text = hook_output("echo out; echo err >&2");
            assert!(text.contains("-----> Running bin/pre_compile hook\n"), "{text}");
            assert!(text.contains("\n       out\n") && text.contains("\n       err\n"), "{text}");
        }),
    ),
    row(
        Hooks,
        "A hook that fails fails the build.",
        Runs(|world| {
            for (name, id) in [("bin/pre_compile", "hooks::pre_compile"), ("bin/post_compile", "hooks::post_compile")] {
                let Some(build) = world.ready(&[("requirements.txt", ""), (name, "exit 3\n")]) else { return };
                build.compile().failure(id);
            }
        }),
    ),
    row(
        Hooks,
        "It sees Python's variables: PATH, LANG, C_INCLUDE_PATH, LIBRARY_PATH, PKG_CONFIG_PATH.",
        Runs(|_| {
            let text = hook_output("echo \"lang=$LANG unbuffered=$PYTHONUNBUFFERED\"; echo \"include=$C_INCLUDE_PATH\"");
            assert!(text.contains("lang=en_US.UTF-8 unbuffered=1"), "{text}");
            assert!(text.contains(".heroku/python/include"), "{text}");
        }),
    )
    .differs("with the real paths of the build rather than those below /app, and with the right name of pkg-config's directory."),
    row(
        Hooks,
        "It sees config vars, but for seven names such as PATH and LD_PRELOAD.",
        Runs(|_| {
            let build = Build::new(&[("bin/pre_compile", "echo \"<$MINE> <$LD_PRELOAD> <$CPATH>\"; exit 1\n"), ("app.py", "")]);
            for (name, value) in [("MINE", "two\nlines\n"), ("LD_PRELOAD", "/x.so"), ("CPATH", "/x"), ("PATH", "/x")] {
                build.config_var(name, value);
            }
            let text = build.compile().failure("hooks::pre_compile").stdout;
            assert!(text.contains("<two\n       lines> <> <>"), "{text}");
        }),
    ),
    row(
        Hooks,
        "`bin/post_compile` runs when everything is installed.",
        Runs(|world| {
            let files = [("requirements.txt", ""), ("bin/post_compile", "python -c 'import sys; print(\"at\", sys.prefix)'\n")];
            let Some(build) = world.ready(&files) else { return };
            let text = build.compile().success().stdout;
            assert!(text.contains("-----> Running bin/post_compile hook\n") && text.contains("       at /"), "{text}");
        }),
    ),
    row(
        Collectstatic,
        "The file `.heroku/collectstatic_disabled` switches it off, with a warning that the variable is better.",
        Runs(|world| {
            let files = [("requirements.txt", ""), ("manage.py", ""), (".heroku/collectstatic_disabled", "")];
            let Some(build) = world.ready(&files) else { return };
            let text = unwrapped(&build.compile().success().stdout);
            assert!(text.contains("Warning: ") && text.contains("DISABLE_COLLECTSTATIC=1"), "{text}");
            assert_eq!(build.report()["django_collectstatic"], "disabled-file");
        }),
    ),
    row(
        Collectstatic,
        "DISABLE_COLLECTSTATIC, set and neither empty nor `0`, switches it off; the config var goes before the environment.",
        Runs(|world| {
            for (variable, config_var, expected) in [
                ("1", None, true),
                ("0", None, false),
                ("", None, false),
                ("1", Some("0"), false),
                ("", Some("yes"), true),
            ] {
                let Some(mut build) = world.ready(&[("requirements.txt", "")]) else { return };
                build.app.set("DISABLE_COLLECTSTATIC", variable);
                if let Some(value) = config_var {
                    build.config_var("DISABLE_COLLECTSTATIC", value);
                }
                build.compile().success();
                let found = build.report()["django_collectstatic"] == "disabled-env-var";
                assert_eq!(found, expected, "{variable:?} {config_var:?}");
            }
        }),
    ),
    row(
        Collectstatic,
        "Without Django nothing is said.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", ""), ("manage.py", "raise SystemExit(1)\n")]) else { return };
            assert!(!build.compile().success().stdout.contains("collectstatic"));
        }),
    ),
    row(
        Collectstatic,
        "With Django, the least deep `manage.py` runs, at most three levels down.",
        Runs(|world| {
            let Some(build) = with_package(world, "django", &[("sub/manage.py", MANAGE), ("sub/deep/manage.py", "raise SystemExit(1)\n")]) else { return };
            build.write("sub/project.py", "");
            let text = build.compile().success().stdout;
            assert!(text.contains("-----> $ python sub/manage.py collectstatic --noinput\n"), "{text}");
            assert!(text.contains("       collected ['collectstatic', '--noinput', '--traceback']"), "{text}");
            assert_eq!(build.report()["django_collectstatic"], "enabled");
        }),
    ),
    row(
        Collectstatic,
        "A link named `manage.py` isn't looked at.",
        Runs(|world| {
            let Some(build) = with_package(world, "django", &[("real.py", MANAGE)]) else { return };
            std::os::unix::fs::symlink("real.py", build.app.dir.join("manage.py")).unwrap();
            assert!(build.compile().success().stdout.contains("collected ["));
        }),
    )
    .differs("it runs, as a file would."),
    row(
        Collectstatic,
        "When it fails, what it printed decides the reason.",
        Runs(|world| {
            for (printed, id) in [
                ("SyntaxError: x", "collectstatic-syntax-error"),
                ("django.core.exceptions.ImproperlyConfigured: x", "collectstatic-improper-configuration"),
                ("The CSS file 'x' references a file", "collectstatic-fancy-references"),
                ("OSError: x", "collectstatic-missing-file"),
                ("anything", "collectstatic-other"),
            ] {
                let script = format!("import sys\nprint({printed:?})\nsys.exit(1)\n");
                let Some(build) = with_package(world, "django", &[("manage.py", &script)]) else { return };
                build.compile().failure(id);
            }
        }),
    ),
    row(
        Collectstatic,
        "DEBUG_COLLECTSTATIC=1 dumps the environment, secrets included.",
        Runs(|world| {
            let Some(mut build) = with_package(world, "django", &[("manage.py", "raise SystemExit(1)\n")]) else { return };
            build.app.set("DEBUG_COLLECTSTATIC", "1");
            build.config_var("SECRET_KEY", "a-very-secret-value");
            let run = build.compile().failure("collectstatic-other");
            assert!(!run.stdout.contains("a-very-secret-value"), "{}", run.stdout);
        }),
    )
    .differs("values that may be secrets aren't shown."),
    row(
        Nltk,
        "With nltk installed and no `nltk.txt`, a line says that the file wasn't found.",
        Runs(|world| {
            let Some(build) = with_package(world, "nltk", &[]) else { return };
            let text = build.compile().success().stdout;
            assert!(text.contains("nltk.txt"), "{text}");
            assert_eq!(build.report()["nltk_downloader"], "skipped-no-nltk-file");
        }),
    ),
    row(
        Nltk,
        "Without nltk, `nltk.txt` isn't looked at.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", ""), ("nltk.txt", "brown\n")]) else { return };
            let text = build.compile().success().stdout;
            assert!(!text.contains("NLTK"), "{text}");
        }),
    ),
];

pub(super) const MANAGE: &str = "import sys\nprint('collected', sys.argv[1:])\n";

/// Runs a script as `bin/pre_compile` of an app that can't be built, and returns the log.
fn hook_output(script: &str) -> String {
    let build = Build::new(&[("app.py", "")]);
    build.write("bin/pre_compile", format!("{script}\n"));
    build.compile().failure("package-manager::none-found").stdout
}

fn hooks_run_anyway(_: &World) {
    for (script, mode) in [
        ("echo \"$PWD:$#\"\n", 0o644),
        ("#!/bin/sh\necho \"$PWD:$#\"\n", 0o644),
        ("#!/bin/sh\necho \"$PWD:$#\"\n", 0o755),
    ] {
        let build = Build::new(&[("app.py", ""), ("bin/pre_compile", script)]);
        let path = build.app.dir.join("bin/pre_compile");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let text = build.compile().failure("package-manager::none-found").stdout;
        let line = format!("       {}:0\n", build.app.dir.canonicalize().unwrap().display());
        assert!(text.contains(&line), "{script:?} {mode:o}: {text}");
    }
}

/// Prepares an app in which a uv of our own installs an empty package of that name.
pub(super) fn with_package(world: &World, package: &str, files: &[(&str, &str)]) -> Option<Build> {
    let mut all = vec![("requirements.txt", "something\n")];
    all.extend_from_slice(files);
    let mut build = world.ready(&all)?;
    let script = format!(
        r#"#!/bin/bash
if [ "$1" = --version ]; then echo 'uv 0.12.5'; exit; fi
case " $* " in *" pip install "*something*|*requirements*) ;; *) exit 0 ;; esac
while [ $# -gt 0 ]; do
  case "$1" in --prefix) prefix=$2 ;; --python) python=$2 ;; esac
  shift
done
lib=$("$python" -c 'import sys; print("lib/python%d.%d" % sys.version_info[:2])')
mkdir -p "$prefix/$lib/site-packages/{package}"
: >"$prefix/$lib/site-packages/{package}/__init__.py"
"#
    );
    let uv = build.app.out.join("uv");
    fs::write(&uv, script).unwrap();
    fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
    build.app.set("SLUGC_UV", uv);
    Some(build)
}
