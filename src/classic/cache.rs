//! What a build keeps for the next one in CACHE_DIR, and what it says about that.
//!
//! Layers are kept one by one, so that only what has changed is made anew. The facts of the last build that
//! ended well say why; they are apart from the report, which failed builds write, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::build::bytecode::forget_other_bytecode;
use crate::build::context::Context;
use crate::build::execute::Built;
use crate::build::layers::{Condition, check_stored_layer};
use crate::env::Env;
use crate::error::Result;
use crate::host::files;
use crate::plan::key::Single;
use crate::plan::manager::{PIP_VERSION, UV_VERSION};
use crate::plan::{LayerId, LayerKey, LayerPlan, NativeTool, PackageManager, Plan};
use crate::python::version::PythonVersion;
use crate::store::Store;

/// Names the app in the store. The build directory's name changes with each build; the cache belongs to one app.
pub(super) const LINEAGE: &str = "app";

/// Every kind of layer that a build may keep.
const LAYERS: &[LayerId] =
    &[LayerId::Runtime, LayerId::Pip, LayerId::Dependencies, LayerId::Project, LayerId::Corpora];

/// What Heroku's own buildpack has in the cache: of no use here, and large.
const FOREIGN_DIRS: &[&str] = &["python", "python-poetry", "python-uv", "src", "vendor"];
const FOREIGN_FILES: &[&str] =
    &["python-stack", "python-version", "python-sqlite3-version", "requirements.txt"];
/// Where its earlier versions noted what a build was.
const FOREIGN_DATA: &[&str] = &["build-data/python", "build-data/python-prev"];

/// What the cache was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    stack: String,
    python_version: String,
    package_manager: String,
    tool_version: Option<String>,
    /// The files that decide what is installed, by their digests.
    files: BTreeMap<String, String>,
    /// The layers' keys' digests.
    layers: BTreeMap<String, String>,
}

/// What the last build has left.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    Nothing,
    OtherFormat,
    Facts(Facts),
}

/// The cache of the last build.
pub(super) struct Cache<'a> {
    dir: &'a Path,
    last: Last,
}

impl<'a> Cache<'a> {
    /// Reads what the last build has left.
    pub(super) fn read(dir: &'a Path, store: &Store) -> Self {
        let last = match store.document::<Facts>("classic", LINEAGE) {
            Some(facts) => Last::Facts(facts),
            None if store.root().join(format!("documents/classic/{LINEAGE}.json")).exists() => {
                Last::OtherFormat
            }
            None if dir.join(".heroku/python").is_dir() => Last::OtherFormat,
            None => Last::Nothing,
        };
        Self { dir, last }
    }

    /// Returns the Python of the last build.
    pub(super) fn last_python(&self) -> Option<PythonVersion> {
        match &self.last {
            Last::Facts(facts) => facts.python_version.parse().ok(),
            // As Heroku's own buildpack writes it: an app that moves here keeps its Python.
            _ => {
                let text = std::fs::read_to_string(self.dir.join(".heroku/python-version")).ok()?;
                text.trim().strip_prefix("python-")?.parse().ok()
            }
        }
    }

    /// Checks the layers, and says whether the cache can be used and why not.
    pub(super) fn restore(&self, facts: &Facts, plan: &Plan, context: Context<'_>) -> Result<()> {
        let Context { store, env, output, record } = context;
        let mut damaged = throw_away_damaged(store, env)?;
        let mut reasons = reasons(&self.last, facts);
        // Without a reason of the other kinds, the layers' keys still have theirs.
        if reasons.is_empty() && self.last != Last::Nothing {
            reasons.extend(key_reasons(plan, store));
        }
        reasons.append(&mut damaged);
        let status = match (&self.last, reasons.is_empty()) {
            (Last::Nothing, _) => "empty",
            (_, true) => {
                output.step("Restoring cache");
                "reused"
            }
            (_, false) => {
                output.step("Discarding cache since:");
                for reason in &reasons {
                    output.detail(format!("- {reason}"));
                }
                "discarded"
            }
        };
        record.set("cache_status", status);
        Ok(())
    }

    /// Keeps what the next build can use, and throws away the rest.
    pub(super) fn save(&self, facts: &Facts, built: &Built, context: Context<'_>) -> Result<()> {
        context.output.step("Saving cache");
        let mut facts = facts.clone();
        // Python may have come from elsewhere than was planned.
        facts.python_version = built.plan.runtime.version().to_string();
        facts.layers = built.plan.layers.iter().map(layer_key).collect();
        context.store.put_document("classic", LINEAGE, &facts)?;
        for id in LAYERS {
            // A plan's layer may be one that is only needed to build.
            let planned = built.plan.layer(*id).map(|layer| layer.key.digest());
            let put = built.layers.iter().find(|layer| layer.id == *id).map(|layer| layer.key.clone());
            let key = put.or(planned);
            context.store.retain_layers(id.name(), &key.as_deref().into_iter().collect::<Vec<_>>())?;
        }
        retain_tools(&built.plan, context.store)?;
        context.store.retain_layers("uv", &[UV_VERSION])?;
        context.store.forget_surplus(context.env)?;
        forget_other_bytecode(LINEAGE, &[LayerId::Dependencies, LayerId::Project], context.store)?;
        context.store.wait_until_written();
        let foreign = self.dir.join(".heroku");
        for name in FOREIGN_DIRS {
            files::remove_dir_all(&foreign.join(name))?;
        }
        for name in FOREIGN_FILES {
            files::remove_file(&foreign.join(name))?;
        }
        for name in FOREIGN_DATA {
            files::remove_file(&self.dir.join(name))?;
        }
        Ok(())
    }
}

/// Throws away the layers that aren't what they were when they were made, and says which. Not only those of the plan: the
/// builds' directories, the layers and uv's cache share files, so that what was edited in place in one is so in all.
fn throw_away_damaged(store: &Store, env: &Env) -> Result<Vec<String>> {
    let mut damaged = BTreeSet::new();
    for (kind, key) in store.layers() {
        let Some(path) = store.layer(&kind, &key) else { continue };
        if check_stored_layer(&path, store, env)? == Condition::Damaged {
            store.remove_layer(&kind, &key)?;
            store.forget_uv_cache();
            damaged.insert(format!("The cached {} is damaged", describe(&kind)));
        }
    }
    Ok(damaged.into_iter().collect())
}

/// Keeps the tool that the plan is carried out by.
fn retain_tools(plan: &Plan, store: &Store) -> Result<()> {
    for tool in NativeTool::ALL {
        let used = plan.native_tool().filter(|(used, _)| *used == tool);
        let key = used.map(|(_, layer)| layer.key.digest());
        store.retain_layers(tool.command(), &key.as_deref().into_iter().collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Gathers what the cache of this build is made from; `files` are those that decide what is installed.
pub(super) fn gather_facts(stack: &str, plan: &Plan, files: &BTreeMap<String, Vec<u8>>) -> Facts {
    let manager = plan.package_manager;
    Facts {
        stack: stack.to_owned(),
        python_version: plan.runtime.version().to_string(),
        package_manager: manager.name().to_owned(),
        tool_version: tool_version(plan).map(str::to_owned),
        files: files
            .iter()
            .map(|(name, contents)| (name.clone(), hex::encode(Sha256::digest(contents))))
            .collect(),
        layers: plan.layers.iter().map(layer_key).collect(),
    }
}

fn layer_key(layer: &LayerPlan) -> (String, String) {
    (layer.id.name().to_owned(), layer.key.digest())
}

/// Returns the version of the tool that a package manager is, where it installs itself.
pub(super) fn tool_version(plan: &Plan) -> Option<&'static str> {
    match plan.package_manager {
        PackageManager::Pip => Some(PIP_VERSION),
        PackageManager::Uv => Some(UV_VERSION),
        _ => plan.native_tool().map(|(tool, _)| tool.version()),
    }
}

/// Says why the cache of the last build isn't that of this one, in the order of Heroku's buildpack.
fn reasons(last: &Last, now: &Facts) -> Vec<String> {
    let last = match last {
        Last::Nothing => return Vec::new(),
        Last::OtherFormat => return vec!["The buildpack cache format has changed".to_owned()],
        Last::Facts(last) => last,
    };
    let mut reasons = Vec::new();
    let mut compare = |what: &str, old: &str, new: &str| {
        if old != new {
            reasons.push(format!("The {what} has changed from {old} to {new}"));
        }
    };
    compare("stack", &last.stack, &now.stack);
    compare("Python version", &last.python_version, &now.python_version);
    compare("package manager", &last.package_manager, &now.package_manager);
    if last.package_manager != now.package_manager {
        return reasons;
    }
    if let (Some(old), Some(new)) = (&last.tool_version, &now.tool_version) {
        compare(&format!("{} version", now.package_manager), old, new);
    }
    for (name, digest) in &now.files {
        if last.files.get(name) != Some(digest) {
            reasons.push(format!("The contents of {name} changed"));
        }
    }
    for name in last.files.keys().filter(|name| !now.files.contains_key(*name)) {
        reasons.push(format!("{name} isn't used any more"));
    }
    reasons
}

/// What else is in the layers' keys: where Python comes from, pip's configuration, sources of the app.
fn key_reasons(plan: &Plan, store: &Store) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for layer in &plan.layers {
        let Some(last) = store.document::<LayerKey>("keys", &format!("{LINEAGE}-{}", layer.id)) else {
            continue;
        };
        for (part, reason) in layer.key.changes(&last) {
            // A layer above the runtime has only its digest, which says nothing to a reader.
            if part != Single::Runtime.into() && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons
}

/// Names a layer of the store in a sentence. Another version may have kept other layers.
fn describe(name: &str) -> &str {
    LayerId::ALL.iter().find(|id| id.name() == name).map_or(name, |id| id.noun())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let files = [("requirements.txt", "1"), ("requirements/base.txt", "2")];
        Facts {
            stack: "heroku-22".into(),
            python_version: "3.13.1".into(),
            package_manager: "pip".into(),
            tool_version: Some("26.0".into()),
            files: files.into_iter().map(|(name, digest)| (name.into(), digest.into())).collect(),
            layers: BTreeMap::new(),
        }
    }

    #[test]
    fn reasons_come_in_the_order_of_herokus_buildpack() {
        let now = Facts {
            stack: "heroku-24".into(),
            python_version: "3.14.2".into(),
            tool_version: Some("26.1".into()),
            files: [("requirements.txt", "x"), ("requirements/dev.txt", "y")]
                .into_iter()
                .map(|(name, digest)| (name.into(), digest.into()))
                .collect(),
            ..facts()
        };
        assert_eq!(
            reasons(&Last::Facts(facts()), &now),
            [
                "The stack has changed from heroku-22 to heroku-24",
                "The Python version has changed from 3.13.1 to 3.14.2",
                "The pip version has changed from 26.0 to 26.1",
                "The contents of requirements.txt changed",
                "The contents of requirements/dev.txt changed",
                "requirements/base.txt isn't used any more",
            ]
        );
    }

    #[test]
    fn another_package_manager_is_reason_enough() {
        let now = Facts { package_manager: "uv".into(), files: BTreeMap::new(), ..facts() };
        assert_eq!(reasons(&Last::Facts(facts()), &now), ["The package manager has changed from pip to uv"]);
    }

    #[test]
    fn without_facts_there_is_one_reason_or_none() {
        assert_eq!(reasons(&Last::Nothing, &facts()), Vec::<String>::new());
        assert_eq!(reasons(&Last::OtherFormat, &facts()), ["The buildpack cache format has changed"]);
        assert_eq!(reasons(&Last::Facts(facts()), &facts()), Vec::<String>::new());
    }
}
