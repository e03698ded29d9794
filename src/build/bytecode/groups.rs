//! Which files are compiled together: those of a distribution, or of a directory where no distribution has them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use walkdir::WalkDir;

use crate::host::files::is_within;
use crate::host::walk::walk;
use crate::python::distribution::{installed_path, parse_record};

/// So many files at most are a group: enough to be worth a process, few enough to keep all cores busy to the end.
/// It decides bytes, as what is compiled before a file in its group does.
const LARGEST: usize = 48;

/// The directory in which packages have their own tests, by all convention.
const TESTS: &str = "tests";
const SITE_PACKAGES: &str = "site-packages";

/// Files that are compiled one after the other in a process of their own, in order. The names count from the tree.
pub(super) type Group = Vec<Vec<u8>>;

/// Divides the `.py` files below `.heroku/python/lib` of a tree. A distribution's groups depend on nothing but the
/// distribution.
pub(super) fn find_groups(tree: &Path) -> Vec<Group> {
    let sources = python_files(tree);
    let owners = owners(tree, &sources);
    let mut members: BTreeMap<(bool, &[u8]), Vec<&[u8]>> = BTreeMap::new();
    for source in &sources {
        let member_of = match owners.get(source) {
            Some(distribution) => (true, distribution.as_slice()),
            None => (false, directory(source)),
        };
        members.entry(member_of).or_default().push(source);
    }
    let chunks = members.values().flat_map(|files| files.chunks(LARGEST));
    chunks.map(|chunk| chunk.iter().map(|name| name.to_vec()).collect()).collect()
}

/// Lists the sources, sorted. The driver's list ends names with NUL, which no name has.
///
/// What packages test themselves with is left out: nothing in a dyno imports it, and in pandas or numpy it is a third
/// of all there is to compile. If something does, Python compiles it then.
fn python_files(tree: &Path) -> Vec<Vec<u8>> {
    let lib = Path::new(".heroku/python/lib");
    if !is_within(tree, lib) {
        return Vec::new();
    }
    // Bytecode would be written through a link that a hook has put in the place of its directory.
    let links = Mutex::new(HashSet::new());
    let visit = |entry: &fs::DirEntry, path: &Path| {
        if path.ends_with("__pycache__") && entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            let parent = lib.join(path.parent().unwrap_or(path));
            links.lock().unwrap_or_else(PoisonError::into_inner).insert(parent);
        }
        let is_source = path.extension().is_some_and(|extension| extension == "py")
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && !is_own_test(path);
        Ok::<_, Infallible>(is_source.then(|| lib.join(path).into_os_string().into_vec()))
    };
    // What can't be read can't be compiled either.
    let Ok(mut files) = walk(&tree.join(lib), &visit, &|_, _| Ok(()));
    let links = links.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !links.is_empty() {
        let parent = |name: &[u8]| Path::new(OsStr::from_bytes(name)).parent().map(Path::to_owned);
        files.retain(|name: &Vec<u8>| parent(name).is_none_or(|parent| !links.contains(&parent)));
    }
    files.sort();
    files
}

fn is_own_test(path: &Path) -> bool {
    let directories = path.parent().into_iter().flat_map(Path::iter);
    directories.skip_while(|name| *name != SITE_PACKAGES).any(|name| name == TESTS)
}

/// Finds out which distribution says in its RECORD that a file is its own; the first one by name if several do.
fn owners(tree: &Path, sources: &[Vec<u8>]) -> HashMap<Vec<u8>, Vec<u8>> {
    let mut owners = HashMap::new();
    for info in dist_infos(tree) {
        let Ok(record) = fs::read(tree.join(Path::new(&info)).join("RECORD")) else { continue };
        let site_packages = info.rsplit_once('/').map_or("", |(parent, _)| parent);
        for entry in parse_record(&record) {
            let Some(path) = installed_path(site_packages, &entry.path) else { continue };
            if path.ends_with(".py")
                && sources.binary_search_by(|name| name.as_slice().cmp(path.as_bytes())).is_ok()
            {
                owners.entry(path.into_bytes()).or_insert_with(|| info.clone().into_bytes());
            }
        }
    }
    owners
}

/// Lists the `.dist-info` directories, sorted.
fn dist_infos(tree: &Path) -> Vec<String> {
    let mut infos: Vec<String> = WalkDir::new(tree.join(".heroku/python/lib"))
        .min_depth(3)
        .max_depth(3)
        .into_iter()
        .filter_entry(|entry| entry.depth() != 2 || entry.file_name() == SITE_PACKAGES)
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "dist-info"))
        .filter_map(|entry| {
            let relative = entry.path().strip_prefix(tree).ok()?;
            String::from_utf8(relative.to_owned().into_os_string().into_vec()).ok()
        })
        .collect();
    infos.sort();
    infos
}

fn directory(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    // S11
    #[test]
    fn nothing_is_compiled_through_a_link_that_a_hook_has_put_there() {
        let outside = tempfile::tempdir().unwrap();
        let names = ["python/lib/a.py", "lib/a.py", "a.py", "python3.13/a.py"];
        for name in names {
            let path = outside.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (link, to) in [
            (".heroku", ""),
            (".heroku/python", "python"),
            (".heroku/python/lib", "lib"),
            (".heroku/python/lib/python3.13", "python3.13"),
            (".heroku/python/lib/own/__pycache__", ""),
            (".heroku/python/lib/own/a.py", "a.py"),
        ] {
            let tree = tempfile::tempdir().unwrap();
            let path = tree.path().join(link);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if link.contains("__pycache__") {
                fs::write(path.with_file_name("b.py"), "").unwrap();
            }
            symlink(outside.path().join(to), &path).unwrap();
            assert_eq!(find_groups(tree.path()), Vec::<Group>::new(), "{link}");
        }
    }
}
