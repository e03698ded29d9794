//! pip.conf, as Python's `configparser` reads it.

use std::collections::BTreeMap;

use super::normalised_name;

/// Sections with their settings, names normalised.
pub(super) type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// What every section gets that doesn't have it itself.
const FOR_ALL: &str = "DEFAULT";

/// Parses a file. A line that makes no sense, on which pip would give up, is left out.
pub(super) fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut option: Option<(String, usize)> = None;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let content = line.trim();
        if content.starts_with(['#', ';']) {
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        let continued =
            option.as_ref().filter(|(_, of_option)| content.is_empty() || indentation > *of_option);
        if let (Some(section), Some((name, _))) = (&section, continued) {
            if let Some(value) = sections.get_mut(section).and_then(|settings| settings.get_mut(name)) {
                value.push('\n');
                value.push_str(content);
            }
        } else if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            sections.entry(name.0.to_owned()).or_default();
            (section, option) = (Some(name.0.to_owned()), None);
        } else if let (Some(section), Some((name, value))) = (&section, content.split_once(['=', ':'])) {
            let name = normalised_name(name.trim());
            sections.entry(section.clone()).or_default().insert(name.clone(), value.trim().to_owned());
            option = Some((name, indentation));
        }
    }
    for value in sections.values_mut().flat_map(BTreeMap::values_mut) {
        value.truncate(value.trim_end().len());
    }
    let for_all = sections.remove(FOR_ALL).unwrap_or_default();
    for settings in sections.values_mut() {
        for (name, value) in &for_all {
            settings.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_configparser_does() {
        for (text, expected) in [
            ("[global]\nindex-url = https://h/\n", vec![("global", "index-url", "https://h/")]),
            ("[global]\nIndex_URL: a=b:c\r\n", vec![("global", "index-url", "a=b:c")]),
            ("; x\n# y\n[install]\n  # z\nno-index=yes", vec![("install", "no-index", "yes")]),
            (
                "[global]\nfind-links =\n    a\n    # no\n\n    b\npre = 1",
                vec![("global", "find-links", "\na\n\nb"), ("global", "pre", "1")],
            ),
            (
                "[global]\na = 1 # part of it\n[global]\nb = 2",
                vec![("global", "a", "1 # part of it"), ("global", "b", "2")],
            ),
            ("[DEFAULT]\na = 1\nb = 2\n[install]\nb = 3", vec![("install", "a", "1"), ("install", "b", "3")]),
            ("\u{feff}[global]\na = 1", vec![("global", "a", "1")]),
            ("a = 1\n[global]\nnothing\n  b = 2\n", vec![("global", "b", "2")]),
            ("[glo", vec![]),
            ("", vec![]),
        ] {
            let sections = parse(text);
            let found: Vec<_> = sections
                .iter()
                .flat_map(|(section, settings)| {
                    settings.iter().map(move |(name, value)| (section, name, value))
                })
                .map(|(section, name, value)| (section.as_str(), name.as_str(), value.as_str()))
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
