//! Poetry's files: poetry.lock, and its part of pyproject.toml.

mod hash;
mod own_settings;
mod package;
mod pyproject;
mod root;

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::locked::{
    Condition, Edge, Groups, LockedIndex, LockedPackage, LockedSet, LockedSource, PackageFault, and_markers,
    or_markers, reachable, without_extras,
};
use super::requirements::normalised_name;
use crate::error::{Door, ErrorCode, UserError};

pub(crate) use own_settings::{own_settings, required_version};
pub(crate) use root::{AppFiles, RootFault, root_fault};

/// The group of what the app needs to run.
const MAIN: &str = "main";

/// Why Poetry's files can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoetryError {
    /// poetry.lock isn't TOML, or not what Poetry writes.
    #[error("poetry.lock: {message}.")]
    Lock {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// pyproject.toml isn't TOML, or not what Poetry reads.
    #[error("pyproject.toml: {message}.")]
    Pyproject {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// The lock wasn't made from this pyproject.toml.
    #[error("poetry.lock is out of date: pyproject.toml has changed significantly since it was made.")]
    Stale,
    /// The app can't be installed as a package.
    #[error("{0}")]
    Root(RootFault),
    /// A package is described in a way that can't be used.
    #[error("poetry.lock, {0}")]
    Package(PackageFault),
}

impl PoetryError {
    /// Returns whether nothing is wrong, and the tool itself can do it.
    pub fn needs_tool(&self) -> bool {
        matches!(self, Self::Package(fault) if fault.needs_tool)
    }
}

impl UserError for PoetryError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InstallPoetry
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Lock { message } | Self::Pyproject { message } => message.chars().take(100).collect(),
            Self::Stale => "out-of-date".to_owned(),
            Self::Root(_) => "no-package".to_owned(),
            Self::Package(fault) => fault.package.clone(),
        })
    }

    fn fix(&self, _door: Door) -> Option<String> {
        match self {
            Self::Root(fault) => Some(fault.fix()),
            _ => None,
        }
    }
}

impl From<PackageFault> for PoetryError {
    fn from(fault: PackageFault) -> Self {
        Self::Package(fault)
    }
}

/// Finds what the app itself requires to run: the dependencies of `[project]` or of Poetry's own table.
pub(super) fn main_dependencies(pyproject: &Table) -> Vec<Edge> {
    pyproject::dependencies(pyproject, &|_| false)
}

/// Reads poetry.lock. A lock that wasn't made from this pyproject.toml is refused, as `poetry sync` does.
///
/// In production there is the group `main` alone, for tests all groups that aren't optional; extras of the app
/// are never asked for. Without `package-mode = false`, the app itself is one of the packages.
pub fn read_poetry_lock(lock: &[u8], pyproject: &[u8], groups: Groups) -> Result<LockedSet, PoetryError> {
    let wrong_lock = |message: String| PoetryError::Lock { message };
    let text = std::str::from_utf8(lock).map_err(|_| wrong_lock("it isn't UTF-8".into()))?;
    let lock: Table =
        text.parse().map_err(|error: toml::de::Error| wrong_lock(error.message().to_owned()))?;
    let pyproject = pyproject::parse(pyproject)?;
    let metadata = check_metadata(&lock)?;
    if !hash::is_fresh(text.lines().next().unwrap_or_default(), metadata, &pyproject) {
        return Err(PoetryError::Stale);
    }

    let entries = match lock.get("package") {
        None => Vec::new(),
        Some(Value::Array(entries)) => {
            let tables: Option<Vec<_>> = entries.iter().map(Value::as_table).collect();
            tables.ok_or_else(|| wrong_lock("`package` isn't a list of tables".into()))?
        }
        Some(_) => return Err(wrong_lock("`package` isn't a list of tables".into())),
    };
    let mut packages = wanted_packages(&entries, metadata, &pyproject, groups)?;
    packages.extend(pyproject::root_package(&pyproject)?);

    let mut indexes = pyproject::read_sources(&pyproject)?;
    add_missing_indexes(&mut indexes, &entries, &packages);
    let python = metadata.get("python-versions").and_then(Value::as_str).map(str::to_owned);
    Ok(LockedSet::new(packages, indexes, python)?)
}

/// Looks at the version of the lock's format: Poetry 2 reads 1.x and 2.x.
fn check_metadata(lock: &Table) -> Result<&Table, PoetryError> {
    let wrong = |message: String| PoetryError::Lock { message };
    let metadata = lock
        .get("metadata")
        .and_then(Value::as_table)
        .ok_or_else(|| wrong("there is no `metadata`: it was made by a Poetry that is too old".into()))?;
    let version = metadata.get("lock-version").and_then(Value::as_str).unwrap_or_default();
    match version.split('.').next() {
        Some("1" | "2") => Ok(metadata),
        Some("") => Err(wrong(
            "it names no version of its format: it was made by a Poetry before 1.0. Run `poetry lock`".into(),
        )),
        _ => Err(wrong(format!("the version of its format isn't known: \"{}\"", version.escape_debug()))),
    }
}

/// Finds the packages of the wanted groups.
///
/// Since format 2.1 each package has its groups and markers. Before, it had a category at most, and never its
/// markers: then it is asked what can be reached from pyproject.toml.
fn wanted_packages(
    entries: &[&Table],
    metadata: &Table,
    pyproject: &Table,
    groups: Groups,
) -> Result<Vec<LockedPackage>, PoetryError> {
    let read = |entry: &Table, marker| package::read_package(entry, metadata, marker);
    let wanted = pyproject::wanted_groups(pyproject, groups);
    let mut packages = Vec::new();
    if entries.iter().any(|entry| entry.contains_key("groups")) {
        for entry in entries {
            match marker_for_groups(entry, wanted.as_ref()) {
                Condition::Never => {}
                Condition::Always => packages.push(read(entry, None)?),
                Condition::When(marker) => packages.push(read(entry, Some(marker))?),
            }
        }
        return Ok(packages);
    }

    let nodes: Vec<_> = entries.iter().map(|entry| package::read_node(entry)).collect();
    let roots = pyproject::dependencies(pyproject, wanted.as_ref());
    let reached = reachable(&roots, &nodes);
    for (position, entry) in entries.iter().enumerate() {
        if let Some(marker) = reached.get(&position) {
            packages.push(read(entry, marker.clone())?);
        }
    }
    Ok(packages)
}

/// Finds out when a package is needed for one of the wanted groups.
fn marker_for_groups(entry: &Table, wanted: &dyn Fn(&str) -> bool) -> Condition {
    let groups =
        entry.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let markers = entry.get("markers");
    let mut found = Condition::Never;
    for group in groups.filter(|group| wanted(&normalised_name(group))) {
        let marker = match markers {
            Some(Value::Table(by_group)) => by_group.get(group).and_then(Value::as_str),
            Some(Value::String(marker)) => Some(marker.as_str()),
            _ => None,
        };
        found = match (found, without_extras(marker, &BTreeSet::new())) {
            (Condition::Always, _) | (_, Condition::Always) => Condition::Always,
            (Condition::Never, other) | (other, Condition::Never) => other,
            (Condition::When(first), Condition::When(second)) => {
                or_markers(Some(first), Some(second)).map_or(Condition::Always, Condition::When)
            }
        };
    }
    found
}

/// The lock tells the URL of an index that pyproject.toml doesn't have (any more).
fn add_missing_indexes(indexes: &mut Vec<LockedIndex>, entries: &[&Table], packages: &[LockedPackage]) {
    for package in packages {
        let LockedSource::Registry { index: Some(name) } = &package.source else { continue };
        if indexes.iter().any(|index| index.name == *name) {
            continue;
        }
        let sources = entries.iter().filter_map(|entry| entry.get("source"));
        let mut named = sources
            .filter(|source| source.get("reference").and_then(Value::as_str) == Some(name))
            .filter_map(|source| source.get("url").and_then(Value::as_str));
        if let Some(url) = named.next() {
            let url = url.to_owned();
            indexes.push(LockedIndex { name: name.clone(), url, verify_ssl: true, explicit: true });
        }
    }
}

/// Joins what a dependency says about Python and its marker.
fn with_python(marker: Option<String>, python: Option<String>) -> Option<String> {
    and_markers(python, marker)
}

#[cfg(test)]
mod tests;
