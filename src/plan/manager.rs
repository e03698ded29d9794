//! The choice of the package manager by the app's files, and of the program that installs.

use serde::Serialize;

use super::Notice;
use crate::app::source::AppSource;
use crate::error::{ErrorCode, NoticeCode, UserError};
use crate::python::pip_config::PipConfig;
use crate::python::pyproject::Pyproject;
use crate::python::requirements::{GlobalOption, RequirementKind, Requirements};
use crate::python::version::PythonVersion;

/// The pip that the slug has, and that installs when uv can't.
pub(crate) const PIP_VERSION: &str = "26.2.1";
/// The setuptools beside it for the Pythons whose venvs had one.
pub(crate) const SETUPTOOLS_VERSION: &str = "70.3.0";
/// The uv that is fetched when the machine has none.
pub(crate) const UV_VERSION: &str = "0.12.5";
/// The tools that are fetched to install by themselves what uv can't.
pub(crate) const PIPENV_VERSION: &str = "2026.7.1";
/// See [`PIPENV_VERSION`].
pub(crate) const POETRY_VERSION: &str = "2.4.1";
/// See [`PIPENV_VERSION`].
pub(crate) const PDM_VERSION: &str = "2.29.3";

/// Who manages the app's packages, by the file that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageManager {
    /// Pipfile.lock
    Pipenv,
    /// requirements.txt
    Pip,
    /// poetry.lock
    Poetry,
    /// uv.lock
    Uv,
    /// pdm.lock
    Pdm,
    /// pylock.toml, which several tools write.
    Pylock,
    /// A Pipfile that nobody has locked.
    Pipfile,
    /// A pyproject.toml without a lock file that is known.
    Pyproject,
}

impl PackageManager {
    /// Those with a file of their own, in the order in which they are listed.
    const WITH_FILE: [Self; 6] = [Self::Pipenv, Self::Pip, Self::Poetry, Self::Uv, Self::Pdm, Self::Pylock];

    /// Returns the file that says that this one is used.
    pub fn file(self) -> &'static str {
        match self {
            Self::Pip => "requirements.txt",
            Self::Pipenv => "Pipfile.lock",
            Self::Poetry => "poetry.lock",
            Self::Uv => "uv.lock",
            Self::Pdm => "pdm.lock",
            Self::Pylock => "pylock.toml",
            Self::Pipfile => "Pipfile",
            Self::Pyproject => "pyproject.toml",
        }
    }

    /// Returns its name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Pipenv | Self::Pipfile => "Pipenv",
            Self::Poetry => "Poetry",
            Self::Uv | Self::Pyproject => "uv",
            Self::Pdm => "PDM",
            Self::Pylock => "pylock",
        }
    }

    /// Returns the name that `bin/report` has, which is Heroku's where Heroku's buildpack has it.
    pub fn reported_name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Pipenv | Self::Pipfile => "pipenv",
            Self::Poetry => "poetry",
            Self::Uv => "uv",
            Self::Pdm => "pdm",
            Self::Pylock => "pylock",
            Self::Pyproject => "pyproject",
        }
    }

    /// Returns the error that stands for its failed installation.
    pub fn install_error(self) -> ErrorCode {
        match self {
            Self::Pip => ErrorCode::InstallDependencies,
            Self::Pipenv | Self::Pipfile => ErrorCode::InstallPipenv,
            Self::Poetry => ErrorCode::InstallPoetry,
            Self::Pdm => ErrorCode::InstallPdm,
            Self::Uv | Self::Pylock | Self::Pyproject => ErrorCode::InstallUvProject,
        }
    }

    /// Returns the command that says to a reader what is done, as the tool itself would be called.
    pub fn command(self, test: bool, has_test_requirements: bool) -> &'static str {
        match (self, test) {
            (Self::Pip, true) if has_test_requirements => {
                "pip install -r requirements.txt -r requirements-test.txt"
            }
            (Self::Pip, _) => "pip install -r requirements.txt",
            (Self::Pipenv, false) => "pipenv install --deploy",
            (Self::Pipenv, true) => "pipenv install --deploy --dev",
            (Self::Poetry, false) => "poetry sync --only main",
            (Self::Poetry, true) => "poetry sync",
            (Self::Uv, false) => "uv sync --locked --no-default-groups",
            (Self::Uv, true) => "uv sync --locked",
            (Self::Pdm, false) => "pdm sync --prod",
            (Self::Pdm, true) => "pdm sync",
            (Self::Pylock, _) => "uv pip install -r pylock.toml",
            (Self::Pipfile, false) => "pipenv install",
            (Self::Pipfile, true) => "pipenv install --dev",
            (Self::Pyproject, _) => "uv pip install -r pyproject.toml",
        }
    }

    /// Returns whether Heroku's buildpack knows its file.
    fn is_herokus(self) -> bool {
        matches!(self, Self::Pipenv | Self::Pip | Self::Poetry | Self::Uv)
    }

    /// Returns whether pip could install for it, too. The others are read by uv alone.
    pub fn can_use_pip(self) -> bool {
        !matches!(self, Self::Uv | Self::Pylock | Self::Pyproject)
    }
}

/// No package manager can be chosen, or not built with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManagerError {
    /// Pipfile without its lock, beside the file of another package manager.
    #[error("Pipfile is there, Pipfile.lock isn't; and {} belongs to another package manager.", list(.others))]
    PipfileWithoutLock {
        /// What else there is.
        others: Vec<PackageManager>,
    },
    /// A pyproject.toml that only Poetry understands, without its lock.
    #[error(
        "pyproject.toml has [tool.poetry], but neither [project] nor [build-system]; and there is no poetry.lock."
    )]
    PoetryWithoutLock,
    /// Only setup.py.
    #[error(
        "setup.py is there, but none of requirements.txt, Pipfile.lock, poetry.lock, uv.lock, pdm.lock, \
         pylock.toml and a pyproject.toml with a [project] table."
    )]
    SetupPyOnly,
    /// Nothing at all.
    #[error("{renames}{}The top level directory holds: {listing}", .unusable.concat())]
    NoneFound {
        /// How files may have to be renamed, a line each.
        renames: String,
        /// What would have been one if it could be used, a line each.
        unusable: Vec<String>,
        /// What is there, in words.
        listing: String,
    },
    /// More than one.
    #[error("These were found: {}", list(.found))]
    SeveralFound {
        /// Which.
        found: Vec<PackageManager>,
    },
    /// Versions are left open where the caller allows none.
    #[error("In {}, these have no exact version: {}", .manager.file(), .unlocked.join(", "))]
    NotLocked {
        /// Who manages the packages.
        manager: PackageManager,
        /// What is left open.
        unlocked: Vec<String>,
    },
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
            Self::PipfileWithoutLock { .. } => ErrorCode::PipfileWithoutLock,
            Self::PoetryWithoutLock => ErrorCode::PoetryWithoutLock,
            Self::SetupPyOnly => ErrorCode::SetupPyOnly,
            Self::NoneFound { .. } => ErrorCode::NoPackageManager,
            Self::SeveralFound { .. } => ErrorCode::SeveralPackageManagers,
            Self::NotLocked { .. } => ErrorCode::NotLocked,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::SeveralFound { found } => {
                let names: Vec<_> = found.iter().map(|manager| manager.reported_name()).collect();
                Some(names.join(","))
            }
            Self::NotLocked { unlocked, .. } => Some(unlocked.join(",")),
            _ => None,
        }
    }
}

/// Chooses the package manager by the files in the app's top level directory.
pub(crate) fn choose_package_manager(
    app: &AppSource,
    pyproject: Option<&Pyproject>,
) -> Result<PackageManager, ManagerError> {
    let is_there = |manager: &PackageManager| app.has_file(manager.file());
    let found: Vec<_> = PackageManager::WITH_FILE.into_iter().filter(is_there).collect();
    // Heroku's buildpack doesn't know the others' files: beside one that it knows (a requirements.txt that was exported
    // for it, say) they don't count.
    let known: Vec<_> = found.iter().copied().filter(|manager| manager.is_herokus()).collect();
    let found = if known.is_empty() { found } else { known };
    if app.has_file("Pipfile") && !found.contains(&PackageManager::Pipenv) {
        return match found[..] {
            [] => Ok(PackageManager::Pipfile),
            _ => Err(ManagerError::PipfileWithoutLock { others: found }),
        };
    }
    match found[..] {
        [one] => Ok(one),
        [] if pyproject.is_some_and(|pyproject| pyproject.is_poetrys_alone) => {
            Err(ManagerError::PoetryWithoutLock)
        }
        [] if pyproject.is_some_and(|pyproject| pyproject.is_project) => Ok(PackageManager::Pyproject),
        [] if app.has_file("setup.py") => Err(ManagerError::SetupPyOnly),
        [] => Err(ManagerError::NoneFound {
            renames: super::near_names::advice(app),
            unusable: PackageManager::WITH_FILE
                .iter()
                .filter_map(|manager| {
                    Some(format!("{} {}.\n", manager.file(), app.why_unusable(manager.file())?))
                })
                .collect(),
            listing: super::detect::listing(&app.names, &app.dirs),
        }),
        _ => Err(ManagerError::SeveralFound { found }),
    }
}

/// Names the tools in the layer with pip for this Python by their versions, for keys.
pub(crate) fn pip_layer_versions(version: PythonVersion) -> String {
    match needs_setuptools(version) {
        true => format!("pip={PIP_VERSION} setuptools={SETUPTOOLS_VERSION}"),
        false => format!("pip={PIP_VERSION}"),
    }
}

/// Says in one line what the layer with pip holds for this Python.
pub(crate) fn pip_layer_contents(version: PythonVersion) -> String {
    if needs_setuptools(version) {
        format!("pip {PIP_VERSION} and setuptools {SETUPTOOLS_VERSION}")
    } else {
        format!("pip {PIP_VERSION}")
    }
}

/// Returns whether setuptools stands beside pip, as Heroku has it up to Python 3.12.
pub(crate) fn needs_setuptools(version: PythonVersion) -> bool {
    (version.major, version.minor) <= (3, 12)
}

/// How many lines of a file are named as reasons.
const MOST_REASONS: usize = 5;

impl PackageManager {
    /// Tells of the files of other package managers, which decide nothing.
    pub(crate) fn notice_of_others(self, app: &AppSource) -> Option<Notice> {
        let others = Self::WITH_FILE.iter().filter(|other| **other != self && app.has_file(other.file()));
        let others: Vec<&str> = others.map(|other| other.file()).collect();
        (!others.is_empty()).then(|| Notice {
            code: NoticeCode::PackageManagerOtherIgnored.into(),
            text: format!(
                "{} says what is installed. {} {} there, too, and {} read.",
                self.file(),
                others.join(" and "),
                if others.len() == 1 { "is" } else { "are" },
                if others.len() == 1 { "isn't" } else { "aren't" },
            )
            .into(),
            warning: false,
        })
    }

    /// Returns whether setuptools is in site-packages before the packages, and counts as installed.
    pub(crate) fn has_setuptools_before(self, version: PythonVersion) -> bool {
        self == Self::Pip && needs_setuptools(version)
    }
}

/// Returns why pip itself has to install: what uv can't express.
pub(crate) fn reasons_for_pip(
    requirements: Option<&Requirements>,
    pip: &PipConfig,
    python: PythonVersion,
) -> Vec<String> {
    let mut reasons: Vec<String> = pip
        .unmappable()
        .into_iter()
        .map(|name| format!("uv has no equivalent of pip's setting {name}."))
        .collect();
    if let Some(requirements) = requirements {
        let shown = requirements.beyond_uv.iter().take(MOST_REASONS);
        reasons.extend(shown.map(|found| {
            format!("uv doesn't read {} as pip does ({}, line {}).", found.what, found.file, found.line)
        }));
        let has_other_indexes = [&pip.extra_index_urls, &pip.find_links, &pip.constraints]
            .iter()
            .any(|places| !places.is_empty());
        // What is installed before needs no hash for pip; uv wants one for it, too.
        let is_beyond = has_other_indexes || needs_setuptools(python) || !requirements.has_plain_hashes();
        if pip.constraints.iter().any(|path| path.contains("://")) {
            reasons.push(
                "The constraints that pip's setting names are only known during the installation, so pip itself \
                 reads them."
                    .to_owned(),
            );
        }
        if requirements.has_hashes() && is_beyond {
            reasons.push("There are hashes, and uv wouldn't check them all as strictly as pip.".to_owned());
        }
    }
    for entry in requirements.iter().flat_map(|requirements| &requirements.entries) {
        let what = match &entry.kind {
            RequirementKind::Vcs { editable: true, .. } => {
                "an editable requirement from version control".to_owned()
            }
            RequirementKind::Option(GlobalOption::UseFeature(feature)) => format!("--use-feature {feature}"),
            RequirementKind::RemoteFile { .. } => {
                reasons.push(format!(
                    "What {}, line {}, names is only known during the installation, so pip itself reads it.",
                    entry.file, entry.line
                ));
                continue;
            }
            _ => continue,
        };
        reasons.push(format!("uv can't install {what} ({}, line {}).", entry.file, entry.line));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Interrupt;
    use std::collections::BTreeSet;

    fn choose(names: &[&str]) -> Result<PackageManager, ManagerError> {
        let pyproject = Pyproject { is_project: true, ..Pyproject::default() };
        choose_among(names, names.contains(&"pyproject.toml").then_some(&pyproject))
    }

    fn choose_among(names: &[&str], pyproject: Option<&Pyproject>) -> Result<PackageManager, ManagerError> {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let app =
            crate::app::source::read_source(dir.path(), &BTreeSet::new(), &Interrupt::default()).unwrap();
        choose_package_manager(&app, pyproject)
    }

    #[test]
    fn the_files_choose_the_manager() {
        use PackageManager::{Pdm, Pip, Pipenv, Pipfile, Poetry, Pylock, Pyproject, Uv};
        for (names, expected) in [
            (&["Pipfile.lock"][..], Ok(Pipenv)),
            (&["Pipfile", "Pipfile.lock"], Ok(Pipenv)),
            (&["requirements.txt", "setup.py", "pyproject.toml"], Ok(Pip)),
            (&["poetry.lock", "pyproject.toml"], Ok(Poetry)),
            (&["uv.lock", "pyproject.toml"], Ok(Uv)),
            (&["pdm.lock", "pyproject.toml"], Ok(Pdm)),
            (&["pylock.toml"], Ok(Pylock)),
            (&["pyproject.toml", "setup.py"], Ok(Pyproject)),
            (&["Pipfile"], Ok(Pipfile)),
            (&["setup.py"], Err("package-manager::setup-py-only")),
            (&["app.py"], Err("package-manager::none-found")),
            (&["Pipfile", "requirements.txt"], Err("package-manager::pipenv-missing-lockfile")),
            (&["uv.lock", "requirements.txt"], Err("package-manager::multiple-found")),
            (&["pdm.lock", "pylock.toml"], Err("package-manager::multiple-found")),
            (&["pdm.lock", "poetry.lock"], Ok(Poetry)),
            (&["pdm.lock", "requirements.txt"], Ok(Pip)),
        ] {
            let chosen = choose(names).map_err(|error| error.code().entry().id);
            assert_eq!(chosen, expected, "{names:?}");
        }
    }

    #[test]
    fn several_are_listed_in_a_fixed_order() {
        let error = choose(&["uv.lock", "requirements.txt", "poetry.lock", "Pipfile.lock"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "These were found: Pipfile.lock (Pipenv), requirements.txt (pip), poetry.lock (Poetry), uv.lock (uv)"
        );
        assert_eq!(error.detail().as_deref(), Some("pipenv,pip,poetry,uv"));
    }

    #[test]
    fn what_only_poetry_understands_has_to_be_locked() {
        let poetrys = || Pyproject { is_project: true, is_poetrys_alone: true, ..Pyproject::default() };
        let choose = |names: &[&str]| choose_among(names, Some(&poetrys()));
        assert_eq!(choose(&["pyproject.toml", "setup.py"]), Err(ManagerError::PoetryWithoutLock));
        assert_eq!(choose(&["pyproject.toml", "poetry.lock"]), Ok(PackageManager::Poetry));
        assert_eq!(choose(&["pyproject.toml", "requirements.txt"]), Ok(PackageManager::Pip));
    }
}
