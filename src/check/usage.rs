//! Commands that can't work as they are written: words that a shell doesn't expand, options that a program doesn't
//! have, files and directories that aren't there, processes that end at once. Where a shell, a hook or an earlier
//! command could make it true, nothing is said.

use super::catalogue::FindingCode;
use super::code::roots_of;
use super::command::{Invoked, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::Finding;
use super::meant::app_of;
use super::options::options_of;
use super::paste::line_to_paste;
use super::process_line::{Command, Line};
use super::required::lacking;
use super::servers::{Server, free_words, is_dotted, is_fixed, listening, server_of};
use super::shell::{End, Word, read_commands};
use super::weight::weigh;
use crate::error::similar::closest_own;

/// Checks the commands of all process types.
pub(super) fn check_usage(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in facts.processes() {
        let commands = parse_command(process.command);
        let line = Line { facts, process: &process };
        if let Some(found) = line.syntax() {
            findings.push(found);
            continue;
        }
        for (index, invoked) in commands.iter().enumerate().filter(|(_, invoked)| !invoked.is_conditional) {
            let command = Command { line: &line, invoked, before: &commands[..index] };
            // The first reason is enough.
            let found = command.check();
            findings.extend(match found {
                Some(found) if found.code == FindingCode::CommandInvalid => Some(found),
                found => found.and_then(|found| weigh(&commands, index, process.command, found)),
            });
        }
        findings.extend(line.ends_at_once(&commands));
    }
    findings
}

impl Line<'_> {
    /// What the shell itself refuses.
    fn syntax(&self) -> Option<Finding> {
        let Process { name, command, .. } = *self.process;
        // A backslash at the end is passed on as it is.
        let whole = command.trim_end().trim_end_matches('\\');
        if shlex::split(whole).is_none() {
            let message = format!(
                "The command of `{name}` has a quote without an end, so the shell runs nothing of it."
            );
            return Some(self.invalid(message, "Close the quote, or leave it away.", command));
        }
        if command.starts_with("[\"") {
            let message = format!(
                "The command of `{name}` is a list in brackets, which a shell doesn't take for a command."
            );
            return Some(self.invalid(
                message,
                "Write the command as in a shell, without a prompt or brackets.",
                "[",
            ));
        }
        if let Some(found) = self.shell_words() {
            return Some(found);
        }
        if read_commands(command).is_some() {
            return None;
        }
        self.unquoted_call()
    }

    /// A process that leaves everything to the background ends, and its dyno with it.
    fn ends_at_once(&self, commands: &[Invoked]) -> Option<Finding> {
        // What ends at once keeps no dyno up.
        const AT_ONCE: &[&str] = &["disown", "true", ":", "echo", "printf", "exit", "date", "jobs", "bg"];
        let is_at_once = |invoked: &&Invoked| {
            let sleeps = invoked.program == "sleep"
                && invoked.args.first().is_some_and(|time| time.bytes().all(|byte| byte.is_ascii_digit()));
            (sleeps || AT_ONCE.contains(&invoked.program.as_str())) && invoked.end != End::Background
        };
        let last = commands.iter().rev().find(|invoked| !is_at_once(invoked))?;
        if last.end != End::Background || last.is_conditional {
            return None;
        }
        let message = format!(
            "`{}` is put into the background by `&`, and nothing runs after it that stays: the process ends, and its dyno with it.",
            last.program
        );
        Some(self.finding(FindingCode::CommandInBackground, message, "&", "in the background").with_fix(
            "Leave the last `&` away, and what comes after it. To wait for several\n\
                 programs, end the line with `wait -n`.",
        ))
    }
}

impl Command<'_> {
    fn check(&self) -> Option<Finding> {
        self.environment()
            .or_else(|| self.program())
            .or_else(|| self.foreign_option())
            .or_else(|| self.number())
            .or_else(|| self.server())
            .or_else(|| self.worker_words())
            .or_else(|| self.user())
            .or_else(|| self.background())
            .or_else(|| self.missing())
            .or_else(|| self.worker_class())
    }

    /// First words that no program can have.
    fn program(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let Word { text, quoted, splits, .. } = &invoked.word;
        let process = line.process.name;
        if text == "$" || text.starts_with("$ ") || (text.starts_with('[') && text.ends_with(',')) {
            let sign = text.split(' ').next().unwrap_or(text);
            let message = format!("The command begins with `{sign}`, which is no program.");
            return Some(line.invalid(
                message,
                "Write the command as in a shell, without a prompt or brackets.",
                sign,
            ));
        }
        if *splits || invoked.is_module {
            return None;
        }
        if *quoted && text.contains(char::is_whitespace) {
            let message =
                format!("Because of the quotes, `{text}` is one word, and there is no program of that name.");
            let fix = format!("Leave the quotes away:\n{}", line_to_paste(process, text));
            return Some(line.invalid(message, fix, text));
        }
        if text.len() > 1 && text.ends_with(':') {
            let message = format!("The first word of the command is `{text}`, which is no program.");
            return Some(line.invalid(message, format!("Leave `{text}` away."), &format!(" {text}")));
        }
        const NOT_IN_DYNOS: &[&str] = &["sudo", "docker", "docker-compose", "systemctl"];
        if NOT_IN_DYNOS.contains(&text.as_str()) {
            let message = format!("A dyno has no `{text}`, and its user can become no other.");
            return Some(line.invalid(message, format!("Call the program without `{text}`."), text));
        }
        let is_on_path = text.contains('/') || text.is_empty() || sets_path(line.facts);
        let own = join(&invoked.dir, text);
        let is_script = [".sh", ".py", ".bash"].iter().any(|end| text.ends_with(end));
        (!is_on_path && is_script && line.facts.has_file(&own)).then(|| {
            let message = format!("The process type `{process}` runs `{text}`, and the app's directory isn't searched for programs.");
            line.finding(FindingCode::CommandFileNotFound, message, text, "not found")
                .with_fix(format!("Write `./{text}`, or put `bash` or `python` in front of it."))
        })
    }

    fn foreign_option(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let options = options_of(&invoked.program)?;
        let name = server_of(invoked).map_or(invoked.program.clone(), Server::name);
        // Behind `--`, words are the app's.
        let own = invoked.args.iter().take_while(|word| *word != "--");
        let given: Vec<&str> = own.map(|word| word.split('=').next().unwrap_or(word)).collect();
        let (option, instead) = options.foreign.iter().find(|(option, _)| given.contains(option))?;
        let message = format!("{name} has no option `{option}`, so it ends at once.");
        Some(line.invalid(message, format!("Write: {instead}"), option))
    }

    fn server(&self) -> Option<Finding> {
        let invoked = self.invoked;
        let server = server_of(invoked)?;
        self.empty_port(server)
            .or_else(|| self.placeholder(server))
            .or_else(|| self.no_target(server))
            .or_else(|| self.call_by_name(server))
            .or_else(|| self.app(server))
            .or_else(|| self.malformed_target(server))
    }

    /// Ports that nothing fills in.
    fn placeholder(&self, server: &Server) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let names_port = |word: &&Word| word.text.contains("$PORT") || word.text.contains("${PORT");
        if let Some(word) = invoked.words.iter().filter(names_port).find(|word| word.literal_dollar) {
            let text = &word.text;
            let message = format!(
                "The shell doesn't expand `{text}`: not in single quotes, and not behind a backslash."
            );
            return Some(line.invalid(
                message,
                format!("Write it in double quotes, or without any: {text}"),
                text,
            ));
        }
        if let Some(word) = invoked.words.iter().find(|word| word.text.contains("$(PORT)")) {
            let message =
                "In a shell, `$(PORT)` is what a program named PORT writes, and there is none.".to_owned();
            return Some(line.invalid(message, "Write $PORT.", &word.text));
        }
        if let Some(host) = invoked.option(server.host).into_iter().find(|host| has_port(host)) {
            let message = format!("{} takes a host there, and `{host}` has a port in it.", server.name());
            return Some(line.invalid(message, format!("Write: {}", server.advice()), host));
        }
        let port = listening(server, invoked).port?;
        let pid = port.contains("$$");
        if !pid && (port.is_empty() || port.contains(['$', '`'])) {
            return None;
        }
        if !pid && is_fixed(&port) && port.parse::<u16>().is_ok() {
            return None;
        }
        let message = format!("`{port}` isn't a port: the shell puts the port in the place of `$PORT`.");
        Some(line.invalid(message, format!("Write: {}", server.advice()), &port))
    }

    /// Names of apps that the server can't import.
    fn app(&self, server: &Server) -> Option<Finding> {
        const BY_IMPORT: &[&str] = &["gunicorn", "uvicorn", "daphne", "waitress-serve"];
        const WITH_COLON: &[&str] = &["uvicorn", "daphne"];
        let Self { line, invoked, .. } = *self;
        if !BY_IMPORT.contains(&server.program)
            || invoked.words.iter().any(|word| word.splits && !is_value(word))
        {
            return None;
        }
        let free = free_words(server, invoked);
        let [word] = free.as_slice() else { return None };
        let (module, name) = word.split_once(':').unwrap_or((word, ""));
        let is_path = module.contains('/') || module.ends_with(".py");
        let dotted = module.trim_start_matches("./").trim_end_matches(".py").replace('/', ".");
        if is_path && is_dotted(&dotted) {
            let roots = roots_of(invoked);
            let app = app_of(line.facts, &dotted, &roots, "application");
            // `wsgi/app` for `wsgi:app`.
            let inner = dotted.rsplit_once('.').filter(|(parent, last)| {
                let has_name = |root: &String| {
                    line.facts.has_file(&format!("{}.py", join(root, &parent.replace('.', "/"))))
                };
                app.is_none()
                    && !module.ends_with(".py")
                    && name.is_empty()
                    && roots.iter().any(has_name)
                    && is_dotted(last)
            });
            let (dotted, name) = match inner {
                Some((parent, last)) => (parent, last),
                None if name.is_empty() => (dotted.as_str(), app.as_deref().unwrap_or("app")),
                None => (dotted.as_str(), name),
            };
            let message = format!("`{word}` is a path, and {} imports a module.", server.program);
            return Some(line.invalid(message, format!("Write: {dotted}:{name}"), word));
        }
        let lacks_name = WITH_COLON.contains(&server.program) && name.is_empty() && is_dotted(module);
        lacks_name.then(|| {
            let meant = match module.rsplit_once('.') {
                Some((module, name)) if ["app", "application", "api"].contains(&name) => {
                    format!("{module}:{name}")
                }
                _ => {
                    let name = app_of(line.facts, module, &roots_of(invoked), "application");
                    format!("{module}:{}", name.as_deref().unwrap_or("app"))
                }
            };
            let message = format!("{} wants `module:name`, and `{word}` has no colon.", server.program);
            line.invalid(message, format!("Write: {meant}"), word)
        })
    }

    fn user(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let users = options_of(&invoked.program)?.users;
        let user =
            invoked.option(users).into_iter().find(|user| !user.contains(['$', '`']) && !user.is_empty())?;
        let message =
            format!("{} is to become `{user}`, and a dyno's user may become no other.", invoked.program);
        Some(line.invalid(message, "Leave the option away: a dyno never runs as root.", user))
    }

    /// Programs that go into the background by themselves.
    fn background(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let program = invoked.program.as_str();
        let flag = match options_of(program)?.background {
            flags if invoked.has_flag(flags) => flags.iter().find(|flag| invoked.has_flag(&[flag])).copied(),
            _ if program == "celery" => {
                (invoked.args.first().map(String::as_str) == Some("multi")).then_some("multi")
            }
            _ if program == "supervisord" && self.supervisor_ends() => Some("supervisord"),
            _ => None,
        }?;
        // Something else may go on.
        if invoked.end != End::Line {
            return None;
        }
        let fix = match program {
            "supervisord" => "Add `-n`: supervisord then stays in the foreground.".to_owned(),
            "celery" => "Run `celery worker` without it, in a process type of its own.".to_owned(),
            _ => format!("Leave `{flag}` away."),
        };
        let message = format!("{program} goes into the background: the process ends, and its dyno with it.");
        Some(
            line.finding(FindingCode::CommandInBackground, message, flag, "into the background")
                .with_fix(fix),
        )
    }

    fn supervisor_ends(&self) -> bool {
        let Self { line, invoked, .. } = *self;
        let stays = invoked
            .args
            .iter()
            .any(|word| word == "--nodaemon" || (word.starts_with("-n") && !word.starts_with("--")));
        let named = invoked.option(&["-c", "--configuration"]).last().map(|file| join(&invoked.dir, file));
        let settings = named.and_then(|file| line.facts.texts.get(&file));
        !stays && settings.is_some_and(|text| !text.replace(' ', "").contains("nodaemon=true"))
    }

    fn worker_class(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        if invoked.program != "gunicorn" {
            return None;
        }
        let class = *invoked.option(&["-k", "--worker-class"]).last()?;
        let package = match class.split('.').next().unwrap_or(class) {
            _ if class.contains(['$', '`', '#', ':']) || class.is_empty() => return None,
            "sync" | "gthread" => return None,
            "gevent" | "gevent_pywsgi" | "gevent_wsgi" | "geventwebsocket" => "gevent",
            "eventlet" => "eventlet",
            "tornado" => "tornado",
            "uvicorn" if class != "uvicorn" => "uvicorn",
            "uvicorn_worker" => "uvicorn-worker",
            "meinheld" if class.contains('.') => "meinheld",
            "aiohttp" if class.contains('.') => "aiohttp",
            _ => return self.unknown_class(class),
        };
        let module = package.replace('-', "_");
        let (why, lack) = match &line.facts.installed {
            Some(installed) if installed.leads_elsewhere || installed.modules.contains(&module) => {
                return None;
            }
            Some(_) => ("isn't installed".to_owned(), None),
            None => {
                let lack = lacking(line.facts, package)?;
                (format!("isn't in {}", lack.file), Some(lack))
            }
        };
        let message = format!("gunicorn's worker class `{class}` is in the package {package}, which {why}.");
        let found = line.finding(FindingCode::CommandNotInstalled, message, class, "isn't installed");
        Some(match lack {
            Some(lack) => lack.weigh(found, package),
            None => found,
        })
    }
}

impl Command<'_> {
    /// A worker class by a single name: only gunicorn itself has such names.
    fn unknown_class(&self, class: &str) -> Option<Finding> {
        const NAMES: &[&str] = &["sync", "gthread", "gevent", "eventlet", "tornado", "asgi"];
        const OTHERS: &[&str] = &["uvicorn", "uvloop", "asyncio", "thread", "threads", "async", "process"];
        let Self { line, .. } = *self;
        if class.contains('.') || NAMES.contains(&class) {
            return None;
        }
        let near = closest_own(class, ["sync", "gthread", "gevent", "eventlet", "tornado"]);
        // A version of gunicorn that nobody knows yet may have more.
        let is_known = near.is_some() || OTHERS.contains(&class) || line.facts.has_version_of("gunicorn", 20);
        is_known.then(|| {
            let message = format!("gunicorn has no worker class named `{class}`.");
            let fix = match near {
                _ if class.starts_with("uvicorn") => "Write: -k uvicorn.workers.UvicornWorker".to_owned(),
                Some(near) => format!("Write: -k {near}{}", self.to_require(near)),
                None => "Write one of: sync, gthread, gevent, eventlet, tornado; or the whole path of a\n\
                         class, as in package.module.Class."
                    .to_owned(),
            };
            line.invalid(message, fix, class)
        })
    }
}

impl Command<'_> {
    /// Says that the package of a worker class is to be required, unless it may be there.
    fn to_require(&self, class: &str) -> String {
        let facts = self.line.facts;
        let is_gunicorns = ["sync", "gthread"].contains(&class);
        let lacks = match &facts.installed {
            Some(installed) => !installed.leads_elsewhere && !installed.modules.contains(class),
            None => lacking(facts, class).is_some(),
        };
        if is_gunicorns || !lacks {
            return String::new();
        }
        format!("\nand add {class} to the requirements, with a version.")
    }
}

/// `$PORT` as a part of a value.
fn is_value(word: &Word) -> bool {
    word.text.contains("PORT") || word.text.starts_with('-')
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(before, port)| {
        !before.contains(':') && (port.starts_with('$') || (!port.is_empty() && is_fixed(port)))
    })
}

/// Whether a boot script changes where programs are looked for.
pub(super) fn sets_path(facts: &Facts) -> bool {
    facts.texts.iter().any(|(name, text)| {
        (name == ".profile" || (name.starts_with(".profile.d/") && name != ".profile.d/python.sh"))
            && text.contains("PATH=")
    })
}
