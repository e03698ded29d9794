//! What the Procfile's linter says, and what is missing from it.

use super::catalogue::{FindingCode, Severity};
use super::command::{PACKAGE_MANAGERS, parse_command};
use super::facts::Facts;
use super::finding::{Finding, point_at};
use super::gather::LOCK_FILES;
use super::paste::line_to_paste;
use super::required::lacking;
use super::servers::server_of;
use crate::app::meant_line::MeantLine;
use crate::app::procfile::{is_misnamed, lines_of};
use crate::plan::suggest::{Packages, Suggestion, describe_missing_procfile, suggest};
use crate::python::requirements::{RequirementKind, normalised_name};

/// Checks the Procfile itself.
pub(super) fn check_procfile(facts: &Facts) -> Vec<Finding> {
    let Some((procfile, text)) = &facts.procfile else {
        return missing_procfile(facts).into_iter().collect();
    };
    let lines = lines_of(text);
    let mut findings: Vec<Finding> = procfile
        .findings
        .iter()
        .map(|found| {
            let finding = Finding::of_procfile(found, &lines);
            let meant = procfile.meant.get(&found.line).zip(found.fix.as_ref());
            let fix = meant.map(|(MeantLine { name, command }, fix)| {
                let rest: Vec<&str> = fix.lines().skip(2).collect();
                format!("Write:\n{}\n{}", line_to_paste(name, command), rest.join("\n"))
            });
            let finding = Finding { fix: fix.or(finding.fix.clone()), ..finding };
            match continued(&lines, found.line) {
                Some(whole) => of_continuation(finding, &whole),
                None => finding,
            }
        })
        .collect();
    findings.extend(programs_as_names(facts));
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
        let has_web_line = procfile.meant.values().any(|meant| meant.name == "web");
        let misnamed = if close.is_none() { misnamed_server(facts) } else { None };
        // A line without its colon has been told, with the same advice.
        findings.extend(if has_web_line {
            None
        } else {
            misnamed.or_else(|| {
                Some(match close {
                    Some(name) => Finding::new(
                        FindingCode::ProcfileNoWeb,
                        format!(
                            "It declares `{name}`, but Heroku routes requests to `web` only, in lower case."
                        ),
                    )
                    .with_severity(Severity::Error)
                    .in_file("Procfile"),
                    None => Finding::new(FindingCode::ProcfileNoWeb, message).in_file("Procfile"),
                })
            })
        });
    }
    findings.extend(missing_tools(facts));
    findings
}

/// Returns the line that one and its neighbours are a part of, if the line before it ends with a backslash.
fn continued(lines: &[&str], number: usize) -> Option<String> {
    let goes_on = |index: usize| lines.get(index).is_some_and(|line| line.trim_end().ends_with('\\'));
    let index = number.checked_sub(1)?;
    let before = (0..index).rev().take_while(|before| goes_on(*before)).count();
    let after = (index..lines.len()).take_while(|after| goes_on(*after)).count();
    let parts = lines.get(index - before..=(index + after).min(lines.len() - 1))?;
    let parts: Vec<&str> = parts.iter().map(|line| line.trim_end().trim_end_matches('\\').trim()).collect();
    (before > 0).then(|| parts.join(" "))
}

fn of_continuation(mut finding: Finding, whole: &str) -> Finding {
    finding
        .message
        .push_str(" The line before ends with a backslash, but a Procfile has no continuation lines.");
    finding.with_fix(format!("Write the whole command in one line:\n{whole}"))
}

/// Says what there is to say of an app without a Procfile.
pub(crate) fn missing_procfile(facts: &Facts) -> Option<Finding> {
    facts.procfile.is_none().then(|| missing(facts))
}

/// Suggests a line for the Procfile.
fn suggestion(facts: &Facts) -> Option<Suggestion> {
    suggestion_from(facts, |_| true)
}

/// Suggests a web server's line for what is in some of the app's files.
pub(super) fn suggest_server(facts: &Facts, is_meant: impl Fn(&str) -> bool) -> Option<Suggestion> {
    let is_server = |line: &str| line.starts_with("web:") && !line.contains("python ");
    suggestion_from(facts, is_meant).filter(|suggestion| is_server(&suggestion.line))
}

fn suggestion_from(facts: &Facts, is_meant: impl Fn(&str) -> bool) -> Option<Suggestion> {
    let sources = facts.texts.iter().filter(|(path, _)| path.ends_with(".py") && is_meant(path));
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
    let wrong = facts.files.keys().find(|name| is_misnamed(name.as_bytes()));
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

/// Finds lines that begin with a program where the name of a process type should be: `gunicorn: wsgi:app`.
fn programs_as_names(facts: &Facts) -> Vec<Finding> {
    let Some((procfile, text)) = &facts.procfile else { return Vec::new() };
    let lines = lines_of(text);
    let is_told =
        |line: &usize| procfile.findings.iter().any(|found| found.line == *line && found.fix.is_some());
    let untold = procfile.meant.iter().filter(|(line, _)| !is_told(line));
    untold
        .filter_map(|(number, MeantLine { name, command })| {
            let line = lines.get(number - 1)?;
            let program = command.split_whitespace().next()?;
            let first = command.split_whitespace().nth(1)?;
            let message = format!(
                "The line begins with the program `{program}` where the name of the process type should be, so `{first}` is taken for the program, and there is none."
            );
            let fix = format!("Write:\n{}", line_to_paste(name, command));
            let place = point_at("Procfile", *number, line, program, "no name of a process type");
            Some(Finding::new(FindingCode::CommandInvalid, message).with_fix(fix).at(Some(place)))
        })
        .collect()
}

/// Finds a web server under another name than `web`: it gets no requests.
fn misnamed_server(facts: &Facts) -> Option<Finding> {
    facts.processes().into_iter().find_map(|process| {
        let commands = parse_command(process.command);
        let server = commands.iter().filter(|invoked| !invoked.is_conditional).find_map(server_of)?;
        let name = process.name;
        let line = if server.is_for_development { suggest_server(facts, |_| true) } else { None };
        let line = line.map_or_else(|| line_to_paste("web", process.command), |suggestion| suggestion.line);
        let message = format!(
            "`{name}` runs {}, a web server, but Heroku routes requests to `web` only. Is `web` meant?",
            server.name()
        );
        let place = point_at("Procfile", process.line, process.text, name, "gets no requests");
        let finding = Finding::new(FindingCode::ProcfileNoWeb, message).with_severity(Severity::Warning);
        Some(finding.with_fix(format!("Name it `web`:\n{line}")).at(Some(place)))
    })
}

/// Finds calls of package managers that aren't in the slug.
fn missing_tools(facts: &Facts) -> Vec<Finding> {
    let has = |tool: &str| match &facts.installed {
        Some(installed) => installed.programs.contains(tool),
        None => may_have(facts, tool),
    };
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

/// Whether the app may require a package manager as one of its packages.
pub(super) fn may_have(facts: &Facts, tool: &str) -> bool {
    if lacking(facts, tool).is_some_and(|lack| lack.is_certain()) {
        return false;
    }
    let is_locked = LOCK_FILES.iter().any(|name| facts.has_file(name));
    if is_locked || facts.requirements.is_some() {
        return true;
    }
    let table = |name: &str| facts.texts.get(name).and_then(|text| text.parse::<toml::Table>().ok());
    let has_name = |text: &str| {
        text.split(|letter: char| !(letter.is_alphanumeric() || "-_.".contains(letter))).next() == Some(tool)
    };
    let pipfile = table("Pipfile").is_some_and(|table| {
        table
            .get("packages")
            .and_then(toml::Value::as_table)
            .is_some_and(|packages| packages.contains_key(tool))
    });
    let project = table("pyproject.toml");
    let project = project.as_ref().and_then(|table| table.get("project"));
    let named = project.and_then(|project| project.get("dependencies")).and_then(toml::Value::as_array);
    let project = named.is_some_and(|named| named.iter().filter_map(toml::Value::as_str).any(has_name));
    pipfile || project
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::check::line_tests::{assert_one, found};
    use crate::check::tests::app;

    // C19, C23
    #[test]
    fn a_server_that_is_not_named_web_gets_no_requests() {
        for (procfile, expected) in [
            ("wbe: gunicorn wsgi:app\n", Some((Severity::Warning, "`wbe` runs gunicorn"))),
            ("server: uvicorn main:app --port $PORT\n", Some((Severity::Warning, "`server` runs uvicorn"))),
            ("www: daphne a:b\nworker: rq worker\n", Some((Severity::Warning, "`www` runs daphne"))),
            (
                "app: cd src && waitress-serve --port=$PORT a:b\n",
                Some((Severity::Warning, "runs waitress-serve")),
            ),
            ("ui: streamlit run app.py\n", Some((Severity::Warning, "`ui` runs streamlit run"))),
            ("Web: gunicorn wsgi:app\n", Some((Severity::Error, "lower case"))),
            ("worker: celery -A a worker\n", Some((Severity::Note, "It declares worker."))),
            ("web: gunicorn wsgi:app\nadmin: gunicorn admin:app\n", None),
            ("web gunicorn wsgi:app\n", None),
        ] {
            let found = check_procfile(&app(&[("Procfile", procfile)]));
            let no_web = found.iter().find(|finding| finding.code == FindingCode::ProcfileNoWeb);
            assert_eq!(
                no_web.map(|found| found.severity),
                expected.map(|(severity, _)| severity),
                "{procfile}"
            );
            if let (Some(found), Some((_, words))) = (no_web, expected) {
                assert!(found.message.contains(words), "{procfile} {found:?}");
            }
        }
    }

    // C09
    #[test]
    fn a_tool_that_is_required_is_there() {
        for (files, expected) in [
            (&[("requirements.txt", "poetry==1.8.3\ngunicorn==23.0.0\n")][..], 0),
            (&[("requirements.txt", "-r base.txt\n"), ("base.txt", "poetry==1.8.3\ngunicorn==23.0.0\n")], 0),
            (&[("requirements.txt", "gunicorn==23.0.0\n")], 1),
            (
                &[
                    ("poetry.lock", "[[package]]\nname = \"gunicorn\"\n"),
                    ("pyproject.toml", "[tool.poetry]\n"),
                ],
                1,
            ),
            (&[("poetry.lock", "[[package]]\nname = \"gunicorn\"\n[[package]]\nname = \"poetry\"\n")], 0),
            (&[("Pipfile", "[packages]\npoetry = \"*\"\ngunicorn = \"*\"\n")], 0),
            (&[("Pipfile", "[packages]\ngunicorn = \"*\"\n")], 1),
            (&[("pyproject.toml", "[project]\ndependencies = [\"poetry>=1.8\", \"gunicorn\"]\n")], 0),
            (&[("requirements.txt", "gunicorn==23.0.0\n"), ("bin/post_compile", "pip install poetry\n")], 0),
        ] {
            let wsgi = ("wsgi.py", "app = 1\n");
            let procfile = ("Procfile", "web: poetry run gunicorn wsgi:app\n");
            let found = check(&app(&[files, &[wsgi, procfile]].concat()));
            let tools =
                found.iter().filter(|finding| finding.code.entry().id == "procfile::missing-tool").count();
            assert_eq!(tools, expected, "{files:?} {found:#?}");
        }
    }

    // C23
    #[test]
    fn a_line_that_is_none_is_one_finding_with_the_line_to_paste() {
        for (procfile, id, line) in [
            ("- web: gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
            ("web gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
            ("web = gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
            ("web : gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
            (
                "web - gunicorn -b :8000 wsgi:app\n",
                "procfile::no-colon",
                "Write:\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
            ),
            ("web; gunicorn wsgi:app\n", "procfile::ignored-line", "Write:\nweb: gunicorn wsgi:app"),
            ("web:gunicorn wsgi:app\n", "procfile::no-space", "Write:\nweb: gunicorn wsgi:app"),
            ("\"web\": gunicorn wsgi:app\n", "procfile::ignored-line", "Write:\nweb: gunicorn wsgi:app"),
            ("* web: gunicorn wsgi:app\n", "procfile::ignored-line", "Write:\nweb: gunicorn wsgi:app"),
            ("gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
            ("gunicorn: wsgi:app\n", "command::invalid", "Write:\nweb: gunicorn wsgi:app"),
            (
                "gunicorn: -b 0.0.0.0:8000 wsgi:app\n",
                "command::invalid",
                "Write:\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
            ),
            ("python wsgi.py\n", "procfile::no-colon", "Write:\nweb: python wsgi.py"),
        ] {
            assert_one(procfile, &[], Some((id, line)));
        }
        let list = found("- web: gunicorn wsgi:app\n- worker: python wsgi.py\n", &[]);
        let ids: Vec<&str> = list.iter().map(|finding| finding.code.entry().id).collect();
        assert_eq!(ids, ["procfile::no-colon", "procfile::no-colon"], "{list:#?}");
        for procfile in [
            "web: gunicorn wsgi:app\ngunicorn: gunicorn wsgi:app\n",
            "web: gunicorn wsgi:app\n# web gunicorn\n",
        ] {
            assert_one(procfile, &[], None);
        }
    }

    // C19
    #[test]
    fn a_server_of_another_name_is_suggested_with_the_port_of_the_dyno() {
        for (command, line) in [
            ("python -m http.server 8000", "web: python -m http.server $PORT"),
            ("gunicorn -b 0.0.0.0:8000 wsgi:app", "web: gunicorn -b 0.0.0.0:$PORT wsgi:app"),
            ("uvicorn wsgi:app --port 8000", "web: uvicorn wsgi:app --port $PORT --host 0.0.0.0"),
            (
                "waitress-serve --listen=127.0.0.1:8080 wsgi:app",
                "web: waitress-serve --listen=0.0.0.0:$PORT wsgi:app",
            ),
            ("PORT=5000 gunicorn wsgi:app", "web: gunicorn wsgi:app"),
        ] {
            let all = found(
                &format!("wbe: {command}\n"),
                &[("requirements.txt", "gunicorn==23\nuvicorn==1\nwaitress==3\n")],
            );
            let [one] = all.as_slice() else { panic!("{command}: {all:#?}") };
            assert!(one.fix().contains(line), "{command}: {}", one.fix());
        }
        let web = found("web: python -m http.server 8000\n", &[]);
        assert!(web[0].fix().ends_with("web: python -m http.server $PORT"), "{web:#?}");
        let flask = ("wsgi.py", "from flask import Flask\nsite = Flask(__name__)\n");
        let requirements = ("requirements.txt", "flask==3.1.0\ngunicorn==23.0.0\n");
        for command in [
            "flask --app wsgi run",
            "flask --app wsgi run -h 0.0.0.0 -p 8000",
            "flask --app wsgi run -p $PORT -h 0.0.0.0",
        ] {
            for (name, count) in [("web", 1), ("wbe", 1)] {
                let all = found(&format!("{name}: {command}\n"), &[flask, requirements]);
                assert_eq!(all.len(), count, "{command} {all:#?}");
                assert!(all[0].fix().contains("web: gunicorn wsgi:site"), "{command}: {}", all[0].fix());
            }
        }
    }
}
