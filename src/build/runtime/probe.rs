//! Asking an interpreter what it is: one process, isolated from its packages and from the environment.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::prune::is_part_of_interpreter;
use crate::env::{Env, Interrupted};
use crate::host::process::{Invocation, RunError, capture_within};
use crate::output::Output;
use crate::python::version::PythonVersion;

/// The modules that Heroku's tests expect of a runtime, and that depend on how it was built.
pub(crate) const MODULES: &[&str] = &[
    "_uuid",
    "bz2",
    "compression.zstd",
    "crypt",
    "ctypes",
    "curses",
    "dbm.gnu",
    "dbm.ndbm",
    "decimal",
    "hashlib",
    "lzma",
    "readline",
    "sqlite3",
    "ssl",
    "xml.parsers.expat",
    "zlib",
];

/// An interpreter that answers in a second does so in ten on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// An interpreter of this machine that a runtime can be made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostInterpreter {
    /// Its file, without links on the way.
    pub executable: PathBuf,
    /// Its full version.
    pub version: PythonVersion,
    /// The directory it is installed in.
    pub prefix: PathBuf,
    /// Its standard library: `lib/python3.X` in the prefix.
    pub stdlib: PathBuf,
    /// Whether it is Debian's or Ubuntu's own, with their changes to where packages go.
    pub is_debian: bool,
    /// The shared library it was built with, if it is there; the executable needn't use it.
    pub libpython: Option<PathBuf>,
    /// The directory of its C headers, if they are there.
    pub include: Option<PathBuf>,
    /// The directory of its pkg-config files, if it is there.
    pub pkgconfig: Option<PathBuf>,
    /// Where the distribution keeps pip's wheel, if it isn't in ensurepip.
    pub wheels: Option<PathBuf>,
    /// The name of the machine in Debian's directories, such as `x86_64-linux-gnu`.
    pub multiarch: String,
    /// Those of [`MODULES`] that it can import.
    pub modules: Vec<String>,
    /// Changes when the interpreter does: a hash of its version, build, platform, program, library and
    /// the names in its standard library. Where it is installed doesn't count.
    pub fingerprint: String,
}

impl HostInterpreter {
    /// Returns the name of its program and its directories: `python3.13`.
    pub(crate) fn name(&self) -> String {
        format!("python{}", self.version.minor_version())
    }
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    /// It can be used.
    Usable(Box<HostInterpreter>),
    /// It works, and isn't an interpreter that a runtime can be made from.
    Unsuitable,
    /// It doesn't work, which may change without a change to its file.
    Broken,
    /// It took too long, which says more about the machine.
    Slow,
}

/// Asks the program of this path, whose links are resolved.
pub(super) fn probe(executable: &Path, env: &Env, output: &Output) -> Result<Answer, Interrupted> {
    let invocation = Invocation::new(executable)
        .args(["-I", "-S", "-B", "-c", include_str!("probe.py")])
        .args(MODULES.iter().copied());
    let captured = match capture_within(LIMIT, &invocation, env, output) {
        Ok(captured) => captured,
        Err(RunError::Interrupted(interrupted)) => return Err(interrupted),
        Err(RunError::TookTooLong { .. }) => return Ok(Answer::Slow),
        Err(_) => return Ok(Answer::Broken),
    };
    let text = captured.text();
    let Some(facts) = text.lines().last().and_then(|line| serde_json::from_str::<Facts>(line).ok()) else {
        return Ok(Answer::Unsuitable);
    };
    let interpreter = facts.into_interpreter(executable);
    Ok(interpreter.map_or(Answer::Unsuitable, |interpreter| Answer::Usable(Box::new(interpreter))))
}

#[derive(Debug, Clone, Deserialize)]
struct Facts {
    implementation: String,
    version: (u64, u64, u64),
    is_final: bool,
    build: String,
    platform: String,
    soabi: String,
    abiflags: String,
    prefix: PathBuf,
    base_prefix: PathBuf,
    base_exec_prefix: PathBuf,
    stdlib: PathBuf,
    schemes: Vec<String>,
    library: String,
    library_dir: PathBuf,
    pkgconfig_dir: PathBuf,
    wheel_dir: PathBuf,
    multiarch: String,
    modules: Vec<String>,
}

impl Facts {
    /// Returns the interpreter, if it is one that the copying knows the layout of: a released CPython 3.10
    /// or newer for Linux, all in one prefix, without free threading or debug checks.
    fn is_suitable(&self) -> bool {
        let (major, minor, _) = self.version;
        self.implementation == "cpython"
            && major == 3
            && minor >= 10
            && self.is_final
            && self.abiflags.is_empty()
            && self.platform.starts_with("linux-")
            && self.prefix == self.base_prefix
            && self.prefix == self.base_exec_prefix
            && self.stdlib == self.prefix.join(format!("lib/python{major}.{minor}"))
    }

    fn into_interpreter(self, executable: &Path) -> Option<HostInterpreter> {
        if !self.is_suitable() {
            return None;
        }
        let (major, minor, patch) = self.version;
        let lib = self.prefix.join("lib");
        // What the build says can be out of date: an installation that was moved is right about itself.
        let libpython = [&lib, &self.library_dir].map(|dir| dir.join(&self.library));
        let is_shared = self.library.contains(".so");
        let mut interpreter = HostInterpreter {
            executable: executable.to_owned(),
            version: PythonVersion { major, minor, patch },
            is_debian: self.schemes.iter().any(|scheme| scheme == "deb_system"),
            libpython: libpython.into_iter().find(|path| is_shared && path.is_file()),
            include: existing_dir(self.prefix.join(format!("include/python{major}.{minor}"))),
            pkgconfig: existing_dir(lib.join("pkgconfig"))
                .filter(|dir| dir.join(format!("python-{major}.{minor}.pc")).is_file())
                .or_else(|| existing_dir(self.pkgconfig_dir.clone())),
            wheels: existing_dir(self.wheel_dir.clone()).filter(|dir| dir.is_absolute()),
            prefix: self.prefix.clone(),
            stdlib: self.stdlib.clone(),
            multiarch: self.multiarch.clone(),
            modules: self.modules.clone(),
            fingerprint: String::new(),
        };
        interpreter.fingerprint = self.fingerprint(&interpreter).ok()?;
        Some(interpreter)
    }

    fn fingerprint(&self, interpreter: &HostInterpreter) -> io::Result<String> {
        let mut hasher = Sha256::new();
        for text in [&self.build, &self.platform, &self.soabi] {
            hasher.update(text.as_bytes());
            hasher.update([0]);
        }
        for file in [Some(&interpreter.executable), interpreter.libpython.as_ref()].into_iter().flatten() {
            hasher.update(Sha256::digest(fs::read(file)?));
        }
        // A module that was added by another package of the distribution (tkinter, distutils).
        for dir in [interpreter.stdlib.clone(), interpreter.stdlib.join("lib-dynload")] {
            for (name, size) in listing(&dir)? {
                hasher.update(&name);
                hasher.update([0]);
                hasher.update(size.to_le_bytes());
            }
        }
        Ok(hex::encode(hasher.finalize()))
    }
}

fn listing(dir: &Path) -> io::Result<BTreeMap<Vec<u8>, u64>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_part_of_interpreter(&name) {
            // The size of a directory depends on the file system; a link may lead nowhere.
            let metadata = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file);
            names.insert(name.as_bytes().to_vec(), metadata.map_or(0, |metadata| metadata.len()));
        }
    }
    Ok(names)
}

fn existing_dir(path: PathBuf) -> Option<PathBuf> {
    Some(path).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_layout_that_can_be_copied_is_suitable() {
        let facts = Facts {
            implementation: "cpython".into(),
            version: (3, 12, 1),
            is_final: true,
            build: "3.12.1 (main)".into(),
            platform: "linux-x86_64".into(),
            soabi: "cpython-312-x86_64-linux-gnu".into(),
            abiflags: String::new(),
            prefix: "/p".into(),
            base_prefix: "/p".into(),
            base_exec_prefix: "/p".into(),
            stdlib: "/p/lib/python3.12".into(),
            schemes: Vec::new(),
            library: String::new(),
            library_dir: PathBuf::new(),
            pkgconfig_dir: PathBuf::new(),
            wheel_dir: PathBuf::new(),
            multiarch: String::new(),
            modules: Vec::new(),
        };
        assert!(facts.is_suitable());
        type Change = fn(&mut Facts);
        let changes: [(&str, Change); 9] = [
            ("pypy", |facts| facts.implementation = "pypy".into()),
            ("3.9", |facts| facts.version = (3, 9, 18)),
            ("4.0", |facts| facts.version = (4, 0, 0)),
            ("alpha", |facts| facts.is_final = false),
            ("free-threaded", |facts| facts.abiflags = "t".into()),
            ("macos", |facts| facts.platform = "macosx-14.0-arm64".into()),
            ("venv", |facts| facts.prefix = "/venv".into()),
            ("two prefixes", |facts| facts.base_exec_prefix = "/other".into()),
            ("lib64", |facts| facts.stdlib = "/p/lib64/python3.12".into()),
        ];
        for (name, change) in changes {
            let mut facts = facts.clone();
            change(&mut facts);
            assert!(!facts.is_suitable(), "{name}");
        }
    }
}
