//! `slugc explain`: every id that slugc says, Heroku's error codes, and what to do about them.

use std::collections::BTreeSet;

use super::args::Explain;
use crate::error::similar::closest;
use crate::error::{ErrorCode, FindingCode, HEROKU_CODES, HerokuCode, NoticeCode, Result, UserError};

/// What is known of an id.
struct Explanation {
    id: &'static str,
    kind: String,
    title: &'static str,
    fix: &'static str,
    page: &'static str,
    note: String,
}

/// An unknown id.
#[derive(Debug, thiserror::Error)]
#[error("`{id}` isn't an id of slugc's.{}", .meant.map(|meant| format!(" Is `{meant}` meant?")).unwrap_or_default())]
struct UnknownId {
    id: String,
    meant: Option<&'static str>,
}

impl UserError for UnknownId {
    fn code(&self) -> ErrorCode {
        ErrorCode::ExplainUnknownId
    }
}

/// Explains one id, or lists all.
pub(super) fn run(arguments: &Explain) -> Result<u8> {
    let all = explanations();
    let Some(id) = &arguments.id else {
        super::print_result(&list(all.iter().collect()))?;
        return Ok(0);
    };
    let id = id.trim();
    let with_id = |wanted: &str| -> Vec<&Explanation> {
        all.iter().filter(|found| found.id.eq_ignore_ascii_case(wanted)).collect()
    };
    let same = with_id(id);
    if !same.is_empty() {
        return print(&same);
    }
    // The end alone is often what is remembered.
    let ends: BTreeSet<&str> =
        all.iter().map(|found| found.id).filter(|known| ends_with(known, id)).collect();
    match ends.iter().collect::<Vec<_>>().as_slice() {
        [] => {
            let meant = closest(id, all.iter().map(|found| found.id));
            Err(UnknownId { id: id.to_owned(), meant }.into())
        }
        [only] => print(&with_id(only)),
        _ => {
            let found: Vec<&Explanation> = all.iter().filter(|found| ends.contains(found.id)).collect();
            super::print_result(&format!("Several ids end with `{id}`:\n{}", list(found)))?;
            Ok(0)
        }
    }
}

fn print(found: &[&Explanation]) -> Result<u8> {
    let texts: Vec<String> = found.iter().map(|found| render(found)).collect();
    super::print_result(&texts.join("\n"))?;
    Ok(0)
}

fn ends_with(id: &str, end: &str) -> bool {
    id.rsplit_once("::").is_some_and(|(_, last)| last.eq_ignore_ascii_case(end))
}

fn render(found: &Explanation) -> String {
    let Explanation { id, kind, title, fix, page, note } = found;
    format!("{id} ({kind})\n\n{title}\n\n{}\n\n{note}See docs/{page}.\n", fix.trim_end())
}

fn list(found: Vec<&Explanation>) -> String {
    let width = found.iter().map(|found| found.id.len()).max().unwrap_or_default();
    found
        .into_iter()
        .map(|Explanation { id, title, kind, .. }| format!("{id:width$}  {title} ({kind})\n"))
        .collect()
}

/// Returns the ids that there are, for completions.
pub(super) fn ids() -> Vec<&'static str> {
    let mut ids: Vec<&str> = explanations().iter().map(|explanation| explanation.id).collect();
    ids.dedup();
    ids
}

/// Returns every id, sorted. One id can be an error in one place and a warning in another.
fn explanations() -> Vec<Explanation> {
    let errors = ErrorCode::ALL.iter().map(|code| {
        let entry = code.entry();
        Explanation {
            id: entry.id,
            kind: "error".to_owned(),
            title: entry.title,
            fix: entry.fix,
            page: "errors.md",
            note: format!("slugc ends with exit code {}.\n", entry.exit_code),
        }
    });
    let warnings = NoticeCode::ALL.iter().map(|code| {
        let entry = code.entry();
        Explanation {
            id: entry.id,
            kind: "warning of builds and dynos".to_owned(),
            title: entry.title,
            fix: entry.fix,
            page: "warnings.md",
            note: String::new(),
        }
    });
    let findings = FindingCode::ALL.iter().map(|code| {
        let entry = code.entry();
        Explanation {
            id: entry.id,
            kind: format!("finding: {}", entry.severity),
            title: entry.title,
            fix: entry.fix,
            page: "findings.md",
            note: String::new(),
        }
    });
    let heroku = HEROKU_CODES.iter().map(|HerokuCode { code, title, fix }| Explanation {
        id: code,
        kind: "Heroku's error code".to_owned(),
        title,
        fix,
        page: "heroku-codes.md",
        note: String::new(),
    });
    let mut all: Vec<Explanation> = errors.chain(warnings).chain(findings).chain(heroku).collect();
    all.sort_by(|a, b| (a.id, &a.kind).cmp(&(b.id, &b.kind)));
    all
}
