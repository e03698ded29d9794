//! `slugc check` of directories that were never built: what their text shows, and what is said of it.

use serde_json::Value;

use crate::support::{Run, TestApp};

fn check(app: &TestApp, arguments: &[&str]) -> (Run, Vec<(String, String)>) {
    let dir = app.dir.to_str().unwrap();
    let run = app.run(&[&["check", dir, "--format", "json"], arguments].concat());
    let value: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = value["findings"].as_array().cloned().unwrap_or_default();
    let found = findings.iter().map(|finding| {
        (text(finding, "id"), format!("{}\n{}", text(finding, "message"), text(finding, "fix")))
    });
    let found = found.collect();
    (run, found)
}

const WSGI: (&str, &str) = ("wsgi.py", "def app(environ, start): ...\n");
const GUNICORN: (&str, &str) = ("requirements.txt", "gunicorn==23.0.0\n");
const VERSION: (&str, &str) = (".python-version", "3.13\n");

// C03, C05, C08, C09, C10, C14, C16, C19, C22
#[test]
fn an_app_is_judged_by_its_text() {
    for (files, expected, words) in [
        (&[("Procfile", "web: gunicorn wsgi:app\n")][..], None, ""),
        (
            &[
                ("Procfile", "web: sh setup.sh && streamlit run app.py\n"),
                ("app.py", ""),
                ("requirements.txt", "streamlit==1.41.1\n"),
                (
                    "setup.sh",
                    "mkdir -p ~/.streamlit\necho \"[server]\nport = $PORT\n\" > ~/.streamlit/config.toml\n",
                ),
            ],
            None,
            "",
        ),
        (
            &[
                ("Procfile", "web: sh setup.sh && streamlit run app.py\n"),
                ("app.py", ""),
                ("requirements.txt", "streamlit==1.41.1\n"),
                (
                    "setup.sh",
                    "mkdir -p ~/.streamlit\necho \"[server]\nport = 8503\n\" > ~/.streamlit/config.toml\n",
                ),
            ],
            Some("command::fixed-port"),
            "setup.sh",
        ),
        (&[("Procfile", "web: gunicorn wsgi:app\n"), (".env", "WEB_CONCURRENCY=2\n")], None, ""),
        (
            &[("Procfile", "web: gunicorn wsgi:app\n"), (".env", "A=1\nDB_PASSWORD=q1w2e3r4\n")],
            Some("secrets::env-file"),
            "DB_PASSWORD",
        ),
        (
            &[
                ("Procfile", "web: poetry run gunicorn wsgi:app\n"),
                ("requirements.txt", "poetry==1.8.3\ngunicorn==23.0.0\n"),
            ],
            None,
            "",
        ),
        (
            &[
                ("Procfile", "web: gunicorn wsgi:app\n"),
                ("requirements.txt", "flask==3.1.0\nstreamlit==1.41.1\n"),
            ],
            Some("command::not-installed"),
            "gunicorn",
        ),
        (&[("Procfile", "web: \"gunicorn wsgi:app\"\n")], Some("command::invalid"), "one word"),
        (&[("Procfile", "web: gunicorn wsgi:app --daemon\n")], Some("command::in-background"), "daemon"),
        (&[("Procfile", "wbe: gunicorn wsgi:app\n")], Some("procfile::no-web"), "Is `web` meant?"),
        (
            &[
                ("Procfile", "web: python wsgi.py\n"),
                ("requirements.txt", "flask==3.1.0\n"),
                ("wsgi.py", "from flask import Flask\napp = Flask(__name__)\napp.run()\n"),
            ],
            Some("command::dev-server"),
            "web: gunicorn wsgi:app",
        ),
    ] {
        // Later files are instead of earlier ones.
        let app = TestApp::new(&[WSGI, GUNICORN, VERSION]);
        for (name, text) in files {
            std::fs::write(app.dir.join(name), text).unwrap();
        }
        let (run, found) = check(&app, &[]);
        let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(
            ids,
            expected.into_iter().collect::<Vec<_>>(),
            "{files:?}\n{}\n{}",
            run.stdout,
            run.stderr
        );
        assert!(run.stdout.contains(words), "{files:?}\n{}", run.stdout);
    }
}

// C13
#[test]
fn settings_that_end_the_build_in_collectstatic_are_an_error() {
    let settings = "INSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_URL = 'static/'\n";
    let app = TestApp::new(&[
        ("Procfile", "web: gunicorn mysite.wsgi\n"),
        ("manage.py", "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"),
        ("mysite/__init__.py", ""),
        ("mysite/wsgi.py", "application = object()\n"),
        ("mysite/settings.py", settings),
        GUNICORN,
        VERSION,
    ]);
    let (run, found) = check(&app, &[]);
    let [(id, text)] = found.as_slice() else { panic!("{settings} {}", run.stdout) };
    assert_eq!((id.as_str(), run.code), ("app::collectstatic", Some(1)));
    assert!(text.contains("STATIC_ROOT") && text.contains("mysite/settings.py"), "{text}");
    assert_eq!(check(&app, &["--set", "DISABLE_COLLECTSTATIC=1"]).1, []);
    std::fs::write(app.dir.join("mysite/settings.py"), format!("{settings}STATIC_ROOT = 'x'\n")).unwrap();
    assert_eq!(check(&app, &[]).1, []);
}

// C29, C30
#[test]
fn a_finding_is_accepted_with_a_reason_and_counted() {
    let app =
        TestApp::new(&[("Procfile", "web: gunicorn -b 0.0.0.0:8000 wsgi:app\n"), WSGI, GUNICORN, VERSION]);
    assert_eq!(check(&app, &[]).0.code, Some(1));
    let (run, found) = check(&app, &["--set", "PORT=8000"]);
    assert!(found.iter().any(|(id, _)| id == "config-vars::port"), "{}", run.stdout);
    let accepted = "# slugc: ignore[command::fixed-port] A proxy listens on PORT.\nweb: gunicorn -b 0.0.0.0:8000 wsgi:app\n";
    std::fs::write(app.dir.join("Procfile"), accepted).unwrap();
    let (run, found) = check(&app, &["--deny-warnings"]);
    assert_eq!((run.code, found), (Some(0), vec![]), "{}", run.stdout);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["accepted"][0]["reason"], "A proxy listens on PORT.");
    let text = app.run(&["check", app.dir.to_str().unwrap()]);
    assert!(text.stderr.contains("1 accepted"), "{}", text.stderr);
}

// C32
#[test]
fn names_that_are_not_in_a_table_are_a_mistake_on_the_command_line() {
    let app = TestApp::new(&[("Procfile", "web: gunicorn wsgi:app\n"), WSGI, GUNICORN, VERSION]);
    let dir = app.dir.to_str().unwrap();
    for (arguments, known) in [
        (&["check", dir, "--stack", "heroku-99"][..], "heroku-24"),
        (&["check", dir, "--stack", "Heroku-24"], "heroku-20"),
        (&["check", dir, "--format", "xml"], "sarif"),
        (&["run", "slug.tgz", "--size", "huge"], "standard-1x"),
        (&["build", dir, "--installer", "conda"], "pip"),
        (&["check", dir, "--python-source", "nowhere"], "catalogue"),
    ] {
        let run = app.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?} {}", run.stderr);
        assert!(run.stderr.contains(known), "{arguments:?} {}", run.stderr);
    }
    for stack in ["heroku-20", "heroku-22", "heroku-24", "heroku-26"] {
        assert_eq!(app.run(&["check", dir, "--stack", stack]).code, Some(0), "{stack}");
    }
}

// C07
#[test]
fn a_slugignore_that_leaves_one_package_manager_is_well() {
    let project = "[project]\nname = \"x\"\nversion = \"1\"\n";
    for (ignored, warned) in [
        ("pyproject.toml\nuv.lock\n", false),
        ("requirements.txt\npyproject.toml\n", true),
        ("pyproject.toml\nuv.lock\nProcfile\n", true),
    ] {
        let app = TestApp::new(&[
            ("Procfile", "web: gunicorn wsgi:app\n"),
            WSGI,
            GUNICORN,
            VERSION,
            ("pyproject.toml", project),
            ("uv.lock", "version = 1\n"),
            (".slugignore", ignored),
        ]);
        let run = app.run(&["plan", app.dir.to_str().unwrap()]);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(text.contains("slugignore::needed-file"), warned, "{ignored} {text}");
    }
}

// B08
#[test]
fn a_procfile_under_another_name_is_named_by_every_command() {
    for (name, is_told) in [
        ("procfile", true),
        ("PROCFILE", true),
        ("ProcFile", true),
        ("Procfile.txt", true),
        ("procfile.TXT", true),
        ("Procfile.yml", true),
        ("procfile.yaml", true),
        ("Procfile.windows", false),
        ("process.txt", false),
    ] {
        let app = TestApp::new(&[("requirements.txt", ""), (name, "web: python3 app.py\n"), ("app.py", "")]);
        let dir = app.dir.to_str().unwrap();
        for args in [&["build", dir][..], &["plan", dir], &["check", dir]] {
            let run = app.run(args);
            let said = format!("{}{}", run.stdout, run.stderr);
            let flowing = said.replace("\n !", " ").split_whitespace().collect::<Vec<_>>().join(" ");
            let words = format!("There is no Procfile, but a file named {name}.");
            assert_eq!(flowing.matches(&words).count(), usize::from(is_told), "{args:?} {name}: {said}");
            // The one fact isn't told a second time, in other words.
            assert!(flowing.matches("There is no Procfile").count() <= 1, "{args:?} {name}: {said}");
        }
    }
}

/// C13: the advice is followed, and Python executes the settings.
#[test]
fn the_advised_line_for_static_root_works_where_it_is_pasted() {
    const STATIC: &str = "INSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_URL = 'static/'\n";
    const MANAGE: &str = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'NAMED')\n";
    let base = format!(
        "import os\nBASE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))\n{STATIC}"
    );
    for (manage, module, file, settings) in [
        (
            "manage.py",
            "mysite.settings",
            "mysite/settings.py",
            "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n",
        ),
        (
            "manage.py",
            "mysite.settings",
            "mysite/settings.py",
            "from os.path import abspath, dirname\nBASE_DIR = dirname(dirname(abspath(__file__)))\n",
        ),
        (
            "manage.py",
            "settings",
            "settings.py",
            "import os.path\nPROJECT_ROOT = os.path.abspath(os.path.dirname(__file__))\n",
        ),
        ("manage.py", "mysite.settings", "mysite/settings.py", "STATIC_ROOT = ''\n"),
        ("src/manage.py", "conf.settings.prod", "src/conf/settings/prod.py", "import json as os\n"),
        ("src/manage.py", "conf.settings.prod", "src/conf/settings/prod.py", "from .base import *\n"),
    ] {
        let settings = format!("{settings}{STATIC}");
        let manage_text = MANAGE.replace("NAMED", module);
        let mut files = vec![VERSION, GUNICORN, WSGI, ("Procfile", "web: gunicorn wsgi:app\n")];
        files.extend([(manage, manage_text.as_str()), (file, settings.as_str())]);
        if file.contains("prod") {
            files.extend([("src/conf/__init__.py", ""), ("src/conf/settings/__init__.py", "")]);
            files.push(("src/conf/settings/base.py", base.as_str()));
        }
        let app = TestApp::new(&files);
        let (run, found) = check(&app, &[]);
        let (_, text) = found
            .iter()
            .find(|(id, _)| id == "app::collectstatic")
            .unwrap_or_else(|| panic!("{settings} {}", run.stdout));
        let (_, lines) = text.split_once(&format!("Add to the end of {file}:\n")).unwrap();
        let path = app.dir.join(file);
        std::fs::write(&path, format!("{settings}{lines}\n")).unwrap();
        let (_, found) = check(&app, &[]);
        assert!(found.iter().all(|(id, _)| id != "app::collectstatic"), "{lines}: {found:?}");
        let root = app.dir.join(manage).with_file_name("");
        let python = "import importlib, os, sys; sys.path.insert(0, os.getcwd()); \
                      print(os.path.realpath(importlib.import_module(sys.argv[1]).STATIC_ROOT))";
        let mut command = std::process::Command::new("python3");
        let run = crate::support::run(command.args(["-c", python, module]).current_dir(&root)).success();
        let expected = root.canonicalize().unwrap().join("staticfiles");
        assert_eq!(run.stdout.trim(), expected.to_str().unwrap(), "{settings}{lines}");
    }
}

/// C17: the shells themselves parse the scripts, and execute none.
#[test]
fn a_syntax_error_in_a_script_is_found_in_a_directory() {
    for (procfile, path, text, expected) in [
        (
            "web: bash run.sh\n",
            "run.sh",
            "set -e\nif true; then\n  exec gunicorn wsgi:app\n",
            Some("unexpected end of file"),
        ),
        (
            "web: gunicorn wsgi:app\n",
            ".profile.d/a.sh",
            "touch EXECUTED\nexport A=\"x\n",
            Some(".profile.d/a.sh"),
        ),
        ("web: gunicorn wsgi:app\n", ".profile", "export A=1\nfi\n", Some("unexpected token `fi'")),
        ("web: bash run.sh\n", "run.sh", "A=(1 2)\nif [[ $A ]]; then exec gunicorn wsgi:app; fi\n", None),
        ("web: gunicorn wsgi:app\n", ".profile", "for a in 1; do\n  export B=$(echo \"$a\")\ndone\n", None),
    ] {
        let app = TestApp::new(&[VERSION, GUNICORN, WSGI, ("Procfile", procfile), (path, text)]);
        let (run, found) = check(&app, &[]);
        let message =
            found.iter().find(|(id, _)| id == "command::script-syntax").map(|(_, text)| text.as_str());
        assert_eq!(message.is_some(), expected.is_some(), "{text} {}", run.stdout);
        assert!(message.unwrap_or_default().contains(expected.unwrap_or_default()), "{message:?}");
        assert!(!app.dir.join("EXECUTED").exists(), "it was executed");
    }
}
