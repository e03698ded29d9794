//! How programs are told which app they serve or work for: gunicorn and its like, Celery, and other queues. From the
//! documentation and the source of each. How they find it is written in `import.py`.

use super::command::Invoked;
use super::servers::{is_dotted, server_of, target};

/// An app that a program is told to load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Loading {
    /// The word of the command; empty if the program's own settings name the app.
    pub(super) word: String,
    /// The module, with dots; for Celery it may end with names in the module.
    pub(super) module: String,
    /// What is looked up in it, a call with its arguments included.
    pub(super) name: Option<String>,
    /// Whether the program calls what it finds: an option says that it is a factory.
    pub(super) calls: bool,
    /// What else decides: options of the program, or more modules to import.
    pub(super) words: Vec<String>,
}

impl Loading {
    /// Returns the name without arguments, as far as the module itself has to have it.
    pub(super) fn first_name(&self) -> Option<&str> {
        self.name.as_deref().map(|name| name.split(['(', '.']).next().unwrap_or(name))
    }
}

/// Returns whether loading an app means to call something of it.
pub(super) fn is_factory(calls: bool, name: Option<&str>) -> bool {
    calls || name.is_some_and(|name| name.ends_with(')'))
}

/// Returns the app that a program is told to load, as far as its command says so.
pub(super) fn loading(invoked: &Invoked) -> Option<Loading> {
    let found = match invoked.program.as_str() {
        "celery" => celery(invoked)?,
        "dramatiq" => {
            let mut words = leading(&invoked.args);
            let mut found = named(words.next()?, None)?;
            found.words = words.map(str::to_owned).collect();
            found
        }
        // `rq worker -c settings` imports its settings.
        "rq" | "rqworker" => named(invoked.option(&["-c", "--config"]).last()?, None)?,
        "arq" | "huey_consumer" | "huey_consumer.py" | "huey.bin.huey_consumer" => {
            let word = leading(&invoked.args).next()?;
            let (module, name) = word.rsplit_once('.')?;
            Loading { word: word.to_owned(), ..named(&format!("{module}:{name}"), None)? }
        }
        "taskiq" => {
            let mut words = leading(invoked.args.get(1..)?);
            let mut found = named(words.next().filter(|word| word.contains(':'))?, None)?;
            found.words = words.map(str::to_owned).collect();
            found
        }
        _ => served(invoked)?,
    };
    let is_plain = |text: &str| text.is_empty() || is_dotted(text);
    let is_sure = is_plain(&found.module)
        && found.first_name().is_none_or(is_plain)
        && !found.words.iter().any(|word| word.contains(['$', '`', '*', '~']));
    is_sure.then_some(found)
}

/// The words before the first option: behind it, a word may be an option's value.
fn leading(args: &[String]) -> impl Iterator<Item = &str> {
    args.iter().map(String::as_str).take_while(|word| !word.starts_with('-'))
}

/// `module:name`, or a module alone with the name that is looked for then.
fn named(word: &str, default: Option<&str>) -> Option<Loading> {
    let (module, name) = match word.split_once(':') {
        Some((module, name)) => (module, Some(name)),
        None => (word, default),
    };
    let (word, module, name) = (word.to_owned(), module.to_owned(), name.map(str::to_owned));
    (!module.is_empty()).then(|| Loading { word, module, name, ..Loading::default() })
}

fn celery(invoked: &Invoked) -> Option<Loading> {
    let word = *invoked.option(&["-A", "--app"]).last()?;
    let mut found = named(word, None)?;
    let is_command = |word: &&String| ["worker", "beat"].contains(&word.as_str());
    found.words = invoked.args.iter().find(is_command).cloned().into_iter().collect();
    Some(found)
}

/// What a web server serves.
fn served(invoked: &Invoked) -> Option<Loading> {
    let server = server_of(invoked)?;
    let calls = invoked.has_flag(&["--factory", "--call"]);
    let word = target(server, invoked);
    if server.program != "gunicorn" {
        let default = (server.program == "hypercorn").then_some("app");
        return Some(Loading { calls, ..named(word?, default)? });
    }
    if invoked.has_flag(&["--paste", "--paster"]) {
        return None;
    }
    let words = gunicorn_words(invoked);
    match word {
        Some(word) => {
            let found = named(word, Some("application"))?;
            Some(Loading { words: words.into_iter().chain([word.to_owned()]).collect(), ..found })
        }
        // Its settings may name the app.
        None => words.iter().any(|word| word == "--config").then(|| Loading { words, ..Loading::default() }),
    }
}

/// The options that decide what gunicorn loads. What the others say is no concern of a check that doesn't listen.
fn gunicorn_words(invoked: &Invoked) -> Vec<String> {
    const OPTIONS: &[(&str, &str)] = &[
        ("-c", "--config"),
        ("--chdir", "--chdir"),
        ("--pythonpath", "--pythonpath"),
        ("-e", "--env"),
        ("-k", "--worker-class"),
    ];
    let mut words = Vec::new();
    for (short, long) in OPTIONS {
        for value in invoked.option(&[*short, *long]) {
            words.extend([(*long).to_owned(), value.to_owned()]);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::command::parse_command;

    // C33, C06
    #[test]
    fn each_program_names_its_app_in_a_way_of_its_own() {
        for (command, module, name, makes) in [
            ("gunicorn wsgi", "wsgi", Some("application"), false),
            ("gunicorn a.b:app", "a.b", Some("app"), false),
            (
                "gunicorn 'a:create_app(\"x\", debug=False)'",
                "a",
                Some("create_app(\"x\", debug=False)"),
                true,
            ),
            ("gunicorn --chdir src a:app.server", "a", Some("app.server"), false),
            ("gunicorn -c gunicorn.conf.py", "", None, false),
            ("python -m gunicorn a:app", "a", Some("app"), false),
            ("uvicorn --factory a:make", "a", Some("make"), true),
            ("uvicorn a:make --factory --port $PORT", "a", Some("make"), true),
            ("hypercorn -b 0.0.0.0:$PORT 'a:make()'", "a", Some("make()"), true),
            ("daphne -p $PORT a.asgi:application", "a.asgi", Some("application"), false),
            ("waitress-serve --port=$PORT --call a:make", "a", Some("make"), true),
            ("granian --port $PORT a:app", "a", Some("app"), false),
            ("celery -A proj.app.celery_app worker", "proj.app.celery_app", None, false),
            ("celery --app=proj:queue worker -B", "proj", Some("queue"), false),
            ("celery -Aproj beat", "proj", None, false),
            ("dramatiq a.tasks b.tasks -p 2", "a.tasks", None, false),
            ("dramatiq a:broker", "a", Some("broker"), false),
            ("rq worker -c settings high low", "settings", None, false),
            ("arq a.worker.WorkerSettings", "a.worker", Some("WorkerSettings"), false),
            ("huey_consumer.py a.tasks.huey -w 4", "a.tasks", Some("huey"), false),
            ("python -m huey.bin.huey_consumer a.huey", "a", Some("huey"), false),
            ("taskiq worker a.broker:broker a.tasks", "a.broker", Some("broker"), false),
        ] {
            let invoked = parse_command(command).pop().unwrap();
            let found = loading(&invoked).unwrap_or_else(|| panic!("{command}"));
            assert_eq!(
                (
                    found.module.as_str(),
                    found.name.as_deref(),
                    is_factory(found.calls, found.name.as_deref())
                ),
                (module, name, makes),
                "{command}"
            );
        }
        for command in [
            "gunicorn $APP",
            "gunicorn",
            "gunicorn -c $CONF a:app",
            "gunicorn --paste development.ini",
            "celery worker",
            "dramatiq -p 2 a.tasks",
            "rq worker high",
            "arq --help",
            "taskiq worker",
            "uvicorn",
            "python manage.py runserver",
        ] {
            let invoked = parse_command(command).pop().unwrap();
            assert_eq!(loading(&invoked), None, "{command}");
        }
    }
}
