//! Virtual environments for the tools that install into nothing else: made of a file and links, without running
//! anything, and taken away again. What is left is a tree like those that `--prefix` gives.

use std::path::{Path, PathBuf};

use super::python::Python;
use crate::host::files::{self, FileError};

/// A virtual environment.
#[derive(Debug)]
pub(crate) struct Venv {
    /// Its interpreter.
    pub executable: PathBuf,
    /// The files and links that make it one.
    scaffold: Vec<PathBuf>,
}

impl Venv {
    /// Makes one in this directory, whose packages are in this one if it is named.
    pub(crate) fn make(
        prefix: &Path,
        python: &Python,
        site_packages: Option<&Path>,
    ) -> Result<Self, FileError> {
        let minor = python.version.minor_version();
        let library = prefix.join(format!("lib/python{minor}"));
        let bin = prefix.join("bin");
        files::create_dir_all(&bin)?;
        match site_packages {
            Some(existing) => {
                files::create_dir_all(&library)?;
                files::create_symlink(existing, &library.join("site-packages"))?;
            }
            None => files::create_dir_all(&library.join("site-packages"))?,
        }
        let settings = prefix.join("pyvenv.cfg");
        let home = python.prefix.join("bin");
        let text = format!(
            "home = {}\ninclude-system-site-packages = false\nversion = {}\n",
            home.display(),
            python.version
        );
        files::write_atomically(&settings, text.as_bytes())?;
        let executable = bin.join("python");
        files::create_symlink(&python.executable, &executable)?;
        let mut scaffold = vec![settings, executable.clone()];
        for name in ["python3".to_owned(), format!("python{minor}")] {
            let link = bin.join(name);
            files::create_symlink(Path::new("python"), &link)?;
            scaffold.push(link);
        }
        // Pipenv knows virtual environments by this file.
        let activate = bin.join("activate");
        files::write_atomically(&activate, b"")?;
        scaffold.push(activate);
        Ok(Self { executable, scaffold })
    }

    /// Takes away what makes it a virtual environment; the packages stay.
    pub(crate) fn take_away(self) -> Result<(), FileError> {
        self.scaffold.iter().try_for_each(|path| files::remove_file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_stays_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let python = Python {
            executable: "/t/bin/python3.13".into(),
            prefix: "/t".into(),
            version: "3.13.1".parse().unwrap(),
            layer: None,
        };
        let prefix = dir.path().join("prefix");
        let venv = Venv::make(&prefix, &python, None).unwrap();
        let settings = std::fs::read_to_string(prefix.join("pyvenv.cfg")).unwrap();
        assert!(settings.starts_with("home = /t/bin\n"), "{settings}");
        assert_eq!(std::fs::read_link(&venv.executable).unwrap(), python.executable);
        std::fs::write(prefix.join("bin/tool"), "").unwrap();
        std::fs::write(prefix.join("lib/python3.13/site-packages/x.py"), "").unwrap();
        venv.take_away().unwrap();
        let left: Vec<_> = walkdir::WalkDir::new(&prefix)
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| entry.path().strip_prefix(&prefix).unwrap().to_owned())
            .collect();
        assert_eq!(left, ["bin/tool", "lib/python3.13/site-packages/x.py"].map(PathBuf::from));
    }
}
