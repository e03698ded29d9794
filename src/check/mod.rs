//! Would it boot? Findings about an app, each with a stable id, a place and a way out.
//!
//! Facts are gathered from a directory, a slug or a build that has just ended; the checks are functions of those
//! facts. Confirming a finding by booting the app is the dyno's work.
//!
//! A check that can't be sure says nothing: an alarm that is wrong once isn't heeded the next time.

mod absent;
pub(crate) mod boot;
mod code;
mod command;
pub(crate) mod confirm;
pub(crate) mod facts;
mod files;
pub(crate) mod finding;
pub(crate) mod gather;
mod imports;
mod installed;
mod libraries;
mod listening;
mod loading;
mod module;
mod pkg_resources;
mod procfile;
mod programs;
pub mod report;
mod requirements;
mod secrets;
mod servers;
mod stack;
mod standard;
mod storage;
mod suggest;
mod target;

use code::Code;
use facts::Facts;
use finding::Finding;

pub(crate) use crate::error::{FindingCode, Severity, findings as catalogue};
pub(crate) use procfile::missing_procfile;
pub(crate) use suggest::closest;

/// Checks an app by its facts: no disk, no clock, nothing is executed. The worst findings come first.
pub fn check(facts: &Facts) -> Vec<Finding> {
    let code = Code::new(facts);
    let mut findings = [
        procfile::check_procfile(facts),
        programs::check_programs(facts),
        target::check_targets(facts, &code),
        listening::check_listening(facts, &code),
        imports::check_imports(facts, &code),
        requirements::check_requirements(facts),
        pkg_resources::check_pkg_resources(facts),
        storage::check_storage(facts, &code),
        libraries::check_libraries(facts),
        files::check_files(facts),
        files::check_ignored(facts),
        absent::check_absent(facts, &code),
        secrets::check_secrets(facts),
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
