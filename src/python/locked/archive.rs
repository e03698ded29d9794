//! The hashes of archives that are in the app itself, as Poetry and PDM keep them.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::place_in_app;

/// What Poetry's and PDM's locks say of archives in the app: their hashes, by their paths relative to the app.
pub(crate) fn archive_hashes(lock: &Table) -> BTreeMap<String, Vec<String>> {
    let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
    let mut found = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        let source = package.get("source");
        let of_source = |key: &str| source.and_then(|source| source.get(key)).and_then(Value::as_str);
        let path = match of_source("type") {
            Some("file") => of_source("url"),
            Some(_) => None,
            None => text("path").or_else(|| text("url")?.strip_prefix("file:///${PROJECT_ROOT}/")),
        };
        let Some(path) = path.and_then(|path| place_in_app(path).ok()) else { continue };
        // Poetry before 1.5 had them at the end.
        let files = package.get("files").or_else(|| lock.get("metadata")?.get("files")?.get(text("name")?));
        let files = files.and_then(Value::as_array).into_iter().flatten();
        let hashes: Vec<String> =
            files.filter_map(|file| file.get("hash")?.as_str()).map(str::to_owned).collect();
        if !hashes.is_empty() {
            found.insert(path, hashes);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // D38. As Poetry 2.4.1 and PDM 2.29.3 write them.
    #[test]
    fn the_hashes_of_archives_in_the_app_are_found() {
        const FILES: &str = "files = [{ file = 'a-1.whl', hash = 'sha256:aa' }]\n";
        for (entry, expected) in [
            (format!("{FILES}[package.source]\ntype = 'file'\nurl = 'vendor/a-1.whl'\n"), Some("vendor/a-1.whl")),
            (format!("path = './vendor/a-1.whl'\n{FILES}"), Some("vendor/a-1.whl")),
            (format!("url = 'file:///${{PROJECT_ROOT}}/a-1.whl'\n{FILES}"), Some("a-1.whl")),
            (
                "[package.source]\ntype = 'file'\nurl = 'a-1.whl'\n[metadata.files]\na = [{ file = 'a-1.whl', hash = 'sha256:aa' }]\n".to_owned(),
                Some("a-1.whl"),
            ),
            ("path = './libs/a'\nfiles = []\n".to_owned(), None),
            (format!("url = 'https://h.test/a-1.whl'\n{FILES}"), None),
            (format!("path = '../a-1.whl'\n{FILES}"), None),
            (FILES.to_owned(), None),
        ] {
            let found = archive_hashes(&format!("[[package]]\nname = 'a'\n{entry}").parse().unwrap());
            let expected = expected.map(|path| (path.to_owned(), vec!["sha256:aa".to_owned()]));
            assert_eq!(found, expected.into_iter().collect(), "{entry}");
        }
    }
}
