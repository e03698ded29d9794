//! Whether a lock was made from this pyproject.toml: Poetry keeps a hash of the parts that matter in it.

use serde_json::{Map, Value, json};
use toml::Table;

use crate::python::locked::{Separators, python_json, sha256_hex, to_json};

/// Hashed even if they are missing, as long as there is nothing but `[tool.poetry]`: so the oldest hashes hold.
const LEGACY_KEYS: [&str; 4] = ["dependencies", "source", "extras", "dev-dependencies"];
const PROJECT_KEYS: [&str; 3] = ["requires-python", "dependencies", "optional-dependencies"];

/// The first Poetry that hashes `[dependency-groups]`.
const WITH_GROUPS: (u64, u64) = (2, 3);

/// Tells whether a lock is up to date. Its first line names the Poetry that made it.
pub(super) fn is_fresh(first_line: &str, metadata: &Table, pyproject: &Table) -> bool {
    let Some(locked) = metadata.get("content-hash").and_then(toml::Value::as_str) else { return false };
    let before_groups = poetry_version(first_line).is_some_and(|version| version < WITH_GROUPS);
    locked == content_hash(pyproject, true) || before_groups && locked == content_hash(pyproject, false)
}

fn poetry_version(first_line: &str) -> Option<(u64, u64)> {
    let version = first_line.split_once("Poetry ")?.1.split(' ').next()?;
    let mut numbers = version.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn content_hash(pyproject: &Table, with_groups: bool) -> String {
    let project = pyproject.get("project");
    let relevant_project: Map<_, _> = PROJECT_KEYS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), to_json(project?.get(key)?))))
        .collect();
    let groups = pyproject.get("dependency-groups").filter(|_| with_groups).map(to_json);
    let groups = groups.filter(|groups| groups.as_object().is_some_and(|groups| !groups.is_empty()));
    let legacy = relevant_project.is_empty() && groups.is_none();

    let poetry = pyproject.get("tool").and_then(|tool| tool.get("poetry"));
    let mut relevant_poetry = Map::new();
    for key in LEGACY_KEYS.into_iter().chain(["group"]) {
        match poetry.and_then(|poetry| poetry.get(key)) {
            Some(value) => relevant_poetry.insert(key.to_owned(), to_json(value)),
            None if legacy && key != "group" => relevant_poetry.insert(key.to_owned(), Value::Null),
            None => continue,
        };
    }

    let mut relevant = Map::new();
    if legacy {
        relevant = relevant_poetry;
    } else {
        if !relevant_project.is_empty() {
            relevant.insert("project".into(), Value::Object(relevant_project));
        }
        if let Some(groups) = groups {
            relevant.insert("dependency-groups".into(), groups);
        }
        relevant.insert("tool".into(), json!({ "poetry": relevant_poetry }));
    }
    sha256_hex(&python_json(&Value::Object(relevant), Separators::Spaced))
}
