//! The files that decide about a build by being there.

use super::source::AppSource;

/// Files that decide which packages are installed, and how.
const OF_PACKAGES: &[&str] = &[
    "Pipfile",
    "Pipfile.lock",
    "pdm.lock",
    "poetry.lock",
    "pylock.toml",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "uv.lock",
];

/// All of them, sorted.
pub(crate) const DECIDERS: &[&str] = &[
    ".python-version",
    ".slugignore",
    ".slugignore.post",
    "Pipfile",
    "Pipfile.lock",
    "Procfile",
    "app.json",
    "bin/post_compile",
    "bin/pre_compile",
    "nltk.txt",
    "pdm.lock",
    "poetry.lock",
    "poetry.toml",
    "pylock.toml",
    "pyproject.toml",
    "requirements.txt",
    "runtime.txt",
    "setup.py",
    "uv.lock",
    "uv.toml",
];

/// Returns those that are there and have no effect, as they can't be read, with the reason. The Procfile and
/// `.slugignore` aren't among them: they end a build.
pub(super) fn unusable(app: &AppSource) -> Vec<(&'static str, &'static str)> {
    // Without any that can be used, there is an error that names them.
    let has_packages = OF_PACKAGES.iter().any(|name| app.has_file(name));
    let is_told = |name: &&&str| {
        *name != &"Procfile"
            && !name.starts_with(".slugignore")
            && (has_packages || !OF_PACKAGES.contains(name))
    };
    DECIDERS.iter().filter(is_told).filter_map(|name| Some((*name, app.why_unusable(name)?))).collect()
}

/// Says that such a file has no effect.
pub(crate) fn without_use(name: &str, why: &str) -> String {
    format!("{name} {why}. It has no effect.")
}
