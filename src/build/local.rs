//! The layer with what is built from the app's own files, and what these packages say that they need.

use std::collections::BTreeSet;

use super::context::Context;
use super::install::{Chosen, Selection};
use super::layers::{Layer, provide_layer};
use super::python::Python;
use super::survey::Survey;
use crate::error::Result;
use crate::host::files::FileContext;
use crate::plan::local::{Local, Needs, Part};
use crate::plan::{LayerPlan, Plan};
use crate::python::distribution::parse_metadata;

impl Survey {
    /// Gives the layer with the app's own packages, and learns from them what they need.
    pub(super) fn provide_project(
        &mut self,
        layer: &LayerPlan,
        plan: &Plan,
        python: &Python,
        context: Context<'_>,
    ) -> Result<Layer> {
        let Context { store, env, output, .. } = context;
        if self.settings.refresh {
            store.remove_layer(layer.id.name(), &layer.key.digest())?;
        }
        let project = provide_layer(layer, &self.settings.lineage, store, env, output, |tree| {
            output.step("Installing the app's own packages");
            let tool = Chosen::Engine(self.tool(plan, python, None));
            let context = Context { env: &self.installer_env, ..context };
            self.fill_packages(tree, python, &tool, Selection::Own, None, context)
        })?;
        if let Some(local) = self.inputs.local.as_mut().filter(|local| local.is_open) {
            local.needs = read_needs(&project, local)?;
            if local.needs.leads_into_app() {
                // The world is different: then all is installed at once.
                self.inputs.local = None;
            } else {
                store.put_document("needs", &self.settings.lineage, &local.needs)?;
            }
        }
        Ok(project)
    }
}

/// Reads what the packages of the layer need. `direct_url.json` says where in the app each is from.
fn read_needs(layer: &Layer, local: &Local) -> Result<Needs> {
    let mut installed = Vec::new();
    for entry in &layer.entries {
        let Some(info) = entry.path.strip_suffix(b"/METADATA").filter(|info| info.ends_with(b".dist-info"))
        else {
            continue;
        };
        let info = layer.tree().join(String::from_utf8_lossy(info).as_ref());
        let path = info.join("METADATA");
        let metadata = std::fs::read(&path).doing("reading", &path)?;
        let origin = std::fs::read_to_string(info.join("direct_url.json")).unwrap_or_default();
        installed.extend(parse_metadata(&metadata).map(|distribution| (place_of(&origin), distribution)));
    }
    Ok(Needs::of(installed, &local.places))
}

fn place_of(direct_url: &str) -> String {
    let url: serde_json::Value = serde_json::from_str(direct_url).unwrap_or_default();
    let place = url["url"].as_str().and_then(|url| url.strip_prefix("file:///app")).unwrap_or_default();
    let place = place.trim_matches('/');
    if place.is_empty() { ".".to_owned() } else { place.to_owned() }
}

/// Returns the names of the others that uv leaves out when it installs the app's own packages.
pub(super) fn left_out(local: &Local) -> BTreeSet<String> {
    match &local.own {
        Part::Without(names) => names.clone(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_package_is_in_its_origin() {
        for (text, expected) in [
            (r#"{"url":"file:///app","dir_info":{"editable":true}}"#, "."),
            (r#"{"url":"file:///app/libs/a","dir_info":{}}"#, "libs/a"),
            ("", "."),
        ] {
            assert_eq!(place_of(text), expected, "{text}");
        }
    }
}
