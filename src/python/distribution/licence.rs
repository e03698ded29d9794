//! The licence of a distribution: an SPDX expression where it has one (PEP 639), else what its free text and its
//! classifiers come to. What they don't say isn't guessed.

/// What METADATA says about the licence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LicenceFacts {
    /// `License-Expression`
    pub expression: Option<String>,
    /// `License`: a name, or a whole text.
    pub text: Option<String>,
    /// The classifiers that begin with `License ::`.
    pub classifiers: Vec<String>,
    /// The files with the texts, as `License-File` names them.
    pub files: Vec<String>,
}

/// A licence, as exactly as it is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Licence {
    /// An SPDX expression.
    Expression(String),
    /// A licence of SPDX's list.
    Id(&'static str),
    /// A name that SPDX's list doesn't have, or has several times.
    Named(String),
}

/// The licences of SPDX's list that Python packages name most.
const IDS: &[&str] = &[
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "Artistic-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CNRI-Python",
    "EPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ISC",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "PSF-2.0",
    "Python-2.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
    "ZPL-2.1",
];

/// What people write for them; only what can't mean anything else. Compared in lower case.
const ALIASES: &[(&str, &str)] = &[
    ("apache 2", "Apache-2.0"),
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("apache software license 2.0", "Apache-2.0"),
    ("apache-2", "Apache-2.0"),
    ("2-clause bsd", "BSD-2-Clause"),
    ("3-clause bsd", "BSD-3-Clause"),
    ("3-clause bsd license", "BSD-3-Clause"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd 3-clause license", "BSD-3-Clause"),
    ("bsd-3-clause license", "BSD-3-Clause"),
    ("isc license", "ISC"),
    ("mit license", "MIT"),
    ("the mit license", "MIT"),
    ("the mit license (mit)", "MIT"),
    ("mpl 2.0", "MPL-2.0"),
    ("mozilla public license 2.0", "MPL-2.0"),
    ("psfl", "PSF-2.0"),
    ("the unlicense (unlicense)", "Unlicense"),
];

/// The last part of the classifiers that name one licence of SPDX's list. Others, such as `BSD License`, name a
/// family: PEP 639 lists them as ambiguous.
const CLASSIFIERS: &[(&str, &str)] = &[
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
    ("Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
    ("GNU Affero General Public License v3", "AGPL-3.0-only"),
    ("GNU Affero General Public License v3 or later (AGPLv3+)", "AGPL-3.0-or-later"),
    ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
    ("GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
    ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
    ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
    ("GNU Lesser General Public License v3 or later (LGPLv3+)", "LGPL-3.0-or-later"),
    ("Historical Permission Notice and Disclaimer (HPND)", "HPND"),
    ("ISC License (ISCL)", "ISC"),
    ("MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("Mozilla Public License 1.1 (MPL 1.1)", "MPL-1.1"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("The Unlicense (Unlicense)", "Unlicense"),
    ("University of Illinois/NCSA Open Source License", "NCSA"),
    ("zlib/libpng License", "Zlib"),
];

/// A longer text isn't a name.
const LONGEST_NAME: usize = 100;

impl LicenceFacts {
    /// Says which licences these facts come to.
    pub fn licences(&self) -> Vec<Licence> {
        if let Some(expression) = &self.expression {
            return vec![expression_or_id(expression)];
        }
        let text = self.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        if let Some(known) = text.and_then(known_text) {
            return vec![known];
        }
        let mut licences: Vec<Licence> =
            self.classifiers.iter().filter_map(|text| classified(text)).collect();
        licences.sort();
        licences.dedup();
        if licences.is_empty() {
            let is_name = |text: &&str| text.chars().count() <= LONGEST_NAME && !text.contains('\n');
            licences.extend(text.filter(is_name).map(|text| Licence::Named(text.to_owned())));
        }
        licences
    }
}

fn id(name: &str) -> Option<&'static str> {
    IDS.iter().find(|id| id.eq_ignore_ascii_case(name)).copied()
}

fn expression_or_id(text: &str) -> Licence {
    id(text).map_or_else(|| Licence::Expression(text.to_owned()), Licence::Id)
}

/// Reads a free text that is an id, an alias of one, or an expression of ids.
fn known_text(text: &str) -> Option<Licence> {
    if let Some(id) = id(text) {
        return Some(Licence::Id(id));
    }
    let lower = text.to_lowercase();
    if let Some((_, id)) = ALIASES.iter().find(|(alias, _)| *alias == lower) {
        return Some(Licence::Id(id));
    }
    let words: Vec<&str> = text.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
    let is_expression = words.len() > 2
        && words.len() % 2 == 1
        && words.iter().enumerate().all(|(index, word)| match index % 2 {
            0 => IDS.contains(word),
            _ => ["AND", "OR"].contains(word),
        })
        && text.matches('(').count() == text.matches(')').count();
    is_expression.then(|| Licence::Expression(text.to_owned()))
}

fn classified(classifier: &str) -> Option<Licence> {
    let name = classifier.rsplit("::").next()?.trim();
    // The head of the list says nothing about which one.
    if name.is_empty() || name == "OSI Approved" || name == "License" {
        return None;
    }
    let known = CLASSIFIERS.iter().find(|(text, _)| *text == name);
    Some(known.map_or_else(|| Licence::Named(name.to_owned()), |(_, id)| Licence::Id(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_as_exact_as_what_is_said() {
        let named = |name: &str| Licence::Named(name.into());
        let osi = |name: &str| format!("License :: OSI Approved :: {name}");
        let long = "Permission is hereby granted\nto all";
        for (expression, text, classifiers, expected) in [
            (Some("MIT"), None, vec![osi("BSD License")], vec![Licence::Id("MIT")]),
            (
                Some("MIT OR Apache-2.0"),
                Some("x"),
                vec![],
                vec![Licence::Expression("MIT OR Apache-2.0".into())],
            ),
            (None, Some("Apache License, Version 2.0"), vec![], vec![Licence::Id("Apache-2.0")]),
            (None, Some("MIT OR Apache-2.0"), vec![], vec![Licence::Expression("MIT OR Apache-2.0".into())]),
            (None, Some("bsd-3-clause"), vec![osi("BSD License")], vec![Licence::Id("BSD-3-Clause")]),
            (None, Some("BSD"), vec![osi("BSD License")], vec![named("BSD License")]),
            (None, Some(long), vec![osi("MIT License")], vec![Licence::Id("MIT")]),
            (
                None,
                None,
                vec![osi("MIT License"), osi("Apache Software License"), osi("MIT License")],
                vec![Licence::Id("MIT"), named("Apache Software License")],
            ),
            (None, Some("Proprietary"), vec!["License :: OSI Approved".into()], vec![named("Proprietary")]),
            (None, Some(long), vec![], vec![]),
            (None, None, vec![], vec![]),
        ] {
            let facts = LicenceFacts {
                expression: expression.map(str::to_owned),
                text: text.map(str::to_owned),
                classifiers: classifiers.clone(),
                files: vec![],
            };
            assert_eq!(facts.licences(), expected, "{facts:?}");
        }
    }

    #[test]
    fn the_tables_name_known_licences() {
        for (text, id) in ALIASES.iter().chain(CLASSIFIERS) {
            assert!(IDS.contains(id), "{text}: {id}");
        }
    }
}
