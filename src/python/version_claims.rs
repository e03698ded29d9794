//! Files that say which Python the app is for, and contradict each other.

use std::fmt;

use toml::Table;

use super::locked::Constraint;
use super::pipfile::requested_python;
use super::requires_python::SupportedPythons;
use super::supported;
use super::version::{PythonVersion, RequestedVersion};
use super::version_file::{parse_runtime_txt, parse_version_file};

/// What a file says.
struct Claim {
    file: &'static str,
    /// Where it stands in there, if not everywhere.
    key: &'static str,
    /// As it is written.
    text: String,
    versions: Versions,
}

enum Versions {
    One(RequestedVersion),
    Range(Constraint),
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, key, text, .. } = self;
        match key.is_empty() {
            true => write!(formatter, "{file} says {text}"),
            false => write!(formatter, "{file} says `{text}` ({key})"),
        }
    }
}

/// Two files that ask for different versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// The file that decides.
    pub file: &'static str,
    /// Both files with what they say, in sentences.
    pub text: String,
}

/// Says how the app's files contradict the one that decides. Of what can't be read nothing is said: the
/// build has the better message.
pub(crate) fn contradictions(read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<Contradiction> {
    let claims = claims(read);
    let Some((first, others)) = claims.split_first() else { return Vec::new() };
    let Some((used, patch)) = first.leads_to() else { return Vec::new() };
    let contrary = others.iter().filter(|other| !other.allows(used, patch));
    contrary
        .map(|other| {
            let minor = used.minor_version();
            let text =
                format!("{first}, and {other}. Python {minor} is used, as {} comes first.", first.file);
            Contradiction { file: first.file, text }
        })
        .collect()
}

/// In the order in which they decide.
fn claims(read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<Claim> {
    let one = |file, key, version: RequestedVersion| Claim {
        file,
        key,
        text: version.to_string(),
        versions: Versions::One(version),
    };
    let mut claims = Vec::new();
    if let Some(Ok(version)) = read("runtime.txt").map(|text| parse_runtime_txt(&text)) {
        claims.push(one("runtime.txt", "", version));
    }
    if let Some(Ok(version)) = read(".python-version").map(|text| parse_version_file(&text)) {
        claims.push(one(".python-version", "", version));
    }
    claims.extend(read("pyproject.toml").and_then(|text| of_pyproject(&String::from_utf8_lossy(&text))));
    let locked = read("Pipfile.lock").and_then(|lock| requested_python(&lock).ok().flatten());
    claims.extend(locked.map(|version| one("Pipfile.lock", "requires", version)));
    let written = read("Pipfile").and_then(|text| of_pipfile(&String::from_utf8_lossy(&text)));
    claims.extend(written.map(|version| one("Pipfile", "requires", version)));
    claims
}

fn of_pyproject(text: &str) -> Option<Claim> {
    let table: Table = text.parse().ok()?;
    let standard = table.get("project").and_then(|project| project.get("requires-python"));
    let poetry = || table.get("tool")?.get("poetry")?.get("dependencies")?.get("python");
    let (key, text) = match standard {
        Some(standard) => ("requires-python", standard.as_str()?),
        None => ("python, in tool.poetry.dependencies", poetry()?.as_str()?),
    };
    let versions = Versions::Range(Constraint::parse(text));
    Some(Claim { file: "pyproject.toml", key, text: text.trim().to_owned(), versions })
}

fn of_pipfile(text: &str) -> Option<RequestedVersion> {
    let table: Table = text.parse().ok()?;
    let requires = table.get("requires")?;
    let text = |key: &str| requires.get(key).and_then(toml::Value::as_str);
    text("python_full_version").or(text("python_version"))?.parse().ok()
}

impl Claim {
    /// Returns the version that it leads to, the newest of a minor version, and whether it names that one alone.
    fn leads_to(&self) -> Option<(PythonVersion, bool)> {
        match &self.versions {
            Versions::One(RequestedVersion { major, minor, patch: Some(patch) }) => {
                Some((PythonVersion { major: *major, minor: *minor, patch: *patch }, true))
            }
            Versions::One(RequestedVersion { major, minor, patch: None }) => {
                Some((supported::newest(*major, *minor)?, false))
            }
            Versions::Range(range) => {
                // One version alone is what it names.
                let exact = SupportedPythons::parse(&self.text).and_then(|range| range.choose()).ok();
                let newest = supported::supported().iter().rev().map(|row| row.newest);
                let newest = newest.into_iter().find(|version| range.allows(&version.to_string()));
                let exact = exact.and_then(|RequestedVersion { major, minor, patch }| {
                    Some(PythonVersion { major, minor, patch: patch? })
                });
                exact.map(|exact| (exact, true)).or(newest.map(|newest| (newest, false)))
            }
        }
    }

    /// Tells whether this version will do. Unless it `is_exact`, other patch versions of it may be meant.
    fn allows(&self, version: PythonVersion, is_exact: bool) -> bool {
        match &self.versions {
            Versions::One(RequestedVersion { major, minor, patch }) => {
                (*major, *minor) == (version.major, version.minor)
                    && patch.is_none_or(|patch| !is_exact || patch == version.patch)
            }
            Versions::Range(range) => range.allows(&version.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D12, D40
    #[test]
    fn every_pair_of_files_that_contradict_each_other_is_named_with_both_versions() {
        let project = |range: &str| format!("[project]\nname = 'x'\nrequires-python = '{range}'\n");
        let poetry = |range: &str| format!("[tool.poetry.dependencies]\npython = '{range}'\n");
        let lock =
            |version: &str| format!(r#"{{"_meta": {{"requires": {{"python_version": "{version}"}}}}}}"#);
        let full = r#"{"_meta": {"requires": {"python_full_version": "3.12.4"}}}"#.to_owned();
        let pipfile = |version: &str| format!("[requires]\npython_version = '{version}'\n");
        let text = |text: &str| text.to_owned();
        for (files, expected) in [
            (
                vec![(".python-version", text("3.13\n")), ("pyproject.toml", project(">=3.14"))],
                Some(
                    ".python-version says 3.13, and pyproject.toml says `>=3.14` (requires-python). Python 3.13 is used",
                ),
            ),
            (vec![(".python-version", text("3.13")), ("pyproject.toml", project(">=3.12"))], None),
            (
                vec![(".python-version", text("3.13")), ("pyproject.toml", project("==3.12.*"))],
                Some("`==3.12.*`"),
            ),
            (
                vec![(".python-version", text("3.13.1")), ("pyproject.toml", project(">=3.13.2"))],
                Some("3.13.1, and"),
            ),
            (vec![(".python-version", text("3.13")), ("pyproject.toml", project(">=3.13.2"))], None),
            (
                vec![("runtime.txt", text("python-3.12.4")), (".python-version", text("3.13"))],
                Some("runtime.txt says 3.12.4, and .python-version says 3.13."),
            ),
            (vec![("runtime.txt", text("python-3.12.4")), (".python-version", text("3.12"))], None),
            (
                vec![(".python-version", text("3.13")), ("pyproject.toml", poetry("~3.11"))],
                Some("pyproject.toml says `~3.11` (python, in tool.poetry.dependencies)"),
            ),
            (vec![(".python-version", text("3.13")), ("pyproject.toml", poetry("^3.11"))], None),
            (
                vec![(".python-version", text("3.13")), ("pyproject.toml", poetry("~3.11 || ~3.12"))],
                Some("`~3.11 || ~3.12`"),
            ),
            (vec![(".python-version", text("3.13")), ("pyproject.toml", poetry("~3.11 || ~3.13"))], None),
            (
                vec![(".python-version", text("3.13")), ("Pipfile.lock", lock("3.12"))],
                Some("Pipfile.lock says `3.12` (requires)"),
            ),
            (vec![(".python-version", text("3.12")), ("Pipfile.lock", full.clone())], None),
            (
                vec![(".python-version", text("3.12.5")), ("Pipfile.lock", full)],
                Some("Pipfile.lock says `3.12.4`"),
            ),
            (
                vec![("runtime.txt", text("python-3.13.1")), ("Pipfile", pipfile("3.12"))],
                Some("Pipfile says `3.12`"),
            ),
            (
                vec![("pyproject.toml", project(">=3.10,<3.13")), ("Pipfile.lock", lock("3.11"))],
                Some(
                    "pyproject.toml says `>=3.10,<3.13` (requires-python), and Pipfile.lock says `3.11` (requires). Python 3.12",
                ),
            ),
            (vec![("pyproject.toml", project("==3.11.*")), ("Pipfile.lock", lock("3.11"))], None),
            (vec![(".python-version", text("nonsense")), ("pyproject.toml", project(">=3.14"))], None),
            (vec![(".python-version", text("3.13"))], None),
        ] {
            let read = |name: &str| {
                let found = files.iter().find(|(file, _)| *file == name);
                found.map(|(_, text)| text.as_bytes().to_vec())
            };
            let found = contradictions(&read);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{files:?}: {found:?}");
            let found: String = found.into_iter().map(|found| found.text).collect();
            assert!(found.contains(expected.unwrap_or_default()), "{files:?}: {found}");
        }
    }
}
