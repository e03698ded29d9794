//! `slugc sbom`

use super::args::Sbom;
use super::replace::{Written, check_replaceable};
use crate::env::Env;
use crate::error::Result;
use crate::host::files::write_for_user;
use crate::inspect::inspect_slug;
use crate::inspect::sbom::sbom_of_slug;
use crate::output::Output;

/// Prints the list of components of a slug.
pub(super) fn run(arguments: &Sbom, env: &Env, output: &Output) -> Result<u8> {
    let file = arguments.output.as_ref().map(|file| env.absolute(file));
    if let Some(file) = &file {
        check_replaceable(file, Written::Components)?;
    }
    let inspection = inspect_slug(&env.absolute(&arguments.slug), env, output)?;
    let text = sbom_of_slug(&inspection, arguments.recompute);
    match &file {
        Some(file) => write_for_user(file, text.as_bytes(), env.file_mode())?,
        None => super::print_result(&text)?,
    }
    Ok(0)
}
