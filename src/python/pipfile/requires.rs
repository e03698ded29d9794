//! The Python version that Pipfile.lock asks for. Read as the reference does, which asks jq.

use serde_json::{Deserializer, Map, Value};

use super::PipfileError;
use crate::python::RequestedVersion;

/// Finds the Python version that Pipfile.lock asks for.
///
/// `_meta.requires.python_full_version` comes first, then `python_version`; null and false count as absent, an
/// empty text doesn't.
pub(crate) fn requested_python(lock: &[u8]) -> Result<Option<RequestedVersion>, PipfileError> {
    let text = String::from_utf8_lossy(lock);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let documents: Result<Vec<Value>, _> = Deserializer::from_str(text).into_iter().collect();
    let documents = documents.map_err(|error| PipfileError::Lock { message: error.to_string() })?;
    let found: Result<Vec<_>, _> = documents.iter().map(version_in).collect();
    let found = match found?.as_slice() {
        [None] => return Ok(None),
        [Some(version)] => version.clone(),
        // No document, or several: each has its line in what jq prints.
        several => several
            .iter()
            .map(|version| version.as_deref().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n"),
    };
    found.parse().map(Some).map_err(|_| PipfileError::Version { text: found })
}

/// Finds the version in a lock, as it is written.
pub(super) fn python_version(lock: &Map<String, Value>) -> Result<Option<String>, PipfileError> {
    match lock.get("_meta") {
        Some(meta) => member(meta, "requires").and_then(version_in_requires),
        None => Ok(None),
    }
}

fn version_in(lock: &Value) -> Result<Option<String>, PipfileError> {
    version_in_requires(member(member(lock, "_meta")?, "requires")?)
}

fn version_in_requires(requires: &Value) -> Result<Option<String>, PipfileError> {
    let truthy = |value: &&Value| !matches!(value, Value::Null | Value::Bool(false));
    let full = member(requires, "python_full_version")?;
    let version = Some(full).filter(truthy).or(Some(member(requires, "python_version")?).filter(truthy));
    Ok(version.map(|version| match version {
        Value::String(version) => version.clone(),
        other => other.to_string(),
    }))
}

/// Looks a member up. Null has no members, but everything else than an object is a fault.
fn member<'a>(value: &'a Value, key: &str) -> Result<&'a Value, PipfileError> {
    match value {
        Value::Object(members) => Ok(members.get(key).unwrap_or(&Value::Null)),
        Value::Null => Ok(&Value::Null),
        _ => {
            Err(PipfileError::Lock { message: format!("a JSON object is expected where {key:?} should be") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UserError;

    #[test]
    fn the_version_is_read_as_the_reference_does() {
        const JSON: &str = "pipfile-lock::invalid-json";
        const VERSION: &str = "pipfile-lock::invalid-version";
        let requires =
            |requires: &str| format!(r#"{{"_meta": {{"requires": {requires}}}, "default": {{}}}}"#);
        for (lock, expected) in [
            (requires(r#"{"python_version": "3.13"}"#), Ok(Some("3.13"))),
            (requires(r#"{"python_version": "3.13.1"}"#), Ok(Some("3.13.1"))),
            (requires(r#"{"python_full_version": "3.12.4", "python_version": "3.13"}"#), Ok(Some("3.12.4"))),
            (requires(r#"{"python_full_version": "3.12"}"#), Ok(Some("3.12"))),
            (requires(r#"{"python_full_version": null, "python_version": "3.13"}"#), Ok(Some("3.13"))),
            (requires(r#"{"python_full_version": false, "python_version": "3.13"}"#), Ok(Some("3.13"))),
            (requires(r#"{"python_full_version": "", "python_version": "3.13"}"#), Err(VERSION)),
            (requires(r#"{"python_version": false}"#), Ok(None)),
            (requires("{}"), Ok(None)),
            (requires("null"), Ok(None)),
            ("{}".into(), Ok(None)),
            (r#"{"_meta": {}}"#.into(), Ok(None)),
            (requires(r#"{"python_version": ""}"#), Err(VERSION)),
            (requires(r#"{"python_version": "^3.12"}"#), Err(VERSION)),
            (requires(r#"{"python_version": "3.9.*"}"#), Err(VERSION)),
            (requires(r#"{"python_version": " 3.13"}"#), Err(VERSION)),
            (requires(r#"{"python_version": true}"#), Err(VERSION)),
            (requires(r#"{"python_version": ["3.13"]}"#), Err(VERSION)),
            (requires(r#"{"python_version": 3.13}"#), Ok(Some("3.13"))),
            (requires(r#"{"python_version": 3.10}"#), Ok(Some("3.1"))),
            (requires(r#"{"python_version": 3}"#), Err(VERSION)),
            (String::new(), Err(VERSION)),
            (requires(r#"{"python_version": "3.13"}"#).repeat(2), Err(VERSION)),
            ("{}{}".into(), Err(VERSION)),
            (format!("\u{feff}{}", requires(r#"{"python_version": "3.13"}"#)), Ok(Some("3.13"))),
            ("[]".into(), Err(JSON)),
            ("not json".into(), Err(JSON)),
            (requires(r#""3.13""#), Err(JSON)),
            (requires("[]"), Err(JSON)),
            (r#"{"_meta": "x"}"#.into(), Err(JSON)),
            (format!("{} trailing", requires(r#"{"python_version": "3.13"}"#)), Err(JSON)),
            (r#"{"_meta": "#.into(), Err(JSON)),
        ] {
            let found = requested_python(lock.as_bytes());
            let found = found.map(|version| version.map(|version| version.to_string()));
            let found = found.map_err(|error| error.code().entry().id);
            assert_eq!(found, expected.map(|version| version.map(str::to_owned)), "{lock}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_no_reason_to_give_up() {
        let lock = b"{\"_meta\": {\"requires\": {\"python_version\": \"3.13\"}}, \"x\": \"\xff\"}";
        assert_eq!(requested_python(lock), Ok("3.13".parse().ok()));
    }
}
