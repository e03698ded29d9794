//! What the Procfile's linter says, and what is missing from it.

use super::catalogue::{FindingCode, Severity};
use super::command::{PACKAGE_MANAGERS, parse_command};
use super::facts::Facts;
use super::finding::{Finding, point_at};
use crate::app::procfile::lines_of;

/// Checks the Procfile itself.
pub(super) fn check_procfile(facts: &Facts) -> Vec<Finding> {
    let Some((procfile, text)) = &facts.procfile else {
        return vec![missing(facts)];
    };
    let lines = lines_of(text);
    let mut findings: Vec<Finding> =
        procfile.findings.iter().map(|found| Finding::of_procfile(found, &lines)).collect();
    if !procfile.processes.iter().any(|(name, _)| name == "web") {
        let declared: Vec<&str> = procfile.processes.iter().map(|(name, _)| name.as_str()).collect();
        let message = match declared.as_slice() {
            [] => "The Procfile declares no process types at all.".to_owned(),
            names => format!("It declares {}.", names.join(", ")),
        };
        let close = declared.iter().find(|name| name.eq_ignore_ascii_case("web"));
        findings.push(match close {
            Some(name) => Finding::new(
                FindingCode::ProcfileNoWeb,
                format!("It declares `{name}`, but Heroku routes requests to `web` only, in lower case."),
            )
            .with_severity(Severity::Error)
            .in_file("Procfile"),
            None => Finding::new(FindingCode::ProcfileNoWeb, message).in_file("Procfile"),
        });
    }
    findings.extend(missing_tools(facts));
    findings
}

fn missing(facts: &Facts) -> Finding {
    let wrong = facts.files.keys().find(|name| {
        ["procfile", "procfile.txt", "procfile.yml", "procfile.yaml"]
            .iter()
            .any(|wrong| name.eq_ignore_ascii_case(wrong))
    });
    match wrong {
        Some(name) => Finding::new(
            FindingCode::ProcfileMisnamed,
            format!("There is no Procfile, but a file named {name}."),
        )
        .in_file(name.clone()),
        None => Finding::new(
            FindingCode::ProcfileMissing,
            "Without a Procfile the app declares no process types, and nothing is run.",
        ),
    }
}

/// Finds calls of package managers that aren't in the slug.
fn missing_tools(facts: &Facts) -> Vec<Finding> {
    let has =
        |tool: &str| facts.installed.as_ref().is_some_and(|installed| installed.programs.contains(tool));
    let mut findings = Vec::new();
    for process in facts.processes() {
        for invoked in parse_command(process.command) {
            let wrappers = invoked.wrappers.iter().filter(|tool| PACKAGE_MANAGERS.contains(&tool.as_str()));
            for tool in wrappers.filter(|tool| !has(tool)) {
                let message = format!(
                    "The process type `{}` calls `{tool} run`, but {tool} isn't installed in the slug.",
                    process.name
                );
                let words = format!("{tool} run");
                findings.push(Finding::new(FindingCode::ProcfileMissingTool, message).at(Some(point_at(
                    "Procfile",
                    process.line,
                    process.text,
                    &words,
                    "isn't in the slug",
                ))));
            }
        }
    }
    findings
}
