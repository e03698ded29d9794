//! Whether a shell can parse the app's boot scripts and the scripts that its processes start. The shell itself is asked,
//! by `-n`, which executes nothing.

use std::collections::BTreeMap;

use super::catalogue::{FindingCode, Severity};
use super::command::{Invoked, parse_command};
use super::facts::Facts;
use super::finding::{Finding, line_of};
use crate::error::{Result, Snippet};

/// A script, and how it is run.
struct Script<'a> {
    path: &'a str,
    text: &'a str,
    shell: &'static str,
    /// Whether another shell reads it in: that one goes on after a syntax error.
    is_read_in: bool,
}

/// Asks the shells about all scripts. `run` calls a shell of a name with arguments and an input, and returns what it wrote to
/// either output; nothing if there is no such shell.
pub(crate) fn check_scripts(
    facts: &Facts,
    run: impl Fn(&str, &[&str], &str) -> Result<String>,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for script in scripts(facts) {
        let said = run(script.shell, &["-n", "/dev/stdin"], script.text)?;
        findings.extend(fault(&said).and_then(|(line, words)| finding(&script, line, &words)));
    }
    Ok(findings)
}

fn scripts(facts: &Facts) -> Vec<Script<'_>> {
    let mut found: BTreeMap<&str, Script<'_>> = BTreeMap::new();
    let is_boot =
        |path: &str| path == ".profile" || (path.starts_with(".profile.d/") && path.ends_with(".sh"));
    for (path, text) in facts.texts.iter().filter(|(path, _)| is_boot(path)) {
        found.insert(path, Script { path, text, shell: "bash", is_read_in: true });
    }
    for process in facts.processes() {
        for invoked in parse_command(process.command) {
            let Some(path) = invoked.shell_script() else { continue };
            let Some((path, text)) = facts.texts.get_key_value(&path) else { continue };
            let Some(shell) = shell_of(&invoked, text) else { continue };
            let is_read_in = [".", "source"].contains(&invoked.program.as_str());
            // With line ends of Windows, it has a finding of its own.
            if is_read_in || !text.contains('\r') {
                found.entry(path).or_insert(Script { path, text, shell, is_read_in });
            }
        }
    }
    // A text in another encoding has lost letters, and what these words switch on, `-n` doesn't see.
    let is_plain = |text: &str| {
        !text.contains('\u{fffd}') && !text.contains("extglob") && !text.contains("expand_aliases")
    };
    found.into_values().filter(|script| is_plain(script.text)).collect()
}

/// Returns the shell that parses a script: where `sh` is called, it is dash.
fn shell_of(invoked: &Invoked, text: &str) -> Option<&'static str> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let by_name = |name: &str| match name {
        "bash" => Some("bash"),
        "sh" | "dash" => Some("dash"),
        _ => None,
    };
    let program = invoked.program.as_str();
    if [".", "source"].contains(&program) {
        return Some("bash");
    }
    if let Some(shell) = by_name(&name(program)).filter(|_| !invoked.args.is_empty()) {
        return Some(shell);
    }
    // Without `#!`, bash executes it itself.
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else {
        return Some("bash");
    };
    let mut words = line.split_whitespace();
    let first = name(words.next()?);
    by_name(&if first == "env" { name(words.next()?) } else { first })
}

/// Reads the first fault: `/dev/stdin: line 4: syntax error: …` of bash, `/dev/stdin: 4: Syntax error: …` of dash.
fn fault(said: &str) -> Option<(usize, String)> {
    const SIGNS: &[&str] = &["syntax error", "Syntax error", "unexpected EOF"];
    said.lines().find_map(|line| {
        let (number, words) = line.strip_prefix("/dev/stdin: ")?.split_once(": ")?;
        let number = number.strip_prefix("line ").unwrap_or(number).parse().ok()?;
        let words =
            words.strip_prefix("syntax error: ").or(words.strip_prefix("Syntax error: ")).unwrap_or(words);
        SIGNS.iter().any(|sign| line.contains(sign)).then(|| (number, words.to_owned()))
    })
}

fn finding(script: &Script<'_>, line: usize, words: &str) -> Option<Finding> {
    let Script { path, text, shell, is_read_in } = *script;
    // The end of the text is behind its last line.
    let line = line.clamp(1, text.lines().count().max(1));
    let before: Vec<&str> = text.lines().take(line - 1).collect();
    // A shell parses a script as it goes: what it never comes to does no harm.
    if before.iter().any(|line| ["exec ", "exit", "return"].iter().any(|word| line.starts_with(word))) {
        return None;
    }
    let words = words.replace('\r', "\\r");
    let end = if is_read_in {
        "The shell goes on without the rest of it."
    } else {
        "The script ends there, with status 2."
    };
    let message = format!("{shell} can't parse {path}: {words}. {end}");
    // What runs before it may be all that counts.
    let is_certain = !is_read_in && before.iter().all(|line| is_preparation(line));
    let severity = if is_certain { Severity::Error } else { Severity::Warning };
    let shown = line_of(text, line)?;
    let span = shown.len() - shown.trim_start().len()..shown.trim_end().len().max(1).min(shown.len());
    let place = Snippet { file: path.to_owned(), line, text: shown, span, label: "syntax error".to_owned() };
    Some(Finding::new(FindingCode::CommandScriptSyntax, message).with_severity(severity).at(Some(place)))
}

/// Whether a line of a script surely starts nothing that goes on for long.
fn is_preparation(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "set", "export", "echo", "printf", "cd", "mkdir", "cp", "mv", "rm", "test", "[", "[[", "if", "then",
        "else", "elif", "fi", "for", "do", "done", "case", "esac", "while", "unset", "shift", "local",
        "readonly", "umask", "ulimit", "{", "}", "(", ")", "function", ":", "true", "false", "chmod", "ln",
        "touch",
    ];
    let line = line.trim();
    let first = line.split([' ', '\t', ';']).next().unwrap_or_default();
    let is_assignment = first.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            && line == first
    });
    line.is_empty()
        || line.starts_with('#')
        || first.ends_with("()")
        || is_assignment
        || WORDS.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::app;

    // C17
    #[test]
    fn the_shell_that_parses_a_script_is_asked_about_each_that_is_run() {
        const SCRIPT: &str = "set -e\nif true; then\n  echo x\n";
        for (procfile, path, text, shell) in [
            ("web: bash run.sh\n", "run.sh", SCRIPT, Some("bash")),
            ("web: sh run.sh\n", "run.sh", SCRIPT, Some("dash")),
            ("web: ./run.sh\n", "run.sh", SCRIPT, Some("bash")),
            ("web: ./run.sh\n", "run.sh", "#!/bin/sh\nfi\n", Some("dash")),
            ("web: bin/run\n", "bin/run", "#!/usr/bin/env bash\nfi\n", Some("bash")),
            ("web: bin/run\n", "bin/run", "#!/usr/bin/env python3\nfi\n", None),
            ("web: cd a && bash run.sh\n", "a/run.sh", SCRIPT, Some("bash")),
            ("web: . ./env.sh && gunicorn a:b\n", "env.sh", SCRIPT, Some("bash")),
            ("web: gunicorn a:b\n", ".profile", SCRIPT, Some("bash")),
            ("web: gunicorn a:b\n", ".profile.d/a.sh", SCRIPT, Some("bash")),
            ("web: gunicorn a:b\n", ".profile.d/notes.txt", SCRIPT, None),
            ("web: gunicorn a:b\n", "run.sh", SCRIPT, None),
            ("web: bash run.sh\n", "run.sh", "shopt -s extglob\nls !(a)\n", None),
            ("web: bash run.sh\n", "run.sh", "fi\r\n", None),
        ] {
            let asked = std::cell::RefCell::new(Vec::new());
            let found =
                check_scripts(&app(&[("Procfile", procfile), (path, text)]), |shell, arguments, input| {
                    assert_eq!((arguments, input), (&["-n", "/dev/stdin"][..], text));
                    asked.borrow_mut().push(shell.to_owned());
                    Ok("/dev/stdin: line 1: syntax error near unexpected token `fi'\n".to_owned())
                });
            assert_eq!(asked.into_inner(), shell.into_iter().collect::<Vec<_>>(), "{procfile} {path}");
            assert_eq!(found.unwrap().len(), usize::from(shell.is_some()), "{procfile} {path}");
        }
    }

    // C17
    #[test]
    fn a_fault_of_a_script_has_its_line_and_is_an_error_where_nothing_goes_before_it() {
        for (path, text, said, expected) in [
            (
                "run.sh",
                "fi\n",
                "/dev/stdin: line 1: syntax error near unexpected token `fi'",
                Some((1, Severity::Error)),
            ),
            (
                "run.sh",
                "#!/bin/bash\nset -e\nA=1\nif x; then\n  y\n",
                "/dev/stdin: line 6: syntax error: unexpected end of file",
                Some((5, Severity::Error)),
            ),
            (
                "run.sh",
                "a() {\n",
                "/dev/stdin: 2: Syntax error: end of file unexpected (expecting \"}\")",
                Some((1, Severity::Error)),
            ),
            (
                "run.sh",
                "a='\n",
                "/dev/stdin: line 1: unexpected EOF while looking for matching `''",
                Some((1, Severity::Error)),
            ),
            (
                "run.sh",
                "python a.py\nfi\n",
                "/dev/stdin: line 2: syntax error near unexpected token `fi'",
                Some((2, Severity::Warning)),
            ),
            (
                "run.sh",
                "exec python a.py\nfi\n",
                "/dev/stdin: line 2: syntax error near unexpected token `fi'",
                None,
            ),
            (
                ".profile",
                "fi\n",
                "/dev/stdin: line 1: syntax error near unexpected token `fi'",
                Some((1, Severity::Warning)),
            ),
            ("run.sh", "fi\n", "bash: line 1: dash: command not found", None),
            ("run.sh", "fi\n", "", None),
        ] {
            let files = [("Procfile", "web: bash run.sh\n"), (path, text)];
            let found = check_scripts(&app(&files), |_, _, _| Ok(format!("{said}\n"))).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|found| (found.place.as_ref().map_or(0, |place| place.line), found.severity))
                .collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{text} {said}");
        }
    }
}
