//! What is in site-packages before the app's packages: pip and, up to Python 3.12, setuptools. As in Heroku's buildpack,
//! it counts as installed, so that nothing that merely depends on setuptools replaces it by a newer one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::layers::Layer;
use crate::host::files::{self, FileContext, FileError};

/// Links to the files of the layer with pip, in a tree that packages are installed into.
#[derive(Debug)]
pub(super) struct Preinstalled {
    /// Each file of the layer, and its link.
    links: Vec<(PathBuf, PathBuf)>,
    /// The directories that were made for them, each before those in it.
    directories: Vec<PathBuf>,
}

impl Preinstalled {
    /// Puts links to what is in one site-packages directory into another one.
    pub(super) fn put(from: &Path, into: &Path) -> Result<Self, FileError> {
        files::create_dir_all(into)?;
        let (mut links, mut directories) = (Vec::new(), Vec::new());
        if !from.is_dir() {
            return Ok(Self { links, directories });
        }
        for entry in walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name() {
            let entry = entry.map_err(io::Error::from).doing("reading", from)?;
            let link = into.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
            if entry.file_type().is_dir() {
                files::create_dir_all(&link)?;
                directories.push(link);
            } else {
                files::link_or_copy(entry.path(), &link)?;
                links.push((entry.into_path(), link));
            }
        }
        Ok(Self { links, directories })
    }

    /// Takes away what the installer has left as it was; what it has put there instead stays.
    pub(super) fn take_away(self) -> Result<(), FileError> {
        for (file, link) in &self.links {
            if is_same(file, link) {
                files::remove_file(link)?;
            }
        }
        for directory in self.directories.iter().rev() {
            files::remove_empty_dir(directory);
        }
        Ok(())
    }
}

fn is_same(file: &Path, link: &Path) -> bool {
    let (Ok(one), Ok(other)) = (file.symlink_metadata(), link.symlink_metadata()) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
        || (one.len() == other.len()
            && fs::read(file).ok().is_some_and(|text| fs::read(link).ok() == Some(text)))
}

/// Leaves pip or setuptools out of their layer when the app brings its own.
pub(super) fn without_replaced_tools(mut pip: Layer, installed: &BTreeSet<String>) -> Layer {
    let mut replaced: Vec<&str> = Vec::new();
    if installed.contains("pip") {
        replaced.extend(["pip", "pip3"]);
    }
    if installed.contains("setuptools") {
        replaced.extend(["setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence"]);
    }
    pip.entries.retain(|entry| {
        let path = String::from_utf8_lossy(&entry.path);
        let name =
            path.split_once("/site-packages/").or_else(|| path.split_once("/bin/")).map(|(_, rest)| rest);
        let top = name.unwrap_or_default().split(['/', '-', '.']).next().unwrap_or_default();
        let top = if name.is_some_and(|name| name.starts_with("distutils-precedence")) {
            "distutils-precedence"
        } else {
            top
        };
        !replaced.contains(&top)
    });
    pip
}

#[cfg(test)]
mod tests {
    use super::*;

    // D41
    #[test]
    fn what_the_installer_left_alone_goes_and_what_it_put_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (layer, tree) = (dir.path().join("layer"), dir.path().join("tree"));
        for (name, text) in
            [("setuptools/a.py", "a"), ("setuptools/b.py", "b"), ("pkg_resources/c.py", "c"), ("x.pth", "x")]
        {
            fs::create_dir_all(layer.join(name).parent().unwrap()).unwrap();
            fs::write(layer.join(name), text).unwrap();
        }
        let put = Preinstalled::put(&layer, &tree).unwrap();
        assert_eq!(fs::read_to_string(tree.join("pkg_resources/c.py")).unwrap(), "c");
        // An upgrade.
        fs::remove_file(tree.join("setuptools/a.py")).unwrap();
        fs::write(tree.join("setuptools/a.py"), "newer").unwrap();
        fs::remove_file(tree.join("x.pth")).unwrap();
        fs::write(tree.join("flask.py"), "f").unwrap();
        put.take_away().unwrap();
        for (name, is_there) in [
            ("setuptools/a.py", true),
            ("setuptools/b.py", false),
            ("pkg_resources", false),
            ("x.pth", false),
            ("flask.py", true),
        ] {
            assert_eq!(tree.join(name).exists(), is_there, "{name}");
        }
        assert_eq!(fs::read_to_string(layer.join("setuptools/a.py")).unwrap(), "a", "the layer is as it was");
    }
}
