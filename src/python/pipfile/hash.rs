//! Whether a lock was made from this Pipfile: Pipenv keeps a hash of the Pipfile's content in it.

use serde_json::{Map, Value, json};

use super::PipfileError;
use crate::python::locked::{Separators, python_json, sha256_hex, to_json};
use crate::python::requirements::normalised_name;

/// Sections of a Pipfile that aren't packages, or have another name in what is hashed.
const OTHER_SECTIONS: [&str; 9] =
    ["source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop"];

/// How much of a hash is enough to tell two apart.
const SHOWN_LENGTH: usize = 12;

/// Refuses a lock that was made from another Pipfile.
///
/// Older Pipenvs hash the names of packages as they are written, newer ones normalise them first. A lock of
/// either kind is up to date.
pub(super) fn check_freshness(lock: &Map<String, Value>, pipfile: &toml::Table) -> Result<(), PipfileError> {
    let meta = lock.get("_meta");
    let locked =
        meta.and_then(|meta| meta.pointer("/hash/sha256")).and_then(Value::as_str).unwrap_or_default();
    // Pipenv puts its default source into a Pipfile that has none. The lock tells what that was.
    let sources = match pipfile.get("source") {
        Some(source) => to_json(source),
        None => meta.and_then(|meta| meta.get("sources")).cloned().unwrap_or_else(|| json!([])),
    };
    let expected = content_hash(pipfile, &sources, true);
    if locked == expected || locked == content_hash(pipfile, &sources, false) {
        return Ok(());
    }
    let shown = |hash: &str| hash.chars().take(SHOWN_LENGTH).flat_map(char::escape_debug).collect();
    Err(PipfileError::Stale { locked: shown(locked), expected: shown(&expected) })
}

fn content_hash(pipfile: &toml::Table, sources: &Value, normalise: bool) -> String {
    let section = |section: Option<&toml::Value>| match section.map(to_json) {
        Some(Value::Object(packages)) if normalise => {
            packages.into_iter().map(|(name, package)| (normalised_name(&name), package)).collect()
        }
        Some(section) => section,
        None => json!({}),
    };
    let requires = pipfile.get("requires").map_or_else(|| json!({}), to_json);
    let mut data = Map::new();
    data.insert("_meta".into(), json!({ "sources": sources, "requires": requires }));
    data.insert("default".into(), section(pipfile.get("packages")));
    data.insert("develop".into(), section(pipfile.get("dev-packages")));
    for (name, category) in pipfile.iter().filter(|(name, _)| !OTHER_SECTIONS.contains(&name.as_str())) {
        data.insert(name.clone(), section(Some(category)));
    }
    sha256_hex(&python_json(&Value::Object(data), Separators::Compact))
}
