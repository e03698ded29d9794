//! The lists of components that distributions bring themselves (PEP 770): of the libraries in a wheel, for example.
//! <https://packaging.python.org/en/latest/specifications/core-metadata/> and <https://peps.python.org/pep-0770/>
//!
//! Each is referred to, with its digest. What is in one of CycloneDX is listed below its distribution, too; only the
//! fields that say what a component is, so that a stranger's document can't spoil this one.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::component::{Component, Hash, Reference, relative_address};
use crate::inspect::installed::Installed;

/// How deep lists within lists are read.
const DEEPEST: usize = 8;

/// The types of components that CycloneDX 1.6 has.
const TYPES: &[&str] = &[
    "application",
    "framework",
    "library",
    "container",
    "platform",
    "operating-system",
    "device",
    "device-driver",
    "firmware",
    "file",
    "machine-learning-model",
    "data",
    "cryptographic-asset",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bom_format: String,
    #[serde(default)]
    components: Vec<Foreign>,
}

#[derive(Deserialize)]
struct Foreign {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    version: Option<String>,
    description: Option<String>,
    purl: Option<String>,
    cpe: Option<String>,
    #[serde(default)]
    hashes: Vec<ForeignHash>,
    #[serde(default)]
    components: Vec<Self>,
}

#[derive(Deserialize)]
struct ForeignHash {
    alg: String,
    content: String,
}

/// Refers to the documents of a distribution.
pub(super) fn references(found: &Installed) -> Vec<Reference> {
    let reference = |(path, bytes): (&String, &Vec<u8>)| Reference {
        kind: "bom",
        url: relative_address(path),
        comment: None,
        hashes: Hash::new("sha256", &hex::encode(Sha256::digest(bytes))).into_iter().collect(),
    };
    found.documents.iter().map(reference).collect()
}

/// Lists what is in the documents of a distribution. `owner` is its name in the list.
pub(super) fn components(found: &Installed, owner: &str) -> Vec<Component> {
    let mut number = 0;
    let mut components = Vec::new();
    for bytes in found.documents.values() {
        let Ok(document) = serde_json::from_slice::<Document>(bytes) else { continue };
        if document.bom_format == "CycloneDX" {
            components.extend(
                document.components.into_iter().filter_map(|foreign| own(foreign, owner, &mut number, 0)),
            );
        }
    }
    components
}

/// Takes a component over, with a name that nothing else in the list has.
fn own(foreign: Foreign, owner: &str, number: &mut usize, depth: usize) -> Option<Component> {
    if !TYPES.contains(&foreign.kind.as_str()) || foreign.name.is_empty() || depth > DEEPEST {
        return None;
    }
    *number += 1;
    let reference = Some(format!("{owner}#component-{number}"));
    let inner = foreign.components.into_iter();
    Some(Component {
        reference,
        version: foreign.version,
        description: foreign.description,
        hashes: foreign.hashes.iter().filter_map(|hash| Hash::new(&hash.alg, &hash.content)).collect(),
        cpe: foreign.cpe.filter(|cpe| {
            cpe.starts_with("cpe:2.3:")
                && cpe.bytes().all(|byte| byte.is_ascii_graphic())
                && cpe.matches(':').count() == 12
        }),
        purl: foreign.purl.filter(|purl| purl.starts_with("pkg:")),
        components: inner.filter_map(|inner| own(inner, owner, number, depth + 1)).collect(),
        ..Component::named(&foreign.kind, &foreign.name)
    })
}
