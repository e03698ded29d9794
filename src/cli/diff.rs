//! `slugc diff`

use super::args::Diff;
use crate::env::Env;
use crate::error::{ErrorCode, Failure, Result};
use crate::host::files::write_for_user;
use crate::inspect::{compare, inspect_slug, render_diff, render_diff_page};
use crate::output::Output;

/// What trouble is, as in diff(1).
const TROUBLE: u8 = 2;

/// Prints how two slugs differ; returns 0 if they don't, 1 if they do, 2 if that can't be told.
pub(super) fn run(arguments: &Diff, env: &Env, output: &Output) -> u8 {
    match print_difference(arguments, env, output) {
        Ok(code) => code,
        Err(failure) => {
            output.error(&failure);
            exit_code(&failure)
        }
    }
}

fn exit_code(failure: &Failure) -> u8 {
    match failure.code() {
        ErrorCode::Interrupted => failure.exit_code(),
        _ => TROUBLE,
    }
}

fn print_difference(arguments: &Diff, env: &Env, output: &Output) -> Result<u8> {
    let page = super::page_file(arguments.report.html.as_deref(), &[&arguments.old, &arguments.new], env)?;
    let old = inspect_slug(&env.absolute(&arguments.old), env, output)?;
    let new = inspect_slug(&env.absolute(&arguments.new), env, output)?;
    let mut difference = compare(&old, &new);
    if let Some(file) = &page {
        write_for_user(file, render_diff_page(&difference).as_bytes(), env.file_mode())?;
        output.verbatim(format!("The page is in {}", file.display()));
    }
    let top = arguments.report.entries();
    super::print_result(&match arguments.report.json {
        true => {
            difference.files.truncate(top);
            super::to_json(&difference)
        }
        false => render_diff(&difference, top),
    })?;
    Ok(u8::from(!difference.is_same()))
}
