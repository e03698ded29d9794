//! What pdm reads in pyproject.toml: groups, dependencies, sources, the app as a package, and what it hashes.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use toml::{Table, Value};

use super::DEFAULT;
use crate::python::locked::{
    Edge, Groups, LockedIndex, LockedPackage, PackageFault, Separators, python_json, sha256_hex, to_json,
};
use crate::python::requirements::normalised_name;

/// Tells whether the lock depends on what isn't in pyproject.toml: other members of a workspace, or the inputs
/// that newer pdms can list.
pub(super) fn has_other_inputs(metadata: &Table, pyproject: &Table) -> bool {
    metadata.contains_key("lock_inputs") || pdm(pyproject, "workspace").is_some()
}

/// Tells whether a lock was made from this pyproject.toml.
pub(super) fn is_fresh(metadata: &Table, pyproject: &Table) -> bool {
    let locked = metadata.get("content_hash").and_then(Value::as_str).unwrap_or_default();
    locked == format!("sha256:{}", content_hash(pyproject))
}

pub(super) fn content_hash(pyproject: &Table) -> String {
    let project = |key: &str| pyproject.get("project").and_then(|project| project.get(key)).map(to_json);
    let settings = |key: &str| pdm(pyproject, key).map(to_json);
    let mut development = Map::new();
    let groups = pyproject.get("dependency-groups").and_then(Value::as_table);
    for (name, group) in groups.into_iter().flatten() {
        development.insert(normalised_name(name), to_json(group));
    }
    for (name, group) in pdm(pyproject, "dev-dependencies").and_then(Value::as_table).into_iter().flatten() {
        let known = development.entry(normalised_name(name)).or_insert_with(|| json!([]));
        if let (Json::Array(known), Json::Array(more)) = (known, to_json(group)) {
            known.extend(more);
        }
    }
    let data = json!({
        "sources": settings("source").unwrap_or_else(|| json!([])),
        "dependencies": project("dependencies").unwrap_or_else(|| json!([])),
        "dev-dependencies": development,
        "optional-dependencies": project("optional-dependencies").unwrap_or_else(|| json!({})),
        "requires-python": project("requires-python").unwrap_or_else(|| json!("")),
        "resolution": settings("resolution").unwrap_or_else(|| json!({})),
    });
    sha256_hex(&python_json(&data, Separators::Spaced))
}

/// Names the wanted groups. Those of `optional-dependencies` are extras of the app, which nobody asks for.
pub(super) fn wanted_groups(pyproject: &Table, groups: Groups) -> BTreeSet<String> {
    let mut wanted = BTreeSet::from([DEFAULT.to_owned()]);
    if groups == Groups::Test {
        let tables = [pyproject.get("dependency-groups"), pdm(pyproject, "dev-dependencies")];
        for table in tables.into_iter().flatten().filter_map(Value::as_table) {
            wanted.extend(table.keys().map(|name| normalised_name(name)));
        }
    }
    wanted
}

/// Names the table that PDM translates, where there is no `[project]`.
pub(super) fn translated_from(pyproject: &Table) -> Option<&'static str> {
    if pyproject.contains_key("project") {
        return None;
    }
    let tool = pyproject.get("tool")?;
    let is_flits = tool.get("flit").is_some_and(|flit| flit.get("metadata").is_some());
    let others = [("[tool.poetry]", tool.get("poetry").is_some()), ("[tool.flit]", is_flits)];
    others.iter().find(|(_, is_there)| *is_there).map(|(name, _)| *name)
}

/// Finds the dependencies of the wanted groups. A group that another includes is wanted itself, since all are.
pub(super) fn dependencies(pyproject: &Table, wanted: &BTreeSet<String>) -> Vec<Edge> {
    let listed = |list: Option<&Value>| -> Vec<Edge> {
        let texts = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        texts.filter_map(parse_dependency).collect()
    };
    let mut edges = listed(pyproject.get("project").and_then(|project| project.get("dependencies")));
    let tables = [pyproject.get("dependency-groups"), pdm(pyproject, "dev-dependencies")];
    for (name, group) in tables.into_iter().flatten().filter_map(Value::as_table).flatten() {
        if wanted.contains(&normalised_name(name)) {
            edges.extend(listed(Some(group)));
        }
    }
    edges
}

/// Besides ordinary requirements there is `-e file:///${PROJECT_ROOT}/path#egg=name`.
fn parse_dependency(text: &str) -> Option<Edge> {
    let Some(location) = text.trim().strip_prefix("-e ") else { return Edge::parse(text) };
    let name = location.split_once("#egg=").map(|(_, name)| name.split('&').next().unwrap_or(name));
    Edge::parse(name.or_else(|| location.trim_end_matches('/').rsplit('/').next())?)
}

/// Finds the app as a package of its own, which pdm installs in place unless `distribution` is off.
pub(super) fn root_package(pyproject: &Table) -> Option<LockedPackage> {
    let name = pyproject.get("project").and_then(|project| project.get("name")).and_then(Value::as_str)?;
    let is_distribution = match pdm(pyproject, "package-type").and_then(Value::as_str) {
        Some(kind) => kind == "library",
        None => pdm(pyproject, "distribution").and_then(Value::as_bool).unwrap_or(true),
    };
    is_distribution.then(|| LockedPackage::root(name))
}

/// Reads the package indexes. One that is named `pypi` takes the place of the default; otherwise that is there.
pub(super) fn read_sources(pyproject: &Table) -> Result<Vec<LockedIndex>, PackageFault> {
    let mut indexes = Vec::new();
    for source in pdm(pyproject, "source").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        let name = text("name").unwrap_or_default().to_owned();
        if text("type").is_some_and(|kind| kind != "index") {
            return Err(PackageFault::beyond_requirements(&name, "this source isn't a package index"));
        }
        let url = text("url").map(str::to_owned);
        let url = url.ok_or_else(|| PackageFault::new(&name, "this package index has no URL"))?;
        let url = with_credentials(url, text("username"), text("password"));
        let verify_ssl = source.get("verify_ssl").and_then(Value::as_bool).unwrap_or(true);
        indexes.push(LockedIndex { name, url, verify_ssl, explicit: false });
    }
    match indexes.iter().position(|index| index.name == "pypi") {
        Some(position) => indexes[..=position].rotate_right(1),
        None => {
            let (name, url) = ("pypi".to_owned(), String::new());
            indexes.insert(0, LockedIndex { name, url, verify_ssl: true, explicit: false });
        }
    }
    Ok(indexes)
}

/// Puts credentials into a URL, in the place of those that it has, as PDM does if there are both.
fn with_credentials(url: String, user: Option<&str>, password: Option<&str>) -> String {
    let (Some(user), Some(password)) = (user, password) else { return url };
    if user.is_empty() || password.is_empty() {
        return url;
    }
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{}:{}@{host}{path}", quoted(user), quoted(password))
}

/// Percent-encodes what would end a part of a URL. A `%` stays: PDM takes it for the beginning of a code.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || "-._~%${}!*()+,;=".contains(letter) {
            quoted.push(letter);
        } else {
            let mut bytes = [0; 4];
            quoted.extend(letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    quoted
}

pub(super) fn pdm<'a>(pyproject: &'a Table, key: &str) -> Option<&'a Value> {
    pyproject.get("tool")?.get("pdm")?.get(key)
}
