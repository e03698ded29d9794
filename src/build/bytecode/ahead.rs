//! Compiles packages while others are still being fetched: uv unpacks each into its cache as it comes, and installs them
//! together at the end.
//!
//! What is found there is a guess. The bytecode goes into the store under the same key as any other, so a wrong one
//! costs time and no more: it isn't found when the installed files are compiled.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::groups::find_groups;
use super::{Compiler, Kept};
use crate::build::python::Python;
use crate::env::Env;
use crate::error::Result;
use crate::host::files;
use crate::output::Output;

/// Where uv has unpacked wheels, in its cache. They appear whole.
const ARCHIVES: &str = "archive-v0";
/// How often that is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The keys of what was compiled ahead.
pub type Ahead = BTreeSet<String>;

/// Compiles what uv unpacks while it works.
pub(crate) fn compile_ahead<T>(
    python: &Python,
    kept: Kept<'_>,
    env: &Env,
    output: &Output,
    install: impl FnOnce() -> Result<T>,
) -> Result<(T, Ahead)> {
    let archives = kept.store.uv_cache().join(ARCHIVES);
    let mut seen = names(&archives);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut ahead = Ahead::new();
            while !is_done.load(Ordering::Relaxed) {
                thread::park_timeout(POLL_INTERVAL);
                let new: Vec<OsString> = names(&archives).difference(&seen).cloned().collect();
                if new.is_empty() || is_done.load(Ordering::Relaxed) {
                    continue;
                }
                seen.extend(new.iter().cloned());
                let paths: Vec<PathBuf> = new.iter().map(|name| archives.join(name)).collect();
                // If it fails, the installation does so too, or what isn't there is compiled after it.
                let Ok(keys) = compile_archives(python, &paths, kept, env, output) else { break };
                ahead.extend(keys);
            }
            ahead
        });
        let installed = install();
        is_done.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        let ahead = watcher.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((installed?, ahead))
    })
}

fn names(directory: &Path) -> BTreeSet<OsString> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}

/// Compiles unpacked wheels as if they were installed, and keeps what the store hasn't got. Returns the keys of that.
fn compile_archives(
    python: &Python,
    archives: &[PathBuf],
    kept: Kept<'_>,
    env: &Env,
    output: &Output,
) -> Result<Vec<String>> {
    let Some(runtime) = python.layer.as_deref() else { return Ok(Vec::new()) };
    let work = kept.store.scratch()?;
    let site_packages = python.site_packages(work.path());
    files::create_dir_all(&site_packages)?;
    for archive in archives {
        // One that goes elsewhere, too, or has files of another's, is left for later.
        let has_data = names(archive).iter().any(|name| name.to_string_lossy().ends_with(".data"));
        if !has_data {
            files::link_tree(archive, &site_packages)?;
        }
    }
    let compiler = Compiler { python, tree: work.path() };
    let mut missing = Vec::new();
    for group in find_groups(work.path()) {
        let key = compiler.key(&group, runtime)?;
        if kept.store.segment(&key).is_none() {
            missing.push((group, key));
        }
    }
    compiler.compile_and_keep(missing.iter().map(|(group, key)| (group, key)), kept.store, env, output)?;
    Ok(missing.into_iter().map(|(_, key)| key).collect())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::build::bytecode::compile_bytecode;
    use crate::plan::LayerId;
    use crate::store::Store;

    /// An interpreter of this machine, which stands for the one of a layer.
    fn python() -> Option<Python> {
        let script = "import sys; print(sys.executable, '.'.join(map(str, sys.version_info[:3])))";
        let told = Command::new("python3").args(["-c", script]).output().ok()?;
        let text = String::from_utf8(told.stdout).ok()?;
        let (executable, version) = text.trim().rsplit_once(' ')?;
        let python = Python::in_tree(Path::new("/nonexistent"), version.parse().ok()?);
        Some(Python { executable: executable.into(), layer: Some("key".into()), ..python })
    }

    fn package(root: &Path, text: &str) {
        for (name, contents) in [
            ("pkg/__init__.py", text),
            ("pkg/module.py", "VALUE = 1\n"),
            ("pkg-1.dist-info/RECORD", "pkg/__init__.py,,\npkg/module.py,,\npkg-1.dist-info/RECORD,,\n"),
        ] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), contents).unwrap();
        }
    }

    #[test]
    fn what_is_compiled_ahead_is_found_if_it_is_what_gets_installed() {
        let Some(python) = python() else {
            eprintln!("SKIPPED: there is no python3");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let kept = Kept { store: &store, lineage: "app", layer: LayerId::Dependencies };
        let env = Env::for_tests(&[]);
        let archives = store.uv_cache().join(ARCHIVES);
        package(&archives.join("before"), "OLD = 1\n");
        for (text, expected) in [("X = 1\n", (2, 2, 0)), ("X = 2\n", (0, 2, 0))] {
            let tree = dir.path().join(format!("tree-{}", expected.0));
            let install = || {
                package(&archives.join(format!("new-{}", expected.0)), "X = 1\n");
                package(&python.site_packages(&tree), text);
                // Until the watcher has had its chance.
                thread::sleep(POLL_INTERVAL * 5);
                Ok(())
            };
            let output = Output::silent();
            let ((), ahead) = compile_ahead(&python, kept, &env, &output, install).unwrap();
            assert_eq!(ahead.len(), usize::from(expected.0 > 0), "{text}");
            compile_bytecode(&python, &tree, Some((kept, &ahead)), &env, &output).unwrap();
            let counters = output.counters();
            assert_eq!(
                (counters.bytecode_compiled, counters.bytecode_reused),
                (expected.1, expected.2),
                "{text}"
            );
            let cache = tree.join(python.library()).join("site-packages/pkg/__pycache__");
            assert_eq!(fs::read_dir(cache).unwrap().count(), 2);
        }
        assert_eq!(fs::read_dir(dir.path().join("v1/tmp")).unwrap().count(), 0);
    }
}
