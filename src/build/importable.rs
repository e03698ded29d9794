//! Asks the app's Python whether it can import a module, where the files don't tell.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::steps::Workspace;
use crate::host::process::{Invocation, RunError, capture};

/// Returns the interpreter of a build directory.
pub(crate) fn python_in(build_dir: &Path) -> PathBuf {
    build_dir.join(".heroku/python/bin/python")
}

/// Finds out whether the Python in the build directory can import a module. If Python itself fails, it can't.
pub(crate) fn can_import(
    module: &str,
    workspace: &Workspace,
    context: Context<'_>,
) -> Result<bool, RunError> {
    const SCRIPT: &str = "import importlib.util, sys\n\
                          sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    let mut invocation = Invocation::new(python_in(&workspace.dir)).args(["-c", SCRIPT, module]);
    invocation.current_dir = workspace.dir.clone();
    invocation.env = workspace.with_config_vars();
    match workspace.run(capture, invocation, context) {
        Ok(_) => Ok(true),
        Err(RunError::Interrupted(interrupted)) => Err(interrupted.into()),
        Err(_) => Ok(false),
    }
}
