//! Requirements that leave open what is installed, and those that contradict each other.

use std::collections::BTreeMap;
use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifiers};

use super::catalogue::FindingCode;
use super::facts::{Facts, Installed};
use super::finding::{Finding, line_of, point_at};
use crate::app::names::shortened;
use crate::error::Snippet;
use crate::python::distribution::{Dependency, MarkerValues};
use crate::python::requirements::{
    RequirementEntry, RequirementKind, name_in_location, normalised_name, text_of,
};
use crate::python::url::{with_masked_credentials, without_credentials};
use crate::python::version_claims::contradictions;

/// How many names a message lists.
const SHOWN: usize = 6;

/// Checks the requirements, and what was installed by them.
pub(super) fn check_requirements(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = unpinned(facts).into_iter().collect();
    findings.extend(conflicts(facts));
    findings.extend(python_versions(facts));
    findings.extend(facts.installed.iter().flat_map(installed_conflicts));
    findings
}

fn python_versions(facts: &Facts) -> Vec<Finding> {
    let read = |name: &str| facts.texts.get(name).map(|text| text.clone().into_bytes());
    let contradictions = contradictions(&read).into_iter();
    let code = FindingCode::PythonVersionsContradict;
    contradictions.map(|found| Finding::new(code, found.text).in_file(found.file)).collect()
}

fn unpinned(facts: &Facts) -> Option<Finding> {
    let requirements = facts.requirements.as_ref()?;
    let repositories = requirements.moving_repositories();
    let mut names: Vec<String> = requirements.unpinned().into_iter().map(str::to_owned).collect();
    let entry = names.first().and_then(|first| {
        requirements.entries.iter().find(|entry| {
            matches!(&entry.kind, RequirementKind::Named { name, .. } if name == first) && !entry.constraint
        })
    });
    let entry = entry.or(repositories.first().copied())?;
    names.extend(repositories.iter().filter_map(|entry| match &entry.kind {
        RequirementKind::Vcs { url, .. } => {
            Some(name_in_location(url).unwrap_or_else(|| without_credentials(url)))
        }
        _ => None,
    }));
    let message = format!("Without an exact version: {}.", shortened(&names, SHOWN));
    Some(Finding::new(FindingCode::RequirementsUnpinned, message).at(place(
        facts,
        entry,
        "more than one version fits",
    )))
}

fn place(facts: &Facts, entry: &RequirementEntry, label: &str) -> Option<Snippet> {
    let requirements = facts.requirements.as_ref()?;
    let text = text_of(requirements.files.get(&entry.file)?);
    let line = line_of(&text, entry.line)?;
    if let RequirementKind::Vcs { url, .. } = &entry.kind {
        let (line, words) = (with_masked_credentials(&line), with_masked_credentials(url));
        return Some(point_at(&entry.file, entry.line, &line, &words, "no commit is named"));
    }
    // Options of the line may hold credentials.
    let words = match &entry.kind {
        RequirementKind::Named { text, .. } if !text.contains("://") => {
            text.split(';').next()?.trim().to_owned()
        }
        _ => return None,
    };
    let line = if line.contains("://") { words.clone() } else { line };
    Some(point_at(&entry.file, entry.line, &line, &words, label))
}

/// A requirement by name, without a marker: it holds everywhere.
struct Plain<'a> {
    entry: &'a RequirementEntry,
    specifiers: VersionSpecifiers,
    text: &'a str,
}

fn conflicts(facts: &Facts) -> Vec<Finding> {
    let Some(requirements) = &facts.requirements else { return Vec::new() };
    let mut by_name: BTreeMap<&str, Vec<Plain<'_>>> = BTreeMap::new();
    for entry in &requirements.entries {
        let RequirementKind::Named { name, text, .. } = &entry.kind else { continue };
        if text.contains([';', '@']) {
            continue;
        }
        let start = text.find(['=', '<', '>', '~', '!']).unwrap_or(text.len());
        let Ok(specifiers) = VersionSpecifiers::from_str(text[start..].trim()) else { continue };
        by_name.entry(name).or_default().push(Plain { entry, specifiers, text });
    }
    let mut findings = Vec::new();
    for (name, entries) in by_name {
        let exact = entries.iter().find_map(|plain| Some((plain, exact_version(&plain.specifiers)?)));
        let Some((pinned, version)) = exact else { continue };
        let against = entries.iter().find(|plain| !plain.specifiers.contains(&version));
        if let Some(other) = against {
            let place_of = |plain: &Plain<'_>| format!("{}, line {}", plain.entry.file, plain.entry.line);
            let message = format!(
                "{name}: {} asks for `{}`, and {} for `{}`.",
                place_of(pinned),
                pinned.text,
                place_of(other),
                other.text
            );
            let place = place(facts, other.entry, "contradicts another line");
            findings.push(Finding::new(FindingCode::RequirementsConflict, message).at(place));
        }
    }
    findings
}

fn exact_version(specifiers: &VersionSpecifiers) -> Option<Version> {
    specifiers.iter().find(|one| *one.operator() == Operator::Equal).map(|one| one.version().clone())
}

/// What `pip check` does.
fn installed_conflicts(installed: &Installed) -> Vec<Finding> {
    let versions: BTreeMap<String, &str> = installed
        .distributions
        .iter()
        .map(|found| (normalised_name(&found.name), found.version.as_str()))
        .collect();
    let values = installed
        .python
        .as_deref()
        .map(|version| MarkerValues::of_linux(&format!("{version}.0"), std::env::consts::ARCH));
    let Some(values) = values else { return Vec::new() };
    let mut findings = Vec::new();
    for distribution in &installed.distributions {
        for dependency in distribution.requires.iter().filter_map(|text| Dependency::parse(text)) {
            let Some(version) = versions.get(&dependency.name) else { continue };
            if dependency.holds(&values, &Default::default()) && !dependency.allows(version) {
                let message = format!(
                    "{} {} needs `{}`, but {} {version} is installed.",
                    distribution.name, distribution.version, dependency.text, dependency.name
                );
                findings.push(Finding::new(FindingCode::InstalledConflict, message));
            }
        }
    }
    findings
}
