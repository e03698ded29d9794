//! `slugc explain`: every id that slugc says, and what to do about it.

use super::args::Explain;
use crate::check::closest;
use crate::error::{ErrorCode, FindingCode, NoticeCode, Result, UserError};

/// What is known of an id.
struct Explanation {
    id: &'static str,
    kind: String,
    title: &'static str,
    fix: &'static str,
    page: &'static str,
    note: String,
}

/// Nothing has this id.
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
        super::print_result(&list(&all))?;
        return Ok(0);
    };
    let same: Vec<&Explanation> =
        all.iter().filter(|found| found.id.eq_ignore_ascii_case(id.trim())).collect();
    if same.is_empty() {
        let ids = || all.iter().map(|found| found.id);
        // The end alone is often what somebody remembers.
        let ends = ids().find(|known| known.rsplit("::").next() == Some(id.as_str()));
        let meant = ends.or_else(|| closest(id, ids()));
        return Err(UnknownId { id: id.clone(), meant }.into());
    }
    let texts: Vec<String> = same.into_iter().map(render).collect();
    super::print_result(&texts.join("\n"))?;
    Ok(0)
}

fn render(found: &Explanation) -> String {
    let Explanation { id, kind, title, fix, page, note } = found;
    format!("{id} ({kind})\n\n{title}\n\n{}\n\n{note}See docs/{page}.\n", fix.trim_end())
}

fn list(all: &[Explanation]) -> String {
    let width = all.iter().map(|found| found.id.len()).max().unwrap_or_default();
    all.iter().map(|Explanation { id, title, kind, .. }| format!("{id:width$}  {title} ({kind})\n")).collect()
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
    let mut all: Vec<Explanation> = errors.chain(warnings).chain(findings).collect();
    all.sort_by(|a, b| (a.id, &a.kind).cmp(&(b.id, &b.kind)));
    all
}
