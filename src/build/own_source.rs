//! What of the app its own packages are built from, and what else an installer looks at meanwhile.

use std::borrow::Cow;
use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::app::source::AppSource;
use crate::app::tree::SourceKind;
use crate::plan::Local;
use crate::python::uv_paths::in_app;
use crate::slug::tree::Entry;

/// Files beside a package's directory, or above it, that building it may read: its tools' settings, and what its
/// metadata quotes.
const SHARED_FILES: &[&str] = &["pyproject.toml", "uv.toml", "setup.cfg", "setup.py", "MANIFEST.in"];
const SHARED_BEGINNINGS: &[&str] =
    &["README", "LICENSE", "LICENCE", "COPYING", "NOTICE", "VERSION", "CHANGE"];

/// What says which packages there are: uv reads it, and no build does.
const LOCK: &[u8] = b"uv.lock";

/// The part of the app that is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OwnSource {
    /// Where packages are, relative to the app.
    places: BTreeSet<String>,
    /// Other files and directories.
    beside: BTreeSet<String>,
}

impl OwnSource {
    /// Finds what packages are built from: what is `beside` them, what they quote from elsewhere in the app, and where
    /// links lead.
    pub(super) fn find(app: &AppSource, local: &Local, beside: &BTreeSet<String>) -> Self {
        let mut found = Self { places: local.places.keys().cloned().collect(), beside: beside.clone() };
        for place in &local.places.keys().cloned().collect::<Vec<_>>() {
            if let Ok(text) = app.read_file(&format!("{place}/pyproject.toml")) {
                let quoted = quoted(&String::from_utf8_lossy(&text));
                let quoted = quoted.iter().filter_map(|path| in_app(place, path));
                found.beside.extend(quoted.filter(|path| path != "." && app.has_file(path)));
            }
        }
        loop {
            let known = found.beside.len();
            for entry in &app.tree.entries {
                let SourceKind::Symlink { target } = &entry.kind else { continue };
                if !found.contains(&entry.path) {
                    continue;
                }
                let (Ok(path), Ok(target)) = (std::str::from_utf8(&entry.path), std::str::from_utf8(target))
                else {
                    continue;
                };
                let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                found.beside.extend(in_app(directory, target));
            }
            if found.beside.len() == known {
                return found;
            }
        }
    }

    /// Tells whether a path is seen.
    pub(super) fn contains(&self, path: &[u8]) -> bool {
        let path: Cow<'_, str> = String::from_utf8_lossy(path);
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let is_shared =
            SHARED_FILES.contains(&name) || SHARED_BEGINNINGS.iter().any(|start| name.starts_with(start));
        // The directories on the way, too.
        let touches = |place: &String| place == "." || is_below(place, &path) || is_below(&path, place);
        self.beside.iter().any(touches)
            || self.places.iter().any(|place| {
                // What is above a package is there for everybody.
                touches(place) || (is_shared && (directory.is_empty() || is_below(directory, place)))
            })
    }

    /// Returns the app with nothing else: whatever else a build would read isn't in the key.
    pub(super) fn of_app(&self, app: &AppSource) -> AppSource {
        let mut app = app.clone();
        app.tree.entries.retain(|entry| entry.path == LOCK || self.contains(&entry.path));
        app
    }

    /// Returns those of an app's entries.
    pub(super) fn entries<'a>(&self, entries: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
        entries.iter().filter(|entry| self.contains(&entry.path))
    }
}

/// Returns whether a path is the outer one or below it.
fn is_below(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lists what leads out of the package's directory, wherever that stands: every back end has other keys for it.
fn quoted(pyproject: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.contains("../") => found.push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Table(table) => {
                found.extend(table.keys().filter(|key| key.contains("../")).cloned());
                table.values().for_each(|value| collect(value, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&Value::Table(pyproject.parse::<Table>().unwrap_or_default()), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn own(places: &[&str], beside: &[&str]) -> OwnSource {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        OwnSource { places: set(places), beside: set(beside) }
    }

    #[test]
    fn only_what_packages_are_built_from_is_their_source() {
        for (path, expected) in [
            ("libs", true),
            ("libs/a", true),
            ("libs/a/src/a.py", true),
            ("libs/ab/x.py", false),
            ("libs/b.py", false),
            ("libs/README.md", true),
            ("pyproject.toml", true),
            ("LICENSE.txt", true),
            ("app.py", false),
            ("other/README.md", false),
            ("wheels/a.whl", true),
            // D07: what uv looks at, and nothing around it.
            ("members/b", true),
            ("members/b/pyproject.toml", true),
            ("members/b/b.py", false),
            ("vendor/x-1-py3-none-any.whl", true),
        ] {
            let own = own(&["libs/a", "wheels/a.whl"], &["members/b/pyproject.toml", "vendor"]);
            assert_eq!(own.contains(path.as_bytes()), expected, "{path}");
        }
        assert!(own(&["."], &[]).contains(b"app.py"));
    }

    // D07
    #[test]
    fn what_a_package_quotes_and_where_links_lead_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in ["libs/a", "docs", "real/b", "data"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let pyproject = "[project]\nname = 'a'\nreadme = '../../docs/a.md'\nlicense = { file = '../../docs/none' }\n\
                         [tool.hatch.build.targets.wheel.force-include]\n'../../data/x.json' = 'a/x.json'\n";
        for (path, text) in [
            ("libs/a/pyproject.toml", pyproject),
            ("docs/a.md", ""),
            ("docs/b.md", ""),
            ("data/x.json", ""),
            ("real/b/pyproject.toml", ""),
            ("real/b/b.py", ""),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("../real/b", root.join("libs/b")).unwrap();
        let app = crate::app::source::read_source(root, &BTreeSet::new(), &Default::default()).unwrap();
        let places = ["libs/a", "libs/b"].map(|place| (place.to_owned(), BTreeSet::new())).into();
        let local = Local { places, ..Local::default() };
        let own = OwnSource::find(&app, &local, &BTreeSet::new());
        let seen = own.of_app(&app).tree.entries.into_iter();
        let seen: Vec<String> = seen.map(|entry| String::from_utf8(entry.path).unwrap()).collect();
        for (path, expected) in [
            ("docs/a.md", true),
            ("docs/b.md", false),
            ("data/x.json", true),
            ("real/b/b.py", true),
            ("libs/b", true),
        ] {
            assert_eq!(seen.contains(&path.to_owned()), expected, "{path}: {seen:?}");
        }
    }
}
