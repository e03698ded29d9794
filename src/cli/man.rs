//! `slugc man`: a manual page for slugc and for each of its commands.

use clap_mangen::Man as Page;

use super::args::Man;
use super::replace::{Written, check_replaceable};
use crate::env::Env;
use crate::error::Result;
use crate::host::files::{FileContext, create_dir_all, write_for_user};
use crate::output::Output;

/// Writes the pages.
pub(super) fn run(arguments: &Man, env: &Env, output: &Output) -> Result<u8> {
    let dir = env.absolute(&arguments.dir);
    create_dir_all(&dir)?;
    let mut command = super::command_line();
    command.build();
    let mut pages = vec![command.clone()];
    pages.extend(
        command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help").cloned(),
    );
    let count = pages.len();
    let mut rendered = Vec::new();
    for page in pages {
        let name = page.get_display_name().unwrap_or_else(|| page.get_name()).replace(' ', "-");
        let file = dir.join(format!("{name}.1"));
        let page = page.version(env!("CARGO_PKG_VERSION"));
        let mut text = Vec::new();
        Page::new(page).render(&mut text).doing("writing", &file)?;
        rendered.push((file, text));
    }
    // All or none.
    rendered.iter().try_for_each(|(file, _)| check_replaceable(file, Written::ManualPage))?;
    for (file, text) in rendered {
        write_for_user(&file, &text, env.file_mode())?;
    }
    output.detail(format!("{count} pages are in {}: `man -M` or `man ./slugc.1` shows them.", dir.display()));
    Ok(0)
}
