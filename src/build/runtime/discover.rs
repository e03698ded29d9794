//! Finding the Python interpreters of this machine: pyenv's, the system's, and those on PATH.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::RuntimeError;
pub(crate) use super::probe::HostInterpreter;
use super::probe::{Answer, probe};
use crate::env::{Env, Interrupted};
use crate::host::clock;
use crate::host::elf::is_elf;
use crate::output::Output;
use crate::store::Store;

/// The kind of the store's documents that remember the interpreters.
const KIND: &str = "interpreters";
/// Another form of what is remembered, or another question, gets another number.
const FORM: u32 = 1;
/// How long it is remembered that a program doesn't work: the library it lacks may come.
const BROKEN_FOR_SECONDS: u64 = 24 * 60 * 60;

/// Finds the interpreters that a runtime can be made from, newest version first; among equal ones pyenv's
/// first and Debian's last. What was found is remembered in the store: a program is only started if it is
/// new or has changed. Programs that don't work are left out.
pub(crate) fn discover(
    env: &Env,
    store: &Store,
    output: &Output,
) -> Result<Vec<HostInterpreter>, RuntimeError> {
    let pyenv = pyenv_root(env);
    let programs = find_programs(&search_path(env, pyenv.as_deref()));
    let mut found: Vec<HostInterpreter> = programs
        .into_par_iter()
        .map(|program| recall_or_probe(&program, env, store, output))
        .collect::<Result<Vec<_>, Interrupted>>()?
        .into_iter()
        .flatten()
        .collect();
    let pyenv = pyenv.and_then(|root| fs::canonicalize(root).ok());
    found.sort_by_key(|interpreter| {
        let is_pyenv = pyenv.as_deref().is_some_and(|root| interpreter.prefix.starts_with(root));
        (
            std::cmp::Reverse(interpreter.version),
            interpreter.is_debian,
            !is_pyenv,
            interpreter.libpython.is_none(),
            interpreter.executable.clone(),
        )
    });
    // Hard links, or a build that was installed twice: one runtime comes of them.
    found.dedup_by(|second, first| (&second.prefix, second.version) == (&first.prefix, first.version));
    Ok(found)
}

fn pyenv_root(env: &Env) -> Option<PathBuf> {
    let named = env.var("PYENV_ROOT").map(PathBuf::from).filter(|root| root.is_absolute());
    named.or_else(|| env.home().map(|home| home.join(".pyenv")))
}

/// Lists the directories that may hold interpreters.
fn search_path(env: &Env, pyenv: Option<&Path>) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    let versions = pyenv.map(|root| root.join("versions"));
    if let Some(Ok(entries)) = versions.map(fs::read_dir) {
        dirs.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    // A shim starts whatever pyenv thinks is right in the current directory.
    let is_shims = |dir: &PathBuf| {
        dir.file_name() == Some(OsStr::new("shims")) && pyenv.is_some_and(|root| dir.starts_with(root))
    };
    dirs.extend(env.path_dirs().into_iter().filter(|dir| !is_shims(dir)));
    dirs.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    dirs
}

/// Returns the programs in these directories that may be interpreters, without links on the way, sorted.
fn find_programs(dirs: &[PathBuf]) -> BTreeSet<PathBuf> {
    let unique: BTreeSet<PathBuf> = dirs.iter().filter_map(|dir| fs::canonicalize(dir).ok()).collect();
    let mut programs = BTreeSet::new();
    for entry in unique.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten() {
        if is_interpreter_name(&entry.file_name())
            && let Some(program) = resolve(&entry.path())
        {
            programs.insert(program);
        }
    }
    programs
}

/// Returns whether a program of this name may be CPython 3.10 or newer: `python`, `python3`, `python3.N`.
fn is_interpreter_name(name: &OsStr) -> bool {
    let Some(version) = name.to_str().and_then(|name| name.strip_prefix("python")) else { return false };
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
    matches!(version, "" | "3") || minor.is_some_and(|minor| minor >= 10)
}

/// Follows links to the program itself, and from a virtual environment to what it was made from.
fn resolve(path: &Path) -> Option<PathBuf> {
    let program = runnable(path)?;
    // Made with links, an environment is behind us already; this one has a copy of the program.
    let config = program.parent()?.parent()?.join("pyvenv.cfg");
    let Ok(config) = fs::read_to_string(config) else { return Some(program) };
    let home = config.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "home");
    let base = runnable(&Path::new(home?.1.trim()).join("python3"))?;
    let is_environment = base.parent()?.parent()?.join("pyvenv.cfg").exists();
    (!is_environment).then_some(base)
}

/// Returns the real path of a file that the kernel itself can run as a program: no script, which might do
/// anything; and whose real name, too, may be an interpreter's.
fn runnable(path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    let metadata = fs::metadata(&real).ok()?;
    if !metadata.is_file()
        || metadata.permissions().mode() & 0o111 == 0
        || !is_interpreter_name(real.file_name()?)
    {
        return None;
    }
    let mut magic = [0; 4];
    File::open(&real).ok()?.read_exact(&mut magic).ok()?;
    is_elf(&magic).then_some(real)
}

/// What is remembered about a program.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    form: u32,
    /// The files and directories that it depends on, as they were: it counts while they all are the same.
    stamps: Vec<Stamp>,
    /// When it is to be tried again, in seconds since 1970.
    until: Option<u64>,
    /// `None` if it can't be used.
    interpreter: Option<HostInterpreter>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            // A directory's size and times say when a name in it came or went.
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
        })
    }
}

impl Remembered {
    fn is_true(&self, program: &Path) -> bool {
        self.form == FORM
            && self.stamps.first().is_some_and(|stamp| stamp.path == program)
            && self.until.is_none_or(|until| clock::unix_seconds() < until)
            && self.stamps.iter().all(|stamp| Stamp::of(&stamp.path).as_ref() == Some(stamp))
    }
}

fn recall_or_probe(
    program: &Path,
    env: &Env,
    store: &Store,
    output: &Output,
) -> Result<Option<HostInterpreter>, Interrupted> {
    let name = hex::encode(Sha256::digest(program.as_os_str().as_bytes()));
    if let Some(remembered) = store.document::<Remembered>(KIND, &name)
        && remembered.is_true(program)
    {
        return Ok(remembered.interpreter);
    }
    // Before it is asked: a change that comes in between is then seen the next time.
    let own = Stamp::of(program);
    let answer = probe(program, env, output)?;
    let (interpreter, until) = match answer {
        Answer::Usable(interpreter) => (Some(*interpreter), None),
        Answer::Unsuitable => (None, None),
        Answer::Broken => (None, Some(clock::unix_seconds() + BROKEN_FOR_SECONDS)),
        Answer::Slow => return Ok(None),
    };
    let parts = interpreter.iter().flat_map(|interpreter| {
        let HostInterpreter { libpython, stdlib, .. } = interpreter;
        [libpython.clone(), Some(stdlib.clone()), Some(stdlib.join("lib-dynload"))]
    });
    let stamps = own.into_iter().chain(parts.flatten().filter_map(|path| Stamp::of(&path))).collect();
    let remembered = Remembered { form: FORM, stamps, until, interpreter };
    // If it can't be kept, it is asked again next time.
    let _ = store.put_document(KIND, &name, &remembered);
    Ok(remembered.interpreter)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::host::process::{Invocation, capture};

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    /// Makes a program that is no Python, but looks like one.
    fn write_program(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn names_of_interpreters_are_known() {
        for (name, expected) in [
            ("python", true),
            ("python3", true),
            ("python3.10", true),
            ("python3.14", true),
            ("python3.9", false),
            ("python2", false),
            ("python2.7", false),
            ("python3.13t", false),
            ("python3-config", false),
            ("python3.12-config", false),
            ("pypy3", false),
        ] {
            assert_eq!(is_interpreter_name(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn pyenvs_versions_are_searched_and_its_shims_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (version, shims) = (dir.path().join("versions/3.12.1/bin"), dir.path().join("shims"));
        fs::create_dir_all(&version).unwrap();
        fs::create_dir_all(&shims).unwrap();
        let path = format!("{}:/opt/shims:/opt/bin", shims.display());
        let env = Env::for_tests(&[("PATH", &path), ("PYENV_ROOT", dir.path().to_str().unwrap())]);
        let found = search_path(&env, pyenv_root(&env).as_deref());
        assert!(found.contains(&version), "{found:?}");
        assert!(found.contains(&PathBuf::from("/opt/shims")), "{found:?}");
        assert!(found.contains(&PathBuf::from("/usr/bin")), "{found:?}");
        assert!(!found.contains(&shims), "{found:?}");
    }

    #[test]
    fn a_program_is_asked_once_until_it_changes_and_a_script_never() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        let marker = dir.path().join("was-run");
        write_program(&bin.join("python3"), format!("#!/bin/sh\ntouch {}\n", marker.display()).as_bytes());
        let shell = fs::read("/bin/sh").unwrap();
        write_program(&bin.join("python3.12"), &shell);
        let env = Env::for_tests(&[("PATH", bin.to_str().unwrap()), ("PYENV_ROOT", "/nonexistent")]);
        let (_dir, store) = store();
        let processes = |expected: &str| {
            let output = Output::silent();
            let found = discover(&env, &store, &output).unwrap();
            assert!(found.iter().all(|found| !found.executable.starts_with(dir.path())), "{expected}");
            output.counters().processes
        };
        assert!(processes("first") >= 1);
        assert_eq!(processes("second"), 0);
        // Another file of the same content.
        fs::remove_file(bin.join("python3.12")).unwrap();
        write_program(&bin.join("python3.12"), &shell);
        assert_eq!(processes("third"), 1);
        assert_eq!(processes("fourth"), 0);
        assert!(!marker.exists(), "a script was run");
    }

    #[test]
    fn what_this_machine_has_is_found_newest_first_and_remembered() {
        let env = Env::capture();
        let (_dir, store) = store();
        let first = discover(&env, &store, &Output::silent()).unwrap();
        let output = Output::silent();
        assert_eq!(discover(&env, &store, &output).unwrap(), first);
        assert_eq!(output.counters().processes, 0);
        let versions: Vec<_> =
            first.iter().map(|found| (std::cmp::Reverse(found.version), found.is_debian)).collect();
        assert!(versions.is_sorted(), "{versions:?}");
        for interpreter in &first {
            assert!((interpreter.version.major, interpreter.version.minor) >= (3, 10));
            assert_eq!(interpreter.fingerprint.len(), 64);
            assert!(interpreter.modules.iter().any(|module| module == "zlib"), "{interpreter:?}");
        }
        let fingerprints: BTreeSet<_> = first.iter().map(|found| &found.fingerprint).collect();
        assert_eq!(fingerprints.len(), first.len());
        if first.is_empty() {
            eprintln!("skipped: this machine has no Python that can be copied");
        }
    }

    #[test]
    fn a_virtual_environment_leads_to_what_it_was_made_from() {
        let env = Env::capture();
        let (_dir, store) = store();
        for interpreter in discover(&env, &store, &Output::silent()).unwrap() {
            let dir = tempfile::tempdir().unwrap();
            for option in ["--copies", "--symlinks"] {
                let place = dir.path().join(option);
                let venv = Invocation::new(&interpreter.executable)
                    .args(["-I", "-m", "venv", "--without-pip", option])
                    .arg(&place);
                if let Err(error) = capture(&venv, &env, &Output::silent()) {
                    eprintln!("skipped: {} makes no environment ({error})", interpreter.executable.display());
                    continue;
                }
                let found = resolve(&place.join("bin/python3"));
                assert_eq!(found.as_ref(), Some(&interpreter.executable), "{option}");
            }
        }
    }

    #[test]
    fn links_that_lead_nowhere_or_to_other_programs_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/nonexistent", dir.path().join("python3")).unwrap();
        symlink("/bin/sh", dir.path().join("python")).unwrap();
        symlink("python3.12", dir.path().join("python3.12")).unwrap();
        assert_eq!(find_programs(&[dir.path().to_owned()]), BTreeSet::new());
    }
}
