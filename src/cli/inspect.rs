//! `slugc inspect`

use super::args::{Inspect, ReportFormat};
use crate::env::Env;
use crate::error::Result;
use crate::host::files::write_for_user;
use crate::inspect::{
    inspect_slug, render_report, render_report_markdown, render_report_page, render_why, render_why_markdown,
    report, why,
};
use crate::output::Output;

/// Prints what is in a slug, or why one distribution is.
pub(super) fn run(arguments: &Inspect, color: bool, env: &Env, output: &Output) -> Result<u8> {
    let page = super::page_file(arguments.report.html.as_deref(), &[&arguments.slug], env)?;
    let inspection = inspect_slug(&env.absolute(&arguments.slug), env, output)?;
    if let Some(name) = &arguments.why {
        let answer = why(&inspection, name)?;
        match arguments.report.format() {
            ReportFormat::Json => super::print_result(&super::to_json(&answer))?,
            // What is in it was made harmless piece by piece.
            ReportFormat::Text => super::write_stdout(&render_why(&answer, color))?,
            ReportFormat::Markdown => super::print_result(&render_why_markdown(&answer))?,
        }
        return Ok(0);
    }
    if let Some(file) = &page {
        write_for_user(file, render_report_page(&inspection).as_bytes(), env.file_mode())?;
        output.verbatim(format!("The page is in {}", file.display()));
    }
    let top = arguments.report.entries();
    let report = report(&inspection, top);
    match arguments.report.format() {
        ReportFormat::Json => super::print_result(&super::to_json(&report))?,
        ReportFormat::Text => super::write_stdout(&render_report(&report, top, color))?,
        ReportFormat::Markdown => super::print_result(&render_report_markdown(&report, top))?,
    }
    Ok(0)
}
