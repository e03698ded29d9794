//! SIGTERM, SIGINT and SIGHUP: the build ends soon, with everything that it runs, and tidies up.

use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;

use super::rig::{Beginning, Clean, Rig, Watched, clean, clean_plain, clean_warm};

faults! {
    after_each_event: "SIGTERM, SIGINT or SIGHUP", "after each event of `slugc build --format json`",
        "The build and all that it runs end soon, with 143, 130 or 129. Nothing is left; the next build gives the same slug.";
    in_the_apps_own_steps: "SIGTERM, SIGINT or SIGHUP", "while a hook runs",
        "The same.";
    while_python_is_made: "SIGTERM, SIGINT or SIGHUP", "while Python is copied and compiled",
        "The same.";
}

/// Nobody waits longer, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(10);

const SIGNALS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

/// Stops a build after each of these events.
fn stop_after(rig: &Rig, clean: &Clean, beginning: Beginning, numbers: Range<usize>, delays: &[u64]) {
    let (mut stopped, mut longest, mut total) = (0, Duration::ZERO, 0);
    for (round, number) in numbers.enumerate() {
        for delay in delays {
            let signal = SIGNALS[(round + total) % 3];
            rig.begin(beginning);
            let mut build = Watched::start(&mut rig.build());
            build.reads(number);
            std::thread::sleep(Duration::from_millis(*delay));
            build.send(signal);
            let (status, time) = build.ends_within(LIMIT);
            let after = format!("{signal:?} {delay} ms after event {number}: {:?}", build.seen.last());
            total += 1;
            // One that is about to end anyway may have ended well.
            if status.code() != Some(0) {
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
                assert_eq!(code, 128 + signal.as_raw(), "{after}");
                stopped += 1;
                longest = longest.max(time);
            }
            rig.assert_nothing_left(&after);
        }
    }
    rig.builds(&clean.sha256, "signals");
    eprintln!("stopped {stopped} of {total} builds, each in {longest:?} or less");
    assert!(stopped * 3 >= total * 2, "only {stopped} of {total} builds were stopped");
}

fn after_each_event() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    let events = clean_plain().events.len();
    stop_after(&rig, clean_plain(), Beginning::WithRuntime, 1..events, &[0]);
}

fn in_the_apps_own_steps() {
    let Some(rig) = Rig::new(Beginning::WithRuntime) else { return };
    let place =
        |text: &str| clean_warm().events.iter().position(|event| event.to_string().contains(text)).unwrap();
    let events = place("Running bin/post_compile")..place("Discovering process types") + 1;
    stop_after(&rig, clean(), Beginning::WithRuntime, events, &[0, 30]);
}

fn while_python_is_made() {
    let Some(rig) = Rig::plain(Beginning::Empty) else { return };
    let is_copying = |event: &serde_json::Value| event.to_string().contains("Copying Python");
    let first = 1 + clean().events.iter().position(is_copying).unwrap();
    stop_after(&rig, clean_plain(), Beginning::Empty, first..first + 3, &[0, 250]);
}
