//! The version of a package manager's tool that an app asks for. What the tools themselves advise (`uv self update`)
//! can't be followed in a build.

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use toml::{Table, Value};

use crate::error::{Door, ErrorCode, UserError};
use crate::plan::manager::POETRY_VERSION;
use crate::plan::{Inputs, PackageManager};
use crate::python::poetry;

/// The tool that would be run isn't what the app asks for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequiredVersionError {
    /// uv.
    #[error("{file} asks for uv {required} (`required-version`), and the uv here is {version}.")]
    Uv { file: &'static str, required: String, version: String },
    /// Poetry, where it installs itself.
    #[error(
        "pyproject.toml asks for Poetry {required} (`requires-poetry`), and the Poetry that installs is {POETRY_VERSION}."
    )]
    Poetry { required: String },
}

impl UserError for RequiredVersionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Uv { .. } => ErrorCode::InstallUvProject,
            Self::Poetry { .. } => ErrorCode::InstallPoetry,
        }
    }

    fn detail(&self) -> Option<String> {
        Some("required-version".to_owned())
    }

    fn fix(&self, _door: Door) -> Option<String> {
        Some(match self {
            Self::Uv { file, .. } => format!(
                "Let the variable SLUGC_UV name a uv of such a version, or change\n`required-version` in {file}."
            ),
            Self::Poetry { .. } => {
                format!("Change `requires-poetry`, so that Poetry {POETRY_VERSION} will do.")
            }
        })
    }
}

/// Compares the tools that will run with what the app asks for. What can't be read asks for nothing: the tool has the
/// better message.
pub(super) fn check_required_version(
    manager: PackageManager,
    inputs: &Inputs,
    uv: &str,
    is_native: bool,
) -> Result<(), RequiredVersionError> {
    match manager {
        PackageManager::Uv | PackageManager::Pyproject => match required_uv(inputs) {
            Some((file, required)) if !fits(&required, uv) => {
                Err(RequiredVersionError::Uv { file, required, version: uv.to_owned() })
            }
            _ => Ok(()),
        },
        // Else uv installs what Poetry has locked.
        PackageManager::Poetry if is_native => {
            let pyproject = inputs.files.get("pyproject.toml").map_or(&[][..], Vec::as_slice);
            match poetry::required_version(pyproject, POETRY_VERSION) {
                Some(required) => Err(RequiredVersionError::Poetry { required }),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// uv doesn't read its table of pyproject.toml where there is a uv.toml.
fn required_uv(inputs: &Inputs) -> Option<(&'static str, String)> {
    let parse =
        |file: &str| -> Option<Table> { String::from_utf8_lossy(inputs.files.get(file)?).parse().ok() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match parse("uv.toml") {
        Some(table) => Some(("uv.toml", text(table.get("required-version")?)?)),
        None => {
            let table = parse("pyproject.toml")?;
            let required = table.get("tool")?.get("uv")?.get("required-version")?;
            Some(("pyproject.toml", text(required)?))
        }
    }
}

/// A bare version is that one alone.
fn fits(required: &str, version: &str) -> bool {
    let specifiers = VersionSpecifiers::from_str(required).or_else(|_| format!("=={required}").parse());
    match (specifiers, Version::from_str(version)) {
        (Ok(specifiers), Ok(version)) => specifiers.contains(&version),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    // D11
    #[test]
    fn a_version_that_is_not_the_one_asked_for_is_told_with_what_can_be_done() {
        let uv = |required: &str| format!("[tool.uv]\nrequired-version = '{required}'\n");
        let poetry = |required: &str| format!("[tool.poetry]\nrequires-poetry = '{required}'\n");
        for (manager, file, text, is_native, expected) in [
            (PackageManager::Uv, "pyproject.toml", uv(">=0.99"), false, Some(("uv >=0.99", "SLUGC_UV"))),
            (PackageManager::Pyproject, "pyproject.toml", uv("0.5.1"), false, Some(("uv 0.5.1", "SLUGC_UV"))),
            (
                PackageManager::Uv,
                "uv.toml",
                "required-version = '<0.5'".into(),
                false,
                Some(("uv <0.5", "uv.toml")),
            ),
            (PackageManager::Uv, "pyproject.toml", uv(">=0.5,<1"), false, None),
            (PackageManager::Uv, "pyproject.toml", uv("0.12.5"), false, None),
            (PackageManager::Uv, "pyproject.toml", uv("nonsense"), false, None),
            (PackageManager::Pip, "pyproject.toml", uv(">=0.99"), false, None),
            (
                PackageManager::Poetry,
                "pyproject.toml",
                poetry("^3.0"),
                true,
                Some(("Poetry ^3.0", "`requires-poetry`")),
            ),
            (PackageManager::Poetry, "pyproject.toml", poetry(">=2.0"), true, None),
            (PackageManager::Poetry, "pyproject.toml", poetry("^3.0"), false, None),
        ] {
            let files = BTreeMap::from([(file.to_owned(), text.clone().into_bytes())]);
            let inputs = Inputs { files, ..Inputs::default() };
            let found = check_required_version(manager, &inputs, "0.12.5", is_native);
            assert_eq!(found.is_err(), expected.is_some(), "{text}");
            let Some((says, advises)) = expected else { continue };
            let error = found.unwrap_err();
            let fix = error.fix(Door::CommandLine).unwrap();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(
                fix.contains(advises) && !fix.contains("lock") && !fix.contains("self update"),
                "{text}: {fix}"
            );
        }
    }
}
