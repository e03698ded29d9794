//! The app as a package of Poetry's: what keeps it from being one stands in pyproject.toml, and beside it.

use std::fmt;

use toml::{Table, Value};

use super::pyproject::poetry;
use crate::python::requirements::normalised_name;

/// What is asked about the app's files.
pub(crate) struct AppFiles<'a> {
    /// Whether there is a regular file of this path.
    pub is_file: &'a dyn Fn(&str) -> bool,
    /// Whether there is a directory of this path.
    pub is_dir: &'a dyn Fn(&str) -> bool,
    /// Whether there may be Python files in this directory.
    pub has_python: &'a dyn Fn(&str) -> bool,
}

/// Why Poetry can't install the app as a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootFault {
    /// It has no name or no version.
    Nameless(&'static str),
    /// There is nothing that has its name.
    NoPackage {
        /// Its name, as it stands in the file.
        name: String,
        /// What a module would be called.
        module: String,
    },
    /// There is a file and a directory.
    Both(String),
    /// `packages` names what isn't there.
    Missing(String),
    /// A directory has no file of Python's.
    NoPython(String),
    /// A readme isn't there.
    Readme(String),
    /// A file with the licence isn't there.
    Licence(String),
}

impl fmt::Display for RootFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Poetry installs the app itself as a package, unless it is told not to. ")?;
        match self {
            Self::Nameless(key) => {
                write!(formatter, "A package needs a `{key}`, and pyproject.toml has none.")
            }
            Self::NoPackage { name, module } => write!(
                formatter,
                "There is no package of the name `{name}`: neither {module}.py nor {module}/ is in the app's directory or in src."
            ),
            Self::Both(module) => {
                write!(formatter, "There are both {module}.py and {module}/: which is meant?")
            }
            Self::Missing(path) => {
                write!(formatter, "`packages` in pyproject.toml names {path}, which isn't there.")
            }
            Self::NoPython(path) => write!(formatter, "{path} is to be the package, and has no .py file."),
            Self::Readme(path) => {
                write!(formatter, "pyproject.toml names {path} as its readme, which isn't there.")
            }
            Self::Licence(path) => {
                write!(formatter, "pyproject.toml names {path} as its licence, which isn't there.")
            }
        }
    }
}

impl RootFault {
    /// Says what to do.
    pub(crate) fn fix(&self) -> String {
        let otherwise = match self {
            Self::Nameless(key) => format!("give it a `{key}`"),
            Self::NoPackage { .. } | Self::Both(_) | Self::Missing(_) | Self::NoPython(_) => {
                "name what belongs to it there: `packages = [{ include = \"…\" }]`".to_owned()
            }
            Self::Readme(_) | Self::Licence(_) => "add the file, or delete the line that names it".to_owned(),
        };
        format!(
            "If the app is only to run, write `package-mode = false` below\n[tool.poetry] in pyproject.toml.\nIf it is a package, {otherwise}."
        )
    }
}

/// Finds what keeps Poetry from installing the app as a package, if that is certain: if Poetry itself builds it, from
/// files that are there before.
pub(crate) fn root_fault(pyproject: &[u8], files: &AppFiles<'_>) -> Option<RootFault> {
    let pyproject: Table = String::from_utf8_lossy(pyproject).parse().ok()?;
    let setting = |key: &str| poetry(&pyproject, key);
    let backend = pyproject.get("build-system").map(|system| system.get("build-backend"));
    let is_poetrys = match backend {
        None => true,
        Some(backend) => {
            let name = backend.and_then(Value::as_str);
            name.is_some_and(|name| ["poetry.core.masonry.api", "poetry.masonry.api"].contains(&name))
        }
    };
    let is_off = setting("package-mode").and_then(Value::as_bool) == Some(false);
    if is_off || !is_poetrys || setting("build").is_some() || setting("requires-plugins").is_some() {
        return None;
    }
    let project = pyproject.get("project").and_then(Value::as_table);
    let of_project = |key: &str| project.and_then(|project| project.get(key));
    let Some(name) = of_project("name").or(setting("name")).and_then(Value::as_str) else {
        return Some(RootFault::Nameless("name"));
    };
    if of_project("version").or(setting("version")).is_none() {
        return Some(RootFault::Nameless("version"));
    }
    let packages = setting("packages").and_then(Value::as_array).filter(|packages| !packages.is_empty());
    let fault = match packages {
        Some(packages) => packages.iter().find_map(|package| listed_fault(package, files)),
        None => default_fault(name, files),
    };
    fault.or_else(|| readme_fault(of_project("readme"), setting("readme"), files)).or_else(|| {
        let file = of_project("license")?.get("file")?.as_str()?;
        (!(files.is_file)(file)).then(|| RootFault::Licence(file.to_owned()))
    })
}

/// Looks for what has the app's name.
fn default_fault(name: &str, files: &AppFiles<'_>) -> Option<RootFault> {
    let module = normalised_name(name).replace('-', "_");
    for path in [module.clone(), format!("src/{module}")] {
        match ((files.is_dir)(&path), (files.is_file)(&format!("{path}.py"))) {
            (true, true) => return Some(RootFault::Both(path)),
            (true, false) => return (!(files.has_python)(&path)).then_some(RootFault::NoPython(path)),
            (false, true) => return None,
            (false, false) => {}
        }
    }
    Some(RootFault::NoPackage { name: name.to_owned(), module })
}

fn listed_fault(package: &Value, files: &AppFiles<'_>) -> Option<RootFault> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let include = text("include")?;
    // A pattern may find more than is there now, and files of other kinds are for Poetry to judge.
    if include.contains(['*', '?', '[']) || include.contains("..") || include.starts_with('/') {
        return None;
    }
    let path = text("from").map_or_else(|| include.to_owned(), |from| format!("{from}/{include}"));
    let is_dir = (files.is_dir)(&path);
    if !is_dir && !(files.is_file)(&path) {
        return Some(RootFault::Missing(path));
    }
    (is_dir && !path.ends_with("-stubs") && !(files.has_python)(&path)).then_some(RootFault::NoPython(path))
}

fn readme_fault(
    of_project: Option<&Value>,
    of_poetry: Option<&Value>,
    files: &AppFiles<'_>,
) -> Option<RootFault> {
    let named = of_project.or(of_poetry)?;
    let named = named.get("file").unwrap_or(named);
    let listed = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice);
    let mut paths = listed.iter().filter_map(Value::as_str).filter(|path| !path.is_empty());
    let missing = paths.find(|path| !(files.is_file)(path.trim_start_matches("./")))?;
    Some(RootFault::Readme(missing.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[tool.poetry]\nname = 'a-bot'\nversion = '0.1'\n";
    const PROJECT: &str = "[project]\nname = 'a-bot'\nversion = '0.1'\n";

    fn found(pyproject: &str, files: &[&str]) -> Option<String> {
        let below = |dir: &str, file: &&str| file.starts_with(&format!("{dir}/"));
        let files = AppFiles {
            is_file: &|path| files.contains(&path),
            is_dir: &|path| files.iter().any(|file| below(path, file)),
            has_python: &|path| files.iter().any(|file| below(path, file) && file.ends_with(".py")),
        };
        root_fault(pyproject.as_bytes(), &files).map(|fault| {
            assert!(fault.fix().contains("package-mode = false"), "{fault:?}");
            let text = fault.to_string();
            text.split_once("told not to. ").unwrap().1.to_owned()
        })
    }

    // D08. Each with `poetry install` of Poetry 2.4.1: what is `None` here was installed, unless slugc doesn't judge.
    #[test]
    fn what_keeps_poetry_from_installing_the_app_is_told_as_poetry_does() {
        let head = |rest: &str| format!("{HEAD}{rest}\n");
        let project = |rest: &str| format!("{PROJECT}{rest}\n");
        for (pyproject, files, expected) in [
            // "No file/folder found for package a-bot"
            (head(""), &["bot.py"][..], Some("There is no package of the name `a-bot`")),
            (head(""), &["A_Bot.py"], Some("There is no package")),
            (head(""), &["a-bot/x.py"], Some("There is no package")),
            (head(""), &["a_bot.pyi"], Some("There is no package")),
            (head(""), &["a_bot.py"], None),
            (head(""), &["a_bot/x.py"], None),
            (head(""), &["src/a_bot/__init__.py"], None),
            (head(""), &["src/a_bot.py"], None),
            (head("").replace("a-bot", "A.Bot-x"), &["a_bot_x.py"], None),
            (project(""), &["bot.py"], Some("There is no package")),
            // "Both … and … exist"
            (head(""), &["a_bot.py", "a_bot/x.py"], Some("There are both a_bot.py and a_bot/")),
            // "a_bot is not a package."
            (head(""), &["a_bot/x.txt"], Some("a_bot is to be the package, and has no .py file.")),
            // "… does not contain any element"
            (
                head("packages = [{ include = 'bot' }]"),
                &["bot.py"],
                Some("`packages` in pyproject.toml names bot,"),
            ),
            (
                head("packages = [{ include = 'bot', from = 'lib' }]"),
                &["bot/x.py"],
                Some("`packages` in pyproject.toml names lib/bot,"),
            ),
            (head("packages = [{ include = 'bot.py' }]"), &["bot.py"], None),
            (head("packages = [{ include = 'bot' }]"), &["bot/x.py"], None),
            (head("packages = [{ include = 'b*' }]"), &[], None),
            (head("packages = []"), &["bot.py"], Some("There is no package")),
            // "Readme path `…` does not exist."
            (
                head("readme = 'README.md'"),
                &["a_bot.py"],
                Some("pyproject.toml names README.md as its readme"),
            ),
            (head("readme = ['R.md', 'B.md']"), &["a_bot.py", "R.md"], Some("pyproject.toml names B.md")),
            (project("readme = { file = 'R.md' }"), &["a_bot.py"], Some("pyproject.toml names R.md")),
            (project("readme = { text = 'x' }"), &["a_bot.py"], None),
            (head("readme = 'README.md'"), &["a_bot.py", "README.md"], None),
            // "license file '…' not found"
            (project("license = { file = 'LICENSE' }"), &["a_bot.py"], Some("pyproject.toml names LICENSE")),
            (head("license = 'LICENSE'"), &["a_bot.py"], None),
            // What `include` names needn't be there.
            (head("include = ['none.txt']"), &["a_bot.py"], None),
            ("[tool.poetry]\n".to_owned(), &[], Some("A package needs a `name`")),
            ("[tool.poetry]\nname = 'x'\n".to_owned(), &["x.py"], Some("A package needs a `version`")),
            (head("package-mode = false"), &[], None),
            // Not Poetry's to build, or not before something else has run.
            (head("[build-system]\nbuild-backend = 'hatchling.build'"), &[], None),
            (head("[tool.poetry.build]\nscript = 'build.py'"), &[], None),
            (
                head("[build-system]\nbuild-backend = 'poetry.core.masonry.api'"),
                &[],
                Some("There is no package"),
            ),
        ] {
            let found = found(&pyproject, files);
            assert_eq!(found.is_some(), expected.is_some(), "{pyproject} {files:?}: {found:?}");
            assert!(
                found.unwrap_or_default().starts_with(expected.unwrap_or_default()),
                "{pyproject} {files:?}"
            );
        }
    }
}
