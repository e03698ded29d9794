//! Where the web process listens, and whether its server is one for production. One cause is one finding.

use super::catalogue::{FindingCode, Severity};
use super::code::{Code, web_process};
use super::command::{Invoked, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, line_of, point_at};
use super::script_server::{check_runserver, check_script};
use super::servers::{Listening, Server, is_fixed, is_loopback, listening, server_of, split_bind};
use super::shell::End;
use super::sources::{fixed_in_scripts, has_open_word, is_one_off, may_be_told, streamlit_settings};

/// Checks the web process.
pub(super) fn check_listening(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let Some(process) = web_process(facts) else { return Vec::new() };
    let commands = parse_command(process.command);
    let line = Line { facts, code, process: &process, script: None, before: &[] };
    line.check(&commands)
}

/// A line of the Procfile, or a script of the app that it runs.
struct Line<'a> {
    facts: &'a Facts,
    code: &'a Code<'a>,
    process: &'a Process<'a>,
    /// The script.
    script: Option<&'a str>,
    /// What has run before the script.
    before: &'a [Invoked],
}

/// A command, and what its line runs before and after it.
struct Place<'a> {
    line: &'a Line<'a>,
    invoked: &'a Invoked,
    before: Vec<Invoked>,
    after: &'a [Invoked],
}

/// What keeps requests from arriving.
struct Problem {
    code: FindingCode,
    message: String,
    words: String,
    label: &'static str,
    /// A place that isn't in the line.
    elsewhere: Option<Finding>,
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
            } else if let Some(script) = invoked.shell_script().filter(|_| self.script.is_none()) {
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
    fn point(&self, invoked: &Invoked, words: &str, label: &str) -> Option<crate::error::Snippet> {
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
        let inner = Line { facts, code, process, script: Some(script), before: &self.before };
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
            return vec![match problem {
                // One cause: another server is needed, whatever this one is told.
                Some(problem) if problem.code == FindingCode::CommandFixedPort => {
                    self.finding(problem).with_fix(FindingCode::CommandDevServer.entry().fix)
                }
                Some(problem) => {
                    let message = format!("{message} {}", problem.message);
                    Finding::new(FindingCode::CommandDevServer, message)
                        .with_severity(Severity::Error)
                        .at(self.line.point(self.invoked, word, "for development"))
                }
                None => Finding::new(FindingCode::CommandDevServer, message).at(self.line.point(
                    self.invoked,
                    word,
                    "for development",
                )),
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
        if told.elsewhere || has_open_word(invoked) {
            return None;
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
    fn is_alone(&self) -> bool {
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
            Some(_) => None,
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

    /// Finds a PORT that the command sets itself.
    fn set_port(&self) -> Option<Finding> {
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

    /// gunicorn's settings may have a `bind` of their own.
    fn gunicorn_settings(&self) -> Option<Finding> {
        let Line { facts, code, .. } = *self.line;
        let named =
            self.invoked.option(&["-c", "--config"]).last().map(|file| file.trim_start_matches("file:"));
        let file = join(&self.invoked.dir, named.unwrap_or("gunicorn.conf.py"));
        let bind = code.module(&file).zip(facts.texts.get(&file)).and_then(|(module, text)| {
            let bind = module.assignments.iter().rev().find(|assignment| assignment.target == "bind")?;
            let value = bind.string.clone().filter(|_| bind.certain && !bind.value.starts_with(['f', 'F']));
            Some((value, bind.place, text))
        });
        let Some((value, place, text)) = bind else {
            return self.set_port();
        };
        let value = value?;
        let (host, port) = split_bind(&value);
        let fixed = port.filter(|port| is_fixed(port));
        let (code, message, label) = if let Some(port) = fixed {
            let message = format!(
                "gunicorn's settings bind it to port {port}, but Heroku sends requests to the port in PORT."
            );
            (FindingCode::CommandFixedPort, message, "a fixed port")
        } else if lacks_port(&value) {
            let message =
                format!("gunicorn's settings bind it to {value} without a port, so it listens on port 8000.");
            (FindingCode::CommandFixedPort, message, "no port")
        } else if is_loopback(host) {
            let message =
                format!("gunicorn's settings bind it to {host}, where requests from outside don't arrive.");
            (FindingCode::CommandLoopback, message, "this machine only")
        } else {
            return None;
        };
        let fix = "Delete the line: gunicorn takes the port from PORT by itself. Or write\n\
                   bind = \"0.0.0.0:\" + os.environ[\"PORT\"]";
        Some(Finding::new(code, message).with_fix(fix).at(place.snippet(&file, text, label)))
    }
}

fn elsewhere(finding: Finding) -> Problem {
    let code = finding.code;
    let message = finding.message.clone();
    Problem { code, message, words: String::new(), label: "", elsewhere: Some(finding) }
}

/// Whether gunicorn is told an address and no port.
fn lacks_port(bind: &str) -> bool {
    let is_elsewhere = ["unix:", "fd:"].iter().any(|kind| bind.starts_with(kind));
    !is_elsewhere && !bind.is_empty() && !bind.contains(['$', ',']) && split_bind(bind).1.is_none()
}
