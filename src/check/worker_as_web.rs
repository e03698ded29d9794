//! Workers under the name `web`: they work through a queue and never listen, so the platform stops them.

use std::sync::LazyLock;

use regex::Regex;

use super::catalogue::FindingCode;
use super::command::{Invoked, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::procfile::suggest_server;
use super::servers::server_of;
use super::shell::End;
use super::sources::is_one_off;

/// Signs that some file of the app listens by itself, beside its work.
static LISTENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(PORT|HTTPServer|TCPServer|make_server|serve_forever|start_server|create_server|run_app|TCPSite|start_http_server|\w+\.run\(|uvicorn|hypercorn|waitress|aiohttp)\b|\.listen\(").ok()
});

/// Finds a web process that is a worker.
pub(super) fn check_worker(facts: &Facts, process: &Process<'_>) -> Option<Finding> {
    let commands = parse_command(process.command);
    let (last, before) = commands.split_last()?;
    let is_alone = before.iter().all(|earlier| is_one_off(earlier) && earlier.end != End::Background)
        && last.end == End::Line
        && !last.is_conditional;
    let name = worker_name(last).filter(|_| is_alone)?;
    let may_listen = process.command.contains("PORT")
        || facts.texts.iter().any(|(path, text)| {
            let is_run = path.ends_with(".py") || path.starts_with(".profile") || path.ends_with(".sh");
            let is_buildpacks = path.starts_with(".profile.d/") && !text.contains("PORT");
            is_run && !is_buildpacks && LISTENS.as_ref().is_none_or(|pattern| pattern.is_match(text))
        });
    if may_listen {
        return None;
    }
    let message = format!(
        "`web` runs {name}, which works through a queue and listens on no port: a web process that doesn't is stopped after 60 seconds (R10)."
    );
    let has_server =
        |other: &Process<'_>| parse_command(other.command).iter().any(|invoked| server_of(invoked).is_some());
    let other = facts.processes().into_iter().find(|other| other.name != "web" && has_server(other));
    let web = match other {
        Some(other) => format!("\nand name `{}` web, if it is to get requests.", other.name),
        None => suggest_server(facts, |_| true)
            .map(|suggestion| format!("\nIf the app answers requests as well, add:\n{}", suggestion.line))
            .unwrap_or_default(),
    };
    let has_worker = facts.processes().iter().any(|other| other.name == "worker");
    let new_name = if has_worker { "queue" } else { "worker" };
    let fix = format!("Name it `{new_name}`:\n{new_name}: {}{web}", process.command.trim());
    let place = point_at("Procfile", process.line, process.text, "web", "listens on no port");
    Some(Finding::new(FindingCode::CommandNoPort, message).with_fix(fix).at(Some(place)))
}

/// Returns the name of a program that works through a queue, as it is called.
fn worker_name(invoked: &Invoked) -> Option<String> {
    const COMMANDS: &[&str] = &[
        "rqworker",
        "rqscheduler",
        "qcluster",
        "run_huey",
        "rundramatiq",
        "process_tasks",
        "db_worker",
        "celery",
    ];
    let has = |word: &str| invoked.args.iter().any(|arg| arg == word);
    let is_python = super::command::is_python(&invoked.program) && !invoked.is_module;
    if is_python {
        let manages = invoked.args.first().is_some_and(|script| script.ends_with("manage.py"));
        let command = invoked.args.get(1).filter(|word| manages && COMMANDS.contains(&word.as_str()))?;
        return Some(format!("`manage.py {command}`"));
    }
    let program = invoked.program.as_str();
    let works = match program {
        "celery" => has("worker") || has("beat"),
        "rq" | "taskiq" => has("worker") || has("scheduler"),
        "rqworker"
        | "rqscheduler"
        | "arq"
        | "dramatiq"
        | "huey_consumer"
        | "huey_consumer.py"
        | "huey.bin.huey_consumer" => true,
        _ => false,
    };
    works.then(|| program.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::assert_one;

    // C22
    #[test]
    fn a_worker_under_the_name_web_is_one_finding() {
        let requirements = (
            "requirements.txt",
            "arq==0.26.1\ncelery==5.4.0\ndramatiq==1.17.1\nhuey==2.5.2\nrq==2.1.0\ntaskiq==0.11.10\n",
        );
        let tasks = ("tasks.py", "app = huey = broker = Settings = object()\n");
        for command in [
            "celery -A tasks:app worker",
            "celery -A tasks:app beat",
            "arq tasks.Settings",
            "huey_consumer tasks.huey",
            "python -m huey.bin.huey_consumer tasks.huey",
            "rq worker default",
            "dramatiq tasks:broker",
            "taskiq worker tasks:broker",
            "cd . && celery -A tasks:app worker --loglevel=info",
        ] {
            let expected = format!("worker: {command}");
            assert_one(
                &format!("web: {command}\n"),
                &[requirements, tasks],
                Some(("command::no-port", &expected)),
            );
            // One that listens by itself, beside its work.
            let listens = ("health.py", "import os\nport = int(os.environ['PORT'])\n");
            assert_one(&format!("web: {command}\n"), &[requirements, tasks, listens], None);
        }
        for command in [
            "celery -A tasks:app worker & gunicorn wsgi:app",
            "python tasks.py",
            "celery -A tasks:app flower --port=$PORT",
        ] {
            let requirements = ("requirements.txt", "celery==5.4.0\ngunicorn==23.0.0\nflower==2.0.1\n");
            assert_one(&format!("web: {command}\n"), &[requirements, tasks], None);
        }
    }
}
