//! Lines that can't work in an app of two files, and those that look like them and can: a table for each kind.

use super::check;
use super::finding::Finding;
use super::tests::app;

pub(super) const WSGI: (&str, &str) = ("wsgi.py", "def app(environ, start_response):\n    return []\n");
const REQUIREMENTS: (&str, &str) = ("requirements.txt", "gunicorn==23.0.0\n");

/// Checks an app: wsgi.py and gunicorn, unless other files are given under those names.
pub(super) fn found(procfile: &str, more: &[(&str, &str)]) -> Vec<Finding> {
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
pub(super) fn assert_one(procfile: &str, more: &[(&str, &str)], expected: Option<(&str, &str)>) {
    let found = found(procfile, more);
    let shown: Vec<&str> = found.iter().map(|finding| finding.code.entry().id).collect();
    let ids: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
    assert_eq!(shown, ids, "{procfile} {more:?} {found:#?}");
    if let Some((_, words)) = expected {
        let text = format!("{}\n{}", found[0].message, found[0].fix());
        assert!(text.contains(words), "{procfile}: {text}");
    }
}

pub(super) const NOT_FOUND: &str = "command::file-not-found";
pub(super) const NOT_INSTALLED: &str = "command::not-installed";

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
