//! Shared libraries that installed packages need and neither the slug nor the stack has.

use std::collections::BTreeMap;

use super::catalogue::FindingCode;
use super::facts::{Facts, Installed, ObjectFacts};
use super::finding::Finding;
use super::stack::{debian_package, glibc_of};
use crate::python::distribution::split_site_packages;

/// Checks what was installed.
pub(super) fn check_libraries(facts: &Facts) -> Vec<Finding> {
    let Some(installed) = &facts.installed else { return Vec::new() };
    let mut findings = missing(facts, installed);
    findings.extend(too_new(facts, installed));
    findings
}

fn missing(facts: &Facts, installed: &Installed) -> Vec<Finding> {
    let mut missing: BTreeMap<&str, Vec<&ObjectFacts>> = BTreeMap::new();
    for object in installed.objects.iter().filter(|object| is_of_a_package(object)) {
        for name in &object.needed {
            if !installed.libraries.contains(name) && debian_package(name, &facts.stack).is_some() {
                missing.entry(name).or_default().push(object);
            }
        }
    }
    missing
        .into_iter()
        .map(|(name, objects)| {
            let first = objects.first().map(|object| object.path.as_str()).unwrap_or_default();
            let more = objects.len().saturating_sub(1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let of =
                distribution_of(first, installed).map(|found| format!(" of {found}")).unwrap_or_default();
            let package = debian_package(name, &facts.stack)
                .map(|package| format!(" The Debian package {package} has it."))
                .unwrap_or_default();
            let file = short(first);
            let message = format!(
                "{file}{of}{more} needs {name}, which isn't in the slug, nor in {}.{package}",
                facts.stack
            );
            Finding::new(FindingCode::LibraryMissing, message).in_file(first)
        })
        .collect()
}

fn too_new(facts: &Facts, installed: &Installed) -> Option<Finding> {
    let (major, minor) = glibc_of(&facts.stack)?;
    let newest = installed
        .objects
        .iter()
        .filter(|object| object.glibc > Some((major, minor)))
        .max_by_key(|object| object.glibc)?;
    let (needs_major, needs_minor) = newest.glibc?;
    let of = distribution_of(&newest.path, installed).map(|found| format!(" of {found}")).unwrap_or_default();
    let message = format!(
        "{}{of} needs glibc {needs_major}.{needs_minor}, but {} has {major}.{minor}.",
        short(&newest.path),
        facts.stack
    );
    let finding = Finding::new(FindingCode::LibraryGlibc, message).in_file(newest.path.clone());
    Some(if is_of_a_package(newest) {
        finding
    } else {
        finding.with_fix(
            "Use a newer stack, or build again with the catalogue's Python\n\
             (`--python-source catalogue`): this one was taken from a newer machine.",
        )
    })
}

/// The runtime's own libraries were tried when it was made.
fn is_of_a_package(object: &ObjectFacts) -> bool {
    split_site_packages(&object.path).is_some()
}

fn short(path: &str) -> &str {
    split_site_packages(path).map_or(path, |(_, rest)| rest)
}

fn distribution_of<'a>(path: &str, installed: &'a Installed) -> Option<&'a str> {
    let (_, rest) = split_site_packages(path)?;
    let top = rest.split('/').next()?.split('.').next()?;
    let found = installed.distributions.iter().find(|distribution| distribution.modules.contains(top))?;
    Some(&found.name)
}
