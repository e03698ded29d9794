//! The layers of a build: which there are, and what each is made from.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::key::{self, KeyPart, LayerKey, Single};
use super::local::Local;
use super::manager::{self, PackageManager};
use super::{Facts, Installer, NativeTool, installer};

/// Which layer it is: a slug has at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerId {
    /// The app, after `bin/pre_compile`.
    PreCompile,
    /// Python.
    Runtime,
    /// pip, for apps whose package manager it is.
    Pip,
    /// The packages that the app needs.
    Dependencies,
    /// The packages that the app is itself.
    Project,
    /// NLTK's corpora.
    Corpora,
    /// What the app's own steps have made of everything below.
    Stage,
    /// A package manager's own tool. It is in the store and never in a slug.
    Tool(NativeTool),
}

impl LayerId {
    /// All there are.
    pub(crate) const ALL: [Self; 10] = [
        Self::PreCompile,
        Self::Runtime,
        Self::Pip,
        Self::Dependencies,
        Self::Project,
        Self::Corpora,
        Self::Stage,
        Self::Tool(NativeTool::Pipenv),
        Self::Tool(NativeTool::Poetry),
        Self::Tool(NativeTool::Pdm),
    ];

    /// Returns its name in stores, slugs and messages. It never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreCompile => "pre_compile",
            Self::Runtime => "runtime",
            Self::Pip => "pip",
            Self::Dependencies => "dependencies",
            Self::Project => "project",
            Self::Corpora => "nltk_data",
            Self::Stage => "stage",
            Self::Tool(tool) => tool.command(),
        }
    }

    /// Returns what it is called in sentences about a cache.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Runtime => "Python",
            Self::Dependencies => "set of packages",
            Self::Project => "set of the app's own packages",
            Self::Corpora => "set of NLTK packages",
            other => other.name(),
        }
    }

    /// Whether the app's own programs have made its files: which of those are private is for them to say.
    pub(crate) fn holds_files_of_the_app(self) -> bool {
        matches!(self, Self::PreCompile | Self::Stage)
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for LayerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One layer: what it is made from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LayerPlan {
    /// Which it is.
    #[serde(rename = "name")]
    pub id: LayerId,
    /// Everything that decides its content.
    pub key: LayerKey,
    /// One line about its content.
    pub contents: String,
}

/// Plans the layers that are the same whatever the app's own steps do.
pub(super) fn plan_layers(facts: &Facts<'_>, installer: Installer) -> Vec<LayerPlan> {
    let Facts { package_manager, inputs, version, .. } = *facts;
    let installer_version = installer::installer_version(installer, facts);
    let runtime = runtime_layer(facts.runtime);
    let runtime_key = &runtime.key;
    let pip_key = key::pip_key(runtime_key, version.version);
    let has_setuptools = package_manager.has_setuptools_before(version.version);
    let installed_before =
        if has_setuptools { manager::pip_layer_versions(version.version) } else { String::new() };
    let facts_of_key = key::DependencyFacts {
        runtime: runtime_key,
        target: facts.target,
        package_manager,
        installed_before: &installed_before,
        inputs,
        local: inputs.local.as_ref().filter(|_| installer == Installer::Uv),
        installer: &installer_version,
        pip_settings: facts.pip.fingerprint(),
        test: facts.test,
    };
    let dependencies_key = key::dependencies_key(&facts_of_key);
    let project_key = key::project_key(&facts_of_key);
    let mut layers = vec![runtime];
    // Only an app of pip's has pip at run time; for others it is there when it installs.
    if package_manager == PackageManager::Pip || installer == Installer::Pip {
        let contents = manager::pip_layer_contents(version.version);
        layers.push(LayerPlan { id: LayerId::Pip, contents, key: pip_key });
    }
    layers.push(LayerPlan {
        id: LayerId::Dependencies,
        contents: format!("{}, installed by {installer_version}", package_manager.file()),
        key: dependencies_key,
    });
    layers.extend(inputs.local.as_ref().zip(project_key).map(|(local, key)| LayerPlan {
        id: LayerId::Project,
        contents: format!("{}, installed by {installer_version}", places(local)),
        key,
    }));
    layers
}

fn places(local: &Local) -> String {
    local.places.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Plans the layer with Python.
pub(crate) fn runtime_layer(runtime: &super::RuntimeChoice) -> LayerPlan {
    LayerPlan { id: LayerId::Runtime, contents: runtime.describe(), key: key::runtime_key(runtime) }
}

/// Plans the layer with a package manager's own tool, for a runtime. `libc` is the C library of the machine, as some of
/// what the tools need is compiled.
pub(super) fn tool_layer(tool: NativeTool, runtime: &LayerKey, libc: &str) -> LayerPlan {
    LayerPlan {
        id: LayerId::Tool(tool),
        key: LayerKey::new([
            (Single::Runtime, runtime.digest()),
            (Single::Target, libc.to_owned()),
            (Single::Tools, tool.describe()),
            (Single::ToolVersions, hex::encode(Sha256::digest(tool.requirements()))),
        ]),
        contents: tool.describe(),
    }
}

/// What the app's own steps may see, and what they may therefore depend on.
#[derive(Debug, Clone)]
pub(crate) struct StepInputs {
    /// A digest of the app.
    pub app: String,
    /// A digest of the config vars.
    pub config_vars: String,
    /// The commit that is built; empty if that isn't known.
    pub commit: String,
    /// Whether they are kept apart from the rest of the machine.
    pub is_isolated: bool,
}

impl StepInputs {
    fn parts(&self) -> Vec<(KeyPart, String)> {
        let mut parts = vec![
            (Single::App.into(), self.app.clone()),
            (Single::ConfigVars.into(), self.config_vars.clone()),
            (Single::Commit.into(), self.commit.clone()),
        ];
        if !self.is_isolated {
            parts.push((Single::Isolation.into(), "off".to_owned()));
        }
        parts
    }
}

/// Plans the layer that holds the app after `bin/pre_compile`. The hook may compile something: for this C library.
pub(crate) fn pre_compile_layer(inputs: &StepInputs, libc: &str) -> LayerPlan {
    let target = (Single::Target.into(), libc.to_owned());
    LayerPlan {
        id: LayerId::PreCompile,
        contents: "the app, after bin/pre_compile".to_owned(),
        key: LayerKey::new(inputs.parts().into_iter().chain([target])),
    }
}

/// Plans the layer with NLTK's corpora; another version of NLTK may need other data. The app's own code has downloaded
/// them, so no other app gets them: `lineage` names the app.
pub(crate) fn corpora_layer(corpora: &[String], nltk_version: String, lineage: &str) -> LayerPlan {
    LayerPlan {
        id: LayerId::Corpora,
        contents: format!("NLTK's {}", corpora.join(", ")),
        key: LayerKey::new([
            (Single::NltkPackages, corpora.join(" ")),
            (Single::NltkVersion, nltk_version),
            (Single::Lineage, lineage.to_owned()),
        ]),
    }
}

/// Plans the layer with what the app's own steps make. `below` are the layers that they find, with the digests of their
/// keys; `boot_scripts` is a digest of the scripts that a dyno sources, which a hook may change.
pub(crate) fn stage_layer(
    inputs: &StepInputs,
    steps: &str,
    boot_scripts: String,
    below: &[(LayerId, String)],
) -> LayerPlan {
    let own = [(Single::BootScripts.into(), boot_scripts), (Single::Steps.into(), steps.to_owned())];
    let below = below.iter().map(|(id, key)| (KeyPart::Layer(id.name().to_owned()), key.clone()));
    LayerPlan {
        id: LayerId::Stage,
        contents: format!("what is made with {steps}"),
        key: LayerKey::new(inputs.parts().into_iter().chain(own).chain(below)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = LayerId::ALL.iter().map(|id| id.name()).collect();
        assert_eq!(names.len(), LayerId::ALL.len());
    }

    #[test]
    fn what_steps_may_see_is_in_the_keys_of_what_they_make() {
        let inputs =
            StepInputs { app: "a".into(), config_vars: "v".into(), commit: String::new(), is_isolated: true };
        let below = |key: &str| vec![(LayerId::Runtime, key.to_owned())];
        let stage = |inputs: &StepInputs, steps: &str, below: &[(LayerId, String)]| {
            stage_layer(inputs, steps, "s".into(), below).key
        };
        let first = stage(&inputs, "collectstatic", &below("1"));
        let open = StepInputs { is_isolated: false, ..inputs.clone() };
        let commit = StepInputs { commit: "c".into(), ..inputs.clone() };
        for (other, expected) in [
            (stage(&open, "collectstatic", &below("1")), "The isolation of steps is new"),
            (stage(&commit, "collectstatic", &below("1")), "The commit has changed"),
            (
                stage(&inputs, "bin/post_compile", &below("1")),
                "The list of steps has changed from collectstatic to bin/post_compile",
            ),
            (stage(&inputs, "collectstatic", &below("2")), "The runtime layer has changed from 1 to 2"),
        ] {
            assert_eq!(other.differences(&first), [expected]);
        }
        let pre_compile = pre_compile_layer(&inputs, "glibc-2.36").key;
        assert_eq!(
            pre_compile_layer(&inputs, "glibc-2.31").key.differences(&pre_compile),
            ["The platform has changed from glibc-2.36 to glibc-2.31"]
        );
    }
}
