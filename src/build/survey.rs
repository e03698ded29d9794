//! Reads the facts that the plan is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use sha2::{Digest, Sha256};

use super::record::Record;
use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::{ErrorCode, FindingCode, Result};
use crate::host::clock;
use crate::plan::manager::choose_package_manager;
use crate::plan::runtime::VersionDecision;
use crate::plan::{ManagerError, Notice, PackageManager};
use crate::python::pip_config::{PipConfig, pip_config_file_paths};
use crate::python::pipfile::requested_python;
use crate::python::pyproject::{Pyproject, PyprojectError, parse_pyproject};
use crate::python::requires_python::SupportedPythons;
use crate::python::supported;
use crate::python::version::{PythonVersion, RequestedVersion, VersionOrigin};
use crate::python::version_claims::contradictions;
use crate::python::version_file::{misspelled_version_file, parse_runtime_txt, parse_version_file};
use crate::slug::tree::{Entry, EntryKind};

/// What the Python version is decided from, besides the files that name it.
pub(crate) struct VersionFacts<'a> {
    /// Who manages the packages.
    pub manager: PackageManager,
    /// `pyproject.toml`, if it can be read.
    pub pyproject: Option<&'a Pyproject>,
    /// The version of the last build.
    pub last: Option<PythonVersion>,
    /// Now, in seconds since 1970.
    pub today: u64,
}

/// Decides the Python version from the app's files: runtime.txt, .python-version, `requires-python`, Pipfile.lock;
/// then that of the last build, or the default.
///
/// What is known is noted at once, so that the report has it if a later step fails.
pub(crate) fn read_version(
    app: &AppSource,
    facts: &VersionFacts<'_>,
    record: &Record,
) -> Result<VersionDecision> {
    let requested = read_requested_version(app, facts)?;
    note_request(&requested, app, record);
    let (requested, origin, range) = requested;
    let version = supported::resolve_version(&requested, origin)?;
    note_version(version, requested.patch.is_some(), record);
    if facts.manager == PackageManager::Uv {
        // uv itself reads neither, so the versions on other machines would be others.
        match origin {
            VersionOrigin::RuntimeTxt => return Err(UvVersionError::RuntimeTxt.into()),
            VersionOrigin::Cached | VersionOrigin::Default => {
                return Err(UvVersionError::NotFound { minor: requested.minor_version() }.into());
            }
            _ => {}
        }
    }
    let contradictions = contradictions(&|name| app.has_file(name).then(|| app.read_file(name).ok())?);
    let contradictions = contradictions.into_iter().map(|found| Notice {
        code: FindingCode::PythonVersionsContradict.into(),
        text: found.text.into(),
        warning: true,
    });
    let notices = supported::notices(version, origin, facts.today)
        .into_iter()
        .map(|notice| Notice { code: notice.code.into(), text: notice.text, warning: true })
        .chain(contradictions)
        .collect();
    Ok(VersionDecision { requested, origin, version, range, notices })
}

fn note_request((requested, origin, _): &Requested, app: &AppSource, record: &Record) {
    record.set("python_version_requested", requested.to_string());
    record.set("python_version_origin", origin.reported_name());
    let look_alikes = version_look_alikes(app);
    if *origin != VersionOrigin::RuntimeTxt && !look_alikes.is_empty() {
        record.set("python_version_files", look_alikes);
    }
}

fn note_version(version: PythonVersion, pinned: bool, record: &Record) {
    record.set("python_version", version.to_string());
    record.set("python_version_major", version.minor_version());
    record.set("python_version_pinned", pinned);
    let newest = supported::newest(version.major, version.minor);
    record.set("python_version_outdated", newest.is_some_and(|newest| version < newest));
}

/// Files in the top level directory that look like a version file and aren't, with a comma after each.
fn version_look_alikes(app: &AppSource) -> String {
    let names = app.names.iter().filter(|name| !app.dirs.contains(*name));
    let names = names.filter_map(|name| std::str::from_utf8(name).ok());
    names.filter(|name| looks_like_version_file(name)).map(|name| format!("{name},")).collect()
}

type Requested = (RequestedVersion, VersionOrigin, Option<SupportedPythons>);

fn read_requested_version(app: &AppSource, facts: &VersionFacts<'_>) -> Result<Requested> {
    let read = |name: &'static str| -> Result<Vec<u8>> {
        app.read_file(name).map_err(|source| UnreadableFile { name: name.to_owned(), source }.into())
    };
    if app.has_file("runtime.txt") {
        return Ok((parse_runtime_txt(&read("runtime.txt")?)?, VersionOrigin::RuntimeTxt, None));
    }
    if let Some(error) = misspelled_version_file(&app.names) {
        return Err(error.into());
    }
    if app.has_file(".python-version") {
        let requested = parse_version_file(&read(".python-version")?)?;
        return Ok((requested, VersionOrigin::PythonVersionFile, None));
    }
    if let Some(text) = facts.pyproject.and_then(|pyproject| pyproject.requires_python.as_deref()) {
        let of_poetry = facts.pyproject.and_then(|pyproject| pyproject.python_of_poetry.as_deref());
        let range = SupportedPythons::parse(text)?.written_by_poetry(of_poetry);
        return Ok((range.choose()?, VersionOrigin::RequiresPython, Some(range)));
    }
    if facts.manager == PackageManager::Pipenv
        && let Some(requested) = requested_python(&read("Pipfile.lock")?)?
    {
        return Ok((requested, VersionOrigin::PipfileLock, None));
    }
    // The patch version always moves to the newest.
    Ok(match facts.last {
        Some(PythonVersion { major, minor, .. }) => {
            (RequestedVersion { major, minor, patch: None }, VersionOrigin::Cached, None)
        }
        None => (supported::DEFAULT, VersionOrigin::Default, None),
    })
}

/// Returns the time by which a version of Python is old, in seconds since 1970. `SLUGC_TODAY` (2027-01-31) sets it,
/// so that it can be seen beforehand what a build will say.
pub(crate) fn today(env: &Env) -> u64 {
    let set = env.text("SLUGC_TODAY").and_then(supported::Date::parse);
    set.map_or_else(clock::unix_seconds, |date| date.unix_seconds())
}

/// uv isn't told which Python to use.
#[derive(Debug, thiserror::Error)]
enum UvVersionError {
    #[error(
        "There is neither a .python-version file nor `requires-python` in pyproject.toml. Python {minor} would be used."
    )]
    NotFound { minor: String },
    #[error("The app has a runtime.txt, which uv doesn't read.")]
    RuntimeTxt,
}

impl crate::error::UserError for UvVersionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::VersionFileNotFound,
            Self::RuntimeTxt => ErrorCode::RuntimeTxtNotSupported,
        }
    }
}

/// A file of the app that decides about the build is there but can't be read, or isn't there though it must be.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't be read.")]
pub(crate) struct UnreadableFile {
    /// Its path relative to the app.
    pub name: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl crate::error::UserError for UnreadableFile {
    fn code(&self) -> ErrorCode {
        ErrorCode::SourceUnreadable
    }
}

/// Reads `pyproject.toml`, if there is one.
pub(crate) fn read_pyproject(app: &AppSource) -> std::result::Result<Option<Pyproject>, PyprojectError> {
    match app.has_file("pyproject.toml").then(|| app.read_file("pyproject.toml")) {
        Some(Ok(contents)) => parse_pyproject(&contents).map(Some),
        _ => Ok(None),
    }
}

/// Chooses the package manager. A pyproject.toml that can't be read only matters if nothing else says which.
pub(crate) fn choose_manager(
    app: &AppSource,
    pyproject: std::result::Result<Option<Pyproject>, PyprojectError>,
) -> Result<(PackageManager, Option<Pyproject>)> {
    match (choose_package_manager(app, pyproject.as_ref().ok().and_then(Option::as_ref)), pyproject) {
        (Ok(manager), pyproject) => Ok((manager, pyproject.unwrap_or_default())),
        (Err(ManagerError::NoneFound { .. } | ManagerError::SetupPyOnly), Err(invalid)) => {
            Err(invalid.into())
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Finds the tools that a command of the app calls though they aren't installed.
pub(crate) fn missing_tools(app: &AppSource, installed: &BTreeSet<String>) -> Vec<Notice> {
    let processes = app.procfile.as_ref().map(Procfile::process_types).unwrap_or_default();
    let processes =
        processes.into_iter().map(|(name, command)| (format!("The process type `{name}`"), command));
    // Hooks run during the build, where the tools of Heroku's buildpack would be.
    let hooks = ["bin/pre_compile", "bin/post_compile"].into_iter().filter_map(|name| {
        Some((name.to_owned(), String::from_utf8_lossy(&app.read_file(name).ok()?).into_owned()))
    });
    let mut notices = Vec::new();
    for (place, text) in processes.chain(hooks) {
        for (tool, call) in tools_called(&text).into_iter().filter(|(tool, _)| !installed.contains(*tool)) {
            let way_out = match call.ends_with(" run") {
                true => format!(
                    "The packages are installed for the app's own Python, so that the command \
                     works without `{call}` in front of it."
                ),
                false => "The packages of the app are installed already, for its own Python.".to_owned(),
            };
            notices.push(Notice {
                code: FindingCode::ProcfileMissingTool.into(),
                text: format!("{place} calls `{call}`, but {tool} isn't installed in the slug. {way_out}")
                    .into(),
                warning: true,
            });
        }
    }
    notices
}

/// Finds the package managers that a shell's text calls, each with the first such call: `poetry run`. Options between
/// the two words, with or without a value, are passed over.
fn tools_called(text: &str) -> BTreeMap<&'static str, String> {
    const TOOLS: &[&str] = &["pipenv", "poetry", "uv", "pdm"];
    const COMMANDS: &[&str] =
        &["run", "shell", "sync", "install", "update", "lock", "export", "add", "pip", "tool", "python"];
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let code = line.split_once(" #").map_or(line, |(code, _)| code);
        let is_end = |letter: char| letter.is_whitespace() || ";&|()'\"`".contains(letter);
        let words: Vec<&str> = code.split(is_end).filter(|word| !word.is_empty()).collect();
        if code.trim_start().starts_with('#') {
            continue;
        }
        for (at, word) in words.iter().enumerate() {
            let name = word.rsplit('/').next().unwrap_or_default();
            if name == "uvx" {
                calls.entry("uv").or_insert_with(|| name.to_owned());
            }
            let Some(tool) = TOOLS.iter().find(|tool| **tool == name) else { continue };
            let mut rest = words[at + 1..].iter().copied().peekable();
            while rest.next_if(|word| word.starts_with('-')).is_some() {
                rest.next_if(|word| !word.starts_with('-') && !COMMANDS.contains(word));
            }
            if let Some(command) = rest.next().filter(|word| COMMANDS.contains(word)) {
                calls.entry(tool).or_insert_with(|| format!("{tool} {command}"));
            }
        }
    }
    calls
}

/// Reads pip's configuration: its files, then its variables.
pub(crate) fn read_pip_config(env: &Env) -> PipConfig {
    let vars: BTreeMap<String, String> = env
        .vars
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    // pip goes on without the files that aren't there or that it may not read.
    let contents: Vec<String> =
        pip_config_file_paths(&vars).iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    PipConfig::parse(&contents, &vars)
}

/// Returns a digest of the app's files, for requirements that are built from them.
pub(crate) fn digest_of_source<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut hasher = Sha256::new();
    for Entry { path, kind } in entries {
        hasher.update(path);
        match kind {
            EntryKind::Directory => hasher.update(b"\0d"),
            EntryKind::File { mode, digest, .. } => {
                hasher.update(format!("\0f{mode:o}"));
                hasher.update(digest);
            }
            EntryKind::Symlink { target } => {
                hasher.update(b"\0l");
                hasher.update(target);
            }
        }
        hasher.update(b"\0");
    }
    hex::encode(&hasher.finalize()[..16])
}

/// Returns whether a file's name looks like `.python-version` and isn't: Heroku's report lists such files.
fn looks_like_version_file(name: &str) -> bool {
    let name = name.to_lowercase();
    name != ".python-version"
        && name.match_indices("python").any(|(at, found)| {
            // With any one character between the words, or none.
            let rest = &name[at + found.len()..];
            let mut letters = rest.chars();
            rest.starts_with("version")
                || letters.next().is_some_and(|_| letters.as_str().starts_with("version"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_tools_are_found_among_other_words() {
        for (text, expected) in [
            ("pipenv run gunicorn app", &["pipenv run"][..]),
            ("exec poetry run python x.py & uv run y", &["poetry run", "uv run"]),
            ("bash -c 'uv run app.py'", &["uv run"]),
            ("python -m pdm run app\npdm sync", &["pdm run"]),
            ("./.venv/bin/poetry -C api --no-ansi run app", &["poetry run"]),
            ("uv --quiet --directory api sync", &["uv sync"]),
            ("x=$(poetry export)\nuvx ruff", &["poetry export", "uvx"]),
            ("gunicorn run:app --uv", &[]),
            ("# uv run x\necho # uv run\n", &[]),
            ("uvicorn run", &[]),
            ("poetry --version\nrun", &[]),
        ] {
            let calls: Vec<String> = tools_called(text).into_values().collect();
            assert_eq!(calls, expected, "{text}");
        }
    }
}
