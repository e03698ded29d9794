//! Which component requires which: by `Requires-Dist`, where the markers hold in the slug.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::inspect::installed::Installed;
use crate::inspect::requires::Requires;
use crate::python::distribution::MarkerValues;

/// What the app itself is called in the list.
pub(super) const APP: &str = "app";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Node {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "dependsOn", skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

/// Finds what requires what. `references` are the names of the distributions in the list, in their order.
///
/// What the app asks for isn't written down anywhere in a slug: what nothing else requires counts as the app's. Nor
/// are the extras that it asks for; those that distributions ask of each other count.
pub(super) fn dependencies(
    installed: &[Installed],
    references: &[String],
    python: Option<&str>,
    values: &MarkerValues,
) -> Vec<Node> {
    let edges = Requires::of(installed, &[], values).edges;
    let node = |reference: &str, to: &BTreeSet<usize>| Node {
        reference: reference.to_owned(),
        depends_on: to.iter().map(|number| references[*number].clone()).collect(),
    };
    let mut app = node(APP, &roots(&edges));
    app.depends_on.splice(0..0, python.map(str::to_owned));
    let mut nodes = vec![app];
    nodes.extend(python.map(|python| node(python, &BTreeSet::new())));
    nodes.extend(references.iter().zip(&edges).map(|(reference, to)| node(reference, to)));
    nodes
}

/// What nothing requires; and one of each circle that nothing else leads to.
fn roots(edges: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let required: BTreeSet<usize> = edges.iter().flatten().copied().collect();
    let mut roots: BTreeSet<usize> = (0..edges.len()).filter(|number| !required.contains(number)).collect();
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<usize> = roots.iter().copied().collect();
    let mut next = 0;
    loop {
        while let Some(number) = waiting.pop() {
            if reached.insert(number) {
                waiting.extend(&edges[number]);
            }
        }
        match (next..edges.len()).find(|number| !reached.contains(number)) {
            None => return roots,
            Some(number) => {
                roots.insert(number);
                waiting.push(number);
                next = number + 1;
            }
        }
    }
}
