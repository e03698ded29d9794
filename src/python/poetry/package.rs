//! One `[[package]]` of poetry.lock.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::with_python;
use crate::python::locked::{Constraint, Edge, LockedPackage, LockedSource, Node, PackageFault};
use crate::python::requirements::normalised_name;

/// Reads a package. Whether its texts can be used is asked later.
pub(super) fn read_package(
    entry: &Table,
    metadata: &Table,
    marker: Option<String>,
) -> Result<LockedPackage, PackageFault> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let name = text("name").ok_or_else(|| PackageFault::new("package", "there is one without a name"))?;
    let source = read_source(name, entry)?;
    let version = text("version").ok_or_else(|| PackageFault::new(name, "it has no version"))?;
    let from_index = matches!(source, LockedSource::Registry { .. });
    Ok(LockedPackage {
        name: name.to_owned(),
        version: from_index.then(|| version.to_owned()),
        extras: Vec::new(),
        marker,
        hashes: match source {
            LockedSource::Registry { .. } | LockedSource::Url { .. } => read_hashes(name, entry, metadata),
            LockedSource::Path { .. } | LockedSource::Git { .. } => Vec::new(),
        },
        source,
    })
}

/// Reads what a package depends on, for locks that don't tell who needs it.
pub(super) fn read_node(entry: &Table) -> Node {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let dependencies = entry.get("dependencies").and_then(Value::as_table).into_iter().flatten();
    let extras = entry.get("extras").and_then(Value::as_table).into_iter().flatten();
    let names = |requirements: &Value| -> BTreeSet<String> {
        let requirements = requirements.as_array().into_iter().flatten().filter_map(Value::as_str);
        requirements.filter_map(Edge::parse).map(|edge| edge.name).collect()
    };
    Node {
        name: normalised_name(text("name")),
        version: text("version").to_owned(),
        stands_for: BTreeSet::new(),
        edges: dependencies.flat_map(|(name, dependency)| read_dependency(name, dependency)).collect(),
        extras: extras.map(|(extra, requirements)| (normalised_name(extra), names(requirements))).collect(),
    }
}

/// Reads a dependency in Poetry's own form: a constraint, a table, or a list of these.
pub(super) fn read_dependency(name: &str, dependency: &Value) -> Vec<Edge> {
    if let Value::Array(several) = dependency {
        let tables = several.iter().filter(|dependency| !dependency.is_array());
        return tables.flat_map(|dependency| read_dependency(name, dependency)).collect();
    }
    let text = |key: &str| dependency.get(key).and_then(Value::as_str);
    let version = dependency.as_str().or_else(|| text("version")).unwrap_or_default();
    let python = text("python").and_then(|python| Constraint::parse(python).python_marker());
    let platform = text("platform").map(|platform| match platform.split_once(' ') {
        Some(_) => format!("sys_platform {platform}"),
        None => format!("sys_platform == '{platform}'"),
    });
    let marker = with_python(text("markers").map(str::to_owned), with_python(platform, python));
    let extras = dependency.get("extras").and_then(Value::as_array).into_iter().flatten();
    vec![Edge {
        name: normalised_name(name),
        constraint: Constraint::parse(version),
        extras: extras.filter_map(Value::as_str).map(normalised_name).collect(),
        marker,
        optional: dependency.get("optional").and_then(Value::as_bool).unwrap_or_default(),
    }]
}

fn read_source(name: &str, entry: &Table) -> Result<LockedSource, PackageFault> {
    let Some(source) = entry.get("source") else { return Ok(LockedSource::Registry { index: None }) };
    let text = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
    let url = || text("url").ok_or_else(|| PackageFault::new(name, "its source has no URL"));
    let editable = entry.get("develop").and_then(Value::as_bool).unwrap_or_default();
    let subdirectory = text("subdirectory");
    match text("type").unwrap_or_default().as_str() {
        "legacy" => Ok(LockedSource::Registry { index: text("reference") }),
        "directory" => Ok(LockedSource::Path { path: url()?, editable }),
        "file" => Ok(LockedSource::Path { path: url()?, editable: false }),
        "url" => {
            let subdirectory = subdirectory.map(|path| format!("#subdirectory={path}")).unwrap_or_default();
            Ok(LockedSource::Url { url: url()? + &subdirectory })
        }
        "git" => {
            let rev = text("resolved_reference").or_else(|| text("reference"));
            Ok(LockedSource::Git { url: url()?, rev, subdirectory, editable })
        }
        other => Err(PackageFault::new(
            name,
            format!("sources of this type can't be used: {}", other.escape_debug()),
        )),
    }
}

/// Finds the hashes, which were kept in three places over time. Weak ones, such as MD5 from an index that has no
/// other, are left out: pip refuses them.
fn read_hashes(name: &str, entry: &Table, metadata: &Table) -> Vec<String> {
    let in_metadata = |key: &str| metadata.get(key).and_then(|by_name| by_name.get(name));
    let files = entry.get("files").or_else(|| in_metadata("files"));
    let of_file = |file: &Value| file.get("hash").and_then(Value::as_str).map(str::to_owned);
    let mut hashes: Vec<_> =
        files.and_then(Value::as_array).into_iter().flatten().filter_map(of_file).collect();
    if files.is_none() {
        let bare = in_metadata("hashes").and_then(Value::as_array).into_iter().flatten();
        hashes = bare.filter_map(Value::as_str).map(|hash| format!("sha256:{hash}")).collect();
    }
    hashes.retain(|hash| !hash.starts_with("md5:") && !hash.starts_with("sha1:"));
    hashes
}
