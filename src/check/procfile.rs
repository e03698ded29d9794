//! What the Procfile's linter says, and what is missing from it.

use super::catalogue::{FindingCode, Severity};
use super::command::{PACKAGE_MANAGERS, parse_command};
use super::facts::Facts;
use super::finding::{Finding, point_at};
use super::gather::LOCK_FILES;
use crate::app::procfile::lines_of;
use crate::plan::suggest::{Packages, Suggestion, describe_missing_procfile, suggest};
use crate::python::requirements::{RequirementKind, normalised_name};

/// Checks the Procfile itself.
pub(super) fn check_procfile(facts: &Facts) -> Vec<Finding> {
    let Some((procfile, text)) = &facts.procfile else {
        return missing_procfile(facts).into_iter().collect();
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
        let message = match suggestion(facts).filter(|suggestion| suggestion.line.starts_with("web:")) {
            Some(Suggestion { line, add }) => {
                let add = add.map(|package| format!(", and `{package}` to the requirements"));
                format!(
                    "{message} If the app answers requests, add this line{}:\n{line}",
                    add.unwrap_or_default()
                )
            }
            None => message,
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

/// Says what there is to say of an app without a Procfile.
pub(crate) fn missing_procfile(facts: &Facts) -> Option<Finding> {
    facts.procfile.is_none().then(|| missing(facts))
}

/// Suggests a line for the Procfile.
fn suggestion(facts: &Facts) -> Option<Suggestion> {
    let sources = facts.texts.iter().filter(|(path, _)| path.ends_with(".py"));
    suggest(&sources.map(|(path, text)| (path.as_str(), text.as_str())).collect(), &packages(facts))
}

/// What is known of the app's packages: what is installed, else what a lock or the requirements name.
fn packages(facts: &Facts) -> Packages {
    if let Some(installed) = &facts.installed {
        let names = installed.distributions.iter().map(|found| normalised_name(&found.name));
        return Packages::All(names.collect());
    }
    if let Some(lock) = LOCK_FILES.iter().find_map(|name| facts.texts.get(*name)) {
        return Packages::of_lock(lock);
    }
    let Some(requirements) = &facts.requirements else { return Packages::Unknown };
    let mut names = requirements.names();
    // FastAPI's own extras bring the server.
    let has_extras = requirements.entries.iter().any(|entry| {
        matches!(&entry.kind, RequirementKind::Named { name, text, .. }
            if name == "fastapi" && (text.contains("[standard") || text.contains("[all")))
    });
    if has_extras {
        names.insert("uvicorn".to_owned());
    }
    let is_open = requirements.entries.iter().any(|entry| {
        matches!(entry.kind, RequirementKind::RemoteFile { .. } | RequirementKind::LocalPath { .. })
    });
    if is_open { Packages::Unknown } else { Packages::Some(names) }
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
        None => {
            Finding::new(FindingCode::ProcfileMissing, describe_missing_procfile(suggestion(facts).as_ref()))
        }
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
