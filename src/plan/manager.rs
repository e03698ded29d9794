//! The choice of the package manager, as Heroku's buildpack makes it, and of the program that installs.

use serde::Serialize;

use crate::app::source::AppSource;
use crate::error::{ErrorCode, UserError};
use crate::python::pip_config::PipConfig;
use crate::python::requirements::{GlobalOption, RequirementKind, Requirements};
use crate::python::version::PythonVersion;

/// The pip that the slug has, and that installs when uv can't.
pub const PIP_VERSION: &str = "26.2.1";
/// The setuptools beside it for the Pythons whose venvs had one.
pub const SETUPTOOLS_VERSION: &str = "70.3.0";
/// The uv that is fetched when the machine has none.
pub const UV_VERSION: &str = "0.12.5";

/// Who manages the app's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageManager {
    /// requirements.txt
    Pip,
    /// Pipfile.lock
    Pipenv,
    /// poetry.lock
    Poetry,
    /// uv.lock
    Uv,
}

impl PackageManager {
    /// In the order in which they are listed.
    const ALL: [Self; 4] = [Self::Pipenv, Self::Pip, Self::Poetry, Self::Uv];

    /// Returns the file that says that this one is used.
    pub fn file(self) -> &'static str {
        match self {
            Self::Pip => "requirements.txt",
            Self::Pipenv => "Pipfile.lock",
            Self::Poetry => "poetry.lock",
            Self::Uv => "uv.lock",
        }
    }

    /// Returns its name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Pipenv => "Pipenv",
            Self::Poetry => "Poetry",
            Self::Uv => "uv",
        }
    }
}

/// No package manager can be chosen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// Pipfile without its lock.
    #[error("Pipfile is there, Pipfile.lock isn't.")]
    PipfileWithoutLock,
    /// Only setup.py.
    #[error("setup.py is there, but none of requirements.txt, Pipfile.lock, poetry.lock and uv.lock.")]
    SetupPyOnly,
    /// Nothing at all.
    #[error("The top level directory holds: {listing}")]
    NoneFound {
        /// What is there, in words.
        listing: String,
    },
    /// More than one.
    #[error("These were found: {}", list(.found))]
    SeveralFound {
        /// Which.
        found: Vec<PackageManager>,
    },
    /// One that isn't built yet.
    #[error("{} says that {} is used.", .0.file(), .0.name())]
    NotSupported(PackageManager),
}

fn list(found: &[PackageManager]) -> String {
    found
        .iter()
        .map(|manager| format!("{} ({})", manager.file(), manager.name()))
        .collect::<Vec<_>>()
        .join(", ")
}

impl UserError for ManagerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::PipfileWithoutLock => ErrorCode::PipfileWithoutLock,
            Self::SetupPyOnly => ErrorCode::SetupPyOnly,
            Self::NoneFound { .. } => ErrorCode::NoPackageManager,
            Self::SeveralFound { .. } => ErrorCode::SeveralPackageManagers,
            Self::NotSupported(_) => ErrorCode::PackageManagerNotSupported,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::SeveralFound { found } => {
                Some(found.iter().map(|manager| manager.name().to_lowercase()).collect::<Vec<_>>().join(","))
            }
            Self::NotSupported(manager) => Some(manager.name().to_lowercase()),
            _ => None,
        }
    }
}

/// Chooses the package manager by the files in the app's top level directory.
pub fn choose_package_manager(app: &AppSource) -> Result<PackageManager, ManagerError> {
    // Pipfile without a lock is an answer at once, whatever else is there.
    if app.has_file("Pipfile") && !app.has_file("Pipfile.lock") {
        return Err(ManagerError::PipfileWithoutLock);
    }
    let found: Vec<_> =
        PackageManager::ALL.into_iter().filter(|manager| app.has_file(manager.file())).collect();
    match found[..] {
        [PackageManager::Pip] => Ok(PackageManager::Pip),
        [other] => Err(ManagerError::NotSupported(other)),
        [] if app.has_file("setup.py") => Err(ManagerError::SetupPyOnly),
        [] => Err(ManagerError::NoneFound { listing: super::detect::listing(&app.names, &app.dirs) }),
        _ => Err(ManagerError::SeveralFound { found }),
    }
}

/// Says in one line what the layer with pip holds for this Python.
pub fn pip_layer_contents(version: PythonVersion) -> String {
    if needs_setuptools(version) {
        format!("pip {PIP_VERSION} and setuptools {SETUPTOOLS_VERSION}")
    } else {
        format!("pip {PIP_VERSION}")
    }
}

/// Returns whether setuptools stands beside pip, as Heroku has it up to Python 3.12.
pub fn needs_setuptools(version: PythonVersion) -> bool {
    (version.major, version.minor) <= (3, 12)
}

/// Returns why pip itself has to install: what uv can't express.
pub fn reasons_for_pip(requirements: Option<&Requirements>, pip: &PipConfig) -> Vec<String> {
    let mut reasons: Vec<String> = pip
        .unmappable()
        .into_iter()
        .map(|name| format!("uv has no equivalent of pip's setting {name}."))
        .collect();
    for entry in requirements.iter().flat_map(|requirements| &requirements.entries) {
        let what = match &entry.kind {
            RequirementKind::Vcs { editable: true, .. } => {
                "an editable requirement from version control".to_owned()
            }
            RequirementKind::Option(GlobalOption::UseFeature(feature)) => format!("--use-feature {feature}"),
            _ => continue,
        };
        reasons.push(format!("uv can't install {what} ({}, line {}).", entry.file, entry.line));
    }
    reasons
}
