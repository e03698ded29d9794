//! Words of a server's command that it refuses: numbers that are none, ports that the shell makes nothing of, and no
//! app at all. What each server makes of them was seen by calling it.

use super::finding::Finding;
use super::options::options_of;
use super::paste::line_to_paste;
use super::process_line::{Command, Line};
use super::procfile::suggest_server;
use super::servers::{Server, listening};
use super::shell::Word;

impl Line<'_> {
    /// What the shell refuses, or reads as something else.
    pub(super) fn shell_words(&self) -> Option<Finding> {
        let command = self.process.command.trim();
        let name = self.process.name;
        let has_quotes = command.contains(['\'', '"', '#', '\\']);
        if let Some(end) = ["&&", "||", "|"].into_iter().find(|end| command.ends_with(end) && !has_quotes) {
            let message =
                format!("The command of `{name}` ends with `{end}`, so the shell runs nothing of it.");
            let rest = command.trim_end_matches(['&', '|', ' ']);
            return Some(self.invalid(message, format!("Write:\n{}", line_to_paste(name, rest)), end));
        }
        if !has_quotes && command.rfind("${").is_some_and(|at| !command[at..].contains('}')) {
            let message = format!(
                "The command of `{name}` has a `${{` without its `}}`, so the shell runs nothing of it."
            );
            return Some(self.invalid(message, "Write $PORT, or close the brace.", "${"));
        }
        let placeholder =
            ["<PORT>", "<port>", "<Port>"].into_iter().find(|word| command.contains(word) && !has_quotes)?;
        let message = format!("The shell takes `{placeholder}` for the names of files to read and to write.");
        Some(self.invalid(message, "Write $PORT.", placeholder))
    }
}

impl Command<'_> {
    /// Values that have to be numbers.
    pub(super) fn number(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let options = options_of(&invoked.program)?;
        let is_wrong =
            |value: &&str| !value.is_empty() && !value.contains(['$', '`']) && value.parse::<i64>().is_err();
        let (option, value) = options
            .numbers
            .iter()
            .find_map(|option| Some((option, invoked.option(&[option]).into_iter().find(is_wrong)?)))?;
        let message = format!("{} takes a number behind `{option}`, and `{value}` is none.", invoked.program);
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        let fix = if digits.is_empty() {
            format!("Write a whole number: {option} 2")
        } else {
            format!("Write a whole number, without a unit: {option} {digits}")
        };
        Some(line.invalid(message, fix, value))
    }

    /// Ports that a shell expands to nothing.
    pub(super) fn empty_port(&self, server: &Server) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let fix = format!("Write: {}", server.advice());
        if server.program == "gunicorn"
            && let Some(bind) =
                invoked.option(server.bind).into_iter().find(|bind| ["$PORT", "${PORT}"].contains(bind))
        {
            let message = format!(
                "gunicorn takes an address behind `--bind`, and `{bind}` alone for the name of a host."
            );
            return Some(line.invalid(message, fix, bind));
        }
        let port = listening(server, invoked).port?;
        if port.is_empty() && server.program == "gunicorn" {
            let bind = invoked.option(server.bind).into_iter().find(|bind| bind.ends_with(':'))?;
            let message = format!("`{bind}` ends with a colon, and no port follows.");
            return Some(line.invalid(message, fix, bind));
        }
        let name = port
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| port.strip_prefix('$'))?;
        if let Some(default) =
            name.strip_prefix("PORT:").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let message =
                format!("In a shell, `{port}` is what follows the first {default} letters of PORT: nothing.");
            return Some(line.invalid(message, "Write $PORT. A default would be ${PORT:-8000}.", &port));
        }
        let is_other = name.eq_ignore_ascii_case("PORT") && name != "PORT";
        let assigned = format!("{name}=");
        let is_set = invoked.variable(name).is_some()
            || line.process.command.contains(&assigned)
            || line.facts.config_vars.contains_key(name)
            || self
                .before
                .iter()
                .any(|earlier| !["cd", "echo", "", "python"].contains(&earlier.program.as_str()))
            || line.facts.texts.iter().any(|(path, text)| {
                (path.starts_with(".profile") || path == "app.json") && text.contains(name)
            });
        (is_other && !is_set).then(|| {
            let message = format!("`{port}` is another variable than `$PORT`, and nothing sets it.");
            line.invalid(message, fix, &port)
        })
    }

    /// A server that is told no app.
    pub(super) fn no_target(&self, server: &Server) -> Option<Finding> {
        const WANT_ONE: &[&str] = &["gunicorn", "uvicorn", "hypercorn", "daphne", "granian"];
        let Self { line, invoked, .. } = *self;
        let (facts, program) = (line.facts, server.program);
        if !WANT_ONE.contains(&program) || invoked.words.iter().any(|word| word.splits && !is_port(word)) {
            return None;
        }
        let numbers = options_of(program).map_or(&[][..], |options| options.numbers);
        let takes_value = |option: &str| {
            let known = [server.bind, server.host, server.port, numbers, &["-k", "--worker-class"][..]];
            known.iter().any(|options| options.contains(&option))
        };
        let is_value = |index: usize| {
            index
                .checked_sub(1)
                .and_then(|before| invoked.args.get(before))
                .is_some_and(|before| takes_value(before))
        };
        let mut words = invoked.args.iter().enumerate();
        let is_free = words.any(|(index, word)| !word.starts_with('-') && !is_value(index));
        // Its settings may name one, and so may variables; some options only print something.
        let prints = ["-h", "--help", "-v", "--version", "--check-config", "--print-config"];
        let has_settings = ["-c", "--config", "--paste", "--paster"];
        let is_told = invoked.has_flag(&prints)
            || has_settings.iter().any(|option| invoked.args.iter().any(|word| word.starts_with(option)))
            || facts.files.keys().any(|name| name.ends_with("gunicorn.conf.py"))
            || invoked.variables.iter().chain(&invoked.exported).any(|(name, _)| is_prefixed(server, name))
            || facts.config_vars.keys().any(|name| is_prefixed(server, name))
            || facts.texts.iter().any(|(path, text)| {
                (path.starts_with(".profile") || path == "app.json" || path == ".env")
                    && path != ".profile.d/python.gunicorn.sh"
                    && !server.prefix.is_empty()
                    && text.contains(server.prefix)
            })
            || !self
                .before
                .iter()
                .all(|earlier| ["cd", "echo", "", "python"].contains(&earlier.program.as_str()));
        if is_free || is_told {
            return None;
        }
        let message = format!("{program} isn't told which app to serve, so it ends at once.");
        let fix = match suggest_server(facts, |_| true) {
            Some(suggestion) if line.process.name == "web" => format!("Write:\n{}", suggestion.line),
            _ => format!("Write the module and the name of the app: {program} wsgi:app"),
        };
        Some(line.invalid(message, fix, program))
    }
}

fn is_prefixed(server: &Server, name: &str) -> bool {
    !server.prefix.is_empty() && name.starts_with(server.prefix)
}

/// `$PORT` as a part of a value.
fn is_port(word: &Word) -> bool {
    word.text.contains("PORT") || word.text.starts_with('-')
}
