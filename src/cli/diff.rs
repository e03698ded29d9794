//! `slugc diff`

use super::args::{Diff, ReportFormat};
use crate::env::Env;
use crate::error::{ErrorCode, Failure, Result, UserError};
use crate::host::files::write_for_user;
use crate::inspect::{compare, inspect_slug, render_diff, render_diff_markdown, render_diff_page};
use crate::output::Output;
use crate::slug::heroku_size;

/// What trouble is, as in diff(1).
const TROUBLE: u8 = 2;

/// Prints how two slugs differ; returns 0 if they don't, 1 if they do, 2 if that can't be told. With a limit it is 0 up
/// to that, and 1 beyond.
pub(super) fn run(arguments: &Diff, color: bool, env: &Env, output: &Output) -> u8 {
    match print_difference(arguments, color, env, output) {
        Ok(code) => code,
        Err(failure) => {
            output.error(&failure);
            exit_code(&failure)
        }
    }
}

fn exit_code(failure: &Failure) -> u8 {
    match failure.code() {
        ErrorCode::Interrupted | ErrorCode::DiffMaxGrowth => failure.exit_code(),
        _ => TROUBLE,
    }
}

fn print_difference(arguments: &Diff, color: bool, env: &Env, output: &Output) -> Result<u8> {
    let page = super::page_file(arguments.report.html.as_deref(), &[&arguments.old, &arguments.new], env)?;
    let old = inspect_slug(&env.absolute(&arguments.old), env, output)?;
    let new = inspect_slug(&env.absolute(&arguments.new), env, output)?;
    let mut difference = compare(&old, &new);
    if let Some(file) = &page {
        write_for_user(file, render_diff_page(&difference).as_bytes(), env.file_mode())?;
        output.verbatim(format!("The page is in {}", file.display()));
    }
    let top = arguments.report.entries();
    match arguments.report.format() {
        // What is in it was made harmless piece by piece.
        ReportFormat::Text => super::write_stdout(&render_diff(&difference, top, color))?,
        ReportFormat::Markdown => super::print_result(&render_diff_markdown(&difference, top))?,
        ReportFormat::Json => {
            difference.files.truncate(top);
            super::print_result(&super::to_json(&difference))?;
        }
    }
    let Some(most) = arguments.max_growth else { return Ok(u8::from(!difference.is_same())) };
    let growth = difference.new.size.saturating_sub(difference.old.size);
    if growth > most {
        Err(GrownTooMuch { growth, most })?;
    }
    Ok(0)
}

/// The new slug is bigger than it may be.
#[derive(Debug, thiserror::Error)]
#[error("The slug grows by {} ({growth} bytes); --max-growth allows {}.", heroku_size(*.growth), heroku_size(*.most))]
struct GrownTooMuch {
    growth: u64,
    most: u64,
}

impl UserError for GrownTooMuch {
    fn code(&self) -> ErrorCode {
        ErrorCode::DiffMaxGrowth
    }
}
