//! METADATA of installed distributions: what they need.
//! <https://packaging.python.org/en/latest/specifications/core-metadata/>

use std::collections::{BTreeMap, BTreeSet};

use super::locked::{Condition, Edge, without_extras};
use super::requirements::normalised_name;

/// A distribution's name and what it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name as PEP 503 normalises it.
    pub name: String,
    /// The requirements as they are written, those of extras included.
    pub requires: Vec<String>,
}

/// Reads the header of METADATA.
pub fn parse_metadata(text: &str) -> Metadata {
    let mut metadata = Metadata::default();
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        match line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim())) {
            Some((field, value)) if field == "name" => metadata.name = normalised_name(value),
            Some((field, value)) if field == "requires-dist" => metadata.requires.push(value.to_owned()),
            _ => {}
        }
    }
    metadata
}

/// Lists what distributions need besides each other, each with the extras that are asked for: requirements in a
/// fixed order.
pub fn needs(distributions: &[(Metadata, BTreeSet<String>)]) -> BTreeSet<String> {
    let mut extras: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (metadata, asked) in distributions {
        extras.entry(&metadata.name).or_default().extend(asked.iter().cloned());
    }
    // One can ask for extras of another, and of itself.
    loop {
        let mut found = BTreeSet::new();
        let before = extras.clone();
        for (metadata, _) in distributions {
            for text in &metadata.requires {
                let Some(need) = needed(text, &before[metadata.name.as_str()]) else { continue };
                match Edge::parse(&need) {
                    Some(edge) if extras.contains_key(edge.name.as_str()) => {
                        extras.entry(known_name(distributions, &edge.name)).or_default().extend(edge.extras);
                    }
                    _ => {
                        found.insert(need);
                    }
                }
            }
        }
        if extras == before {
            return found;
        }
    }
}

fn known_name<'a>(distributions: &'a [(Metadata, BTreeSet<String>)], name: &str) -> &'a str {
    let mut names = distributions.iter().map(|(metadata, _)| metadata.name.as_str());
    names.find(|known| *known == name).unwrap_or_default()
}

/// Returns a requirement without what its marker says about extras, unless nobody asks for these.
fn needed(requirement: &str, extras: &BTreeSet<String>) -> Option<String> {
    // A URL may have a semicolon; its marker stands after a blank.
    let separator = if requirement.contains(" @ ") { " ;" } else { ";" };
    let (what, marker) = match requirement.split_once(separator) {
        Some((what, marker)) => (what.trim(), Some(marker.trim())),
        None => (requirement.trim(), None),
    };
    match without_extras(marker, extras) {
        Condition::Never => None,
        Condition::Always => Some(what.to_owned()),
        Condition::When(marker) => Some(format!("{what} ; {marker}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_distributions_need_is_found_with_their_extras() {
        let read = |text: &str, extras: &[&str]| {
            (parse_metadata(text), extras.iter().map(|extra| (*extra).to_owned()).collect())
        };
        let shop = "Metadata-Version: 2.4\nName: Shop_App\nRequires-Dist: six>=1\nRequires-Dist: tool[fast]\n\
                    Requires-Dist: idna; python_version > \"3\"\nRequires-Dist: dev; extra == \"dev\"\n\
                    Requires-Dist: shop-app[db]; extra == \"all\"\nRequires-Dist: pg; extra == \"db\" and os_name == \"posix\"\n\
                    Requires-Dist: x @ https://h.test/x;y.whl ; extra == \"db\"\n\nRequires-Dist: of the text\n";
        let tool = "Name: tool\nRequires-Dist: slow\nRequires-Dist: c-ext; extra == 'fast'\n";
        for (extras, expected) in [
            (&[][..], &["c-ext", "idna ; python_version > \"3\"", "six>=1", "slow"][..]),
            (
                &["all"],
                &[
                    "c-ext",
                    "idna ; python_version > \"3\"",
                    "pg ; os_name == \"posix\"",
                    "six>=1",
                    "slow",
                    "x @ https://h.test/x;y.whl",
                ],
            ),
        ] {
            let found = needs(&[read(shop, extras), read(tool, &[])]);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{extras:?}");
        }
    }
}
