//! One `[[package]]` of pdm.lock.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::python::locked::{Edge, LockedPackage, LockedSource, Node, PackageFault};
use crate::python::requirements::normalised_name;

/// Reads a package. Whether its texts can be used is asked later.
pub(super) fn read_package(entry: &Table, marker: Option<String>) -> Result<LockedPackage, PackageFault> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").ok_or_else(|| PackageFault::new("package", "there is one without a name"))?;
    let editable = entry.get("editable").and_then(Value::as_bool).unwrap_or_default();
    let subdirectory = text("subdirectory");
    if let Some(control) = ["hg", "svn", "bzr"].iter().find(|control| entry.contains_key(**control)) {
        return Err(PackageFault::beyond_requirements(&name, format!("it comes from {control}")));
    }
    let source = if let Some(url) = text("git") {
        LockedSource::Git { url, rev: text("revision").or_else(|| text("ref")), subdirectory, editable }
    } else if let Some(path) = text("path") {
        LockedSource::Path { path, editable }
    } else if let Some(url) = text("url") {
        let local = url.strip_prefix("file:///${PROJECT_ROOT}/").map(str::to_owned);
        match local {
            Some(path) => LockedSource::Path { path, editable },
            None => {
                let subdirectory = subdirectory.map(|path| format!("#subdirectory={path}"));
                LockedSource::Url { url: url + &subdirectory.unwrap_or_default() }
            }
        }
    } else {
        LockedSource::Registry { index: None }
    };
    let version = text("version");
    if version.is_none() && matches!(source, LockedSource::Registry { .. }) {
        return Err(PackageFault::new(&name, "it has no version"));
    }
    let (version, hashes) = match source {
        LockedSource::Registry { .. } => (version, read_hashes(entry)),
        LockedSource::Url { .. } => (None, read_hashes(entry)),
        LockedSource::Path { .. } | LockedSource::Git { .. } => (None, Vec::new()),
    };
    let extras = texts(entry, "extras").map(str::to_owned).collect();
    Ok(LockedPackage { name, version, extras, marker, hashes, source })
}

/// Reads what a package depends on, for locks that don't tell who needs it.
pub(super) fn read_node(entry: &Table) -> Node {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    Node {
        name: normalised_name(text("name")),
        version: text("version").to_owned(),
        stands_for: texts(entry, "extras").map(normalised_name).collect(),
        edges: texts(entry, "dependencies").filter_map(Edge::parse).collect(),
        extras: BTreeMap::new(),
    }
}

/// Weak hashes are left out: pip refuses them.
fn read_hashes(entry: &Table) -> Vec<String> {
    let files = entry.get("files").and_then(Value::as_array).into_iter().flatten();
    let hashes = files.filter_map(|file| file.get("hash").and_then(Value::as_str));
    let strong = hashes.filter(|hash| !hash.starts_with("md5:") && !hash.starts_with("sha1:"));
    strong.map(str::to_owned).collect()
}

fn texts<'a>(entry: &'a Table, key: &str) -> impl Iterator<Item = &'a str> {
    entry.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
