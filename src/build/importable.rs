//! Whether the app's Python can import a module: told by the files, so that Python needn't be started.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::confine::run_step;
use super::execute::Workshop;
use crate::host::process::{Invocation, RunError, capture};
use crate::python::requirements::normalised_name;

/// What the files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is installed.
    Yes,
    /// It isn't.
    No,
    /// Only Python knows.
    AskPython,
}

/// Decides from the names in site-packages and those in the app's top level directory.
pub(crate) fn is_importable(
    module: &str,
    site_packages: &BTreeSet<String>,
    app: &BTreeSet<String>,
) -> Answer {
    let file = format!("{module}.py");
    let is_there =
        |name: &String| *name == module || *name == file || distribution(name) == Some(module.to_owned());
    if site_packages.iter().any(is_there) {
        return Answer::Yes;
    }
    // What lies in the app is found too, but perhaps it is empty, or something else by that name.
    if [module, file.as_str()].iter().any(|name| app.contains(*name)) {
        return Answer::AskPython;
    }
    if site_packages.iter().any(|name| leads_elsewhere(name)) { Answer::AskPython } else { Answer::No }
}

/// Returns the normalised name of the distribution that a directory of metadata belongs to.
fn distribution(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"))?;
    Some(normalised_name(stem.split('-').next().unwrap_or(stem)))
}

/// Whether a file extends the search path to where modules without metadata here may be. Modern editable installs
/// have their metadata; namespace packages and setuptools only bring themselves.
fn leads_elsewhere(name: &str) -> bool {
    name.ends_with(".egg-link")
        || (name.ends_with(".pth")
            && name != "distutils-precedence.pth"
            && !name.ends_with("-nspkg.pth")
            && !name.starts_with("__editable__"))
}

/// Returns the interpreter of a build directory.
pub(crate) fn python_in(build_dir: &Path) -> PathBuf {
    build_dir.join(".heroku/python/bin/python")
}

/// Finds out whether the Python in the build directory can import a module. If Python itself fails, it can't.
pub(crate) fn can_import(
    module: &str,
    build_dir: &Path,
    vars: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<bool, RunError> {
    const SCRIPT: &str = "import importlib.util, sys\n\
                          sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
    match is_importable(module, &site_packages_names(build_dir), &names_in(build_dir)) {
        Answer::Yes => Ok(true),
        Answer::No => Ok(false),
        Answer::AskPython => {
            let mut invocation = Invocation::new(python_in(build_dir)).args(["-c", SCRIPT, module]);
            invocation.current_dir = build_dir.to_owned();
            invocation.env = vars.clone();
            match run_step(capture, invocation, build_dir, shop.cell, shop.env, shop.output) {
                Ok(_) => Ok(true),
                Err(RunError::Interrupted(interrupted)) => Err(interrupted.into()),
                Err(_) => Ok(false),
            }
        }
    }
}

fn site_packages_names(build_dir: &Path) -> BTreeSet<String> {
    let lib = build_dir.join(".heroku/python/lib");
    let versions = names_in(&lib).into_iter().filter(|name| name.starts_with("python"));
    versions.flat_map(|version| names_in(&lib.join(version).join("site-packages"))).collect()
}

/// Returns the names in a directory; a directory that can't be read holds none.
fn names_in(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_tell() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        for (site_packages, app, expected) in [
            (&["Django-5.2.1.dist-info"][..], &[][..], Answer::Yes),
            (&["django-5.2.1.dist-info", "django"], &[], Answer::Yes),
            (&["Django-1.11-py2.7.egg-info"], &[], Answer::Yes),
            (&["django"], &[], Answer::Yes),
            (&["django.py"], &[], Answer::Yes),
            (&["django_redis-5.0.dist-info", "django_redis"], &["manage.py"], Answer::No),
            (&["distutils-precedence.pth", "x-nspkg.pth", "__editable__.mine-1.pth"], &[], Answer::No),
            (&[], &[], Answer::No),
            (&[], &["django"], Answer::AskPython),
            (&["easy-install.pth"], &[], Answer::AskPython),
            (&["Django.egg-link"], &[], Answer::AskPython),
            (&["easy-install.pth", "django"], &[], Answer::Yes),
        ] {
            let answer = is_importable("django", &names(site_packages), &names(app));
            assert_eq!(answer, expected, "{site_packages:?} {app:?}");
        }
    }
}
