//! What one would do without slugc, with the slug's own Python and the uv that slugc has fetched: install, then pack
//! what is in the slug.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apps::App;
use crate::measure::{Best, Taken, must};
use crate::scenarios::Scenarios;
use crate::world::{clean, empty, set_aside, uv};

/// By hand, in two ways.
pub(crate) struct Baselines<'a> {
    app: &'a App,
    work: PathBuf,
    tree: PathBuf,
    uv: PathBuf,
    /// `pip install` with a warm cache.
    pub(crate) pip: Best,
    /// `tar czf`.
    pub(crate) gzip: Best,
    /// `uv pip install --compile-bytecode` with an empty cache.
    pub(crate) uv_cold: Best,
    /// The same with a warm one.
    pub(crate) uv_warm: Best,
    /// `tar` and the packer that works on all cores.
    pub(crate) pigz: Best,
    /// That packer.
    pub(crate) packer: &'static str,
    /// What `tar czf` has made, in bytes.
    pub(crate) packed: u64,
}

impl<'a> Baselines<'a> {
    /// Unpacks the slug of the last build, and fills pip's cache.
    pub(crate) fn new(app: &'a App, scenarios: &Scenarios<'_>, work: &Path) -> Self {
        let (tree, uv) = (work.join("tree"), work.join("uv"));
        empty(&tree);
        must(Command::new("tar").arg("xzf").arg(&scenarios.slug).arg("-C").arg(&tree));
        fs::copy(scenarios.uv(), &uv).unwrap();
        let has_pigz = Command::new("pigz").arg("--version").output().is_ok();
        let baselines = Self {
            app,
            work: work.to_owned(),
            tree,
            uv,
            pip: Best::default(),
            gzip: Best::default(),
            uv_cold: Best::default(),
            uv_warm: Best::default(),
            pigz: Best::default(),
            packer: if has_pigz { "pigz" } else { "gzip" },
            packed: 0,
        };
        empty(&baselines.home());
        baselines.install_by_pip();
        baselines
    }

    fn home(&self) -> PathBuf {
        self.work.join("home by hand")
    }

    fn python(&self) -> PathBuf {
        self.tree.join("app/.heroku/python/bin/python3")
    }

    /// Returns what the first way takes: pip, then `tar czf`.
    pub(crate) fn pip_and_tar(&self) -> Taken {
        self.pip.0.unwrap().then(self.gzip.0.unwrap())
    }

    /// Returns what the second way takes with nothing there.
    pub(crate) fn cold_uv_and_pigz(&self) -> Taken {
        self.uv_cold.0.unwrap().then(self.pigz.0.unwrap())
    }

    /// Returns what the second way takes with a warm cache.
    pub(crate) fn warm_uv_and_pigz(&self) -> Taken {
        self.uv_warm.0.unwrap().then(self.pigz.0.unwrap())
    }

    /// Installs with nothing downloaded yet.
    pub(crate) fn with_an_empty_cache(&mut self) {
        empty(&self.work.join("uv cache"));
        let taken = self.install_by_uv();
        self.uv_cold.add(taken);
    }

    /// Installs with everything downloaded, and packs.
    pub(crate) fn with_a_warm_cache(&mut self) {
        let taken = self.install_by_pip();
        self.pip.add(taken);
        let taken = self.install_by_uv();
        self.uv_warm.add(taken);
        let packed = self.work.join("by-hand.tgz");
        let tar = || {
            let mut command = Command::new("tar");
            command.arg("-C").arg(&self.tree);
            command
        };
        let taken = must(tar().arg("-czf").arg(&packed).arg("./app"));
        self.packed = fs::metadata(&packed).unwrap().len();
        let parallel = must(tar().arg("-I").arg(self.packer).arg("-cf").arg(&packed).arg("./app"));
        self.gzip.add(taken);
        self.pigz.add(parallel);
    }

    fn target(&self) -> PathBuf {
        let target = self.work.join("installed");
        set_aside(&target);
        target
    }

    fn install_by_pip(&self) -> Taken {
        let mut command = clean(self.python(), &self.home());
        command.args(["-m", "pip", "install", "--quiet", "--no-input", "--root-user-action=ignore"]);
        command.arg("--ignore-installed").arg("--prefix").arg(self.target());
        self.requirements(command)
    }

    fn install_by_uv(&self) -> Taken {
        let mut command = uv(&self.uv, &self.home(), &self.work.join("uv cache"));
        command.args(["pip", "install", "--quiet", "--compile-bytecode", "--python"]).arg(self.python());
        command.arg("--prefix").arg(self.target());
        self.requirements(command)
    }

    fn requirements(&self, mut command: Command) -> Taken {
        must(command.arg("-r").arg(self.app.dir.join("requirements.txt")).current_dir(&self.app.dir))
    }
}
