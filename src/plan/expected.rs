//! What a lock lists, compared with what is installed: whatever installs, nothing of it is missing in silence.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;

use super::PackageManager;
use crate::error::{ErrorCode, UserError};
use crate::python::distribution::{MarkerValues, evaluate_marker};
use crate::python::locked::ExpectedPackage;

/// Something else is installed than the lock says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} lists packages for this platform that aren't installed as it says:\n{}", .differences.join("\n"))]
pub(crate) struct NotAsLocked {
    file: &'static str,
    differences: Vec<String>,
}

impl UserError for NotAsLocked {
    fn code(&self) -> ErrorCode {
        ErrorCode::InstalledNotAsLocked
    }

    fn detail(&self) -> Option<String> {
        Some(self.differences.join(", ").chars().take(100).collect())
    }
}

/// Tells whether a package is for this platform; nothing, if that can't be told before the app runs.
pub(crate) fn applies(package: &ExpectedPackage, values: &MarkerValues) -> Option<bool> {
    let Some(marker) = &package.marker else { return Some(true) };
    let depends_on_kernel = ["platform_release", "platform_version"].iter().any(|name| marker.contains(name));
    if depends_on_kernel { None } else { evaluate_marker(marker, values, &BTreeSet::new()) }
}

/// Compares what must be there with what is, by the names and versions of its metadata.
pub(crate) fn compare(
    manager: PackageManager,
    expected: &[ExpectedPackage],
    values: &MarkerValues,
    installed: &BTreeMap<String, Option<String>>,
) -> Result<(), NotAsLocked> {
    let mut wanted: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for package in expected {
        match applies(package, values) {
            Some(true) => wanted.entry(&package.name).or_default().push(package.version.as_deref()),
            Some(false) => {}
            None => {
                unknown.insert(package.name.as_str());
            }
        }
    }
    let mut differences = Vec::new();
    for (name, versions) in wanted.iter().filter(|(name, _)| !unknown.contains(*name)) {
        let shown = versions.iter().flatten().copied().collect::<Vec<_>>().join(" or ");
        let package = if shown.is_empty() { (*name).to_owned() } else { format!("{name} {shown}") };
        match installed.get(*name) {
            None => differences.push(format!("{package}: it isn't installed")),
            Some(Some(found)) if !versions.iter().any(|version| fits(*version, found)) => {
                differences.push(format!("{package}: {found} is installed"));
            }
            Some(_) => {}
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(NotAsLocked { file: manager.file(), differences }) }
}

fn fits(wanted: Option<&str>, found: &str) -> bool {
    let Some(wanted) = wanted else { return true };
    match (wanted.parse::<Version>(), found.parse::<Version>()) {
        (Ok(wanted), Ok(found)) => wanted == found,
        // Versions of before PEP 440 are spelt in more than one way.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D29, D30, D32: whatever goes wrong between a lock and site-packages ends here.
    #[test]
    fn what_is_missing_or_of_another_version_is_told() {
        let package = |text: &str| {
            let (package, marker) = text.split_once(" ; ").map_or((text, None), |(p, m)| (p, Some(m)));
            let (name, version) = package.split_once(' ').map_or((package, None), |(n, v)| (n, Some(v)));
            ExpectedPackage {
                name: name.into(),
                version: version.map(Into::into),
                marker: marker.map(Into::into),
                in_app: false,
            }
        };
        let values =
            MarkerValues::of_linux("3.12.4", "x86_64").with_dependency_groups([&"default".to_owned()]);
        for (expected, installed, wrong) in [
            (&["a 1.0"][..], &[("a", "1.0")][..], ""),
            (&["a 1.0"], &[("a", "1.0.0"), ("b", "2")], ""),
            (&["a 1.0"], &[], "a 1.0: it isn't installed"),
            (&["tensor-lib 2.0"], &[("tensor-lib", "2.0+cpu")], "tensor-lib 2.0: 2.0+cpu is installed"),
            (&["tensor-lib 2.0+cpu"], &[("tensor-lib", "2.0")], "tensor-lib 2.0+cpu: 2.0 is installed"),
            (&["a"], &[("a", "7")], ""),
            (&["a", "b 1"], &[], "a: it isn't installed\nb 1: it isn't installed"),
            (&["a 1 ; sys_platform == 'win32'", "a 2 ; sys_platform == 'linux'"], &[("a", "2")], ""),
            (
                &["a 1 ; sys_platform == 'win32'", "a 2 ; sys_platform == 'linux'"],
                &[("a", "1")],
                "a 2: 1 is installed",
            ),
            (&["a 1 ; python_version < '3.8'"], &[], ""),
            (&["a 1 ; 'default' in dependency_groups"], &[], "a 1: it isn't installed"),
            (&["a 1 ; 'dev' in dependency_groups"], &[], ""),
            (&["a 1 ; platform_release >= '5'"], &[], ""),
            (&["a 1 ; nonsense"], &[], ""),
            (&["a 2004-beta"], &[("a", "2004b")], ""),
        ] {
            let expected: Vec<_> = expected.iter().map(|text| package(text)).collect();
            let installed =
                installed.iter().map(|(name, version)| ((*name).to_owned(), Some((*version).to_owned())));
            let found = compare(PackageManager::Poetry, &expected, &values, &installed.collect());
            let found = found.err().map(|error| error.differences.join("\n")).unwrap_or_default();
            assert_eq!(found, wrong, "{expected:?}");
        }
    }
}
