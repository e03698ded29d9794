//! `bin/release BUILD_DIR`: what the platform should add to the app.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns YAML: a database for a Django app that can talk to one, else nothing. Default process types and
/// config vars are never among it. May be called without a build before it.
pub(super) fn run(build_dir: &Path) -> &'static str {
    let has = |module| has_module(build_dir, module);
    if build_dir.join("manage.py").is_file() && has("django") && has("psycopg2") {
        "---\naddons:\n  - heroku-postgresql\n"
    } else {
        ""
    }
}

/// Returns whether the Python in a build directory can import a top level package.
pub(super) fn has_module(build_dir: &Path, module: &str) -> bool {
    site_packages(build_dir).iter().any(|dir| dir.join(module).join("__init__.py").is_file())
}

fn site_packages(build_dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(build_dir.join(".heroku/python/lib"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .map(|entry| entry.path().join("site-packages"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_for_django_with_its_driver() {
        for (files, expected) in [
            (&["manage.py", "django", "psycopg2"][..], true),
            (&["django", "psycopg2"], false),
            (&["manage.py", "psycopg2"], false),
            (&["manage.py", "django", "psycopg"], false),
            (&[], false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                if file.ends_with(".py") {
                    fs::write(dir.path().join(file), "").unwrap();
                    continue;
                }
                let package = dir.path().join(".heroku/python/lib/python3.14/site-packages").join(file);
                fs::create_dir_all(&package).unwrap();
                fs::write(package.join("__init__.py"), "").unwrap();
            }
            assert_eq!(run(dir.path()).contains("heroku-postgresql"), expected, "{files:?}");
        }
    }
}
