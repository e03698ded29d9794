//! What the app says to slugc itself and has no effect: settings in pyproject.toml and comments whose names are misspelt,
//! or that lack the reason which they need.

use std::collections::BTreeSet;

use super::accepted::{IGNORE, read_comments, table_of};
use super::facts::Facts;
use super::finding::{Finding, line_of, point_at};
use crate::error::FindingCode;
use crate::error::similar::closest_own;

/// More of them are one mistake.
const MOST: usize = 20;

/// Finds what is meant for slugc and has no effect.
pub(super) fn check_settings(facts: &Facts) -> Vec<Finding> {
    let mut found = in_pyproject(facts);
    found.extend(in_comments(facts));
    found.truncate(MOST);
    found
}

fn in_pyproject(facts: &Facts) -> Vec<Finding> {
    const FILE: &str = "pyproject.toml";
    let Some(text) = facts.texts.get(FILE).filter(|text| text.contains("slugc")) else { return Vec::new() };
    let at = |words: &str, message: String| {
        let line = text.lines().position(|line| line.contains(words)).unwrap_or_default();
        let place = line_of(text, line + 1).map(|line_text| point_at(FILE, line + 1, &line_text, words, ""));
        Finding::new(FindingCode::SettingsNoEffect, message).at(place)
    };
    let project: toml::Table = match text.parse() {
        Ok(project) => project,
        Err(_) if !text.contains("tool.slugc") => return Vec::new(),
        Err(_) => {
            return vec![at("tool.slugc", format!("{FILE} isn't TOML, so nothing of [tool.slugc] counts."))];
        }
    };
    let Some(settings) = table_of(&project, &["tool", "slugc"]) else { return Vec::new() };
    let unknown = |name: &str, of: &str, known: &str| {
        let hint = match name == known {
            true => format!(" `{of}.{known}` is a table."),
            false => format!(" `{of}` has `{known}` only."),
        };
        at(name, format!("`{of}.{name}` isn't a setting of slugc.{hint}"))
    };
    let mut found = Vec::new();
    let check = table_of(settings, &["check"]);
    let others = settings.keys().filter(|name| *name != "check" || check.is_none());
    found.extend(others.map(|name| unknown(name, "tool.slugc", "check")));
    let Some(check) = check else { return found };
    let ignore = table_of(check, &["ignore"]);
    let others = check.keys().filter(|name| *name != "ignore" || ignore.is_none());
    found.extend(others.map(|name| unknown(name, "tool.slugc.check", "ignore")));
    for (id, reason) in ignore.into_iter().flatten() {
        let has_reason = reason.as_str().is_some_and(|reason| !reason.trim().is_empty());
        found.extend(fault(id, has_reason).map(|fault| at(id, fault)));
    }
    found
}

fn in_comments(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for ((file, line), (ids, reason)) in read_comments(facts) {
        let at = |words: &str, message| {
            let text = facts.texts.get(file).and_then(|text| line_of(text, line)).unwrap_or_default();
            Finding::new(FindingCode::SettingsNoEffect, message)
                .at(Some(point_at(file, line, &text, words, "")))
        };
        // One comment has one reason.
        let faults: BTreeSet<(&str, String)> = ids
            .split(',')
            .filter_map(|id| Some((id.trim(), fault(id.trim(), !reason.is_empty())?)))
            .collect();
        found.extend(faults.into_iter().map(|(id, fault)| at(id, fault)));
        if found.len() >= MOST {
            break;
        }
    }
    found
}

/// Says why accepting a finding of this id has no effect; nothing if it has.
fn fault(id: &str, has_reason: bool) -> Option<String> {
    let ids = || FindingCode::ALL.iter().map(|code| code.entry().id);
    if !ids().any(|known| known == id) {
        let meant = closest_own(id, ids()).map(|meant| format!(": is `{meant}` meant?"));
        return Some(format!("`{id}` isn't the id of a finding{}", meant.unwrap_or_else(|| ".".to_owned())));
    }
    (!has_reason).then(|| {
        format!("`{id}` is accepted without a reason: `# slugc: {IGNORE}{id}] WHY`, or `\"{id}\" = \"WHY\"`.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::app;

    // C29, U11
    #[test]
    fn what_has_no_effect_is_told_at_its_place() {
        let ignore = |text: &str| format!("[project]\nname = 'x'\n[tool.slugc.check.ignore]\n{text}\n");
        for (file, text, expected) in [
            // What has an effect, and what isn't for slugc.
            ("pyproject.toml", ignore("\"command::fixed-port\" = \"proxied\""), None),
            ("pyproject.toml", "[project]\nname = 'slugc'\n".to_owned(), None),
            ("pyproject.toml", "not TOML".to_owned(), None),
            ("Procfile", "# slugc: ignore[command::fixed-port] proxied\nweb: x\n".to_owned(), None),
            ("wsgi.py", "# see slugc's ignore[xyz]\n".to_owned(), None),
            // Misspelt ids.
            (
                "pyproject.toml",
                ignore("\"command::fixed-prt\" = \"proxied\""),
                Some((4, "`command::fixed-prt` isn't the id of a finding: is `command::fixed-port` meant?")),
            ),
            (
                "pyproject.toml",
                ignore("\"command::fixed-port\" = \"proxied\"\nlarge = \"x\""),
                Some((5, "`large` isn't the id of a finding.")),
            ),
            (
                "Procfile",
                "web: x\n# slugc: ignore[command::fixed-port, files::larg] proxied\n".to_owned(),
                Some((2, "`files::larg` isn't the id of a finding: is `files::large` meant?")),
            ),
            (
                "wsgi.py",
                "app = 1  # slugc: ignore[config-vars::prot] x\n".to_owned(),
                Some((1, "is `config-vars::port` meant?")),
            ),
            // Reasons.
            (
                "pyproject.toml",
                ignore("\"files::large\" = \" \""),
                Some((4, "`files::large` is accepted without a reason")),
            ),
            ("pyproject.toml", ignore("\"files::large\" = true"), Some((4, "without a reason"))),
            ("wsgi.py", "x = 1\n# slugc: ignore[files::large]\n".to_owned(), Some((2, "without a reason"))),
            // Settings.
            (
                "pyproject.toml",
                "[tool.slugc]\nmax-size = '1M'\n".to_owned(),
                Some((2, "`tool.slugc.max-size` isn't a setting of slugc. `tool.slugc` has `check` only.")),
            ),
            (
                "pyproject.toml",
                "[tool.slugc.check.ignored]\n'files::large' = 'x'\n".to_owned(),
                Some((1, "`tool.slugc.check.ignored` isn't a setting of slugc")),
            ),
            (
                "pyproject.toml",
                "[tool.slugc]\ncheck = 'off'\n".to_owned(),
                Some((2, "`tool.slugc.check` isn't a setting of slugc. `tool.slugc.check` is a table.")),
            ),
            (
                "pyproject.toml",
                "[tool.slugc.check.ignore\n'files::large' = 'x'\n".to_owned(),
                Some((1, "isn't TOML, so nothing of [tool.slugc] counts")),
            ),
        ] {
            let found = check_settings(&app(&[(file, &text)]));
            match expected {
                None => assert_eq!(found, [], "{text}"),
                Some((line, words)) => {
                    let [one] = found.as_slice() else { panic!("{text}: {found:#?}") };
                    let place = one.place.as_ref().unwrap();
                    assert_eq!((place.file.as_str(), place.line), (file, line), "{text}");
                    assert!(one.message.contains(words), "{text}: {}", one.message);
                }
            }
        }
        let many: String = (0..50_000).map(|n| format!("# slugc: ignore[x::y{n}] z\n")).collect();
        assert_eq!(check_settings(&app(&[("wsgi.py", &many)])).len(), MOST);
    }
}
