//! Reads which Python the app asks for.

use super::record::Record;
use super::survey::UnreadableFile;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::{ErrorCode, FindingCode, Result};
use crate::host::clock;
use crate::plan::runtime::VersionDecision;
use crate::plan::{Notice, PackageManager};
use crate::python::pipfile::requested_python;
use crate::python::pyproject::Pyproject;
use crate::python::requires_python::SupportedPythons;
use crate::python::supported;
use crate::python::version::{PythonVersion, RequestedVersion, VersionOrigin};
use crate::python::version_claims::contradictions;
use crate::python::version_file::{misspelled_version_file, parse_runtime_txt, parse_version_file};

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
