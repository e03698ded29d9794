//! Clocks that are wrong, and files from another time.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::inject;
use super::rig::{Beginning, Rig, Watched, clean, clean_plain, wait_for};
use crate::support::{Run, run};

faults! {
    the_clock_is_wrong: "The clock is set back a year, forward ten, or to 1970", "in a first build, and from one build to the next",
        "The same slug; what the store has is used.";
    files_from_another_time: "Files of the app and of the store from the future, or from 1970", "in the app's directory and in the store",
        "The same slug; what the store has is used.";
    nothing_in_use_is_pruned: "The clock jumps years ahead", "in `slugc cache prune`, and in another build with a limit, while a build runs",
        "What the build uses is kept; it gives the same slug.";
    pruning_goes_by_what_can_be_known: "The clock was years ahead and is right again", "between builds and `slugc cache prune --older-than`",
        "What bears a time to come isn't thrown away for its age. Its next use puts the time right.";
}

const YEAR: i64 = 365 * 86_400;

/// Has a command see another time.
fn at(shift: &str, mut command: Command) -> Option<Command> {
    command.env("LD_PRELOAD", inject::clock()?).env("SHIFT", shift);
    Some(command)
}

fn shifts() -> [String; 3] {
    [format!("-{YEAR}"), format!("{}", 10 * YEAR), "=1000".to_owned()]
}

#[track_caller]
fn same_slug(run: &Run, sha256: &str, after: &str) {
    assert_eq!(run.code, Some(0), "{after}: {}\n{}", run.stdout, run.stderr);
    assert_eq!(run.event("finished")["sha256"], sha256, "{after}");
}

/// The library does what it says: a test that can't fail would be no use.
fn clock_is_shifted() -> Option<bool> {
    let mut date = Command::new("date");
    date.arg("+%s");
    let seconds: u64 = run(&mut at("=1000", date)?).success().stdout.trim().parse().unwrap();
    Some(seconds == 1000)
}

fn the_clock_is_wrong() {
    let (Some(rig), Some(is_shifted)) = (Rig::plain(Beginning::WithRuntime), clock_is_shifted()) else {
        return;
    };
    assert!(is_shifted);
    for shift in shifts() {
        rig.begin(Beginning::WithRuntime);
        let first = run(&mut at(&shift, rig.build()).unwrap());
        same_slug(&first, &clean_plain().sha256, &format!("first, at {shift}"));
        // And then it is right again.
        let again = rig.builds(&clean_plain().sha256, &format!("after one at {shift}"));
        assert_eq!(again.event("finished")["counters"]["layers_built"], 0, "after one at {shift}");
        // And wrong once more.
        let third = run(&mut at(&shift, rig.build()).unwrap());
        same_slug(&third, &clean_plain().sha256, &format!("again at {shift}"));
        assert_eq!(third.event("finished")["counters"]["layers_built"], 0, "again at {shift}");
        rig.assert_nothing_left(&shift);
    }
    // Everything: Python is copied and compiled, a hook runs.
    let Some(rig) = Rig::new(Beginning::Empty) else { return };
    let everything = run(&mut at("=1000", rig.build()).unwrap());
    same_slug(&everything, &clean().sha256, "everything at 1970");
}

fn files_from_another_time() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    rig.builds(&clean_plain().sha256, "nothing");
    let ten_years = Duration::from_secs(10 * YEAR as u64);
    for time in [SystemTime::now() + ten_years, SystemTime::UNIX_EPOCH] {
        let own = [&rig.app.dir, &rig.app.store.join("v1/documents"), &rig.app.store.join("v1/locks")];
        let own = own.into_iter().flat_map(|dir| walkdir::WalkDir::new(dir).into_iter().flatten());
        let layers =
            walkdir::WalkDir::new(rig.app.store.join("v1/layers")).max_depth(2).into_iter().flatten();
        for entry in own.chain(layers).filter(|entry| !entry.path_is_symlink()) {
            fs::File::open(entry.path()).unwrap().set_modified(time).unwrap();
        }
        let after = format!("files from {time:?}");
        let again = rig.builds(&clean_plain().sha256, &after);
        assert_eq!(again.event("finished")["counters"]["layers_built"], 0, "{after}");
    }
}

fn nothing_in_use_is_pruned() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    if inject::clock().is_none() {
        return;
    }
    // uv waits until it is told to go on: the runtime is in use then.
    let (here, go) = (rig.root().join("here"), rig.root().join("go"));
    let uv = rig.app.env[std::ffi::OsStr::new("SLUGC_UV")].clone();
    let script = fs::read_to_string(&uv).unwrap();
    let waits = format!(
        "#!/bin/sh\ncase \" $* \" in *requirements.txt*) touch '{}'; while [ ! -e '{}' ]; do sleep 0.02; done;; esac\n",
        here.display(),
        go.display()
    );
    fs::write(&uv, script.replacen("#!/bin/sh\n", &waits, 1)).unwrap();
    let mut build = Watched::start(&mut rig.build());
    wait_for("uv", || here.exists());
    let prune = |args: &[&str]| {
        let command = rig.app.command(&[&["cache", "prune"], args].concat());
        run(&mut at(&format!("{}", 10 * YEAR), command).unwrap()).success()
    };
    let pruned = prune(&["--older-than", "1d", "--json"]).stdout;
    prune(&["--max-size", "1K"]);
    assert!(rig.app.store.join("v1/layers/runtime").read_dir().unwrap().count() > 0, "{pruned}");
    let pruned: serde_json::Value = serde_json::from_str(&pruned).unwrap();
    assert!(
        pruned["removed"]["count"].as_u64().unwrap() > 0,
        "nothing was old, so nothing was shown: {pruned}"
    );
    fs::write(go, "").unwrap();
    let (status, _) = build.ends_within(Duration::from_secs(60));
    assert!(status.success());
    rig.builds(&clean_plain().sha256, "pruning while it ran");
}

fn pruning_goes_by_what_can_be_known() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    rig.builds(&clean_plain().sha256, "nothing");
    let to_come = SystemTime::now() + Duration::from_secs(10 * YEAR as u64);
    let layers = || {
        let layers = walkdir::WalkDir::new(rig.app.store.join("v1/layers")).min_depth(2).max_depth(2);
        layers.into_iter().map(|entry| entry.unwrap().into_path()).collect::<Vec<_>>()
    };
    for layer in layers() {
        fs::File::open(layer).unwrap().set_modified(to_come).unwrap();
    }
    let prune = run(&mut rig.app.command(&["cache", "prune", "--older-than", "1d", "--json"])).success();
    let pruned: serde_json::Value = serde_json::from_str(&prune.stdout).unwrap();
    assert_eq!(pruned["removed"]["count"], 0, "{pruned}");
    let again = rig.builds(&clean_plain().sha256, "a clock that is right again");
    assert_eq!(again.event("finished")["counters"]["layers_built"], 0);
    let used = |layer: &PathBuf| fs::metadata(layer).unwrap().modified().unwrap();
    let put_right =
        layers().iter().filter(|layer| used(layer) < to_come - Duration::from_secs(86_400)).count();
    assert!(put_right >= 3, "what was used still bears a time to come");
}
