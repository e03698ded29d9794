//! Where the web process listens, and whether its server is one for production.

use super::catalogue::FindingCode;
use super::code::{Code, web_process};
use super::command::{Invoked, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::module::{Call, Module};
use super::servers::{Listening, Server, is_fixed, is_loopback, listening, server_of, split_bind};

/// Checks the web process.
pub(super) fn check_listening(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let Some(process) = web_process(facts) else { return Vec::new() };
    let mut findings = Vec::new();
    for invoked in parse_command(process.command) {
        if let Some(server) = server_of(&invoked) {
            findings.extend(check_server(facts, code, &process, &invoked, server));
        } else if let Some(script) = invoked.script() {
            findings.extend(check_manage_py(&process, &invoked));
            if invoked.args.len() == 1 && !process.command.contains("PORT") {
                findings.extend(check_script(facts, code, &script));
            }
        }
    }
    findings
}

fn check_server(
    facts: &Facts,
    code: &Code<'_>,
    process: &Process<'_>,
    invoked: &Invoked,
    server: &Server,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let at = |code, message: String, words: &str, label: &str| {
        Finding::new(code, message).at(Some(point_at("Procfile", process.line, process.text, words, label)))
    };
    let program = server.program;
    if server.is_for_development {
        let word = server.subcommand.unwrap_or(program);
        let name = if word == program { program.to_owned() } else { format!("{program} {word}") };
        findings.push(at(
            FindingCode::CommandDevServer,
            format!(
                "`{name}` serves one request after the other, and wasn't made to be reached by the public."
            ),
            word,
            "for development",
        ));
    } else if let Some(flag) = ["--reload", "--debug"].into_iter().find(|flag| invoked.has_flag(&[flag])) {
        findings.push(at(
            FindingCode::CommandDevServer,
            format!("{program} watches its files and restarts itself with `{flag}`: it costs time, and nothing changes on a dyno."),
            flag,
            "for development",
        ));
    }
    let told = listening(server, invoked);
    if told.elsewhere {
        return findings;
    }
    if program == "gunicorn" && told.port.is_none() && told.host.is_none() {
        findings.extend(check_gunicorn_conf(facts, code, invoked));
        return findings;
    }
    findings.extend(check_port(facts, server, &told, &at));
    findings.extend(check_host(server, &told, &at));
    findings
}

type At<'a> = dyn Fn(FindingCode, String, &str, &str) -> Finding + 'a;

fn check_port(facts: &Facts, server: &Server, told: &Listening, at: &At<'_>) -> Option<Finding> {
    let program = server.program;
    match &told.port {
        Some(port) if is_fixed(port) => {
            let word = told.words.iter().find(|word| word.ends_with(port.as_str())).unwrap_or(port);
            Some(at(
                FindingCode::CommandFixedPort,
                format!("{program} listens on port {port}, but Heroku sends requests to the port in PORT."),
                word,
                "a fixed port",
            ))
        }
        Some(_) => None,
        // An address without a port: what gunicorn takes then isn't PORT.
        None if program == "gunicorn" && told.words.last().is_some_and(|bind| lacks_port(bind)) => {
            let word = told.words.last()?;
            Some(at(
                FindingCode::CommandFixedPort,
                format!("gunicorn listens on port 8000, as `{word}` names an address without a port."),
                word,
                "no `:$PORT`",
            ))
        }
        None if server.reads_port => None,
        // A file of settings may have it.
        None if program == "streamlit" && facts.has_file(".streamlit/config.toml") => None,
        None => Some(at(
            FindingCode::CommandNoPort,
            format!("{program} listens on a port of its own choice, as nothing tells it to use PORT."),
            program,
            "no `$PORT`",
        )),
    }
}

/// Whether gunicorn is told an address and no port.
fn lacks_port(bind: &str) -> bool {
    let is_elsewhere = ["unix:", "fd:"].iter().any(|kind| bind.starts_with(kind));
    !is_elsewhere && !bind.is_empty() && !bind.contains(['$', ',']) && split_bind(bind).1.is_none()
}

fn check_host(server: &Server, told: &Listening, at: &At<'_>) -> Option<Finding> {
    let program = server.program;
    match &told.host {
        Some(host) if is_loopback(host) => {
            let word = told.words.iter().find(|word| word.starts_with(host.as_str())).unwrap_or(host);
            Some(at(
                FindingCode::CommandLoopback,
                format!("{program} listens on {host}, where requests from outside don't arrive."),
                word,
                "this machine only",
            ))
        }
        Some(_) => None,
        None if server.default_is_loopback => Some(at(
            FindingCode::CommandLoopback,
            format!(
                "{program} listens on 127.0.0.1 unless it is told otherwise, where requests from outside don't arrive."
            ),
            program,
            "no `0.0.0.0`",
        )),
        None => None,
    }
}

/// gunicorn's settings may have a `bind` of their own.
fn check_gunicorn_conf(facts: &Facts, code: &Code<'_>, invoked: &Invoked) -> Vec<Finding> {
    let named =
        invoked.option(&["-c", "--config"]).last().map(|file| file.trim_start_matches("file:").to_owned());
    let file = join(&invoked.dir, named.as_deref().unwrap_or("gunicorn.conf.py"));
    let (Some(module), Some(text)) = (code.module(&file), facts.texts.get(&file)) else { return Vec::new() };
    let Some(bind) = module.assignments.iter().rev().find(|assignment| assignment.target == "bind") else {
        return Vec::new();
    };
    let Some(value) = bind.string.as_deref().filter(|_| bind.certain && !bind.value.starts_with(['f', 'F']))
    else {
        return Vec::new();
    };
    let (host, port) = split_bind(value);
    let mut findings = Vec::new();
    if let Some(port) = port.as_deref().filter(|port| is_fixed(port)) {
        let message = format!(
            "gunicorn's settings bind it to port {port}, but Heroku sends requests to the port in PORT."
        );
        let place = bind.place.snippet(&file, text, "a fixed port");
        findings.push(Finding::new(FindingCode::CommandFixedPort, message).at(place));
    }
    if lacks_port(value) {
        let message =
            format!("gunicorn's settings bind it to {value} without a port, so it listens on port 8000.");
        let place = bind.place.snippet(&file, text, "no port");
        findings.push(Finding::new(FindingCode::CommandFixedPort, message).at(place));
    }
    if is_loopback(host) {
        let message =
            format!("gunicorn's settings bind it to {host}, where requests from outside don't arrive.");
        let place = bind.place.snippet(&file, text, "this machine only");
        findings.push(Finding::new(FindingCode::CommandLoopback, message).at(place));
    }
    findings
}

/// `python manage.py runserver`.
fn check_manage_py(process: &Process<'_>, invoked: &Invoked) -> Vec<Finding> {
    let is_runserver = invoked.args.first().is_some_and(|script| script.ends_with("manage.py"))
        && invoked.args.get(1).is_some_and(|word| word == "runserver");
    if !is_runserver {
        return Vec::new();
    }
    let at = |code, message: &str, words: &str, label: &str| {
        Finding::new(code, message).at(Some(point_at("Procfile", process.line, process.text, words, label)))
    };
    let mut findings = vec![at(
        FindingCode::CommandDevServer,
        "`runserver` is Django's server for development: its documentation says not to use it in production.",
        "runserver",
        "for development",
    )];
    let address = invoked.args.iter().skip(2).find(|word| !word.starts_with('-'));
    match address {
        None => {
            findings.push(at(
                FindingCode::CommandNoPort,
                "`runserver` listens on port 8000 unless it is told otherwise.",
                "runserver",
                "no `$PORT`",
            ));
            findings.push(at(
                FindingCode::CommandLoopback,
                "`runserver` listens on 127.0.0.1 unless it is told otherwise.",
                "runserver",
                "no `0.0.0.0`",
            ));
        }
        Some(address) => {
            let (host, port) = match split_bind(address) {
                (_, None) => ("127.0.0.1", Some(address.clone())),
                (host, port) if host == address => ("127.0.0.1", port),
                other => other,
            };
            if port.is_some_and(|port| is_fixed(&port)) {
                findings.push(at(
                    FindingCode::CommandFixedPort,
                    "`runserver` gets a fixed port, but Heroku sends requests to the port in PORT.",
                    address,
                    "a fixed port",
                ));
            }
            if is_loopback(host) {
                findings.push(at(
                    FindingCode::CommandLoopback,
                    "`runserver` listens on 127.0.0.1, where requests from outside don't arrive.",
                    address,
                    "this machine only",
                ));
            }
        }
    }
    findings
}

/// `python app.py`, where app.py starts the server by itself.
fn check_script(facts: &Facts, code: &Code<'_>, script: &str) -> Vec<Finding> {
    let (Some(module), Some(text)) = (code.module(script), facts.texts.get(script)) else {
        return Vec::new();
    };
    let starts: Vec<(&Call, Starter)> =
        module.calls.iter().filter_map(|call| Some((call, starter(call, &module)?))).collect();
    // Several of them are chosen among in ways that only Python knows.
    let [(call, starter)] = starts.as_slice() else { return Vec::new() };
    if call.args.iter().any(|argument| argument.starts_with('*')) {
        return Vec::new();
    }
    let at = |code, message: String, label: &str| {
        Finding::new(code, message).at(call.place.snippet(script, text, label))
    };
    let mut findings = Vec::new();
    let callee = &call.callee;
    if starter.is_for_development {
        let message = format!("`{callee}()` starts Flask's server for development.");
        findings.push(at(FindingCode::CommandDevServer, message, "for development"));
    }
    match call.keyword("port").or(starter.port_position.and_then(|at| call.args.get(at)).map(String::as_str))
    {
        Some(port) if is_fixed(port) => {
            let message = format!(
                "`{callee}()` listens on port {port}, but Heroku sends requests to the port in PORT."
            );
            findings.push(at(FindingCode::CommandFixedPort, message, "a fixed port"));
        }
        None if !starter.reads_port => {
            let message =
                format!("`{callee}()` listens on a port of its own choice, as nothing tells it to use PORT.");
            findings.push(at(FindingCode::CommandNoPort, message, "no port from PORT"));
        }
        _ => {}
    }
    let host =
        call.keyword("host").or(starter.host_position.and_then(|at| call.args.get(at)).map(String::as_str));
    let loopback = match host {
        Some(host) => super::module::string_literal(host).is_some_and(|host| is_loopback(&host)),
        None => starter.default_is_loopback,
    };
    if loopback {
        let message = format!("`{callee}()` listens on 127.0.0.1, where requests from outside don't arrive.");
        findings.push(at(FindingCode::CommandLoopback, message, "this machine only"));
    }
    findings
}

/// What is known of a function that starts a server.
struct Starter {
    is_for_development: bool,
    default_is_loopback: bool,
    reads_port: bool,
    host_position: Option<usize>,
    port_position: Option<usize>,
}

fn starter(call: &Call, module: &Module) -> Option<Starter> {
    let imports =
        |name: &str| module.imports.iter().any(|import| import.module.split('.').next() == Some(name));
    if call.callee == "uvicorn.run" && imports("uvicorn") {
        return Some(Starter {
            is_for_development: false,
            default_is_loopback: true,
            reads_port: false,
            host_position: None,
            port_position: None,
        });
    }
    if ["serve", "waitress.serve"].contains(&call.callee.as_str()) && imports("waitress") {
        let told_otherwise = call.keyword("listen").is_some() || call.keyword("unix_socket").is_some();
        return (!told_otherwise).then_some(Starter {
            is_for_development: false,
            default_is_loopback: false,
            reads_port: false,
            host_position: None,
            port_position: None,
        });
    }
    // `app.run()` where `app = Flask(…)` in the same file.
    let name = call.callee.strip_suffix(".run")?;
    let is_flask = module.assignments.iter().any(|assignment| {
        assignment.target == name
            && ["Flask(", "flask.Flask("].iter().any(|start| assignment.value.starts_with(start))
    });
    is_flask.then_some(Starter {
        is_for_development: true,
        default_is_loopback: true,
        reads_port: false,
        host_position: Some(0),
        port_position: Some(1),
    })
}
