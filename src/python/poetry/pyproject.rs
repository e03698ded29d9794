//! What Poetry reads in pyproject.toml: groups, dependencies, sources, and the app as a package.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::package::read_dependency;
use super::{MAIN, PoetryError, RootFault};
use crate::python::locked::{Edge, Groups, LockedIndex, LockedPackage, PackageFault};
use crate::python::requirements::normalised_name;

/// How deep groups may include each other.
const MAXIMAL_DEPTH: usize = 20;

/// The name of the index that Poetry uses without being told.
const DEFAULT_INDEX: &str = "PyPI";

/// Parses pyproject.toml.
pub(super) fn parse(pyproject: &[u8]) -> Result<Table, PoetryError> {
    let wrong = |message: String| PoetryError::Pyproject { message };
    let text = std::str::from_utf8(pyproject).map_err(|_| wrong("it isn't UTF-8".into()))?;
    text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
}

/// Tells which groups are wanted, by their normalised names.
pub(super) fn wanted_groups(pyproject: &Table, groups: Groups) -> Box<dyn Fn(&str) -> bool> {
    if groups == Groups::Production {
        return Box::new(|group| group == MAIN);
    }
    let defined = poetry(pyproject, "group").and_then(Value::as_table).into_iter().flatten();
    let optional: BTreeSet<String> = defined
        .filter(|(_, group)| group.get("optional").and_then(Value::as_bool) == Some(true))
        .map(|(name, _)| normalised_name(name))
        .collect();
    Box::new(move |group| !optional.contains(group))
}

/// Finds the dependencies of the wanted groups. Optional ones belong to extras, which nobody asks for.
pub(super) fn dependencies(pyproject: &Table, wanted: &dyn Fn(&str) -> bool) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut add = |table: Option<&Value>| {
        for (name, dependency) in table.and_then(Value::as_table).into_iter().flatten() {
            if normalised_name(name) != "python" {
                edges.extend(read_dependency(name, dependency));
            }
        }
    };
    let project = pyproject.get("project").and_then(|project| project.get("dependencies"));
    if project.is_none() {
        add(poetry(pyproject, "dependencies"));
    }
    if wanted("dev") {
        add(poetry(pyproject, "dev-dependencies"));
    }
    for (name, group) in poetry(pyproject, "group").and_then(Value::as_table).into_iter().flatten() {
        if wanted(&normalised_name(name)) {
            add(group.get("dependencies"));
        }
    }
    let listed = project.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    edges.extend(listed.filter_map(Edge::parse));
    let groups = pyproject.get("dependency-groups").and_then(Value::as_table);
    for (name, _) in groups.into_iter().flatten().filter(|(name, _)| wanted(&normalised_name(name))) {
        add_group(&mut edges, groups, name, &mut BTreeSet::new(), 0);
    }
    edges.retain(|edge| !edge.optional);
    edges
}

/// Adds the requirements of a group of PEP 735, and of those that it includes, each once.
fn add_group(
    edges: &mut Vec<Edge>,
    groups: Option<&Table>,
    name: &str,
    seen: &mut BTreeSet<String>,
    depth: usize,
) {
    if depth > MAXIMAL_DEPTH || !seen.insert(normalised_name(name)) {
        return;
    }
    let mut same =
        groups.into_iter().flatten().filter(|(key, _)| normalised_name(key) == normalised_name(name));
    let entries = same.next().and_then(|(_, group)| group.as_array());
    for entry in entries.into_iter().flatten() {
        if let Some(requirement) = entry.as_str() {
            edges.extend(Edge::parse(requirement));
        } else if let Some(included) = entry.get("include-group").and_then(Value::as_str) {
            add_group(edges, groups, included, seen, depth + 1);
        }
    }
}

/// Finds the app as a package of its own, which Poetry installs in place unless `package-mode` is off.
pub(super) fn root_package(pyproject: &Table) -> Result<Option<LockedPackage>, PoetryError> {
    if poetry(pyproject, "package-mode").and_then(Value::as_bool) == Some(false) {
        return Ok(None);
    }
    let named = pyproject.get("project").and_then(|project| project.get("name"));
    let Some(name) = named.or_else(|| poetry(pyproject, "name")).and_then(Value::as_str) else {
        return Err(PoetryError::Root(RootFault::Nameless("name")));
    };
    Ok(Some(LockedPackage::root(name)))
}

/// Reads the package indexes. Poetry's default one is there too unless a primary one takes its place.
pub(super) fn read_sources(pyproject: &Table) -> Result<Vec<LockedIndex>, PackageFault> {
    let mut primary = Vec::new();
    let mut others = Vec::new();
    for source in poetry(pyproject, "source").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        let flag = |key: &str| source.get(key).and_then(Value::as_bool).unwrap_or_default();
        let name = text("name").unwrap_or_default();
        let url = match text("url") {
            Some(url) => url.to_owned(),
            None if name.eq_ignore_ascii_case(DEFAULT_INDEX) => String::new(),
            None => return Err(PackageFault::new(name, "this package index has no URL")),
        };
        let priority = text("priority").unwrap_or(if flag("secondary") { "secondary" } else { "primary" });
        let explicit = priority.eq_ignore_ascii_case("explicit");
        let index = LockedIndex { name: name.to_owned(), url, verify_ssl: true, explicit };
        let is_primary = ["primary", "default"].iter().any(|known| priority.eq_ignore_ascii_case(known));
        if is_primary { primary.push(index) } else { others.push(index) }
    }
    if primary.is_empty() {
        let (name, url) = (DEFAULT_INDEX.to_owned(), String::new());
        primary.push(LockedIndex { name, url, verify_ssl: true, explicit: false });
    }
    primary.extend(others);
    Ok(primary)
}

pub(super) fn poetry<'a>(pyproject: &'a Table, key: &str) -> Option<&'a Value> {
    pyproject.get("tool")?.get("poetry")?.get(key)
}
