//! What a build costs: memory is bounded whatever the app's size and the number of threads, and work is that of the
//! change.

use std::fs::{self, File};
use std::time::Duration;

use crate::support::{TestApp, link_as_it_is, python_minor};

/// The app has so many files of so many bytes: two hundred megabytes, and as much again as slug.
const DIRS: usize = 100;
const FILES: usize = 100;
const SIZE: usize = 20_000;

/// At most so much memory.
const LIMIT: u64 = 200_000_000;

/// A segment is never longer.
const SEGMENT: u64 = 4 << 20;

/// Makes the app. Nothing in it compresses, so that what is kept in memory as it is and compressed is the most there
/// can be.
fn make(python: &str) -> TestApp {
    let app = TestApp::new(&[("requirements.txt", ""), (".python-version", python)]);
    let mut random = 88_172_645_463_325_252_u64;
    for dir in 0..DIRS {
        let dir = app.dir.join(format!("data/{dir:02}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..FILES {
            let mut content = Vec::with_capacity(SIZE);
            while content.len() < SIZE {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                content.extend_from_slice(&random.to_le_bytes());
            }
            fs::write(dir.join(format!("{file:02}")), &content[..SIZE]).unwrap();
        }
    }
    app
}

/// Builds, and returns the counters and the peak of the program's own memory in bytes.
///
/// The pages of the program file aren't counted: how many of them the kernel maps at once is its own affair, and those of
/// a program with debugging information are a hundred megabytes.
fn build(app: &TestApp, threads: &str) -> (serde_json::Value, u64) {
    let events = app.out.join("events");
    let dir = app.dir.to_str().unwrap();
    let mut command = app.command(&["build", dir, "--format", "json", "--threads", threads]);
    let mut child = command.stdout(File::create(&events).unwrap()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let own = status
            .lines()
            .filter_map(|line| line.strip_prefix("RssAnon:").or(line.strip_prefix("RssShmem:")));
        let kilobytes = own.filter_map(|size| size.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.sum::<u64>() * 1024);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let events = fs::read_to_string(&events).unwrap();
    assert!(status.success(), "{events}");
    let finished: serde_json::Value = serde_json::from_str(
        events.lines().find(|line| line.starts_with("{\"event\":\"finished\"")).expect("it has finished"),
    )
    .unwrap();
    (finished["counters"].clone(), peak)
}

#[test]
fn memory_is_bounded_and_work_is_that_of_the_change() {
    let Some(python) = python_minor() else { return };
    let mut app = make(python);
    // Python is made once for all tests; the segments of this one are in nobody's way, and new in each build.
    let tiny = TestApp::new(&[("requirements.txt", ""), (".python-version", python)]);
    tiny.build(&[]).success();
    let whole = (DIRS * FILES * SIZE) as u64;
    let count = |counters: &serde_json::Value, name: &str| counters[name].as_u64().unwrap();
    for threads in ["64", "1"] {
        app.store = app.out.join(format!("store {threads}"));
        app.set("SLUGC_CACHE_DIR", app.store.clone());
        fs::create_dir_all(app.store.join("v1/layers")).unwrap();
        link_as_it_is(&tiny.store.join("v1/layers"), &app.store.join("v1/layers"));
        let (counters, peak) = build(&app, threads);
        assert!(peak > 0 && peak < LIMIT, "{threads} threads: {peak} bytes");
        assert!(count(&counters, "bytes_compressed") > whole, "{counters}");
        assert!(count(&counters, "bytes_hashed") >= whole, "{counters}");
    }

    // What was touched just before the build began is read once more.
    std::thread::sleep(Duration::from_secs(3));
    build(&app, "2");
    let (counters, peak) = build(&app, "64");
    assert_eq!(
        (count(&counters, "bytes_hashed"), count(&counters, "bytes_compressed")),
        (0, 0),
        "{counters}"
    );
    assert!(peak > 0 && peak < LIMIT, "nothing changed: {peak} bytes");

    let line = format!("CHANGED = {:?}\n", std::time::SystemTime::now());
    fs::write(app.dir.join("data/50/50"), &line).unwrap();
    let (counters, peak) = build(&app, "2");
    assert_eq!(count(&counters, "bytes_hashed"), line.len() as u64, "{counters}");
    // It was in one segment, and its neighbours move.
    let compressed = count(&counters, "bytes_compressed");
    assert!((1..=3 * SEGMENT).contains(&compressed), "{compressed} of {whole}");
    assert!(peak > 0 && peak < LIMIT, "one file changed: {peak} bytes");
}
