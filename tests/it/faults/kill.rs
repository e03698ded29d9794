//! SIGKILL: nobody can tidy up, and the next build has to.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::rig::{Beginning, Clean, Rig, Watched, clean, clean_plain, clean_warm, names, sha256_of};
use crate::classic::warm_cache;
use crate::support::{TestApp, python_minor, run};

faults! {
    after_each_event: "SIGKILL of all processes of a build", "after each event of `slugc build --format json`",
        "There is no slug or a whole one. The next build gives the same slug and deletes what was left.";
    in_the_apps_own_steps: "SIGKILL of all processes of a build", "after each event while a hook runs and its result is kept",
        "The next build gives the same slug and deletes what was left.";
    while_files_appear: "SIGKILL of all processes of a build", "when the store's `tmp/`, its segments or the slug's own temporary file grow",
        "The next build gives the same slug and deletes what was left.";
    many_times: "SIGKILL of all processes, build after build", "after every second event before the runtime is finished, in one store",
        "What all of them left goes away with the first build that ends.";
    of_the_classic_buildpack: "SIGKILL of all processes of `bin/compile`", "after every second line of its log",
        "The next one, in a fresh build directory with the same cache, gives the same files and deletes what was left.";
    #[ignore = "needs PyPI"]
    with_real_packages: "SIGKILL of all processes of a build", "after events of a build that downloads Python, uv and Flask",
        "The next build gives the same slug and deletes what was left.";
}

/// The number of events until the runtime is there.
fn cold_events() -> usize {
    let is_runtime =
        |event: &serde_json::Value| event["event"] == "layer_built" && event["layer"] == "runtime";
    clean().events.iter().position(is_runtime).unwrap()
}

/// Kills a build after each of these events and builds again, each time in a store that has only a runtime.
fn kill_after(rig: &Rig, clean: &Clean, numbers: Range<usize>) {
    let (mut killed, total) = (0, numbers.len());
    for number in numbers {
        rig.begin(Beginning::WithRuntime);
        let mut build = Watched::start(&mut rig.build());
        build.reads(number);
        let after = format!("event {number}: {}", build.seen.last().unwrap());
        killed += usize::from(build.kill_all(rig.root()));
        if rig.app.slug().exists() {
            assert_eq!(sha256_of(&rig.app.slug()), clean.sha256, "{after}: half a slug");
        }
        rig.builds(&clean.sha256, &after);
    }
    eprintln!("killed {killed} builds after {total} events");
    assert!(killed * 3 >= total * 2, "only {killed} of {total} builds were killed in time");
}

fn after_each_event() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    kill_after(&rig, clean_plain(), 1..clean_plain().events.len());
}

fn in_the_apps_own_steps() {
    let Some(rig) = Rig::new(Beginning::WithRuntime) else { return };
    let clean = clean_warm();
    let place = |text: &str| clean.events.iter().position(|event| event.to_string().contains(text)).unwrap();
    kill_after(&rig, clean, place("Running bin/post_compile")..place("Discovering process types") + 1);
}

fn many_times() {
    let Some(rig) = Rig::new(Beginning::Empty) else { return };
    let (mut killed, mut left) = (0, 0);
    for number in (1..=cold_events()).step_by(2) {
        let mut build = Watched::start(&mut rig.build());
        build.reads(number);
        build.kill_all(rig.root());
        // What one has found out about the machine the next one doesn't tell again, so it is sooner at its end.
        if !names(&rig.app.store.join("v1/layers/runtime")).is_empty() {
            break;
        }
        killed += 1;
        left += names(&rig.app.store.join("v1/tmp")).len();
    }
    eprintln!("killed {killed} builds in one store, which left {left} directories in all");
    assert!(killed >= 3 && left > 0, "nothing was being made");
    rig.builds(&clean().sha256, &format!("{killed} kills"));
}

/// How many files are below a directory.
fn count(dir: &Path) -> usize {
    walkdir::WalkDir::new(dir).into_iter().flatten().filter(|entry| !entry.file_type().is_dir()).count()
}

/// What grows, and up to where.
type Growth = (&'static str, Beginning, fn(&Rig) -> usize, &'static [usize]);

fn while_files_appear() {
    let Some(rig) = Rig::new(Beginning::Empty) else { return };
    let growths: [Growth; 3] = [
        ("tmp", Beginning::Empty, |rig| count(&rig.app.store.join("v1/tmp")), &[1, 300]),
        ("tmp", Beginning::WithRuntime, |rig| count(&rig.app.store.join("v1/tmp")), &[1, 100, 500]),
        ("out", Beginning::WithRuntime, |rig| names(&rig.app.out).len(), &[1]),
    ];
    let mut killed = 0;
    for (what, beginning, measure, thresholds) in growths {
        for threshold in thresholds {
            rig.begin(beginning);
            let mut build = Watched::start(&mut rig.build());
            let start = Instant::now();
            while measure(&rig) < *threshold
                && build.child.try_wait().unwrap().is_none()
                && start.elapsed() < Duration::from_secs(60)
            {}
            killed += u32::from(build.kill_all(rig.root()));
            rig.builds(&clean().sha256, &format!("{threshold} files in {what}, {beginning:?}"));
        }
    }
    eprintln!("killed {killed} of 6 builds while files appeared");
    assert!(killed >= 3, "only {killed} builds were killed in time");
}

/// A classic build: its app, a cache, and a new build directory each time.
struct Classic {
    rig: Rig,
    cache: PathBuf,
    builds: usize,
}

impl Classic {
    fn new(python: &str) -> Self {
        let files = [
            (".python-version", python),
            ("requirements.txt", "shelf==1.0\n"),
            ("Procfile", "web: python app.py\n"),
            ("app.py", "import shelf\n"),
            ("bin/post_compile", "python -c 'import shelf'\necho made > late.txt\n"),
        ];
        let mut rig = Rig::with(TestApp::new(&files));
        rig.app.set("STACK", "heroku-24");
        let cache = rig.root().join("cache");
        Self { rig, cache, builds: 0 }
    }

    fn begin(&self) {
        let _ = fs::remove_dir_all(&self.cache);
        warm_cache(&self.cache);
    }

    fn compile(&mut self) -> (Command, PathBuf) {
        self.builds += 1;
        let dir = self.rig.root().join(format!("build_{}", self.builds));
        fs::create_dir(&dir).unwrap();
        crate::support::copy_as_it_is(&self.rig.app.dir, &dir);
        let words = ["classic", "compile", dir.to_str().unwrap(), self.cache.to_str().unwrap()];
        (self.rig.app.command(&words), dir)
    }
}

/// Every file of a directory with its permissions and content.
fn listing(dir: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let entries = walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name().into_iter().flatten();
    let line = |entry: walkdir::DirEntry| {
        let name = entry.path().strip_prefix(dir).unwrap().display().to_string();
        let kind = entry.file_type();
        let content = if kind.is_file() {
            sha256_of(entry.path())
        } else if kind.is_symlink() {
            fs::read_link(entry.path()).unwrap().display().to_string()
        } else {
            String::new()
        };
        let mode = entry.metadata().unwrap().permissions().mode();
        format!("{name} {mode:o} {content}")
    };
    entries.map(line).collect()
}

fn of_the_classic_buildpack() {
    let Some(python) = python_minor() else { return };
    let mut classic = Classic::new(python);
    classic.begin();
    let (mut command, dir) = classic.compile();
    let log = run(&mut command).success();
    let expected = listing(&dir);
    assert!(expected.iter().any(|line| line.contains("late.txt")), "{}", log.stdout);
    let mut killed = 0;
    let lines = log.stdout.lines().count();
    for number in (1..=lines).step_by(2) {
        classic.begin();
        let (mut command, _) = classic.compile();
        let mut build = Watched::start(&mut command);
        build.reads(number);
        let after = format!("line {number}: {:?}", build.seen.last());
        killed += u32::from(build.kill_all(classic.rig.root()));
        let (mut command, dir) = classic.compile();
        let run = run(&mut command);
        assert_eq!(run.code, Some(0), "{after}: {}", run.stdout);
        let found = listing(&dir);
        assert!(found == expected, "{after}: other files");
        assert_eq!(names(&classic.cache.join(".slugc/v1/tmp")), [""; 0], "{after}: the cache");
        assert_eq!(names(&classic.rig.temp), [""; 0], "{after}: temporary files");
        for number in [classic.builds, classic.builds - 1] {
            fs::remove_dir_all(classic.rig.root().join(format!("build_{number}"))).unwrap();
        }
    }
    eprintln!("killed {killed} classic builds after {lines} lines");
    assert!(killed >= 4, "only {killed} builds were killed in time");
}

fn with_real_packages() {
    let rig = Rig::with(TestApp::online("flask-getting-started"));
    let first = run(&mut rig.build()).success();
    let sha256 = first.event("finished")["sha256"].as_str().unwrap().to_owned();
    let total = first.events().len();
    rig.begin(Beginning::Empty);
    // In one store: what a build has finished before it was killed, the next one needn't fetch.
    let mut killed = 0;
    for number in (1..total).step_by(3) {
        let mut build = Watched::start(&mut rig.build());
        build.reads(number);
        // Not at the event, but in the midst of what it announces.
        std::thread::sleep(Duration::from_millis(50 * (number as u64 % 7)));
        killed += u32::from(build.kill_all(rig.root()));
        if rig.app.slug().exists() {
            assert_eq!(sha256_of(&rig.app.slug()), sha256, "half a slug after event {number}");
        }
    }
    eprintln!("killed {killed} real builds of {total} events");
    assert!(killed >= 3, "only {killed} builds were killed in time");
    rig.builds(&sha256, "real packages");
}
