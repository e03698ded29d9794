//! Findings that the app's authors accept: by a comment beside the line, or in pyproject.toml. Each needs a reason.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::facts::Facts;
use super::finding::Finding;

/// What precedes the ids in a comment.
pub(super) const IGNORE: &str = "ignore[";

/// `# slugc: ignore[files::large] The model is loaded at start.`
static COMMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"#\s*slugc:\s*ignore\[([^\]]+)\](.*)").ok());

/// A finding that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The finding.
    pub finding: Finding,
    /// Why it is accepted.
    pub reason: String,
}

/// Takes out the findings that are accepted.
pub(crate) fn accept(findings: Vec<Finding>, facts: &Facts) -> (Vec<Finding>, Vec<Accepted>) {
    let (comments, settings) = (read_comments(facts), read_settings(facts));
    let (mut open, mut accepted) = (Vec::new(), Vec::new());
    for finding in findings {
        let by_settings = || settings.get(finding.code.entry().id).cloned();
        match by_comment(&finding, &comments).or_else(by_settings) {
            Some(reason) => accepted.push(Accepted { finding, reason }),
            None => open.push(finding),
        }
    }
    (open, accepted)
}

/// The ids in brackets and the reason, by file and line.
pub(super) type Comments<'a> = BTreeMap<(&'a str, usize), (&'a str, &'a str)>;

/// Reads all comments once: there may be as many findings as lines.
pub(super) fn read_comments(facts: &Facts) -> Comments<'_> {
    let marked = facts.texts.iter().filter(|(_, text)| text.contains(IGNORE));
    marked
        .flat_map(|(file, text)| {
            text.lines().enumerate().filter_map(|(index, line)| {
                let found = COMMENT.as_ref()?.captures(line)?;
                let (_, [ids, reason]) = found.extract();
                Some(((file.as_str(), index + 1), (ids, reason.trim())))
            })
        })
        .collect()
}

/// A comment in the line of the finding, or in the one above.
fn by_comment(finding: &Finding, comments: &Comments<'_>) -> Option<String> {
    let place = finding.place.as_ref()?;
    [Some(place.line), place.line.checked_sub(1)].into_iter().flatten().find_map(|line| {
        let (ids, reason) =
            comments.get(&(place.file.as_str(), line)).filter(|(_, reason)| !reason.is_empty())?;
        ids.split(',').any(|id| id.trim() == finding.code.entry().id).then(|| (*reason).to_owned())
    })
}

/// `[tool.slugc.check.ignore]` in pyproject.toml: an id, and the reason.
fn read_settings(facts: &Facts) -> BTreeMap<String, String> {
    let read = || {
        let project: toml::Table = facts.texts.get("pyproject.toml")?.parse().ok()?;
        let table = table_of(&project, &["tool", "slugc", "check", "ignore"])?;
        let reasons =
            table.iter().filter_map(|(id, reason)| Some((id.clone(), reason.as_str()?.trim().to_owned())));
        Some(reasons.filter(|(_, reason)| !reason.is_empty()).collect())
    };
    read().unwrap_or_default()
}

/// Returns the table at the end of some keys.
pub(super) fn table_of<'a>(table: &'a toml::Table, keys: &[&str]) -> Option<&'a toml::Table> {
    keys.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::check::tests::app;
    use crate::error::FindingCode;

    // C29
    #[test]
    fn a_finding_is_accepted_with_a_reason_only() {
        let fixed = "web: gunicorn -b 0.0.0.0:8000 wsgi:app\n";
        let comment = |text: &str| format!("{text}\n{fixed}");
        let ignore = |text: &str| format!("[tool.slugc.check.ignore]\n{text}\n");
        for (procfile, pyproject, expected) in [
            (fixed.to_owned(), String::new(), None),
            (
                comment("# slugc: ignore[command::fixed-port] behind a proxy"),
                String::new(),
                Some("behind a proxy"),
            ),
            (
                comment("# slugc: ignore[files::large, command::fixed-port] proxied"),
                String::new(),
                Some("proxied"),
            ),
            (comment("# slugc: ignore[command::fixed-port]"), String::new(), None),
            (comment("# slugc: ignore[command::no-port] proxied"), String::new(), None),
            (comment("# slugc: ignore[command::fixed-port] proxied\n# and more"), String::new(), None),
            (fixed.to_owned(), ignore("\"command::fixed-port\" = \"proxied\""), Some("proxied")),
            (fixed.to_owned(), ignore("\"command::fixed-port\" = \" \""), None),
            (
                fixed.to_owned(),
                "[tool.slugc]\ncheck.ignore = { \"command::fixed-port\" = \"x\" }\n".to_owned(),
                Some("x"),
            ),
            (fixed.to_owned(), "not TOML".to_owned(), None),
        ] {
            let facts =
                app(&[("Procfile", &procfile), ("wsgi.py", "app = 1\n"), ("pyproject.toml", &pyproject)]);
            let (open, accepted) = accept(check(&facts), &facts);
            let reason = accepted.first().map(|accepted| accepted.reason.as_str());
            assert_eq!(reason, expected, "{procfile} {pyproject}");
            let open: Vec<_> =
                open.iter().filter(|finding| finding.code == FindingCode::CommandFixedPort).collect();
            assert_eq!(open.len(), usize::from(expected.is_none()), "{procfile} {pyproject} {open:#?}");
        }
    }
}
