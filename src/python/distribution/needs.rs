//! What installed distributions need besides each other, as their METADATA says it.

use std::collections::{BTreeMap, BTreeSet};

use super::Distribution;
use crate::python::locked::{Condition, without_extras};

/// Lists what distributions need besides each other, each with the extras that are asked for: requirements in a
/// fixed order.
pub fn needs(distributions: &[(Distribution, BTreeSet<String>)]) -> BTreeSet<String> {
    let mut extras: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (distribution, asked) in distributions {
        extras.entry(distribution.key()).or_default().extend(asked.iter().cloned());
    }
    // One can ask for extras of another, and of itself.
    loop {
        let mut found = BTreeSet::new();
        let before = extras.clone();
        for (distribution, _) in distributions {
            for dependency in &distribution.requires {
                let Some(need) = needed(&dependency.text, &before[&distribution.key()]) else { continue };
                match extras.get_mut(&dependency.name) {
                    Some(asked) => asked.extend(dependency.extras.iter().cloned()),
                    None => {
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
    use super::super::parse_metadata;
    use super::*;

    #[test]
    fn what_distributions_need_is_found_with_their_extras() {
        let read = |text: &str, extras: &[&str]| {
            (
                parse_metadata(text.as_bytes()).unwrap(),
                extras.iter().map(|extra| (*extra).to_owned()).collect(),
            )
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
