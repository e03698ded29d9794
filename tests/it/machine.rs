//! A machine that isn't as it should be: a build says what is wrong with it, and blames nothing else.

use std::fs;
use std::process::Command;

use crate::support::{Run, TestApp, can_unshare, run, skip};

/// Builds after a script has changed the machine, in a mount namespace. None if that isn't possible here.
fn build_after(app: &TestApp, script: &str, args: &[&str]) -> Option<Run> {
    let script = format!("store=$1; shift; ({script}) || exit 99; exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "bash", "-c", &script, "bash"]).arg(&app.store);
    command.arg(env!("CARGO_BIN_EXE_slugc")).args(["build", app.dir.to_str().unwrap()]).args(args);
    let run = run(command.env_clear().envs(&app.env).current_dir(&app.out));
    if run.code == Some(99) {
        skip("no file system can be mounted here");
        return None;
    }
    Some(run)
}

/// An app with a store of its own.
fn app() -> TestApp {
    let hook = ("bin/post_compile", "#!/bin/sh\npython3 -c 'print(1)'\n");
    let mut app = TestApp::new(&[("requirements.txt", ""), ("Procfile", "web: python3 app.py\n"), hook]);
    let path = app.dir.join("bin/post_compile");
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    fs::create_dir(&app.store).unwrap();
    app
}

// B18
#[test]
fn the_machine_is_blamed_for_what_is_its_fault() {
    if !can_unshare() {
        skip("namespaces can't be made here");
        return;
    }
    let noexec = "mount --bind \"$store\" \"$store\" && mount -o remount,bind,noexec \"$store\"";
    for (script, is_warm, expected, advice) in [
        ("mount -t tmpfs none /proc", false, "/proc isn't mounted", "mount -t proc proc /proc"),
        ("mount -t tmpfs -o noexec none \"$store\"", false, "mounted with `noexec`", "SLUGC_CACHE_DIR"),
        (noexec, true, "mounted with `noexec`", "SLUGC_CACHE_DIR"),
        ("mount -t tmpfs -o size=1M none \"$store\"", false, "No space left on device", "Make room"),
        ("mount -t tmpfs -o size=20M none \"$store\"", false, "No space left on device", "Make room"),
        ("mount -t tmpfs -o size=45M none \"$store\"", false, "No space left on device", "Make room"),
        ("mount -t tmpfs -o nr_inodes=500 none \"$store\"", false, "No space left on device", "Make room"),
    ] {
        let app = app();
        if is_warm {
            app.build(&[]).success();
        }
        let Some(built) = build_after(&app, script, &["--refresh"]) else { return };
        let what = format!("{script}, warm: {is_warm}\n{}", built.stderr);
        assert_eq!(built.code, Some(3), "{what}");
        let flowing = built.stderr.replace("\n !", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let error = flowing.rsplit("Error: ").next().unwrap();
        assert!(error.contains(expected) && error.contains(advice), "{what}");
        for blamed in ["A library that it needs", "another source of Python", "interpreter itself failed"] {
            assert!(!error.contains(blamed), "{blamed}: {what}");
        }
        // Nothing of it stays: the next build is as if there had been none.
        app.build(&[]).success();
    }
}
