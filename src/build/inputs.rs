//! Reads what says which packages are installed, for each package manager.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::LazyLock;

use regex::Regex;
use toml::{Table, Value};

use super::archives::check_archives;
use super::survey::UnreadableFile;
use super::tool_env::digest_of_value;
use crate::app::source::AppSource;
use crate::app::tree::{SourceEntry, SourceKind};
use crate::env::Env;
use crate::error::Result;
use crate::plan::inputs::{Rendered, unlocked_requirements};
use crate::plan::local::{
    has_places, split_locked, split_project, split_pylock, split_requirements, split_uv_lock,
};
use crate::plan::steps::PRE_COMPILE;
use crate::plan::{Inputs, Local, Lock, Notice, PackageManager};
use crate::python::locked::{Groups, LockedIndex, LockedSet, OwnSetting};
use crate::python::pdm::{self, read_pdm_lock};
use crate::python::pipfile::{read_pipfile, read_pipfile_lock};
use crate::python::poetry::{self, read_poetry_lock};
use crate::python::pylock;
use crate::python::pyproject::Pyproject;
use crate::python::requirements::{Requirements, read_requirements, text_of};
use crate::python::uv_paths::uv_paths;

/// The second requirements file, for the app's tests.
pub(crate) const TEST_REQUIREMENTS: &str = "requirements-test.txt";

/// What the inputs are read from.
pub(crate) struct Reading<'a> {
    /// The app.
    pub app: &'a AppSource,
    /// Who manages its packages.
    pub manager: PackageManager,
    /// `pyproject.toml`, if it can be read.
    pub pyproject: Option<&'a Pyproject>,
    /// Whether the packages for the app's tests are wanted, too.
    pub test: bool,
}

/// Reads the inputs. The digest of the app's own files and the variables are for the caller to add.
pub(crate) fn read_inputs(reading: &Reading<'_>) -> Result<Inputs> {
    match reading.manager {
        PackageManager::Pip => read_pip(reading),
        PackageManager::Pipenv => read_pipenv(reading),
        PackageManager::Pipfile => read_open_pipfile(reading),
        PackageManager::Poetry => read_poetry(reading),
        PackageManager::Pdm => read_pdm(reading),
        PackageManager::Uv => read_uv(reading),
        PackageManager::Pylock => read_pylock(reading),
        PackageManager::Pyproject => read_open_pyproject(reading),
    }
}

fn read_pip(reading: &Reading<'_>) -> Result<Inputs> {
    let Reading { app, test, .. } = *reading;
    let mut read = |path: &str| app.read_file(path);
    let mut requirements = read_requirements("requirements.txt", &mut read)?;
    if test && app.has_file(TEST_REQUIREMENTS) {
        let Requirements { files, entries, beyond_uv } = read_requirements(TEST_REQUIREMENTS, &mut read)?;
        requirements.files.extend(files);
        requirements.entries.extend(entries);
        requirements.beyond_uv.extend(beyond_uv);
    }
    Ok(Inputs {
        files: requirements.files.clone(),
        needs_source: requirements.has_local_paths(),
        local: split_requirements(&requirements).filter(|local| !has_uv_sources(app, local)),
        unlocked: unlocked_requirements(&requirements),
        requirements: Some(requirements),
        ..Inputs::default()
    })
}

fn read_pipenv(reading: &Reading<'_>) -> Result<Inputs> {
    let mut files = BTreeMap::new();
    let lock = read_file(reading, "Pipfile.lock", &mut files)?;
    let pipfile = match reading.app.has_file("Pipfile") {
        true => Some(read_file(reading, "Pipfile", &mut files)?),
        false => None,
    };
    match read_pipfile_lock(&lock, pipfile.as_deref(), groups(reading)) {
        Err(error) if error.needs_tool() => Ok(for_tool(error.to_string(), files)),
        // What a key of Pipfile.lock is called, nobody compares with what it stands for.
        read => Ok(locked(read?, false, files)),
    }
}

fn read_open_pipfile(reading: &Reading<'_>) -> Result<Inputs> {
    let mut files = BTreeMap::new();
    let pipfile = read_file(reading, "Pipfile", &mut files)?;
    let (mut read, local) = match read_pipfile(&pipfile, groups(reading)) {
        Err(error) if error.needs_tool() => (for_tool(error.to_string(), files), None),
        set => {
            let set = set?;
            let local = split_locked(&set, false);
            (locked(set, false, files), local)
        }
    };
    // What the Pipfile names needs other packages, and nobody has said which.
    if let Some(rendered) = &mut read.rendered {
        rendered.complete = false;
        rendered.hashed = false;
    }
    read.local = local.filter(|local| !has_uv_sources(reading.app, local));
    read.unlocked = vec!["Pipfile".to_owned()];
    Ok(read)
}

fn read_poetry(reading: &Reading<'_>) -> Result<Inputs> {
    let mut files = BTreeMap::new();
    let lock = read_file(reading, "poetry.lock", &mut files)?;
    let pyproject = read_file(reading, "pyproject.toml", &mut files)?;
    let settings = match reading.app.has_file("poetry.toml") {
        true => Some(read_file(reading, "poetry.toml", &mut files)?),
        false => None,
    };
    let read = match read_poetry_lock(&lock, &pyproject, groups(reading)) {
        Err(error) if error.needs_tool() => for_tool(error.to_string(), files),
        set => {
            let set = set?;
            check_archives(reading.manager, &lock, &set, reading.app)?;
            locked(set, true, files)
        }
    };
    if let Some(fault) = poetry_root_fault(reading.app, &pyproject) {
        return Err(poetry::PoetryError::Root(fault).into());
    }
    Ok(with_own_settings(read, poetry::own_settings(&pyproject, settings.as_deref())))
}

/// Finds what keeps Poetry from installing the app. A hook may still add what is missing.
fn poetry_root_fault(app: &AppSource, pyproject: &[u8]) -> Option<poetry::RootFault> {
    let has_python = |dir: &str| {
        let below =
            |path: &[u8]| path.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
        let is_link = |kind: &SourceKind| matches!(kind, SourceKind::Symlink { .. });
        app.tree.entries.iter().any(|SourceEntry { path, kind }| {
            (below(path) && (path.ends_with(b".py") || is_link(kind)))
                || (path == dir.as_bytes() && is_link(kind))
        })
    };
    let files = poetry::AppFiles {
        is_file: &|path| app.has_file(path),
        is_dir: &|path| app.leads_to_directory(path.as_bytes()),
        has_python: &has_python,
    };
    poetry::root_fault(pyproject, &files).filter(|_| !app.has_file(PRE_COMPILE))
}

fn read_pdm(reading: &Reading<'_>) -> Result<Inputs> {
    let mut files = BTreeMap::new();
    let lock = read_file(reading, "pdm.lock", &mut files)?;
    let pyproject = read_file(reading, "pyproject.toml", &mut files)?;
    if reading.app.has_file("pdm.toml") {
        read_file(reading, "pdm.toml", &mut files)?;
    }
    let read = match read_pdm_lock(&lock, &pyproject, groups(reading)) {
        Err(error) if error.needs_tool() => for_tool(error.to_string(), files),
        set => {
            let set = set?;
            check_archives(reading.manager, &lock, &set, reading.app)?;
            locked(set, true, files)
        }
    };
    Ok(with_own_settings(read, pdm::own_settings(&pyproject)))
}

fn read_uv(reading: &Reading<'_>) -> Result<Inputs> {
    let mut files = project_files(reading)?;
    let lock = parse_table(&read_file(reading, "uv.lock", &mut files)?);
    let groups = if reading.test { uv_default_groups(&files, &lock) } else { BTreeSet::new() };
    Ok(Inputs {
        needs_source: has_places(&lock),
        local: split_uv_lock(&lock),
        indexes: uv_indexes(&files),
        seen: uv_paths(&files, &lock),
        lock: Some(Lock::Uv { lock, groups }),
        files,
        ..Inputs::default()
    })
}

/// Names the dependency groups that uv installs unless it is told otherwise.
fn uv_default_groups(files: &BTreeMap<String, Vec<u8>>, lock: &Table) -> BTreeSet<String> {
    let pyproject = files.get("pyproject.toml").map(|text| parse_table(text)).unwrap_or_default();
    let setting = pyproject.get("tool").and_then(|tool| tool.get("uv")?.get("default-groups"));
    match setting {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) => {
            let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
            let groups = packages.filter_map(|package| package.get("dev-dependencies")?.as_table());
            groups.flat_map(Table::keys).cloned().collect()
        }
        None => BTreeSet::from(["dev".to_owned()]),
    }
}

/// Reads the indexes to which uv's settings give a name.
fn uv_indexes(files: &BTreeMap<String, Vec<u8>>) -> Vec<LockedIndex> {
    let settings = [("pyproject.toml", &["tool", "uv", "index"][..]), ("uv.toml", &["index"])];
    let mut indexes = Vec::new();
    for (file, path) in settings {
        let table = Value::Table(files.get(file).map(|text| parse_table(text)).unwrap_or_default());
        let listed = path.iter().try_fold(&table, |table, key| table.get(key)).and_then(Value::as_array);
        for index in listed.into_iter().flatten() {
            let text = |key: &str| index.get(key).and_then(Value::as_str).map(str::to_owned);
            if let (Some(name), Some(url)) = (text("name"), text("url")) {
                indexes.push(LockedIndex { name, url, verify_ssl: true, explicit: false });
            }
        }
    }
    indexes
}

fn read_pylock(reading: &Reading<'_>) -> Result<Inputs> {
    let mut files = BTreeMap::new();
    let lock = pylock::read_pylock(&read_file(reading, "pylock.toml", &mut files)?)?;
    let local = split_pylock(&lock);
    Ok(Inputs {
        needs_source: local.is_some(),
        local,
        lock: Some(Lock::Pylock(lock)),
        files,
        ..Inputs::default()
    })
}

/// Parses a file that uv reads itself. One that can't be read names nothing: uv has the better message.
fn parse_table(lock: &[u8]) -> Table {
    String::from_utf8_lossy(lock).parse().unwrap_or_default()
}

fn read_open_pyproject(reading: &Reading<'_>) -> Result<Inputs> {
    const TEST_GROUPS: &[&str] = &["dev", "test", "tests"];
    let files = project_files(reading)?;
    let has_group =
        |name: &&&str| reading.pyproject.is_some_and(|pyproject| pyproject.groups.contains(**name));
    let groups = TEST_GROUPS.iter().filter(|_| reading.test).filter(has_group);
    let text = files.get("pyproject.toml").map(|text| String::from_utf8_lossy(text).into_owned());
    let table: Table = text.unwrap_or_default().parse().unwrap_or_default();
    let is_package = reading.pyproject.is_some_and(|pyproject| pyproject.is_package);
    let is_static = is_static(&table);
    let local = split_project(is_static);
    Ok(Inputs {
        needs_source: is_package || !is_static,
        // uv finds out itself what an installed project needs.
        rendered: is_package.then(|| Rendered { text: "-e .\n".to_owned(), complete: false, hashed: false }),
        local: Some(local).filter(|local| is_package && !has_uv_sources(reading.app, local)),
        groups: groups.map(|name| (*name).to_owned()).collect(),
        unlocked: vec!["pyproject.toml".to_owned()],
        indexes: uv_indexes(&files),
        seen: uv_paths(&files, &Table::new()),
        files,
        ..Inputs::default()
    })
}

/// Whether the dependencies can be read from `[project]` without running anything of the app's.
fn is_static(pyproject: &Table) -> bool {
    let Some(project) = pyproject.get("project").and_then(Value::as_table) else { return false };
    let is_dynamic =
        project.get("dynamic").and_then(Value::as_array).is_some_and(|dynamic| !dynamic.is_empty());
    let text = project.get("dependencies").map(Value::to_string).unwrap_or_default();
    !is_dynamic && uv_sources(pyproject).is_none() && !text.contains("file:")
}

/// Where uv takes dependencies from, beside indexes: what is installed doesn't say it.
fn uv_sources(pyproject: &Table) -> Option<&Value> {
    pyproject.get("tool").and_then(|tool| tool.get("uv")?.get("sources"))
}

fn has_uv_sources(app: &AppSource, local: &Local) -> bool {
    local.places.keys().any(|place| {
        let path = if place == "." { "pyproject.toml".to_owned() } else { format!("{place}/pyproject.toml") };
        app.read_file(&path).is_ok_and(|text| uv_sources(&parse_table(&text)).is_some())
    })
}

fn groups(reading: &Reading<'_>) -> Groups {
    if reading.test { Groups::Test } else { Groups::Production }
}

fn locked(set: LockedSet, names_are_sure: bool, files: BTreeMap<String, Vec<u8>>) -> Inputs {
    let local = split_locked(&set, true);
    let warnings = set.warnings.iter();
    let notices = warnings.map(|(code, text)| Notice {
        code: (*code).into(),
        text: text.as_str().into(),
        warning: true,
    });
    Inputs {
        needs_source: local.is_some(),
        notices: notices.collect(),
        rendered: Some(Rendered { text: set.render_requirements(), complete: true, hashed: set.is_hashed() }),
        local,
        indexes: set.indexes.clone(),
        lock: Some(Lock::Set { set, names_are_sure }),
        files,
        ..Inputs::default()
    }
}

/// What the package manager's own tool is to install, for a reason. As the lock couldn't be read to its end, any part
/// of the app may be in it.
fn for_tool(reason: String, files: BTreeMap<String, Vec<u8>>) -> Inputs {
    Inputs { beyond_engine: vec![reason], needs_source: true, files, ..Inputs::default() }
}

fn with_own_settings(mut inputs: Inputs, settings: Vec<OwnSetting>) -> Inputs {
    inputs.needs_source |= settings.iter().any(|setting| setting.runs_code);
    inputs.beyond_engine.extend(settings.into_iter().map(|setting| setting.text));
    inputs
}

fn read_file(reading: &Reading<'_>, name: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let unreadable = |source: io::Error| UnreadableFile { name: name.to_owned(), source };
    let contents = reading.app.read_file(name).map_err(unreadable)?;
    files.insert(name.to_owned(), contents.clone());
    Ok(contents)
}

/// Reads the files by which uv knows a project: those of its workspace's members are somewhere below it.
fn project_files(reading: &Reading<'_>) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in &reading.app.tree.entries {
        let Ok(path) = std::str::from_utf8(&entry.path) else { continue };
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_file = !matches!(entry.kind, SourceKind::Directory);
        if is_file && ["pyproject.toml", "uv.toml"].contains(&name) && reading.app.has_file(path) {
            read_file(reading, path, &mut files)?;
        }
    }
    Ok(files)
}

/// Returns the texts that installers read: the files, and what a lock was rendered to.
pub(crate) fn texts(inputs: &Inputs) -> Vec<Cow<'_, str>> {
    let files = inputs.files.values().map(|contents| Cow::Owned(text_of(contents)));
    files.chain(inputs.rendered.iter().map(|rendered| Cow::Borrowed(rendered.text.as_str()))).collect()
}

/// Finds the variables that the texts name as `${NAME}`, and a digest of what they hold: another value may mean
/// another package, and the value itself may be a secret.
pub(crate) fn variables(texts: &[Cow<'_, str>], env: &Env) -> BTreeMap<String, String> {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\$\{([A-Z0-9_]+)\}").expect("the pattern is constant"));
    let mut found = BTreeMap::new();
    for text in texts {
        for name in NAME.captures_iter(text).map(|captures| captures[1].to_owned()) {
            if let Some(value) = env.var(&name) {
                found.insert(name, digest_of_value(value));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_apart_without_being_told() {
        let inputs = Inputs {
            files: BTreeMap::from([(
                "r.txt".to_owned(),
                b"--index-url https://${TOKEN}@i.test/${UNSET}".to_vec(),
            )]),
            ..Inputs::default()
        };
        let read =
            |value: &str| variables(&texts(&inputs), &Env::for_tests(&[("TOKEN", value), ("OTHER", "x")]));
        assert_eq!(read("secret").keys().collect::<Vec<_>>(), ["TOKEN"]);
        // D05
        let utf16 = "\u{feff}--index-url https://${TOKEN}@i.test".encode_utf16();
        let inputs = Inputs {
            files: BTreeMap::from([("r.txt".to_owned(), utf16.flat_map(u16::to_le_bytes).collect())]),
            ..Inputs::default()
        };
        assert_eq!(variables(&texts(&inputs), &Env::for_tests(&[("TOKEN", "x")])).len(), 1);
        assert_ne!(read("secret"), read("another"));
        assert!(!format!("{:?}", read("secret")).contains("secret"));
    }

    #[test]
    fn dynamic_projects_are_built_from_their_source() {
        for (text, expected) in [
            ("[project]\ndependencies = ['six']\n", true),
            ("[project]\ndynamic = ['dependencies']\n", false),
            ("[project]\ndependencies = ['six']\n[tool.uv.sources]\nsix = { path = 'six' }\n", false),
            ("[tool.poetry]\nname = 'x'\n", false),
        ] {
            assert_eq!(is_static(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
