//! What it means for a process that one of its commands can't be run: nothing, if the shell goes on without it.

use super::catalogue::Severity;
use super::command::{Invoked, join};
use super::facts::Facts;
use super::finding::Finding;
use super::shell::End;
use crate::plan::steps::HOOKS;

/// Commands that neither make files nor keep a process up.
const IDLE: &[&str] = &[
    "", ":", "[", "cd", "command", "date", "echo", "exit", "export", "false", "hash", "ls", "printf", "pwd",
    "set", "sleep", "test", "true", "type", "ulimit", "umask", "unset", "which",
];

/// Commands whose purpose it is to make files.
const MAKERS: &[&str] = &[
    "7z", "aws", "base64", "cmake", "cp", "curl", "git", "gsutil", "gunzip", "install", "ln", "make",
    "mkdir", "mv", "npm", "npx", "pnpm", "rsync", "tar", "tee", "touch", "unzip", "wget", "yarn",
];

/// What a shell does where a command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It ends, or runs nothing more that stays.
    Ends,
    /// It goes on with the next command.
    GoesOn,
    /// It runs what stands behind `||`.
    Instead,
    /// It is asked for first whether the command can be run, or its failure is caught.
    Foreseen,
    /// Something decides whether the command is run at all.
    Perhaps,
}

/// Makes a finding less if the process doesn't depend on the command that it is about, and drops it if the line foresees
/// the failure. `commands` are those of the line.
pub(super) fn weigh(commands: &[Invoked], index: usize, line: &str, finding: Finding) -> Option<Finding> {
    let words =
        finding.place.as_ref().and_then(|place| place.text.get(place.span.clone())).unwrap_or_default();
    let words = match effect(commands, index, line, words) {
        Effect::Foreseen => return None,
        Effect::Ends => return Some(finding),
        Effect::GoesOn => " The shell goes on with what follows.",
        Effect::Instead => " The shell then runs what follows `||`.",
        Effect::Perhaps => " Something in the line decides whether it is run.",
    };
    Some(lessened(finding, words))
}

/// Makes a finding about a missing file less if something may make the file, and drops it if that is likely.
pub(super) fn unless_made(
    facts: &Facts,
    before: &[Invoked],
    path: &str,
    finding: Finding,
) -> Option<Finding> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let first = path.split('/').next().unwrap_or(path);
    let names = |text: &str| text.contains(name) || (first != name && text.contains(first));
    let is_made = |earlier: &Invoked| {
        MAKERS.contains(&earlier.program.as_str())
            || earlier.outputs.iter().any(|output| join(&earlier.dir, &output.text) == path)
            || (!IDLE.contains(&earlier.program.as_str()) && earlier.args.iter().any(|word| names(word)))
    };
    let scripts = facts.texts.iter().filter(|(name, _)| name.starts_with(".profile") || is_hook(name));
    if before.iter().any(is_made) || scripts.map(|(_, text)| text).any(|text| names(text)) {
        return None;
    }
    let finding = unless_hook_makes(facts, finding);
    let may_make = |earlier: &Invoked| {
        let migrates = earlier.args.iter().map(String::as_str).take(2).eq(["manage.py", "migrate"]);
        !migrates && !IDLE.contains(&earlier.program.as_str())
    };
    Some(if before.iter().any(may_make) {
        lessened(finding, " Unless an earlier command makes it, the process can't start.")
    } else {
        finding
    })
}

/// Makes a finding about a missing file less if a hook runs in the build that is to come: it may make any file.
pub(super) fn unless_hook_makes(facts: &Facts, finding: Finding) -> Finding {
    match facts.files.keys().find(|name| is_hook(name)).filter(|_| !facts.is_built) {
        Some(hook) => lessened(finding, &format!(" Unless {hook} makes it, the process can't start.")),
        None => finding,
    }
}

fn is_hook(path: &str) -> bool {
    HOOKS.contains(&path)
}

fn lessened(mut finding: Finding, words: &str) -> Finding {
    if finding.severity != Severity::Error {
        return finding;
    }
    finding.message.push_str(words);
    finding.with_severity(Severity::Warning)
}

fn effect(commands: &[Invoked], index: usize, line: &str, words: &str) -> Effect {
    let Some((before, rest)) = commands.split_at_checked(index) else { return Effect::Ends };
    let Some(invoked) = rest.first() else { return Effect::Ends };
    if invoked.is_conditional {
        let name = words.rsplit('/').next().unwrap_or(words);
        let is_asked_for = !name.is_empty() && line.matches(name).count() > 1;
        return if is_asked_for { Effect::Foreseen } else { Effect::Perhaps };
    }
    let is_quiet = invoked.outputs.iter().any(|output| output.text == "/dev/null");
    if invoked.program == "cd" && invoked.end == End::Line && is_quiet {
        return Effect::Foreseen;
    }
    // What is skipped by `&&`, or ends a pipeline, hands the failure on.
    let passed = rest.iter().take_while(|invoked| [End::And, End::Pipe].contains(&invoked.end)).count();
    let (end, after) = (rest.get(passed), rest.get(passed + 1..).unwrap_or_default());
    let stops_at_failure = before.iter().any(|earlier| {
        earlier.program == "set" && earlier.args.iter().any(|word| word == "errexit" || is_flag(word, 'e'))
    });
    let goes_on =
        after.iter().any(|later| !IDLE.contains(&later.program.as_str()) || later.program == "sleep");
    match end.map(|invoked| invoked.end) {
        Some(End::Or) => match after.first().map(|next| next.program.as_str()) {
            Some("exit" | "false" | "return") => Effect::Ends,
            Some(":" | "true" | "echo" | "printf") | None => Effect::Foreseen,
            Some(_) => Effect::Instead,
        },
        Some(End::Line) if goes_on && !stops_at_failure => Effect::GoesOn,
        Some(End::Background) if goes_on => Effect::GoesOn,
        _ => Effect::Ends,
    }
}

fn is_flag(word: &str, letter: char) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.contains(letter))
}

#[cfg(test)]
mod tests {
    use crate::check::catalogue::Severity::{self, Error, Warning};
    use crate::check::line_tests::found;

    const NOT_FOUND: &str = "command::file-not-found";
    const NOT_INSTALLED: &str = "command::not-installed";

    fn shown(command: &str, more: &[(&str, &str)]) -> Vec<(&'static str, Severity)> {
        let found = found(&format!("web: {command}\n"), more);
        found.iter().map(|finding| (finding.code.entry().id, finding.severity)).collect()
    }

    // C36
    #[test]
    fn what_a_line_does_not_depend_on_is_no_error() {
        for (command, expected) in [
            // Something looks for the file first.
            ("[ -f x.py ] && python x.py; gunicorn wsgi:app", &[][..]),
            ("[[ -e x.py ]] && python x.py; gunicorn wsgi:app", &[]),
            ("[ -f pre.sh ] && [ -n \"$A\" ] && bash pre.sh; gunicorn wsgi:app", &[]),
            ("if [ -f pre.py ]; then python pre.py; fi; gunicorn wsgi:app", &[]),
            ("if test -f pre.py; then python pre.py; fi; gunicorn wsgi:app", &[]),
            ("test -x bin/pre && bin/pre; gunicorn wsgi:app", &[]),
            ("test -f env.sh && . ./env.sh && true; gunicorn wsgi:app", &[]),
            ("[ ! -f conf.py ] || gunicorn -c conf.py wsgi:app; gunicorn wsgi:app", &[]),
            // The failure is foreseen.
            ("python x.py || true; gunicorn wsgi:app", &[]),
            ("bash x.sh || :; gunicorn wsgi:app", &[]),
            ("cd build 2>/dev/null; gunicorn wsgi:app", &[]),
            ("cd build || true; gunicorn wsgi:app", &[]),
            ("python x.py && python y.py || true; gunicorn wsgi:app", &[]),
            // The shell goes on.
            ("python x.py; gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("bin/pre; gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("bash x.sh; gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("python x.py & gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("python x.py | tee log; gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("(python x.py && true); gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("gunicorn -c missing.py wsgi:app || gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("gunicorn -c missing.py wsgi:app; gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("if [ \"$A\" ]; then python x.py; fi; gunicorn wsgi:app", &[(NOT_FOUND, Warning)]),
            ("celery -A wsgi inspect ping; gunicorn wsgi:app", &[(NOT_INSTALLED, Warning)]),
            ("command -v waitress-serve && waitress-serve --port $PORT wsgi:app || gunicorn wsgi:app", &[]),
            // It doesn't.
            ("python x.py && gunicorn wsgi:app", &[(NOT_FOUND, Error)]),
            ("set -e; python x.py; gunicorn wsgi:app", &[(NOT_FOUND, Error)]),
            ("python x.py || exit 1; gunicorn wsgi:app", &[(NOT_FOUND, Error)]),
            ("cd build && gunicorn wsgi:app", &[(NOT_FOUND, Error)]),
            ("gunicorn -c missing.py wsgi:app", &[(NOT_FOUND, Error)]),
            ("python x.py $PORT", &[(NOT_FOUND, Error)]),
            ("bash -c 'python x.py && gunicorn wsgi:app'", &[(NOT_FOUND, Error)]),
            ("celery -A wsgi inspect ping && gunicorn wsgi:app", &[(NOT_INSTALLED, Error)]),
        ] {
            assert_eq!(shown(command, &[]), expected, "{command}");
        }
    }

    // C36
    #[test]
    fn what_a_hook_or_an_earlier_command_may_make_is_not_certainly_missing() {
        let hook = |text| [("bin/post_compile", text)];
        let generated = hook("python tools/generate.py\n");
        let named = hook("cp conf/start.py generated.py\n");
        let before = [("bin/pre_compile", "./prepare\n")];
        for (command, more, expected) in [
            ("python generated.py && gunicorn wsgi:app", &generated[..], &[(NOT_FOUND, Warning)][..]),
            ("python generated.py $PORT", &before, &[(NOT_FOUND, Warning)]),
            ("bin/serve $PORT", &generated, &[(NOT_FOUND, Warning)]),
            ("bash serve.sh", &generated, &[(NOT_FOUND, Warning)]),
            ("gunicorn -c generated.py wsgi:app", &before, &[(NOT_FOUND, Warning)]),
            ("cd build && gunicorn wsgi:app", &named, &[(NOT_FOUND, Warning)]),
            ("python generated.py && gunicorn wsgi:app", &named, &[]),
            ("gunicorn -c generated.py wsgi:app", &named, &[]),
            ("python wsgi.py && python generated.py && gunicorn wsgi:app", &[], &[(NOT_FOUND, Warning)]),
            ("python wsgi.py && bin/serve", &[], &[(NOT_FOUND, Warning)]),
            ("unzip app.zip && python app/main.py $PORT", &[], &[]),
            ("curl -sO https://example.com/main.py && python main.py $PORT", &[], &[]),
            ("tar xf app.tar.gz && python app/main.py $PORT", &[], &[]),
            ("make build && build/serve $PORT", &[], &[]),
            ("make build && gunicorn -c build/conf.py wsgi:app", &[], &[]),
            ("cat a.txt > main.py && python main.py $PORT", &[], &[]),
            ("echo 1 > main.py && python main.py $PORT", &[], &[]),
            ("git clone https://example.com/x && python x/main.py $PORT", &[], &[]),
            ("echo starting && python main.py $PORT", &[], &[(NOT_FOUND, Error)]),
            ("export A=1; python main.py $PORT", &[], &[(NOT_FOUND, Error)]),
            ("python main.py $PORT", &[("bin/other", "x")], &[(NOT_FOUND, Error)]),
        ] {
            assert_eq!(shown(command, more), expected, "{command} {more:?}");
        }
    }

    // C36
    #[test]
    fn it_is_said_why_it_is_less() {
        for (command, more, words) in [
            ("python x.py; gunicorn wsgi:app", &[][..], "The shell goes on with what follows."),
            ("gunicorn -c x.py wsgi:app || gunicorn wsgi:app", &[], "The shell then runs what follows `||`."),
            ("python x.py $PORT", &[("bin/pre_compile", "./prepare\n")], "Unless bin/pre_compile makes it,"),
            ("python wsgi.py && python x.py $PORT", &[], "Unless an earlier command makes it,"),
        ] {
            let all = found(&format!("web: {command}\n"), more);
            let [one] = all.as_slice() else { panic!("{command}: {all:#?}") };
            assert!(one.message.contains(words), "{command}: {one:#?}");
        }
    }
}
