//! Findings for those who read them: people, programs (JSON), code scanning (SARIF 2.1.0) and GitHub's workflow
//! annotations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::accepted::Accepted;
use super::catalogue::{FindingCode, Severity};
use super::finding::Finding;
use crate::error::Snippet;
use crate::error::escape::escape;
use crate::output::Report;

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

impl Counts {
    /// Counts findings.
    pub fn of(findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        }
    }

    /// Says it in words: `1 error, 2 warnings`.
    pub fn describe(self) -> String {
        let word = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            count => Some(format!("{count} {word}s")),
        };
        let parts = [word(self.errors, "error"), word(self.warnings, "warning"), word(self.notes, "note")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "Nothing found".to_owned() } else { parts.join(", ") }
    }
}

/// Renders findings for people, whose terminal is so wide. What to do is said once where it is the same.
pub fn render_text(findings: &[Finding], color: bool, width: usize) -> String {
    let mut last_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        last_of.insert(finding.fix(), index);
    }
    let mut text = String::new();
    for (index, finding) in findings.iter().enumerate() {
        let entry = finding.code.entry();
        let is_last = last_of.get(finding.fix()) == Some(&index);
        let report = Report {
            message: &finding.message,
            place: finding.place.as_ref(),
            file: finding.file.as_deref(),
            fix: if is_last { finding.fix() } else { "" },
            ..Report::new(finding.severity, entry.id, entry.title)
        };
        text.push_str(&report.render(color, width));
        text.push('\n');
    }
    text
}

/// Renders findings as JSON.
pub fn render_json(findings: &[Finding], accepted: &[Accepted], checked: &str) -> String {
    let Counts { errors, warnings, notes } = Counts::of(findings);
    let value = json!({
        "schema": 1,
        "checked": checked,
        "errors": errors,
        "warnings": warnings,
        "notes": notes,
        "findings": findings.iter().map(json_of).collect::<Vec<_>>(),
        "accepted": accepted.iter().map(accepted_of).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn accepted_of(accepted: &Accepted) -> Value {
    let Accepted { finding, reason } = accepted;
    json!({
        "id": finding.code.entry().id,
        "file": finding.file_name(),
        "line": finding.place.as_ref().map(|place| place.line),
        "reason": reason,
    })
}

fn json_of(finding: &Finding) -> Value {
    let entry = finding.code.entry();
    let mut value = json!({
        "id": entry.id,
        "severity": finding.severity.to_string(),
        "title": entry.title,
        "message": finding.message,
        "fix": finding.fix(),
    });
    if let Some(file) = finding.file_name() {
        value["file"] = json!(file);
    }
    if let Some(Snippet { line, text, span, label, .. }) = &finding.place {
        value["line"] = json!(line);
        value["column"] = json!(column(text, span.start));
        value["end_column"] = json!(column(text, span.end));
        value["label"] = json!(label);
    }
    value
}

/// Counts characters, from 1.
fn column(text: &str, byte: usize) -> usize {
    1 + text.get(..byte).unwrap_or(text).chars().count()
}

/// Renders findings as SARIF 2.1.0, as GitHub's code scanning and others read it.
pub fn render_sarif(findings: &[Finding]) -> String {
    let mut used: Vec<FindingCode> = findings.iter().map(|finding| finding.code).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used
        .iter()
        .map(|code| {
            let entry = code.entry();
            json!({
                "id": entry.id,
                "shortDescription": { "text": entry.title },
                "help": { "text": entry.fix.trim_end() },
                "defaultConfiguration": { "level": level(entry.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut result = json!({
                "ruleId": finding.code.entry().id,
                "ruleIndex": used.binary_search(&finding.code).unwrap_or_default(),
                "level": level(finding.severity),
                "message": { "text": finding.message },
            });
            if let Some(file) = finding.file_name() {
                let mut location = json!({ "artifactLocation": { "uri": uri(file) } });
                if let Some(Snippet { line, text, span, .. }) = &finding.place {
                    location["region"] = json!({
                        "startLine": line,
                        "startColumn": column(text, span.start),
                        "endColumn": column(text, span.end),
                    });
                }
                result["locations"] = json!([{ "physicalLocation": location }]);
            }
            result
        })
        .collect();
    let value = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{value:#}\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Writes a path as a relative reference: what isn't plain is escaped.
fn uri(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/+@".contains(&byte);
    path.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Renders findings as GitHub's workflow commands, which become annotations.
pub fn render_github(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| {
            let entry = finding.code.entry();
            let command = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            let mut properties = Vec::new();
            if let Some(file) = finding.file_name() {
                properties.push(format!("file={}", property(file)));
            }
            if let Some(Snippet { line, text, span, .. }) = &finding.place {
                let (start, end) = (column(text, span.start), column(text, span.end));
                properties.push(format!("line={line},col={start},endColumn={end}"));
            }
            properties.push(format!("title={}", property(entry.id)));
            let message = format!("{}\n{}", finding.message, finding.fix());
            format!("::{command} {}::{}\n", properties.join(","), data(&message))
        })
        .collect()
}

fn data(text: &str) -> String {
    escape(&text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")).into_owned()
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::point_at;

    fn example() -> Vec<Finding> {
        let place =
            point_at("Procfile", 1, "web: gunicorn -b 0.0.0.0:80 app:app", "0.0.0.0:80", "a fixed port");
        vec![
            Finding::new(FindingCode::CommandFixedPort, "gunicorn listens on port 80.").at(Some(place)),
            Finding::new(FindingCode::FilesLarge, "5.0 MB in all.").in_file("a b/x,y.psd"),
        ]
    }

    #[test]
    fn people_get_the_place_and_what_to_do() {
        insta::assert_snapshot!(render_text(&example(), false, 80), @r"
        error[command::fixed-port]: The web process listens on a port of its own.
          gunicorn listens on port 80.
         --> Procfile:1:18
          |
        1 | web: gunicorn -b 0.0.0.0:80 app:app
          |                  ^^^^^^^^^^ a fixed port
          = Take the port from the variable PORT, which is another one in each dyno: by
            the server's own option or setting for it, or in Python from
            `os.environ['PORT']`. Without it, the dyno is stopped after 60 seconds
            (R10).

        warning[files::large]: Large files are in the slug that a running app hardly
          needs.
          5.0 MB in all.
         --> a b/x,y.psd
          = Name them in .slugignore, or keep them in an object store. Every dyno
            fetches the whole slug before it boots.
        ");
    }

    #[test]
    fn annotations_are_one_line_each_with_what_would_end_them_escaped() {
        let text = render_github(&example());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with(
                "::error file=Procfile,line=1,col=18,endColumn=28,title=command%3A%3Afixed-port::gunicorn"
            ),
            "{text}"
        );
        assert!(lines[1].starts_with("::warning file=a b/x%2Cy.psd,title="), "{text}");
    }

    #[test]
    fn sarif_names_each_rule_once_and_escapes_paths() {
        let value: Value = serde_json::from_str(&render_sarif(&example())).unwrap();
        let run = &value["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 2);
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        let uri = &run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(uri, "a%20b/x%2Cy.psd");
    }

    #[test]
    fn counts_are_said_in_words() {
        assert_eq!(Counts::of(&example()).describe(), "1 error, 1 warning");
        assert_eq!(Counts::of(&[]).describe(), "Nothing found");
    }
}
