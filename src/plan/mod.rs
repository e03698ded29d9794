//! Decisions: what is built and why. Pure: facts in, a [`Plan`] out; no disk, no network, no clock.

pub(crate) mod detect;
pub(crate) mod environment;
pub(crate) mod expected;
pub(crate) mod importable;
pub(crate) mod inputs;
pub(crate) mod installer;
pub(crate) mod key;
pub(crate) mod layers;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod manager;
mod near_names;
pub(crate) mod runtime;
pub(crate) mod steps;
pub(crate) mod suggest;
pub(crate) mod target;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub(crate) use environment::EnvDelta;
pub(crate) use inputs::Inputs;
pub(crate) use installer::{Installer, NativeTool, ToolPlan};
pub(crate) use key::LayerKey;
pub use layers::LayerId;
pub(crate) use layers::LayerPlan;
pub(crate) use local::Local;
pub(crate) use lock::Lock;
pub(crate) use manager::ManagerError;
pub use manager::PackageManager;
pub(crate) use runtime::{RuntimeChoice, VersionDecision};
pub(crate) use steps::{Step, StepPlan};
pub(crate) use target::Target;

use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::error::{FindingCode, MessageCode, NoticeCode, NoticeText, Result, Severity};
use crate::python::pip_config::PipConfig;

/// What the decision is made from.
pub(crate) struct Facts<'a> {
    /// The app.
    pub app: &'a AppSource,
    /// Its Procfile, which its own steps may have written.
    pub procfile: Option<&'a Procfile>,
    /// Who manages its packages.
    pub package_manager: PackageManager,
    /// What says which packages are installed.
    pub inputs: &'a Inputs,
    /// pip's configuration on this machine.
    pub pip: &'a PipConfig,
    /// The Python version and where it came from.
    pub version: &'a VersionDecision,
    /// Where Python comes from.
    pub runtime: &'a RuntimeChoice,
    /// What packages are installed for.
    pub target: &'a Target,
    /// What the caller asked for; uv unless there is a reason.
    pub installer: Option<Installer>,
    /// The uv that a user named or that was found, by version; the pinned one if none.
    pub uv_version: &'a str,
    /// Whether that uv is there already.
    pub uv_is_there: bool,
    /// Whether the packages for the app's tests are installed, too.
    pub test: bool,
    /// Whether anything without an exact version is an error.
    pub require_locked: bool,
    /// What `nltk.txt` names; none if there is no such file.
    pub corpora: Option<&'a [String]>,
    /// Whether a config var or variable turns collectstatic off.
    pub collectstatic_is_off: bool,
    /// The names in site-packages, once the packages are installed.
    pub site_packages: Option<&'a BTreeSet<String>>,
    /// What there is to say of an app without a Procfile, if that was looked for: builds find it out at their end.
    pub missing_procfile: Option<&'a str>,
}

/// Something the user is told about, without it stopping the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Notice {
    /// The catalogue's entry.
    #[serde(rename = "id")]
    pub code: MessageCode,
    /// What it says.
    pub text: NoticeText,
    /// Whether something will go wrong one day; otherwise it is only worth knowing.
    pub warning: bool,
}

/// What is built, and why.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// The Python version and where it came from.
    pub python: VersionDecision,
    /// Where Python comes from.
    pub runtime: RuntimeChoice,
    /// Who manages the packages.
    pub package_manager: PackageManager,
    /// Who installs them.
    pub installer: Installer,
    /// Why it isn't uv, or not what was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub installer_reasons: Vec<String>,
    /// The tools that install, which are fetched where they aren't there already.
    pub tools: Vec<ToolPlan>,
    /// The layers, each below the next.
    pub layers: Vec<LayerPlan>,
    /// The app's own programs that run during the build, and those that don't though they could be meant to.
    pub steps: Vec<StepPlan>,
    /// The environment that the app runs in, as far as the buildpack sets it.
    pub environment: EnvDelta,
    /// The commands by process type.
    pub process_types: BTreeMap<String, String>,
    /// What the user is told.
    pub notices: Vec<Notice>,
}

impl Plan {
    /// Returns a layer, if the slug has it.
    pub(crate) fn layer(&self, id: LayerId) -> Option<&LayerPlan> {
        self.layers.iter().find(|layer| layer.id == id)
    }

    /// Returns the package manager's own tool and its layer, if that is the installer.
    pub(crate) fn native_tool(&self) -> Option<(NativeTool, &LayerPlan)> {
        let layer = self.tools.iter().find_map(|tool| tool.layer.as_ref())?;
        Some((self.package_manager.native_tool()?, layer))
    }
}

/// Decides what is built.
pub(crate) fn plan(facts: &Facts<'_>) -> Result<Plan> {
    let Facts { package_manager, inputs, .. } = *facts;
    if facts.require_locked && !inputs.unlocked.is_empty() {
        let unlocked = inputs.unlocked.clone();
        return Err(ManagerError::NotLocked { manager: package_manager, unlocked }.into());
    }
    let (installer, installer_reasons) = installer::choose_installer(facts);
    let steps = steps::plan_steps(facts);
    let layers = layers::plan_layers(facts, installer);
    let runtime_key = key::runtime_key(facts.runtime);
    Ok(Plan {
        python: facts.version.clone(),
        runtime: facts.runtime.clone(),
        package_manager,
        installer,
        installer_reasons,
        layers,
        environment: environment::of_app(package_manager, &steps),
        tools: installer::plan_tools(facts, installer, &runtime_key),
        steps,
        process_types: facts.procfile.map(Procfile::process_types).unwrap_or_default(),
        notices: notices(facts),
    })
}

/// Whether what was found in the app is only worth knowing.
fn is_note(code: MessageCode) -> bool {
    match code {
        // One that was copied from a .gitignore has many, and nothing is wrong with it.
        MessageCode::Notice(code) => code == NoticeCode::SlugignoreNoMatch,
        MessageCode::Finding(code) => code.entry().severity == Severity::Note,
    }
}

fn notices(facts: &Facts<'_>) -> Vec<Notice> {
    let mut notices: Vec<Notice> = facts
        .app
        .findings
        .iter()
        .map(|finding| Notice {
            code: finding.code,
            text: finding.text.as_str().into(),
            warning: !is_note(finding.code),
        })
        .collect();
    notices.extend(facts.version.notices.iter().cloned());
    notices.extend(facts.inputs.notices.iter().cloned());
    notices.extend(facts.inputs.notice_of_lock(facts.package_manager));
    notices.extend(facts.package_manager.notice_of_others(facts.app));
    if let Some(text) = facts.missing_procfile {
        notices.push(Notice { code: FindingCode::ProcfileMissing.into(), text: text.into(), warning: true });
    }
    notices
}
