//! The line that was meant where a line of the Procfile isn't one: a colon that is missing or something else in its
//! place, marks of a list, quotes, a command without the name of a process type.

use std::sync::LazyLock;

use regex::Regex;

/// A process type and its command, as they were meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeantLine {
    /// The name of the process type.
    pub name: String,
    /// Its command.
    pub command: String,
}

/// Names that process types usually have.
const USUAL_NAMES: &[&str] = &[
    "web",
    "worker",
    "release",
    "clock",
    "beat",
    "scheduler",
    "celery_worker",
    "celery_beat",
    "bot",
    "cron",
];

/// Programs that serve requests.
const SERVERS: &[&str] = &[
    "gunicorn",
    "uvicorn",
    "hypercorn",
    "daphne",
    "waitress-serve",
    "granian",
    "uwsgi",
    "streamlit",
    "flask",
    "fastapi",
];

/// Programs that work through queues.
const WORKERS: &[&str] = &["celery", "dramatiq", "rq", "arq", "huey_consumer", "taskiq"];

/// A name, alone or in quotes, and what stands between it and the command.
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^(?:[-*•>]\s+)?["'`]?([A-Za-z][A-Za-z0-9_-]*)["'`]?\s*(:=|=>|->|[:=;,|]|-\s)?\s*(\S.*)$"#)
        .ok()
});

/// Returns what was meant by a line, if that can be told.
pub(super) fn meant_line(line: &str) -> Option<MeantLine> {
    let found = LINE.as_ref()?.captures(line.trim())?;
    let (name, rest) = (&found[1], found[3].trim_end());
    let is_program = |words: &[&str]| words.contains(&name);
    let is_python = name
        .strip_prefix("python")
        .is_some_and(|version| version.parse::<f32>().is_ok() || version.is_empty());
    if SERVERS.contains(&name) || WORKERS.contains(&name) || is_python {
        let between = found.get(2).map_or("", |between| between.as_str());
        let process = if is_program(WORKERS) { "worker" } else { "web" };
        // `gunicorn wsgi:app`, `gunicorn: wsgi:app`; not `gunicorn: gunicorn wsgi:app`.
        let is_argument = match between {
            "" => is_subcommand(rest) || looks_like_argument(rest),
            ":" => looks_like_argument(rest.strip_prefix("run ").unwrap_or(rest)),
            _ => false,
        };
        let command = is_argument.then(|| format!("{name} {rest}"))?;
        return Some(MeantLine { name: process.to_owned(), command });
    }
    let is_meant = match found.get(2).map(|between| between.as_str()) {
        Some(":") => true,
        _ => USUAL_NAMES.contains(&name.to_ascii_lowercase().as_str()),
    };
    let command =
        rest.strip_suffix(['"', '\'', '`']).filter(|_| line.trim().starts_with(['"', '\''])).unwrap_or(rest);
    is_meant.then(|| MeantLine { name: name.to_owned(), command: command.to_owned() })
}

fn is_subcommand(command: &str) -> bool {
    ["run", "worker", "beat"].contains(&command.split_whitespace().next().unwrap_or_default())
}

/// Returns whether a command begins with what a program is told, and surely with no program.
fn looks_like_argument(command: &str) -> bool {
    let first = command.split_whitespace().next().unwrap_or_default().trim_start_matches(['\'', '"']);
    let is_dotted = |text: &str| {
        text.split('.').all(|part| {
            part.starts_with(|first: char| first.is_alphabetic() || first == '_')
                && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        })
    };
    let is_target = first.split_once(':').is_some_and(|(module, name)| {
        is_dotted(module) && is_dotted(name.split('(').next().unwrap_or_default())
    });
    let is_script = first.ends_with(".py") && !first.starts_with(['.', '/']);
    is_target || is_script || first.starts_with('-') || first.ends_with(".wsgi")
}

#[cfg(test)]
mod tests {
    use super::*;

    // C23
    #[test]
    fn a_line_is_recognised_by_what_it_has() {
        for (line, expected) in [
            ("- web: gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("* web: gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web = gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web=gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web : gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web - gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web; gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("web:gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("\"web\": gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("\"web: gunicorn wsgi:app\"", "web: gunicorn wsgi:app"),
            ("worker celery -A tasks worker", "worker: celery -A tasks worker"),
            ("gunicorn wsgi:app", "web: gunicorn wsgi:app"),
            ("gunicorn: wsgi:app", "web: gunicorn wsgi:app"),
            ("gunicorn: mysite.wsgi --log-file -", "web: gunicorn mysite.wsgi --log-file -"),
            ("gunicorn: 'wsgi:create_app()'", "web: gunicorn 'wsgi:create_app()'"),
            ("uvicorn: main:app --port $PORT", "web: uvicorn main:app --port $PORT"),
            ("streamlit run app.py", "web: streamlit run app.py"),
            ("streamlit: run app.py", "web: streamlit run app.py"),
            ("celery: -A tasks worker", "worker: celery -A tasks worker"),
            ("python app.py", "web: python app.py"),
            ("python3: app.py", "web: python3 app.py"),
            // These are what they say, or nobody knows.
            ("gunicorn: gunicorn wsgi:app", ""),
            ("celery: celery -A tasks worker", ""),
            ("celery: bash worker.sh", ""),
            ("gunicorn needs a file of settings", ""),
            ("heroku ps:scale web=1", ""),
            ("This is the Procfile", ""),
            ("python: python app.py", ""),
            ("python: ./app.py", ""),
            ("rq: worker", ""),
            ("flask: run", ""),
            ("web", ""),
            ("-", ""),
        ] {
            let found = meant_line(line).map(|MeantLine { name, command }| format!("{name}: {command}"));
            assert_eq!(found.unwrap_or_default(), expected, "{line}");
        }
    }
}
