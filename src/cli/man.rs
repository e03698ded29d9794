//! `slugc man`: a manual page for slugc and for each of its commands.

use std::path::Path;

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
    let rendered = pages()
        .into_iter()
        .map(|(name, page)| {
            let file = dir.join(format!("{name}.1"));
            let text = render(&name, page, &file)?;
            Ok((file, text))
        })
        .collect::<Result<Vec<_>>>()?;
    // All or none.
    rendered.iter().try_for_each(|(file, _)| check_replaceable(file, Written::ManualPage))?;
    for (file, text) in &rendered {
        write_for_user(file, text, env.file_mode())?;
    }
    let count = rendered.len();
    output.detail(format!("{count} pages are in {}: `man -M` or `man ./slugc.1` shows them.", dir.display()));
    Ok(0)
}

/// Lists all commands, each with the name of its page.
fn pages() -> Vec<(String, clap::Command)> {
    let mut command = without_help(super::command_line());
    command.build();
    let mut pages = Vec::new();
    collect(&command, "", &mut pages);
    pages
}

/// Takes out the commands that only say what `--help` does.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// Lists a command and all below it, each with the name of its page.
fn collect(command: &clap::Command, before: &str, pages: &mut Vec<(String, clap::Command)>) {
    let name = format!("{before}{}", command.get_name());
    let below = format!("{name}-");
    pages.push((name, command.clone()));
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.for_each(|sub| collect(sub, &below, pages));
}

fn render(name: &str, mut command: clap::Command, file: &Path) -> Result<Vec<u8>> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let has_below = command.has_subcommands();
    command = command.version(env!("CARGO_PKG_VERSION")).after_help("");
    let page = Page::new(command);
    let mut text = Vec::new();
    let mut rendered = page
        .render_title(&mut text)
        .and_then(|()| page.render_name_section(&mut text))
        .and_then(|()| page.render_synopsis_section(&mut text))
        .and_then(|()| page.render_description_section(&mut text))
        .and_then(|()| page.render_options_section(&mut text));
    if has_below {
        rendered = rendered.and_then(|()| page.render_subcommands_section(&mut text));
    }
    rendered.doing("writing", file)?;
    text.extend(sections(&after).into_bytes());
    let parent = name.rsplit_once('-').map(|(parent, _)| format!("{}(1)", plain(parent)));
    if let Some(parent) = parent {
        text.extend(format!(".SH \"SEE ALSO\"\n{parent}\n").into_bytes());
    }
    Ok(text)
}

/// Makes sections of what follows the options in the help: examples, exit codes, the rest.
fn sections(after: &str) -> String {
    let mut text = String::new();
    let mut notes = Vec::new();
    for paragraph in after.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        if let Some(lines) = paragraph.strip_prefix("Examples:\n") {
            let lines: Vec<String> = lines.lines().map(|line| plain(line.trim_start())).collect();
            text.push_str(&format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.join("\n")));
        } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
            text.push_str(&format!(".SH \"EXIT STATUS\"\n{}\n", plain(codes)));
        } else {
            notes.push(plain(paragraph));
        }
    }
    if !notes.is_empty() {
        text.push_str(&format!(".SH NOTES\n{}\n", notes.join("\n.PP\n")));
    }
    text
}

/// Takes the meaning from what roff would obey.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    let lines = text.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    // U10
    #[test]
    fn what_follows_the_options_has_sections_of_its_own() {
        let after = "Examples:\n  slugc run -- x\n  .a\\b\n\nExit codes: 0 fine.\n\nCtrl-C stops.\n\nMore.";
        assert_eq!(
            sections(after),
            ".SH EXAMPLES\n.nf\nslugc run \\-\\- x\n\\&.a\\\\b\n.fi\n.SH \"EXIT STATUS\"\n0 fine.\n\
             .SH NOTES\nCtrl\\-C stops.\n.PP\nMore.\n"
        );
        assert_eq!(sections(""), "");
    }

    #[test]
    fn every_page_that_is_referred_to_is_written() {
        let pages = pages();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for (name, page) in &pages {
            let text = String::from_utf8(render(name, page.clone(), Path::new("x")).unwrap()).unwrap();
            for word in text.replace("\\-", "-").split_whitespace().filter(|word| word.contains("(1)")) {
                let page = word.split("(1)").next().unwrap().trim_start_matches("\\fB");
                assert!(page.is_empty() || names.contains(&page), "{name}: {word} in {names:?}");
            }
            assert!(!text.contains("EXTRA"), "{text}");
        }
        assert!(names.contains(&"slugc-cache-prune") && !names.contains(&"slugc-inventory"), "{names:?}");
    }
}
