//! `slugc inspect`

use super::args::Inspect;
use crate::env::Env;
use crate::error::Result;
use crate::host::files::write_for_user;
use crate::inspect::{inspect_slug, render_report, render_report_page, report};
use crate::output::Output;

/// Prints what is in a slug.
pub(super) fn run(arguments: &Inspect, env: &Env, output: &Output) -> Result<u8> {
    let page = super::page_file(arguments.report.html.as_deref(), &[&arguments.slug], env)?;
    let inspection = inspect_slug(&env.absolute(&arguments.slug), env, output)?;
    if let Some(file) = &page {
        write_for_user(file, render_report_page(&inspection).as_bytes(), env.file_mode())?;
        output.verbatim(format!("The page is in {}", file.display()));
    }
    let top = arguments.report.entries();
    let report = report(&inspection, top);
    super::print_result(&match arguments.report.json {
        true => super::to_json(&report),
        false => render_report(&report, top),
    })?;
    Ok(0)
}
