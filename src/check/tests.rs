//! Commands of healthy and of broken apps: of the first nothing is said, of the others one thing each.

use super::check;
use super::facts::{Facts, FileFacts};
use super::finding::Finding;
use crate::app::procfile::Procfile;
use crate::python::requirements::read_requirements;

/// Makes an app that isn't built, of its files. One whose name ends with a slash is a directory, and scripts can be
/// executed.
pub(super) fn app(files: &[(&str, &str)]) -> Facts {
    let mut facts = Facts { stack: super::gather::DEFAULT_STACK.to_owned(), ..Facts::default() };
    for (name, text) in files {
        for (at, _) in name.match_indices('/') {
            let dir = FileFacts { is_dir: true, ..FileFacts::default() };
            facts.files.insert(name[..at].to_owned(), dir);
        }
        if !name.ends_with('/') {
            let executable = name.ends_with(".sh");
            let file = FileFacts { executable, size: text.len() as u64, ..FileFacts::default() };
            facts.files.insert((*name).to_owned(), file);
            facts.texts.insert((*name).to_owned(), (*text).to_owned());
        }
    }
    let texts = facts.texts.clone();
    facts.procfile =
        texts.get("Procfile").map(|text| (Procfile::parse(text.as_bytes()).unwrap(), text.clone()));
    let mut read = |path: &str| {
        texts.get(path).map(|text| text.clone().into_bytes()).ok_or(std::io::ErrorKind::NotFound.into())
    };
    let is_locked = super::gather::LOCK_FILES.iter().any(|name| texts.contains_key(*name));
    if !is_locked {
        facts.requirements = read_requirements("requirements.txt", &mut read).ok();
    }
    facts
}

/// The files that all of the apps below have.
const FILES: &[(&str, &str)] = &[
    (
        "requirements.txt",
        "celery==5.4.0\nchannels[daphne]==4.2.0\nddtrace==2.18.0\ndjango==5.1.4\ndramatiq==1.17.1\n\
         fastapi[standard]==0.115.6\nflask==3.1.0\ngranian==1.7.0\ngunicorn==23.0.0\nhoncho==2.0.0\n\
         hypercorn==0.17.3\nnewrelic==10.4.0\nopentelemetry-distro==0.50b0\nrq==2.1.0\nstreamlit==1.41.1\n\
         supervisor==4.2.5\nuvicorn==0.34.0\nwaitress==3.0.2\n",
    ),
    ("wsgi.py", "def create_app(): ...\napp = application = create_app()\n"),
    ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
    ("src/web.py", "app = object()\n"),
    ("mysite/__init__.py", ""),
    (
        "mysite/wsgi.py",
        "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    ),
    (
        "mysite/asgi.py",
        "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
    ),
    ("mysite/celery.py", "app = object()\n"),
    ("manage.py", "from django.core.management import execute_from_command_line\n"),
    ("streamlit_app.py", ""),
    ("worker.py", ""),
    ("gunicorn_conf.py", "workers = 2\n"),
    ("logging.json", "{}"),
    ("hypercorn.toml", "bind = \"0.0.0.0:5000\"\n"),
    ("supervisord.conf", "[supervisord]\nnodaemon=true\n"),
    ("start.sh", "#!/bin/sh\nexec gunicorn wsgi:app\n"),
    ("env.sh", "export UVICORN_PORT=$PORT UVICORN_HOST=0.0.0.0\n"),
    ("setup.sh", "mkdir -p ~/.streamlit\necho \"[server]\nport = $PORT\n\" > ~/.streamlit/config.toml\n"),
    ("Procfile.dev", "web: gunicorn wsgi:app\n"),
    ("logs/.gitkeep", ""),
];

pub(super) fn findings(procfile: &str, more: &[(&str, &str)]) -> Vec<Finding> {
    let files = [FILES, more, &[("Procfile", procfile)]].concat();
    check(&app(&files))
}

const HEALTHY: &[&str] = &[
    "gunicorn wsgi:app",
    "gunicorn wsgi:app --log-file -",
    "gunicorn wsgi --workers 3 --timeout 120 --access-logfile - --error-logfile -",
    "gunicorn -w 4 -k uvicorn.workers.UvicornWorker main:app",
    "gunicorn --bind 0.0.0.0:$PORT wsgi:app",
    "gunicorn -b :${PORT:-8000} 'wsgi:create_app()'",
    "gunicorn -b [::]:$PORT wsgi:app",
    "gunicorn -c gunicorn_conf.py wsgi:app",
    "gunicorn -c python:gunicorn_conf wsgi:app",
    "gunicorn --config=file:gunicorn_conf.py wsgi:app",
    "gunicorn --chdir src web:app",
    "gunicorn --pythonpath src web:app",
    "gunicorn --worker-tmp-dir /dev/shm --worker-class gthread --threads 4 wsgi:app",
    "gunicorn --access-logfile logs/access.log wsgi:app",
    "gunicorn -b unix:/tmp/nginx.socket wsgi:app",
    "bin/start-nginx gunicorn -c gunicorn_conf.py wsgi:app",
    "bin/start-pgbouncer newrelic-admin run-program gunicorn wsgi:app",
    "newrelic-admin run-program gunicorn wsgi:app",
    "ddtrace-run gunicorn wsgi:app",
    "opentelemetry-instrument gunicorn wsgi:app",
    "opentelemetry-instrument --traces_exporter console uvicorn main:app --host 0.0.0.0 --port $PORT",
    "exec gunicorn wsgi:app",
    "PYTHONUNBUFFERED=1 WEB_CONCURRENCY=2 gunicorn wsgi:app",
    "env DJANGO_SETTINGS_MODULE=mysite.settings gunicorn mysite.wsgi",
    "cd src && gunicorn web:app",
    "cd /app/src && exec gunicorn web:app",
    "cd \"$HOME/src\" && gunicorn web:app",
    "python manage.py migrate --noinput && gunicorn mysite.wsgi:application",
    "python manage.py collectstatic --noinput; gunicorn mysite.wsgi",
    "python -m gunicorn wsgi:app",
    "python -m uvicorn main:app --host=0.0.0.0 --port=${PORT}",
    "uvicorn main:app --host 0.0.0.0 --port $PORT --workers $WEB_CONCURRENCY",
    "uvicorn main:app --host 0.0.0.0 --port \"$PORT\" --proxy-headers --forwarded-allow-ips '*'",
    "uvicorn --app-dir src web:app --host 0.0.0.0 --port ${PORT:-5000} --log-config logging.json",
    "uvicorn main:app --uds /tmp/nginx.socket",
    "export UVICORN_PORT=$PORT UVICORN_HOST=0.0.0.0; uvicorn main:app",
    "export UVICORN_PORT=$PORT; uvicorn main:app --host 0.0.0.0",
    "UVICORN_HOST=0.0.0.0 UVICORN_PORT=$PORT uvicorn main:app",
    ". ./env.sh && uvicorn main:app",
    "uvicorn main:app $UVICORN_OPTIONS",
    "hypercorn main:app --bind 0.0.0.0:$PORT",
    "hypercorn -c hypercorn.toml -b 0.0.0.0:$PORT main:app",
    "hypercorn -b \"0.0.0.0:$PORT\" -k uvloop main",
    "daphne -b 0.0.0.0 -p $PORT mysite.asgi:application",
    "daphne mysite.asgi:application --port $PORT --bind 0.0.0.0 -v2",
    "waitress-serve --port=$PORT wsgi:app",
    "waitress-serve --listen=*:$PORT --call wsgi:create_app",
    "granian --interface asgi --host 0.0.0.0 --port $PORT main:app",
    "GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=$PORT granian --interface asgi main:app",
    "fastapi run main.py --port $PORT",
    "fastapi run",
    "streamlit run streamlit_app.py --server.port $PORT --server.address 0.0.0.0",
    "sh setup.sh && streamlit run streamlit_app.py",
    "bash setup.sh; streamlit run streamlit_app.py --server.headless true",
    "mkdir -p ~/.streamlit && echo port > x && streamlit run streamlit_app.py",
    "./start.sh",
    "bash start.sh",
    "sh -c 'gunicorn -b 0.0.0.0:$PORT wsgi:app'",
    "bash -c \"python manage.py migrate && exec gunicorn mysite.wsgi\"",
    "honcho -f Procfile.dev start",
    "supervisord -c supervisord.conf -n",
    "supervisord -c supervisord.conf",
    "if [ \"$STAGING\" ]; then gunicorn -b 127.0.0.1:8000 wsgi:app; else gunicorn wsgi:app; fi",
    "[ -n \"$LOCAL\" ] && uvicorn main:app || uvicorn main:app --host 0.0.0.0 --port $PORT",
    "nginx -c nginx.conf & gunicorn -b 127.0.0.1:8000 wsgi:app & wait -n",
    "mkdir -p run && gunicorn -p run/x.pid wsgi:app",
    "$WEB_COMMAND",
    "eval \"$WEB_COMMAND\"",
    "python worker.py",
    "python -u worker.py --verbose",
    "gunicorn wsgi:app 2>&1",
    "gunicorn wsgi:app --env DJANGO_SETTINGS_MODULE=mysite.settings --preload",
    "gunicorn 'wsgi:create_app(\"x\")'",
    "jemalloc.sh gunicorn wsgi:app",
    "gunicorn mysite.wsgi > /dev/null",
];

const HEALTHY_WORKERS: &[&str] = &[
    "celery -A mysite worker --loglevel=info",
    "celery -A mysite.celery worker -B --concurrency 2",
    "celery -A mysite beat",
    "celery -A mysite worker & celery -A mysite beat & wait -n",
    "dramatiq worker --processes 2",
    "rq worker high default --url $REDIS_URL",
    "python manage.py rqworker default",
    "python worker.py",
    "cd src && python ../worker.py",
    "ddtrace-run celery -A mysite worker",
];

/// Nothing but a note is said of an app that works.
#[test]
fn healthy_commands_are_left_alone() {
    let lines = HEALTHY.iter().map(|line| format!("web: {line}\n"));
    let workers = HEALTHY_WORKERS.iter().map(|line| format!("web: gunicorn wsgi:app\nworker: {line}\n"));
    for procfile in lines.chain(workers) {
        let found = findings(&procfile, &[]);
        assert!(found.is_empty(), "{procfile}{found:#?}");
    }
}

/// The command, the finding, and words of its message or its advice.
const BROKEN: &[(&str, &str, &str)] = &[
    // C16: the list of the fault book.
    ("\"gunicorn wsgi:app\"", "command::invalid", "one word"),
    ("gunicorn -b '0.0.0.0:$PORT' wsgi:app", "command::invalid", "single quotes"),
    ("gunicorn -b 0.0.0.0:%PORT% wsgi:app", "command::invalid", "`%PORT%` isn't a port"),
    ("gunicorn -b 0.0.0.0:PORT wsgi:app", "command::invalid", "`PORT` isn't a port"),
    ("gunicorn --port $PORT wsgi:app", "command::invalid", "no option `--port`"),
    ("gunicorn -c missing_config.py wsgi:app", "command::file-not-found", "missing_config.py"),
    ("gunicorn wsgi:app --daemon", "command::in-background", "--daemon"),
    ("gunicorn -k gevent wsgi:app", "command::not-installed", "gevent"),
    ("gunicorn --access-logfile log/a.log wsgi:app", "command::file-not-found", "log/a.log"),
    ("PORT=8000 gunicorn wsgi:app", "command::fixed-port", "sets PORT itself"),
    ("gunicorn wsgi:app --user www-data", "command::invalid", "www-data"),
    ("start.sh", "command::file-not-found", "./start.sh"),
    ("source venv/bin/activate && gunicorn wsgi:app", "command::file-not-found", "venv/bin/activate"),
    ("gunicorn --chdir=nodir wsgi:app", "command::file-not-found", "nodir"),
    ("pyton main.py", "command::not-installed", "python"),
    ("daphne -b 0.0.0.0 -p $PORT mysite.asgi.application", "command::invalid", "mysite.asgi:application"),
    ("gunicorn mysite/wsgi.py", "command::invalid", "mysite.wsgi"),
    ("gunicorn wsgi.py", "command::invalid", "wsgi:app"),
    // Their kinds.
    ("gunicorn wsgi:create_app()", "command::invalid", "'wsgi:create_app()'"),
    ("gunicorn 'wsgi:app", "command::invalid", "quote"),
    ("web: gunicorn wsgi:app", "command::invalid", "`web:`"),
    ("$ gunicorn wsgi:app", "command::invalid", "prompt"),
    ("[\"gunicorn\", \"wsgi:app\"]", "command::invalid", "brackets"),
    ("sudo gunicorn wsgi:app", "command::invalid", "sudo"),
    ("gunicorn -b 0.0.0.0:\\$PORT wsgi:app", "command::invalid", "backslash"),
    ("gunicorn -b 0.0.0.0:$(PORT) wsgi:app", "command::invalid", "$PORT"),
    ("gunicorn -b 0.0.0.0:$$PORT wsgi:app", "command::invalid", "isn't a port"),
    ("gunicorn -b 0.0.0.0:{PORT} wsgi:app", "command::invalid", "isn't a port"),
    ("uvicorn main:app --host 0.0.0.0 --port PORT", "command::invalid", "isn't a port"),
    ("uvicorn main:app --host 0.0.0.0 --port '$PORT'", "command::invalid", "single quotes"),
    ("uvicorn main:app --host 0.0.0.0:$PORT", "command::invalid", "host"),
    ("uvicorn main:app -b 0.0.0.0:$PORT", "command::invalid", "--host 0.0.0.0 --port $PORT"),
    ("uvicorn main --host 0.0.0.0 --port $PORT", "command::invalid", "main:app"),
    ("uvicorn src/web:app --host 0.0.0.0 --port $PORT", "command::invalid", "src.web:app"),
    ("uvicorn main:app --host 0.0.0.0 --port $PORT --env-file no.env", "command::file-not-found", "no.env"),
    (
        "uvicorn main:app --host 0.0.0.0 --port $PORT --log-config no.json",
        "command::file-not-found",
        "no.json",
    ),
    ("hypercorn --port $PORT main:app", "command::invalid", "--port"),
    ("hypercorn -c no.toml main:app", "command::file-not-found", "no.toml"),
    ("hypercorn -c hypercorn.toml main:app", "command::fixed-port", "--bind 0.0.0.0:$PORT"),
    ("waitress-serve --bind 0.0.0.0:$PORT wsgi:app", "command::invalid", "--listen"),
    ("granian --bind 0.0.0.0:$PORT main:app", "command::invalid", "--bind"),
    ("streamlit run streamlit_app.py --port $PORT", "command::invalid", "--server.port"),
    ("streamlit run app.py --server.port $PORT", "command::file-not-found", "app.py"),
    ("gunicorn wsgi:app &", "command::in-background", "&"),
    ("celery -A mysite worker --detach", "command::in-background", "celery"),
    ("supervisord -c other.conf", "command::file-not-found", "other.conf"),
    ("honcho -f Procfile.missing start", "command::file-not-found", "Procfile.missing"),
    ("bash run.sh", "command::file-not-found", "run.sh"),
    ("cd nodir && gunicorn wsgi:app", "command::file-not-found", "nodir"),
    ("gunicorn wsgi:app > log/out.txt", "command::file-not-found", "log/out.txt"),
    ("gunicorn -k uvicorn main:app", "command::invalid", "UvicornWorker"),
    ("gunicorn -k eventlet wsgi:app", "command::not-installed", "eventlet"),
    ("export PORT=8000; gunicorn wsgi:app", "command::fixed-port", "8000"),
    ("export PORT=8000; gunicorn -b 0.0.0.0:$PORT wsgi:app", "command::fixed-port", "sets PORT itself"),
    (
        "export PORT=8000; uvicorn main:app --host 0.0.0.0 --port ${PORT}",
        "command::fixed-port",
        "sets PORT itself",
    ),
    // Where they listen.
    ("gunicorn -b 0.0.0.0:8000 wsgi:app", "command::fixed-port", "8000"),
    ("gunicorn -b 127.0.0.1:8000 wsgi:app", "command::fixed-port", "127.0.0.1"),
    ("gunicorn -b localhost:$PORT wsgi:app", "command::loopback", "localhost"),
    ("gunicorn -b 0.0.0.0 wsgi:app", "command::fixed-port", "without a port"),
    ("uvicorn main:app", "command::no-port", "--host 0.0.0.0 --port $PORT"),
    ("uvicorn main:app --port $PORT", "command::loopback", "127.0.0.1"),
    ("export UVICORN_PORT=8000; uvicorn main:app --host 0.0.0.0", "command::fixed-port", "8000"),
    ("python manage.py migrate && gunicorn -b 0.0.0.0:8000 wsgi:app", "command::fixed-port", "8000"),
    ("sh -c 'gunicorn -b 0.0.0.0:8000 wsgi:app'", "command::fixed-port", "8000"),
    ("hypercorn main:app", "command::no-port", "0.0.0.0:$PORT"),
    ("granian main:app", "command::no-port", "$PORT"),
    ("waitress-serve wsgi:app", "command::no-port", "$PORT"),
    ("daphne mysite.asgi:application", "command::no-port", "$PORT"),
    ("streamlit run streamlit_app.py", "command::no-port", "--server.port $PORT"),
    ("flask --app wsgi run", "command::dev-server", "development"),
    ("python manage.py runserver", "command::dev-server", "gunicorn mysite.wsgi"),
    ("python manage.py runserver 0.0.0.0:8000", "command::fixed-port", "gunicorn mysite.wsgi"),
    ("fastapi dev", "command::dev-server", "development"),
    ("gunicorn --reload wsgi:app", "command::dev-server", "--reload"),
    // The app and its programs.
    ("gunicorn wsgl:app", "app::module-not-found", "wsgl"),
    ("gunicorn wsgi:server", "app::attribute-not-found", "server"),
    ("gunicron wsgi:app", "command::not-installed", "gunicorn"),
    ("sanic main.app", "command::not-installed", "sanic"),
    ("python server.py", "command::file-not-found", "server.py"),
    ("poetry run gunicorn wsgi:app", "procfile::missing-tool", "poetry"),
];

#[test]
fn each_broken_command_has_one_finding() {
    for (command, id, words) in BROKEN {
        let found = findings(&format!("web: {command}\n"), &[]);
        let shown: Vec<&str> = found.iter().map(|finding| finding.code.entry().id).collect();
        assert_eq!(shown, [*id], "{command}: {found:#?}");
        let text = format!("{}\n{}", found[0].message, found[0].fix());
        assert!(text.contains(words), "{command}: {text}");
    }
}

// C16
#[test]
fn scripts_that_end_their_lines_as_on_windows_cannot_run() {
    for (command, script, expected) in [
        ("./run.sh", "#!/bin/sh\r\nexec gunicorn wsgi:app\r\n", true),
        ("./run.sh", "#!/usr/bin/env bash\r\n", true),
        ("bash run.sh", "cd src\r\nexec gunicorn web:app\r\n", true),
        ("sh ./run.sh", "exec gunicorn wsgi:app\r\n", true),
        ("./run.sh", "#!/bin/sh\nexec gunicorn wsgi:app\n", false),
        ("bash run.sh", "exec gunicorn wsgi:app\n", false),
    ] {
        let found = findings(&format!("web: {command}\n"), &[("run.sh", script)]);
        let is_found = found.iter().any(|finding| finding.code.entry().id == "command::not-executable");
        assert_eq!(
            (is_found, found.len()),
            (expected, usize::from(expected)),
            "{command} {script:?} {found:#?}"
        );
    }
}

// C03, C05
#[test]
fn whatever_may_tell_a_server_where_to_listen_is_looked_at() {
    let uvicorn = "uvicorn main:app";
    let streamlit = "streamlit run streamlit_app.py";
    for (command, files, expected) in [
        // Scripts that run first.
        (uvicorn, &[(".profile.d/a.sh", "export UVICORN_PORT=$PORT UVICORN_HOST=0.0.0.0\n")][..], None),
        (uvicorn, &[(".profile", "export UVICORN_HOST=0.0.0.0\nexport UVICORN_PORT=$PORT\n")], None),
        ("granian main:app", &[(".profile.d/a.sh", "export GRANIAN_PORT=$PORT\n")], None),
        (
            "gunicorn wsgi:app",
            &[(".profile", "GUNICORN_CMD_ARGS=-b\n"), ("gunicorn.conf.py", "bind = 'x:80'\n")],
            None,
        ),
        (streamlit, &[(".profile", "export STREAMLIT_SERVER_PORT=$PORT\n")], None),
        // What a script reads in, or evaluates, could say anything.
        (uvicorn, &[(".profile", ". ./x.sh\n"), ("x.sh", "export UVICORN_PORT=$PORT\n")], None),
        (uvicorn, &[(".profile", "set -a\n. ./config/env\nset +a\n")], None),
        (uvicorn, &[(".profile.d/a.sh", "if true; then source /app/x.sh; fi\n")], None),
        (uvicorn, &[(".profile.d/a.sh", "eval $(python settings.py)\n")], None),
        (uvicorn, &[(".profile.d/WEB_CONCURRENCY.sh", ". /etc/x\n")], Some("Procfile:1")),
        (uvicorn, &[(".profile", "# . ./x.sh\necho evaluated source.\n")], Some("Procfile:1")),
        (uvicorn, &[(".profile", "export DEBUG=\n")], Some("Procfile:1")),
        (uvicorn, &[(".profile", "export UVICORN_PORT=8000\n")], Some(".profile:1")),
        (". ./a.sh && uvicorn main:app", &[("a.sh", "export UVICORN_PORT=$PORT\n")], None),
        (". ./a.sh && uvicorn main:app", &[("a.sh", "\nexport UVICORN_PORT=8000\n")], Some("a.sh:2")),
        (
            "sh a.sh && streamlit run streamlit_app.py",
            &[("a.sh", "echo '[server]\nport = 8503' > .streamlit/config.toml\n")],
            Some("a.sh:2"),
        ),
        (
            "bash ./a.sh; streamlit run streamlit_app.py",
            &[("a.sh", "echo \"\\n[server]\\nport = 8503\\n\" > ~/.streamlit/config.toml\n")],
            Some("a.sh:1"),
        ),
        (
            "./a.sh && streamlit run streamlit_app.py",
            &[("a.sh", "#!/bin/sh\necho port = $PORT > ~/.streamlit/config.toml\n")],
            None,
        ),
        // The server's own files.
        (
            streamlit,
            &[(".streamlit/config.toml", "[server]\nheadless = true\nport = 8501\n")],
            Some(".streamlit/config.toml:3"),
        ),
        ("flask --app wsgi run", &[(".flaskenv", "FLASK_RUN_PORT=5000\n")], Some("Procfile:1")),
        ("gunicorn wsgi:app", &[("gunicorn.conf.py", "bind = '0.0.0.0:8000'\n")], Some("gunicorn.conf.py:1")),
        (
            "gunicorn wsgi:app",
            &[("gunicorn.conf.py", "import os\nbind = '0.0.0.0:' + os.environ['PORT']\n")],
            None,
        ),
        (
            "python manage.py migrate && gunicorn wsgi:app",
            &[("gunicorn.conf.py", "bind = '0.0.0.0:8000'\n")],
            None,
        ),
        (uvicorn, &[("app.json", "{\"env\": {\"UVICORN_PORT\": {}}}")], None),
        // Scripts that start the server.
        (
            "bash run.sh",
            &[("run.sh", "#!/bin/bash\nset -e\nexec gunicorn -b 0.0.0.0:8000 wsgi:app\n")],
            Some("run.sh:3"),
        ),
        ("./run.sh", &[("run.sh", "#!/bin/sh\nexec uvicorn main:app --host 0.0.0.0 --port $PORT\n")], None),
        (
            "sh run.sh",
            &[("run.sh", "if [ $X ]; then gunicorn -b 127.0.0.1:80 wsgi:app; fi\ngunicorn wsgi:app\n")],
            None,
        ),
    ] {
        let found = findings(&format!("web: {command}\n"), files);
        let place = found.first().and_then(|finding| finding.place.as_ref());
        let place = place.map(|place| format!("{}:{}", place.file, place.line));
        assert_eq!(place.as_deref(), expected, "{command} {files:?} {found:#?}");
        assert!(found.len() <= 1, "{command} {files:?} {found:#?}");
    }
    for (command, name) in [
        (uvicorn, "UVICORN_PORT"),
        ("granian main:app", "GRANIAN_PORT"),
        (streamlit, "STREAMLIT_SERVER_PORT"),
    ] {
        let procfile = format!("web: {command}\n");
        let mut facts = app(&[FILES, &[("Procfile", procfile.as_str())]].concat());
        assert_eq!(check(&facts).len(), 1, "{command}");
        facts.config_vars.insert(name.to_owned(), "$PORT".to_owned());
        assert_eq!(check(&facts), [], "{command}");
    }
}
