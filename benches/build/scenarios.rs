//! What can have happened to an app since the last build, and what slugc takes for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apps::App;
use crate::measure::{Best, must};
use crate::world::{SLUGC, clean, empty, only_entry, read_manifest, set_aside, unpack_buildpack, uv};

/// What is added as one more dependency: small, so that what is measured is what it costs the others.
const ADDED: &str = "python-dotenv==1.0.1";

/// A build without changes is short: it is repeated so often in each round.
const REPEATED: usize = 3;

/// A slug, as its manifest has it, and what it could have been built with instead.
pub(crate) struct First {
    /// The version of Python.
    pub(crate) python: String,
    /// Another one that this machine has.
    pub(crate) other_python: Option<String>,
    /// In bytes.
    pub(crate) size: u64,
    /// The same of the tar file inside.
    pub(crate) uncompressed_size: u64,
    /// How many there are.
    pub(crate) files: u64,
}

/// One app's builds.
pub(crate) struct Scenarios<'a> {
    app: &'a App,
    work: PathBuf,
    changes: usize,
    /// Where the slug of the last build is.
    pub(crate) slug: PathBuf,
    /// Empty store, nothing downloaded.
    pub(crate) cold: Best,
    /// Empty store, what was downloaded is there.
    pub(crate) downloaded: Best,
    /// Nothing has changed.
    pub(crate) unchanged: Best,
    /// One line of the app has.
    pub(crate) line: Best,
    /// One more distribution is required.
    pub(crate) added: Best,
    /// Another version of one is required.
    pub(crate) upgraded: Best,
    /// Another Python is.
    pub(crate) python: Best,
    /// What the first build has made.
    pub(crate) first: Option<First>,
    /// `bin/compile` with an empty cache.
    pub(crate) compile: Best,
    /// `bin/compile` with the cache of the build before.
    pub(crate) recompile: Best,
}

impl<'a> Scenarios<'a> {
    /// Prepares to build below a directory.
    pub(crate) fn new(app: &'a App, work: &Path) -> Self {
        Self {
            app,
            work: work.to_owned(),
            changes: 0,
            slug: work.join("slug.tgz"),
            cold: Best::default(),
            downloaded: Best::default(),
            unchanged: Best::default(),
            line: Best::default(),
            added: Best::default(),
            upgraded: Best::default(),
            python: Best::default(),
            first: None,
            compile: Best::default(),
            recompile: Best::default(),
        }
    }

    fn store(&self) -> PathBuf {
        self.work.join("store/v1")
    }

    /// Returns the uv that a build has fetched.
    pub(crate) fn uv(&self) -> PathBuf {
        only_entry(&self.store().join("layers/uv")).join("bin/uv")
    }

    fn build(&self) -> Command {
        let mut command = clean(SLUGC, &self.work.join("home"));
        command.arg("build").arg(&self.app.dir).arg("-o").arg(&self.slug).args(["--max-size", "16G"]);
        command
            .args(["--timeout", "0", "--cache-limit", "0"])
            .env("SLUGC_CACHE_DIR", self.work.join("store"));
        command
    }

    /// Builds with nothing there at all.
    pub(crate) fn cold(&mut self) {
        for dir in ["store", "home"] {
            empty(&self.work.join(dir));
        }
        let taken = must(&mut self.build());
        self.cold.add(taken);
        if self.first.is_none() {
            let manifest = read_manifest(&self.slug);
            let python = manifest["python"]["version"].as_str().unwrap().to_owned();
            let number = |name: &str| manifest[name].as_u64().unwrap();
            self.first = Some(First {
                other_python: self.other_python(&python),
                python,
                size: number("size"),
                uncompressed_size: number("uncompressed_size"),
                files: number("files"),
            });
        }
    }

    /// Builds with uv's cache and the downloads, and nothing else.
    pub(crate) fn with_downloads(&mut self) {
        for entry in fs::read_dir(self.store()).unwrap() {
            let path = entry.unwrap().path();
            // The second says that the first can be trusted.
            let is_kept = ["uv", "uv.written", "downloads"].iter().any(|kept| path.ends_with(kept));
            if !is_kept {
                set_aside(&path);
            }
        }
        let taken = must(&mut self.build());
        self.downloaded.add(taken);
    }

    /// Builds again and again, with something changed each time.
    pub(crate) fn rebuilds(&mut self) {
        for _ in 0..REPEATED {
            let taken = must(&mut self.build());
            self.unchanged.add(taken);
        }
        for _ in 0..REPEATED {
            self.changes += 1;
            self.app.change_a_line(self.changes);
            let taken = must(&mut self.build());
            self.line.add(taken);
        }
        self.download(ADDED);
        self.app.add(ADDED);
        let taken = must(&mut self.build());
        self.added.add(taken);
        if let Some((from, to)) = self.app.upgrade {
            self.download(to);
            self.app.upgrade(from, to);
            let taken = must(&mut self.build());
            self.upgraded.add(taken);
        }
        self.app.reset_requirements();
        if let Some(other) = self.first.as_ref().and_then(|first| first.other_python.as_ref()) {
            let (file, before) = self.app.version_file();
            fs::write(&file, format!("{other}\n")).unwrap();
            let taken = must(&mut self.build());
            self.python.add(taken);
            match before {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
        }
    }

    /// Builds as a platform does it, twice, with a new copy of the app each time.
    pub(crate) fn classic(&mut self) {
        let (buildpack, cache) = (unpack_buildpack(&self.work), self.work.join("classic cache"));
        let (build_dir, env_dir) = (self.work.join("build"), self.work.join("env"));
        for dir in [&cache, &env_dir, &self.work.join("home")] {
            empty(dir);
        }
        let compile = || {
            set_aside(&build_dir);
            must(Command::new("cp").arg("-a").arg(&self.app.dir).arg(&build_dir));
            let mut command = clean(buildpack.join("bin/compile"), &self.work.join("home"));
            must(command.arg(&build_dir).arg(&cache).arg(&env_dir))
        };
        let (first, again) = (compile(), compile());
        self.compile.add(first);
        self.recompile.add(again);
        set_aside(&build_dir);
    }

    /// Gets a distribution into uv's cache, and nowhere else.
    fn download(&self, requirement: &str) {
        let scratch = self.work.join("scratch");
        let mut command = uv(&self.uv(), &self.work.join("home"), &self.store().join("uv"));
        let python = only_entry(&self.store().join("layers/runtime")).join("tree/.heroku/python/bin/python3");
        command.args(["pip", "install", "--no-deps", "--python"]).arg(python).arg("--target").arg(&scratch);
        must(command.arg(requirement));
        set_aside(&scratch);
    }

    /// Finds another Python that this app could be built with: best another patch of the same minor version.
    fn other_python(&self, base: &str) -> Option<String> {
        let (minor, patch) = base.rsplit_once('.')?;
        let patches = (0..30).rev().map(|number| number.to_string()).filter(|number| number != patch);
        let patches = patches.map(|number| format!("{minor}.{number}"));
        let minors = (10..=14).rev().map(|number| format!("3.{number}")).filter(|other| other != minor);
        patches.chain(minors).find(|version| {
            let probe = self.work.join("probe");
            empty(&probe);
            fs::write(probe.join("requirements.txt"), "").unwrap();
            fs::write(probe.join(".python-version"), version).unwrap();
            let mut command = clean(SLUGC, &self.work.join("home"));
            command.arg("plan").arg(&probe).env("SLUGC_CACHE_DIR", self.work.join("store"));
            command.output().unwrap().status.success()
        })
    }
}
