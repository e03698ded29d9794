//! Pipenv's files: Pipfile.lock, and a Pipfile without one.

mod entry;
mod hash;
mod requires;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::locked::{
    Groups, LockedIndex, LockedPackage, LockedSet, LockedSource, PackageFault, or_markers, to_json,
};
use super::requirements::normalised_name;
use crate::error::{ErrorCode, NoticeCode, UserError};

pub(crate) use requires::requested_python;

/// How much of what a parser says, or of a wrong version, goes into an error's detail.
const MESSAGE_LENGTH: usize = 100;
const VERSION_LENGTH: usize = 50;

/// Why Pipenv's files can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipfileError {
    /// Pipfile.lock isn't JSON, or not what Pipenv writes.
    #[error("Pipfile.lock: {message}.")]
    Lock {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// The lock asks for a Python version that isn't one.
    #[error("The Python version in Pipfile.lock is: \"{}\".", .text.escape_debug())]
    Version {
        /// What stands in the place of the version.
        text: String,
    },
    /// The Pipfile isn't TOML, or not what Pipenv reads.
    #[error("Pipfile: {message}.")]
    Pipfile {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// The lock wasn't made from this Pipfile.
    #[error(
        "Pipfile.lock is out of date: it was made from another Pipfile (its hash is {locked}, and the \
         Pipfile's {expected})."
    )]
    Stale {
        /// The start of the hash in the lock.
        locked: String,
        /// The start of the Pipfile's hash.
        expected: String,
    },
    /// A package is described in a way that can't be used.
    #[error("{file}, {fault}")]
    Package {
        /// The file's name.
        file: &'static str,
        /// The package, and what is wrong.
        fault: PackageFault,
    },
}

impl PipfileError {
    /// Returns whether nothing is wrong, and Pipenv itself can do it.
    pub fn needs_tool(&self) -> bool {
        matches!(self, Self::Package { fault, .. } if fault.needs_tool)
    }
}

impl UserError for PipfileError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Lock { .. } => ErrorCode::PipfileLockInvalidJson,
            Self::Version { .. } => ErrorCode::PipfileLockInvalidVersion,
            Self::Pipfile { .. } | Self::Stale { .. } | Self::Package { .. } => ErrorCode::InstallPipenv,
        }
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Lock { message } | Self::Pipfile { message } => {
                message.chars().take(MESSAGE_LENGTH).collect()
            }
            Self::Version { text } => text.chars().take(VERSION_LENGTH).collect(),
            Self::Stale { .. } => "out-of-date".to_owned(),
            Self::Package { fault, .. } => fault.package.clone(),
        })
    }
}

/// Reads Pipfile.lock. With the Pipfile at hand, a lock that wasn't made from it is refused, as
/// `pipenv install --deploy` does.
pub fn read_pipfile_lock(
    lock: &[u8],
    pipfile: Option<&[u8]>,
    groups: Groups,
) -> Result<LockedSet, PipfileError> {
    let lock = parse_lock(lock)?;
    if let Some(pipfile) = pipfile {
        hash::check_freshness(&lock, &parse_pipfile(pipfile)?)?;
    }
    let python = requires::python_version(&lock)?;
    let meta = lock.get("_meta");
    let sources = meta.and_then(|meta| meta.get("sources"));
    read_packages("Pipfile.lock", &lock, ["default", "develop"], sources, python, groups)
}

/// Reads a Pipfile that has no lock: its packages, in whatever version there will be.
pub fn read_pipfile(pipfile: &[u8], groups: Groups) -> Result<LockedSet, PipfileError> {
    let pipfile = to_json(&toml::Value::Table(parse_pipfile(pipfile)?));
    let Value::Object(pipfile) = pipfile else { return Ok(LockedSet::default()) };
    let requires = pipfile.get("requires");
    let python = ["python_full_version", "python_version"]
        .iter()
        .find_map(|key| requires.and_then(|requires| requires.get(key)).and_then(Value::as_str))
        .map(str::to_owned);
    let setting = pipfile.get("pipenv").and_then(|settings| settings.get("allow_prereleases"));
    if setting == Some(&Value::Bool(true)) {
        // pip and uv would take them for all that the packages need, too, or for none.
        let fault =
            PackageFault::beyond_requirements("[pipenv]", "`allow_prereleases` is a setting of Pipenv's own");
        return Err(PipfileError::Package { file: "Pipfile", fault });
    }
    let sources = pipfile.get("source");
    let mut set = read_packages("Pipfile", &pipfile, ["packages", "dev-packages"], sources, python, groups)?;
    let text = "There is no Pipfile.lock: every build can install other versions.".to_owned();
    set.warnings.push((NoticeCode::PipfileWithoutLock, text));
    Ok(set)
}

fn parse_lock(lock: &[u8]) -> Result<Map<String, Value>, PipfileError> {
    let text = String::from_utf8_lossy(lock);
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(&text))
        .map_err(|error| PipfileError::Lock { message: error.to_string() })
}

fn parse_pipfile(pipfile: &[u8]) -> Result<toml::Table, PipfileError> {
    let wrong = |message: String| PipfileError::Pipfile { message };
    let text = std::str::from_utf8(pipfile).map_err(|_| wrong("it isn't UTF-8".into()))?;
    text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
}

/// Reads the sections of a lock or a Pipfile, which have the same form.
fn read_packages(
    file: &'static str,
    data: &Map<String, Value>,
    [default, develop]: [&str; 2],
    sources: Option<&Value>,
    python: Option<String>,
    groups: Groups,
) -> Result<LockedSet, PipfileError> {
    let at_fault = |fault| PipfileError::Package { file, fault };
    let mut packages: BTreeMap<String, LockedPackage> = BTreeMap::new();
    let sections = match groups {
        Groups::Production => vec![default],
        Groups::Test => vec![default, develop],
    };
    for section in sections {
        let entries = match data.get(section) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err(at_fault(PackageFault::new(section, "this isn't a table of packages"))),
        };
        for (name, entry) in entries {
            let package = entry::read_entry(name, entry).map_err(at_fault)?;
            let package = match packages.remove(&normalised_name(name)) {
                Some(known) => merged(known, package),
                None => package,
            };
            packages.insert(normalised_name(name), package);
        }
    }
    let indexes = read_sources(sources).map_err(at_fault)?;
    let is_known = |wanted: &str| indexes.iter().any(|index| index.name == wanted);
    for package in packages.values() {
        if let LockedSource::Registry { index: Some(index) } = &package.source
            && !indexes.is_empty()
            && !is_known(index)
        {
            let known: Vec<String> = indexes.iter().map(|index| format!("`{}`", index.name)).collect();
            let known = known.join(", ");
            let reason = format!("its index is `{index}`, and no source has that name. There are: {known}");
            return Err(at_fault(PackageFault::new(&package.name, reason)));
        }
    }
    LockedSet::new(packages.into_values(), indexes, python).map_err(at_fault)
}

/// Puts the entries of a package in two sections together. Pipenv installs the sections one after the other, so
/// the second has the last word.
fn merged(first: LockedPackage, second: LockedPackage) -> LockedPackage {
    let extras = first.extras.into_iter().chain(second.extras).collect();
    let marker = or_markers(first.marker, second.marker);
    LockedPackage { extras, marker, ..second }
}

/// Pipenv puts in `$NAME`, too; in a requirements file, only `${NAME}` is a variable.
fn with_braces(url: &str) -> String {
    static BARE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\$([A-Za-z_][A-Za-z0-9_]*)").expect("the pattern is constant"));
    BARE.replace_all(url, "$${$1}").into_owned()
}

fn read_sources(sources: Option<&Value>) -> Result<Vec<LockedIndex>, PackageFault> {
    let Some(Value::Array(sources)) = sources else { return Ok(Vec::new()) };
    let read = |source: &Value| {
        let text = |key| source.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").unwrap_or_default();
        let Some(url) = text("url") else {
            return Err(PackageFault::new(&name, "this package index has no URL"));
        };
        let url = with_braces(&url);
        // Pipenv also takes a text here, which it reads as true unless it is empty.
        let verify_ssl = source.get("verify_ssl") != Some(&Value::Bool(false));
        Ok(LockedIndex { name, url, verify_ssl, explicit: false })
    };
    sources.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
