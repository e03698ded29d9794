//! Servers that the app's own code starts: `app.run()`, `uvicorn.run(…)`, `manage.py runserver`. One that is for
//! development is one finding, whatever else it is told: another server is needed.

use super::catalogue::{FindingCode, Severity};
use super::code::Code;
use super::command::Invoked;
use super::facts::Facts;
use super::finding::Finding;
use super::module::{Call, Module, string_literal};
use super::procfile::suggest_server;
use super::servers::{is_fixed, is_loopback, split_bind};
use crate::plan::suggest::Suggestion;

/// `python manage.py runserver`: the finding, and the words that it points at.
pub(super) fn check_runserver(facts: &Facts, invoked: &Invoked) -> Option<(Finding, String, &'static str)> {
    let is_runserver = invoked.args.first().is_some_and(|script| script.ends_with("manage.py"))
        && invoked.args.get(1).is_some_and(|word| word == "runserver");
    if !is_runserver {
        return None;
    }
    const DEVELOPMENT: &str =
        "`runserver` is Django's server for development: its documentation says not to use it in production.";
    let address = invoked.args.iter().skip(2).find(|word| !word.starts_with('-')).map(String::as_str);
    let (host, port) = match address.map(|address| (address, split_bind(address))) {
        None => ("127.0.0.1", Some("8000".to_owned())),
        Some((address, (_, None))) => ("127.0.0.1", Some(address.to_owned())),
        Some((address, (host, port))) if host == address => ("127.0.0.1", port),
        Some((_, (host, port))) => (host, port),
    };
    let fixed = port.filter(|port| is_fixed(port));
    let (code, why, words) = match (&fixed, is_loopback(host)) {
        (Some(port), true) => (
            FindingCode::CommandDevServer,
            format!(" It listens on {host}:{port}, where no request arrives."),
            "runserver",
        ),
        (Some(port), false) => {
            let why = format!(" It listens on port {port}, but Heroku sends requests to the port in PORT.");
            (FindingCode::CommandFixedPort, why, address.unwrap_or("runserver"))
        }
        (None, true) => {
            let why = format!(" It listens on {host}, where requests from outside don't arrive.");
            (FindingCode::CommandDevServer, why, address.unwrap_or("runserver"))
        }
        (None, false) => (FindingCode::CommandDevServer, String::new(), "runserver"),
    };
    let severity = if why.is_empty() { Severity::Warning } else { Severity::Error };
    let finding = Finding::new(code, format!("{DEVELOPMENT}{why}")).with_severity(severity);
    let start = if invoked.dir.is_empty() { String::new() } else { format!("{}/", invoked.dir) };
    // Django's own, even if there is another web app beside it.
    let is_djangos = |path: &str| ["manage.py", "wsgi.py", "asgi.py"].iter().any(|name| path.ends_with(name));
    let fix = production(facts, |path| path.starts_with(&start) && is_djangos(path));
    Some((with_fix(finding, fix), words.to_owned(), "for development"))
}

/// Says which server serves the same for production, if that is known.
pub(super) fn production(facts: &Facts, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let Suggestion { line, add } = suggest_server(facts, is_meant)?;
    let add = add.map(|package| format!(", with {package} in the\nrequirements")).unwrap_or_default();
    Some(format!("Use a server for production. Write in the Procfile{add}:\n{line}"))
}

fn with_fix(finding: Finding, fix: Option<String>) -> Finding {
    match fix {
        Some(fix) => finding.with_fix(fix),
        None => finding,
    }
}

/// `python app.py`, where app.py starts the server by itself.
pub(super) fn check_script(facts: &Facts, code: &Code<'_>, script: &str) -> Option<Finding> {
    let (module, text) = (code.module(script)?, facts.texts.get(script)?);
    let starts: Vec<(&Call, Starter)> =
        module.calls.iter().filter_map(|call| Some((call, starter(call, &module)?))).collect();
    // Several of them are chosen among in ways that only Python knows.
    let [(call, starter)] = starts.as_slice() else { return None };
    if call.args.iter().any(|argument| argument.starts_with('*'))
        || call.keywords.iter().any(|(name, _)| name.is_empty())
    {
        return None;
    }
    let callee = &call.callee;
    let argument = |name: &str, position: Option<usize>| {
        call.keyword(name).or(position.and_then(|at| call.args.get(at)).map(String::as_str))
    };
    let port = argument("port", starter.port_position);
    let host = argument("host", starter.host_position);
    let loopback = match host {
        Some(host) => string_literal(host).is_some_and(|host| is_loopback(&host)),
        None => starter.default_is_loopback,
    };
    let on_loopback =
        if loopback { " It listens on 127.0.0.1, where requests from outside don't arrive." } else { "" };
    let development = if starter.is_for_development {
        format!("`{callee}()` starts Flask's server for development. ")
    } else {
        String::new()
    };
    let (code, message, label) = match port {
        Some(port) if is_fixed(port) => {
            let message = format!(
                "{development}`{callee}()` listens on port {port}, but Heroku sends requests to the port in PORT.{on_loopback}"
            );
            (FindingCode::CommandFixedPort, message, "a fixed port")
        }
        None => {
            let message = format!(
                "{development}`{callee}()` listens on a port of its own choice, as nothing tells it to use PORT.{on_loopback}"
            );
            let code = if starter.is_for_development {
                FindingCode::CommandDevServer
            } else {
                FindingCode::CommandNoPort
            };
            (code, message, "no port from PORT")
        }
        Some(_) if loopback && !starter.is_for_development => {
            let message =
                format!("`{callee}()` listens on 127.0.0.1, where requests from outside don't arrive.");
            (FindingCode::CommandLoopback, message, "this machine only")
        }
        Some(_) if starter.is_for_development => (
            FindingCode::CommandDevServer,
            format!("{development}{on_loopback}").trim_end().to_owned(),
            "for development",
        ),
        Some(_) => return None,
    };
    let unreachable = loopback || code != FindingCode::CommandDevServer || port.is_none();
    let fix = if starter.is_for_development {
        production(facts, |path| path == script)
    } else {
        let names = if starter.host_position.is_none() && callee.contains("uvicorn") {
            "host=\"0.0.0.0\", "
        } else {
            ""
        };
        Some(format!(
            "Write `{callee}(…, {names}port=int(os.environ[\"PORT\"]))`. Without it, the\ndyno is stopped after 60 seconds (R10)."
        ))
    };
    let finding = with_fix(Finding::new(code, message), fix);
    let finding = if unreachable { finding.with_severity(Severity::Error) } else { finding };
    Some(finding.at(call.place.snippet(script, text, label)))
}

/// What is known of a function that starts a server.
struct Starter {
    is_for_development: bool,
    default_is_loopback: bool,
    host_position: Option<usize>,
    port_position: Option<usize>,
}

fn starter(call: &Call, module: &Module) -> Option<Starter> {
    let imports =
        |name: &str| module.imports.iter().any(|import| import.module.split('.').next() == Some(name));
    let plain = |default_is_loopback| Starter {
        is_for_development: false,
        default_is_loopback,
        host_position: None,
        port_position: None,
    };
    if call.callee == "uvicorn.run" && imports("uvicorn") {
        let told_otherwise = ["uds", "fd"].iter().any(|name| call.keyword(name).is_some());
        return (!told_otherwise).then(|| plain(true));
    }
    if ["serve", "waitress.serve"].contains(&call.callee.as_str()) && imports("waitress") {
        let told_otherwise = call.keyword("listen").is_some() || call.keyword("unix_socket").is_some();
        return (!told_otherwise).then(|| plain(false));
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
        host_position: Some(0),
        port_position: Some(1),
    })
}

#[cfg(test)]
mod tests {
    use crate::check::Severity;
    use crate::check::tests::findings;

    // C22
    #[test]
    fn a_development_server_is_one_finding_with_a_line_to_paste() {
        let flask = "from flask import Flask\nserver = Flask(__name__)\n";
        for (script, start, id, line) in [
            ("serve.py", "server.run()", "command::dev-server", "web: gunicorn serve:server"),
            ("serve.py", "server.run(debug=True)", "command::dev-server", "web: gunicorn serve:server"),
            (
                "serve.py",
                "server.run('127.0.0.1', 5000)",
                "command::fixed-port",
                "web: gunicorn serve:server",
            ),
            (
                "src/serve.py",
                "server.run(port=80)",
                "command::fixed-port",
                "web: gunicorn --chdir src serve:server",
            ),
        ] {
            let text = format!("{flask}{start}\n");
            let found = findings(&format!("web: python {script}\n"), &[(script, &text)]);
            let [found] = found.as_slice() else { panic!("{start}: {found:#?}") };
            assert_eq!(found.code.entry().id, id, "{start}");
            assert!(found.fix().contains(line), "{start}: {}", found.fix());
            assert_eq!(found.severity, Severity::Error, "{start}");
        }
    }
}
