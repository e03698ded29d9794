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

#[cfg(test)]
mod tests {
    use crate::check::line_tests::{assert_one, found};

    const NOT_FOUND: &str = "command::file-not-found";
    const NOT_INSTALLED: &str = "command::not-installed";

    // C16, C20
    #[test]
    fn words_that_a_program_refuses_are_told() {
        const INVALID: &str = "command::invalid";
        let more = &[
            (
                "requirements.txt",
                "arq==0.26.1\ncelery==5.4.0\ndramatiq==1.17.1\ngunicorn==23.0.0\nhuey==2.5.2\nhypercorn==0.17.3\ntaskiq==0.11.10\nuvicorn==0.34.0\n",
            ),
            ("tasks.py", "huey = WorkerSettings = broker = object()\n"),
            ("cel.py", "from celery import Celery\napp = Celery()\n"),
            ("proj/__init__.py", ""),
            ("proj/tasks.py", "broker = object()\n"),
            ("src/site.py", "app = object()\n"),
        ][..];
        for (command, expected) in [
            // Shells.
            ("gunicorn wsgi:app &&", Some((INVALID, "Write:\nweb: gunicorn wsgi:app"))),
            ("gunicorn wsgi:app |", Some((INVALID, "Write:\nweb: gunicorn wsgi:app"))),
            ("gunicorn -b 0.0.0.0:${PORT wsgi:app", Some((INVALID, "without its `}`"))),
            ("gunicorn -b 0.0.0.0:<PORT> wsgi:app", Some((INVALID, "`<PORT>`"))),
            ("gunicorn -b 0.0.0.0:$port wsgi:app", Some((INVALID, "`$port`"))),
            ("uvicorn wsgi:app --host 0.0.0.0 --port ${Port}", Some((INVALID, "`${Port}`"))),
            ("gunicorn -b 0.0.0.0:${PORT:8000} wsgi:app", Some((INVALID, "${PORT:-8000}"))),
            ("gunicorn -b $PORT wsgi:app", Some((INVALID, "--bind 0.0.0.0:$PORT"))),
            ("gunicorn wsgi:app -b 0.0.0.0: $PORT", Some((INVALID, "no port follows"))),
            ("port=8000; gunicorn -b 0.0.0.0:$port wsgi:app", Some(("command::fixed-port", "8000"))),
            (
                "export HTTP_PORT=8000; gunicorn -b 0.0.0.0:${HTTP_PORT} wsgi:app",
                Some(("command::fixed-port", "8000")),
            ),
            ("port=$PORT; gunicorn -b 0.0.0.0:$port wsgi:app", None),
            ("port=${PORT:-8000} && gunicorn -b 0.0.0.0:$port wsgi:app", None),
            ("gunicorn -b 0.0.0.0:$HTTP_PORT wsgi:app", None),
            ("gunicorn -b 0.0.0.0:${PORT:-8000} wsgi:app", None),
            ("gunicorn -b 0.0.0.0:${PORT:=8000} wsgi:app", None),
            ("gunicorn wsgi:app;", None),
            ("gunicorn -b fd://3 wsgi:app", None),
            // Numbers.
            ("gunicorn --timeout 30s wsgi:app", Some((INVALID, "--timeout 30"))),
            ("gunicorn -w auto wsgi:app", Some((INVALID, "`auto`"))),
            ("gunicorn --threads=2.5 wsgi:app", Some((INVALID, "--threads 2"))),
            ("uvicorn wsgi:app --host 0.0.0.0 --port $PORT --workers max", Some((INVALID, "`max`"))),
            ("hypercorn -b 0.0.0.0:$PORT -w x wsgi:app", Some((INVALID, "`x`"))),
            ("gunicorn -w $WEB_CONCURRENCY -t 30 --threads=4 wsgi:app", None),
            ("gunicorn --workers=$(nproc) wsgi:app", None),
            // No app.
            ("gunicorn", Some((INVALID, "isn't told which app"))),
            ("gunicorn -b 0.0.0.0:$PORT --workers 2", Some((INVALID, "isn't told which app"))),
            ("uvicorn --host 0.0.0.0 --port $PORT", Some((INVALID, "isn't told which app"))),
            ("UVICORN_APP=wsgi:app uvicorn --host 0.0.0.0 --port $PORT", None),
            ("gunicorn $APP", None),
            ("gunicorn -c conf.py", Some((NOT_FOUND, "conf.py"))),
            // Options of others, paths and machines of others.
            ("gunicorn --env-file .env wsgi:app", Some((INVALID, "--env-file"))),
            ("gunicorn --worker 2 wsgi:app", Some((INVALID, "--workers N"))),
            ("gunicorn wsgi/app", Some((INVALID, "Write: wsgi:app"))),
            ("gunicorn src/site.py", Some((INVALID, "Write: src.site:app"))),
            ("gunicorn wsgi-app:app", Some(("app::module-not-found", "`wsgi-app`"))),
            ("/usr/local/bin/gunicorn wsgi:app", Some((NOT_FOUND, "\nweb: gunicorn wsgi:app"))),
            ("/home/me/site/venv/bin/gunicorn wsgi:app", Some((NOT_FOUND, "\nweb: gunicorn wsgi:app"))),
            ("gunicorn.exe wsgi:app", Some((NOT_FOUND, "\nweb: gunicorn wsgi:app"))),
            ("python -m gunicron wsgi:app", Some((NOT_INSTALLED, "`gunicorn`"))),
            ("/usr/bin/python3 tasks.py", None),
            ("python -m tasks", None),
        ] {
            assert_one(&format!("web: {command}\n"), more, expected);
        }
        for (command, expected) in [
            ("celery worker -A cel", Some((INVALID, "celery -A cel worker"))),
            ("celery beat --app=cel", Some((INVALID, "celery -A cel beat"))),
            ("celery -A cel.py worker", Some((INVALID, "Write: cel"))),
            ("celery -A proj/tasks worker", Some((INVALID, "Write: proj.tasks"))),
            ("celery -A cel workr", Some((INVALID, "`worker`"))),
            ("celery -A cel:ap worker", Some(("app::attribute-not-found", "cel:app"))),
            ("dramatiq tasks.py", Some((INVALID, "Write: tasks"))),
            ("dramatiq ./proj/tasks", Some((INVALID, "Write: proj.tasks"))),
            ("huey_consumer tasks", Some((INVALID, "Write: tasks.huey"))),
            ("huey_consumer tasks:huey", Some((INVALID, "Write: tasks.huey"))),
            ("arq tasks:WorkerSettings", Some((INVALID, "Write: tasks.WorkerSettings"))),
            ("arq tasks.Settings", Some(("app::attribute-not-found", "tasks.py"))),
            ("taskiq worker tasks.broker", Some((INVALID, "Write: tasks:broker"))),
            ("taskiq worker proj.tasks", Some((INVALID, "Write: proj.tasks:broker"))),
            ("celery -A cel worker -Q a,b -l info", None),
            ("celery -A cel -b redis://x worker", None),
            ("celery --app cel beat", None),
            ("celery -A cel purge -f", None),
            ("celery -A $APP worker", None),
            ("dramatiq tasks proj.tasks", None),
            ("huey_consumer tasks.huey -w 2", None),
            ("arq tasks.WorkerSettings", None),
            ("taskiq worker tasks:broker proj.tasks", None),
        ] {
            assert_one(&format!("web: gunicorn wsgi:app\nworker: {command}\n"), more, expected);
        }
        let old = found(
            "web: gunicorn wsgi:app\nworker: celery worker -A cel\n",
            &[("requirements.txt", "celery==4.4.7\ngunicorn==23.0.0\n"), more[2]],
        );
        assert_eq!(old, [], "celery before 5.0 takes its app behind the command");
    }
}
