//! The index that each package comes from. A requirements file can't name it, so uv is told beside the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use toml::{Table, Value};

use super::index::is_default;
use super::{LockedIndex, LockedPackage, LockedSet, LockedSource};

impl LockedSet {
    /// Tells whether packages come from more than one index.
    pub(crate) fn has_several_indexes(&self) -> bool {
        let used: BTreeSet<&str> = self.packages.iter().filter_map(LockedPackage::index).collect();
        let wanted =
            self.indexes.iter().filter(|index| !index.explicit || used.contains(index.name.as_str()));
        let urls: BTreeSet<&str> =
            wanted.map(|index| if is_default(index) { "" } else { index.url.as_str() }).collect();
        urls.len() > 1 || self.indexes.iter().all(|index| index.explicit) && !urls.is_empty()
    }

    /// Renders constraints by which a version is only that version: `==2.0` is `2.0+cpu`, too.
    pub(crate) fn render_exact(&self) -> String {
        let mut text = String::new();
        for package in &self.packages {
            let LockedPackage { name, marker, source: LockedSource::Registry { .. }, .. } = package else {
                continue;
            };
            if let Some(version) = package.exact_version() {
                let marker = marker.as_ref().map(|marker| format!(" ; {marker}")).unwrap_or_default();
                let _ = writeln!(text, "{name}==={version}{marker}");
            }
        }
        text
    }

    /// Renders a pyproject.toml for uv by which packages come from the index that they name and from no other.
    ///
    /// `address` gives the URL of an index without credentials: uv knows those from the requirements file. What comes
    /// from the installer's default index isn't bound, as only the installer knows where that is. Nothing is returned
    /// if nothing is bound.
    pub(crate) fn render_bindings(&self, address: &dyn Fn(&LockedIndex) -> String) -> Option<String> {
        let mut by_name: BTreeMap<&str, (Option<usize>, Vec<&LockedPackage>)> = BTreeMap::new();
        for package in &self.packages {
            let named =
                |name: &str| self.indexes.iter().position(|index| index.name.eq_ignore_ascii_case(name));
            let index = package.index().and_then(named).filter(|at| !is_default(&self.indexes[*at]));
            let (bound, packages) = by_name.entry(&package.name).or_insert((index, Vec::new()));
            // One name can be bound to one index: otherwise the hashes alone decide.
            *bound = bound.filter(|bound| index == Some(*bound));
            packages.push(package);
        }
        let bound =
            by_name.into_iter().filter_map(|(name, (index, packages))| Some((name, index?, packages)));
        let (mut dependencies, mut sources, mut used) = (Vec::new(), Table::new(), BTreeSet::new());
        for (name, index, packages) in bound {
            used.insert(index);
            dependencies.extend(packages.iter().map(|package| {
                let marker = package.marker.as_ref().map(|marker| format!(" ; {marker}"));
                Value::String(format!("{name}{}", marker.unwrap_or_default()))
            }));
            sources.insert(name.to_owned(), table([("index", index_name(index).into())]));
        }
        let indexes: Vec<Value> = used
            .into_iter()
            .map(|index| {
                let url = address(&self.indexes[index]);
                table([
                    ("name", index_name(index).into()),
                    ("url", url.into()),
                    ("explicit", Value::Boolean(true)),
                ])
            })
            .collect();
        if indexes.is_empty() {
            return None;
        }
        let project = table([
            ("name", "locked".into()),
            ("version", "0".into()),
            ("dependencies", Value::Array(dependencies)),
        ]);
        let uv = table([("index", Value::Array(indexes)), ("sources", Value::Table(sources))]);
        let Value::Table(file) = table([("project", project), ("tool", table([("uv", uv)]))]) else {
            return None;
        };
        Some(file.to_string())
    }
}

/// uv doesn't allow every character in the name of an index.
fn index_name(position: usize) -> String {
    format!("locked-{position}")
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, marker: Option<&str>, index: Option<&str>) -> LockedPackage {
        LockedPackage {
            name: name.into(),
            version: Some(version.into()),
            extras: Vec::new(),
            marker: marker.map(Into::into),
            hashes: Vec::new(),
            source: LockedSource::Registry { index: index.map(Into::into) },
        }
    }

    fn index(name: &str, url: &str, explicit: bool) -> LockedIndex {
        LockedIndex { name: name.into(), url: url.into(), verify_ssl: true, explicit }
    }

    fn bound(packages: Vec<LockedPackage>) -> Vec<String> {
        let indexes = vec![
            index("PyPI", "", false),
            index("main", "https://me:word@main.test/simple", false),
            index("extra", "https://extra.test/simple", true),
        ];
        let set = LockedSet { packages, indexes, ..LockedSet::default() };
        let address = |index: &LockedIndex| index.url.replace("me:word@", "");
        let Some(text) = set.render_bindings(&address) else { return Vec::new() };
        let file: Table = text.parse().unwrap();
        let uv = &file["tool"]["uv"];
        let url = |name: &Value| {
            let found = uv["index"].as_array().unwrap().iter().find(|index| &index["name"] == name);
            found.unwrap()["url"].as_str().unwrap().to_owned()
        };
        let dependencies = file["project"]["dependencies"].as_array().unwrap().iter();
        dependencies
            .map(|dependency| {
                let dependency = dependency.as_str().unwrap();
                let name = dependency.split(' ').next().unwrap();
                format!("{dependency} from {}", url(&uv["sources"][name]["index"]))
            })
            .collect()
    }

    // D29
    #[test]
    fn a_package_is_bound_to_the_index_that_the_lock_names() {
        let linux = Some("sys_platform == 'linux'");
        for (packages, expected) in [
            (vec![package("a", "1", None, Some("extra"))], &["a from https://extra.test/simple"][..]),
            (
                vec![package("a", "1", linux, Some("Main")), package("b", "1", None, None)],
                &["a ; sys_platform == 'linux' from https://main.test/simple"],
            ),
            (vec![package("a", "1", None, Some("PyPI")), package("b", "1", None, Some("gone"))], &[]),
            (vec![package("a", "1", linux, Some("main")), package("a", "2", None, Some("extra"))], &[]),
            (vec![package("a", "1", linux, Some("main")), package("a", "2", None, None)], &[]),
            (
                vec![package("a", "1", linux, Some("main")), package("a", "2", None, Some("main"))],
                &[
                    "a ; sys_platform == 'linux' from https://main.test/simple",
                    "a from https://main.test/simple",
                ],
            ),
        ] {
            assert_eq!(bound(packages.clone()), expected, "{packages:?}");
        }
    }

    // D29
    #[test]
    fn an_exact_version_is_no_local_version_of_it() {
        let packages = vec![
            package("a", "2.0", None, None),
            package("b", "2.0+cpu", Some("os_name == 'posix'"), Some("extra")),
            package("c", ">=1", None, None),
            LockedPackage {
                source: LockedSource::Url { url: "https://h/d.zip".into() },
                ..package("d", "1", None, None)
            },
        ];
        let set = LockedSet { packages, ..LockedSet::default() };
        assert_eq!(set.render_exact(), "a===2.0\nb===2.0+cpu ; os_name == 'posix'\n");
    }

    // D29
    #[test]
    fn an_index_for_certain_packages_counts_if_one_names_it() {
        let several = |indexes: &[LockedIndex], named: Option<&str>| {
            let packages = vec![package("a", "1", None, named)];
            LockedSet { packages, indexes: indexes.to_vec(), ..LockedSet::default() }.has_several_indexes()
        };
        let public = index("pypi", "https://pypi.example/simple", false);
        let (main, extra) = (index("main", "https://m/", false), index("extra", "https://e/", true));
        for (indexes, named, expected) in [
            (&[][..], None, false),
            (std::slice::from_ref(&public), Some("pypi"), false),
            (&[public.clone(), main.clone()], None, true),
            (std::slice::from_ref(&main), Some("main"), false),
            (&[main.clone(), main.clone()], Some("main"), false),
            (&[main.clone(), extra.clone()], None, false),
            (&[main.clone(), extra.clone()], Some("extra"), true),
            // The installer's default index is there, too.
            (std::slice::from_ref(&extra), Some("extra"), true),
        ] {
            assert_eq!(several(indexes, named), expected, "{indexes:?} {named:?}");
        }
    }
}
