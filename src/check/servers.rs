//! What is known of the servers that a web process may be: where they listen unless they are told, and by which
//! options they are. From the documentation of each.

use super::command::Invoked;

/// A server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    /// The program.
    pub(super) program: &'static str,
    /// The words behind the program that make it a server: `run` for `flask run`.
    pub(super) subcommand: Option<&'static str>,
    /// The options for host and port together.
    pub(super) bind: &'static [&'static str],
    /// The options for the host.
    pub(super) host: &'static [&'static str],
    /// The options for the port.
    pub(super) port: &'static [&'static str],
    /// What makes it listen where nothing is known of: sockets, configuration files.
    pub(super) elsewhere: &'static [&'static str],
    /// Variables that tell it the host and the port.
    pub(super) variables: [&'static str; 2],
    /// How the names of all variables start that tell it where to listen.
    pub(super) prefix: &'static str,
    /// Files that set such variables by themselves.
    pub(super) configuration: &'static [&'static str],
    /// Whether it listens for its own machine only unless it is told otherwise.
    pub(super) default_is_loopback: bool,
    /// Whether it takes the variable PORT by itself.
    pub(super) reads_port: bool,
    /// Whether it is for development.
    pub(super) is_for_development: bool,
    /// Its options without a value, as far as an app's name may follow.
    pub(super) flags: &'static [&'static str],
}

const NONE: &[&str] = &[];

/// A server that is told nothing and does nothing: the rest of each row is what differs.
const PLAIN: Server = Server {
    program: "",
    subcommand: None,
    bind: NONE,
    host: NONE,
    port: NONE,
    elsewhere: NONE,
    variables: ["", ""],
    prefix: "",
    configuration: NONE,
    default_is_loopback: true,
    reads_port: false,
    is_for_development: false,
    flags: NONE,
};

/// The servers.
pub(super) const SERVERS: &[Server] = &[
    Server {
        program: "gunicorn",
        prefix: "GUNICORN_CMD_ARGS",
        bind: &["-b", "--bind"],
        elsewhere: &["--paste", "--paster"],
        default_is_loopback: false,
        reads_port: true,
        flags: &[
            "--reload",
            "--preload",
            "--daemon",
            "-D",
            "--check-config",
            "--print-config",
            "--spew",
            "-R",
            "--no-sendfile",
            "--reuse-port",
            "--capture-output",
            "--enable-stdio-inheritance",
            "--log-syslog",
            "--proxy-protocol",
            "--initgroups",
            "--strip-header-spaces",
            "--suppress-ragged-eofs",
            "--do-handshake-on-connect",
            "--no-control-socket",
        ],
        ..PLAIN
    },
    Server {
        program: "uvicorn",
        host: &["--host"],
        port: &["--port"],
        elsewhere: &["--uds", "--fd"],
        variables: ["UVICORN_HOST", "UVICORN_PORT"],
        prefix: "UVICORN_",
        flags: &[
            "--reload",
            "--factory",
            "--proxy-headers",
            "--no-proxy-headers",
            "--server-header",
            "--no-server-header",
            "--date-header",
            "--no-date-header",
            "--access-log",
            "--no-access-log",
            "--use-colors",
            "--no-use-colors",
            "--reset-contextvars",
        ],
        ..PLAIN
    },
    Server {
        program: "hypercorn",
        bind: &["-b", "--bind"],
        elsewhere: &["-c", "--config", "--insecure-bind", "--quic-bind"],
        flags: &["--reload", "--debug", "--daemon", "-D"],
        ..PLAIN
    },
    Server {
        program: "daphne",
        host: &["-b", "--bind"],
        port: &["-p", "--port"],
        elsewhere: &["-e", "--endpoint", "-u", "--unix-socket", "--fd"],
        flags: &["--proxy-headers", "--no-server-name"],
        ..PLAIN
    },
    Server {
        program: "waitress-serve",
        bind: &["--listen"],
        host: &["--host"],
        port: &["--port"],
        elsewhere: &["--unix-socket"],
        default_is_loopback: false,
        flags: &["--call", "--expose-tracebacks", "--no-expose-tracebacks", "--ipv4", "--ipv6"],
        ..PLAIN
    },
    Server {
        program: "granian",
        host: &["--host"],
        port: &["--port"],
        elsewhere: &["--uds"],
        variables: ["GRANIAN_HOST", "GRANIAN_PORT"],
        prefix: "GRANIAN_",
        flags: &["--reload", "--factory", "--access-log", "--no-ws", "--ws"],
        ..PLAIN
    },
    Server {
        program: "flask",
        subcommand: Some("run"),
        host: &["-h", "--host"],
        port: &["-p", "--port"],
        variables: ["FLASK_RUN_HOST", "FLASK_RUN_PORT"],
        prefix: "FLASK_RUN_",
        configuration: &[".flaskenv", ".env"],
        is_for_development: true,
        ..PLAIN
    },
    Server {
        program: "quart",
        subcommand: Some("run"),
        host: &["-h", "--host"],
        port: &["-p", "--port"],
        prefix: "QUART_",
        configuration: &[".flaskenv", ".env"],
        is_for_development: true,
        ..PLAIN
    },
    Server {
        program: "fastapi",
        subcommand: Some("run"),
        host: &["--host"],
        port: &["--port"],
        default_is_loopback: false,
        reads_port: true,
        ..PLAIN
    },
    Server {
        program: "fastapi",
        subcommand: Some("dev"),
        host: &["--host"],
        port: &["--port"],
        reads_port: true,
        is_for_development: true,
        ..PLAIN
    },
    Server {
        program: "streamlit",
        subcommand: Some("run"),
        host: &["--server.address"],
        port: &["--server.port"],
        variables: ["STREAMLIT_SERVER_ADDRESS", "STREAMLIT_SERVER_PORT"],
        prefix: "STREAMLIT_SERVER_",
        default_is_loopback: false,
        ..PLAIN
    },
    Server {
        program: "http.server",
        host: &["-b", "--bind"],
        default_is_loopback: false,
        is_for_development: true,
        flags: &["--cgi"],
        ..PLAIN
    },
    Server {
        program: "uwsgi",
        prefix: "UWSGI_",
        bind: &["--http", "--http-socket", "--http11-socket"],
        elsewhere: &["--ini", "--yaml", "--json", "--xml", "--socket", "-s"],
        default_is_loopback: false,
        reads_port: true,
        ..PLAIN
    },
];

/// Where a server listens, as far as its command says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listening {
    /// The host as it is written.
    pub(super) host: Option<String>,
    /// The port as it is written.
    pub(super) port: Option<String>,
    /// What stands in the command for both.
    pub(super) words: Vec<String>,
    /// Whether it listens somewhere that the command doesn't show.
    pub(super) elsewhere: bool,
}

/// Returns what is known of the server that a program is.
pub(super) fn server_of(invoked: &Invoked) -> Option<&'static Server> {
    SERVERS.iter().find(|server| {
        server.program == invoked.program
            && server.subcommand.is_none_or(|word| invoked.args.iter().any(|arg| arg == word))
    })
}

/// Returns whether a program is a server.
pub(super) fn is_server(program: &str) -> bool {
    SERVERS.iter().any(|server| server.program == program)
}

/// Reads where a server is told to listen.
pub(super) fn listening(server: &Server, invoked: &Invoked) -> Listening {
    let mut found = Listening::default();
    for bind in invoked.option(server.bind) {
        let (host, port) = split_bind(bind);
        found.elsewhere |= host == "unix" || bind.starts_with("fd:");
        found.words.push(bind.to_owned());
        // Of several addresses, one at PORT is enough.
        if found.port.as_ref().is_none_or(|port| is_fixed(port)) {
            found.host = host_of(host);
            found.port = port;
        }
    }
    // An option beats a variable.
    let [host_variable, port_variable] = server.variables;
    for host in invoked.variable(host_variable).into_iter().chain(invoked.option(server.host)) {
        found.host = host_of(host);
        found.words.push(host.to_owned());
    }
    for port in invoked.variable(port_variable).into_iter().chain(invoked.option(server.port)) {
        found.port = Some(port.to_owned());
        found.words.push(port.to_owned());
    }
    if server.program == "http.server" {
        found.port = free_words(server, invoked).first().map(|port| (*port).to_owned());
    }
    let is_elsewhere = |word: &String| {
        let name = word.split('=').next().unwrap_or_default();
        server.elsewhere.contains(&name)
            // uWSGI's only argument may be a file of settings.
            || (server.program == "uwsgi" && word.contains('.') && !word.starts_with('-'))
    };
    found.elsewhere |= invoked.args.iter().any(is_elsewhere);
    found
}

/// Splits `host:port`, `:port`, `[::]:port`.
pub(super) fn split_bind(bind: &str) -> (&str, Option<String>) {
    if bind.starts_with("unix:") || bind.starts_with("fd:") {
        return ("unix", None);
    }
    // A variable's default may have colons: `${PORT:-8000}`.
    let variable = bind.find('$').unwrap_or(bind.len());
    match bind[..variable].rfind(':') {
        Some(at) if !bind[..at].ends_with(':') => (&bind[..at], Some(bind[at + 1..].to_owned())),
        _ if variable < bind.len() => (bind, Some(bind.to_owned())),
        _ => (bind, None),
    }
}

fn host_of(host: &str) -> Option<String> {
    Some(if host.is_empty() { "0.0.0.0".to_owned() } else { host.to_owned() })
}

/// Returns whether a host means this machine only.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.starts_with("127.") || host == "::1" || host == "[::1]"
}

/// Returns whether a port is a number rather than a variable.
pub(super) fn is_fixed(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

impl Server {
    /// Returns the options that make it listen where requests arrive.
    pub(super) fn advice(&self) -> String {
        match (self.bind, self.host, self.port) {
            ([.., bind], _, []) => format!("{bind} 0.0.0.0:$PORT"),
            (_, [.., host], [.., port]) => format!("{host} 0.0.0.0 {port} $PORT"),
            _ => "$PORT".to_owned(),
        }
    }

    /// Returns its name as it is called.
    pub(super) fn name(&self) -> String {
        match self.subcommand {
            Some(word) => format!("{} {word}", self.program),
            None => self.program.to_owned(),
        }
    }
}

/// Returns the app that a server is told to serve: `module:name`, or a module alone for those that have a default.
pub(super) fn target<'a>(server: &Server, invoked: &'a Invoked) -> Option<&'a str> {
    const WITH_TARGET: &[&str] = &["gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve"];
    if !WITH_TARGET.contains(&server.program) {
        return None;
    }
    let free = free_words(server, invoked);
    let with_name = free.iter().find(|word| {
        word.split_once(':').is_some_and(|(module, name)| {
            let name = name.split(['(', '.']).next().unwrap_or_default();
            is_dotted(module) && is_dotted(name)
        })
    });
    match with_name {
        Some(word) => Some(word),
        // These look for a name by themselves.
        None if ["gunicorn", "hypercorn"].contains(&server.program) => {
            free.last().copied().filter(|word| is_dotted(word))
        }
        None => None,
    }
}

/// Returns the words that are neither options nor, as far as is known, their values.
pub(super) fn free_words<'a>(server: &Server, invoked: &'a Invoked) -> Vec<&'a str> {
    let is_free = |index: usize| {
        index.checked_sub(1).and_then(|before| invoked.args.get(before)).is_none_or(|before| {
            // `-w4` and `--bind=x` have their value with them.
            !before.starts_with('-')
                || before.contains('=')
                || server.flags.contains(&before.as_str())
                || (!before.starts_with("--") && before.len() > 2)
        })
    };
    let args = invoked.args.iter().enumerate();
    args.filter(|(index, word)| !word.starts_with('-') && is_free(*index))
        .map(|(_, word)| word.as_str())
        .collect()
}

/// Returns whether a text is names with dots between them.
pub(super) fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::command::parse_command;

    fn read(command: &str) -> (Listening, Option<String>) {
        let invoked = parse_command(command).pop().unwrap();
        let server = server_of(&invoked).unwrap_or_else(|| panic!("{command}"));
        (listening(server, &invoked), target(server, &invoked).map(str::to_owned))
    }

    #[test]
    fn hosts_ports_and_apps_are_found() {
        for (command, host, port, app) in [
            ("gunicorn app:app", None, None, Some("app:app")),
            ("gunicorn -b 0.0.0.0:$PORT a.b:c", Some("0.0.0.0"), Some("$PORT"), Some("a.b:c")),
            ("gunicorn --bind=:${PORT:-8000} a", Some("0.0.0.0"), Some("${PORT:-8000}"), Some("a")),
            ("gunicorn a -b 127.0.0.1:8000", Some("127.0.0.1"), Some("8000"), Some("a")),
            ("gunicorn -w 4 -k uvicorn.workers.UvicornWorker main:app", None, None, Some("main:app")),
            ("gunicorn main:app -w 4 -k uvicorn.workers.UvicornWorker", None, None, Some("main:app")),
            ("gunicorn -w4 --preload mysite.wsgi", None, None, Some("mysite.wsgi")),
            ("gunicorn mysite.wsgi --log-file -", None, None, Some("mysite.wsgi")),
            ("gunicorn 'app:create_app()'", None, None, Some("app:create_app()")),
            ("gunicorn -c python:conf app:app", None, None, Some("app:app")),
            ("gunicorn -b [::]:$PORT a:b", Some("[::]"), Some("$PORT"), Some("a:b")),
            (
                "uvicorn main:app --host 0.0.0.0 --port $PORT",
                Some("0.0.0.0"),
                Some("$PORT"),
                Some("main:app"),
            ),
            ("uvicorn --factory main:make", None, None, Some("main:make")),
            (
                "daphne -b 0.0.0.0 -p $PORT a.asgi:application",
                Some("0.0.0.0"),
                Some("$PORT"),
                Some("a.asgi:application"),
            ),
            ("waitress-serve --listen=*:8000 a:b", Some("*"), Some("8000"), Some("a:b")),
            ("waitress-serve --port=$PORT --call a:make", None, Some("$PORT"), Some("a:make")),
            ("FLASK_RUN_PORT=80 flask run", None, Some("80"), None),
            ("flask --app x run -h 0.0.0.0", Some("0.0.0.0"), None, None),
            ("python -m http.server 8000", None, Some("8000"), None),
        ] {
            let (listening, target) = read(command);
            assert_eq!(listening.host.as_deref(), host, "{command}");
            assert_eq!(listening.port.as_deref(), port, "{command}");
            assert_eq!(target.as_deref(), app, "{command}");
        }
        assert!(read("gunicorn -b unix:/tmp/x.sock a:b").0.elsewhere);
        assert!(read("uwsgi uwsgi.ini").0.elsewhere);
        assert!(read("hypercorn -c hypercorn.toml a:b").0.elsewhere);
    }
}
