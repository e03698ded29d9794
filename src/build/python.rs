//! The interpreter in a runtime layer, ready to be run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::layers::Layer;
use crate::python::version::PythonVersion;

/// An interpreter.
#[derive(Debug, Clone)]
pub struct Python {
    /// Its file.
    pub executable: PathBuf,
    /// Its prefix: the directory that has `bin` and `lib`.
    pub prefix: PathBuf,
    /// Its version.
    pub version: PythonVersion,
    /// The key of its layer, once that is finished.
    pub layer: Option<String>,
}

impl Python {
    /// Names the interpreter of a tree that stands for the app's root.
    pub fn in_tree(tree: &Path, version: PythonVersion) -> Self {
        let prefix = tree.join(".heroku/python");
        let executable = prefix.join(format!("bin/python{}", version.minor_version()));
        Self { executable, prefix, version, layer: None }
    }

    /// Names the interpreter of a finished runtime layer.
    pub fn in_layer(runtime: &Layer, version: PythonVersion) -> Self {
        Self { layer: Some(runtime.key.clone()), ..Self::in_tree(&runtime.tree(), version) }
    }

    /// Returns the directory of the standard library, relative to the app's root.
    pub fn library(&self) -> String {
        format!(".heroku/python/lib/python{}", self.version.minor_version())
    }

    /// Returns the directory of packages in a tree that stands for the app's root.
    pub fn site_packages(&self, tree: &Path) -> PathBuf {
        tree.join(self.library()).join("site-packages")
    }

    /// Returns the pip that is bundled with Python, in the form in which it can be run without being
    /// installed: `python <wheel>/pip`.
    pub fn bundled_pip(&self) -> Option<OsString> {
        let mut wheels: Vec<_> = fs::read_dir(self.bundled_dir())
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pip-")))
            .collect();
        wheels.sort();
        Some(wheels.pop()?.join("pip").into_os_string())
    }

    /// Says what is where the bundled pip should be.
    pub fn list_bundled(&self) -> String {
        let dir = self.bundled_dir();
        let shown = dir.strip_prefix(&self.prefix).unwrap_or(&dir).display();
        let Ok(entries) = fs::read_dir(&dir) else {
            return format!("Python's directory {shown} isn't there.");
        };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        match names.as_slice() {
            [] => format!("Python's directory {shown} is empty."),
            names => format!("Python's directory {shown} holds: {}", names.join(", ")),
        }
    }

    fn bundled_dir(&self) -> PathBuf {
        self.prefix.join(format!("lib/python{}/ensurepip/_bundled", self.version.minor_version()))
    }
}
