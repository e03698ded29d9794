//! Lines of the Procfile to paste: a command as it was meant, and with what a web process needs to get requests.

use super::command::{Invoked, parse_command};
use super::servers::{Listening, Server, is_fixed, is_loopback, listening, server_of, split_bind};
use super::sources::has_open_word;

/// Returns the line of a process type. A web server in it takes the port from PORT, where the command can be changed
/// to that.
pub(super) fn line_to_paste(name: &str, command: &str) -> String {
    let command = command.trim();
    let command = if name == "web" { with_port(command) } else { None }.unwrap_or_else(|| command.to_owned());
    unwrapped(format!("{name}: {command}"))
}

/// Makes a line one that stays as it is: an indented line is never wrapped, and the Procfile takes the indentation.
fn unwrapped(line: String) -> String {
    const SHORT: usize = 70;
    if line.len() > SHORT { format!("  {line}") } else { line }
}

/// Returns the command with its server told to use PORT.
fn with_port(command: &str) -> Option<String> {
    let commands = parse_command(command);
    let mut servers = commands.iter().filter_map(|invoked| Some((invoked, server_of(invoked)?)));
    let (Some((invoked, server)), None) = (servers.next(), servers.next()) else { return None };
    let told = listening(server, invoked);
    if invoked.is_conditional || told.elsewhere || has_open_word(invoked) {
        return None;
    }
    let changed = without_own_port(command, invoked).unwrap_or_else(|| command.to_owned());
    let mut line = changed;
    for bind in invoked.option(server.bind) {
        let (host, port) = split_bind(bind);
        if port.is_none_or(|port| is_fixed(&port)) || is_loopback(host) {
            line = replace_word(&line, bind, "0.0.0.0:$PORT")?;
        }
    }
    if !server.bind.is_empty() && !told.words.is_empty() {
        return Some(line);
    }
    if let Some(port) = told.port.as_ref().filter(|port| is_fixed(port)) {
        line = replace_word(&line, port, "$PORT")?;
    }
    if let Some(host) = told.host.as_ref().filter(|host| is_loopback(host)) {
        line = replace_word(&line, host, "0.0.0.0")?;
    }
    let is_last =
        commands.last() == Some(invoked) && invoked.outputs.is_empty() && !line.ends_with(['\'', '"', ')']);
    let lacking = lacking(server, &told);
    match lacking {
        None => Some(line),
        Some(options) if is_last => Some(format!("{line} {options}")),
        Some(_) => None,
    }
}

/// Returns the options that a server isn't given and needs.
fn lacking(server: &Server, told: &Listening) -> Option<String> {
    let lacks_port = told.port.is_none() && !server.reads_port;
    let lacks_host = told.host.is_none() && server.default_is_loopback;
    if server.program == "http.server" {
        return lacks_port.then(|| "$PORT".to_owned());
    }
    match (server.host, server.port) {
        ([.., host], [.., port]) => match (lacks_host, lacks_port) {
            (true, true) => Some(server.advice()),
            (true, false) => Some(format!("{host} 0.0.0.0")),
            (false, true) => Some(format!("{port} $PORT")),
            (false, false) => None,
        },
        _ => (lacks_host || lacks_port).then(|| server.advice()),
    }
}

/// Takes a PORT out of the command that it sets itself.
fn without_own_port(command: &str, invoked: &Invoked) -> Option<String> {
    let (_, port) = invoked.variables.iter().find(|(name, port)| name == "PORT" && is_fixed(port))?;
    let assignment = format!("PORT={port} ");
    command.contains(&assignment).then(|| command.replacen(&assignment, "", 1))
}

/// Replaces a value in a command, if it is there once: alone, behind `=`, or behind an option of one letter.
fn replace_word(command: &str, word: &str, with: &str) -> Option<String> {
    let mut places = command.match_indices(word).filter(|(at, _)| {
        let (before, after) = (&command[..*at], &command[at + word.len()..]);
        let is_begun = before.is_empty() || before.ends_with([' ', '\t', '=', '\'', '"']) || {
            let option = before.rsplit([' ', '\t']).next().unwrap_or(before);
            option.len() == 2 && option.starts_with('-')
        };
        is_begun && (after.is_empty() || after.starts_with([' ', '\t', '\'', '"', ';', '&', '|']))
    });
    let (Some((at, _)), None) = (places.next(), places.next()) else { return None };
    Some(format!("{}{with}{}", &command[..at], &command[at + word.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    // C19
    #[test]
    fn a_line_to_paste_never_has_a_port_of_its_own() {
        for (command, expected) in [
            ("gunicorn wsgi:app", "gunicorn wsgi:app"),
            ("gunicorn -b 0.0.0.0:8000 wsgi:app", "gunicorn -b 0.0.0.0:$PORT wsgi:app"),
            ("gunicorn wsgi:app --bind=127.0.0.1:8000", "gunicorn wsgi:app --bind=0.0.0.0:$PORT"),
            ("gunicorn -b:8000 wsgi:app", "gunicorn -b0.0.0.0:$PORT wsgi:app"),
            ("gunicorn -b 0.0.0.0 wsgi:app", "gunicorn -b 0.0.0.0:$PORT wsgi:app"),
            ("gunicorn -b localhost:$PORT wsgi:app", "gunicorn -b 0.0.0.0:$PORT wsgi:app"),
            ("PORT=8000 gunicorn wsgi:app", "gunicorn wsgi:app"),
            ("gunicorn -b 0.0.0.0:$PORT wsgi:app", "gunicorn -b 0.0.0.0:$PORT wsgi:app"),
            ("python -m http.server 8000", "python -m http.server $PORT"),
            ("python -m http.server", "python -m http.server $PORT"),
            ("python3 -m http.server --bind 127.0.0.1 8000", "python3 -m http.server --bind 0.0.0.0 $PORT"),
            ("uvicorn main:app", "uvicorn main:app --host 0.0.0.0 --port $PORT"),
            ("uvicorn main:app --port 8000", "uvicorn main:app --port $PORT --host 0.0.0.0"),
            ("uvicorn main:app --host 127.0.0.1 --port=5000", "uvicorn main:app --host 0.0.0.0 --port=$PORT"),
            ("uvicorn main:app --host 0.0.0.0", "uvicorn main:app --host 0.0.0.0 --port $PORT"),
            ("hypercorn main:app", "hypercorn main:app --bind 0.0.0.0:$PORT"),
            ("daphne -p8000 a:b", "daphne -p$PORT a:b --bind 0.0.0.0"),
            ("waitress-serve --listen=*:8080 a:b", "waitress-serve --listen=0.0.0.0:$PORT a:b"),
            ("waitress-serve a:b", "waitress-serve a:b --port $PORT"),
            ("streamlit run app.py --server.port 8501", "streamlit run app.py --server.port $PORT"),
            ("streamlit run app.py", "streamlit run app.py --server.port $PORT"),
            ("fastapi run main.py --port 80", "fastapi run main.py --port $PORT"),
            (
                "UVICORN_PORT=80 UVICORN_HOST=0.0.0.0 uvicorn a:b",
                "UVICORN_PORT=$PORT UVICORN_HOST=0.0.0.0 uvicorn a:b",
            ),
            (
                "python manage.py migrate && uvicorn a:b",
                "python manage.py migrate && uvicorn a:b --host 0.0.0.0 --port $PORT",
            ),
            // What can't be changed for certain stays.
            ("gunicorn -b unix:/tmp/nginx.socket wsgi:app", "gunicorn -b unix:/tmp/nginx.socket wsgi:app"),
            ("uvicorn main:app $OPTIONS", "uvicorn main:app $OPTIONS"),
            ("python worker.py 8000", "python worker.py 8000"),
        ] {
            assert_eq!(line_to_paste("web", command).trim_start(), format!("web: {expected}"), "{command}");
        }
        assert_eq!(line_to_paste("worker", "uvicorn a:b"), "worker: uvicorn a:b");
    }
}
