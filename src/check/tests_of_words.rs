//! Words of commands that their programs refuse, and those that look like them and work.

use super::tests_of_lines::{NOT_FOUND, NOT_INSTALLED, assert_one, found};

// C16: what gunicorn and the others make of a word was seen by calling them.
#[test]
fn words_that_name_no_app_are_told() {
    let all = (
        "requirements.txt",
        "daphne==4.1.2\ngranian==1.7.0\ngunicorn==23.0.0\nhypercorn==0.17.3\nuvicorn==0.34.0\nwaitress==3.0.2\n",
    );
    const INVALID: &str = "command::invalid";
    for (command, expected) in [
        ("gunicorn wsgi:", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn wsgi::app", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn 'wsgi:app;'", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn wsgi:app,", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn :app", Some((INVALID, "no module"))),
        ("gunicorn wsgi:app.server", Some((INVALID, "server = app.server"))),
        ("gunicorn wsgi.py", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn wsgi.app", Some(("app::module-not-found", "`wsgi:app`"))),
        ("uvicorn --host 0.0.0.0 --port $PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
        ("uvicorn --host 0.0.0.0 --port $PORT wsgi:", Some((INVALID, "Write: wsgi:app"))),
        ("hypercorn -b 0.0.0.0:$PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
        ("hypercorn -b 0.0.0.0:$PORT wsgi.app", Some(("app::module-not-found", "`wsgi:app`"))),
        ("daphne -b 0.0.0.0 -p $PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
        ("waitress-serve --port=$PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
        ("granian --host 0.0.0.0 --port $PORT wsgi:app:", Some((INVALID, "Write: wsgi:app"))),
        // These work, or could.
        ("gunicorn wsgi:app extra", None),
        ("gunicorn wsgi:$NAME", None),
        ("gunicorn package.app", None),
        ("gunicorn 'package.app:make()'", None),
        ("gunicorn shifty.app", None),
        ("uvicorn --host 0.0.0.0 --port $PORT wsgi:app.inner", None),
        ("hypercorn -b 0.0.0.0:$PORT asgi:wsgi:app", None),
        ("waitress-serve --port=$PORT wsgi:", None),
    ] {
        let more = [
            all,
            ("package/__init__.py", ""),
            ("package/app.py", "application = object()\ndef make(): ...\n"),
            ("shifty.py", "import sys\nsys.modules['shifty.app'] = object()\n"),
        ];
        assert_one(&format!("web: {command}\n"), &more, expected);
    }
    // gunicorn before 20.0 evaluated what stands behind the colon.
    for (requirements, is_wrong) in
        [("gunicorn==19.9.0", false), ("gunicorn", false), ("gunicorn==20.1.0", true)]
    {
        let all = found("web: gunicorn wsgi:app.server\n", &[("requirements.txt", requirements)]);
        assert_eq!(
            all.iter().any(|finding| finding.code.entry().id == INVALID),
            is_wrong,
            "{requirements} {all:#?}"
        );
    }
}

// C16, C20
#[test]
fn words_that_a_program_refuses_are_told() {
    const INVALID: &str = "command::invalid";
    let more = &[
        (
            "requirements.txt",
            "arq==0.26.1\ncelery==5.4.0\ndramatiq==1.17.1\ngunicorn==23.0.0\nhuey==2.5.2\nhypercorn==0.17.3\ntaskiq==0.11.10\nuvicorn==0.34.0\n",
        ),
        ("tasks.py", "huey = WorkerSettings = broker = object()\n"),
        ("cel.py", "from celery import Celery\napp = Celery()\n"),
        ("proj/__init__.py", ""),
        ("proj/tasks.py", "broker = object()\n"),
        ("src/site.py", "app = object()\n"),
    ][..];
    for (command, expected) in [
        // Shells.
        ("gunicorn wsgi:app &&", Some((INVALID, "Write:\nweb: gunicorn wsgi:app"))),
        ("gunicorn wsgi:app |", Some((INVALID, "Write:\nweb: gunicorn wsgi:app"))),
        ("gunicorn -b 0.0.0.0:${PORT wsgi:app", Some((INVALID, "without its `}`"))),
        ("gunicorn -b 0.0.0.0:<PORT> wsgi:app", Some((INVALID, "`<PORT>`"))),
        ("gunicorn -b 0.0.0.0:$port wsgi:app", Some((INVALID, "`$port`"))),
        ("uvicorn wsgi:app --host 0.0.0.0 --port ${Port}", Some((INVALID, "`${Port}`"))),
        ("gunicorn -b 0.0.0.0:${PORT:8000} wsgi:app", Some((INVALID, "${PORT:-8000}"))),
        ("gunicorn -b $PORT wsgi:app", Some((INVALID, "--bind 0.0.0.0:$PORT"))),
        ("gunicorn wsgi:app -b 0.0.0.0: $PORT", Some((INVALID, "no port follows"))),
        ("port=8000; gunicorn -b 0.0.0.0:$port wsgi:app", Some(("command::fixed-port", "8000"))),
        (
            "export HTTP_PORT=8000; gunicorn -b 0.0.0.0:${HTTP_PORT} wsgi:app",
            Some(("command::fixed-port", "8000")),
        ),
        ("port=$PORT; gunicorn -b 0.0.0.0:$port wsgi:app", None),
        ("port=${PORT:-8000} && gunicorn -b 0.0.0.0:$port wsgi:app", None),
        ("gunicorn -b 0.0.0.0:$HTTP_PORT wsgi:app", None),
        ("gunicorn -b 0.0.0.0:${PORT:-8000} wsgi:app", None),
        ("gunicorn -b 0.0.0.0:${PORT:=8000} wsgi:app", None),
        ("gunicorn wsgi:app;", None),
        // Numbers.
        ("gunicorn --timeout 30s wsgi:app", Some((INVALID, "--timeout 30"))),
        ("gunicorn -w auto wsgi:app", Some((INVALID, "`auto`"))),
        ("gunicorn --threads=2.5 wsgi:app", Some((INVALID, "--threads 2"))),
        ("uvicorn wsgi:app --host 0.0.0.0 --port $PORT --workers max", Some((INVALID, "`max`"))),
        ("hypercorn -b 0.0.0.0:$PORT -w x wsgi:app", Some((INVALID, "`x`"))),
        ("gunicorn -w $WEB_CONCURRENCY -t 30 --threads=4 wsgi:app", None),
        ("gunicorn --workers=$(nproc) wsgi:app", None),
        // No app.
        ("gunicorn", Some((INVALID, "isn't told which app"))),
        ("gunicorn -b 0.0.0.0:$PORT --workers 2", Some((INVALID, "isn't told which app"))),
        ("uvicorn --host 0.0.0.0 --port $PORT", Some((INVALID, "isn't told which app"))),
        ("UVICORN_APP=wsgi:app uvicorn --host 0.0.0.0 --port $PORT", None),
        ("gunicorn $APP", None),
        ("gunicorn -c conf.py", Some((NOT_FOUND, "conf.py"))),
        // Options of others, paths and machines of others.
        ("gunicorn --env-file .env wsgi:app", Some((INVALID, "--env-file"))),
        ("gunicorn --worker 2 wsgi:app", Some((INVALID, "--workers N"))),
        ("gunicorn wsgi/app", Some((INVALID, "Write: wsgi:app"))),
        ("gunicorn src/site.py", Some((INVALID, "Write: src.site:app"))),
        ("gunicorn wsgi-app:app", Some(("app::module-not-found", "`wsgi-app`"))),
        ("/usr/local/bin/gunicorn wsgi:app", Some((NOT_FOUND, "\nweb: gunicorn wsgi:app"))),
        ("/home/me/site/venv/bin/gunicorn wsgi:app", Some((NOT_FOUND, "\nweb: gunicorn wsgi:app"))),
        ("gunicorn.exe wsgi:app", Some((NOT_FOUND, "\nweb: gunicorn wsgi:app"))),
        ("python -m gunicron wsgi:app", Some((NOT_INSTALLED, "`gunicorn`"))),
        ("/usr/bin/python3 tasks.py", None),
        ("python -m tasks", None),
    ] {
        assert_one(&format!("web: {command}\n"), more, expected);
    }
    for (command, expected) in [
        ("celery worker -A cel", Some((INVALID, "celery -A cel worker"))),
        ("celery beat --app=cel", Some((INVALID, "celery -A cel beat"))),
        ("celery -A cel.py worker", Some((INVALID, "Write: cel"))),
        ("celery -A proj/tasks worker", Some((INVALID, "Write: proj.tasks"))),
        ("celery -A cel workr", Some((INVALID, "`worker`"))),
        ("celery -A cel:ap worker", Some(("app::attribute-not-found", "cel:app"))),
        ("dramatiq tasks.py", Some((INVALID, "Write: tasks"))),
        ("dramatiq ./proj/tasks", Some((INVALID, "Write: proj.tasks"))),
        ("huey_consumer tasks", Some((INVALID, "Write: tasks.huey"))),
        ("huey_consumer tasks:huey", Some((INVALID, "Write: tasks.huey"))),
        ("arq tasks:WorkerSettings", Some((INVALID, "Write: tasks.WorkerSettings"))),
        ("arq tasks.Settings", Some(("app::attribute-not-found", "tasks.py"))),
        ("taskiq worker tasks.broker", Some((INVALID, "Write: tasks:broker"))),
        ("taskiq worker proj.tasks", Some((INVALID, "Write: proj.tasks:broker"))),
        ("celery -A cel worker -Q a,b -l info", None),
        ("celery -A cel -b redis://x worker", None),
        ("celery --app cel beat", None),
        ("celery -A cel purge -f", None),
        ("celery -A $APP worker", None),
        ("dramatiq tasks proj.tasks", None),
        ("huey_consumer tasks.huey -w 2", None),
        ("arq tasks.WorkerSettings", None),
        ("taskiq worker tasks:broker proj.tasks", None),
    ] {
        assert_one(&format!("web: gunicorn wsgi:app\nworker: {command}\n"), more, expected);
    }
    let old = found(
        "web: gunicorn wsgi:app\nworker: celery worker -A cel\n",
        &[("requirements.txt", "celery==4.4.7\ngunicorn==23.0.0\n"), more[2]],
    );
    assert_eq!(old, [], "celery before 5.0 takes its app behind the command");
}
