//! What an app asks to be installed, by the files that say so: not what its locks make of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use toml::{Table, Value};

use super::distribution::Dependency;
use super::poetry;
use super::requirements::{RequirementKind, name_in_location, normalised_name, read_requirements};

/// Something that an app asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The normalised name.
    pub(crate) name: String,
    /// The extras.
    pub(crate) extras: BTreeSet<String>,
    /// When it counts, as it is written.
    pub(crate) marker: Option<String>,
    /// The file that says so.
    pub(crate) file: String,
}

/// What the files of an app ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AskedFor {
    /// What is asked for by name.
    pub(crate) asked: Vec<Asked>,
    /// A lock file that lists everything and doesn't tell what was asked for.
    pub(crate) lock: Option<(&'static str, BTreeSet<String>)>,
}

/// Tells whether a file may say what an app asks for.
pub(crate) fn is_asking_file(path: &str) -> bool {
    const NAMES: [&str; 6] =
        ["pyproject.toml", "Pipfile", "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml"];
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_list = || [".txt", ".in"].iter().any(|end| name.ends_with(end)) && path.contains("requirement");
    NAMES.contains(&path) || (!directory.starts_with('.') && is_list())
}

/// Reads what the files ask for; `files` are those that `is_asking_file` names, by their paths. What can't be read asks
/// for nothing.
pub(crate) fn asked_for(files: &BTreeMap<String, Vec<u8>>) -> AskedFor {
    let table = |name: &str| -> Option<Table> { std::str::from_utf8(files.get(name)?).ok()?.parse().ok() };
    let has = |name: &str| files.contains_key(name);
    let pyproject = table("pyproject.toml");
    let mut found = AskedFor::default();
    if has("Pipfile") {
        found.asked = table("Pipfile").as_ref().map(of_pipfile).unwrap_or_default();
    } else if has("requirements.txt") {
        found.asked = of_requirements(files, pyproject.as_ref());
    } else if has("poetry.lock") || has("uv.lock") || has("pdm.lock") || !has("pylock.toml") {
        found.asked = pyproject.as_ref().map(of_pyproject).unwrap_or_default();
    } else if let Some(lock) = table("pylock.toml") {
        let packages = lock.get("packages").and_then(Value::as_array).into_iter().flatten();
        let names = packages.filter_map(|package| package.get("name")?.as_str()).map(normalised_name);
        found.lock = Some(("pylock.toml", names.collect()));
    }
    found
}

fn of_requirements(files: &BTreeMap<String, Vec<u8>>, pyproject: Option<&Table>) -> Vec<Asked> {
    // A file that isn't in the slug may ask for more, which then nothing is known of.
    let mut read = |path: &str| -> io::Result<Vec<u8>> { Ok(files.get(path).cloned().unwrap_or_default()) };
    let Ok(requirements) = read_requirements("requirements.txt", &mut read) else { return Vec::new() };
    let entries = requirements.entries.into_iter().filter(|entry| !entry.constraint);
    let asked = entries.filter_map(|entry| {
        let plain = |name: String| (name, BTreeSet::new(), None);
        let (name, extras, marker) = match entry.kind {
            RequirementKind::Named { name, text, .. } => match Dependency::parse(&text) {
                Some(Dependency { name, extras, marker, .. }) => (name, extras, marker),
                None => plain(name),
            },
            RequirementKind::LocalPath { path, .. } if [".", "./"].contains(&path.as_str()) => {
                plain(own_name(pyproject?)?)
            }
            RequirementKind::Vcs { url: location, .. }
            | RequirementKind::Url { url: location }
            | RequirementKind::LocalPath { path: location, .. } => {
                plain(normalised_name(&name_in_location(&location)?))
            }
            RequirementKind::RemoteFile { .. } | RequirementKind::Option(_) => return None,
        };
        Some(Asked { name, extras, marker, file: entry.file })
    });
    asked.collect()
}

fn own_name(pyproject: &Table) -> Option<String> {
    let of = |table: Option<&Value>| table?.get("name")?.as_str().map(normalised_name);
    of(pyproject.get("project")).or_else(|| of(pyproject.get("tool").and_then(|tool| tool.get("poetry"))))
}

fn of_pyproject(pyproject: &Table) -> Vec<Asked> {
    let file = || "pyproject.toml".to_owned();
    let plain = |name| Asked { name, extras: BTreeSet::new(), marker: None, file: file() };
    let mut asked: Vec<Asked> = own_name(pyproject).map(plain).into_iter().collect();
    asked.extend(poetry::main_dependencies(pyproject).into_iter().map(|edge| Asked {
        name: edge.name,
        extras: edge.extras,
        marker: edge.marker,
        file: file(),
    }));
    asked
}

fn of_pipfile(pipfile: &Table) -> Vec<Asked> {
    let packages = pipfile.get("packages").and_then(Value::as_table).into_iter().flatten();
    let asked = packages.map(|(name, value)| {
        let listed = value.get("extras").and_then(Value::as_array).into_iter().flatten();
        Asked {
            name: normalised_name(name.split('[').next().unwrap_or_default()),
            extras: listed.filter_map(Value::as_str).map(normalised_name).collect(),
            marker: value.get("markers").and_then(Value::as_str).map(str::to_owned),
            file: "Pipfile".to_owned(),
        }
    });
    asked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // B25
    #[test]
    fn each_package_managers_files_say_what_the_app_asks_for() {
        let project = "[project]\nname = 'My.App'\ndependencies = ['a[x]>=1', \"b ; os_name == 'nt'\"]\n\
                       [dependency-groups]\ndev = ['pytest']\n[tool.poetry.group.dev.dependencies]\nruff = '*'\n";
        let poetry = "[tool.poetry]\nname = 'app'\n[tool.poetry.dependencies]\npython = '^3.12'\n\
                      a = {version = '^1', extras = ['X']}\nc = {version = '*', optional = true}\n";
        for (files, expected) in [
            (
                &[
                    (
                        "requirements.txt",
                        "# x\na[x]==1 --hash=sha256:00\n-r requirements/base.txt\n-c limits.txt\n-e .\n",
                    ),
                    ("requirements/base.txt", "B.c ; python_version > '3'\ngit+https://h/x.git#egg=v\n"),
                    ("pyproject.toml", project),
                ][..],
                &[
                    "a[x] requirements.txt",
                    "b-c requirements/base.txt",
                    "v requirements/base.txt",
                    "my-app requirements.txt",
                ][..],
            ),
            (&[("requirements.txt", "-r gone.txt\na\n"), ("pylock.toml", "")], &["a requirements.txt"]),
            (
                &[("pyproject.toml", project), ("uv.lock", "")],
                &["my-app pyproject.toml", "a[x] pyproject.toml", "b pyproject.toml"],
            ),
            (
                &[("pyproject.toml", project)],
                &["my-app pyproject.toml", "a[x] pyproject.toml", "b pyproject.toml"],
            ),
            (
                &[("pyproject.toml", project), ("pdm.lock", "")],
                &["my-app pyproject.toml", "a[x] pyproject.toml", "b pyproject.toml"],
            ),
            (
                &[("pyproject.toml", poetry), ("poetry.lock", "")],
                &["app pyproject.toml", "a[x] pyproject.toml"],
            ),
            (
                &[(
                    "Pipfile",
                    "[packages]\nA = '*'\nb = {extras = ['y'], version = '*', markers = \"os_name == 'nt'\"}\n[dev-packages]\nc = '*'\n",
                )],
                &["a Pipfile", "b[y] Pipfile"],
            ),
            (&[("pyproject.toml", "not = toml = x")], &[]),
            (&[("requirements.txt", "-e\n")], &[]),
            (&[], &[]),
        ] {
            let files: BTreeMap<String, Vec<u8>> =
                files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
            let asked = asked_for(&files).asked;
            let shown: Vec<String> = asked
                .iter()
                .map(|Asked { name, extras, file, .. }| {
                    let extras: String = extras.iter().map(|extra| format!("[{extra}]")).collect();
                    format!("{name}{extras} {file}")
                })
                .collect();
            assert_eq!(shown, expected, "{files:?}");
        }
        let lock = BTreeMap::from([(
            "pylock.toml".to_owned(),
            b"lock-version = '1.0'\n[[packages]]\nname = 'A.b'\n[[packages]]\nname = 'c'\n".to_vec(),
        )]);
        let names = BTreeSet::from(["a-b".to_owned(), "c".to_owned()]);
        assert_eq!(asked_for(&lock).lock, Some(("pylock.toml", names)));
    }

    #[test]
    fn lists_of_requirements_are_told_by_their_names() {
        for (path, expected) in [
            ("requirements.txt", true),
            ("requirements/base.in", true),
            ("etc/requirements-web.txt", true),
            ("pyproject.toml", true),
            ("libs/a/pyproject.toml", false),
            (".heroku/python/lib/x/requirements.txt", false),
            ("notes.txt", false),
        ] {
            assert_eq!(is_asking_file(path), expected, "{path}");
        }
    }
}
