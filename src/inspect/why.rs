//! Why a distribution is in a slug: the ways from it to what asks for it, up to a file of the app.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use super::inspection::Inspection;
use super::requires::Requires;
use super::sbom;
use crate::error::similar::closest_own;
use crate::error::{ErrorCode, UserError};
use crate::python::asked::{AskedFor, asked_for};
use crate::python::distribution::MarkerValues;
use crate::python::requirements::normalised_name;

/// The version of the answer's form.
const SCHEMA: u32 = 1;

/// Why a distribution is there: the answer to `--why`. The fields' names are a promise to scripts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Why {
    /// The version of this form.
    pub(crate) schema: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The ways: each begins with it, and ends with a file if one of the app's asks for it.
    pub(crate) ways: Vec<Vec<String>>,
}

/// There is no such distribution.
#[derive(Debug, thiserror::Error)]
#[error("No distribution in the slug is called {name}.{}", .meant.as_ref().map(|meant| format!(" Is {meant} meant?")).unwrap_or_default())]
pub(crate) struct NoSuchDistribution {
    name: String,
    meant: Option<String>,
}

impl UserError for NoSuchDistribution {
    fn code(&self) -> ErrorCode {
        ErrorCode::InspectNoSuchDistribution
    }
}

/// Tells why a distribution is there, by its name in any spelling.
pub(crate) fn why(inspection: &Inspection, name: &str) -> Result<Vec<Why>, NoSuchDistribution> {
    let wanted = normalised_name(name);
    let mut all = ways(inspection);
    let mut found = Vec::new();
    for (number, installed) in inspection.installed.iter().enumerate() {
        let distribution = &installed.distribution;
        if distribution.key() == wanted {
            found.push(Why {
                schema: SCHEMA,
                name: distribution.name.clone(),
                version: distribution.version.clone(),
                ways: std::mem::take(&mut all[number]),
            });
        }
    }
    if found.is_empty() {
        let names: Vec<String> = inspection.installed.iter().map(|found| found.distribution.key()).collect();
        let meant = closest_own(&wanted, names.iter().map(String::as_str)).map(str::to_owned);
        return Err(NoSuchDistribution { name: name.to_owned(), meant });
    }
    Ok(found)
}

/// Finds the ways of each distribution, in their order.
pub(super) fn ways(inspection: &Inspection) -> Vec<Vec<Vec<String>>> {
    let installed = &inspection.installed;
    let python = inspection.python.as_ref().map_or("3", |python| python.version.as_str());
    let values = MarkerValues::of_linux(python, sbom::machine(inspection));
    let AskedFor { asked, lock } = asked_for(&inspection.contents.asking);
    let mut files: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut extras = Vec::new();
    for (number, found) in installed.iter().enumerate() {
        for one in asked.iter().filter(|one| one.name == found.distribution.key()) {
            let marker = one.marker.as_deref();
            let holds = marker.and_then(|marker| {
                crate::python::distribution::evaluate_marker(marker, &values, &BTreeSet::new())
            });
            if holds.unwrap_or(true) {
                files.entry(number).or_default().insert(one.file.clone());
                extras.push((number, one.extras.clone()));
            }
        }
    }
    let requires = Requires::of(installed, &extras, &values);
    let required: BTreeSet<usize> = requires.edges.iter().flatten().copied().collect();
    let tops: Vec<usize> = (0..installed.len()).filter(|number| !required.contains(number)).collect();
    if let Some((file, names)) = &lock {
        for number in tops.iter().filter(|number| names.contains(&installed[**number].distribution.key())) {
            files.entry(*number).or_default().insert((*file).to_owned());
        }
    }
    let graph = Ways { inspection, requires, files, tops };
    (0..installed.len()).map(|number| graph.of(number)).collect()
}

struct Ways<'a> {
    inspection: &'a Inspection,
    requires: Requires<'a>,
    /// The files that ask for a distribution.
    files: BTreeMap<usize, BTreeSet<String>>,
    /// What nothing requires.
    tops: Vec<usize>,
}

impl Ways<'_> {
    /// Returns a way for each file that asks for a distribution, and for each other one that requires it: the shortest
    /// that doesn't lead back to it.
    fn of(&self, target: usize) -> Vec<Vec<String>> {
        let name = |number: usize| self.inspection.installed[number].distribution.name.clone();
        let mut ways: Vec<Vec<String>> = self
            .files
            .get(&target)
            .into_iter()
            .flatten()
            .map(|file| vec![name(target), file.clone()])
            .collect();
        let above = self.above(target);
        let requirers: Vec<usize> = (0..self.requires.edges.len())
            .filter(|number| self.requires.edges[*number].contains(&target))
            .collect();
        for requirer in &requirers {
            // What is only there because of this one is no reason for it.
            if above.contains_key(requirer) {
                ways.push(self.way(target, *requirer, &above));
            }
        }
        if ways.is_empty() {
            // They require each other, and nothing else asks for any of them.
            ways.extend(requirers.iter().map(|requirer| vec![name(target), self.label(*requirer, target)]));
        }
        ways.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        ways
    }

    /// Finds, for each distribution that is there without `target`, what requires it on the shortest way to a file.
    fn above(&self, target: usize) -> BTreeMap<usize, Option<usize>> {
        let mut above: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        // First those that a file asks for, and only then those that nothing does.
        for starts in [self.files.keys().copied().collect::<Vec<_>>(), self.tops.clone()] {
            let mut waiting = VecDeque::new();
            for start in starts.into_iter().filter(|start| *start != target) {
                if let std::collections::btree_map::Entry::Vacant(place) = above.entry(start) {
                    place.insert(None);
                    waiting.push_back(start);
                }
            }
            while let Some(number) = waiting.pop_front() {
                for required in self.requires.edges[number].iter().filter(|required| **required != target) {
                    if let std::collections::btree_map::Entry::Vacant(place) = above.entry(*required) {
                        place.insert(Some(number));
                        waiting.push_back(*required);
                    }
                }
            }
        }
        above
    }

    fn way(&self, target: usize, requirer: usize, above: &BTreeMap<usize, Option<usize>>) -> Vec<String> {
        let mut way = vec![self.inspection.installed[target].distribution.name.clone()];
        let (mut below, mut at) = (target, requirer);
        loop {
            way.push(self.label(at, below));
            match above.get(&at).copied().flatten() {
                Some(next) => (below, at) = (at, next),
                None => break,
            }
        }
        way.extend(self.files.get(&at).and_then(|files| files.first()).cloned());
        way
    }

    /// Names what requires another one, with the extra because of which it does.
    fn label(&self, number: usize, required: usize) -> String {
        let name = &self.inspection.installed[number].distribution.name;
        match self.requires.extra(number, required) {
            Some(extra) => format!("{name}[{extra}]"),
            None => name.clone(),
        }
    }
}
