//! What a slug holds that its app can't need when it runs, and the lines that leave it out.

mod kinds;
mod known;
mod lines;
mod mentions;
mod python_source;
mod rules;
mod services;

use serde::Serialize;

use super::inspection::Inspection;
use super::report::Sizes;
use crate::error::escape::is_unsafe;
use kinds::Kind;
use lines::{Leaf, Site};
pub(super) use mentions::{Mentions, Scanner};
use rules::Facts;

/// Something that could go.
#[derive(Debug, Clone, Serialize)]
pub struct Removable {
    /// What it is, for scripts.
    pub kind: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What it takes.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// The lines of `.slugignore.post` that leave it out, and nothing else.
    pub lines: Vec<String>,
}

/// A kind with its entries and, if they aren't like others, its lines.
struct Found {
    kind: &'static str,
    title: &'static str,
    leaf: Leaf<'static>,
    entries: Vec<usize>,
    lines: Option<Vec<String>>,
}

impl Found {
    fn lines(&self) -> impl Iterator<Item = &String> {
        self.lines.iter().flatten()
    }
}

/// Finds what could go, what takes most first. What isn't certain isn't there.
pub(super) fn find_removable(inspection: &Inspection) -> Vec<Removable> {
    let Some(facts) = Facts::of(inspection) else { return Vec::new() };
    let entries = &inspection.contents.entries;
    let mut may_go = vec![false; entries.len()];
    let mut all: Vec<Found> = Vec::new();
    let services = services::unused_services(inspection, &facts).map(|services| Found {
        kind: "service-data",
        title: "data of AWS services that nothing talks to",
        leaf: Leaf::Paths,
        entries: services.entries,
        lines: Some(services.lines),
    });
    let kinds = Kind::ALL.into_iter().map(|kind| Found {
        kind: kind.id(),
        title: kind.title(),
        leaf: leaf(kind),
        entries: facts.entries_of(kind),
        lines: None,
    });
    for mut found in kinds.chain(services) {
        // Each entry counts once.
        found.entries.retain(|number| !std::mem::replace(&mut may_go[*number], true));
        if !found.entries.is_empty() {
            all.push(found);
        }
    }
    let site = Site { entries, may_go: &may_go };
    for found in &mut all {
        found.lines.get_or_insert_with(|| site.lines_for(&found.entries, &found.leaf));
    }
    // All are tried together; only if they don't do what they should is each tried alone.
    let lines: Vec<String> = all.iter().flat_map(Found::lines).cloned().collect();
    let gone = site.left_out(&lines, 0..entries.len());
    if !gone.iter().copied().eq((0..entries.len()).filter(|number| may_go[*number])) {
        all.retain(|found| {
            let lines: Vec<String> = found.lines().cloned().collect();
            let gone = site.left_out(&lines, 0..entries.len());
            gone.iter().all(|number| may_go[*number])
                && found.entries.iter().all(|number| gone.binary_search(number).is_ok())
        });
    }
    let is_harmless = |found: &Found| !found.lines().any(|line| line.contains(is_unsafe));
    let made = all.into_iter().filter(is_harmless).map(|found| {
        let Found { kind, title, entries: numbers, lines, .. } = found;
        let mut sizes = Sizes::default();
        numbers.iter().for_each(|number| sizes.add(&entries[*number]));
        Removable { kind, title, sizes, lines: lines.unwrap_or_default() }
    });
    let mut removable: Vec<Removable> = made.filter(|removable| removable.sizes.files > 0).collect();
    removable.sort_by_key(|removable| std::cmp::Reverse(removable.sizes.compressed));
    removable
}

fn leaf(kind: Kind) -> Leaf<'static> {
    match kind {
        Kind::Directory(name) => Leaf::Directory(name),
        Kind::Stubs => Leaf::Files("*.pyi"),
        Kind::Translations => Leaf::Files("*.po"),
        Kind::Headers => Leaf::Files("*.h"),
        Kind::StaticLibraries => Leaf::Files("*.a"),
        _ => Leaf::Paths,
    }
}

/// Adds up what could go.
pub(super) fn total(removable: &[Removable]) -> Sizes {
    removable.iter().fold(Sizes::default(), |sum, one| Sizes {
        size: sum.size + one.sizes.size,
        compressed: sum.compressed + one.sizes.compressed,
        files: sum.files + one.sizes.files,
    })
}
