//! Finds what is in an app's directory but not in the slug, as far as the app could need it: for findings that would
//! else call it missing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::tracking::ignored_by;
use crate::app::left_out::Rule;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::output::Output;

/// How many files are looked at: what an app imports isn't in a directory with more.
const MOST: usize = 20_000;

/// Directories that hold nothing of the app's own.
const OTHERS: &[&str] = &[
    ".git",
    ".hg",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
    "site-packages",
    "venv",
];

/// Returns the scripts and modules that are left out, each with what leaves it out.
pub(super) fn left_out(app: &AppSource, env: &Env, output: &Output) -> BTreeMap<String, String> {
    let mut found = by_slugignore(app);
    let ignored: Vec<(&[u8], Vec<String>)> = app
        .ignored
        .iter()
        .map(|path| (path.as_slice(), worth_telling(&app.root, path)))
        .filter(|(_, files)| !files.is_empty())
        .collect();
    let mut rules = ignored_by(&app.root, ignored.iter().map(|(path, _)| *path), env, output);
    for (path, files) in ignored {
        let rule = rules.remove(path).unwrap_or_default();
        found.extend(files.into_iter().map(|file| (file, rule.clone())));
    }
    found
}

/// Lists what is worth telling of a file or directory that git ignores.
fn worth_telling(root: &Path, path: &[u8]) -> Vec<String> {
    let dir = root.join(OsStr::from_bytes(path));
    if Path::new(OsStr::from_bytes(path)).components().any(|part| is_others(part.as_os_str())) {
        return Vec::new();
    }
    files_below(&dir).filter_map(|entry| relative(&entry, root)).collect()
}

fn by_slugignore(app: &AppSource) -> BTreeMap<String, String> {
    if app.slugignore.is_empty() {
        return BTreeMap::new();
    }
    let rule_of = |path: &String| {
        let index = app.slugignore.leaves_out(path.as_bytes())?;
        let (line, pattern) = app.slugignore.line(index).zip(app.slugignore.pattern(index))?;
        Some(Rule { file: ".slugignore".to_owned(), line, pattern: pattern.to_owned() }.to_string())
    };
    let paths = files_below(&app.root).filter_map(|entry| relative(&entry, &app.root));
    let absent = paths.filter(|path| app.tree.find(path.as_bytes()).is_none());
    absent.filter_map(|path| rule_of(&path).map(|rule| (path, rule))).collect()
}

/// Goes through modules and scripts. No link is followed.
fn files_below(dir: &Path) -> impl Iterator<Item = DirEntry> {
    let is_apps = |entry: &DirEntry| {
        let is_environment = || entry.file_type().is_dir() && entry.path().join("pyvenv.cfg").exists();
        !is_others(entry.file_name()) && !is_environment()
    };
    let is_code = |entry: &DirEntry| {
        let extension = entry.path().extension().map(OsStr::as_bytes);
        entry.file_type().is_file() && matches!(extension, None | Some(b"py" | b"sh"))
    };
    WalkDir::new(dir).into_iter().filter_entry(is_apps).flatten().take(MOST).filter(is_code)
}

fn is_others(name: &OsStr) -> bool {
    OTHERS.iter().any(|other| name == *other)
}

fn relative(entry: &DirEntry, root: &Path) -> Option<String> {
    entry.path().strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::git::tests::Repositories;
    use crate::build::source::read_directory;

    // C15
    #[test]
    fn files_are_found_with_the_line_that_leaves_them_out() {
        let Some(repositories) = Repositories::new() else { return };
        let files = [
            (".gitignore", "# local\nlocal_settings.py\nvenv\n*.pyc\napp/*\n"),
            ("sub/.gitignore", "secret*\n"),
            (".slugignore", "scripts\n*.sh\n"),
            ("wsgi.py", ""),
        ];
        repositories.init("r", &files);
        repositories.write(".config/git/ignore", "mine.py\n");
        for name in [
            "local_settings.py",
            "app/models.py",
            "app/data.bin",
            "sub/secret.py",
            "sub/secrets/__init__.py",
            "mine.py",
            "venv/lib/x.py",
            "x.pyc",
            "scripts/run",
            "start.sh",
        ] {
            repositories.write(&format!("r/{name}"), "");
        }
        let silent = Output::silent();
        let app = read_directory(&repositories.path("r"), false, &repositories.env, &silent).unwrap();
        let mut found = left_out(&app, &repositories.env, &silent);
        assert!(found.remove("mine.py").is_some_and(|rule| rule.ends_with("git/ignore (line 1: `mine.py`)")));
        let expected = [
            ("app/models.py", ".gitignore (line 5: `app/*`)"),
            ("local_settings.py", ".gitignore (line 2: `local_settings.py`)"),
            ("scripts/run", ".slugignore (line 1: `scripts`)"),
            ("start.sh", ".slugignore (line 2: `*.sh`)"),
            ("sub/secret.py", "sub/.gitignore (line 1: `secret*`)"),
            ("sub/secrets/__init__.py", "sub/.gitignore (line 1: `secret*`)"),
        ];
        let found: Vec<(&str, &str)> =
            found.iter().map(|(path, rule)| (path.as_str(), rule.as_str())).collect();
        assert_eq!(found, expected);
        // Everything that git ignores is in the slug then.
        let all = read_directory(&repositories.path("r"), true, &repositories.env, &silent).unwrap();
        assert_eq!(left_out(&all, &repositories.env, &silent).len(), 2);
    }
}
