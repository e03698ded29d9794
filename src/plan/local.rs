//! What is built from the app's own files, apart from what comes from elsewhere: so that a change of the app
//! doesn't install everything else again.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::inputs::Rendered;
use crate::python::distribution::{Distribution, needs};
use crate::python::locked::{LockedPackage, LockedSet, LockedSource, place_in_app};
use crate::python::pylock::Pylock;
use crate::python::requirements::Requirements;
use crate::python::uv_lock;

/// Packages that are in the app itself, and how they are installed apart from the others.
#[derive(Debug, Clone, Default, PartialEq)]
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
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Part {
    /// The app's files as they are, which the installer can take apart itself.
    #[default]
    AsIs,
    /// A requirements file that is made for it.
    Rendered(Rendered),
    /// The app's files with other contents.
    Files(BTreeMap<String, Vec<u8>>),
    /// Some packages of a pylock.toml.
    Pylock(Pylock),
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
            Self::Pylock(lock) => add(lock.render(None).as_bytes()),
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

fn packages(lock: &Table) -> impl Iterator<Item = &Table> {
    lock.get("package").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
}

/// Tells whether uv's lock file names anything on this machine's disk.
pub(crate) fn has_places(lock: &Table) -> bool {
    packages(lock).any(|package| uv_lock::place(package).is_some())
}

/// Takes uv's lock file apart, which is done by names. So a package that is in the app for one platform, and elsewhere
/// for another, can't be taken apart, nor can what is outside of the app.
pub(crate) fn split_uv_lock(lock: &Table) -> Option<Local> {
    let name = |package: &Table| package.get("name").and_then(Value::as_str).map(str::to_owned);
    let (own, others): (Vec<&Table>, Vec<&Table>) =
        packages(lock).partition(|package| uv_lock::place(package).is_some());
    let places = own.iter().map(|package| place_in_app(uv_lock::place(package)?).ok());
    let places: BTreeMap<_, _> =
        places.map(|place| Some((place?, BTreeSet::new()))).collect::<Option<_>>()?;
    let own: BTreeSet<String> = own.into_iter().filter_map(name).collect();
    let others: BTreeSet<String> = others.into_iter().filter_map(name).collect();
    (!places.is_empty() && own.is_disjoint(&others)).then(|| Local {
        places,
        own: Part::Without(others),
        ..Local::default()
    })
}

/// Takes pylock.toml apart.
pub(crate) fn split_pylock(lock: &Pylock) -> Option<Local> {
    let places: BTreeMap<_, _> = lock
        .packages
        .iter()
        .flat_map(|package| &package.places)
        .map(|place| (place.clone(), BTreeSet::new()))
        .collect();
    let part = |own: bool| Part::Pylock(lock.with_packages(|package| package.places.is_empty() != own));
    (!places.is_empty()).then(|| Local { places, own: part(true), others: part(false), ..Local::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::pylock::read_pylock;

    // D30
    #[test]
    fn what_uvs_lock_file_takes_from_the_app_is_taken_apart_by_name() {
        let here =
            |name: &str, source: &str| format!("[[package]]\nname = '{name}'\nsource = {{ {source} }}\n");
        let elsewhere = |name: &str| here(name, "registry = 'https://index.test/simple'");
        for (lock, expected) in [
            (elsewhere("a"), None),
            (here("a", "virtual = '.'"), None),
            (here("a", "editable = '.'"), Some((".", ""))),
            (here("a", "directory = './lib/a'") + &elsewhere("b"), Some(("lib/a", "b"))),
            (here("a", "directory = '../a'"), None),
            (here("a", "path = 'a-1-py3-none-any.whl'"), Some(("a-1-py3-none-any.whl", ""))),
            (here("a", "directory = 'lib/a'") + &elsewhere("a"), None),
            (here("a", "path = 'a-1.tar.gz'") + &here("a", "git = 'https://h/a.git'"), None),
            (here("a", "editable = '.'") + &here("b", "editable = 'b'") + &elsewhere("b"), None),
        ] {
            let found = split_uv_lock(&lock.parse().unwrap()).map(|local| {
                let Part::Without(names) = local.own else { panic!("{:?}", local.own) };
                (local.places.into_keys().next().unwrap(), names.into_iter().collect::<Vec<_>>().join(","))
            });
            let found = found.as_ref().map(|(place, others)| (place.as_str(), others.as_str()));
            assert_eq!(found, expected, "{lock}");
        }
    }

    #[test]
    fn pylock_toml_is_taken_apart_by_where_packages_are() {
        let lock = "lock-version = '1.0'\n[[packages]]\nname = 'a'\nversion = '1'\n[[packages]]\nname = 'shop'\n\
                    directory = { path = '.' }\n";
        let local = split_pylock(&read_pylock(lock.as_bytes()).unwrap()).unwrap();
        let names = |part: &Part| {
            let Part::Pylock(lock) = part else { panic!("{part:?}") };
            assert!(lock.render(None).contains("lock-version = \"1.0\""));
            lock.packages.iter().map(|package| package.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            (names(&local.own), names(&local.others)),
            (vec!["shop".to_owned()], vec!["a".to_owned()])
        );
    }
}
