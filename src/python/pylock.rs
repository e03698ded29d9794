//! pylock.toml, which several tools write.
//! <https://packaging.python.org/en/latest/specifications/pylock-toml/>
//!
//! uv installs what it lists. So its packages are read only as far as slugc has to decide something: where they are in
//! the app, whether they are for this machine, and what a conforming installer has to refuse.

mod files;

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use super::locked::{ExpectedPackage, PackageFault};
use super::requirements::normalised_name;
use crate::error::{ErrorCode, UserError};

/// Why a pylock.toml can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PylockError {
    /// It isn't what the specification says.
    #[error("pylock.toml: {message}.")]
    Lock {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// A package is described in a way that can't be used.
    #[error("pylock.toml, {0}")]
    Package(PackageFault),
}

impl UserError for PylockError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InstallUvProject
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Lock { message } => message.chars().take(100).collect(),
            Self::Package(fault) => fault.package.clone(),
        })
    }
}

impl From<PackageFault> for PylockError {
    fn from(fault: PackageFault) -> Self {
        Self::Package(fault)
    }
}

/// A pylock.toml.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pylock {
    /// The packages, in the file's order.
    pub packages: Vec<PylockPackage>,
    /// Markers of the environments that it is for; none if it is for all.
    pub environments: Vec<String>,
    /// The dependency groups that are installed unless others are asked for.
    pub default_groups: BTreeSet<String>,
    /// Everything else in the file.
    rest: Table,
}

/// A package of a pylock.toml.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PylockPackage {
    /// The name as PEP 503 normalises it.
    pub name: String,
    /// The version, if it is known.
    pub version: Option<String>,
    /// The environments that it is for.
    pub marker: Option<String>,
    /// The directory, or the archives, in the app; relative to it, `.` is the app itself.
    pub places: BTreeSet<String>,
    /// Whether it is a release in an index. What is built from sources can have another version than when it was locked.
    is_release: bool,
    entry: Table,
}

impl Pylock {
    /// Returns the lock with some of its packages.
    pub(crate) fn with_packages(&self, wanted: impl Fn(&PylockPackage) -> bool) -> Self {
        let packages = self.packages.iter().filter(|package| wanted(package)).cloned().collect();
        Self { packages, ..self.clone() }
    }

    /// Renders the lock for uv. `app` is the directory that paths count from; without one, they stay relative.
    pub(crate) fn render(&self, app: Option<&Path>) -> String {
        let mut lock = self.rest.clone();
        // uv only selects a default group that is among these, too, where it need not be.
        let groups = self.rest.get("dependency-groups").and_then(Value::as_array);
        let groups = groups.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let groups: BTreeSet<String> = groups.chain(self.default_groups.iter().cloned()).collect();
        if !groups.is_empty() {
            let groups = groups.into_iter().map(Value::String).collect();
            lock.insert("dependency-groups".to_owned(), Value::Array(groups));
        }
        let packages = self.packages.iter().map(|package| {
            let mut entry = package.entry.clone();
            app.into_iter().for_each(|app| files::make_absolute(&mut entry, app));
            Value::Table(entry)
        });
        lock.insert("packages".to_owned(), Value::Array(packages.collect()));
        lock.to_string()
    }

    /// Lists what must be installed afterwards, where its marker holds.
    pub(crate) fn expected(&self) -> Vec<ExpectedPackage> {
        let expected = |package: &PylockPackage| ExpectedPackage {
            name: package.name.clone(),
            version: package.version.clone().filter(|_| package.is_release),
            marker: package.marker.clone(),
            in_app: !package.places.is_empty(),
        };
        self.packages.iter().map(expected).collect()
    }
}

/// Reads pylock.toml. What uv refuses itself, in its own words, isn't asked here.
pub(crate) fn read_pylock(lock: &[u8]) -> Result<Pylock, PylockError> {
    let wrong = |message: String| PylockError::Lock { message };
    let text = std::str::from_utf8(lock).map_err(|_| wrong("it isn't UTF-8".into()))?;
    if text.starts_with('\u{feff}') {
        return Err(wrong("it begins with a byte order mark, which TOML doesn't allow".into()));
    }
    let mut lock: Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let version = lock.get("lock-version").and_then(Value::as_str);
    if let Some(version) = version.filter(|version| version.split('.').next() != Some("1")) {
        if version.is_empty() {
            return Err(wrong("it names no version of its format".into()));
        }
        let shown = version.escape_debug();
        return Err(wrong(format!("the version of its format isn't known: \"{shown}\"")));
    }
    let entries = match lock.remove("packages") {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(wrong("`packages` isn't a list of tables".into())),
    };
    let packages = entries.into_iter().map(|entry| match entry {
        Value::Table(entry) => read_package(entry).map_err(PylockError::from),
        _ => Err(wrong("`packages` isn't a list of tables".into())),
    });
    let texts = |key: &str| -> Vec<String> {
        let listed = lock.get(key).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(Pylock {
        packages: packages.collect::<Result<_, _>>()?,
        environments: texts("environments"),
        default_groups: texts("default-groups").into_iter().collect(),
        rest: lock,
    })
}

fn read_package(entry: Table) -> Result<PylockPackage, PackageFault> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").ok_or_else(|| PackageFault::new("package", "there is one without a name"))?;
    let version = text("version");
    Ok(PylockPackage {
        places: files::check(&name, version.as_deref(), &entry)?,
        name: normalised_name(&name),
        version,
        marker: text("marker"),
        is_release: !["vcs", "directory", "archive"].iter().any(|key| entry.contains_key(*key)),
        entry,
    })
}

#[cfg(test)]
mod tests;
