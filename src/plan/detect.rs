//! Whether a directory holds a Python app: any of the names that Heroku's buildpack knows, and
//! pylock.toml, which it doesn't build.

use std::collections::BTreeSet;

use crate::error::{ErrorCode, UserError};

/// Names that make an app a Python app. The list is wider than what can be built, on purpose: the
/// build then has the better error.
const NAMES: &[&str] = &[
    // Package managers.
    "requirements.txt",
    "Pipfile",
    "Pipfile.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pylock.toml",
    "pyproject.toml",
    // The Python version.
    ".python-version",
    "runtime.txt",
    // Builds.
    "setup.py",
    "setup.cfg",
    // Usual names of source files.
    "__init__.py",
    "app.py",
    "main.py",
    "manage.py",
    "server.py",
    // Misspellings of requirements.txt.
    "requeriments.txt",
    "requirement.txt",
    "requirements",
    "requirements.text",
    "Requirements.txt",
    "requirements.txt.txt",
    "requirments.txt",
];

/// Directories that make an app a Python app.
const DIRECTORIES: &[&str] = &["__pycache__", ".venv", "venv"];

/// No Python app was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The app is to be built as a Python app, but nothing in it says that it is one.\nThe top level directory holds: {listing}"
)]
pub(crate) struct NotDetected {
    listing: String,
}

impl UserError for NotDetected {
    fn code(&self) -> ErrorCode {
        ErrorCode::NoPythonFiles
    }
}

/// Decides whether these names in the top level directory make a Python app.
pub(crate) fn detect(names: &BTreeSet<Vec<u8>>, dirs: &BTreeSet<Vec<u8>>) -> Result<(), NotDetected> {
    let found = NAMES.iter().any(|name| names.contains(name.as_bytes()))
        || DIRECTORIES.iter().any(|name| dirs.contains(name.as_bytes()));
    if found { Ok(()) } else { Err(NotDetected { listing: listing(names, dirs) }) }
}

/// Lists the names for a message, directories with a trailing slash; at most 40 of them.
pub(crate) fn listing(names: &BTreeSet<Vec<u8>>, dirs: &BTreeSet<Vec<u8>>) -> String {
    const MOST: usize = 40;
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let line = |name: &Vec<u8>| {
        let slash = if dirs.contains(name) { "/" } else { "" };
        format!("\n{}{slash}", name.escape_ascii())
    };
    let mut text: String = names.iter().take(MOST).map(line).collect();
    if names.len() > MOST {
        text.push_str(&format!("\nand {} more", names.len() - MOST));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn any_known_name_is_enough() {
        for name in NAMES {
            assert_eq!(detect(&set(&[name, "other"]), &set(&[])), Ok(()), "{name}");
        }
    }

    #[test]
    fn some_names_must_be_directories() {
        for name in DIRECTORIES {
            assert_eq!(detect(&set(&[name]), &set(&[name])), Ok(()), "{name}");
            assert!(detect(&set(&[name]), &set(&[])).is_err(), "{name}");
        }
    }

    #[test]
    fn anything_else_is_listed() {
        let error = detect(&set(&["package.json", "src"]), &set(&["src"])).unwrap_err();
        assert!(error.to_string().ends_with("holds: \npackage.json\nsrc/"), "{error}");
    }
}
