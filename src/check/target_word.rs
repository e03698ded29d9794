//! Words that are meant to name an app and can't: `wsgi:`, `wsgi:app:`, `app:app.server`. What each server makes of
//! them was seen by calling it.

use super::catalogue::FindingCode;
use super::code::{has_module, roots_of};
use super::finding::Finding;
use super::meant::app_of;
use super::process_line::Command;
use super::servers::{Server, free_words, is_dotted};
use super::target::is_surely_nowhere;

impl Command<'_> {
    /// `module:name` with something around it that no server takes.
    pub(super) fn malformed_target(&self, server: &Server) -> Option<Finding> {
        const BY_IMPORT: &[&str] =
            &["gunicorn", "uvicorn", "hypercorn", "daphne", "waitress-serve", "granian"];
        let Self { line, invoked, .. } = *self;
        if !BY_IMPORT.contains(&server.program) {
            return None;
        }
        let free = free_words(server, invoked);
        let [word] = free.as_slice() else { return None };
        let (module, name) = word.split_once(':')?;
        if word.contains(['$', '`', '/', '*', '{']) || name.contains('(') {
            return None;
        }
        let program = server.program;
        if module.is_empty() && is_dotted(name) {
            let message = format!("{program} wants `module:name`, and `{word}` has no module.");
            let fix = format!(
                "Write the module before the colon: the name of the file without `.py`, as in wsgi:{name}."
            );
            return Some(line.invalid(message, fix, word));
        }
        // Python can import it by such a name, if there is a file.
        let is_hyphenated = module.contains('-') && is_dotted(&module.replace('-', "_"));
        if is_hyphenated && is_dotted(name) && self.has_no_module(module) {
            let meant = module.replace('-', "_");
            let app = app_of(line.facts, &meant, &roots_of(invoked), "application");
            let mut message = format!("`{word}` asks for the module `{module}`, which the app doesn't have.");
            if app.is_some() {
                message.push_str(&format!(" Is `{meant}` meant?"));
            }
            let finding = line.finding(FindingCode::AppModuleNotFound, message, module, "no such module");
            return Some(match app {
                Some(_) => finding.with_fix(format!("Write: {meant}:{name}")),
                None => finding,
            });
        }
        // waitress then looks for a name of its own.
        if name.is_empty() && is_dotted(module) && program != "waitress-serve" {
            let message = format!("{program} wants `module:name`, and `{word}` has no name.");
            let fix = match app_of(line.facts, module, &roots_of(invoked), "application") {
                Some(name) => format!("Write: {module}:{name}"),
                None => format!("Write the name of the app behind the colon, as in {module}:app."),
            };
            return Some(line.invalid(message, fix, word));
        }
        let plain = name.trim_matches([':', ';', ',', '.']);
        // hypercorn evaluates the name, so that a comma makes a tuple of it.
        if plain != name
            && is_dotted(module)
            && is_dotted(plain)
            && !(program == "hypercorn" && name.ends_with(','))
        {
            let message = format!("{program} wants `module:name`, and in `{word}` the name is `{name}`.");
            return Some(line.invalid(message, format!("Write: {module}:{plain}"), word));
        }
        let is_attribute =
            program == "gunicorn" && is_dotted(module) && is_dotted(name) && name.contains('.');
        (is_attribute && self.parses_names()).then(|| {
            let (object, attribute) = name.split_once('.').unwrap_or((name, ""));
            let message = format!("gunicorn takes a name or a call behind the colon, and `{name}` is neither.");
            let fix = format!(
                "Give it a name in the module, as in `{attribute} = {object}.{attribute}`, and write:\n{module}:{attribute}"
            );
            line.invalid(message, fix, word)
        })
    }

    fn has_no_module(&self, module: &str) -> bool {
        let facts = self.line.facts;
        !has_module(facts, &roots_of(self.invoked), module)
            && is_surely_nowhere(facts, module.split('.').next().unwrap_or(module))
    }

    /// Whether gunicorn is surely new enough not to evaluate the name as an expression: from 20.0 on.
    fn parses_names(&self) -> bool {
        self.line.facts.has_version_of("gunicorn", 20)
    }
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::{assert_one, found};

    // C16: what gunicorn and the others make of a word was seen by calling them.
    #[test]
    fn words_that_name_no_app_are_told() {
        let all = (
            "requirements.txt",
            "daphne==4.1.2\ngranian==1.7.0\ngunicorn==23.0.0\nhypercorn==0.17.3\nuvicorn==0.34.0\nwaitress==3.0.2\n",
        );
        const INVALID: &str = "command::invalid";
        for (command, expected) in [
            ("gunicorn wsgi:", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn wsgi::app", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn 'wsgi:app;'", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn wsgi:app,", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn :app", Some((INVALID, "no module"))),
            ("gunicorn wsgi:app.server", Some((INVALID, "server = app.server"))),
            ("gunicorn wsgi.py", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn wsgi.app", Some(("app::module-not-found", "`wsgi:app`"))),
            ("uvicorn --host 0.0.0.0 --port $PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
            ("uvicorn --host 0.0.0.0 --port $PORT wsgi:", Some((INVALID, "Write: wsgi:app"))),
            ("hypercorn -b 0.0.0.0:$PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
            ("hypercorn -b 0.0.0.0:$PORT wsgi.app", Some(("app::module-not-found", "`wsgi:app`"))),
            ("daphne -b 0.0.0.0 -p $PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
            ("waitress-serve --port=$PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
            ("granian --host 0.0.0.0 --port $PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
            // These work, or could.
            ("gunicorn wsgi:app extra", None),
            ("gunicorn wsgi:$NAME", None),
            ("gunicorn package.app", None),
            ("gunicorn 'package.app:make()'", None),
            ("gunicorn shifty.app", None),
            ("uvicorn --host 0.0.0.0 --port $PORT wsgi:app.inner", None),
            ("hypercorn -b 0.0.0.0:$PORT asgi:wsgi:app", None),
            ("waitress-serve --port=$PORT wsgi:", None),
        ] {
            let more = [
                all,
                ("package/__init__.py", ""),
                ("package/app.py", "application = object()\ndef make(): ...\n"),
                ("shifty.py", "import sys\nsys.modules['shifty.app'] = object()\n"),
            ];
            assert_one(&format!("web: {command}\n"), &more, expected);
        }
        // gunicorn before 20.0 evaluated what stands behind the colon.
        for (requirements, is_wrong) in
            [("gunicorn==19.9.0", false), ("gunicorn", false), ("gunicorn==20.1.0", true)]
        {
            let all = found("web: gunicorn wsgi:app.server\n", &[("requirements.txt", requirements)]);
            assert_eq!(
                all.iter().any(|finding| finding.code.entry().id == INVALID),
                is_wrong,
                "{requirements} {all:#?}"
            );
        }
    }
}
