//! Asks the app's Python whether it can import a module, where the files don't tell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::confine::run_step;
use super::execute::Workshop;
use crate::host::process::{Invocation, RunError, capture};

/// Returns the interpreter of a build directory.
pub(crate) fn python_in(build_dir: &Path) -> PathBuf {
    build_dir.join(".heroku/python/bin/python")
}

/// Finds out whether the Python in the build directory can import a module. If Python itself fails, it can't.
pub(crate) fn can_import(
    module: &str,
    build_dir: &Path,
    vars: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<bool, RunError> {
    const SCRIPT: &str = "import importlib.util, sys\n\
                          sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    let mut invocation = Invocation::new(python_in(build_dir)).args(["-c", SCRIPT, module]);
    invocation.current_dir = build_dir.to_owned();
    invocation.env = vars.clone();
    match run_step(capture, invocation, build_dir, shop.cell, shop.env, shop.output) {
        Ok(_) => Ok(true),
        Err(RunError::Interrupted(interrupted)) => Err(interrupted.into()),
        Err(_) => Ok(false),
    }
}
