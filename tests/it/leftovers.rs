//! Builds that are stopped or killed: what is left of them, and what the next build does about it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{TestApp, python_minor};

/// uv as a program that installs for ever, with a child in the background that listens to nobody.
fn stubborn_app() -> TestApp {
    let mut app = TestApp::new(&[("requirements.txt", "x\n"), ("app.py", "print()\n")]);
    let uv = app.env[std::ffi::OsStr::new("SLUGC_UV")].clone();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.98.0'; exit; fi\n\
         sh -c 'trap \"\" TERM INT; touch {0}/started; while :; do sleep 0.1; done' '{0}' >/dev/null 2>&1 &\n\
         exec >&- 2>&-\nwhile :; do sleep 0.1; done\n",
        app.out.display()
    );
    fs::write(uv, script).unwrap();
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    let temp = app.out.parent().unwrap().join("temp");
    fs::create_dir(&temp).unwrap();
    app.set("TMPDIR", temp);
    app
}

fn start(app: &TestApp) -> Child {
    let mut command = app.command(&["build", app.dir.to_str().unwrap()]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within a minute");
}

/// The processes in whose command line or environment the app's directory is.
fn processes_of(app: &TestApp) -> Vec<Pid> {
    let root = app.out.parent().unwrap().to_str().unwrap().to_owned();
    let mentions = |path: &Path, file: &str| {
        let bytes = fs::read(path.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(&root)
    };
    let of_entry = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let path = entry.path();
        (mentions(&path, "cmdline") || mentions(&path, "environ")).then_some(pid)
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of_entry).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[track_caller]
fn assert_nothing_left(app: &TestApp, moment: &str) {
    assert_eq!(processes_of(app), [], "{moment}: processes");
    assert_eq!(names(&app.store.join("v1/tmp")), [""; 0], "{moment}: the store");
    assert_eq!(names(&app.out.parent().unwrap().join("temp")), [""; 0], "{moment}: temporary files");
    let left = names(&app.out).into_iter().filter(|name| name != "started").collect::<Vec<_>>();
    assert_eq!(left, [""; 0], "{moment}: beside the output");
}

#[test]
fn a_signal_at_any_moment_ends_all_processes_and_leaves_no_files() {
    if python_minor().is_none() {
        return;
    }
    let app = stubborn_app();
    for (moment, signal) in [(10, Signal::TERM), (40, Signal::INT), (150, Signal::HUP), (600, Signal::TERM)] {
        let mut child = start(&app);
        std::thread::sleep(Duration::from_millis(moment));
        send(&child, signal);
        let status = child.wait().unwrap();
        // Before the handlers are there, the signal itself ends it.
        let ended = status.code().unwrap_or(128 + status.signal().unwrap_or_default());
        assert_eq!(ended, 128 + signal.as_raw(), "after {moment} ms");
        assert_nothing_left(&app, &format!("after {moment} ms"));
    }
    let started = app.out.join("started");
    for signal in [Signal::INT, Signal::TERM] {
        let _ = fs::remove_file(&started);
        let mut child = start(&app);
        wait_for("the installer", || started.exists());
        assert!(!processes_of(&app).is_empty());
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal.as_raw()));
        assert_nothing_left(&app, "while the installer ran");
    }
}

#[test]
fn what_a_killed_build_has_left_goes_away_with_the_next_one() {
    if python_minor().is_none() {
        return;
    }
    let app = stubborn_app();
    let mut child = start(&app);
    wait_for("the installer", || app.out.join("started").exists());
    send(&child, Signal::KILL);
    child.wait().unwrap();
    for pid in processes_of(&app) {
        let _ = kill_process(pid, Signal::KILL);
    }
    wait_for("the end of the installer", || processes_of(&app).is_empty());
    assert_ne!(names(&app.store.join("v1/tmp")), [""; 0]);
    // As a build that is killed while it writes the slug leaves it, and one that runs now.
    let lost = app.out.join(".slugc-scratch-0123456789ab");
    let used = app.out.join(".slugc-scratch-abcdefghijkl");
    fs::write(&lost, "half a slug").unwrap();
    let open = fs::File::create(&used).unwrap();
    open.lock().unwrap();
    let uv = &app.env[std::ffi::OsStr::new("SLUGC_UV")];
    fs::write(uv, "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.98.0'; fi\n").unwrap();
    app.build(&[]).success();
    assert_eq!(names(&app.store.join("v1/tmp")), [""; 0]);
    assert!(!lost.exists());
    assert!(used.exists(), "another build's file");
    drop(open);
    app.build(&[]).success();
    assert!(!used.exists());
}

#[test]
fn a_build_that_takes_too_long_is_ended_with_all_its_processes() {
    if python_minor().is_none() {
        return;
    }
    let mut app = stubborn_app();
    let late = app.build(&["--timeout", "4s"]).failure("build::timeout");
    assert!(late.stderr.contains("after 4 seconds, during this step: "), "{}", late.stderr);
    assert_nothing_left(&app, "after its time");
    assert_eq!(app.build(&["--timeout", "soon"]).code, Some(2));

    let (dir, cache) = (app.dir.clone(), app.store.with_file_name("cache"));
    let words = ["classic", "compile", dir.to_str().unwrap(), cache.to_str().unwrap()];
    app.set("STACK", "heroku-24");
    app.set("SLUGC_TIMEOUT", "soon");
    app.run(&words).failure("build::invalid-timeout");
    app.set("SLUGC_TIMEOUT", "1");
    app.run(&words).failure("build::timeout");
    let report = app.run(&["classic", "report", dir.to_str().unwrap(), cache.to_str().unwrap()]);
    assert!(report.stdout.contains("build::timeout"), "{}", report.stdout);
    assert_eq!(processes_of(&app), []);
    assert_eq!(names(&cache.join(".slugc/v1/tmp")), [""; 0]);
}
