//! Which locked packages a group needs, for lock files that don't say so: what can be reached from its
//! dependencies.
//!
//! Markers aren't evaluated: a dependency counts whatever its marker says, and the package gets the markers of
//! the paths that lead to it. Where that would grow beyond reason, it gets fewer conditions, never more: at
//! worst a package is installed that wouldn't have to be.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::constraint::Constraint;
use super::marker::{Condition, without_extras};
use super::{and_markers, or_markers};
use crate::python::requirements::normalised_name;

/// How many ways to a package are kept apart, and how many markers on each.
const MAXIMAL_WAYS: usize = 6;
const MAXIMAL_MARKERS: usize = 4;

/// A dependency on a package of the lock.
#[derive(Debug, Clone)]
pub(in crate::python) struct Edge {
    /// The normalised name.
    pub(in crate::python) name: String,
    pub(in crate::python) constraint: Constraint,
    pub(in crate::python) extras: BTreeSet<String>,
    pub(in crate::python) marker: Option<String>,
    /// Whether it only counts for the extras that name it.
    pub(in crate::python) optional: bool,
}

/// A package of the lock.
#[derive(Debug, Clone, Default)]
pub(in crate::python) struct Node {
    /// The normalised name.
    pub(in crate::python) name: String,
    pub(in crate::python) version: String,
    /// The extras that this entry stands for, in locks that have entries of their own for extras.
    pub(in crate::python) stands_for: BTreeSet<String>,
    pub(in crate::python) edges: Vec<Edge>,
    /// The names of the dependencies of each extra.
    pub(in crate::python) extras: BTreeMap<String, BTreeSet<String>>,
}

/// How a package is reached: by one of several ways, on each of which all of the markers hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reached {
    ways: BTreeSet<BTreeSet<String>>,
    extras: BTreeSet<String>,
}

impl Edge {
    /// Parses a requirement such as `a[b]>=1 ; os_name == 'posix'`.
    pub(in crate::python) fn parse(requirement: &str) -> Option<Self> {
        static REQUIREMENT: std::sync::LazyLock<Regex> = std::sync::LazyLock::new(|| {
            Regex::new(
                r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*(@.*?\s*(?: ;|$)|[^;]*;?)(.*)$",
            )
            .expect("the pattern is constant, and tested")
        });
        let captures = REQUIREMENT.captures(requirement)?;
        let text = |group| captures.get(group).map_or("", |found| found.as_str());
        let versions = text(3).trim_end_matches(';').trim().trim_start_matches('(').trim_end_matches(')');
        let constraint = if versions.starts_with('@') { "*" } else { versions };
        let extras = text(2).split(',').map(str::trim).filter(|extra| !extra.is_empty());
        Some(Self {
            name: normalised_name(text(1)),
            constraint: Constraint::parse(constraint),
            extras: extras.map(normalised_name).collect(),
            marker: Some(text(4).trim().to_owned()).filter(|marker| !marker.is_empty()),
            optional: false,
        })
    }
}

/// Finds the packages that can be reached, by their position, and the marker of each.
pub(in crate::python) fn reachable(roots: &[Edge], nodes: &[Node]) -> BTreeMap<usize, Option<String>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, node) in nodes.iter().enumerate() {
        by_name.entry(&node.name).or_default().push(position);
    }
    let mut reached: BTreeMap<usize, Reached> = BTreeMap::new();
    let mut waiting: BTreeSet<usize> = BTreeSet::new();
    let none = BTreeSet::new();
    let start = BTreeSet::from([BTreeSet::new()]);
    let follow = |edge: &Edge,
                  active: &BTreeSet<String>,
                  ways: &BTreeSet<BTreeSet<String>>,
                  reached: &mut BTreeMap<usize, Reached>| {
        let condition = match without_extras(edge.marker.as_deref(), active) {
            Condition::Never => return BTreeSet::new(),
            Condition::Always => None,
            // The same marker, written in two ways, is one.
            Condition::When(marker) if marker.contains('\'') => Some(marker),
            Condition::When(marker) => Some(marker.replace('"', "'")),
        };
        let candidates = by_name.get(edge.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let fitting = candidates.iter().filter(|position| edge.constraint.allows(&nodes[**position].version));
        let mut changed = BTreeSet::new();
        for position in fitting {
            let entry_extras = &nodes[*position].stands_for;
            if !entry_extras.is_subset(&edge.extras) {
                continue;
            }
            let entry = reached.entry(*position).or_default();
            let before = entry.clone();
            entry.extras.extend(edge.extras.iter().cloned());
            for way in ways {
                let mut way = way.clone();
                if way.len() < MAXIMAL_MARKERS {
                    way.extend(condition.clone());
                }
                add_way(&mut entry.ways, way);
            }
            if *entry != before {
                changed.insert(*position);
            }
        }
        changed
    };
    for root in roots {
        waiting.extend(follow(root, &none, &start, &mut reached));
    }
    while let Some(position) = waiting.pop_first() {
        let Some(Reached { ways, extras }) = reached.get(&position).cloned() else { continue };
        let node = &nodes[position];
        for edge in &node.edges {
            let named =
                |extra: &String| node.extras.get(extra).is_some_and(|names| names.contains(&edge.name));
            let marked = edge.marker.as_deref().is_some_and(|marker| marker.contains("extra"));
            if edge.optional && !marked && !extras.iter().any(named) {
                continue;
            }
            waiting.extend(follow(edge, &extras, &ways, &mut reached));
        }
    }
    reached.into_iter().map(|(position, reached)| (position, marker(&reached.ways))).collect()
}

/// Adds a way, unless another one needs less anyway.
fn add_way(ways: &mut BTreeSet<BTreeSet<String>>, way: BTreeSet<String>) {
    if ways.iter().any(|known| known.is_subset(&way)) {
        return;
    }
    ways.retain(|known| !way.is_subset(known));
    ways.insert(way);
    if ways.len() > MAXIMAL_WAYS {
        *ways = BTreeSet::from([BTreeSet::new()]);
    }
}

fn marker(ways: &BTreeSet<BTreeSet<String>>) -> Option<String> {
    let all = |way: &BTreeSet<String>| way.iter().cloned().map(Some).reduce(and_markers).flatten();
    ways.iter().map(all).reduce(or_markers).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, version: &str, requirements: &[&str]) -> Node {
        let edges = requirements.iter().map(|text| Edge::parse(text).unwrap()).collect();
        Node { name: name.into(), version: version.into(), edges, ..Node::default() }
    }

    #[test]
    fn requirements_are_parsed() {
        for (text, expected) in [
            ("a", ("a", "", None, true)),
            ("A_b [x, Y_z] >=2,<3 ; os_name == 'x'", ("a-b", "x,y-z", Some("os_name == 'x'"), false)),
            ("a (>=2)", ("a", "", None, false)),
            ("a;os_name=='x'", ("a", "", Some("os_name=='x'"), true)),
            ("a[x] @ https://h/a;b.zip ; os_name == 'x'", ("a", "x", Some("os_name == 'x'"), true)),
            ("a @ https://h/a.zip", ("a", "", None, true)),
        ] {
            let edge = Edge::parse(text).unwrap();
            let extras = edge.extras.iter().cloned().collect::<Vec<_>>().join(",");
            let found =
                (edge.name.as_str(), extras.as_str(), edge.marker.as_deref(), edge.constraint.allows("1"));
            assert_eq!(found, expected, "{text}");
        }
        assert!(Edge::parse("@ x").is_none());
    }

    #[test]
    fn markers_of_the_paths_come_together() {
        let nodes = [
            node("a", "1", &["b ; os_name == 'x'", "c", "e[s]"]),
            node("b", "1", &["c ; sys_platform == 'w'", "d ; sys_platform == 'w'", "a"]),
            node("c", "1", &["b ; os_name == 'y'"]),
            node("d", "1", &[]),
            node("e", "1", &["f ; extra == 's'", "g ; extra == 't'", "h ; extra == 's' and os_name == 'z'"]),
            node("f", "1", &[]),
            node("g", "1", &[]),
            node("h", "1", &["e[t] ; os_name == 'q'"]),
            node("unneeded", "1", &["a"]),
            node("v", "1", &[]),
            node("v", "2", &[]),
        ];
        let roots = ["a>=1", "v<2 ; os_name == 'x'", "v>=2 ; os_name != 'x'", "missing"];
        let roots: Vec<_> = roots.iter().map(|text| Edge::parse(text).unwrap()).collect();
        let found: Vec<_> = reachable(&roots, &nodes)
            .into_iter()
            .map(|(position, marker)| {
                format!(
                    "{}=={} ; {}",
                    nodes[position].name,
                    nodes[position].version,
                    marker.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "a==1 ; ",
                "b==1 ; os_name == 'x' or os_name == 'y'",
                "c==1 ; ",
                "d==1 ; (os_name == 'x' and sys_platform == 'w') or (os_name == 'y' and sys_platform == 'w')",
                "e==1 ; ",
                "f==1 ; ",
                "g==1 ; ",
                "h==1 ; os_name == 'z'",
                "v==1 ; os_name == 'x'",
                "v==2 ; os_name != 'x'",
            ]
        );
    }

    #[test]
    fn optional_dependencies_count_for_the_extras_that_name_them() {
        let mut parent = node("a", "1", &["b", "c"]);
        parent.edges.iter_mut().for_each(|edge| edge.optional = true);
        parent.extras = BTreeMap::from([("x".to_owned(), BTreeSet::from(["b".to_owned()]))]);
        let nodes = [parent, node("b", "1", &[]), node("c", "1", &[])];
        let found = reachable(&[Edge::parse("a[x]").unwrap()], &nodes);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn too_many_ways_are_no_condition_at_all() {
        let roots: Vec<_> =
            (0..20).map(|number| Edge::parse(&format!("a ; os_name == '{number}'")).unwrap()).collect();
        assert_eq!(reachable(&roots, &[node("a", "1", &[])]), BTreeMap::from([(0, None)]));
    }
}
