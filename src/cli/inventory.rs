//! `slugc inventory`: makes `inventory/runtimes.toml` anew from uv's list of downloads.

use super::args::Inventory;
use crate::env::Env;
use crate::error::Result;
use crate::host::files::FileContext;
use crate::python::catalogue::render_inventory;

/// Prints the catalogue.
pub(super) fn run(arguments: &Inventory, env: &Env) -> Result<u8> {
    let path = env.absolute(&arguments.from);
    let text = std::fs::read_to_string(&path).doing("reading", &path)?;
    super::print_result(&render_inventory(&text)?)?;
    Ok(0)
}
