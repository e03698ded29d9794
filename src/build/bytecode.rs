//! Python's bytecode, compiled so that the same sources always give the same bytes.
//!
//! Unchecked-hash: the tar's fixed times never make it stale, and no source is read at start.
//! A fixed number of shards over the sorted list: what a process has compiled before changes the
//! reference flags in the next file, so the distribution must not depend on the machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::tool_env::interpreter_environment;
use crate::env::Env;
use crate::error::{ErrorCode, UserError};
use crate::host::process::{Invocation, RunError, capture};
use crate::output::Output;

/// Never changed without raising the layers' format: it decides bytes.
const SHARDS: usize = 2;

/// The interpreter died while it compiled.
#[derive(Debug, thiserror::Error)]
#[error("Compiling the files below {} failed.", .tree.display())]
pub struct BytecodeError {
    tree: PathBuf,
    source: RunError,
}

impl UserError for BytecodeError {
    fn code(&self) -> ErrorCode {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.code(),
            _ => ErrorCode::CompileBytecode,
        }
    }

    fn exit_code(&self) -> u8 {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Compiles every `.py` file below `tree/.heroku/python/lib`. The code names its files as they are in a
/// dyno: below `/app`. Files that don't compile are left out, as packages ship such files on purpose.
pub fn compile_bytecode(python: &Path, tree: &Path, env: &Env, output: &Output) -> Result<(), BytecodeError> {
    let sources = python_files(&tree.join(".heroku/python/lib"));
    let invocations: Vec<_> = (0..SHARDS)
        .map(|shard| sources.iter().skip(shard).step_by(SHARDS).collect::<Vec<_>>())
        .filter(|files| !files.is_empty())
        .map(|files| invocation(python, tree, &files))
        .collect();
    let _bar = output.progress("Compiling bytecode", None);
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> =
            invocations.iter().map(|invocation| scope.spawn(|| capture(invocation, env, output))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    for result in results {
        match result {
            // Exit code 1: some file doesn't compile.
            Ok(_) => {}
            Err(RunError::Failed { status, .. }) if status.code() == Some(1) => {}
            Err(source) => return Err(BytecodeError { tree: tree.to_owned(), source }),
        }
    }
    Ok(())
}

fn invocation(python: &Path, tree: &Path, files: &[&PathBuf]) -> Invocation {
    let mut list = Vec::new();
    for file in files {
        list.extend_from_slice(file.as_os_str().as_bytes());
        list.push(b'\n');
    }
    let args: [OsString; 12] = [
        "-B".into(),
        "-s".into(),
        "-m".into(),
        "compileall".into(),
        "-qq".into(),
        "-f".into(),
        "--invalidation-mode=unchecked-hash".into(),
        "-s".into(),
        tree.into(),
        "-p".into(),
        "/app".into(),
        "-i-".into(),
    ];
    let mut invocation = Invocation::new(python).args(args).stdin(list);
    invocation.env = interpreter_environment();
    invocation.env.remove(std::ffi::OsStr::new("PYTHONDONTWRITEBYTECODE"));
    invocation
}

fn python_files(lib: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = WalkDir::new(lib)
        .into_iter()
        .flatten()
        .filter(|entry| {
            entry.file_type().is_file() && entry.path().extension().is_some_and(|extension| extension == "py")
        })
        .map(walkdir::DirEntry::into_path)
        // The list is one name a line.
        .filter(|path| !path.as_os_str().as_bytes().contains(&b'\n'))
        .collect();
    files.sort();
    files
}
