//! Debian's and Ubuntu's own interpreter installs packages elsewhere than others do. In a slug there is no
//! package manager to keep out of the way of, so that its copy becomes an ordinary interpreter.

use std::fs;
use std::path::Path;

use super::error::RuntimeError;
use super::probe::HostInterpreter;
use crate::host::files::{self, FileContext};

/// A line of the standard library that is theirs, and what it is elsewhere.
struct Edit {
    /// The files that may have it, relative to `lib/python3.X`.
    files: &'static [&'static str],
    theirs: &'static str,
    ordinary: &'static str,
    /// Whether packages would be installed into the wrong place without it.
    is_required: bool,
}

const EDITS: &[Edit] = &[
    Edit {
        files: &["sysconfig.py", "sysconfig/__init__.py"],
        theirs: "prefix_scheme = 'posix_local'",
        ordinary: "prefix_scheme = 'posix_prefix'",
        is_required: true,
    },
    Edit {
        files: &["distutils/command/install.py"],
        theirs: "self.select_scheme(\"unix_local\")",
        ordinary: "self.select_scheme(\"unix_prefix\")",
        is_required: false,
    },
    Edit {
        files: &["distutils/sysconfig.py"],
        theirs: "elif is_default_prefix and not is_virtual_environment():",
        ordinary: "elif False:",
        is_required: false,
    },
    Edit {
        files: &["ensurepip/__init__.py"],
        theirs: "    _ensurepip_is_disabled_in_debian_for_system()\n",
        ordinary: "",
        is_required: false,
    },
    Edit {
        files: &["ensurepip/__init__.py"],
        theirs: "_WHEEL_PKG_DIR = sysconfig.get_config_var('WHEEL_PKG_DIR')",
        ordinary: "_WHEEL_PKG_DIR = os.path.join(os.path.dirname(__file__), '_bundled')",
        is_required: false,
    },
];

/// Makes a copy of Debian's interpreter an ordinary one.
pub(super) fn make_ordinary(interpreter: &HostInterpreter, library: &Path) -> Result<(), RuntimeError> {
    for edit in EDITS {
        let mut is_done = false;
        for file in edit.files {
            is_done |= apply(edit, &library.join(file))?;
        }
        if edit.is_required && !is_done {
            return Err(RuntimeError::Text {
                path: interpreter.stdlib.join(edit.files[0]),
                problem: format!("The line `{}` isn't in it.", edit.theirs.trim()),
            });
        }
    }
    // It changes setuptools' own distutils in the same way.
    files::remove_file(&library.join("_distutils_system_mod.py")).map_err(RuntimeError::File)?;
    // `site` is compiled into the program, and looks for packages here.
    let link = library.join("dist-packages");
    files::create_symlink(Path::new("site-packages"), &link).map_err(RuntimeError::File)
}

fn apply(edit: &Edit, path: &Path) -> Result<bool, RuntimeError> {
    if !path.is_file() {
        return Ok(false);
    }
    let text = fs::read_to_string(path).doing("reading", path).map_err(RuntimeError::File)?;
    let edited = text.replace(edit.theirs, edit.ordinary);
    if edited == text {
        return Ok(false);
    }
    files::replace_contents(path, edited.as_bytes()).map_err(RuntimeError::File)?;
    Ok(true)
}
