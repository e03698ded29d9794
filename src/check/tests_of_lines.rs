//! Lines that can't work in an app of two files, and those that look like them and can: a table for each kind.

use super::check;
use super::finding::Finding;
use super::tests::app;

const WSGI: (&str, &str) = ("wsgi.py", "def app(environ, start_response):\n    return []\n");
const REQUIREMENTS: (&str, &str) = ("requirements.txt", "gunicorn==23.0.0\n");

/// Checks an app: wsgi.py and gunicorn, unless other files are given under those names.
fn found(procfile: &str, more: &[(&str, &str)]) -> Vec<Finding> {
    let usual =
        [WSGI, REQUIREMENTS].into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let files: Vec<(&str, &str)> =
        usual.chain(more.iter().copied()).chain([("Procfile", procfile)]).collect();
    let mut found = check(&app(&files));
    found.retain(|finding| {
        !["requirements::unpinned", "buildpack::ignored"].contains(&finding.code.entry().id)
    });
    found
}

/// Asserts that a line has one finding, and what it says: its id, and words of its message or its advice.
fn assert_one(procfile: &str, more: &[(&str, &str)], expected: Option<(&str, &str)>) {
    let found = found(procfile, more);
    let shown: Vec<&str> = found.iter().map(|finding| finding.code.entry().id).collect();
    let ids: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
    assert_eq!(shown, ids, "{procfile} {more:?} {found:#?}");
    if let Some((_, words)) = expected {
        let text = format!("{}\n{}", found[0].message, found[0].fix());
        assert!(text.contains(words), "{procfile}: {text}");
    }
}

const NOT_FOUND: &str = "command::file-not-found";
const NOT_INSTALLED: &str = "command::not-installed";

// C16
#[test]
fn an_environment_that_is_activated_is_left_out_of_the_line() {
    for (command, id, rest) in [
        ("source venv/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        (". venv/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        (". ./.venv/bin/activate && exec gunicorn wsgi:app", NOT_FOUND, "\nweb: exec gunicorn wsgi:app"),
        ("source ~/venv/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        ("source /app/env/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        (
            "source /home/me/site/venv/bin/activate && gunicorn wsgi:app",
            NOT_FOUND,
            "\nweb: gunicorn wsgi:app",
        ),
        (". venv/bin/activate; gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        (".venv/Scripts/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        ("venv\\Scripts\\activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        ("venv/Scripts/activate.bat && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        (
            "bash -c 'source venv/bin/activate && gunicorn wsgi:app'",
            NOT_FOUND,
            "\nweb: bash -c 'gunicorn wsgi:app'",
        ),
        (
            "source venv/bin/activate && gunicorn -b 0.0.0.0:8000 wsgi:app",
            NOT_FOUND,
            "\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
        ),
        ("source activate x && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        ("conda activate x && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
        ("pyenv activate x && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
        ("workon x && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
        ("pipenv shell && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
        ("venv/bin/gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
        (
            ".venv/bin/gunicorn -b 127.0.0.1:8000 wsgi:app",
            NOT_FOUND,
            "\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
        ),
        ("./venv/bin/python -m gunicorn wsgi:app", NOT_FOUND, "\nweb: python -m gunicorn wsgi:app"),
    ] {
        let found = found(&format!("web: {command}\n"), &[]);
        let errors: Vec<&Finding> =
            found.iter().filter(|finding| finding.code.entry().id != "command::fixed-port").collect();
        let [error] = errors.as_slice() else { panic!("{command}: {found:#?}") };
        assert_eq!(error.code.entry().id, id, "{command}");
        assert!(error.fix().contains(rest), "{command}: {}", error.fix());
    }
    for (command, more) in [
        ("source venv/bin/activate && gunicorn wsgi:app", &[("venv/bin/activate", "")][..]),
        (". venv/bin/activate && gunicorn wsgi:app", &[("bin/post_compile", "python -m venv venv\n")]),
        ("conda activate x && gunicorn wsgi:app", &[(".profile", ". miniconda/etc/profile.d/conda.sh\n")]),
        (
            "conda activate x && gunicorn wsgi:app",
            &[("app.json", "{\"buildpacks\": [{\"url\": \"x/conda\"}]}")],
        ),
        ("source ./activate-settings.sh && gunicorn wsgi:app", &[("activate-settings.sh", "")]),
        ("source $VENV/bin/activate && gunicorn wsgi:app", &[]),
        ("source venv/bin/activate || true; gunicorn wsgi:app", &[]),
        ("[ -d venv ] && . venv/bin/activate; gunicorn wsgi:app", &[]),
        ("python -m venv venv && . venv/bin/activate && gunicorn wsgi:app", &[]),
        (
            "venv/bin/gunicorn wsgi:app",
            &[("venv/bin/gunicorn.sh", ""), ("bin/post_compile", "python -m venv venv")],
        ),
    ] {
        let found = found(&format!("web: {command}\n"), more);
        assert!(found.is_empty(), "{command} {found:#?}");
    }
}

// C23
#[test]
fn a_line_that_is_none_is_one_finding_with_the_line_to_paste() {
    for (procfile, id, line) in [
        ("- web: gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
        ("web gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
        ("web = gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
        ("web : gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
        (
            "web - gunicorn -b :8000 wsgi:app\n",
            "procfile::no-colon",
            "Write:\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
        ),
        ("web; gunicorn wsgi:app\n", "procfile::ignored-line", "Write:\nweb: gunicorn wsgi:app"),
        ("web:gunicorn wsgi:app\n", "procfile::no-space", "Write:\nweb: gunicorn wsgi:app"),
        ("\"web\": gunicorn wsgi:app\n", "procfile::ignored-line", "Write:\nweb: gunicorn wsgi:app"),
        ("* web: gunicorn wsgi:app\n", "procfile::ignored-line", "Write:\nweb: gunicorn wsgi:app"),
        ("gunicorn wsgi:app\n", "procfile::no-colon", "Write:\nweb: gunicorn wsgi:app"),
        ("gunicorn: wsgi:app\n", "command::invalid", "Write:\nweb: gunicorn wsgi:app"),
        (
            "gunicorn: -b 0.0.0.0:8000 wsgi:app\n",
            "command::invalid",
            "Write:\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
        ),
        ("python wsgi.py\n", "procfile::no-colon", "Write:\nweb: python wsgi.py"),
    ] {
        assert_one(procfile, &[], Some((id, line)));
    }
    let list = found("- web: gunicorn wsgi:app\n- worker: python wsgi.py\n", &[]);
    let ids: Vec<&str> = list.iter().map(|finding| finding.code.entry().id).collect();
    assert_eq!(ids, ["procfile::no-colon", "procfile::no-colon"], "{list:#?}");
    for procfile in
        ["web: gunicorn wsgi:app\ngunicorn: gunicorn wsgi:app\n", "web: gunicorn wsgi:app\n# web gunicorn\n"]
    {
        assert_one(procfile, &[], None);
    }
}

// C19
#[test]
fn a_server_of_another_name_is_suggested_with_the_port_of_the_dyno() {
    for (command, line) in [
        ("python -m http.server 8000", "web: python -m http.server $PORT"),
        ("gunicorn -b 0.0.0.0:8000 wsgi:app", "web: gunicorn -b 0.0.0.0:$PORT wsgi:app"),
        ("uvicorn wsgi:app --port 8000", "web: uvicorn wsgi:app --port $PORT --host 0.0.0.0"),
        (
            "waitress-serve --listen=127.0.0.1:8080 wsgi:app",
            "web: waitress-serve --listen=0.0.0.0:$PORT wsgi:app",
        ),
        ("PORT=5000 gunicorn wsgi:app", "web: gunicorn wsgi:app"),
    ] {
        let all = found(
            &format!("wbe: {command}\n"),
            &[("requirements.txt", "gunicorn==23\nuvicorn==1\nwaitress==3\n")],
        );
        let [one] = all.as_slice() else { panic!("{command}: {all:#?}") };
        assert!(one.fix().contains(line), "{command}: {}", one.fix());
    }
    let web = found("web: python -m http.server 8000\n", &[]);
    assert!(web[0].fix().ends_with("web: python -m http.server $PORT"), "{web:#?}");
    let flask = ("wsgi.py", "from flask import Flask\nsite = Flask(__name__)\n");
    let requirements = ("requirements.txt", "flask==3.1.0\ngunicorn==23.0.0\n");
    for command in [
        "flask --app wsgi run",
        "flask --app wsgi run -h 0.0.0.0 -p 8000",
        "flask --app wsgi run -p $PORT -h 0.0.0.0",
    ] {
        for (name, count) in [("web", 1), ("wbe", 1)] {
            let all = found(&format!("{name}: {command}\n"), &[flask, requirements]);
            assert_eq!(all.len(), count, "{command} {all:#?}");
            assert!(all[0].fix().contains("web: gunicorn wsgi:site"), "{command}: {}", all[0].fix());
        }
    }
}

// C22
#[test]
fn a_worker_under_the_name_web_is_one_finding() {
    let requirements = (
        "requirements.txt",
        "arq==0.26.1\ncelery==5.4.0\ndramatiq==1.17.1\nhuey==2.5.2\nrq==2.1.0\ntaskiq==0.11.10\n",
    );
    let tasks = ("tasks.py", "app = huey = broker = Settings = object()\n");
    for command in [
        "celery -A tasks:app worker",
        "celery -A tasks:app beat",
        "arq tasks.Settings",
        "huey_consumer tasks.huey",
        "python -m huey.bin.huey_consumer tasks.huey",
        "rq worker default",
        "dramatiq tasks:broker",
        "taskiq worker tasks:broker",
        "cd . && celery -A tasks:app worker --loglevel=info",
    ] {
        let expected = format!("worker: {command}");
        assert_one(
            &format!("web: {command}\n"),
            &[requirements, tasks],
            Some(("command::no-port", &expected)),
        );
        // One that listens by itself, beside its work.
        let listens = ("health.py", "import os\nport = int(os.environ['PORT'])\n");
        assert_one(&format!("web: {command}\n"), &[requirements, tasks, listens], None);
    }
    for command in [
        "celery -A tasks:app worker & gunicorn wsgi:app",
        "python tasks.py",
        "celery -A tasks:app flower --port=$PORT",
    ] {
        let requirements = ("requirements.txt", "celery==5.4.0\ngunicorn==23.0.0\nflower==2.0.1\n");
        assert_one(&format!("web: {command}\n"), &[requirements, tasks], None);
    }
}

// C21
#[test]
fn what_may_have_been_meant_is_offered() {
    let project = &[
        ("myproject/__init__.py", ""),
        ("myproject/wsgi.py", "application = object()\n"),
        ("src/site_app.py", "server = 1\n"),
    ][..];
    for (command, meant) in [
        ("gunicorn wsgi:ap", "`wsgi:app`"),
        ("gunicorn wsgi:App", "`wsgi:app`"),
        ("gunicorn wsgi:application", "`wsgi:app`"),
        ("gunicorn my_project.wsgi", "`myproject.wsgi`"),
        ("gunicorn MyProject.wsgi", "`myproject.wsgi`"),
        ("gunicorn myproject.wsgl:application", "`myproject.wsgi:application`"),
        ("gunicorn my_project.wsgl", "`myproject.wsgi`"),
        ("gunicorn wgsi:app", "`wsgi:app`"),
        ("gunicorn --chdir src siteapp:server", "`site_app:server`"),
        ("gunicorn --chdir src site_app:sever", "`site_app:server`"),
        ("bash setup", "`setup.sh`"),
        ("bash stup.sh", "`setup.sh`"),
        ("python wsgi", "`wsgi.py`"),
    ] {
        let more = [project, &[("setup.sh", "exec gunicorn wsgi:app\n")]].concat();
        let all = found(&format!("web: {command}\n"), &more);
        let [one] = all.as_slice() else { panic!("{command}: {all:#?}") };
        assert!(format!("{} {}", one.message, one.fix()).contains(meant), "{command}: {one:#?}");
    }
}

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
