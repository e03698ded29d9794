//! How two slugs differ: what made the new one bigger, which distributions and files came, went and changed.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use serde::Serialize;

use super::contents::{Content, EntryFacts};
use super::inspection::Inspection;
use super::owners::Owner;
use super::report::{Sizes, SlugFacts, slug_facts};

/// The version of the difference's form.
const SCHEMA: u32 = 1;

/// How two slugs differ. The fields' names are a promise to scripts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Difference {
    /// The version of this form.
    pub schema: u32,
    /// In a word.
    pub verdict: Verdict,
    /// The older slug.
    pub old: SlugFacts,
    /// The newer slug.
    pub new: SlugFacts,
    /// Their versions of Python, if they aren't the same.
    pub python: Option<Change>,
    /// The process types that aren't the same, by name, with their commands.
    pub process_types: BTreeMap<String, Change>,
    /// What made the difference in size: distributions, Python, top-level names of the app. Those with the greatest
    /// change of what they take in the slug first.
    pub parts: Vec<PartChange>,
    /// The distributions that came, went or changed their version, by name.
    pub distributions: Vec<DistributionChange>,
    /// The files and links that aren't the same, the greatest changes first.
    pub files: Vec<PathChange>,
    /// How many there are.
    pub totals: FileTotals,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The same file, byte for byte.
    Identical,
    /// The same tar file, compressed in another way.
    SameTar,
    /// The same entries; their times, their order or their owners differ.
    SameEntries,
    /// Other entries.
    Different,
}

/// Something that was and is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// What it was; nothing if it wasn't there.
    pub old: Option<String>,
    /// What it is; nothing if it isn't there any more.
    pub new: Option<String>,
}

/// How something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It wasn't there.
    Added,
    /// It isn't there any more.
    Removed,
    /// To a later version.
    Upgraded,
    /// To an earlier version.
    Downgraded,
    /// In another way.
    Changed,
}

/// A part of which files changed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PartChange {
    /// Its name; a distribution's is normalised.
    pub name: String,
    /// Its name as its authors write it.
    pub written: String,
    /// How it changed.
    pub change: Kind,
    /// Its versions, if it has some.
    pub version: Option<Change>,
    /// What it took.
    pub old: Sizes,
    /// What it takes.
    pub new: Sizes,
}

/// A distribution that came, went or changed its version.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DistributionChange {
    /// Its normalised name.
    pub name: String,
    /// Its name as its authors write it.
    pub written: String,
    /// How it changed.
    pub change: Kind,
    /// Its versions.
    pub version: Change,
}

/// A file or link that isn't the same.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PathChange {
    /// Its path, relative to the app's root.
    pub path: String,
    /// The name of the part that it belongs to.
    pub part: String,
    /// How it changed.
    pub change: Kind,
    /// What changed of it: `content`, `kind`, `target`, `permissions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<&'static str>,
    /// What it took.
    pub old: Sizes,
    /// What it takes.
    pub new: Sizes,
}

/// How many files changed how.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct FileTotals {
    /// Files that weren't there.
    pub added: usize,
    /// Files that aren't there any more.
    pub removed: usize,
    /// Files that aren't the same.
    pub changed: usize,
    /// Files that are the same but for their times.
    pub other_times: usize,
}

impl Difference {
    /// Tells whether the slugs count as the same.
    pub(crate) fn is_same(&self) -> bool {
        matches!(self.verdict, Verdict::Identical | Verdict::SameTar)
    }
}

/// Compares two slugs.
pub(crate) fn compare(old: &Inspection, new: &Inspection) -> Difference {
    let (old_files, new_files) = (Files::of(old), Files::of(new));
    let mut totals = FileTotals::default();
    let mut files = Vec::new();
    let mut touched = BTreeSet::new();
    let paths: BTreeSet<&[u8]> = old_files.0.keys().chain(new_files.0.keys()).copied().collect();
    for path in paths {
        let (before, after) = (old_files.0.get(path), new_files.0.get(path));
        let (change, what) = match (before, after) {
            (None, _) => (Kind::Added, None),
            (_, None) => (Kind::Removed, None),
            (Some(before), Some(after)) => match what_changed(before.0, after.0) {
                Some(what) => (Kind::Changed, Some(what)),
                None => {
                    totals.other_times += usize::from(before.0.mtime != after.0.mtime);
                    continue;
                }
            },
        };
        match change {
            Kind::Added => totals.added += 1,
            Kind::Removed => totals.removed += 1,
            _ => totals.changed += 1,
        }
        touched.extend([before, after].into_iter().flatten().map(|(_, part)| part.clone()));
        files.push(PathChange {
            path: String::from_utf8_lossy(path).into_owned(),
            part: after.or(before).map(|(_, part)| part.name()).unwrap_or_default(),
            change,
            what,
            old: sizes_of(before),
            new: sizes_of(after),
        });
    }
    files.sort_by_key(|file| std::cmp::Reverse(change_of(file.old, file.new).unsigned_abs()));
    let python = |inspection: &Inspection| inspection.python.as_ref().map(|python| python.version.clone());
    let written = written_names(old, new);
    let distributions = distributions(old, new, &written);
    let is_different = !files.is_empty() || old.process_types != new.process_types;
    Difference {
        schema: SCHEMA,
        verdict: verdict(old, new, is_different),
        old: slug_facts(old),
        new: slug_facts(new),
        python: changed(python(old), python(new)),
        process_types: process_types(old, new),
        parts: parts(&old_files, &new_files, &touched, &distributions, &written),
        distributions,
        files,
        totals,
    }
}

fn verdict(old: &Inspection, new: &Inspection, is_different: bool) -> Verdict {
    let (before, after) = (&old.contents.checksums, &new.contents.checksums);
    match () {
        () if before.file == after.file => Verdict::Identical,
        () if before.tar == after.tar => Verdict::SameTar,
        () if is_different => Verdict::Different,
        () => Verdict::SameEntries,
    }
}

/// What everything but the directories is a part of.
struct Files<'a>(BTreeMap<&'a [u8], (&'a EntryFacts, Part)>);

/// A part of a slug that somebody would know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Distribution(String),
    Runtime,
    Generated,
    App(String),
}

impl Part {
    fn name(&self) -> String {
        match self {
            Self::Distribution(name) | Self::App(name) => name.clone(),
            Self::Runtime => "Python runtime".to_owned(),
            Self::Generated => "files of the buildpack".to_owned(),
        }
    }
}

impl<'a> Files<'a> {
    fn of(inspection: &'a Inspection) -> Self {
        let entries = inspection.contents.entries.iter().zip(&inspection.owners);
        let files = entries.filter(|(entry, _)| entry.content != Content::Directory);
        let part = |entry: &EntryFacts, owner: Owner| match owner {
            Owner::Distribution(number) => {
                Part::Distribution(inspection.installed[number].distribution.key())
            }
            Owner::Runtime => Part::Runtime,
            Owner::Generated => Part::Generated,
            Owner::App => {
                let name = entry.name();
                Part::App(name.split_once('/').map_or(name.clone(), |(top, _)| format!("{top}/")))
            }
        };
        Self(files.map(|(entry, owner)| (entry.path.as_slice(), (entry, part(entry, *owner)))).collect())
    }

    fn part_sizes(&self) -> BTreeMap<&Part, Sizes> {
        let mut sizes: BTreeMap<&Part, Sizes> = BTreeMap::new();
        for (entry, part) in self.0.values() {
            sizes.entry(part).or_default().add(entry);
        }
        sizes
    }
}

fn sizes_of(file: Option<&(&EntryFacts, Part)>) -> Sizes {
    let mut sizes = Sizes::default();
    if let Some((entry, _)) = file {
        sizes.add(entry);
    }
    sizes
}

/// Returns by how much something takes more in the slug.
pub(super) fn change_of(old: Sizes, new: Sizes) -> i64 {
    i64::try_from(new.compressed).unwrap_or(i64::MAX) - i64::try_from(old.compressed).unwrap_or(i64::MAX)
}

fn what_changed(before: &EntryFacts, after: &EntryFacts) -> Option<&'static str> {
    match (&before.content, &after.content) {
        (Content::File(old), Content::File(new)) if old != new => Some("content"),
        (Content::Symlink(old), Content::Symlink(new)) if old != new => Some("target"),
        (Content::HardLink(old), Content::HardLink(new)) if old != new => Some("target"),
        (old, new) if std::mem::discriminant(old) != std::mem::discriminant(new) => Some("kind"),
        (Content::Symlink(_), _) => None,
        _ => (before.mode != after.mode).then_some("permissions"),
    }
}

fn changed(old: Option<String>, new: Option<String>) -> Option<Change> {
    (old != new).then_some(Change { old, new })
}

fn process_types(old: &Inspection, new: &Inspection) -> BTreeMap<String, Change> {
    let names: BTreeSet<&String> = old.process_types.keys().chain(new.process_types.keys()).collect();
    let change = |name: &String| {
        let command = |inspection: &Inspection| inspection.process_types.get(name).cloned();
        Some((name.clone(), changed(command(old), command(new))?))
    };
    names.into_iter().filter_map(change).collect()
}

/// The versions of each distribution; one that is there twice has both.
fn versions(inspection: &Inspection) -> BTreeMap<String, String> {
    let mut versions: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for found in &inspection.installed {
        versions.entry(found.distribution.key()).or_default().insert(&found.distribution.version);
    }
    versions.into_iter().map(|(name, all)| (name, all.into_iter().collect::<Vec<_>>().join(", "))).collect()
}

/// The names of distributions as their authors write them, by the normalised ones; the new slug's count more.
fn written_names(old: &Inspection, new: &Inspection) -> BTreeMap<String, String> {
    let all = old.installed.iter().chain(&new.installed);
    all.map(|found| (found.distribution.key(), found.distribution.name.clone())).collect()
}

fn distributions(
    old: &Inspection,
    new: &Inspection,
    written: &BTreeMap<String, String>,
) -> Vec<DistributionChange> {
    let (before, after) = (versions(old), versions(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let version = changed(before.get(name).cloned(), after.get(name).cloned())?;
        Some(DistributionChange {
            name: name.clone(),
            written: written.get(name).unwrap_or(name).clone(),
            change: kind(&version),
            version,
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn kind(version: &Change) -> Kind {
    let parse = |text: &String| text.parse::<Version>();
    match (&version.old, &version.new) {
        (None, _) => Kind::Added,
        (_, None) => Kind::Removed,
        (Some(old), Some(new)) => match (parse(old), parse(new)) {
            (Ok(old), Ok(new)) if old < new => Kind::Upgraded,
            (Ok(old), Ok(new)) if old > new => Kind::Downgraded,
            _ => Kind::Changed,
        },
    }
}

fn parts(
    old: &Files<'_>,
    new: &Files<'_>,
    touched: &BTreeSet<Part>,
    distributions: &[DistributionChange],
    written: &BTreeMap<String, String>,
) -> Vec<PartChange> {
    let (before, after) = (old.part_sizes(), new.part_sizes());
    let version = |part: &Part| match part {
        Part::Distribution(name) => distributions.iter().find(|change| change.name == *name),
        _ => None,
    };
    let change = |part: &Part| {
        let (old, new) = (before.get(part).copied(), after.get(part).copied());
        PartChange {
            written: match part {
                Part::Distribution(name) => written.get(name).unwrap_or(name).clone(),
                part => part.name(),
            },
            name: part.name(),
            change: match (old, new, version(part)) {
                (_, _, Some(versions)) => versions.change,
                (None, _, _) => Kind::Added,
                (_, None, _) => Kind::Removed,
                _ => Kind::Changed,
            },
            version: version(part).map(|versions| versions.version.clone()),
            old: old.unwrap_or_default(),
            new: new.unwrap_or_default(),
        }
    };
    let mut parts: Vec<PartChange> = touched.iter().map(change).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(change_of(part.old, part.new).unsigned_abs()));
    parts
}
