//! Whether a directory holds a Python app: any of the names that Heroku's buildpack knows, and
//! pylock.toml, which it doesn't build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::suggest::quoted_path;
use crate::error::{Door, ErrorCode, UserError};

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

/// Files that make a directory below a Python app, best first.
const PROJECT_FILES: &[&str] = &[
    "requirements.txt",
    "Pipfile.lock",
    "Pipfile",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pylock.toml",
    "pyproject.toml",
    "manage.py",
];

/// No Python app was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}The app is to be built as a Python app, but nothing in its top level directory says that it is one.\n\
     That directory holds: {listing}",
    ask_about(.below)
)]
pub(crate) struct NotDetected {
    listing: String,
    /// Directories of the app that look like the app, and the file that says so.
    below: Vec<(String, String)>,
    /// How the user would name the app's directory.
    at: PathBuf,
}

fn ask_about(below: &[(String, String)]) -> String {
    match below {
        [] => String::new(),
        [(dir, file)] => format!("Is {dir} meant? {dir}/{file} is there. "),
        several => {
            let dirs: Vec<&str> = several.iter().map(|(dir, _)| dir.as_str()).collect();
            format!("Is one of these meant? {}. ", dirs.join(", "))
        }
    }
}

impl UserError for NotDetected {
    fn code(&self) -> ErrorCode {
        ErrorCode::NoPythonFiles
    }

    fn fix(&self, door: Door) -> Option<String> {
        let (dir, _) = self.below.first()?;
        Some(match door {
            Door::CommandLine => {
                format!(
                    "Build that directory:\n  slugc build {}",
                    quoted_path(&self.at.join(dir).display().to_string())
                )
            }
            Door::Buildpack => format!(
                "Deploy that directory: `git subtree push --prefix {} heroku main`, \
                 or let a buildpack that moves a subdirectory to the top run first.",
                quoted_path(dir)
            ),
        })
    }
}

/// Returns whether these names in a directory make a Python app.
pub(crate) fn is_app(names: &BTreeSet<Vec<u8>>, dirs: &BTreeSet<Vec<u8>>) -> bool {
    NAMES.iter().any(|name| names.contains(name.as_bytes()))
        || DIRECTORIES.iter().any(|name| dirs.contains(name.as_bytes()))
}

/// Decides whether these names in the top level directory make a Python app.
///
/// `has_file` tells whether a path is a file of the app: one of its directories may be what is meant. `at` is how the user
/// would name the app's directory.
pub(crate) fn detect(
    names: &BTreeSet<Vec<u8>>,
    dirs: &BTreeSet<Vec<u8>>,
    has_file: impl Fn(&str) -> bool,
    at: &Path,
) -> Result<(), NotDetected> {
    if is_app(names, dirs) {
        return Ok(());
    }
    let below = dirs.iter().filter_map(|dir| {
        let dir = std::str::from_utf8(dir).ok().filter(|dir| !dir.starts_with('.'))?;
        let file = PROJECT_FILES.iter().find(|name| has_file(&format!("{dir}/{name}")))?;
        Some((dir.to_owned(), (*file).to_owned()))
    });
    Err(NotDetected { listing: listing(names, dirs), below: below.collect(), at: at.to_owned() })
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
            assert_eq!(detect(&set(&[name, "other"]), &set(&[]), |_| false, Path::new("")), Ok(()), "{name}");
        }
    }

    #[test]
    fn some_names_must_be_directories() {
        for name in DIRECTORIES {
            assert_eq!(detect(&set(&[name]), &set(&[name]), |_| false, Path::new("")), Ok(()), "{name}");
            assert!(detect(&set(&[name]), &set(&[]), |_| false, Path::new("")).is_err(), "{name}");
        }
    }

    #[test]
    fn anything_else_is_listed() {
        let error =
            detect(&set(&["package.json", "src"]), &set(&["src"]), |_| false, Path::new("")).unwrap_err();
        assert!(error.to_string().ends_with("holds: \npackage.json\nsrc/"), "{error}");
    }

    // B12
    #[test]
    fn a_directory_below_that_is_the_app_is_asked_about_first() {
        for (at, dirs, files, expected, command) in [
            (
                "",
                &["base"][..],
                &["base/requirements.txt"][..],
                "Is base meant? base/requirements.txt is there.",
                "slugc build base",
            ),
            (
                "shop",
                &["api", "web"],
                &["api/uv.lock", "web/package.json"],
                "Is api meant? api/uv.lock",
                "slugc build shop/api",
            ),
            (
                "/srv/shop",
                &["api", "web"],
                &["api/manage.py", "web/pyproject.toml"],
                "Is one of these meant? api, web.",
                "slugc build /srv/shop/api",
            ),
            ("", &["my app"], &["my app/Pipfile"], "Is my app meant?", "slugc build 'my app'"),
            ("", &[".git", "src"], &[".git/requirements.txt", "src/x.py"], "The app is to be built", ""),
        ] {
            let names = set(dirs);
            let error = detect(&names, &names, |path| files.contains(&path), Path::new(at)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{dirs:?}: {error}");
            let fix = error.fix(Door::CommandLine).unwrap_or_default();
            assert!(fix.ends_with(command), "{dirs:?}: {fix}");
            assert!(!error.fix(Door::Buildpack).unwrap_or_default().contains("slugc"), "{dirs:?}");
        }
    }
}
