//! Calls in the place of an app, `module:make()`: some servers take them, and a shell takes none without quotes.

use super::finding::Finding;
use super::process_line::{Command, Line};
use super::servers::{Server, is_dotted};

/// Servers that evaluate what stands behind the colon.
const EVALUATE: &[&str] = &["gunicorn", "hypercorn"];

/// Servers that look for a name, and the option that makes them call it.
const BY_NAME: &[(&str, Option<&str>)] = &[
    ("daphne", None),
    ("granian", Some("--factory")),
    ("uvicorn", Some("--factory")),
    ("waitress-serve", Some("--call")),
];

/// A call in the place of an app.
struct AppCall<'a> {
    /// The word of the command.
    word: &'a str,
    module: &'a str,
    name: &'a str,
    /// With the parentheses.
    arguments: &'a str,
}

impl<'a> AppCall<'a> {
    fn parse(word: &'a str) -> Option<Self> {
        let (module, call) = word.split_once(':')?;
        let (name, arguments) = call.split_at(call.find('(')?);
        (is_dotted(module) && is_dotted(name) && arguments.ends_with(')')).then_some(Self {
            word,
            module,
            name,
            arguments,
        })
    }

    /// Says how a server that looks for a name is told to call it.
    fn by_name(&self, server: &str) -> String {
        let Self { module, name, arguments, .. } = self;
        let option = BY_NAME.iter().find(|(known, _)| *known == server).and_then(|(_, option)| *option);
        match option.filter(|_| *arguments == "()") {
            Some(option) => {
                format!("Write: {server} {option} {module}:{name}\nThe other options stay as they are.")
            }
            None => format!(
                "Assign the app to a name, as in `app = {name}{arguments}` in the module, and write `{module}:app`."
            ),
        }
    }

    fn in_quotes(&self) -> String {
        let word = self.word;
        match word.contains('\'') {
            false => format!("Put the word in single quotes: '{word}'"),
            true => format!("Put the word in double quotes: \"{word}\""),
        }
    }
}

impl Line<'_> {
    /// A call outside of quotes, which is a syntax error of the shell's.
    pub(super) fn unquoted_call(&self) -> Option<Finding> {
        let command = self.process.command;
        let call = unquoted_call(command)?;
        let parsed = AppCall::parse(call)?;
        let message = format!("The shell takes the parentheses of `{call}` for its own, and runs nothing.");
        let before = command.split(call).next().unwrap_or_default();
        let known = || EVALUATE.iter().copied().chain(BY_NAME.iter().map(|(name, _)| *name));
        let is_it = |word: &str, server: &str| word.rsplit('/').next() == Some(server);
        let server =
            before.split_whitespace().rev().find_map(|word| known().find(|server| is_it(word, server)));
        let fix = match server {
            Some(server) if EVALUATE.contains(&server) => parsed.in_quotes(),
            other => parsed.by_name(other.unwrap_or_default()),
        };
        Some(self.invalid(message, fix, call))
    }
}

impl Command<'_> {
    /// A call in quotes, for a server that looks for a name.
    pub(super) fn call_by_name(&self, server: &Server) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        if !BY_NAME.iter().any(|(known, _)| *known == server.program) {
            return None;
        }
        let words = invoked.words.iter().filter(|word| !word.splits && word.quoted);
        let call = words.map(|word| word.text.as_str()).find_map(AppCall::parse)?;
        let message = format!(
            "{} calls nothing that stands behind the colon: it looks for the name `{}{}`, and there is none.",
            server.program, call.name, call.arguments
        );
        Some(line.invalid(message, call.by_name(server.program), call.word))
    }
}

/// Returns `module:name(…)` if it stands outside of quotes.
fn unquoted_call(command: &str) -> Option<&str> {
    let mut quote = None;
    for (at, letter) in command.char_indices() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (None, '(') => {
                let start = command[..at].rfind(char::is_whitespace).map_or(0, |space| space + 1);
                let end = command[at..].find(')').map(|close| at + close + 1)?;
                return Some(&command[start..end]);
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::{assert_one, found};

    const INVALID: &str = "command::invalid";

    // C06
    #[test]
    fn it_is_said_how_each_server_is_told_to_call() {
        let wsgi = "def make_app():\n    return app\ndef app(environ, start_response):\n    return []\n";
        let more = &[
            ("wsgi.py", wsgi),
            (
                "requirements.txt",
                "gunicorn==23.0.0\nuvicorn==0.34.0\nhypercorn==0.17.3\ndaphne==4.1.2\nwaitress==3.0.2\ngranian==1.7.0\n",
            ),
        ][..];
        let named = "`app = make_app()` in the module, and write `wsgi:app`";
        for (command, words) in [
            ("gunicorn wsgi:make_app()", "Put the word in single quotes: 'wsgi:make_app()'"),
            ("gunicorn wsgi:make_app('prod')", "double quotes: \"wsgi:make_app('prod')\""),
            ("hypercorn -b 0.0.0.0:$PORT wsgi:make_app()", "'wsgi:make_app()'"),
            ("uvicorn wsgi:make_app() --host 0.0.0.0 --port $PORT", "Write: uvicorn --factory wsgi:make_app"),
            (
                "python -m uvicorn wsgi:make_app() --host 0.0.0.0 --port $PORT",
                "uvicorn --factory wsgi:make_app",
            ),
            ("granian --host 0.0.0.0 --port $PORT wsgi:make_app()", "granian --factory wsgi:make_app"),
            ("waitress-serve --port=$PORT wsgi:make_app()", "waitress-serve --call wsgi:make_app"),
            ("daphne -b 0.0.0.0 -p $PORT wsgi:make_app()", named),
            ("uvicorn wsgi:make_app('x') --host 0.0.0.0 --port $PORT", "in the module, and write `wsgi:app`"),
            // In quotes, the shell lets it be, and the server looks for a name with parentheses.
            (
                "uvicorn 'wsgi:make_app()' --host 0.0.0.0 --port $PORT",
                "Write: uvicorn --factory wsgi:make_app",
            ),
            ("granian --host 0.0.0.0 --port $PORT \"wsgi:make_app()\"", "granian --factory wsgi:make_app"),
            ("waitress-serve --port=$PORT 'wsgi:make_app()'", "waitress-serve --call wsgi:make_app"),
            ("daphne -b 0.0.0.0 -p $PORT 'wsgi:make_app()'", named),
        ] {
            assert_one(&format!("web: {command}\n"), more, Some((INVALID, words)));
        }
        for command in [
            "gunicorn 'wsgi:make_app()'",
            "hypercorn -b 0.0.0.0:$PORT 'wsgi:make_app()'",
            "uvicorn --factory wsgi:make_app --host 0.0.0.0 --port $PORT",
            "waitress-serve --port=$PORT --call wsgi:make_app",
        ] {
            assert_eq!(found(&format!("web: {command}\n"), more), [], "{command}");
        }
    }

    // C16
    #[test]
    fn a_backslash_at_the_end_is_a_word_and_no_quote() {
        for (procfile, line, words) in [
            ("web: gunicorn wsgi:app \\\n  --workers 2\n", 2, "no continuation lines"),
            ("web: gunicorn wsgi:app \\\n--workers 2 \\\n--threads 4\n", 2, "no continuation lines"),
            ("web: gunicorn wsgi:app\\\n  --workers 2\n", 2, "no continuation lines"),
        ] {
            let all = found(procfile, &[]);
            assert!(!all.iter().any(|finding| finding.message.contains("quote without an end")), "{all:#?}");
            let next =
                all.iter().find(|finding| finding.place.as_ref().is_some_and(|place| place.line == line));
            assert!(next.is_some_and(|found| found.message.contains(words)), "{procfile} {all:#?}");
        }
        for (command, is_quote) in [
            ("gunicorn wsgi:app \\", false),
            ("gunicorn 'wsgi:app", true),
            ("gunicorn \"wsgi:app", true),
            ("gunicorn 'wsgi:app \\", true),
            ("gunicorn \"wsgi:app\\\"", true),
        ] {
            let all = found(&format!("web: {command}\n"), &[]);
            let is_told = all.iter().any(|finding| finding.message.contains("quote without an end"));
            assert_eq!(is_told, is_quote, "{command} {all:#?}");
        }
        let plain = found("web: gunicorn wsgi:app\n--workers 2\n", &[]);
        assert!(!plain.iter().any(|finding| finding.message.contains("continuation")), "{plain:#?}");
    }
}
