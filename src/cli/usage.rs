//! Mistakes on the command line that clap explains in a way that leads astray.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::env::Env;
use crate::output::shell_quote;

/// Explains `slugc run SLUG python --version`: a command, which two dashes have to precede. clap would have them in the
/// middle of it.
pub(super) fn command_without_dashes(error: &clap::Error, env: &Env) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_file = |word: &OsStr| env.absolute(Path::new(word)).exists();
    let (before, command) = command_in(&env.args, unknown, is_file)?;
    let quoted =
        |words: &[OsString]| words.iter().map(|word| shell_quote_word(word)).collect::<Vec<_>>().join(" ");
    Some(format!(
        "error: a command needs two dashes before it\n\n  slugc {} -- {}\n\nFor more information, try '--help'.\n",
        quoted(before),
        quoted(command)
    ))
}

/// Splits the arguments of `run` before the command, if the unknown word belongs to one. A word before the unknown one
/// begins it, unless that is the slug.
fn command_in<'a>(
    args: &'a [OsString],
    unknown: &str,
    is_file: impl Fn(&OsStr) -> bool,
) -> Option<(&'a [OsString], &'a [OsString])> {
    let words = args.get(1..)?;
    if words.first()? != "run" || words.iter().any(|word| word == "--") {
        return None;
    }
    // clap names an option without its value, and a letter without those beside it.
    let letter = unknown.strip_prefix('-').filter(|letter| !letter.starts_with('-'));
    let is_unknown = |word: &OsString| {
        word.to_str().is_some_and(|word| {
            let rest = word.strip_prefix(unknown);
            let has_letter =
                |letter| word.starts_with('-') && !word.starts_with("--") && word.contains(letter);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
                || letter.is_some_and(has_letter)
        })
    };
    let at = words.iter().position(is_unknown)?;
    let first = words.get(at.checked_sub(1)?)?;
    let is_option = first.as_encoded_bytes().starts_with(b"-");
    (at >= 3 && !is_option && !is_file(first)).then(|| words.split_at(at - 1))
}

fn shell_quote_word(word: &OsStr) -> String {
    // An option isn't a path.
    let text = word.to_string_lossy();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_=./,:@%+".contains(char);
    if text.starts_with('-') && text.chars().all(is_plain) {
        text.into_owned()
    } else {
        shell_quote(Path::new(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Y14
    #[test]
    fn a_command_is_told_from_an_option_that_is_misspelt() {
        for (line, unknown, expected) in [
            ("run s.tgz python --version", "--version", Some("run s.tgz -- python --version")),
            (
                "run s.tgz python manage.py migrate",
                "manage.py",
                Some("run s.tgz -- python manage.py migrate"),
            ),
            ("run s.tgz bash -c true", "-c", Some("run s.tgz -- bash -c true")),
            ("run s.tgz bash -lc true", "-l", Some("run s.tgz -- bash -lc true")),
            (
                "run --port 5000 s.tgz python --level=3",
                "--level",
                Some("run --port 5000 s.tgz -- python --level=3"),
            ),
            ("run s.tgz --prot 1", "--prot", None),
            ("run --port 5000 s.tgz --x", "--x", None),
            ("run s.tgz web -- x --y", "--y", None),
            ("build . python --version", "--version", None),
            ("run --x", "--x", None),
            ("run s.tgz web é -x", "é", Some("run s.tgz -- web é -x")),
            ("run s.tgz -x web ", "", Some("run s.tgz -x -- web ")),
        ] {
            let args: Vec<OsString> =
                ["slugc"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            let found = command_in(&args, unknown, |word| word == "s.tgz").map(|(before, command)| {
                let text = |words: &[OsString]| words.join(OsStr::new(" ")).into_string().unwrap();
                format!("{} -- {}", text(before), text(command))
            });
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }
}
