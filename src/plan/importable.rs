//! Whether the app's Python can import a module: told by the names of files, so that Python needn't be started.

use std::collections::BTreeSet;

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
    app: &BTreeSet<Vec<u8>>,
) -> Answer {
    let file = format!("{module}.py");
    let is_there =
        |name: &String| *name == module || *name == file || distribution(name) == Some(module.to_owned());
    if site_packages.iter().any(is_there) {
        return Answer::Yes;
    }
    // What lies in the app is found too, but perhaps it is empty, or something else by that name.
    if [module, file.as_str()].iter().any(|name| app.contains(name.as_bytes())) {
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
            let app = app.iter().map(|name| name.as_bytes().to_vec()).collect();
            let answer = is_importable("django", &names(site_packages), &app);
            assert_eq!(answer, expected, "{site_packages:?} {app:?}");
        }
    }
}
