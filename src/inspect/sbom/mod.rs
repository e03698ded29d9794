//! The list of components (SBOM) of a slug or of what a build has installed: CycloneDX 1.6 in JSON.
//! <https://cyclonedx.org/docs/1.6/json/>
//!
//! It says what the metadata of the installed distributions says, and nothing else: so the same files give the same
//! bytes. There is no time in it, and its serial number is a digest of the rest.

mod component;
mod documents;
mod graph;
mod trees;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::inspection::Inspection;
use super::installed::Installed;
pub(crate) use super::installed::SBOM_PATH;
use crate::python::distribution::MarkerValues;
use component::Component;
pub(crate) use trees::{TreesSbom, sbom_of_directory, sbom_of_trees};

/// What Python is called in lists of components.
const PYTHON: &str = "python";

#[derive(Serialize)]
struct Bom {
    #[serde(rename = "$schema")]
    schema: &'static str,
    #[serde(rename = "bomFormat")]
    format: &'static str,
    #[serde(rename = "specVersion")]
    spec_version: &'static str,
    #[serde(rename = "serialNumber")]
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<graph::Node>,
}

#[derive(Serialize)]
struct Metadata {
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

/// Renders the list of components. `python` is the version of Python, `machine` what the kernel calls the processor.
pub(crate) fn render(installed: &[Installed], python: Option<&str>, machine: &str) -> String {
    let values = MarkerValues::of_linux(python.unwrap_or("3"), machine);
    let mut components: Vec<Component> = python.map(Component::python).into_iter().collect();
    let python_ref = components.first().and_then(|python| python.reference.clone());
    let distributions = component::of_distributions(installed);
    let references: Vec<String> =
        distributions.iter().filter_map(|component| component.reference.clone()).collect();
    let dependencies = graph::dependencies(installed, &references, python_ref.as_deref(), &values);
    components.extend(distributions);
    let mut bom = Bom {
        // Not loaded by anybody: the schema's name.
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: Metadata {
            // Without its version: a new slugc gives the same bytes for the same app.
            tools: Tools { components: vec![Component::named("application", env!("CARGO_PKG_NAME"))] },
            component: Component {
                reference: Some(graph::APP.to_owned()),
                ..Component::named("application", "app")
            },
        },
        components,
        dependencies,
    };
    // Only keys that aren't text couldn't be written.
    bom.serial_number = serial_number(&serde_json::to_vec(&bom).unwrap_or_default());
    let mut text = serde_json::to_string_pretty(&bom).unwrap_or_default();
    text.push('\n');
    text
}

/// Makes a UUID (version 8: of one's own making) of the content.
fn serial_number(content: &[u8]) -> String {
    let mut bytes: [u8; 32] = Sha256::digest(content).into();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(&bytes[..16]);
    format!("urn:uuid:{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// Returns the list of components of a slug: the one that is in it, or a new one of what is installed there.
pub(crate) fn sbom_of_slug(inspection: &Inspection, recompute: bool) -> String {
    let written = inspection.contents.metadata.get(SBOM_PATH).filter(|_| !recompute);
    if let Some(text) = written.and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        return text.to_owned();
    }
    let python = super::installed::find_python(&inspection.contents.metadata);
    let python = python.or_else(|| inspection.python.as_ref().map(|python| python.version.clone()));
    render(&inspection.installed, python.as_deref(), machine(inspection))
}

/// Tells by what its wheels were built for what a slug runs on.
pub(super) fn machine(inspection: &Inspection) -> &str {
    if let Some(manifest) = inspection.manifest.as_ref().filter(|manifest| !manifest.arch.is_empty()) {
        return &manifest.arch;
    }
    let mut tags = inspection.installed.iter().flat_map(|found| &found.wheel).flat_map(|wheel| &wheel.tags);
    if tags.any(|tag| tag.ends_with("aarch64")) { "aarch64" } else { "x86_64" }
}

/// Reads the version of Python out of a list of components.
pub(super) fn python_of(bytes: &[u8]) -> Option<String> {
    let bom: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let python = bom
        .get("components")?
        .as_array()?
        .iter()
        .find(|component| component["type"] == component::PLATFORM && component["name"] == PYTHON)?;
    python["version"].as_str().map(str::to_owned)
}
