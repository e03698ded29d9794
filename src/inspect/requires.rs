//! Which distribution requires which: by `Requires-Dist`, where the markers hold in the slug.

use std::collections::{BTreeMap, BTreeSet};

use super::installed::Installed;
use crate::python::distribution::MarkerValues;

/// What distributions require, by their numbers.
#[derive(Debug)]
pub(super) struct Requires<'a> {
    /// The distributions that each one requires.
    pub(super) edges: Vec<BTreeSet<usize>>,
    installed: &'a [Installed],
    values: &'a MarkerValues,
    /// The extras of each one that something asks for.
    extras: Vec<BTreeSet<String>>,
}

impl<'a> Requires<'a> {
    /// Finds what each one requires. `asked` are extras that the app asks for; they wake up further requirements, which
    /// may ask for further extras, until nothing changes.
    pub(super) fn of(
        installed: &'a [Installed],
        asked: &[(usize, BTreeSet<String>)],
        values: &'a MarkerValues,
    ) -> Self {
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, found) in installed.iter().enumerate() {
            by_name.entry(found.distribution.key()).or_default().push(number);
        }
        let mut edges = vec![BTreeSet::new(); installed.len()];
        let mut extras: Vec<BTreeSet<String>> = vec![BTreeSet::new(); installed.len()];
        for (number, wanted) in asked {
            extras[*number].extend(wanted.iter().cloned());
        }
        let mut waiting: BTreeSet<usize> = (0..installed.len()).collect();
        while let Some(number) = waiting.pop_first() {
            for requirement in &installed[number].distribution.requires {
                if !requirement.holds(values, &extras[number]) {
                    continue;
                }
                for required in by_name.get(&requirement.name).into_iter().flatten().copied() {
                    // `x[all]` requires `x[a,b]`: itself, with other extras.
                    if required != number {
                        edges[number].insert(required);
                    }
                    let before = extras[required].len();
                    extras[required].extend(requirement.extras.iter().cloned());
                    if extras[required].len() > before {
                        waiting.insert(required);
                    }
                }
            }
        }
        Self { edges, installed, values, extras }
    }

    /// Returns the extra because of which one requires another; nothing if it does so without any.
    pub(super) fn extra(&self, number: usize, required: usize) -> Option<&str> {
        let name = self.installed[required].distribution.key();
        let requirements =
            || self.installed[number].distribution.requires.iter().filter(|one| one.name == name);
        let holds = |extras: &BTreeSet<String>| requirements().any(|one| one.holds(self.values, extras));
        if holds(&BTreeSet::new()) {
            return None;
        }
        self.extras[number]
            .iter()
            .find(|extra| holds(&BTreeSet::from([(*extra).clone()])))
            .map(String::as_str)
    }
}
