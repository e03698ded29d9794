//! How queues' programs are told their app and what to do, where it can't work. What each makes of a word was seen by
//! calling it.

use super::code::roots_of;
use super::finding::Finding;
use super::meant::app_of;
use super::process_line::Command;
use super::servers::is_dotted;
use crate::error::similar::closest_own;

/// Celery's commands that process types run.
const CELERY_COMMANDS: &[&str] = &["worker", "beat", "flower", "events", "multi"];

impl Command<'_> {
    /// The words of a queue's program.
    pub(super) fn worker_words(&self) -> Option<Finding> {
        let invoked = self.invoked;
        if invoked.words.iter().any(|word| word.splits) {
            return None;
        }
        let leading = |from: usize| {
            invoked
                .args
                .get(from..)?
                .iter()
                .map(String::as_str)
                .take_while(|word| !word.starts_with('-'))
                .next()
        };
        match invoked.program.as_str() {
            "celery" => self.celery(),
            "dramatiq" => self.path(leading(0)?, "dramatiq"),
            "huey_consumer" | "huey_consumer.py" | "huey.bin.huey_consumer" => {
                self.dotted(leading(0)?, "huey_consumer", "huey")
            }
            "arq" => self.dotted(leading(0)?, "arq", "WorkerSettings"),
            "taskiq"
                if invoked
                    .args
                    .first()
                    .is_some_and(|word| ["worker", "scheduler"].contains(&word.as_str())) =>
            {
                self.with_colon(leading(1)?)
            }
            _ => None,
        }
    }

    fn celery(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        if let Some(app) = invoked.option(&["-A", "--app"]).last()
            && let Some(found) = self.path(app, "celery")
        {
            return Some(found);
        }
        let is_option = |word: &String| {
            ["-A", "--app"].contains(&word.as_str())
                || word.starts_with("--app=")
                || (word.starts_with("-A") && word.len() > 2)
        };
        let option = invoked.args.iter().position(is_option)?;
        let command = invoked.args.iter().position(|word| CELERY_COMMANDS.contains(&word.as_str()));
        // From 5.0 on, the options of celery itself stand before its command.
        if command.is_some_and(|command| command < option && invoked.args[command] != "multi")
            && line.facts.has_version_of("celery", 5)
        {
            let command = command.and_then(|at| invoked.args.get(at))?;
            let app = invoked.option(&["-A", "--app"]).last().copied().unwrap_or_default();
            let message = format!(
                "celery takes its app before `{command}`, and `{command}` itself has no option `{}`.",
                invoked.args[option].split('=').next().unwrap_or("-A")
            );
            let fix = format!("Write: celery -A {app} {command}, with the other options behind it.");
            return Some(line.invalid(message, fix, &invoked.args[option]));
        }
        let first = invoked.args.iter().enumerate().find(|(index, word)| {
            let before = index.checked_sub(1).and_then(|before| invoked.args.get(before));
            !word.starts_with('-')
                && before.is_none_or(|before| !before.starts_with('-') || before.contains('='))
        });
        let (_, word) = first?;
        let meant = closest_own(word, CELERY_COMMANDS.iter().copied())
            .filter(|_| !CELERY_COMMANDS.contains(&word.as_str()))?;
        let message = format!("celery has no command `{word}`. Is `{meant}` meant?");
        Some(line.invalid(message, format!("Write: {meant}"), word))
    }

    /// `tasks.py`, `./tasks`, `proj/tasks`: modules are meant.
    fn path(&self, word: &str, program: &str) -> Option<Finding> {
        let (module, name) = word.split_once(':').map_or((word, None), |(module, name)| (module, Some(name)));
        let plain = module.trim_start_matches("./").trim_end_matches(".py").replace('/', ".");
        let is_module = self.line.facts.has_file(&format!("{}/py.py", module.trim_end_matches(".py")));
        if plain == module || !is_dotted(&plain) || is_module {
            return None;
        }
        let message = format!("`{word}` is a path, and {program} imports a module.");
        let name = name.map(|name| format!(":{name}")).unwrap_or_default();
        Some(self.line.invalid(message, format!("Write: {plain}{name}"), word))
    }

    /// `tasks`, `tasks:huey`: a dot separates the module from the name.
    fn dotted(&self, word: &str, program: &str, usual: &str) -> Option<Finding> {
        let (module, name) = word.split_once(':').map_or((word, None), |(module, name)| (module, Some(name)));
        let is_wrong = is_dotted(module) && name.map_or(!module.contains('.'), is_dotted);
        is_wrong.then(|| {
            let found = app_of(self.line.facts, module, &roots_of(self.invoked), usual);
            let name = name.or(found.as_deref()).unwrap_or(usual);
            let message =
                format!("{program} wants `module.name`, with a dot between them, and `{word}` isn't that.");
            self.line.invalid(message, format!("Write: {module}.{name}"), word)
        })
    }

    fn with_colon(&self, word: &str) -> Option<Finding> {
        (is_dotted(word)).then(|| {
            let found = app_of(self.line.facts, word, &roots_of(self.invoked), "broker");
            let meant = match (found, word.rsplit_once('.')) {
                (Some(name), _) => format!("{word}:{name}"),
                (None, Some((module, name))) => format!("{module}:{name}"),
                (None, None) => format!("{word}:broker"),
            };
            let message = format!("taskiq wants `module:name`, and `{word}` has no colon.");
            self.line.invalid(message, format!("Write: {meant}"), word)
        })
    }
}
