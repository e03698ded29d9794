//! What must not be in a build directory: the work of another Python buildpack, or a virtual environment.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::env::Env;
use crate::error::{ErrorCode, UserError};

/// What was found in the build directory.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    /// A Python buildpack has run before.
    #[error("{} is there, and PYTHONHOME is set: an earlier buildpack has installed Python.", .0.display())]
    DuplicateBuildpack(PathBuf),
    /// A Python that nobody can tell the origin of.
    #[error(".heroku/python holds: {listing}")]
    PythonDir { listing: String },
    /// A virtual environment.
    #[error("The directory {name} is a virtual environment: it holds a pyvenv.cfg.\nIn it are: {listing}")]
    VenvDir { name: &'static str, listing: String },
}

impl UserError for CheckError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::DuplicateBuildpack(_) => ErrorCode::DuplicateBuildpack,
            Self::PythonDir { .. } => ErrorCode::ExistingPythonDir,
            Self::VenvDir { .. } => ErrorCode::ExistingVenvDir,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::VenvDir { name, .. } => Some((*name).to_owned()),
            _ => None,
        }
    }
}

/// Checks that no Python buildpack has run in this build: it would have left Python, and its variables.
pub(super) fn check_other_buildpack(build_dir: &Path, env: &Env) -> Result<(), CheckError> {
    let python = Path::new(".heroku/python/bin/python");
    if build_dir.join(python).is_file() && env.vars.contains_key(std::ffi::OsStr::new("PYTHONHOME")) {
        return Err(CheckError::DuplicateBuildpack(python.to_owned()));
    }
    Ok(())
}

/// Checks that the place of our own Python is free.
pub(super) fn check_python_dir(build_dir: &Path) -> Result<(), CheckError> {
    let path = build_dir.join(".heroku/python");
    // A link that leads nowhere would be in the way, too.
    match path.symlink_metadata() {
        Ok(_) => Err(CheckError::PythonDir { listing: list(&path) }),
        Err(_) => Ok(()),
    }
}

/// Checks that there is no virtual environment with one of the two usual names.
pub(super) fn check_venv_dir(build_dir: &Path) -> Result<(), CheckError> {
    for name in [".venv", "venv"] {
        let path = build_dir.join(name);
        if path.join("pyvenv.cfg").is_file() {
            return Err(CheckError::VenvDir { name, listing: list(&path) });
        }
    }
    Ok(())
}

/// Lists two levels of a directory, a name a line, directories with a trailing slash.
fn list(dir: &Path) -> String {
    const MOST: usize = 30;
    if !dir.is_dir() {
        return "nothing: it isn't a directory".to_owned();
    }
    let names: Vec<String> = WalkDir::new(dir)
        .min_depth(1)
        .max_depth(2)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let relative = entry.path().strip_prefix(dir).ok()?;
            let slash = if entry.file_type().is_dir() { "/" } else { "" };
            Some(format!("\n{}{slash}", relative.as_os_str().as_encoded_bytes().escape_ascii()))
        })
        .collect();
    match names.len() {
        0 => "nothing".to_owned(),
        count if count > MOST => format!("{}\nand {} more", names[..MOST].concat(), count - MOST),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn dir_with(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn another_buildpack_is_known_by_its_python_and_its_variable() {
        let with = dir_with(&[".heroku/python/bin/python"]);
        let without = dir_with(&["app.py"]);
        for (dir, vars, expected) in [
            (&with, &[("PYTHONHOME", "/x")][..], true),
            (&with, &[("PYTHONHOME", "")], true),
            (&with, &[], false),
            (&without, &[("PYTHONHOME", "/x")], false),
        ] {
            let found = check_other_buildpack(dir.path(), &Env::for_tests(vars)).is_err();
            assert_eq!(found, expected, "{vars:?}");
        }
    }

    #[test]
    fn anything_in_the_place_of_python_is_in_the_way() {
        assert!(check_python_dir(dir_with(&["app.py"]).path()).is_ok());
        assert!(check_python_dir(dir_with(&[".heroku/python"]).path()).is_err());
        let dir = dir_with(&[".heroku/x"]);
        std::os::unix::fs::symlink("/nowhere", dir.path().join(".heroku/python")).unwrap();
        assert!(check_python_dir(dir.path()).is_err());
    }

    #[test]
    fn a_directory_is_listed_two_levels_deep_and_in_order() {
        let dir = dir_with(&["b", "a/z/deep", "a/c"]);
        assert_eq!(list(dir.path()), "\na/\na/c\na/z/\nb");
        let names: Vec<String> = (10..50).map(|number| number.to_string()).collect();
        let many = dir_with(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(list(many.path()).ends_with("\n39\nand 10 more"), "{}", list(many.path()));
    }

    #[test]
    fn a_directory_named_venv_is_only_one_with_its_configuration() {
        for (files, expected) in [
            (&["venv/x"][..], None),
            (&["venv/pyvenv.cfg"], Some("venv")),
            (&["venv/pyvenv.cfg", ".venv/pyvenv.cfg"], Some(".venv")),
            (&["env/pyvenv.cfg"], None),
        ] {
            let found = check_venv_dir(dir_with(files).path()).err().and_then(|error| error.detail());
            assert_eq!(found.as_deref(), expected, "{files:?}");
        }
    }
}
