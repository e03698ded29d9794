//! Whether the programs that the Procfile calls are there.

use super::absent::{left_out_file, left_out_module};
use super::activation::is_of_environment;
use super::catalogue::FindingCode;
use super::code::has_module;
use super::command::{Invoked, is_python, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::known_programs::PROGRAMS;
use super::required::lacking;
use super::standard::is_standard;
use super::unknown_program::slip;
use super::weight::{unless_made, weigh};
use crate::error::similar::closest_file;

/// Checks every program of every process type.
pub(super) fn check_programs(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in facts.processes() {
        let commands = parse_command(process.command);
        for (index, invoked) in commands.iter().enumerate() {
            // What an earlier command of the line installs isn't known.
            if installs(invoked) {
                break;
            }
            let found = check_command(facts, &process, invoked, &commands[..index]);
            findings.extend(
                found.into_iter().filter_map(|found| weigh(&commands, index, process.command, found)),
            );
        }
    }
    findings
}

fn check_command(
    facts: &Facts,
    process: &Process<'_>,
    invoked: &Invoked,
    before: &[Invoked],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for wrapper in &invoked.wrappers {
        findings.extend(check_program(facts, process, invoked, wrapper));
    }
    findings.extend(check_script(facts, process, invoked, before));
    findings.extend(check_shell(facts, process, invoked));
    if invoked.is_module {
        findings.extend(check_module(facts, process, invoked));
    } else if let Some(path) = own_file(invoked) {
        let found = check_own_file(facts, process, &invoked.program, &path);
        findings.extend(found.and_then(|found| match facts.files.contains_key(&path) {
            true => Some(found),
            false => unless_made(facts, before, &path, found),
        }));
    } else {
        findings.extend(check_program(facts, process, invoked, &invoked.program));
    }
    findings
}

/// Whether a command installs packages.
pub(super) fn installs(invoked: &Invoked) -> bool {
    const INSTALLERS: &[&str] = &["pip", "pip3", "poetry", "pipenv", "uv", "pdm"];
    INSTALLERS.contains(&invoked.program.as_str())
        && invoked.args.iter().any(|word| ["install", "sync"].contains(&word.as_str()))
}

fn check_program(facts: &Facts, process: &Process<'_>, invoked: &Invoked, program: &str) -> Option<Finding> {
    let known = PROGRAMS.iter().find(|(name, _)| *name == program);
    let why;
    let mut lack = None;
    let (why, label) = match &facts.installed {
        Some(installed) if installed.programs.contains(program) => return None,
        Some(_) if known.is_some() => ("no package that is installed has it", "isn't installed"),
        None if known.is_some() => {
            let (_, package) = known?;
            let found = lack.insert(lacking(facts, package)?);
            why = format!("{} doesn't name it", found.file);
            (why.as_str(), "isn't required")
        }
        // What is one letter off a program that everybody knows was hardly meant.
        _ => return slip(facts, process, invoked, program),
    };
    let package = known.map_or(program, |(_, package)| package);
    let mut message = format!("The process type `{}` calls `{program}`, and {why}.", process.name);
    if package != program {
        message.push_str(&format!(" It is in the package {package}."));
    }
    let found = finding(FindingCode::CommandNotInstalled, process, message, program, label);
    Some(match lack {
        Some(lack) => lack.weigh(found, package),
        None => found,
    })
}

/// `python -m gunicorn`.
fn check_module(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    let Some(installed) = facts.installed.as_ref() else {
        let is_known = PROGRAMS.iter().any(|(name, _)| *name == invoked.program);
        let in_app = facts.has_dir(&invoked.program) || facts.has_file(&format!("{}.py", invoked.program));
        let is_asked = is_known || !is_standard(&invoked.program);
        return (is_asked && !in_app)
            .then(|| check_program(facts, process, invoked, &invoked.program))
            .flatten();
    };
    let top = invoked.program.split('.').next().unwrap_or_default();
    let roots = [invoked.dir.clone(), String::new()];
    if has_module(facts, &roots, top)
        || installed.leads_elsewhere
        || installed.modules.contains(top)
        || top.starts_with('$')
    {
        return None;
    }
    let need = format!("The process type `{}` runs the module `{}`", process.name, invoked.program);
    if let Some(left_out) = left_out_module(facts, &invoked.program, &roots) {
        return Some(pointed(left_out.finding(&need), process, &invoked.program));
    }
    let message = format!(
        "The process type `{}` runs the module `{}`, which is neither installed nor a part of the app.",
        process.name, invoked.program
    );
    Some(finding(FindingCode::CommandNotInstalled, process, message, &invoked.program, "isn't installed"))
}

/// A script that Python runs.
fn check_script(
    facts: &Facts,
    process: &Process<'_>,
    invoked: &Invoked,
    before: &[Invoked],
) -> Option<Finding> {
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
        return unless_made(facts, before, &script, pointed(left_out.finding(&need), process, word));
    }
    let message = format!("The process type `{}` runs {script}, which the app doesn't have.", process.name);
    let message = message + &meant(facts, &script);
    let found = finding(FindingCode::CommandFileNotFound, process, message, word, "isn't there");
    unless_made(facts, before, &script, found)
}

/// A script that a shell runs or reads: `bash start.sh`.
fn check_shell(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    let path = invoked.shell_script().filter(|_| !invoked.program.contains('/'))?;
    let word = invoked.args.first()?;
    ends_with_carriage_return(facts, &path, false).then(|| carriage_return(process, word, &path))
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
        Some(file) if file.is_dir || file.is_link => None,
        Some(_) if ends_with_carriage_return(facts, path, true) => Some(carriage_return(process, word, path)),
        Some(file) if file.executable => None,
        Some(_) if is_python(word) => None,
        Some(_) => {
            let message = format!("The process type `{}` runs {path}, which isn't executable.", process.name);
            Some(finding(FindingCode::CommandNotExecutable, process, message, word, "can't be executed"))
        }
        // Told with its own way out.
        None if is_of_environment(path) => None,
        None if may_be_built || path.starts_with("bin/start-") => None,
        None => {
            if let Some(left_out) = left_out_file(facts, path) {
                let need = format!("The process type `{}` runs {path}", process.name);
                return Some(pointed(left_out.finding(&need), process, word));
            }
            let message =
                format!("The process type `{}` runs {path}, which the app doesn't have.", process.name);
            let message = message + &meant(facts, path);
            Some(finding(FindingCode::CommandFileNotFound, process, message, word, "isn't there"))
        }
    }
}

fn pointed(finding: Finding, process: &Process<'_>, word: &str) -> Finding {
    finding.at(Some(point_at("Procfile", process.line, process.text, word, "isn't in the slug")))
}

/// Says which file may have been meant.
pub(super) fn meant(facts: &Facts, path: &str) -> String {
    let files = facts.files.iter().filter(|(_, file)| !file.is_dir).map(|(name, _)| name.as_str());
    closest_file(path, files).map(|meant| format!(" Is `{meant}` meant?")).unwrap_or_default()
}

fn carriage_return(process: &Process<'_>, word: &str, path: &str) -> Finding {
    let message = format!(
        "The process type `{}` runs {path}, whose lines end as on Windows: the carriage return becomes a part of the words.",
        process.name
    );
    finding(FindingCode::CommandNotExecutable, process, message, word, "can't be executed").with_fix(format!(
        "Run `dos2unix {path}` and commit it. `{path} text eol=lf` in .gitattributes\nkeeps it so."
    ))
}

fn finding(code: FindingCode, process: &Process<'_>, message: String, word: &str, label: &str) -> Finding {
    Finding::new(code, message).at(Some(point_at("Procfile", process.line, process.text, word, label)))
}

/// Returns whether a script can't be run because its lines end as on Windows.
fn ends_with_carriage_return(facts: &Facts, path: &str, is_executed: bool) -> bool {
    let Some(text) = facts.texts.get(path) else { return false };
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    if is_executed && first.starts_with("#!") {
        return first.ends_with('\r');
    }
    let last = text.split('\n').rfind(|line| !line.trim().is_empty());
    !is_python(path) && last.is_some_and(|line| line.ends_with('\r')) && first.ends_with('\r')
}
