//! Package managers that a command of the app calls though a slug doesn't have them.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::error::FindingCode;
use crate::plan::Notice;
use crate::plan::steps::HOOKS;

/// Finds the tools that a command of the app calls though they aren't installed.
pub(crate) fn missing_tools(app: &AppSource, installed: &BTreeSet<String>) -> Vec<Notice> {
    let processes = app.procfile.as_ref().map(Procfile::process_types).unwrap_or_default();
    let processes =
        processes.into_iter().map(|(name, command)| (format!("The process type `{name}`"), command));
    // Hooks run during the build, where the tools of Heroku's buildpack would be.
    let hooks = HOOKS.into_iter().filter_map(|name| {
        Some((name.to_owned(), String::from_utf8_lossy(&app.read_file(name).ok()?).into_owned()))
    });
    let mut notices = Vec::new();
    for (place, text) in processes.chain(hooks) {
        for (tool, call) in tools_called(&text).into_iter().filter(|(tool, _)| !installed.contains(*tool)) {
            let way_out = match call.ends_with(" run") {
                true => format!(
                    "The packages are installed for the app's own Python, so that the command \
                     works without `{call}` in front of it."
                ),
                false => "The packages of the app are installed already, for its own Python.".to_owned(),
            };
            notices.push(Notice {
                code: FindingCode::ProcfileMissingTool.into(),
                text: format!("{place} calls `{call}`, but {tool} isn't installed in the slug. {way_out}")
                    .into(),
                warning: true,
            });
        }
    }
    notices
}

/// Finds the package managers that a shell's text calls, each with the first such call: `poetry run`. Options between
/// the two words, with or without a value, are passed over.
fn tools_called(text: &str) -> BTreeMap<&'static str, String> {
    const TOOLS: &[&str] = &["pipenv", "poetry", "uv", "pdm"];
    const COMMANDS: &[&str] =
        &["run", "shell", "sync", "install", "update", "lock", "export", "add", "pip", "tool", "python"];
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let code = line.split_once(" #").map_or(line, |(code, _)| code);
        let is_end = |letter: char| letter.is_whitespace() || ";&|()'\"`".contains(letter);
        let words: Vec<&str> = code.split(is_end).filter(|word| !word.is_empty()).collect();
        if code.trim_start().starts_with('#') {
            continue;
        }
        for (at, word) in words.iter().enumerate() {
            let name = word.rsplit('/').next().unwrap_or_default();
            if name == "uvx" {
                calls.entry("uv").or_insert_with(|| name.to_owned());
            }
            let Some(tool) = TOOLS.iter().find(|tool| **tool == name) else { continue };
            let mut rest = words[at + 1..].iter().copied().peekable();
            while rest.next_if(|word| word.starts_with('-')).is_some() {
                rest.next_if(|word| !word.starts_with('-') && !COMMANDS.contains(word));
            }
            if let Some(command) = rest.next().filter(|word| COMMANDS.contains(word)) {
                calls.entry(tool).or_insert_with(|| format!("{tool} {command}"));
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_tools_are_found_among_other_words() {
        for (text, expected) in [
            ("pipenv run gunicorn app", &["pipenv run"][..]),
            ("exec poetry run python x.py & uv run y", &["poetry run", "uv run"]),
            ("bash -c 'uv run app.py'", &["uv run"]),
            ("python -m pdm run app\npdm sync", &["pdm run"]),
            ("./.venv/bin/poetry -C api --no-ansi run app", &["poetry run"]),
            ("uv --quiet --directory api sync", &["uv sync"]),
            ("x=$(poetry export)\nuvx ruff", &["poetry export", "uvx"]),
            ("gunicorn run:app --uv", &[]),
            ("# uv run x\necho # uv run\n", &[]),
            ("uvicorn run", &[]),
            ("poetry --version\nrun", &[]),
        ] {
            let calls: Vec<String> = tools_called(text).into_values().collect();
            assert_eq!(calls, expected, "{text}");
        }
    }
}
