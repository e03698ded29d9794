//! One package of a Pipfile or a Pipfile.lock: a version, or a table.

use serde_json::Value;

use crate::python::locked::{LockedPackage, LockedSource, PackageFault, and_markers, is_http_url};

/// Keys that are markers of their own: `sys_platform = "== 'linux'"`.
const MARKER_KEYS: [&str; 11] = [
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
];

/// Reads what stands at a package's name. Whether the texts can be used is asked later.
pub(super) fn read_entry(name: &str, entry: &Value) -> Result<LockedPackage, PackageFault> {
    let text = |key: &str| match entry.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(PackageFault::new(name, format!("`{key}` isn't a text"))),
    };
    let version = match entry {
        Value::String(version) => read_version(version),
        Value::Object(_) => text("version")?.and_then(|version| read_version(&version)),
        _ => return Err(PackageFault::new(name, "this is neither a version nor a table")),
    };
    let mut marker = text("markers")?.filter(|marker| !marker.trim().is_empty());
    for key in MARKER_KEYS {
        marker = and_markers(marker, text(key)?.map(|condition| format!("{key} {condition}")));
    }
    let source = read_source(name, entry, &text)?;
    let version = version.filter(|_| matches!(source, LockedSource::Registry { .. }));
    Ok(LockedPackage {
        name: name.to_owned(),
        version,
        extras: read_texts(name, entry, "extras")?,
        marker,
        // Pipenv has the hashes of what lies in the app, but an installer takes a directory as it is.
        hashes: match source {
            LockedSource::Registry { .. } | LockedSource::Url { .. } => read_texts(name, entry, "hashes")?,
            LockedSource::Path { .. } | LockedSource::Git { .. } => Vec::new(),
        },
        source,
    })
}

/// `==1.0` is an exact version, `*` any.
fn read_version(text: &str) -> Option<String> {
    let text: String = text.split([' ', '\t']).collect();
    let exact = text.strip_prefix("==").filter(|version| !version.contains(['=', '*', ',']));
    let bare = text.starts_with(|first: char| first.is_ascii_digit()) && text.contains('*');
    match exact {
        _ if text.is_empty() || text == "*" => None,
        Some(version) => Some(version.to_owned()),
        None if bare => Some(format!("=={text}")),
        None => Some(text),
    }
}

fn read_source(
    name: &str,
    entry: &Value,
    text: &impl Fn(&str) -> Result<Option<String>, PackageFault>,
) -> Result<LockedSource, PackageFault> {
    let editable = entry.get("editable") == Some(&Value::Bool(true));
    if let Some(control) = ["hg", "svn", "bzr"].iter().find(|control| entry.get(**control).is_some()) {
        return Err(PackageFault::beyond_requirements(name, format!("it comes from {control}")));
    }
    if let Some(url) = text("git")? {
        let rev = text("ref")?.filter(|rev| !rev.is_empty());
        return Ok(LockedSource::Git { url, rev, subdirectory: text("subdirectory")?, editable });
    }
    if let Some(place) = text("file")?.or(text("path")?).or(text("url")?) {
        let remote = is_http_url(&place) || place.contains("://");
        if !remote {
            return Ok(LockedSource::Path { path: place, editable });
        }
        let subdirectory = text("subdirectory")?.filter(|_| !place.contains('#'));
        let subdirectory = subdirectory.map(|path| format!("#subdirectory={path}")).unwrap_or_default();
        return Ok(LockedSource::Url { url: format!("{place}{subdirectory}") });
    }
    Ok(LockedSource::Registry { index: text("index")? })
}

fn read_texts(name: &str, entry: &Value, key: &str) -> Result<Vec<String>, PackageFault> {
    let wrong = || PackageFault::new(name, format!("`{key}` isn't a list of texts"));
    match entry.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}
