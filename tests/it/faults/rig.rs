//! An app that has a bit of everything, with a store, a temporary directory and an output of its own, so that whatever
//! is left behind can be seen.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::buildpack::made_once;
use crate::support::{Run, TestApp, copy_as_it_is, link_as_it_is, python_minor, run};

/// The app, and where it leaves things.
pub(super) struct Rig {
    pub(super) app: TestApp,
    /// What the machine's directory for temporary files is for this app.
    pub(super) temp: PathBuf,
}

/// What a build to which nothing happens says.
pub(super) struct Clean {
    pub(super) sha256: String,
    /// Its lines of output, one event each.
    pub(super) events: Vec<serde_json::Value>,
}

/// Whether a store has a runtime in it at the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    Empty,
    WithRuntime,
}

const HOOK: (&str, &str) =
    ("bin/post_compile", "#!/usr/bin/env bash\nset -eu\npython -c 'import shelf'\necho made > late.txt\n");

impl Rig {
    /// An app with a hook, packages, process types and ignored files; none if there is no Python here.
    pub(super) fn new(beginning: Beginning) -> Option<Self> {
        Self::of(&[HOOK], beginning)
    }

    /// The same without a hook: few writes, but for what is compiled and compressed.
    pub(super) fn plain(beginning: Beginning) -> Option<Self> {
        Self::of(&[], beginning)
    }

    fn of(more: &[(&str, &str)], beginning: Beginning) -> Option<Self> {
        let python = python_minor()?;
        let files = [
            (".python-version", python),
            ("requirements.txt", "shelf==1.0\n"),
            ("Procfile", "web: python app.py\n"),
            (".slugignore", "docs\n"),
            ("docs/page.md", "not in the slug\n"),
            ("app.py", "import shelf\n"),
        ];
        let rig = Self::with(TestApp::new(&[&files[..], more].concat()));
        rig.begin(beginning);
        Some(rig)
    }

    /// An app with a store and a temporary directory of its own, and a uv that installs a small package.
    pub(super) fn with(mut app: TestApp) -> Self {
        let root = app.out.parent().unwrap().to_owned();
        app.store = root.join("store");
        app.set("SLUGC_CACHE_DIR", app.store.clone());
        let temp = root.join("temp");
        fs::create_dir(&temp).unwrap();
        app.set("TMPDIR", temp.clone());
        if let (Some(uv), Some(python)) = (app.env.get(OsStr::new("SLUGC_UV")), python_minor()) {
            let script = format!(
                "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; exit; fi\n\
                 case \" $* \" in *requirements.txt*) ;; *) exit ;; esac\n\
                 while [ $# -gt 0 ]; do [ \"$1\" = --prefix ] && prefix=$2; shift; done\n\
                 to=\"$prefix/lib/python{python}/site-packages\"\n\
                 mkdir -p \"$to/shelf\" \"$to/shelf-1.0.dist-info\"\n\
                 echo 'BOOKS = 3' >\"$to/shelf/__init__.py\"\necho 'x = 1' >\"$to/shelf/part.py\"\n\
                 printf 'Metadata-Version: 2.1\\nName: shelf\\nVersion: 1.0\\n' >\"$to/shelf-1.0.dist-info/METADATA\"\n\
                 printf 'shelf/__init__.py,,\\nshelf/part.py,,\\nshelf-1.0.dist-info/METADATA,,\\n' \
                 >\"$to/shelf-1.0.dist-info/RECORD\"\n"
            );
            fs::write(uv, script).unwrap();
        }
        Self { app, temp }
    }

    /// Puts the store back to its beginning.
    pub(super) fn begin(&self, beginning: Beginning) {
        let (store, runtimes) = (&self.app.store, self.root().join("runtimes"));
        let inside = store.join("v1/layers/runtime");
        if inside.exists() {
            let _ = fs::remove_dir_all(&runtimes);
            fs::rename(&inside, &runtimes).unwrap();
        }
        let _ = fs::remove_dir_all(store);
        if beginning == Beginning::WithRuntime {
            let whole = store_with_runtime();
            fs::create_dir(store).unwrap();
            copy_as_it_is(&whole.rest, store);
            // Linking a thousand files each time would be most of the work: it is the same one all along.
            if !runtimes.exists() {
                fs::create_dir(&runtimes).unwrap();
                link_as_it_is(&whole.runtimes, &runtimes);
            }
            fs::rename(&runtimes, &inside).unwrap();
        }
        for name in ["slug.tgz", "slug.tgz.json"] {
            let _ = fs::remove_file(self.app.out.join(name));
        }
    }

    /// Describes a build of the app that writes events.
    pub(super) fn build(&self) -> Command {
        let (dir, slug) = (&self.app.dir, self.app.slug());
        self.app.command(&["build", dir.to_str().unwrap(), "--format", "json", "-o", slug.to_str().unwrap()])
    }

    /// The directory that all of this is in; nobody else's processes know it.
    pub(super) fn root(&self) -> &Path {
        self.app.out.parent().unwrap()
    }

    /// Fails unless a build works, gives this slug, and leaves nothing.
    #[track_caller]
    pub(super) fn builds(&self, sha256: &str, after: &str) -> Run {
        let run = run(&mut self.build());
        assert_eq!(run.code, Some(0), "{after}: {}\n{}", run.stdout, run.stderr);
        assert_eq!(run.event("finished")["sha256"], sha256, "{after}: another slug");
        assert_eq!(sha256_of(&self.app.slug()), sha256, "{after}: the slug isn't what was said");
        self.assert_nothing_left(after);
        run
    }

    /// Fails if there are processes or temporary files.
    #[track_caller]
    pub(super) fn assert_nothing_left(&self, after: &str) {
        assert_eq!(processes_of(self.root()), [], "{after}: processes");
        assert_eq!(names(&self.app.store.join("v1/tmp")), [""; 0], "{after}: the store's tmp/");
        assert_eq!(names(&self.temp), [""; 0], "{after}: temporary files");
        let beside = names(&self.app.out);
        assert!(
            beside.iter().all(|name| ["slug.tgz", "slug.tgz.json"].contains(&name.as_str())),
            "{after}: {beside:?}"
        );
    }
}

/// What a build in a store of its own says, made once.
pub(super) fn clean() -> &'static Clean {
    static CLEAN: OnceLock<Clean> = OnceLock::new();
    CLEAN.get_or_init(|| undisturbed(&Rig::new(Beginning::Empty).unwrap()))
}

/// What a build in a store that has a runtime says, made once.
pub(super) fn clean_warm() -> &'static Clean {
    static CLEAN: OnceLock<Clean> = OnceLock::new();
    CLEAN.get_or_init(|| {
        let warm = undisturbed(&Rig::new(Beginning::WithRuntime).unwrap());
        assert_eq!(warm.sha256, clean().sha256, "what is in the store changes the slug");
        warm
    })
}

/// What a build of the app without a hook says, made once.
pub(super) fn clean_plain() -> &'static Clean {
    static CLEAN: OnceLock<Clean> = OnceLock::new();
    CLEAN.get_or_init(|| undisturbed(&Rig::plain(Beginning::WithRuntime).unwrap()))
}

fn undisturbed(rig: &Rig) -> Clean {
    let run = run(&mut rig.build()).success();
    rig.assert_nothing_left("nothing at all");
    let sha256 = run.event("finished")["sha256"].as_str().unwrap().to_owned();
    Clean { sha256, events: run.events() }
}

/// A store with a runtime, in two parts.
struct Whole {
    /// Its layers of the kind `runtime`.
    runtimes: PathBuf,
    /// Everything else.
    rest: PathBuf,
}

fn store_with_runtime() -> &'static Whole {
    static STORE: OnceLock<Whole> = OnceLock::new();
    STORE.get_or_init(|| {
        let made = made_once("faults-store", |dir| {
            let python = python_minor().unwrap();
            let app = TestApp::new(&[(".python-version", python), ("requirements.txt", "")]);
            let mut rig = Rig::with(app);
            rig.app.set("SLUGC_CACHE_DIR", dir.join("rest"));
            run(&mut rig.build()).success();
            fs::rename(dir.join("rest/v1/layers/runtime"), dir.join("runtimes")).unwrap();
        });
        Whole { runtimes: made.join("runtimes"), rest: made.join("rest") }
    })
}

/// Returns the directory in which `python` is, and its version.
pub(super) fn python_of_store() -> (PathBuf, String) {
    let app = TestApp::new(&[(".python-version", python_minor().unwrap()), ("requirements.txt", "")]);
    let plan = app.run(&["plan", app.dir.to_str().unwrap(), "--format", "json"]).success().stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let runtime = fs::read_dir(&store_with_runtime().runtimes).unwrap().next().unwrap().unwrap().path();
    (runtime.join("tree/.heroku"), plan["runtime"]["version"].as_str().unwrap().to_owned())
}

/// A program that runs, and whose lines are read one by one.
pub(super) struct Watched {
    pub(super) child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    pub(super) seen: Vec<String>,
}

impl Watched {
    /// Starts it in a process group of its own.
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for this many lines; false if it ended before.
    pub(super) fn reads(&mut self, count: usize) -> bool {
        while self.seen.len() < count {
            match self.lines.next() {
                Some(line) => self.seen.push(line.unwrap()),
                None => return false,
            }
        }
        true
    }

    pub(super) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; fails if it takes longer than anybody would wait.
    #[track_caller]
    pub(super) fn ends_within(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            assert!(start.elapsed() < limit, "it still runs after {limit:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it and every process that knows this directory, as the end of a container does. Returns whether it ran.
    pub(super) fn kill_all(mut self, root: &Path) -> bool {
        let ran = self.child.try_wait().unwrap().is_none();
        let _ = self.child.kill();
        self.child.wait().unwrap();
        wait_for("the end of all processes", || {
            let processes = processes_of(root);
            for pid in &processes {
                let _ = kill_process(*pid, Signal::KILL);
            }
            processes.is_empty()
        });
        ran
    }
}

pub(super) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}: not within a minute");
}

/// The processes in whose command line or environment a directory is.
pub(super) fn processes_of(root: &Path) -> Vec<Pid> {
    let root = root.to_str().unwrap();
    let mentions = |path: &Path, file: &str| {
        let bytes = fs::read(path.join(file)).unwrap_or_default();
        bytes.windows(root.len()).any(|window| window == root.as_bytes())
    };
    let of_entry = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let path = entry.path();
        (mentions(&path, "cmdline") || mentions(&path, "environ")).then_some(pid)
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of_entry).collect()
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

pub(super) fn sha256_of(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(fs::read(path).unwrap()))
}
