//! Does a runtime work on its own? One process, with an empty environment, from another directory.
//!
//! That it works proves little while the original is still there: a copy that loads the original's library
//! looks fine. So it also tells which files it has loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::elf::is_system_library_dir;
use super::error::RuntimeError;
use super::sysconfig::standard_library;
use crate::env::Env;
use crate::error::MachineFault;
use crate::host::file_system::has_proc;
use crate::host::files::FileContext;
use crate::host::process::{Invocation, RunError, capture_within};
use crate::output::Output;

/// It takes a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a runtime's `bin/python3`, imports these modules, and fails if one is missing, if it takes itself for
/// another one, or if a file from outside is in use that isn't the system's.
pub(crate) fn self_test(
    prefix: &Path,
    modules: &[String],
    env: &Env,
    output: &Output,
) -> Result<(), RuntimeError> {
    let real = std::fs::canonicalize(prefix).doing("reading", prefix).map_err(RuntimeError::File)?;
    let invocation = describe_test(&real, modules);
    let captured = capture_within(LIMIT, &invocation, env, output).map_err(|error| match error {
        RunError::Interrupted(interrupted) => interrupted.into(),
        RunError::Failed { program, .. } if !has_proc() => RuntimeError::Start {
            prefix: prefix.to_owned(),
            source: RunError::Start { program, source: std::io::Error::other(MachineFault::NoProc) },
        },
        source => RuntimeError::Start { prefix: prefix.to_owned(), source },
    })?;
    judge_answer(prefix, &real, &captured.text())
}

/// Describes the process, for a runtime in a directory whose links are resolved.
pub(super) fn describe_test(real: &Path, modules: &[String]) -> Invocation {
    Invocation::new(real.join("bin/python3"))
        // Without bytecode, or the test would change what it tests.
        .args(["-I", "-B", "-c", include_str!("self_test.py")])
        .args(modules)
}

/// Decides whether what the process has written is right.
pub(super) fn judge_answer(prefix: &Path, real: &Path, text: &str) -> Result<(), RuntimeError> {
    let facts = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let facts: Facts = facts.ok_or_else(|| RuntimeError::WrongPath {
        prefix: prefix.to_owned(),
        what: "the answer of bin/python3",
        found: format!("`{}`", text.lines().last().unwrap_or_default()),
        expected: "a line of JSON".to_owned(),
    })?;
    judge(prefix, real, &standard_library(real)?, facts)
}

#[derive(Debug, Clone, Deserialize)]
struct Facts {
    prefix: PathBuf,
    exec_prefix: PathBuf,
    packages: PathBuf,
    scripts: PathBuf,
    path: Vec<PathBuf>,
    failed: BTreeMap<String, String>,
    mapped: Vec<PathBuf>,
}

fn judge(prefix: &Path, real: &Path, library: &Path, facts: Facts) -> Result<(), RuntimeError> {
    let Facts { prefix: own, exec_prefix, packages, scripts, path, failed, mapped } = facts;
    if let Some((module, cause)) = failed.into_iter().next() {
        return Err(RuntimeError::Import { prefix: prefix.to_owned(), module, cause });
    }
    let site_packages = library.join("site-packages");
    for (what, found, expected) in [
        ("sys.prefix", own, real),
        ("sys.exec_prefix", exec_prefix, real),
        ("the directory for packages", packages, &site_packages),
        ("the directory for scripts", scripts, &real.join("bin")),
    ] {
        if found != expected {
            return Err(RuntimeError::WrongPath {
                prefix: prefix.to_owned(),
                what,
                found: found.display().to_string(),
                expected: expected.display().to_string(),
            });
        }
    }
    if !path.contains(&site_packages) {
        return Err(RuntimeError::WrongPath {
            prefix: prefix.to_owned(),
            what: "sys.path",
            found: path.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(":"),
            expected: format!("a path with {} in it", site_packages.display()),
        });
    }
    let foreign = path
        .into_iter()
        .filter(|dir| !dir.starts_with(real))
        .chain(mapped.into_iter().filter(|file| !is_allowed(file, real)))
        .next();
    foreign.map_or(Ok(()), |path| Err(RuntimeError::ForeignFile { prefix: prefix.to_owned(), path }))
}

/// Returns whether a runtime may load this file: its own, and the system's libraries and locales, but for
/// another Python among them.
fn is_allowed(file: &Path, real: &Path) -> bool {
    let is_python = file.iter().any(|part| {
        let part = part.to_string_lossy();
        part.starts_with("libpython") || part.starts_with("python")
    });
    file.starts_with(real)
        || !is_python && (is_system_library_dir(file) || file.starts_with("/usr/share"))
        // Not files: shared memory of the kernel's.
        || ["/dev", "/memfd:", "/SYSV"].iter().any(|special| file.to_string_lossy().starts_with(special))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let path = |text: &str| PathBuf::from(text);
        Facts {
            prefix: path("/p"),
            exec_prefix: path("/p"),
            packages: path("/p/lib/python3.12/site-packages"),
            scripts: path("/p/bin"),
            path: vec![path("/p/lib/python3.12"), path("/p/lib/python3.12/site-packages")],
            failed: BTreeMap::new(),
            mapped: vec![
                path("/p/bin/python3.12"),
                path("/p/lib/libpython3.12.so.1.0"),
                path("/usr/lib/x86_64-linux-gnu/libc.so.6"),
                path("/lib64/ld-linux-x86-64.so.2"),
                path("/usr/lib/locale/C.utf8/LC_CTYPE"),
            ],
        }
    }

    fn judged(facts: Facts) -> Option<String> {
        let result = judge(Path::new("/p"), Path::new("/p"), Path::new("/p/lib/python3.12"), facts);
        result.err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_its_own_or_the_systems_is_fine() {
        assert_eq!(judged(facts()), None);
    }

    #[test]
    fn what_is_not_is_named() {
        type Change = fn(&mut Facts);
        let changes: [(Change, &str); 8] = [
            (
                |facts| facts.failed = BTreeMap::from([("ssl".into(), "ImportError: no libssl".into())]),
                "The module ssl can't be imported from /p: ImportError: no libssl",
            ),
            (|facts| facts.prefix = "/old".into(), "In /p, sys.prefix is /old instead of /p."),
            (
                |facts| facts.packages = "/p/local/lib/python3.12/dist-packages".into(),
                "In /p, the directory for packages is /p/local/lib/python3.12/dist-packages instead of /p/lib/python3.12/site-packages.",
            ),
            (
                |facts| drop(facts.path.pop()),
                "In /p, sys.path is /p/lib/python3.12 instead of a path with /p/lib/python3.12/site-packages in it.",
            ),
            (
                |facts| facts.path.push("/home/me/lib".into()),
                "/p loads /home/me/lib, which isn't part of it.",
            ),
            (
                |facts| facts.mapped.push("/old/lib/libpython3.12.so.1.0".into()),
                "/p loads /old/lib/libpython3.12.so.1.0, which isn't part of it.",
            ),
            (
                |facts| facts.mapped.push("/usr/lib/x86_64-linux-gnu/libpython3.12.so.1.0".into()),
                "/p loads /usr/lib/x86_64-linux-gnu/libpython3.12.so.1.0, which isn't part of it.",
            ),
            (
                |facts| facts.mapped.push("/usr/lib/python3.12/lib-dynload/_ssl.so".into()),
                "/p loads /usr/lib/python3.12/lib-dynload/_ssl.so, which isn't part of it.",
            ),
        ];
        for (change, expected) in changes {
            let mut facts = facts();
            change(&mut facts);
            assert_eq!(judged(facts).as_deref(), Some(expected));
        }
    }
}
