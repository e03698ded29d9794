//! pdm's files: pdm.lock, and its part of pyproject.toml.

mod own_settings;
mod package;
mod pyproject;

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::locked::{
    Condition, Groups, LockedPackage, LockedSet, PackageFault, or_markers, reachable, without_extras,
};
use super::requirements::normalised_name;
use crate::error::{ErrorCode, NoticeCode, UserError};

pub(crate) use own_settings::own_settings;

/// The group of what the app needs to run.
const DEFAULT: &str = "default";

/// Why pdm's files can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdmError {
    /// pdm.lock isn't TOML, or not what pdm writes.
    #[error("pdm.lock: {message}.")]
    Lock {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// pyproject.toml isn't TOML, or not what pdm reads.
    #[error("pyproject.toml: {message}.")]
    Pyproject {
        /// What is wrong, without a full stop.
        message: String,
    },
    /// The lock wasn't made from this pyproject.toml.
    #[error("pdm.lock is out of date: the dependencies in pyproject.toml have changed since it was made.")]
    Stale,
    /// PDM makes something else of pyproject.toml before it compares and installs.
    #[error("pyproject.toml: {0} describes the project, which PDM translates for itself.")]
    Translated(&'static str),
    /// It is for other platforms.
    #[error("pdm.lock is only for these environments, and a slug's is none of them: {0}.")]
    OtherTargets(String),
    /// A package is described in a way that can't be used.
    #[error("pdm.lock, {0}")]
    Package(PackageFault),
}

impl PdmError {
    /// Returns whether nothing is wrong, and the tool itself can do it.
    pub fn needs_tool(&self) -> bool {
        match self {
            Self::Package(fault) => fault.needs_tool,
            Self::Translated(_) => true,
            _ => false,
        }
    }
}

impl UserError for PdmError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::OtherTargets(_) => ErrorCode::LockOtherEnvironment,
            _ => ErrorCode::InstallPdm,
        }
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Lock { message } | Self::Pyproject { message } => message.chars().take(100).collect(),
            Self::Stale => "out-of-date".to_owned(),
            Self::OtherTargets(targets) => targets.clone(),
            Self::Translated(tool) => (*tool).to_owned(),
            Self::Package(fault) => fault.package.clone(),
        })
    }
}

impl From<PackageFault> for PdmError {
    fn from(fault: PackageFault) -> Self {
        Self::Package(fault)
    }
}

/// Reads pdm.lock. A lock that was not made from this pyproject.toml is refused, as `pdm lock --check` does.
///
/// In production there is the default group alone, for tests the groups for development too.
pub fn read_pdm_lock(lock: &[u8], pyproject: &[u8], groups: Groups) -> Result<LockedSet, PdmError> {
    let lock = parse(lock).map_err(|message| PdmError::Lock { message })?;
    let pyproject = parse(pyproject).map_err(|message| PdmError::Pyproject { message })?;
    let metadata = check_metadata(&lock)?;
    if let Some(tool) = pyproject::translated_from(&pyproject) {
        return Err(PdmError::Translated(tool));
    }
    check_targets(metadata)?;
    let mut warnings = Vec::new();
    if pyproject::has_other_inputs(metadata, &pyproject) {
        let text = "It can't be told whether pdm.lock is up to date: more than pyproject.toml decides that.";
        warnings.push((NoticeCode::PdmLockNotChecked, text.to_owned()));
    } else if !pyproject::is_fresh(metadata, &pyproject) {
        return Err(PdmError::Stale);
    }

    let wrong = || PdmError::Lock { message: "`package` isn't a list of tables".into() };
    let entries: Vec<&Table> = match lock.get("package") {
        None => Vec::new(),
        Some(packages) => {
            let packages = packages.as_array().ok_or_else(wrong)?;
            packages.iter().map(Value::as_table).collect::<Option<_>>().ok_or_else(wrong)?
        }
    };
    let mut packages = wanted_packages(&entries, &pyproject, groups)?;
    packages.extend(pyproject::root_package(&pyproject));
    let indexes = pyproject::read_sources(&pyproject)?;
    let python = pyproject.get("project").and_then(|project| project.get("requires-python"));
    let set = LockedSet::new(packages, indexes, python.and_then(Value::as_str).map(str::to_owned))?;
    Ok(LockedSet { warnings, ..set })
}

fn parse(bytes: &[u8]) -> Result<Table, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it isn't UTF-8".to_owned())?;
    text.parse().map_err(|error: toml::de::Error| error.message().to_owned())
}

fn check_metadata(lock: &Table) -> Result<&Table, PdmError> {
    let wrong = |message: String| PdmError::Lock { message };
    let metadata = lock.get("metadata").and_then(Value::as_table);
    let metadata = metadata.ok_or_else(|| wrong("there is no `metadata`".into()))?;
    let version = metadata.get("lock_version").and_then(Value::as_str).unwrap_or_default();
    match version.split('.').next() {
        Some("4") => Ok(metadata),
        Some("") => Err(wrong(
            "it names no version of its format: it was made by a PDM that is too old. Run `pdm lock`".into(),
        )),
        _ => Err(wrong(format!("the version of its format isn't known: \"{}\"", version.escape_debug()))),
    }
}

/// Refuses a lock that was only made for other platforms, as pdm does: "No compatible lock target found".
fn check_targets(metadata: &Table) -> Result<(), PdmError> {
    let targets = metadata.get("targets").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |target: &Value, key: &str| target.get(key).and_then(Value::as_str).map(str::to_owned);
    let is_ours = |target: &Value| {
        // `linux`, `linux_aarch64`, `manylinux_2_17_x86_64`; `alpine` and `musllinux` have another C library.
        text(target, "platform")
            .is_none_or(|platform| platform.starts_with("linux") || platform.starts_with("manylinux"))
            && text(target, "implementation").is_none_or(|implementation| implementation == "cpython")
    };
    if targets.is_empty() || targets.iter().any(is_ours) {
        return Ok(());
    }
    let described: Vec<String> = targets
        .iter()
        .map(|target| {
            let parts = ["requires_python", "platform", "implementation"];
            parts.iter().filter_map(|key| text(target, key)).collect::<Vec<_>>().join(" ")
        })
        .collect();
    Err(PdmError::OtherTargets(described.join(", ")))
}

/// Finds the packages of the wanted groups. If the lock doesn't tell a package's groups, it is asked what can be
/// reached from pyproject.toml.
fn wanted_packages(
    entries: &[&Table],
    pyproject: &Table,
    groups: Groups,
) -> Result<Vec<LockedPackage>, PdmError> {
    let wanted = pyproject::wanted_groups(pyproject, groups);
    let mut packages: BTreeMap<(String, Option<String>), LockedPackage> = BTreeMap::new();
    let mut add = |entry: &Table, marker: Option<String>| {
        let package = package::read_package(entry, marker)?;
        let key = (normalised_name(&package.name), package.version.clone());
        let package = match packages.remove(&key) {
            Some(known) => merged(known, package),
            None => package,
        };
        packages.insert(key, package);
        Ok::<(), PackageFault>(())
    };
    if entries.iter().any(|entry| entry.contains_key("groups")) {
        for entry in entries {
            let mut of_entry =
                entry.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            if !of_entry.any(|group| wanted.contains(&normalised_name(group))) {
                continue;
            }
            match without_extras(entry.get("marker").and_then(Value::as_str), &Default::default()) {
                Condition::Never => {}
                Condition::Always => add(entry, None)?,
                Condition::When(marker) => add(entry, Some(marker))?,
            }
        }
    } else {
        let nodes: Vec<_> = entries.iter().map(|entry| package::read_node(entry)).collect();
        let reached = reachable(&pyproject::dependencies(pyproject, &wanted), &nodes);
        for (position, entry) in entries.iter().enumerate() {
            if let Some(marker) = reached.get(&position) {
                add(entry, marker.clone())?;
            }
        }
    }
    Ok(packages.into_values().collect())
}

/// pdm has an entry of its own for a package with extras, beside the one without.
fn merged(first: LockedPackage, second: LockedPackage) -> LockedPackage {
    LockedPackage {
        extras: first.extras.into_iter().chain(second.extras).collect(),
        hashes: first.hashes.into_iter().chain(second.hashes).collect(),
        marker: or_markers(first.marker, second.marker),
        ..second
    }
}

#[cfg(test)]
mod tests;
