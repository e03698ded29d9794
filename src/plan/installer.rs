//! Which program installs the dependencies: the engine (uv, with pip for what uv can't express), or the package
//! manager's own tool.

use serde::Serialize;

use super::layers::{LayerPlan, tool_layer};
use super::manager::{self, PDM_VERSION, PIPENV_VERSION, POETRY_VERSION, PackageManager};
use super::{Facts, LayerKey, inputs};
use crate::error::{ErrorCode, UserError};

/// Which program installs the dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Installer {
    /// uv, with pip's semantics.
    #[default]
    Uv,
    /// pip itself.
    Pip,
    /// The package manager's own tool. Where that is uv or pip, the plan says so.
    Native,
}

/// `SLUGC_INSTALLER` names something else.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("SLUGC_INSTALLER is: \"{}\".", .0.escape_debug())]
pub(crate) struct InvalidInstaller(String);

impl UserError for InvalidInstaller {
    fn code(&self) -> ErrorCode {
        ErrorCode::InstallerInvalid
    }
}

/// Reads a value of `SLUGC_INSTALLER`.
pub(crate) fn parse_installer(text: &str) -> Result<Installer, InvalidInstaller> {
    let known = Installer::ALL.into_iter().find(|installer| installer.name() == text.trim());
    known.ok_or_else(|| InvalidInstaller(text.to_owned()))
}

impl Installer {
    /// All there are.
    pub(crate) const ALL: [Self; 3] = [Self::Uv, Self::Pip, Self::Native];

    /// Returns the name by which it is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Pip => "pip",
            Self::Native => "native",
        }
    }
}

/// A package manager's own tool that the engine stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeTool {
    /// Pipenv.
    Pipenv,
    /// Poetry.
    Poetry,
    /// PDM.
    Pdm,
}

impl NativeTool {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pipenv, Self::Poetry, Self::Pdm];

    /// Returns its version.
    pub fn version(self) -> &'static str {
        match self {
            Self::Pipenv => PIPENV_VERSION,
            Self::Poetry => POETRY_VERSION,
            Self::Pdm => PDM_VERSION,
        }
    }

    /// Returns its command, which is also the name of its Python module.
    pub fn command(self) -> &'static str {
        match self {
            Self::Pipenv => "pipenv",
            Self::Poetry => "poetry",
            Self::Pdm => "pdm",
        }
    }

    /// Returns the requirements file that pins it and what it needs.
    pub(crate) fn requirements(self) -> &'static str {
        match self {
            Self::Pipenv => include_str!("../../inventory/pipenv.txt"),
            Self::Poetry => include_str!("../../inventory/poetry.txt"),
            Self::Pdm => include_str!("../../inventory/pdm.txt"),
        }
    }

    /// Returns its name and version, as people write them.
    pub fn describe(self) -> String {
        let name = match self {
            Self::Pipenv => "Pipenv",
            Self::Poetry => "Poetry",
            Self::Pdm => "PDM",
        };
        format!("{name} {}", self.version())
    }
}

impl PackageManager {
    /// Returns its own tool, unless that is uv or pip.
    pub fn native_tool(self) -> Option<NativeTool> {
        match self {
            Self::Pipenv | Self::Pipfile => Some(NativeTool::Pipenv),
            Self::Poetry => Some(NativeTool::Poetry),
            Self::Pdm => Some(NativeTool::Pdm),
            Self::Pip | Self::Uv | Self::Pylock | Self::Pyproject => None,
        }
    }
}

/// A tool that installs the packages.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToolPlan {
    /// Its name and version.
    pub tool: String,
    /// Whether it has to be fetched first, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_be_fetched: Option<bool>,
    /// What it is run from, if that is a layer of the store and not of the slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerPlan>,
}

/// Plans the tools that install. pip is in a layer of the slug's, or comes with Python.
pub(super) fn plan_tools(facts: &Facts<'_>, installer: Installer, runtime: &LayerKey) -> Vec<ToolPlan> {
    let native = facts.package_manager.native_tool().filter(|_| installer == Installer::Native);
    let is_uv = native.is_none() && installer != Installer::Pip;
    vec![ToolPlan {
        tool: installer_version(installer, facts),
        to_be_fetched: is_uv.then_some(!facts.uv_is_there),
        layer: native.map(|tool| tool_layer(tool, runtime, &facts.target.libc)),
    }]
}

/// Names the installer with its version, as the key of the dependencies has it.
pub(super) fn installer_version(installer: Installer, facts: &Facts<'_>) -> String {
    match (installer, facts.package_manager.native_tool()) {
        (Installer::Native, Some(tool)) => tool.describe(),
        (Installer::Pip, _) => format!("pip {}", manager::PIP_VERSION),
        (Installer::Uv | Installer::Native, _) => format!("uv {}", facts.uv_version),
    }
}

/// Chooses the installer, and says why if it isn't uv or not what was asked for.
pub(super) fn choose_installer(facts: &Facts<'_>) -> (Installer, Vec<String>) {
    let Facts { package_manager, inputs, installer: wanted, .. } = *facts;
    let asked_for = || vec!["It was asked for.".to_owned()];
    if let Some(tool) = package_manager.native_tool() {
        let beyond = inputs.beyond_engine.iter();
        let reasons: Vec<_> =
            beyond.map(|what| format!("{} installs, since uv can't: {what}", tool.describe())).collect();
        if !reasons.is_empty() {
            return (Installer::Native, reasons);
        }
        if wanted == Some(Installer::Native) {
            return (Installer::Native, asked_for());
        }
    }
    if !package_manager.can_use_pip() {
        let reason = format!("pip can't install what {} says, so uv does.", package_manager.file());
        return (Installer::Uv, (wanted == Some(Installer::Pip)).then_some(reason).into_iter().collect());
    }
    // The own tool of a requirements.txt is pip.
    if matches!(wanted, Some(Installer::Pip | Installer::Native)) {
        return (Installer::Pip, asked_for());
    }
    let mut reasons =
        manager::reasons_for_pip(inputs.requirements.as_ref(), facts.pip, facts.version.version);
    if inputs.rendered.as_ref().is_some_and(inputs::Rendered::has_editable_repository) {
        reasons.push("uv can't install an editable requirement from version control.".to_owned());
    }
    if reasons.is_empty() { (Installer::Uv, reasons) } else { (Installer::Pip, reasons) }
}

/// Returns what is run, where something else than the package manager installs.
pub(crate) fn command_of(
    manager: PackageManager,
    installer: Installer,
    test: bool,
    has_test_requirements: bool,
) -> String {
    let own = manager.command(test, has_test_requirements);
    let stands_in = match installer {
        Installer::Native => None,
        Installer::Uv if manager == PackageManager::Uv => None,
        Installer::Uv => Some("uv pip install"),
        Installer::Pip => Some("pip install"),
    };
    match stands_in {
        None => own.to_owned(),
        Some(program) => match own.split_once("install -r ") {
            Some((_, files)) if own.starts_with("pip ") || own.starts_with("uv ") => {
                format!("{program} -r {files}")
            }
            _ => format!("{program} -r {}", manager.file()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installers_are_known_by_their_names_only() {
        for (text, expected) in [
            ("uv", Some(Installer::Uv)),
            ("pip", Some(Installer::Pip)),
            (" native\n", Some(Installer::Native)),
            ("", None),
            ("poetry", None),
            ("UV", None),
        ] {
            assert_eq!(parse_installer(text).ok(), expected, "{text:?}");
        }
        let error = parse_installer("po\netry").unwrap_err();
        assert_eq!(error.to_string(), "SLUGC_INSTALLER is: \"po\\netry\".");
    }

    // T13
    #[test]
    fn the_step_names_the_program_that_runs() {
        for (manager, installer, test, expected) in [
            (PackageManager::Pip, Installer::Uv, false, "uv pip install -r requirements.txt"),
            (PackageManager::Pip, Installer::Pip, false, "pip install -r requirements.txt"),
            (
                PackageManager::Pip,
                Installer::Uv,
                true,
                "uv pip install -r requirements.txt -r requirements-test.txt",
            ),
            (PackageManager::Pipenv, Installer::Uv, false, "uv pip install -r Pipfile.lock"),
            (PackageManager::Pipenv, Installer::Native, false, "pipenv install --deploy"),
            (PackageManager::Poetry, Installer::Pip, false, "pip install -r poetry.lock"),
            (PackageManager::Uv, Installer::Uv, false, "uv sync --locked --no-default-groups"),
            (PackageManager::Pylock, Installer::Uv, false, "uv pip install -r pylock.toml"),
        ] {
            assert_eq!(command_of(manager, installer, test, true), expected, "{manager:?} {installer:?}");
        }
    }
}
