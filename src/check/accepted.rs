//! Findings that the app's authors accept: by a comment beside the line, or in pyproject.toml. Each needs a reason.

use std::sync::LazyLock;

use regex::Regex;

use super::facts::Facts;
use super::finding::Finding;

/// `# slugc: ignore[files::large] The model is loaded at start.`
static COMMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"#\s*slugc:\s*ignore\[([^\]]+)\]\s*(\S.*)").ok());

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
    let (mut open, mut accepted) = (Vec::new(), Vec::new());
    for finding in findings {
        match by_comment(&finding, facts).or_else(|| by_settings(&finding, facts)) {
            Some(reason) => accepted.push(Accepted { finding, reason }),
            None => open.push(finding),
        }
    }
    (open, accepted)
}

/// A comment in the line of the finding, or in the one above.
fn by_comment(finding: &Finding, facts: &Facts) -> Option<String> {
    let place = finding.place.as_ref()?;
    let lines: Vec<&str> = facts.texts.get(&place.file)?.lines().collect();
    [place.line.checked_sub(1), place.line.checked_sub(2)].into_iter().flatten().find_map(|index| {
        let found = COMMENT.as_ref()?.captures(lines.get(index)?)?;
        let is_named = found[1].split(',').any(|id| id.trim() == finding.code.entry().id);
        is_named.then(|| found[2].trim().to_owned())
    })
}

/// `[tool.slugc.check.ignore]` in pyproject.toml: an id, and the reason.
fn by_settings(finding: &Finding, facts: &Facts) -> Option<String> {
    let project: toml::Table = facts.texts.get("pyproject.toml")?.parse().ok()?;
    let mut table = &project;
    for name in ["tool", "slugc", "check", "ignore"] {
        table = table.get(name)?.as_table()?;
    }
    let reason = table.get(finding.code.entry().id)?.as_str()?.trim();
    (!reason.is_empty()).then(|| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::check::tests::app;

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
            assert_eq!(open.len(), usize::from(expected.is_none()), "{procfile} {pyproject} {open:#?}");
        }
    }
}
