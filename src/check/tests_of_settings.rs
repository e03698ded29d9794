//! What files, variables and requirements say of a server, and where that can't work.

use super::check;
use super::tests::app;
use super::tests_of_lines::{NOT_FOUND, NOT_INSTALLED, WSGI, assert_one, found};

// C16, C34
#[test]
fn ports_in_settings_are_found() {
    const FIXED: &str = "command::fixed-port";
    const NO_PORT: &str = "command::no-port";
    let all = ("requirements.txt", "gunicorn==23.0.0\nhypercorn==0.17.3\nuwsgi==2.0.28\nuvicorn==0.34.0\n");
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
        ("web: gunicorn wsgi:app\n", (".profile.d/a.sh", "export GUNICORN_CMD_ARGS='--workers 2'\n"), None),
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

// C05
#[test]
fn ports_in_scripts_that_scripts_call_are_found() {
    let streamlit = ("requirements.txt", "gunicorn==23.0.0\nstreamlit==1.41.1\n");
    for (command, scripts, expected) in [
        (
            "bash run.sh",
            &[("run.sh", "#!/bin/bash\nbash inner.sh\n"), ("inner.sh", "exec gunicorn -b :8000 wsgi:app\n")]
                [..],
            Some("inner.sh:1"),
        ),
        (
            "bash run.sh",
            &[("run.sh", "port=8000\nexec gunicorn -b 0.0.0.0:$port wsgi:app\n")],
            Some("run.sh:2"),
        ),
        ("bash run.sh", &[("run.sh", "port=${1:-$PORT}\nexec gunicorn -b 0.0.0.0:$port wsgi:app\n")], None),
        (
            "bash run.sh",
            &[("run.sh", "if [ $X ]; then port=8000; fi\nexec gunicorn -b 0.0.0.0:$port wsgi:app\n")],
            None,
        ),
        ("bash run.sh", &[("run.sh", "bash run.sh\n")], None),
        (
            "sh setup.sh && streamlit run app.py",
            &[
                ("setup.sh", "sh inner.sh\n"),
                ("inner.sh", "printf '[server]\\nport = 8503\\n' > ~/.streamlit/config.toml\n"),
            ],
            Some("inner.sh:1"),
        ),
        (
            "sh setup.sh && streamlit run app.py",
            &[("setup.sh", "cat > ~/.streamlit/config.toml <<EOF\n[server]\nport = 8503\nEOF\n")],
            Some("setup.sh:3"),
        ),
        (
            "sh setup.sh && streamlit run app.py",
            &[("setup.sh", "cat > ~/.streamlit/config.toml <<EOF\n[server]\nport = $PORT\nEOF\n")],
            None,
        ),
        (
            "sh setup.sh && streamlit run app.py",
            &[("setup.sh", "sh inner.sh\n"), ("inner.sh", "echo port = $PORT > ~/.streamlit/config.toml\n")],
            None,
        ),
    ] {
        let more = [&[streamlit, ("app.py", "import streamlit\n")], scripts].concat();
        let found = found(&format!("web: {command}\n"), &more);
        let places: Vec<String> = found
            .iter()
            .map(|finding| {
                finding.place.as_ref().map_or(String::new(), |place| format!("{}:{}", place.file, place.line))
            })
            .collect();
        assert_eq!(places, expected.into_iter().collect::<Vec<_>>(), "{command} {scripts:?} {found:#?}");
    }
}
// C16
#[test]
fn worker_classes_settings_and_programs_that_are_not_there_are_told() {
    let celery = ("requirements.txt", "celery==5.4.0\ngunicorn==23.0.0\n");
    let mysite = &[
        celery,
        ("mysite/__init__.py", ""),
        ("mysite/celery.py", "from celery import Celery\napp = Celery()\n"),
    ][..];
    let fastapi = ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n");
    let bare = &[fastapi, ("requirements.txt", "fastapi==0.115.6\n")][..];
    let package = ("package.json", "{}");
    for (procfile, more, expected) in [
        ("web: gunicorn -k gevnt wsgi:app\n", &[][..], Some(("command::invalid", "-k gevent"))),
        ("web: gunicorn --worker-class=gthreads wsgi:app\n", &[], Some(("command::invalid", "-k gthread"))),
        ("web: gunicorn -k mine wsgi:app\n", &[], Some(("command::invalid", "`mine`"))),
        ("web: gunicorn -k mine wsgi:app\n", &[("requirements.txt", "gunicorn\n")], None),
        ("web: gunicorn -k egg:mine#worker wsgi:app\n", &[], None),
        ("web: gunicorn -k mine.workers.Worker wsgi:app\n", &[], None),
        ("web: gunicorn -k $CLASS wsgi:app\n", &[], None),
        ("web: gunicorn -k asgi wsgi:app\n", &[("requirements.txt", "gunicorn\n")], None),
        ("web: gunicorn -c python:missing_conf wsgi:app\n", &[], Some((NOT_FOUND, "`missing_conf`"))),
        (
            "web: gunicorn -c python:conf.missing wsgi:app\n",
            &[("conf/__init__.py", "")],
            Some((NOT_FOUND, "`conf.missing`")),
        ),
        ("web: gunicorn -c python:conf.g wsgi:app\n", &[("conf/g.py", "workers = 2\n")], None),
        ("web: gunicorn -c python:my_conf wsgi:app\n", &[("requirements.txt", "gunicorn\n-e .\n")], None),
        (
            "web: gunicorn wsgi:app\nworker: celery --app=mysite.nope:app worker\n",
            mysite,
            Some(("app::module-not-found", "mysite.nope")),
        ),
        (
            "web: gunicorn wsgi:app\nworker: celery -A mysite.celry worker\n",
            mysite,
            Some(("app::module-not-found", "`mysite.celery`")),
        ),
        ("web: gunicorn wsgi:app\nworker: celery -A mysite worker\n", mysite, None),
        ("web: gunicorn wsgi:app\nworker: celery -A mysite.celery.app worker\n", mysite, None),
        ("web: fastapi run main.py\n", bare, Some((NOT_INSTALLED, "fastapi[standard]"))),
        (
            "web: fastapi run main.py\n",
            &[fastapi, ("requirements.txt", "fastapi[standard]==0.115.6\n")],
            None,
        ),
        ("web: fastapi run main.py\n", &[fastapi, ("requirements.txt", "fastapi==0.111.0\n")], None),
        (
            "web: fastapi run main.py\n",
            &[fastapi, ("requirements.txt", "fastapi==0.115.6\nfastapi-cli==0.0.7\n")],
            None,
        ),
        (
            "web: fastapi run main.py\n",
            &[
                fastapi,
                ("requirements.txt", "fastapi==0.115.6\n-r more.txt\n"),
                ("more.txt", "fastapi-cli\n"),
            ],
            None,
        ),
        (
            "web: hatch run gunicorn wsgi:app\n",
            &[],
            Some(("procfile::missing-tool", "\nweb: gunicorn wsgi:app")),
        ),
        (
            "web: rye run gunicorn -b :8000 wsgi:app\n",
            &[],
            Some(("procfile::missing-tool", "\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app")),
        ),
        ("web: hatch run web\n", &[], Some(("procfile::missing-tool", "hatch"))),
        ("web: hatch run web\n", &[("requirements.txt", "hatch==1.14.0\n")], None),
        ("web: hatch run web\n", &[("bin/post_compile", "pip install hatch\n")], None),
        ("web: npm start\n", &[], Some((NOT_INSTALLED, "no package.json"))),
        ("web: yarn start\n", &[], Some((NOT_INSTALLED, "no package.json"))),
        ("web: npm start\n", &[package], Some((NOT_INSTALLED, "only if Node.js's buildpack runs"))),
        (
            "web: npm start\n",
            &[package, ("app.json", "{\"buildpacks\": [{\"url\": \"heroku/nodejs\"}]}")],
            None,
        ),
        ("web: gunicorn wsgi:app & disown\n", &[], Some(("command::in-background", "`&`"))),
        ("web: gunicorn wsgi:app & echo started; exit 0\n", &[], Some(("command::in-background", "`&`"))),
        ("web: nohup gunicorn wsgi:app & disown -h\n", &[], Some(("command::in-background", "`&`"))),
        ("web: gunicorn wsgi:app & wait\n", &[], None),
        ("web: gunicorn wsgi:app & tail -f log\n", &[], None),
        ("web: python tick.py & gunicorn wsgi:app\n", &[("tick.py", "")], None),
    ] {
        assert_one(procfile, more, expected);
    }
}
