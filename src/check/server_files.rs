//! Where servers' own settings have them listen: files that a command names, variables, config vars. A port in them
//! counts where the command names none.

use super::catalogue::FindingCode;
use super::code::Code;
use super::command::{Invoked, join};
use super::facts::Facts;
use super::finding::{Finding, line_of, point_at};
use super::module::{Module, Place, string_literal};
use super::servers::{is_fixed, is_loopback, split_bind};

/// Addresses that settings bind a server to.
#[derive(Debug, Default)]
pub(super) struct Binds<'a> {
    /// Who says so, as the subject of a sentence: "gunicorn's settings bind it".
    pub(super) subject: &'a str,
    /// The addresses.
    pub(super) addresses: Vec<String>,
}

impl Binds<'_> {
    /// Says what is wrong if no request can arrive at any of the addresses.
    pub(super) fn problem(&self) -> Option<(FindingCode, String, &'static str)> {
        let Self { subject, addresses } = self;
        let problems: Option<Vec<_>> =
            addresses.iter().map(|address| address_problem(subject, address)).collect();
        problems?.into_iter().next()
    }
}

fn address_problem(subject: &str, address: &str) -> Option<(FindingCode, String, &'static str)> {
    let (host, port) = split_bind(address);
    if let Some(port) = port.filter(|port| is_fixed(port)) {
        let message = format!("{subject} to port {port}, but Heroku sends requests to the port in PORT.");
        return Some((FindingCode::CommandFixedPort, message, "a fixed port"));
    }
    if lacks_port(address) {
        let message = format!("{subject} to {address} without a port, so it listens on port 8000.");
        return Some((FindingCode::CommandFixedPort, message, "no port"));
    }
    is_loopback(host).then(|| {
        let message = format!("{subject} to {host}, where requests from outside don't arrive.");
        (FindingCode::CommandLoopback, message, "this machine only")
    })
}

/// Whether a server is told an address and no port.
pub(super) fn lacks_port(bind: &str) -> bool {
    let is_elsewhere = ["unix:", "fd:"].iter().any(|kind| bind.starts_with(kind));
    !is_elsewhere && !bind.is_empty() && !bind.contains(['$', ',']) && split_bind(bind).1.is_none()
}

/// What gunicorn's settings say of `bind`.
pub(super) enum Setting {
    /// Nothing.
    None,
    /// Something that only Python knows.
    Open,
    /// What is wrong with it.
    Wrong(Box<Finding>),
    /// Nothing is wrong with it.
    Fine,
}

/// Reads `bind` in gunicorn's file of settings: the one that is named, or else its usual one.
pub(super) fn gunicorn_settings(facts: &Facts, code: &Code<'_>, invoked: &Invoked) -> Setting {
    const FIX: &str = "Delete the line: gunicorn takes the port from PORT by itself. Or write:\n\
                       bind = \"0.0.0.0:\" + os.environ[\"PORT\"]";
    let named = invoked.option(&["-c", "--config"]).last().copied().unwrap_or("gunicorn.conf.py");
    let file = python_file(facts, &invoked.dir, named);
    python_setting(facts, code, &file, "gunicorn's settings bind it", FIX)
}

/// Returns the path of a file of settings in Python: `conf.py`, `file:conf.py`, `python:conf`.
fn python_file(facts: &Facts, dir: &str, named: &str) -> String {
    match named.strip_prefix("python:") {
        Some(module) => {
            let path = module.replace('.', "/");
            let files = [
                join(dir, &format!("{path}.py")),
                format!("{path}.py"),
                join(dir, &format!("{path}/__init__.py")),
            ];
            files.iter().find(|file| facts.has_file(file)).unwrap_or(&files[0]).clone()
        }
        None => join(dir, named.trim_start_matches("file:")),
    }
}

fn python_setting(facts: &Facts, code: &Code<'_>, file: &str, subject: &str, fix: &str) -> Setting {
    let Some((module, text)) = code.module(file).zip(facts.texts.get(file)) else { return Setting::None };
    let Some((addresses, place)) = bind_of(&module) else { return Setting::None };
    let Some(addresses) = addresses else { return Setting::Open };
    match (Binds { subject, addresses }).problem() {
        Some((code, message, label)) => {
            let finding = Finding::new(code, message).with_fix(fix).at(place.snippet(file, text, label));
            Setting::Wrong(Box::new(finding))
        }
        None => Setting::Fine,
    }
}

/// The last `bind = …`: its addresses if they are plain texts, and its place.
fn bind_of(module: &Module) -> Option<(Option<Vec<String>>, Place)> {
    let bind = module.assignments.iter().rev().find(|assignment| assignment.target == "bind")?;
    let is_sure = bind.certain && !bind.value.starts_with(['f', 'F']);
    let addresses = match &bind.string {
        Some(text) => Some(text.split(',').map(|address| address.trim().to_owned()).collect()),
        None => listed(&bind.value),
    };
    Some((addresses.filter(|_| is_sure), bind.place))
}

/// Reads a list or tuple of plain texts.
fn listed(value: &str) -> Option<Vec<String>> {
    let inner = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .or_else(|| value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))?;
    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items: Option<Vec<String>> =
        items.map(|item| string_literal(item).filter(|_| item.starts_with(['"', '\'']))).collect();
    items.filter(|items| !items.is_empty())
}

/// Reads `bind` in a file of hypercorn's. A TOML file can't take it from PORT.
pub(super) fn hypercorn_settings(facts: &Facts, code: &Code<'_>, invoked: &Invoked) -> Option<Finding> {
    const FIX: &str = "Write `--bind 0.0.0.0:$PORT` in the Procfile: the command counts more than the file,\n\
                       which can't take the port from PORT.";
    let named = *invoked.option(&["-c", "--config"]).last()?;
    if named.starts_with("python:") || named.starts_with("file:") {
        let file = python_file(facts, &invoked.dir, named);
        return match python_setting(facts, code, &file, "hypercorn's settings bind it", FIX) {
            Setting::Wrong(finding) => Some(*finding),
            _ => None,
        };
    }
    let file = join(&invoked.dir, named);
    let text = facts.texts.get(&file)?;
    let table = text.parse::<toml::Table>().ok()?;
    // Sockets of other kinds may be served by something in front.
    if table.contains_key("insecure_bind") || table.contains_key("quic_bind") {
        return None;
    }
    let addresses = match table.get("bind") {
        Some(toml::Value::String(bind)) => vec![bind.clone()],
        Some(toml::Value::Array(binds)) => {
            binds.iter().map(|bind| bind.as_str().map(str::to_owned)).collect::<Option<_>>()?
        }
        Some(_) => return None,
        None => {
            let message = format!(
                "{file} has no `bind`, and neither has the command: hypercorn listens on 127.0.0.1:8000."
            );
            return Some(Finding::new(FindingCode::CommandNoPort, message).with_fix(FIX).in_file(file));
        }
    };
    let (code, message, label) = Binds { subject: "hypercorn's settings bind it", addresses }.problem()?;
    let place = place_of_key(&file, text, &["bind"], label);
    Some(Finding::new(code, message).with_fix(FIX).at(place))
}

/// Reads where uWSGI's file of settings has it listen for HTTP. Values with `$(…)` are left to uWSGI.
pub(super) fn uwsgi_settings(facts: &Facts, invoked: &Invoked) -> Option<Finding> {
    const KEYS: &[&str] = &["http", "http-socket", "http11-socket"];
    const FIX: &str = "Write `http = 0.0.0.0:$(PORT)` there: uWSGI takes the port from PORT.";
    let is_alone = |word: &&String| !word.starts_with('-');
    let named = invoked
        .option(&["--ini"])
        .into_iter()
        .chain(invoked.args.iter().filter(is_alone).map(String::as_str).filter(|_| invoked.args.len() == 1));
    let mut named = named.filter(|file| file.split(':').next().unwrap_or(file).ends_with(".ini"));
    let (Some(named), None) = (named.next(), named.next()) else { return None };
    let (path, section) = named.split_once(':').unwrap_or((named, "uwsgi"));
    let file = join(&invoked.dir, path);
    let text = facts.texts.get(&file)?;
    let mut current = "";
    let mut binds = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = name.trim();
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        // Other files, loops and conditions may say anything.
        if ["ini", "include", "yaml", "import", "inherit"].contains(&key)
            || key.starts_with("for")
            || key.starts_with("if-")
        {
            return None;
        }
        if current == section && KEYS.contains(&key) {
            binds.push((index + 1, value.to_owned()));
        }
    }
    let open = |value: &str| value.contains("$(") || value.contains(['%', '@', ',', '/']);
    if binds.iter().any(|(_, value)| open(value)) {
        return None;
    }
    let (number, value) = binds.first()?;
    let (_, port) = split_bind(value);
    let port = port.unwrap_or_else(|| value.clone());
    let message = if value.contains("$PORT") || value.contains("${PORT") {
        format!("{file} has uWSGI listen on `{value}`, and uWSGI expands `$(PORT)` only.")
    } else if is_fixed(&port) {
        format!("{file} has uWSGI listen on port {port}, but Heroku sends requests to the port in PORT.")
    } else {
        return None;
    };
    let place = line_of(text, *number).map(|line| point_at(&file, *number, &line, value, "a fixed port"));
    Some(Finding::new(FindingCode::CommandFixedPort, message).with_fix(FIX).at(place))
}

fn place_of_key(file: &str, text: &str, keys: &[&str], label: &str) -> Option<crate::error::Snippet> {
    let is_key = |line: &str| line.split_once('=').is_some_and(|(key, _)| keys.contains(&key.trim()));
    let number = text.lines().position(is_key)? + 1;
    let line = line_of(text, number)?;
    let value = line.split_once('=').map_or(line.as_str(), |(_, value)| value.trim()).to_owned();
    Some(point_at(file, number, &line, &value, label))
}

/// Where a variable comes from that tells a server where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The command sets it.
    Command,
    /// It is a config var of this call.
    ConfigVar,
}

/// Reads the `--bind` in GUNICORN_CMD_ARGS: what is wrong with it, where the command itself has no address.
pub(super) fn gunicorn_variable(value: &str, source: Source) -> Option<Finding> {
    const NAME: &str = "GUNICORN_CMD_ARGS";
    let addresses = binds_in(value)?;
    let subject = match source {
        Source::Command => format!("{NAME} binds gunicorn"),
        Source::ConfigVar => format!("The config var {NAME} binds gunicorn"),
    };
    let (code, message, _) = Binds { subject: &subject, addresses }.problem()?;
    let fix = format!("Take the address out of {NAME}: gunicorn listens on 0.0.0.0:$PORT by itself.");
    Some(Finding::new(code, message).with_fix(fix))
}

/// Returns the addresses in gunicorn's arguments; none if there are none, or if a shell decides them.
pub(super) fn binds_in(arguments: &str) -> Option<Vec<String>> {
    let args = shlex::split(arguments)?;
    let invoked = Invoked { program: "gunicorn".to_owned(), args, ..Invoked::default() };
    let binds: Vec<String> = invoked.option(&["-b", "--bind"]).into_iter().map(str::to_owned).collect();
    (!binds.is_empty() && !arguments.contains(['$', '`'])).then_some(binds)
}

#[cfg(test)]
mod tests {
    use crate::check::check;
    use crate::check::line_tests::{WSGI, assert_one};
    use crate::check::tests::app;

    // C16, C34
    #[test]
    fn ports_in_settings_are_found() {
        const FIXED: &str = "command::fixed-port";
        const NO_PORT: &str = "command::no-port";
        let all =
            ("requirements.txt", "gunicorn==23.0.0\nhypercorn==0.17.3\nuwsgi==2.0.28\nuvicorn==0.34.0\n");
        let hypercorn = "web: hypercorn -c hypercorn.toml wsgi:app\n";
        let uwsgi = "web: uwsgi uwsgi.ini\n";
        for (procfile, file, expected) in [
            (
                "web: gunicorn -c conf/g.py wsgi:app\n",
                ("conf/g.py", "bind = ['0.0.0.0:8000']\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: gunicorn -c conf/g.py wsgi:app\n",
                ("conf/g.py", "bind = ('0.0.0.0:8000',)\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: gunicorn -c conf/g.py wsgi:app\n",
                ("conf/g.py", "bind = '0.0.0.0:8000,0.0.0.0:9000'\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: gunicorn -c python:conf.g wsgi:app\n",
                ("conf/g.py", "bind = '0.0.0.0:8000'\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: gunicorn wsgi:app\n",
                ("gunicorn.conf.py", "bind = ['127.0.0.1:8000', '127.0.0.1:8001']\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: gunicorn -c conf/g.py wsgi:app\n",
                ("conf/g.py", "import os\nbind = ['0.0.0.0:' + os.environ['PORT']]\n"),
                None,
            ),
            (
                "web: gunicorn -c conf/g.py wsgi:app\n",
                ("conf/g.py", "import os\nbind = ['127.0.0.1:80', f\"0.0.0.0:{os.environ['PORT']}\"]\n"),
                None,
            ),
            (
                "web: gunicorn -c conf/g.py -b 0.0.0.0:$PORT wsgi:app\n",
                ("conf/g.py", "bind = ['0.0.0.0:8000']\n"),
                None,
            ),
            ("web: gunicorn -b 0.0.0.0:$PORT -b 127.0.0.1:8001 wsgi:app\n", ("x.py", ""), None),
            ("web: gunicorn -b 127.0.0.1:8001 -b 0.0.0.0:$PORT wsgi:app\n", ("x.py", ""), None),
            (hypercorn, ("hypercorn.toml", "bind = \"0.0.0.0:8000\"\n"), Some((FIXED, "8000"))),
            (
                hypercorn,
                ("hypercorn.toml", "workers = 2\nbind = [\"0.0.0.0:8000\", \"[::]:8000\"]\n"),
                Some((FIXED, "8000")),
            ),
            (hypercorn, ("hypercorn.toml", "workers = 2\n"), Some((NO_PORT, "--bind 0.0.0.0:$PORT"))),
            (hypercorn, ("hypercorn.toml", "bind = \"unix:/tmp/nginx.socket\"\n"), None),
            (
                "web: hypercorn -c file:h.py wsgi:app\n",
                ("h.py", "bind = '0.0.0.0:8000'\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: hypercorn -c file:h.py wsgi:app\n",
                ("h.py", "import os\nbind = '0.0.0.0:' + os.environ['PORT']\n"),
                None,
            ),
            (
                "web: hypercorn -c h.toml -b 0.0.0.0:$PORT wsgi:app\n",
                ("h.toml", "bind = \"0.0.0.0:8000\"\n"),
                None,
            ),
            (uwsgi, ("uwsgi.ini", "[uwsgi]\nhttp = :8000\nmodule = wsgi:app\n"), Some((FIXED, "$(PORT)"))),
            (
                "web: uwsgi --ini uwsgi.ini\n",
                ("uwsgi.ini", "[uwsgi]\nhttp-socket = 0.0.0.0:8000\n"),
                Some((FIXED, "$(PORT)")),
            ),
            (uwsgi, ("uwsgi.ini", "[uwsgi]\nhttp = :$PORT\n"), Some((FIXED, "expands `$(PORT)` only"))),
            (uwsgi, ("uwsgi.ini", "[uwsgi]\nhttp = :$(PORT)\n"), None),
            (uwsgi, ("uwsgi.ini", "[uwsgi]\n; http = :8000\nhttp-socket = 0.0.0.0:$(PORT)\n"), None),
            (uwsgi, ("uwsgi.ini", "[uwsgi]\nini = base.ini\nhttp = :8000\n"), None),
            (uwsgi, ("uwsgi.ini", "[dev]\nhttp = :8000\n[uwsgi]\nhttp = :$(PORT)\n"), None),
            ("web: uwsgi --http :$PORT --ini uwsgi.ini\n", ("uwsgi.ini", "[uwsgi]\nhttp = :8000\n"), None),
            ("web: gunicorn -b unix:/tmp/x.sock wsgi:app\n", ("x.py", ""), Some((NO_PORT, "/tmp/x.sock"))),
            ("web: gunicorn --bind=unix:x.sock wsgi:app\n", ("x.py", ""), None),
            ("web: uvicorn wsgi:app --uds /tmp/x.sock\n", ("x.py", ""), Some((NO_PORT, "/tmp/x.sock"))),
            ("web: gunicorn -b unix:/tmp/x.sock wsgi:app\n", ("nginx.conf", ""), None),
            ("web: gunicorn -b unix:/tmp/nginx.socket wsgi:app\n", ("x.py", ""), None),
            ("web: bin/start-nginx gunicorn -b unix:/tmp/x.sock wsgi:app\n", ("x.py", ""), None),
            ("web: gunicorn -b unix:/tmp/x.sock wsgi:app & caddy run\n", ("x.py", ""), None),
            (
                "web: GUNICORN_CMD_ARGS=--bind=127.0.0.1:8000 gunicorn wsgi:app\n",
                ("x.py", ""),
                Some((FIXED, "GUNICORN_CMD_ARGS")),
            ),
            (
                "web: export GUNICORN_CMD_ARGS='-b :8000'; gunicorn wsgi:app\n",
                ("x.py", ""),
                Some((FIXED, "GUNICORN_CMD_ARGS")),
            ),
            ("web: GUNICORN_CMD_ARGS=\"--bind 0.0.0.0:$PORT\" gunicorn wsgi:app\n", ("x.py", ""), None),
            ("web: GUNICORN_CMD_ARGS='-b :8000' gunicorn -b :$PORT wsgi:app\n", ("x.py", ""), None),
            (
                "web: gunicorn wsgi:app\n",
                (".profile", "export GUNICORN_CMD_ARGS=\"--bind=127.0.0.1:8000\"\n"),
                Some((FIXED, "8000")),
            ),
            (
                "web: gunicorn wsgi:app\n",
                (".profile.d/a.sh", "export GUNICORN_CMD_ARGS='--workers 2'\n"),
                None,
            ),
        ] {
            assert_one(procfile, &[all, file], expected);
        }
        for (command, name, value, expected) in [
            ("gunicorn wsgi:app", "GUNICORN_CMD_ARGS", "--bind=127.0.0.1:8000", 1),
            ("gunicorn wsgi:app", "GUNICORN_CMD_ARGS", "-w 2 -b 0.0.0.0:8000", 1),
            ("gunicorn wsgi:app", "GUNICORN_CMD_ARGS", "-w 2 --access-logfile -", 0),
            ("gunicorn wsgi:app", "GUNICORN_CMD_ARGS", "--bind 0.0.0.0:$PORT", 0),
            ("gunicorn -b 0.0.0.0:$PORT wsgi:app", "GUNICORN_CMD_ARGS", "--bind=127.0.0.1:8000", 0),
            ("uvicorn wsgi:app --host 0.0.0.0", "UVICORN_PORT", "8000", 1),
            ("uvicorn wsgi:app --host 0.0.0.0 --port $PORT", "UVICORN_PORT", "8000", 0),
        ] {
            let procfile = format!("web: {command}\n");
            let mut facts = app(&[all, WSGI, ("Procfile", procfile.as_str())]);
            facts.config_vars.insert(name.to_owned(), value.to_owned());
            let found = check(&facts);
            assert_eq!(found.len(), expected, "{command} {name}={value} {found:#?}");
            assert!(found.iter().all(|finding| finding.message.contains(name)), "{found:#?}");
        }
    }
}
