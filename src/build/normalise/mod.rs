//! Makes a tree of installed packages say nothing of the place where it was made, so that it runs
//! anywhere and two builds give the same bytes.
//!
//! Files are replaced, never written in place: the installer may have hard-linked them from its cache.

mod editable;
mod record;
mod script;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, DirEntry, FileType};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::host::files::{self, FileContext, FileError, is_within};
use crate::host::walk::walk;

/// Where the tree was made.
#[derive(Debug, Clone)]
pub(crate) struct BuildPlaces {
    /// The tree that becomes the layer: the app's root, with `.heroku/python` in it.
    pub tree: PathBuf,
    /// The copy of the app that requirements were built from, if there was one.
    pub staged_app: Option<PathBuf>,
    /// The interpreter's prefix during the installation.
    pub runtime: PathBuf,
}

/// What installers leave for themselves, and must not be in a slug.
const INSTALLER_FILES: &[&str] = &["uv_cache.json", "uv_build.json"];

/// What version control keeps in a checkout: of no use in a slug, and credentials can be in it.
const REPOSITORIES: &[&str] = &[".git", ".hg", ".svn", ".bzr"];

/// Normalises the packages below `.heroku/python` of the tree.
pub(crate) fn normalise(places: &BuildPlaces) -> Result<(), FileError> {
    let prefix = places.tree.join(".heroku/python");
    // A hook may have put a link there, to anywhere on this machine.
    if !is_within(&places.tree, ".heroku/python/lib") {
        return Ok(());
    }
    files::remove_file(&prefix.join(".lock"))?;
    for site_packages in site_packages_dirs(&prefix) {
        let mut changes = Changes::default();
        remove_leftovers(&prefix, &site_packages, &mut changes)?;
        relocate_scripts(&prefix.join("bin"), &site_packages, places, &mut changes)?;
        relocate_metadata(&site_packages, places, &mut changes)?;
        record::update_records(&site_packages, &changes)?;
    }
    Ok(())
}

/// Files that were changed or deleted, as RECORD names them: relative to site-packages.
#[derive(Debug, Default)]
struct Changes(BTreeMap<String, Option<Vec<u8>>>);

impl Changes {
    fn changed(&mut self, site_packages: &Path, path: &Path, contents: Vec<u8>) {
        self.0.insert(record_name(site_packages, path), Some(contents));
    }

    fn deleted(&mut self, site_packages: &Path, path: &Path) {
        self.0.insert(record_name(site_packages, path), None);
    }
}

/// Returns how RECORD names a file: relative to site-packages, with `../` for what is beside it.
fn record_name(site_packages: &Path, path: &Path) -> String {
    let mut base = site_packages;
    let mut ups = String::new();
    loop {
        if let Ok(relative) = path.strip_prefix(base) {
            return format!("{ups}{}", relative.display());
        }
        match base.parent() {
            Some(parent) => base = parent,
            None => return path.display().to_string(),
        }
        ups.push_str("../");
    }
}

fn site_packages_dirs(prefix: &Path) -> Vec<PathBuf> {
    let mut dirs: Vec<_> = fs::read_dir(prefix.join("lib"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path().join("site-packages"))
        .filter(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()))
        .collect();
    dirs.sort();
    dirs
}

/// Lists the paths below a directory that a choice falls on, sorted. A link isn't gone into, even if `dir` is one.
fn find(dir: &Path, choose: impl Fn(&DirEntry, FileType) -> bool + Sync) -> Vec<PathBuf> {
    if !dir.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Vec::new();
    }
    let visit = |entry: &DirEntry, _: &Path| {
        let is_chosen = entry.file_type().is_ok_and(|kind| choose(entry, kind));
        Ok::<_, Infallible>(is_chosen.then(|| entry.path()))
    };
    let Ok(mut found) = walk(dir, &visit, &|_, _| Ok(()));
    found.sort();
    found
}

fn remove_leftovers(prefix: &Path, site_packages: &Path, changes: &mut Changes) -> Result<(), FileError> {
    let left = find(prefix, |entry, kind| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_of_installer = || INSTALLER_FILES.contains(&&*name) && is_in_dist_info(&entry.path());
        (kind.is_dir() && (name == "__pycache__" || REPOSITORIES.contains(&&*name)))
            || (kind.is_file() && (name.ends_with(".pyc") || is_of_installer()))
    });
    let (directories, files): (Vec<_>, Vec<_>) = left.into_iter().partition(|path| path.is_dir());
    for path in files {
        files::remove_file(&path)?;
        changes.deleted(site_packages, &path);
    }
    directories.iter().try_for_each(|path| files::remove_dir_all(path))
}

fn is_in_dist_info(path: &Path) -> bool {
    path.parent().and_then(Path::extension).is_some_and(|extension| extension == "dist-info")
}

fn relocate_scripts(
    bin: &Path,
    site_packages: &Path,
    places: &BuildPlaces,
    changes: &mut Changes,
) -> Result<(), FileError> {
    for path in find(bin, |_, kind| kind.is_file()) {
        let contents = read(&path)?;
        if let Some(script) = script::relocate(&contents, &places.runtime) {
            files::replace_contents(&path, &script)?;
            files::set_mode(&path, 0o755)?;
            changes.changed(site_packages, &path, script);
        }
    }
    Ok(())
}

fn relocate_metadata(
    site_packages: &Path,
    places: &BuildPlaces,
    changes: &mut Changes,
) -> Result<(), FileError> {
    let has_urls =
        |name: &str, path: &Path| ["direct_url.json", "METADATA"].contains(&name) && is_in_dist_info(path);
    // At the top, what says where to import from; anywhere, files that nobody may write, which nobody could delete either.
    let found = find(site_packages, |entry, kind| {
        let path = entry.path();
        let is_told =
            path.parent() == Some(site_packages) || has_urls(&entry.file_name().to_string_lossy(), &path);
        let is_locked = || entry.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o200 == 0);
        kind.is_file() && (is_told || is_locked())
    });
    for path in found {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let at_top = path.parent() == Some(site_packages);
        let extension = path.extension().unwrap_or_default();
        let relocated = if has_urls(&name, &path) {
            editable::relocate_urls(&read(&path)?, places)
        } else if at_top && (extension == "pth" || extension == "egg-link") {
            editable::relocate_path_file(&read(&path)?, places)
        } else if at_top && name.starts_with("__editable__") && extension == "py" {
            editable::relocate_module(&read(&path)?, places)
        } else {
            None
        };
        if let Some(contents) = relocated {
            files::replace_contents(&path, &contents)?;
            changes.changed(site_packages, &path, contents);
        }
        let mode = fs::metadata(&path).map_or(0o644, |metadata| metadata.permissions().mode());
        if mode & 0o200 == 0 {
            files::set_mode(&path, (mode & 0o777) | 0o200)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).doing("reading", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_names_are_relative_to_site_packages() {
        let site_packages = Path::new("/t/.heroku/python/lib/python3.12/site-packages");
        for (path, expected) in [
            ("/t/.heroku/python/lib/python3.12/site-packages/a/b.py", "a/b.py"),
            ("/t/.heroku/python/bin/flask", "../../../bin/flask"),
        ] {
            assert_eq!(record_name(site_packages, Path::new(path)), expected);
        }
    }

    #[test]
    fn a_tree_made_in_two_places_is_the_same() {
        let trees = ["one", "another/place"].map(|name| {
            let root = tempfile::tempdir().unwrap();
            let base = root.path().join(name);
            let places = BuildPlaces {
                tree: base.join("tree"),
                staged_app: Some(base.join("app")),
                runtime: base.join("runtime/.heroku/python"),
            };
            let site_packages = places.tree.join(".heroku/python/lib/python3.12/site-packages");
            let info = site_packages.join("x-1.dist-info");
            fs::create_dir_all(&info).unwrap();
            fs::create_dir_all(places.tree.join(".heroku/python/bin")).unwrap();
            let script = places.tree.join(".heroku/python/bin/x");
            fs::write(&script, format!("#!{}/bin/python3\nimport x\n", places.runtime.display())).unwrap();
            fs::write(info.join("uv_cache.json"), "{}").unwrap();
            fs::create_dir_all(places.tree.join(".heroku/python/src/x/.hg")).unwrap();
            fs::write(places.tree.join(".heroku/python/src/x/.hg/hgrc"), "[paths]\n").unwrap();
            fs::write(info.join("direct_url.json"), format!("{{\"url\":\"file://{}\"}}", base.join("app").display()))
                .unwrap();
            fs::write(site_packages.join("x.pth"), format!("{}\n", base.join("app/src").display())).unwrap();
            let record = "../../../bin/x,sha256=old,1\nx.pth,sha256=old,1\nx-1.dist-info/uv_cache.json,sha256=old,2\n\
                          x-1.dist-info/direct_url.json,sha256=old,1\nx-1.dist-info/RECORD,,\n";
            fs::write(info.join("RECORD"), record).unwrap();
            normalise(&places).unwrap();
            assert_eq!(fs::read_to_string(site_packages.join("x.pth")).unwrap(), "../../../../../src\n");
            assert!(!fs::read_to_string(info.join("RECORD")).unwrap().contains("old"));
            find(&places.tree, |_, kind| kind.is_file())
                .into_iter()
                .map(|path| {
                    let name = path.strip_prefix(&places.tree).unwrap().to_owned();
                    (name, fs::read_to_string(path).unwrap())
                })
                .collect::<BTreeMap<_, _>>()
        });
        assert_eq!(trees[0], trees[1]);
        assert_eq!(trees[0].len(), 4, "{:?}", trees[0]);
    }
}
