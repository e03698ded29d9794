//! Decisions: what is built and why. Pure: facts in, a [`Plan`] out; no disk, no network, no clock.

pub mod detect;
pub mod environment;
pub mod key;
pub mod manager;
pub mod runtime;
pub mod suggest;

use std::collections::BTreeMap;

use serde::Serialize;

pub use environment::EnvDelta;
pub use key::LayerKey;
pub use manager::PackageManager;
pub use runtime::{PythonSource, RuntimeChoice, VersionDecision};

use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::error::Result;
use crate::python::pip_config::PipConfig;
use crate::python::requirements::Requirements;

/// Which program installs the dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Installer {
    /// uv, with pip's semantics.
    #[default]
    Uv,
    /// pip itself.
    Pip,
}

/// What the decision is made from.
pub struct Facts<'a> {
    /// The app.
    pub app: &'a AppSource,
    /// Its requirements files, when pip is the package manager.
    pub requirements: Option<&'a Requirements>,
    /// pip's configuration on this machine.
    pub pip: &'a PipConfig,
    /// The Python version and where it came from.
    pub version: &'a VersionDecision,
    /// Where Python comes from.
    pub runtime: &'a RuntimeChoice,
    /// What the caller asked for; uv unless there is a reason.
    pub installer: Option<Installer>,
    /// The uv that a user named or that was found, by version; the pinned one if none.
    pub uv_version: &'a str,
    /// A digest of the app's files, for requirements that are built from them.
    pub source_digest: Option<String>,
}

/// One layer of the slug: what it is made from.
#[derive(Debug, Clone, Serialize)]
pub struct LayerPlan {
    /// `runtime`, `pip` or `dependencies`.
    pub name: &'static str,
    /// Everything that decides its content.
    pub key: LayerKey,
    /// One line about its content.
    pub contents: String,
}

/// Something the user is told about, without it stopping the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The stable id.
    pub id: String,
    /// One or more lines.
    pub text: String,
    /// Whether something will go wrong one day; otherwise it is only worth knowing.
    pub warning: bool,
}

/// What is built, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The Python version and where it came from.
    pub python: VersionDecision,
    /// Where Python comes from.
    pub runtime: RuntimeChoice,
    /// Who manages the packages.
    pub package_manager: PackageManager,
    /// Who installs them.
    pub installer: Installer,
    /// Why it isn't uv.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub installer_reasons: Vec<String>,
    /// The layers, each below the next.
    pub layers: Vec<LayerPlan>,
    /// The environment that the app runs in, as far as the buildpack sets it.
    pub environment: EnvDelta,
    /// The commands by process type.
    pub process_types: BTreeMap<String, String>,
    /// What the user is told.
    pub notices: Vec<Notice>,
}

impl Plan {
    /// Returns the layer of this name.
    pub fn layer(&self, name: &str) -> Option<&LayerPlan> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

/// Decides what is built. The package manager must be one that can be built with.
pub fn plan(facts: &Facts<'_>) -> Result<Plan> {
    let package_manager = manager::choose_package_manager(facts.app)?;
    let (installer, installer_reasons) = choose_installer(facts);
    let installer_version = match installer {
        Installer::Uv => format!("uv {}", facts.uv_version),
        Installer::Pip => format!("pip {}", manager::PIP_VERSION),
    };
    let runtime_key = key::runtime_key(facts.runtime);
    let pip_key = key::pip_key(&runtime_key, facts.version.version);
    let dependencies_key = key::dependencies_key(&key::DependencyFacts {
        runtime: &runtime_key,
        requirements: facts.requirements,
        installer: &installer_version,
        pip_settings: facts.pip.fingerprint(),
        source_digest: facts.source_digest.clone(),
    });
    let layers = vec![
        LayerPlan { name: "runtime", contents: facts.runtime.describe(), key: runtime_key },
        LayerPlan { name: "pip", contents: manager::pip_layer_contents(facts.version.version), key: pip_key },
        LayerPlan {
            name: "dependencies",
            contents: format!("requirements.txt, installed by {installer_version}"),
            key: dependencies_key,
        },
    ];
    Ok(Plan {
        python: facts.version.clone(),
        runtime: facts.runtime.clone(),
        package_manager,
        installer,
        installer_reasons,
        layers,
        environment: environment::runtime_environment(package_manager),
        process_types: facts.app.procfile.as_ref().map(Procfile::process_types).unwrap_or_default(),
        notices: notices(facts),
    })
}

fn choose_installer(facts: &Facts<'_>) -> (Installer, Vec<String>) {
    if facts.installer == Some(Installer::Pip) {
        return (Installer::Pip, vec!["It was asked for.".to_owned()]);
    }
    let reasons = manager::reasons_for_pip(facts.requirements, facts.pip);
    if reasons.is_empty() { (Installer::Uv, reasons) } else { (Installer::Pip, reasons) }
}

fn notices(facts: &Facts<'_>) -> Vec<Notice> {
    let mut notices: Vec<Notice> = facts
        .app
        .findings
        .iter()
        .map(|finding| Notice { id: finding.id.to_owned(), text: finding.text.clone(), warning: true })
        .collect();
    notices.extend(facts.version.notices.iter().cloned());
    if facts.app.procfile.is_none() {
        notices.push(Notice {
            id: "procfile::missing".to_owned(),
            text: "There is no Procfile, so the slug declares no process types.".to_owned(),
            warning: false,
        });
    }
    notices
}
