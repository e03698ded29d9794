//! What uv's files point at in the app, besides the packages that are installed: other projects of the workspace, indexes
//! and archives in directories, and what builds need.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::requirements::file_url_path;

/// What uv reads in the app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UvPaths {
    /// Files and directories, relative to the app.
    pub seen: BTreeSet<String>,
    /// Those of them that hold archives.
    pub archives: BTreeSet<String>,
}

/// Reads what the projects' files (pyproject.toml and uv.toml, by their paths relative to the app) and the lock point
/// at. What leads out of the app is left out.
pub(crate) fn uv_paths(files: &BTreeMap<String, Vec<u8>>, lock: &Table) -> UvPaths {
    let mut paths = UvPaths::default();
    let projects = files.iter().filter(|(name, _)| name.ends_with(".toml"));
    for (name, contents) in projects {
        let table: Table = String::from_utf8_lossy(contents).parse().unwrap_or_default();
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        paths.seen.insert(name.clone());
        let settings = match name.ends_with("pyproject.toml") {
            true => table.get("tool").and_then(|tool| tool.get("uv")),
            false => None,
        };
        let settings = settings.and_then(Value::as_table);
        let settings = if name.ends_with("uv.toml") { Some(&table) } else { settings };
        for path in settings.into_iter().flat_map(archives) {
            paths.archives.extend(in_app(directory, &path));
        }
        let sources = settings.and_then(|settings| settings.get("sources")?.as_table());
        for path in sources.into_iter().flat_map(|sources| sources.values().flat_map(source_paths)) {
            // A build may need it though the lock doesn't list it.
            paths.seen.extend(in_app(directory, path));
        }
    }
    for package in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
        let place = |key: &str| package.get("source")?.get(key)?.as_str();
        if let Some(registry) = place("registry") {
            paths.archives.extend(local_path(registry).and_then(|path| in_app("", &path)));
        }
        if let Some(directory) = place("virtual").and_then(|path| in_app("", path)) {
            let file = in_app(&directory, "pyproject.toml").unwrap_or_default();
            // Then uv has to build it to know what it needs.
            if files.get(&file).is_none_or(|contents| has_dynamic_needs(contents)) {
                paths.seen.insert(directory);
            }
        }
    }
    paths.seen.extend(paths.archives.iter().cloned());
    paths
}

/// Lists where uv's settings take archives from.
fn archives(settings: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let pip = settings.get("pip").and_then(Value::as_table);
    for table in [Some(settings), pip].into_iter().flatten() {
        let indexes = table.get("index").and_then(Value::as_array).into_iter().flatten();
        let mut urls: Vec<&Value> = indexes.filter_map(|index| index.get("url")).collect();
        urls.extend(["index-url", "default-index"].iter().filter_map(|key| table.get(*key)));
        for key in ["extra-index-url", "find-links"] {
            urls.extend(table.get(key).and_then(Value::as_array).into_iter().flatten());
        }
        found.extend(urls.into_iter().filter_map(Value::as_str).filter_map(local_path));
    }
    found
}

/// The paths of a source, which is a table or a list of such.
fn source_paths(source: &Value) -> Vec<&str> {
    let tables = source.as_array().map_or(std::slice::from_ref(source), Vec::as_slice);
    tables.iter().filter_map(|table| table.get("path")?.as_str()).collect()
}

/// Returns the path, unless it is the address of something elsewhere.
fn local_path(text: &str) -> Option<String> {
    file_url_path(text).or_else(|| (!text.contains("://")).then(|| text.to_owned()))
}

fn has_dynamic_needs(pyproject: &[u8]) -> bool {
    let table: Table = String::from_utf8_lossy(pyproject).parse().unwrap_or_default();
    let Some(project) = table.get("project") else { return true };
    let dynamic = project.get("dynamic").and_then(Value::as_array).into_iter().flatten();
    dynamic.filter_map(Value::as_str).any(|name| ["dependencies", "optional-dependencies"].contains(&name))
}

/// Returns a path relative to the app, of one that counts from a directory in it; nothing if it leads out.
pub(crate) fn in_app(directory: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    // D07, D33
    #[test]
    fn whatever_uvs_files_point_at_in_the_app_is_seen() {
        const FLAT: &str = "[[tool.uv.index]]\nname = 'local'\nurl = './vendor'\nformat = 'flat'\n";
        let virtual_package = "[[package]]\nname = 'other'\nsource = { virtual = 'packages/other' }\n";
        for (file, text, lock, expected) in [
            ("pyproject.toml", "[project]\nname = 'x'\n", "", &["pyproject.toml"][..]),
            ("pyproject.toml", FLAT, "", &["pyproject.toml", "vendor"]),
            ("packages/a/pyproject.toml", FLAT, "", &["packages/a/pyproject.toml", "packages/a/vendor"]),
            (
                "pyproject.toml",
                "[tool.uv]\nfind-links = ['./vendor', 'https://h.test/links']\n",
                "",
                &["pyproject.toml", "vendor"],
            ),
            (
                "pyproject.toml",
                "[tool.uv.pip]\nextra-index-url = ['vendor']\nindex-url = './main'\n",
                "",
                &["main", "pyproject.toml", "vendor"],
            ),
            (
                "uv.toml",
                "find-links = ['../out', '/srv/wheels', 'a/../vendor/']\n",
                "",
                &["uv.toml", "vendor"],
            ),
            (
                "pyproject.toml",
                "[tool.uv.sources]\na = { path = 'tools/a' }\nb = [{ path = './b.whl', marker = 'x' }, { index = 'i' }]\n",
                "",
                &["b.whl", "pyproject.toml", "tools/a"],
            ),
            (
                "pyproject.toml",
                "",
                "[[package]]\nname = 'a'\nsource = { registry = 'wheels' }\n[[package]]\nname = 'b'\nsource = { registry = 'https://i.test/simple' }\n",
                &["pyproject.toml", "wheels"],
            ),
            (
                "packages/other/pyproject.toml",
                "[project]\nname = 'other'\nversion = '1'\n",
                virtual_package,
                &["packages/other/pyproject.toml"],
            ),
            (
                "packages/other/pyproject.toml",
                "[project]\nname = 'other'\ndynamic = ['dependencies']\n",
                virtual_package,
                &["packages/other", "packages/other/pyproject.toml"],
            ),
        ] {
            let files = BTreeMap::from([(file.to_owned(), text.as_bytes().to_vec())]);
            let paths = uv_paths(&files, &lock.parse().unwrap());
            assert_eq!(paths.seen.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}{lock}");
        }
    }
}
