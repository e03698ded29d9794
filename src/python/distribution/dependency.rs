//! `Requires-Dist`: what a distribution requires.

use std::collections::BTreeSet;

use super::marker::{MarkerValues, evaluate};
use crate::python::locked::{Constraint, Edge};

/// A requirement on another distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The normalised name.
    pub name: String,
    /// The extras that are asked for, normalised.
    pub extras: BTreeSet<String>,
    /// When it counts, as it is written.
    pub marker: Option<String>,
    /// The whole requirement, as it is written.
    pub text: String,
    versions: Constraint,
}

impl Dependency {
    /// Parses a requirement such as `a[b]>=1 ; os_name == 'posix'`.
    pub fn parse(text: &str) -> Option<Self> {
        let Edge { name, constraint: versions, extras, marker, .. } = Edge::parse(text)?;
        Some(Self { name, extras, marker, text: text.to_owned(), versions })
    }

    /// Tells whether a version is good enough; so is one that can't be read.
    pub fn allows(&self, version: &str) -> bool {
        self.versions.allows(version)
    }

    /// Tells whether it counts on a machine, if these extras of the distribution that requires it are wanted. A
    /// marker that can't be read holds.
    pub fn holds(&self, values: &MarkerValues, extras: &BTreeSet<String>) -> bool {
        self.marker.as_deref().and_then(|marker| evaluate(marker, values, extras)).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_counts_where_its_marker_holds() {
        let values = MarkerValues::of_linux("3.12.4", "x86_64");
        for (text, extra, version, expected) in [
            ("a>=2", "", "2.1", (true, true)),
            ("a (>=2,<3)", "", "3.0", (true, false)),
            ("a==1.* ; python_version < '3.8'", "", "1.4", (false, true)),
            ("a ; extra == 'x'", "", "1", (false, true)),
            ("a ; extra == 'x'", "x", "1", (true, true)),
            ("a ; nonsense", "", "1", (true, true)),
            ("a @ https://example.org/a.zip", "", "1", (true, true)),
        ] {
            let dependency = Dependency::parse(text).unwrap();
            let extras = BTreeSet::from([extra.to_owned()]);
            assert_eq!((dependency.holds(&values, &extras), dependency.allows(version)), expected, "{text}");
        }
        assert_eq!(Dependency::parse("; x"), None);
    }
}
