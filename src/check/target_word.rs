//! Words that are meant to name an app and can't: `wsgi:`, `wsgi:app:`, `app:app.server`. What each server makes of
//! them was seen by calling it.

use super::catalogue::FindingCode;
use super::code::roots_of;
use super::command::join;
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
        let path = module.replace('.', "/");
        let is_there = roots_of(self.invoked).iter().any(|root| {
            let path = join(root, &path);
            facts.has_dir(&path) || facts.has_file(&format!("{path}.py"))
        });
        !is_there && is_surely_nowhere(facts, module.split('.').next().unwrap_or(module))
    }

    /// Whether gunicorn is surely new enough not to evaluate the name as an expression: from 20.0 on.
    fn parses_names(&self) -> bool {
        self.line.facts.has_version_of("gunicorn", 20)
    }
}
