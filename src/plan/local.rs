//! What is built from the app's own files, apart from what comes from elsewhere: so that a change of the app
//! doesn't install everything else again.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::inputs::Rendered;
use crate::python::distribution::{Distribution, needs};
use crate::python::locked::{LockedPackage, LockedSet, LockedSource};
use crate::python::requirements::Requirements;

/// Packages that are in the app itself, and how they are installed apart from the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Local {
    /// The directories and archives, relative to the app, with the extras that are asked for; `.` is the app itself.
    pub places: BTreeMap<String, BTreeSet<String>>,
    /// What installs them, without what they need.
    pub own: Part,
    /// What installs all others.
    pub others: Part,
    /// Whether nobody has locked what they need, so that they have to be asked.
    pub is_open: bool,
    /// What they need, once they were asked.
    pub needs: Needs,
    /// A digest of the files that they are built from.
    pub digest: String,
}

/// A part of what is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// The app's files as they are, which the installer can take apart itself.
    #[default]
    AsIs,
    /// A requirements file that is made for it.
    Rendered(Rendered),
    /// The app's files with other contents.
    Files(BTreeMap<String, Vec<u8>>),
    /// What uv's lock file holds besides these packages.
    Without(BTreeSet<String>),
}

impl Part {
    /// Returns a digest of what it says.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(format!("{}:", bytes.len()));
            hasher.update(bytes);
        };
        match self {
            Self::AsIs => {}
            Self::Rendered(Rendered { text, .. }) => add(text.as_bytes()),
            Self::Files(files) => files.iter().for_each(|(name, contents)| {
                add(name.as_bytes());
                add(contents);
            }),
            Self::Without(names) => names.iter().for_each(|name| add(name.as_bytes())),
        }
        hex::encode(hasher.finalize())
    }
}

/// What packages in the app need, as they say themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Needs {
    /// Their own names: the others may need them, but never from an index.
    pub names: BTreeSet<String>,
    /// What they need besides each other, as lines of a requirements file.
    pub requirements: BTreeSet<String>,
}

impl Needs {
    /// Puts together what installed packages say. `asked` are the extras that are asked for, by the place in the app.
    pub(crate) fn of(
        installed: Vec<(String, Distribution)>,
        asked: &BTreeMap<String, BTreeSet<String>>,
    ) -> Self {
        let extras = |place: &str| asked.get(place).cloned().unwrap_or_default();
        let names = installed.iter().map(|(_, distribution)| distribution.key()).collect();
        let distributions: Vec<_> =
            installed.into_iter().map(|(place, distribution)| (distribution, extras(&place))).collect();
        Self { names, requirements: needs(&distributions) }
    }

    /// Tells whether something that is needed is itself in the app: it can't be installed apart then.
    pub(crate) fn leads_into_app(&self) -> bool {
        self.requirements.iter().any(|need| need.contains("@ file:"))
    }

    /// Renders what is needed as a requirements file.
    pub(crate) fn render(&self) -> String {
        self.requirements.iter().map(|need| format!("{need}\n")).collect()
    }

    /// Renders overrides by which nothing of the app itself is taken from elsewhere.
    pub(crate) fn render_overrides(&self) -> String {
        self.names.iter().map(|name| format!("{name} ; python_version < '0'\n")).collect()
    }
}

/// Takes requirements files apart.
pub(crate) fn split_requirements(requirements: &Requirements) -> Option<Local> {
    let split = requirements.split()?;
    let own = Rendered { text: split.local, complete: true, hashed: false };
    Some(Local {
        places: split.places,
        own: Part::Rendered(own),
        others: Part::Files(split.others),
        is_open: true,
        ..Local::default()
    })
}

/// Takes a set of packages apart. Unless it is `complete`, the packages of the app have to be asked what they need.
pub(crate) fn split_locked(set: &LockedSet, complete: bool) -> Option<Local> {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in &set.packages {
        if let LockedSource::Path { path, .. } = &package.source {
            places.entry(path.clone()).or_default().extend(package.extras.iter().cloned());
        }
    }
    let is_local = |package: &LockedPackage| matches!(package.source, LockedSource::Path { .. });
    let part = |local: bool, complete: bool| {
        let packages = set.packages.iter().filter(|package| is_local(package) == local).cloned().collect();
        let set = LockedSet { packages, ..set.clone() };
        let hashed = complete && set.is_hashed();
        Part::Rendered(Rendered { text: set.render_requirements(), complete, hashed })
    };
    (!places.is_empty()).then(|| Local {
        own: part(true, true),
        others: part(false, complete),
        is_open: !complete,
        places,
        ..Local::default()
    })
}

/// Takes a project without a lock apart: itself, and what it needs. A `static` one says that in pyproject.toml.
pub(crate) fn split_project(is_static: bool) -> Local {
    let own = Rendered { text: "-e .\n".to_owned(), complete: true, hashed: false };
    let nothing_else = Rendered { text: String::new(), complete: false, hashed: false };
    Local {
        places: BTreeMap::from([(".".to_owned(), BTreeSet::new())]),
        own: Part::Rendered(own),
        others: if is_static { Part::AsIs } else { Part::Rendered(nothing_else) },
        is_open: !is_static,
        ..Local::default()
    }
}

/// Where a package of uv's lock file, or of pylock.toml, is in the app.
fn place(package: &Value) -> Option<String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    // uv.lock
    if let Some(source) = package.get("source") {
        return ["editable", "directory", "path"].iter().find_map(|key| text(source, key));
    }
    // pylock.toml
    let archives = ["directory", "archive", "sdist"].iter().filter_map(|key| package.get(key));
    let wheels = package.get("wheels").and_then(Value::as_array).into_iter().flatten();
    archives.chain(wheels).find_map(|archive| text(archive, "path"))
}

fn place_in_app(place: &str) -> Option<String> {
    let parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let leads_out = place.starts_with('/') || parts.contains(&"..");
    (!leads_out).then(|| if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

fn packages(lock: &Table) -> impl Iterator<Item = &Value> {
    ["package", "packages"].into_iter().filter_map(|key| lock.get(key)?.as_array()).flatten()
}

/// Tells whether a lock file of uv, or a pylock.toml, names anything on this machine's disk.
pub(crate) fn has_places(lock: &Table) -> bool {
    packages(lock).any(|package| place(package).is_some())
}

/// Takes uv's lock file apart.
pub(crate) fn split_uv_lock(lock: &Table) -> Option<Local> {
    let name = |package: &Value| package.get("name").and_then(Value::as_str).map(str::to_owned);
    let places = places(lock)?;
    let others = packages(lock).filter(|package| place(package).is_none());
    Some(Local { places, own: Part::Without(others.filter_map(name).collect()), ..Local::default() })
}

/// Takes pylock.toml apart.
pub(crate) fn split_pylock(lock: &Table) -> Option<Local> {
    let part = |local: bool| {
        let kept = packages(lock).filter(|package| place(package).is_some() == local).cloned().collect();
        let mut lock = lock.clone();
        lock.insert("packages".to_owned(), Value::Array(kept));
        Part::Files(BTreeMap::from([("pylock.toml".to_owned(), lock.to_string().into_bytes())]))
    };
    Some(Local { places: places(lock)?, own: part(true), others: part(false), ..Local::default() })
}

/// Finds the places in the app that a lock file names. Nothing, if there are none or one is outside.
fn places(lock: &Table) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let places: Option<BTreeMap<_, _>> = packages(lock)
        .filter_map(place)
        .map(|place| place_in_app(&place).map(|place| (place, BTreeSet::new())))
        .collect();
    places.filter(|places| !places.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_lock_file_takes_from_the_app_is_found() {
        for (lock, expected) in [
            ("[[package]]\nname = 'a'\nsource = { registry = 'https://index.test/simple' }\n", None),
            ("[[package]]\nname = 'a'\nsource = { virtual = '.' }\n", None),
            ("[[package]]\nname = 'a'\nsource = { editable = '.' }\n", Some(".")),
            ("[[package]]\nname = 'a'\nsource = { directory = './lib/a' }\n", Some("lib/a")),
            ("[[package]]\nname = 'a'\nsource = { directory = '../a' }\n", None),
            (
                "[[package]]\nname = 'a'\nsource = { path = 'a-1-py3-none-any.whl' }\n",
                Some("a-1-py3-none-any.whl"),
            ),
            ("[[packages]]\nname = 'a'\ndirectory = { path = '.' }\n", Some(".")),
            ("[[packages]]\nname = 'a'\nwheels = [{ url = 'https://index.test/a.whl' }]\n", None),
            ("[[packages]]\nname = 'a'\nwheels = [{ path = 'a.whl' }]\n", Some("a.whl")),
        ] {
            let found = places(&table(lock)).and_then(|places| places.into_keys().next());
            assert_eq!(found.as_deref(), expected, "{lock}");
        }
    }

    #[test]
    fn a_lock_file_is_taken_apart_by_name() {
        let lock = "[[package]]\nname = 'a'\nsource = { registry = 'x' }\n[[package]]\nname = 'shop'\n\
                    source = { editable = '.' }\n";
        let local = split_uv_lock(&table(lock)).unwrap();
        assert_eq!(local.own, Part::Without(BTreeSet::from(["a".to_owned()])));
        let lock = "lock-version = '1.0'\n[[packages]]\nname = 'a'\nversion = '1'\n[[packages]]\nname = 'shop'\n\
                    directory = { path = '.' }\n";
        let local = split_pylock(&table(lock)).unwrap();
        let names = |part: &Part| {
            let Part::Files(files) = part else { panic!("{part:?}") };
            let lock = table(std::str::from_utf8(&files["pylock.toml"]).unwrap());
            assert_eq!(lock["lock-version"].as_str(), Some("1.0"));
            let names: Vec<_> =
                packages(&lock).map(|package| package["name"].as_str().unwrap().to_owned()).collect();
            names
        };
        assert_eq!(
            (names(&local.own), names(&local.others)),
            (vec!["shop".to_owned()], vec!["a".to_owned()])
        );
    }
}
