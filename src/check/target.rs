//! Whether the app that a server is told to serve is there: `module:name`, without importing it.

use super::absent::left_out_module;
use super::catalogue::FindingCode;
use super::code::{Code, Found, roots_of};
use super::command::{Invoked, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::servers::{is_dotted, server_of, target};
use super::suggest::closest;
use crate::python::requirements::RequirementKind;

/// An app that a process type serves or works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The process type.
    pub process: String,
    /// The module, with dots.
    pub module: String,
    /// The name in it, without arguments.
    pub name: Option<String>,
    /// The directories that it is looked up in, relative to the app.
    pub roots: Vec<String>,
}

/// Returns the apps of all process types.
pub(crate) fn targets(facts: &Facts) -> Vec<Target> {
    let mut targets = Vec::new();
    for process in facts.processes() {
        for invoked in parse_command(process.command) {
            targets.extend(target_of(&process, &invoked).map(|(_, target)| target));
        }
    }
    targets
}

fn target_of<'a>(process: &Process<'_>, invoked: &'a Invoked) -> Option<(&'a str, Target)> {
    let (word, default) = match server_of(invoked) {
        Some(server) => (target(server, invoked)?, (server.program == "gunicorn").then_some("application")),
        // Celery looks for several names, and in several modules, by itself.
        None if invoked.program == "celery" => (invoked.option(&["-A", "--app"]).last().copied()?, None),
        None => return None,
    };
    let (module, name) = match word.split_once(':') {
        Some((module, name)) => (module, Some(name)),
        None => (word, default),
    };
    let name = name.map(|name| name.split(['(', '.']).next().unwrap_or(name).to_owned());
    let is_plain = is_dotted(module) && name.as_deref().is_none_or(is_dotted);
    is_plain.then(|| {
        let (process, module, roots) = (process.name.to_owned(), module.to_owned(), roots_of(invoked));
        (word, Target { process, module, name, roots })
    })
}

/// Checks the apps of all process types.
pub(super) fn check_targets(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in facts.processes() {
        for invoked in parse_command(process.command) {
            if let Some((word, target)) = target_of(&process, &invoked) {
                findings.extend(check_target(facts, code, &process, word, &target));
            }
        }
    }
    findings
}

fn check_target(
    facts: &Facts,
    code: &Code<'_>,
    process: &Process<'_>,
    word: &str,
    target: &Target,
) -> Option<Finding> {
    let Target { module, name, roots, .. } = target;
    let point = |words: &str, label: &str| {
        Some(point_at(
            "Procfile",
            process.line,
            process.text,
            if words.is_empty() { word } else { words },
            label,
        ))
    };
    match code.find(module, roots) {
        Found::Opaque => None,
        Found::File(file) => {
            let name = name.as_deref()?;
            if code.binds(&file, name, roots) != Some(false) {
                return None;
            }
            let others = apps_in(code, &file);
            let mut message = format!("`{word}` asks for `{name}`, and {file} has nothing of that name.");
            if let Some(other) = others.first() {
                message.push_str(&format!(" It does define `{other}`: write `{module}:{other}`."));
            }
            let words = if word.contains(':') { format!(":{name}") } else { word.to_owned() };
            Some(
                Finding::new(FindingCode::AppAttributeNotFound, message)
                    .at(point(&words, "no such name in the module")),
            )
        }
        found => {
            if let Some(left_out) = left_out_module(facts, module, roots) {
                let need = format!("`{word}` asks for the module `{module}`");
                return Some(left_out.finding(&need).at(point(module, "isn't in the slug")));
            }
            let (top, _) = module.split_once('.').unwrap_or((module, ""));
            if found == Found::Nothing && !is_surely_nowhere(facts, top) {
                return None;
            }
            if matches!(found, Found::Partly(_)) && is_installed(facts, top) {
                return None;
            }
            let mut message = format!("`{word}` asks for the module `{module}`, which the app doesn't have.");
            if let Some(meant) = meant(code, &found, module, roots) {
                message.push_str(&format!(" Is `{meant}` meant?"));
            }
            Some(Finding::new(FindingCode::AppModuleNotFound, message).at(point(module, "no such module")))
        }
    }
}

fn is_installed(facts: &Facts, top: &str) -> bool {
    facts
        .installed
        .as_ref()
        .is_none_or(|installed| installed.leads_elsewhere || installed.modules.contains(top))
}

/// Whether a module's first name surely is neither installed nor going to be.
fn is_surely_nowhere(facts: &Facts, top: &str) -> bool {
    match (&facts.installed, &facts.requirements) {
        (Some(_), _) => !is_installed(facts, top),
        // Only packages with names, and none whose name is anything like it.
        (None, Some(requirements)) => requirements.entries.iter().all(|entry| match &entry.kind {
            RequirementKind::Named { name, .. } => {
                let (name, top) = (name.replace('-', ""), top.replace('_', "").to_lowercase());
                !name.contains(&top) && !top.contains(&name)
            }
            RequirementKind::Option(_) => true,
            _ => false,
        }),
        (None, None) => false,
    }
}

/// Returns the module that may have been meant.
fn meant(code: &Code<'_>, found: &Found, module: &str, roots: &[String]) -> Option<String> {
    let (parent, last) =
        module.rsplit_once('.').map_or((None, module), |(parent, last)| (Some(parent), last));
    let names = match (found, parent) {
        (Found::Partly(names), _) => names.clone(),
        (_, None) => roots.iter().flat_map(|root| code.names_in(root)).collect(),
        _ => return None,
    };
    let same_but_case = names.iter().find(|name| name.eq_ignore_ascii_case(last) && *name != last);
    let near =
        same_but_case.map(String::as_str).or_else(|| closest(last, names.iter().map(String::as_str)))?;
    Some(parent.map_or(near.to_owned(), |parent| format!("{parent}.{near}")))
}

/// Returns the names in a file that look like apps.
fn apps_in(code: &Code<'_>, file: &str) -> Vec<String> {
    const MAKERS: &[&str] = &[
        "Flask",
        "FastAPI",
        "Starlette",
        "Quart",
        "Litestar",
        "Sanic",
        "Bottle",
        "Dash",
        "Falcon",
        "create_app",
        "make_app",
        "get_wsgi_application",
        "get_asgi_application",
        "Celery",
        "ProtocolTypeRouter",
    ];
    let Some(module) = code.module(file) else { return Vec::new() };
    let is_app = |value: &str| {
        let callee = value.split('(').next().unwrap_or_default();
        value.contains('(') && MAKERS.contains(&callee.rsplit('.').next().unwrap_or_default())
    };
    module
        .assignments
        .iter()
        .filter(|assignment| {
            is_dotted(&assignment.target) && !assignment.target.contains('.') && is_app(&assignment.value)
        })
        .map(|assignment| assignment.target.clone())
        .collect()
}
