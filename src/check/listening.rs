//! Where the web process listens, and whether its server is one for production. One cause is one finding.

use super::catalogue::{FindingCode, Severity};
use super::code::{Code, web_process};
use super::command::{Invoked, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, line_of, point_at};
use super::paste::line_to_paste;
use super::script_server::{check_runserver, check_script, production};
use super::server_files::lacks_port;
use super::servers::{Listening, Server, is_fixed, is_loopback, listening, server_of};
use super::shell::End;
use super::sources::{fixed_in_scripts, has_open_word, is_one_off, may_be_told, streamlit_settings};
use super::worker_as_web::check_worker;

/// How many scripts that call each other are followed.
const MAX_DEPTH: usize = 3;

/// Checks the web process.
pub(super) fn check_listening(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let Some(process) = web_process(facts) else { return Vec::new() };
    let commands = parse_command(process.command);
    let line = Line { facts, code, process: &process, script: None, before: &[], depth: 0 };
    let mut findings = line.check(&commands);
    findings.extend(check_worker(facts, &process));
    findings
}

/// A line of the Procfile, or a script of the app that it runs.
pub(super) struct Line<'a> {
    pub(super) facts: &'a Facts,
    pub(super) code: &'a Code<'a>,
    pub(super) process: &'a Process<'a>,
    /// The script.
    script: Option<&'a str>,
    /// What has run before the script.
    before: &'a [Invoked],
    /// How many scripts have called each other on the way.
    depth: usize,
}

/// A command, and what its line runs before and after it.
pub(super) struct Place<'a> {
    pub(super) line: &'a Line<'a>,
    pub(super) invoked: &'a Invoked,
    before: Vec<Invoked>,
    after: &'a [Invoked],
}

/// What keeps requests from arriving.
pub(super) struct Problem {
    pub(super) code: FindingCode,
    pub(super) message: String,
    pub(super) words: String,
    pub(super) label: &'static str,
    /// A place that isn't in the line.
    pub(super) elsewhere: Option<Finding>,
}

impl Line<'_> {
    fn check(&self, commands: &[Invoked]) -> Vec<Finding> {
        let mut findings = Vec::new();
        // What a shell decides is left to it.
        for (index, invoked) in commands.iter().enumerate().filter(|(_, invoked)| !invoked.is_conditional) {
            let before = [self.before, &commands[..index]].concat();
            let place = Place { line: self, invoked, before, after: &commands[index + 1..] };
            if let Some(server) = server_of(invoked) {
                findings.extend(place.check_server(server));
            } else if let Some(script) = invoked.script() {
                findings.extend(self.check_python(invoked, &script));
            } else if let Some(script) = invoked.shell_script().filter(|_| self.depth < MAX_DEPTH) {
                findings.extend(place.check_shell_script(&script));
            }
        }
        findings
    }

    fn check_python(&self, invoked: &Invoked, script: &str) -> Vec<Finding> {
        let Line { facts, code, process, .. } = *self;
        if let Some((finding, words, label)) = check_runserver(facts, invoked) {
            return vec![finding.at(self.point(invoked, &words, label))];
        }
        if invoked.args.len() == 1 && !process.command.contains("PORT") {
            return check_script(facts, code, script).into_iter().collect();
        }
        Vec::new()
    }

    /// Points at words of a command.
    pub(super) fn point(&self, invoked: &Invoked, words: &str, label: &str) -> Option<crate::error::Snippet> {
        match self.script {
            Some(file) => {
                let line = line_of(self.facts.texts.get(file)?, invoked.line)?;
                Some(point_at(file, invoked.line, &line, words, label))
            }
            None => Some(point_at("Procfile", self.process.line, self.process.text, words, label)),
        }
    }
}

impl Place<'_> {
    fn finding(&self, problem: Problem) -> Finding {
        let Problem { code, message, words, label, elsewhere } = problem;
        elsewhere
            .unwrap_or_else(|| Finding::new(code, message).at(self.line.point(self.invoked, &words, label)))
    }

    /// A script that starts the server by itself.
    fn check_shell_script(&self, script: &str) -> Vec<Finding> {
        let Line { facts, code, process, .. } = *self.line;
        let Some(text) = facts.texts.get(script).filter(|_| self.invoked.dir.is_empty()) else {
            return Vec::new();
        };
        let depth = self.line.depth + 1;
        let inner = Line { facts, code, process, script: Some(script), before: &self.before, depth };
        inner.check(&parse_command(text))
    }

    fn check_server(&self, server: &Server) -> Vec<Finding> {
        let program = server.program;
        let mut problem = self.problem(server);
        if server.is_for_development {
            let name = server.name();
            let message =
                format!("`{name}` is a server for development: it wasn't made to be reached by the public.");
            let word = server.subcommand.unwrap_or(program);
            let fix = production(self.line.facts, |_| program != "http.server").unwrap_or_else(|| {
                let line = match program {
                    "http.server" => {
                        return format!(
                            "Use a server for production, such as gunicorn with WhiteNoise for static files.\n\
                             This one gets requests when it is called like this:\n{}",
                            line_to_paste("web", self.line.process.command)
                        );
                    }
                    "fastapi" => self.line.process.command.replacen("fastapi dev", "fastapi run", 1),
                    _ => return FindingCode::CommandDevServer.entry().fix.to_owned(),
                };
                format!("Use a server for production:\n{}", line_to_paste(self.line.process.name, &line))
            });
            return vec![match problem {
                // One cause: another server is needed, whatever this one is told.
                Some(problem) if problem.code == FindingCode::CommandFixedPort => {
                    self.finding(problem).with_fix(fix)
                }
                Some(problem) => {
                    let message = format!("{message} {}", problem.message);
                    Finding::new(FindingCode::CommandDevServer, message)
                        .with_severity(Severity::Error)
                        .with_fix(fix)
                        .at(self.line.point(self.invoked, word, "for development"))
                }
                None => Finding::new(FindingCode::CommandDevServer, message)
                    .with_fix(fix)
                    .at(self.line.point(self.invoked, word, "for development")),
            }];
        }
        let mut findings: Vec<Finding> = Vec::new();
        if let Some(flag) = ["--reload", "--debug"].into_iter().find(|flag| self.invoked.has_flag(&[flag])) {
            let message = format!(
                "{program} watches its files and restarts itself with `{flag}`: it costs time, and nothing changes on a dyno."
            );
            findings.push(
                Finding::new(FindingCode::CommandDevServer, message)
                    .with_fix(format!("Leave `{flag}` away."))
                    .at(self.line.point(self.invoked, flag, "for development")),
            );
        }
        let advice = server.advice();
        if let Some(problem) = problem.take() {
            let is_elsewhere = problem.elsewhere.is_some();
            let finding = self.finding(problem);
            findings.push(if is_elsewhere {
                finding
            } else {
                finding.with_fix(format!(
                    "Write `{advice}`. Requests come from outside of the dyno, to the port\n\
                     in PORT; without it, the dyno is stopped after 60 seconds (R10)."
                ))
            });
        }
        findings
    }

    /// Finds what keeps requests from arriving. Silent where something else may say where it listens.
    fn problem(&self, server: &Server) -> Option<Problem> {
        let Line { facts, .. } = *self.line;
        let (program, invoked) = (server.program, self.invoked);
        let told = listening(server, invoked);
        if told.elsewhere && !has_open_word(invoked) {
            let named = if told.words.is_empty() { self.named_settings(server) } else { None };
            return named.map(elsewhere).or_else(|| self.only_socket(server));
        }
        if has_open_word(invoked) {
            return None;
        }
        if told.port.is_none()
            && (program != "gunicorn" || told.words.is_empty())
            && let Some(finding) = self.variable(server)
        {
            return Some(elsewhere(finding));
        }
        if told.port.is_none()
            && let Some(finding) = fixed_in_scripts(facts, server, &self.before)
        {
            return Some(elsewhere(finding));
        }
        let is_open = may_be_told(facts, server, invoked, &self.before);
        if program == "gunicorn" && told.port.is_none() && told.host.is_none() {
            return if is_open { None } else { self.gunicorn_settings().map(elsewhere) };
        }
        if program == "streamlit"
            && told.port.is_none()
            && let Some(settings) = streamlit_settings(facts, &invoked.dir)
        {
            let (port, line) = settings.port.filter(|_| !is_open)?;
            let text = facts.texts.get(&settings.file)?;
            let message = format!(
                "Streamlit's settings have it listen on port {port}, but Heroku sends requests to the port in PORT."
            );
            let place =
                line_of(text, line).map(|text| point_at(&settings.file, line, &text, &port, "a fixed port"));
            let fix = format!("Leave the port away there, and write `{}` in the Procfile.", server.advice());
            let finding = Finding::new(FindingCode::CommandFixedPort, message).with_fix(fix);
            return Some(elsewhere(finding.at(place)));
        }
        let port = self.port(server, &told, is_open);
        let host = self.host(server, &told, is_open);
        match (port, host) {
            (Some(port), Some(host)) => {
                let message = format!("{} {}", port.message, host.message);
                Some(Problem { message, ..port })
            }
            (one, other) => one.or(other),
        }
    }

    /// Whether nothing else in the line may listen in the server's place.
    pub(super) fn is_alone(&self) -> bool {
        let apart = |end: End| matches!(end, End::Background | End::Pipe);
        self.before.iter().all(|earlier| is_one_off(earlier) && !apart(earlier.end))
            && (self.after.is_empty() || !apart(self.invoked.end))
    }

    fn port(&self, server: &Server, told: &Listening, is_open: bool) -> Option<Problem> {
        let program = server.program;
        let problem = |code, message: String, words: &str, label| {
            Some(Problem { code, message, words: words.to_owned(), label, elsewhere: None })
        };
        match &told.port {
            Some(port) if is_fixed(port) && self.is_alone() => {
                let word = told.words.iter().find(|word| word.ends_with(port.as_str())).unwrap_or(port);
                let message = format!(
                    "{program} listens on port {port}, but Heroku sends requests to the port in PORT."
                );
                problem(FindingCode::CommandFixedPort, message, word, "a fixed port")
            }
            // `export PORT=8000; gunicorn -b 0.0.0.0:$PORT`
            Some(port) if port.trim_matches(['$', '{', '}']) == "PORT" => self.set_port().map(elsewhere),
            // `port=8000; gunicorn -b 0.0.0.0:$port`
            Some(port) => {
                let value = self.assigned(port).filter(|value| is_fixed(value) && self.is_alone())?;
                let message = format!(
                    "{program} listens on port {value}, which is in `{port}`, but Heroku sends requests to the port in PORT."
                );
                problem(FindingCode::CommandFixedPort, message, port, "a fixed port")
            }
            // An address without a port: what gunicorn takes then isn't PORT.
            None if program == "gunicorn" && told.words.last().is_some_and(|bind| lacks_port(bind)) => {
                let word = told.words.last()?;
                let message =
                    format!("gunicorn listens on port 8000, as `{word}` names an address without a port.");
                problem(FindingCode::CommandFixedPort, message, word, "no `:$PORT`")
            }
            None if server.reads_port => self.set_port().map(elsewhere),
            None if is_open => None,
            None => {
                let message = format!(
                    "{} listens on a port of its own choice, as nothing tells it to use PORT.",
                    server.name()
                );
                problem(FindingCode::CommandNoPort, message, program, "no `$PORT`")
            }
        }
    }

    /// Returns what an earlier command of the line surely put into a variable.
    fn assigned(&self, port: &str) -> Option<&str> {
        let name =
            port.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).or(port.strip_prefix('$'))?;
        let is_it = |earlier: &&Invoked| earlier.variables.iter().any(|(known, _)| known == name);
        // What is set in several places depends on more than this line.
        let mut setting = self.before.iter().filter(|earlier| earlier.program.is_empty()).filter(is_it);
        let exported = self.invoked.exported.iter().rev().find(|(known, _)| known == name);
        match (setting.next(), setting.next(), exported) {
            (Some(earlier), None, None) if !earlier.is_conditional => {
                earlier.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            }
            (None, None, Some((_, value))) => Some(value.as_str()),
            _ => None,
        }
    }

    /// Finds a PORT that the command sets itself.
    pub(super) fn set_port(&self) -> Option<Finding> {
        let program = &self.invoked.program;
        let port = self.invoked.variable("PORT").filter(|port| is_fixed(port))?;
        let assignment = format!("PORT={port}");
        let message = format!(
            "{program} listens on port {port}, as the command sets PORT itself: Heroku sends requests to the port that was in it."
        );
        let finding = Finding::new(FindingCode::CommandFixedPort, message)
            .with_fix(format!("Leave `{assignment}` away: each dyno has a PORT of its own."));
        Some(finding.at(self.line.point(self.invoked, &assignment, "a fixed port")))
    }

    fn host(&self, server: &Server, told: &Listening, is_open: bool) -> Option<Problem> {
        let program = server.program;
        let (host, words, label) = match &told.host {
            Some(host) if is_loopback(host) && self.is_alone() => {
                let word = told.words.iter().find(|word| word.starts_with(host.as_str())).unwrap_or(host);
                (host.as_str(), word.clone(), "this machine only")
            }
            None if server.default_is_loopback && !is_open => {
                ("127.0.0.1 unless it is told otherwise", program.to_owned(), "no `0.0.0.0`")
            }
            _ => return None,
        };
        let message =
            format!("{} listens on {host}, where requests from outside don't arrive.", server.name());
        Some(Problem { code: FindingCode::CommandLoopback, message, words, label, elsewhere: None })
    }
}

fn elsewhere(finding: Finding) -> Problem {
    let code = finding.code;
    let message = finding.message.clone();
    Problem { code, message, words: String::new(), label: "", elsewhere: Some(finding) }
}
