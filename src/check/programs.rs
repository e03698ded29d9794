//! Whether the programs that the Procfile calls are there.

use super::absent::{left_out_file, left_out_module};
use super::catalogue::FindingCode;
use super::command::{Invoked, is_python, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::suggest::closest;
use crate::python::requirements::{RequirementKind, normalised_name};

/// Programs of Python packages, and the package of each. A program that isn't here may be the stack's, or another
/// buildpack's.
const PROGRAMS: &[(&str, &str)] = &[
    ("alembic", "alembic"),
    ("arq", "arq"),
    ("celery", "celery"),
    ("chainlit", "chainlit"),
    ("circusd", "circus"),
    ("daphne", "daphne"),
    ("ddtrace-run", "ddtrace"),
    ("django-admin", "Django"),
    ("dramatiq", "dramatiq"),
    ("fastapi", "fastapi[standard]"),
    ("flask", "Flask"),
    ("granian", "granian"),
    ("gunicorn", "gunicorn"),
    ("honcho", "honcho"),
    ("huey_consumer", "huey"),
    ("huey_consumer.py", "huey"),
    ("hypercorn", "hypercorn"),
    ("jupyter", "jupyter"),
    ("litestar", "litestar[standard]"),
    ("mlflow", "mlflow"),
    ("newrelic-admin", "newrelic"),
    ("opentelemetry-instrument", "opentelemetry-distro"),
    ("panel", "panel"),
    ("prefect", "prefect"),
    ("procrastinate", "procrastinate"),
    ("pserve", "pyramid"),
    ("quart", "quart"),
    ("rq", "rq"),
    ("rqworker", "rq"),
    ("sanic", "sanic"),
    ("scrapy", "scrapy"),
    ("streamlit", "streamlit"),
    ("supervisord", "supervisor"),
    ("taskiq", "taskiq"),
    ("uvicorn", "uvicorn"),
    ("uwsgi", "uwsgi"),
    ("voila", "voila"),
    ("waitress-serve", "waitress"),
];

/// Packages that bring servers with them, as far as is known: their presence leaves it open whether a server is.
const BRINGS_SERVERS: &[&str] = &[
    "apache-airflow",
    "chainlit",
    "dash",
    "fastapi",
    "fastapi-cli",
    "gradio",
    "jupyter",
    "kedro",
    "litestar",
    "marimo",
    "mlflow",
    "nicegui",
    "panel",
    "prefect",
    "reflex",
    "sanic",
    "starlette",
    "streamlit",
    "uvicorn-worker",
    "zappa",
];

/// Checks every program of every process type.
pub(super) fn check_programs(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in facts.processes() {
        for invoked in parse_command(process.command) {
            for wrapper in &invoked.wrappers {
                findings.extend(check_program(facts, &process, wrapper));
            }
            findings.extend(check_script(facts, &process, &invoked));
            if invoked.is_module {
                findings.extend(check_module(facts, &process, &invoked));
            } else if let Some(path) = own_file(&invoked) {
                findings.extend(check_own_file(facts, &process, &invoked.program, &path));
            } else {
                findings.extend(check_program(facts, &process, &invoked.program));
            }
        }
    }
    findings
}

fn check_program(facts: &Facts, process: &Process<'_>, program: &str) -> Option<Finding> {
    let known = PROGRAMS.iter().find(|(name, _)| *name == program);
    let (why, label) = match &facts.installed {
        Some(installed) if installed.programs.contains(program) => return None,
        Some(_) if known.is_some() => ("no package that is installed has it", "isn't installed"),
        None if known.is_some_and(|(_, package)| isnt_required(facts, package)) => {
            ("requirements.txt doesn't name it", "isn't required")
        }
        None if known.is_some() => return None,
        _ => {
            // What is one letter off a program that everybody knows was hardly meant.
            // A web server of Ruby's.
            let meant =
                closest(program, PROGRAMS.iter().map(|(name, _)| *name)).filter(|_| program != "unicorn")?;
            let message =
                format!("The process type `{}` calls `{program}`. Is `{meant}` meant?", process.name);
            return Some(finding(FindingCode::CommandNotInstalled, process, message, program, "isn't known"));
        }
    };
    let package = known.map_or(program, |(_, package)| package);
    let mut message = format!("The process type `{}` calls `{program}`, and {why}.", process.name);
    if package != program {
        message.push_str(&format!(" It is in the package {package}."));
    }
    Some(finding(FindingCode::CommandNotInstalled, process, message, program, label))
}

/// Returns whether a server surely isn't among the requirements: they are all known by name, and none is known to
/// bring it.
fn isnt_required(facts: &Facts, package: &str) -> bool {
    const SERVERS: &[&str] = &["gunicorn", "waitress", "hypercorn", "daphne", "granian", "uwsgi"];
    let package = normalised_name(package.split('[').next().unwrap_or(package));
    let Some(requirements) = &facts.requirements else { return false };
    let all_are_named = requirements
        .entries
        .iter()
        .all(|entry| matches!(entry.kind, RequirementKind::Named { .. } | RequirementKind::Option(_)));
    let names = requirements.names();
    SERVERS.contains(&package.as_str())
        && all_are_named
        && !names.contains(&package)
        && !names.iter().any(|name| BRINGS_SERVERS.contains(&name.as_str()))
}

/// `python -m gunicorn`.
fn check_module(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    let installed = facts.installed.as_ref()?;
    let top = invoked.program.split('.').next().unwrap_or_default();
    let in_app = [invoked.dir.as_str(), ""].iter().any(|dir| {
        let path = join(dir, top);
        facts.has_dir(&path) || facts.has_file(&format!("{path}.py"))
    });
    if in_app || installed.leads_elsewhere || installed.modules.contains(top) || top.starts_with('$') {
        return None;
    }
    let need = format!("The process type `{}` runs the module `{}`", process.name, invoked.program);
    if let Some(left_out) = left_out_module(facts, &invoked.program, &[invoked.dir.clone(), String::new()]) {
        return Some(pointed(left_out.finding(&need), process, &invoked.program));
    }
    let message = format!(
        "The process type `{}` runs the module `{}`, which is neither installed nor a part of the app.",
        process.name, invoked.program
    );
    Some(finding(FindingCode::CommandNotInstalled, process, message, &invoked.program, "isn't installed"))
}

/// A script that Python runs.
fn check_script(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    let script = invoked.script()?;
    let is_there = facts.files.contains_key(&script)
        || script.contains(['$', '*', '~'])
        || script.starts_with(".heroku");
    // A link to a directory may hold it.
    let below_link = script
        .match_indices('/')
        .any(|(at, _)| facts.files.get(&script[..at]).is_some_and(|entry| entry.is_link));
    if is_there || below_link || script.is_empty() {
        return None;
    }
    let word = invoked.args.first()?;
    if let Some(left_out) = left_out_file(facts, &script) {
        let need = format!("The process type `{}` runs {script}", process.name);
        return Some(pointed(left_out.finding(&need), process, word));
    }
    let message = format!("The process type `{}` runs {script}, which the app doesn't have.", process.name);
    Some(finding(FindingCode::CommandFileNotFound, process, message, word, "isn't there"))
}

/// Returns the path of a program that is a file of the app.
fn own_file(invoked: &Invoked) -> Option<String> {
    let program = &invoked.program;
    let own = program.strip_prefix("/app/").or_else(|| program.strip_prefix("$HOME/"));
    if let Some(path) = own {
        return Some(path.to_owned());
    }
    let is_own = program.contains('/') && !program.starts_with('/') && !program.contains(['$', '~', '*']);
    is_own.then(|| join(&invoked.dir, program))
}

fn check_own_file(facts: &Facts, process: &Process<'_>, word: &str, path: &str) -> Option<Finding> {
    // Other buildpacks keep their programs in directories whose names start with a dot, and in `vendor` and `bin`.
    let may_be_built =
        path.starts_with('.') || path.starts_with("vendor/") || path.starts_with("node_modules/");
    match facts.files.get(path) {
        Some(file) if file.is_dir || file.is_link || file.executable => None,
        Some(_) if is_python(word) => None,
        Some(_) => {
            let message = format!("The process type `{}` runs {path}, which isn't executable.", process.name);
            Some(finding(FindingCode::CommandNotExecutable, process, message, word, "can't be executed"))
        }
        None if may_be_built || path.starts_with("bin/start-") => None,
        None => {
            if let Some(left_out) = left_out_file(facts, path) {
                let need = format!("The process type `{}` runs {path}", process.name);
                return Some(pointed(left_out.finding(&need), process, word));
            }
            let message =
                format!("The process type `{}` runs {path}, which the app doesn't have.", process.name);
            Some(finding(FindingCode::CommandFileNotFound, process, message, word, "isn't there"))
        }
    }
}

fn pointed(finding: Finding, process: &Process<'_>, word: &str) -> Finding {
    finding.at(Some(point_at("Procfile", process.line, process.text, word, "isn't in the slug")))
}

fn finding(code: FindingCode, process: &Process<'_>, message: String, word: &str, label: &str) -> Finding {
    Finding::new(code, message).at(Some(point_at("Procfile", process.line, process.text, word, label)))
}
