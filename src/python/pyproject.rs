//! `pyproject.toml`, as far as a build is decided by it.

use std::collections::BTreeSet;

use toml::Table;

use super::requirements::normalised_name;
use crate::error::{ErrorCode, UserError};

/// What `pyproject.toml` says about the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pyproject {
    /// Whether it describes a project: `[project]` or `[tool.poetry]`. Many files only hold the settings of tools.
    pub is_project: bool,
    /// Whether all it says about the project is in `[tool.poetry]`, which nobody but Poetry reads.
    pub is_poetrys_alone: bool,
    /// Which versions of Python the project supports, as a version specifier.
    pub requires_python: Option<String>,
    /// The same as Poetry has it in `tool.poetry.dependencies`, where that is what says it.
    pub python_of_poetry: Option<String>,
    /// Whether it says how the project is built.
    pub has_build_system: bool,
    /// Whether the project is a package that is installed itself, where no lock file's tool says so.
    pub is_package: bool,
    /// The names of the dependency groups, normalised.
    pub groups: BTreeSet<String>,
}

/// The file isn't TOML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pyproject.toml can't be read as TOML: {0}")]
pub struct PyprojectError(String);

impl UserError for PyprojectError {
    fn code(&self) -> ErrorCode {
        ErrorCode::PyprojectInvalid
    }
}

/// Reads what decides. What is there in another shape than expected counts as absent: the tool whose table it is
/// has the better message.
pub fn parse_pyproject(contents: &[u8]) -> Result<Pyproject, PyprojectError> {
    let text = std::str::from_utf8(contents).map_err(|_| PyprojectError("it isn't UTF-8.".to_owned()))?;
    let root: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        PyprojectError(format!("{place}{}.", error.message()))
    })?;
    let project = table(&root, &["project"]);
    let poetry = table(&root, &["tool", "poetry"]);
    Ok(Pyproject {
        is_project: project.is_some() || poetry.is_some(),
        is_poetrys_alone: poetry.is_some() && project.is_none() && !root.contains_key("build-system"),
        requires_python: requires_python(project, poetry),
        python_of_poetry: standard_python(project).is_none().then(|| python_of_poetry(poetry)).flatten(),
        has_build_system: root.contains_key("build-system"),
        is_package: is_package(&root),
        groups: groups(&root),
    })
}

fn table<'a>(root: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(root, |table, name| table.get(*name)?.as_table())
}

fn flag(table: Option<&Table>, name: &str) -> Option<bool> {
    table?.get(name)?.as_bool()
}

fn requires_python(project: Option<&Table>, poetry: Option<&Table>) -> Option<String> {
    match standard_python(project) {
        Some(standard) => Some(standard.trim().to_owned()),
        None => specifier_of_poetry(&python_of_poetry(poetry)?),
    }
}

fn standard_python(project: Option<&Table>) -> Option<&str> {
    project?.get("requires-python")?.as_str()
}

fn python_of_poetry(poetry: Option<&Table>) -> Option<String> {
    Some(poetry?.get("dependencies")?.as_table()?.get("python")?.as_str()?.to_owned())
}

/// Puts Poetry's `^3.11` and `~3.11` into the words of version specifiers. Alternatives (`||`) have none.
fn specifier_of_poetry(constraint: &str) -> Option<String> {
    let parts: Option<Vec<String>> = constraint.split(',').map(|part| one_specifier(part.trim())).collect();
    let parts: Vec<String> = parts?.into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

fn one_specifier(part: &str) -> Option<String> {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        text.trim().split('.').map(|number| number.parse().ok()).collect()
    };
    if part == "*" {
        return Some(String::new());
    }
    if let Some(version) = part.strip_prefix('^') {
        let first = *numbers(version)?.first()?;
        return Some(format!(">={},<{}", version.trim(), first.checked_add(1)?));
    }
    if let Some(version) = part.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        let below = match numbers(version)?[..] {
            [major] => format!("{}", major.checked_add(1)?),
            [major, minor, ..] => format!("{major}.{}", minor.checked_add(1)?),
            [] => return None,
        };
        return Some(format!(">={},<{below}", version.trim()));
    }
    if part.starts_with(|letter: char| letter.is_ascii_digit()) {
        return (!part.contains(['|', ' '])).then(|| format!("=={part}"));
    }
    (!part.contains(['|', ' '])).then(|| part.to_owned()).or_else(|| {
        // `>= 3.11` has a space that means nothing; `>=3.8 <4` has one that means a comma.
        let joined = part.replace(' ', "");
        let operators = joined.matches(['<', '>', '=', '!', '~']).count();
        (!part.contains('|') && operators <= 2).then_some(joined)
    })
}

/// A project that says how it is built is a package, unless its tool says otherwise, as uv has it.
fn is_package(root: &Table) -> bool {
    let setting = |tool: &str, name: &str| flag(table(root, &["tool", tool]), name);
    setting("uv", "package")
        .or_else(|| setting("pdm", "distribution"))
        .or_else(|| setting("poetry", "package-mode"))
        .unwrap_or_else(|| root.contains_key("build-system"))
}

fn groups(root: &Table) -> BTreeSet<String> {
    table(root, &["dependency-groups"])
        .into_iter()
        .flat_map(Table::keys)
        .map(|name| normalised_name(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Pyproject {
        parse_pyproject(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn only_a_project_makes_a_project() {
        for (text, expected) in [
            ("[tool.poetry]\nname = 'x'\n", true),
            ("[tool.poetry]\n[project]\nname = 'x'\n", false),
            ("[tool.poetry]\n[build-system]\nrequires = []\n", false),
            ("[project]\nname = 'x'\n", false),
        ] {
            assert_eq!(parsed(text).is_poetrys_alone, expected, "{text}");
        }
        for (text, expected) in [
            ("", false),
            ("[tool.ruff]\nline-length = 100\n", false),
            ("[build-system]\nrequires = []\n", false),
            ("[project]\nname = 'x'\n", true),
            ("[tool.poetry]\nname = 'x'\n", true),
            ("project = 3\n", false),
        ] {
            assert_eq!(parsed(text).is_project, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        for (text, expected) in [("a = 1\nb = = 2\n", "line 2"), ("[project\n", "line 1")] {
            let error = parse_pyproject(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(parse_pyproject(b"\xff\xfe").is_err());
    }

    #[test]
    fn supported_pythons_are_read_in_both_spellings() {
        let poetry = |constraint: &str| {
            format!("[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '{constraint}'\n")
        };
        for (text, expected) in [
            ("[project]\nrequires-python = ' >=3.11 '\n".to_owned(), Some(">=3.11")),
            ("[project]\nname = 'x'\n".to_owned(), None),
            ("[project]\nrequires-python = 3\n".to_owned(), None),
            (poetry("^3.11"), Some(">=3.11,<4")),
            (poetry("~3.11"), Some(">=3.11,<3.12")),
            (poetry("~3.11.2"), Some(">=3.11.2,<3.12")),
            (poetry("~=3.11.2"), Some("~=3.11.2")),
            (poetry(">=3.10,<3.13"), Some(">=3.10,<3.13")),
            (poetry(">= 3.10"), Some(">=3.10")),
            (poetry("3.12.*"), Some("==3.12.*")),
            (poetry("*"), None),
            (poetry("^3.11 || ^4"), None),
            (poetry(&format!("^{}", u64::MAX)), None),
        ] {
            assert_eq!(parsed(&text).requires_python.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_project_is_a_package_if_it_says_how_it_is_built() {
        const BUILD: &str = "[build-system]\nrequires = ['hatchling']\n";
        for (text, expected) in [
            ("[project]\nname = 'x'\n".to_owned(), false),
            (format!("[project]\nname = 'x'\n{BUILD}"), true),
            ("[project]\nname = 'x'\n[tool.uv]\npackage = true\n".to_owned(), true),
            (format!("{BUILD}[tool.uv]\npackage = false\n"), false),
            (format!("{BUILD}[tool.pdm]\ndistribution = false\n"), false),
            (format!("{BUILD}[tool.poetry]\npackage-mode = false\n"), false),
            (format!("{BUILD}[tool.poetry]\nname = 'x'\n"), true),
        ] {
            assert_eq!(parsed(&text).is_package, expected, "{text}");
        }
        let groups = parsed("[dependency-groups]\nDev_Tools = []\ntest = []\n").groups;
        assert_eq!(groups, BTreeSet::from(["dev-tools".to_owned(), "test".to_owned()]));
    }
}
