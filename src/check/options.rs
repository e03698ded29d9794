//! What the options of programs name, so far as something has to be there: files, directories, users. From the help
//! of each, and by calling them.

/// What is known of a program's options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// The program.
    pub(super) program: &'static str,
    /// Options that name a file which has to be there.
    pub(super) files: &'static [&'static str],
    /// Options that name a file whose directory has to be there.
    pub(super) written: &'static [&'static str],
    /// Options that name a directory which has to be there.
    pub(super) dirs: &'static [&'static str],
    /// Options that name a user or group to become.
    pub(super) users: &'static [&'static str],
    /// Options that put it into the background.
    pub(super) background: &'static [&'static str],
    /// Options that take a whole number.
    pub(super) numbers: &'static [&'static str],
    /// Options of other servers that it doesn't have, and what it has in their place.
    pub(super) foreign: &'static [(&'static str, &'static str)],
}

const NONE: &[&str] = &[];

const PLAIN: Options = Options {
    program: "",
    files: NONE,
    written: NONE,
    dirs: NONE,
    users: NONE,
    background: NONE,
    numbers: NONE,
    foreign: &[],
};

const BIND: &str = "-b 0.0.0.0:$PORT";
const HOST_AND_PORT: &str = "--host 0.0.0.0 --port $PORT";

/// The programs.
const OPTIONS: &[Options] = &[
    Options {
        program: "gunicorn",
        files: &[
            "-c",
            "--config",
            "--log-config",
            "--log-config-json",
            "--certfile",
            "--keyfile",
            "--ca-certs",
        ],
        written: &["--access-logfile", "--error-logfile", "--log-file", "-p", "--pid"],
        dirs: &["--chdir", "--worker-tmp-dir"],
        users: &["-u", "--user", "-g", "--group"],
        background: &["-D", "--daemon"],
        numbers: &[
            "-w",
            "--workers",
            "--threads",
            "-t",
            "--timeout",
            "--graceful-timeout",
            "--keep-alive",
            "--max-requests",
            "--max-requests-jitter",
            "--backlog",
            "--worker-connections",
        ],
        foreign: &[
            ("--port", BIND),
            ("--host", BIND),
            ("--listen", BIND),
            ("--app-dir", "--chdir DIRECTORY"),
            ("--factory", "'module:create_app()'"),
            ("--env-file", "the line without it; config vars are in the environment"),
            ("--proxy-headers", "--forwarded-allow-ips '*'"),
            ("--debug", "--log-level debug"),
            ("--worker", "--workers N"),
            ("--workers-class", "--worker-class CLASS"),
            ("--access-log", "--access-logfile -"),
            ("--app", "module:name, without an option"),
        ],
    },
    Options {
        program: "uvicorn",
        files: &["--env-file", "--log-config", "--ssl-certfile", "--ssl-keyfile", "--ssl-ca-certs"],
        numbers: &[
            "--workers",
            "--timeout-keep-alive",
            "--timeout-graceful-shutdown",
            "--backlog",
            "--limit-concurrency",
            "--limit-max-requests",
        ],
        foreign: &[
            ("-b", HOST_AND_PORT),
            ("--bind", HOST_AND_PORT),
            ("-p", HOST_AND_PORT),
            ("-h", HOST_AND_PORT),
            ("-w", "--workers N"),
            ("--chdir", "--app-dir DIRECTORY"),
        ],
        ..PLAIN
    },
    Options {
        program: "hypercorn",
        files: &["-c", "--config", "--log-config", "--certfile", "--keyfile", "--ca-certs"],
        written: &["--access-logfile", "--error-logfile", "--access-log", "--error-log", "-p", "--pid"],
        users: &["-u", "--user", "-g", "--group"],
        background: &["-D", "--daemon"],
        numbers: &["-w", "--workers", "--backlog", "--keep-alive"],
        foreign: &[("--port", BIND), ("--host", BIND), ("--listen", BIND)],
        ..PLAIN
    },
    Options {
        program: "daphne",
        foreign: &[
            ("--host", "-b 0.0.0.0 -p $PORT"),
            ("--workers", "several dynos"),
            ("-w", "several dynos"),
        ],
        ..PLAIN
    },
    Options {
        program: "waitress-serve",
        numbers: &["--threads", "--backlog"],
        foreign: &[
            ("--bind", "--listen=*:$PORT"),
            ("-b", "--listen=*:$PORT"),
            ("-p", "--port=$PORT"),
            ("--workers", "--threads=N"),
            ("-w", "--threads=N"),
        ],
        ..PLAIN
    },
    Options {
        program: "granian",
        files: &["--log-config", "--ssl-certificate", "--ssl-keyfile"],
        dirs: &["--working-dir"],
        numbers: &["--workers", "--backlog"],
        foreign: &[
            ("-b", HOST_AND_PORT),
            ("--bind", HOST_AND_PORT),
            ("-p", HOST_AND_PORT),
            ("-w", "--workers N"),
        ],
        ..PLAIN
    },
    Options {
        program: "streamlit",
        foreign: &[
            ("--port", "--server.port $PORT"),
            ("--host", "--server.address 0.0.0.0"),
            ("--address", "--server.address 0.0.0.0"),
        ],
        ..PLAIN
    },
    Options {
        program: "flask",
        foreign: &[("-b", "gunicorn"), ("--bind", "gunicorn"), ("-w", "gunicorn"), ("--workers", "gunicorn")],
        ..PLAIN
    },
    Options { program: "fastapi", foreign: &[("-b", HOST_AND_PORT), ("--bind", HOST_AND_PORT)], ..PLAIN },
    Options { program: "http.server", foreign: &[("--port", "$PORT")], ..PLAIN },
    Options {
        program: "uwsgi",
        files: &["--ini", "--yaml", "--yml", "--json", "--xml"],
        users: &["--uid", "--gid"],
        background: &["-d", "--daemonize"],
        foreign: &[
            ("--port", "--http-socket 0.0.0.0:$PORT"),
            ("--host", "--http-socket 0.0.0.0:$PORT"),
            ("--bind", "--http-socket 0.0.0.0:$PORT"),
        ],
        ..PLAIN
    },
    Options {
        program: "celery",
        written: &["-f", "--logfile", "--pidfile"],
        dirs: &["--workdir"],
        users: &["--uid", "--gid"],
        background: &["-D", "--detach"],
        ..PLAIN
    },
    Options { program: "honcho", files: &["-f", "--procfile"], dirs: &["-d", "--app-root"], ..PLAIN },
    Options { program: "supervisord", files: &["-c", "--configuration"], ..PLAIN },
    Options { program: "circusd", background: &["--daemon"], ..PLAIN },
    Options { program: "alembic", files: &["-c", "--config"], ..PLAIN },
];

/// Returns what is known of a program's options.
pub(super) fn options_of(program: &str) -> Option<&'static Options> {
    OPTIONS.iter().find(|options| options.program == program)
}
