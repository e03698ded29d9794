//! Would it boot? Findings about an app, each with a stable id, a place and a way out.
//!
//! Facts are gathered from a directory, a slug or a build that has just ended; the checks are functions of those
//! facts. Confirming a finding by booting the app is the dyno's work.
//!
//! A check that can't be sure says nothing: an alarm that is wrong once isn't heeded the next time.

mod absent;
mod accepted;
mod activation;
mod app_call;
pub(crate) mod boot;
mod code;
mod collectstatic;
mod command;
mod config_vars;
pub(crate) mod confirm;
mod django;
mod factory;
pub(crate) mod facts;
mod files;
pub(crate) mod finding;
pub(crate) mod gather;
mod imports;
mod installed;
mod known_programs;
mod libraries;
#[cfg(test)]
mod line_tests;
mod listening;
mod listening_elsewhere;
mod loading;
mod meant;
mod module;
mod needed_files;
mod options;
mod other_tools;
mod paste;
mod pkg_resources;
mod process_line;
mod procfile;
mod programs;
pub mod report;
mod required;
mod requirements;
mod script_server;
pub(crate) mod script_syntax;
mod secrets;
mod server_files;
mod servers;
mod settings;
mod settings_module;
mod shell;
mod sources;
mod stack;
mod standard;
mod static_root;
mod storage;
mod target;
mod target_word;
#[cfg(test)]
mod tests;
mod unknown_program;
mod usage;
mod usage_words;
mod weight;
mod worker_as_web;
mod worker_words;

use code::Code;
use facts::Facts;
use finding::Finding;

pub(crate) use crate::error::{FindingCode, Severity, findings as catalogue};
pub(crate) use accepted::Accepted;
pub(crate) use accepted::accept;
pub(crate) use procfile::missing_procfile;
pub(crate) use stack::stack_names;

/// Checks an app by its facts: no disk, no clock, nothing is executed. The worst findings come first.
pub fn check(facts: &Facts) -> Vec<Finding> {
    let code = Code::new(facts);
    let usage = usage::check_usage(facts);
    // Of a command that can't work, it isn't asked where it listens.
    let is_web =
        |finding: &Finding| finding.place.as_ref().is_some_and(|place| place.text.starts_with("web:"));
    let is_asked =
        !usage.iter().any(|finding| finding.code == FindingCode::CommandInvalid && is_web(finding));
    let mut findings = [
        procfile::check_procfile(facts),
        programs::check_programs(facts),
        other_tools::check_other_tools(facts),
        usage,
        target::check_targets(facts, &code),
        if is_asked { listening::check_listening(facts, &code) } else { Vec::new() },
        imports::check_imports(facts, &code),
        requirements::check_requirements(facts),
        pkg_resources::check_pkg_resources(facts),
        storage::check_storage(facts, &code),
        collectstatic::check_collectstatic(facts, &code).into_iter().collect(),
        libraries::check_libraries(facts),
        files::check_files(facts),
        files::check_ignored(facts),
        absent::check_absent(facts, &code),
        secrets::check_secrets(facts),
        settings::check_settings(facts),
        config_vars::check_config_vars(facts).into_iter().collect(),
    ]
    .concat();
    sort(&mut findings);
    findings
}

/// Sorts findings: the worst first, then by place. One that is there twice is told once.
pub(crate) fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
    findings.dedup();
}

fn key(finding: &Finding) -> (Severity, FindingCode, Option<&str>, usize, &str) {
    let line = finding.place.as_ref().map_or(0, |place| place.line);
    (finding.severity, finding.code, finding.file_name(), line, &finding.message)
}
