//! Whose a file is: a distribution's, Python's, the buildpack's or the app's own.

use std::collections::{BTreeSet, HashMap};

use super::contents::{Content, EntryFacts};
use super::installed::{Installed, SBOM_PATH};
use crate::plan::environment::profile_scripts;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The distribution's of this number.
    Distribution(usize),
    /// Python's.
    Runtime,
    /// The buildpack's, which made it for the app.
    Generated,
    /// The app's own.
    App,
}

/// Where Heroku's buildpack and this one put Python.
const RUNTIME: &str = ".heroku/python/";

/// Finds the owner of each entry.
pub(super) fn find_owners(entries: &[EntryFacts], installed: &[Installed]) -> Vec<Owner> {
    let claims = Claims::of(installed, entries);
    let generated: BTreeSet<String> = profile_scripts()
        .into_iter()
        .map(|(name, _)| format!(".profile.d/{name}"))
        .chain([".profile.d/python.sh".to_owned(), SBOM_PATH.to_owned()])
        .collect();
    entries
        .iter()
        .map(|entry| {
            let path = String::from_utf8_lossy(&entry.path);
            match claims.owner(&path) {
                Some(number) => Owner::Distribution(number),
                None if path.starts_with(RUNTIME) => Owner::Runtime,
                None if generated.contains(&*path) => Owner::Generated,
                None => Owner::App,
            }
        })
        .collect()
}

/// What distributions say is theirs.
struct Claims {
    files: HashMap<String, usize>,
    /// The directories in site-packages in which all files are one distribution's; none if they are several's.
    directories: HashMap<String, Option<usize>>,
}

impl Claims {
    fn of(installed: &[Installed], entries: &[EntryFacts]) -> Self {
        let mut claims = Self { files: HashMap::new(), directories: HashMap::new() };
        for (number, found) in installed.iter().enumerate() {
            claims.claim_directory(&found.info, number);
            for file in found.record.iter().flat_map(|record| &record.files) {
                claims.files.entry(file.clone()).or_insert(number);
                claims.claim_parents(file, &found.site_packages, number);
            }
            if found.record.is_none() {
                claims.claim_modules(found, number, entries);
            }
        }
        claims
    }

    fn claim_parents(&mut self, file: &str, site_packages: &str, number: usize) {
        let mut rest = file;
        while let Some((parent, _)) = rest.rsplit_once('/') {
            if parent.len() <= site_packages.len() || !parent.starts_with(site_packages) {
                break;
            }
            // All the directories above have been claimed by the same one then.
            if self.directories.get(parent) == Some(&Some(number)) {
                break;
            }
            self.claim_directory(parent, number);
            rest = parent;
        }
    }

    fn claim_directory(&mut self, directory: &str, number: usize) {
        self.directories
            .entry(directory.to_owned())
            .and_modify(|owner| *owner = owner.filter(|other| *other == number))
            .or_insert(Some(number));
    }

    /// Without a list of files, what has the names of its modules is a distribution's.
    fn claim_modules(&mut self, found: &Installed, number: usize, entries: &[EntryFacts]) {
        let guess = found.distribution.key().replace('-', "_");
        let modules =
            if found.top_level.is_empty() { std::slice::from_ref(&guess) } else { &found.top_level };
        for module in modules {
            let path = format!("{}/{module}", found.site_packages);
            let is_there = entries
                .binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes()))
                .is_ok_and(|place| entries[place].content == Content::Directory);
            if is_there {
                self.claim_directory(&path, number);
            }
            self.files.entry(format!("{path}.py")).or_insert(number);
        }
    }

    fn owner(&self, path: &str) -> Option<usize> {
        let listed = self.files.get(path).or_else(|| self.files.get(&source_of_bytecode(path)?));
        if let Some(number) = listed {
            return Some(*number);
        }
        let mut rest = path;
        loop {
            if let Some(owner) = self.directories.get(rest) {
                return *owner;
            }
            rest = rest.rsplit_once('/')?.0;
        }
    }
}

/// Returns the source that bytecode was made from: `x.py` for `__pycache__/x.cpython-314.pyc`.
fn source_of_bytecode(path: &str) -> Option<String> {
    let (directory, name) = path.strip_suffix(".pyc")?.rsplit_once('/')?;
    let parent = directory.strip_suffix("__pycache__")?;
    Some(format!("{parent}{}.py", name.split('.').next()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::installed::find_installed;
    use super::*;

    #[test]
    fn every_file_has_an_owner() {
        let lib = ".heroku/python/lib/python3.14";
        let site = format!("{lib}/site-packages");
        let metadata = BTreeMap::from([
            (format!("{site}/a-1.dist-info/METADATA"), b"Name: a\n".to_vec()),
            (
                format!("{site}/a-1.dist-info/RECORD"),
                b"a/__init__.py,,\na/data/x,,\nshared/a.py,,\na_one.py,,\n../../../bin/a,,\n".to_vec(),
            ),
            (format!("{site}/b-1.dist-info/METADATA"), b"Name: b\n".to_vec()),
            (format!("{site}/b-1.dist-info/RECORD"), b"shared/b.py,,\n".to_vec()),
            (format!("{site}/egg-1.egg-info/PKG-INFO"), b"Name: egg\n".to_vec()),
            (format!("{site}/egg-1.egg-info/top_level.txt"), b"egg_module\n".to_vec()),
        ]);
        let installed = find_installed(&metadata);
        let (a, b, egg) = (Owner::Distribution(0), Owner::Distribution(1), Owner::Distribution(2));
        let mut rows = vec![
            (format!("{site}/a/__init__.py"), a),
            (format!("{site}/a/__pycache__/__init__.cpython-314.pyc"), a),
            (format!("{site}/a/data/not-listed"), a),
            (format!("{site}/a-1.dist-info/REQUESTED"), a),
            (format!("{site}/__pycache__/a_one.cpython-314.opt-1.pyc"), a),
            (".heroku/python/bin/a".to_owned(), a),
            (format!("{site}/shared/b.py"), b),
            (format!("{site}/shared/nobody"), Owner::Runtime),
            (format!("{site}/egg_module"), egg),
            (format!("{site}/egg_module/x.py"), egg),
            (format!("{lib}/os.py"), Owner::Runtime),
            (".profile.d/python.sh".to_owned(), Owner::Generated),
            (".profile.d/WEB_CONCURRENCY.sh".to_owned(), Owner::Generated),
            (SBOM_PATH.to_owned(), Owner::Generated),
            (".profile.d/mine.sh".to_owned(), Owner::App),
            ("manage.py".to_owned(), Owner::App),
        ];
        rows.sort();
        let entries: Vec<EntryFacts> = rows
            .iter()
            .map(|(path, _)| EntryFacts {
                path: path.clone().into_bytes(),
                content: if path.ends_with("egg_module") { Content::Directory } else { Content::Other },
                size: 0,
                compressed: 0,
                mode: 0,
                mtime: 0,
            })
            .collect();
        let found = find_owners(&entries, &installed);
        for ((path, expected), owner) in rows.iter().zip(found) {
            assert_eq!(owner, *expected, "{path}");
        }
    }
}
