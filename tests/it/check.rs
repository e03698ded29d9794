//! `slugc check` from outside: an app for each finding, and none of them in apps that are well.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use slugc::testing::error::FindingCode;
use tempfile::TempDir;

use crate::support::{Run, TestApp, run, skip};

type Files<'a> = &'a [(&'a str, &'a str)];

const PYTHON: &str = ".heroku/python";
const SITE: &str = ".heroku/python/lib/python3.13/site-packages";
const WSGI: &str = "from flask import Flask\n\napp = Flask(__name__)\n";

/// An app with a finding: its files, and what is installed besides Flask and some servers.
struct Row {
    id: &'static str,
    /// The line of the file that is pointed at, as `file:line`; only the file if it has no lines.
    place: &'static str,
    files: Files<'static>,
}

const fn row(id: &'static str, place: &'static str, files: Files<'static>) -> Row {
    Row { id, place, files }
}

const ROWS: &[Row] = &[
    // The Procfile.
    row("procfile::missing", "", &[("app.py", WSGI)]),
    row(
        "procfile::misnamed",
        "procfile.txt",
        &[("procfile.txt", "web: gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::no-colon",
        "Procfile:2",
        &[("Procfile", "web: gunicorn app:app\nheroku ps:scale web=1\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::merge-marker",
        "Procfile:1",
        &[("Procfile", "<<<<<<< HEAD\nweb: gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::no-space",
        "Procfile:1",
        &[("Procfile", "worker:rq\nweb: gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::ignored-line",
        "Procfile:1",
        &[("Procfile", "my.worker: x\nweb: gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::empty-command",
        "Procfile:2",
        &[("Procfile", "web: gunicorn app:app\nworker:\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::duplicate",
        "Procfile:2",
        &[("Procfile", "web: gunicorn a\nweb: gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::name-too-long",
        "Procfile:2",
        &[
            (
                "Procfile",
                concat!(
                    "web: gunicorn app:app\n",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: sleep 1\n"
                ),
            ),
            ("app.py", WSGI),
        ],
    ),
    row(
        "procfile::name-not-for-fir",
        "Procfile:2",
        &[("Procfile", "web: gunicorn app:app\nmy_job: sleep 1\n"), ("app.py", WSGI)],
    ),
    row(
        "procfile::byte-order-mark",
        "Procfile:1",
        &[("Procfile", "\u{feff}web: gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row("procfile::crlf", "Procfile:1", &[("Procfile", "web: gunicorn app:app\r\n"), ("app.py", WSGI)]),
    row(
        "procfile::missing-tool",
        "Procfile:1",
        &[("Procfile", "web: poetry run gunicorn app:app\n"), ("app.py", WSGI)],
    ),
    row("procfile::no-web", "Procfile", &[("Procfile", "Web: gunicorn app:app\n"), ("app.py", WSGI)]),
    // Programs.
    row(
        "command::not-installed",
        "Procfile:1",
        &[("Procfile", "web: hypercorn -b 0.0.0.0:$PORT app:app\n"), ("app.py", WSGI)],
    ),
    row("command::not-installed", "Procfile:1", &[("Procfile", "web: gunicron app:app\n"), ("app.py", WSGI)]),
    row(
        "command::not-installed",
        "Procfile:2",
        &[("Procfile", "web: gunicorn app:app\nworker: python -m celery worker\n"), ("app.py", WSGI)],
    ),
    row(
        "command::file-not-found",
        "Procfile:2",
        &[
            ("Procfile", "web: gunicorn app:app\nworker: python wrker.py\n"),
            ("app.py", WSGI),
            ("worker.py", ""),
        ],
    ),
    row("command::file-not-found", "Procfile:1", &[("Procfile", "web: ./start.sh\n"), ("app.py", WSGI)]),
    row(
        "command::not-executable",
        "Procfile:1",
        &[("Procfile", "web: ./start.sh\n"), ("start.sh", "#!/bin/sh\n")],
    ),
    // C16: what can't work as it is written.
    row(
        "command::invalid",
        "Procfile:1",
        &[("Procfile", "web: gunicorn -b '0.0.0.0:$PORT' app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "command::invalid",
        "Procfile:2",
        &[("Procfile", "web: gunicorn app:app\nadmin: gunicorn --port 5000 app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "command::in-background",
        "Procfile:1",
        &[("Procfile", "web: gunicorn --daemon app:app\n"), ("app.py", WSGI)],
    ),
    // Where it listens.
    row(
        "command::fixed-port",
        "Procfile:1",
        &[("Procfile", "web: gunicorn -b 0.0.0.0:8000 app:app\n"), ("app.py", WSGI)],
    ),
    // C34: an address without a port.
    row(
        "command::fixed-port",
        "gunicorn.conf.py:1",
        &[
            ("Procfile", "web: gunicorn -c gunicorn.conf.py app:app\n"),
            ("gunicorn.conf.py", "bind = '0.0.0.0'\nport = 8000\n"),
            ("app.py", WSGI),
        ],
    ),
    row(
        "command::fixed-port",
        "Procfile:1",
        &[("Procfile", "web: gunicorn -b 0.0.0.0 app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "command::fixed-port",
        "Procfile:1",
        &[("Procfile", "web: gunicorn --bind=[::] app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "app::no-worker-app",
        "Procfile:2",
        &[
            ("Procfile", "web: gunicorn app:app\nworker: celery -A jobs worker\n"),
            ("jobs/__init__.py", ""),
            ("jobs/celery.py", "import os\n"),
            ("app.py", WSGI),
        ],
    ),
    row(
        "command::fixed-port",
        "gunicorn.conf.py:2",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("gunicorn.conf.py", "workers = 2\nbind = '0.0.0.0:8000'\n"),
        ],
    ),
    row(
        "command::fixed-port",
        "app.py:5",
        &[
            ("Procfile", "web: python app.py\n"),
            (
                "app.py",
                "from flask import Flask\napp = Flask(__name__)\n\nif __name__ == '__main__':\n    app.run(host='0.0.0.0', port=5000)\n",
            ),
        ],
    ),
    row(
        "command::no-port",
        "Procfile:1",
        &[("Procfile", "web: uvicorn app:app --host 0.0.0.0\n"), ("app.py", WSGI)],
    ),
    row(
        "command::no-port",
        "main.py:2",
        &[
            ("Procfile", "web: python main.py\n"),
            ("main.py", "import uvicorn\nuvicorn.run('app:app', host='0.0.0.0')\n"),
            ("app.py", WSGI),
        ],
    ),
    row(
        "command::loopback",
        "Procfile:1",
        &[("Procfile", "web: uvicorn app:app --port $PORT\n"), ("app.py", WSGI)],
    ),
    row(
        "command::loopback",
        "Procfile:1",
        &[("Procfile", "web: gunicorn -b localhost:$PORT app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "command::dev-server",
        "Procfile:1",
        &[("Procfile", "web: flask --app app run -h 0.0.0.0 -p $PORT\n"), ("app.py", WSGI)],
    ),
    row(
        "command::dev-server",
        "Procfile:1",
        &[("Procfile", "web: python manage.py runserver 0.0.0.0:$PORT\n"), ("manage.py", "")],
    ),
    row(
        "command::dev-server",
        "Procfile:1",
        &[("Procfile", "web: gunicorn --reload app:app\n"), ("app.py", WSGI)],
    ),
    row(
        "command::dev-server",
        "app.py:3",
        &[
            ("Procfile", "web: python app.py\n"),
            (
                "app.py",
                "import os, flask\napp = flask.Flask(__name__)\napp.run(host='0.0.0.0', port=int(os.environ['PORT']), debug=True)\n",
            ),
        ],
    ),
    // The app.
    row(
        "app::module-not-found",
        "Procfile:1",
        &[("Procfile", "web: gunicorn wgsi:app\n"), ("wsgi.py", WSGI)],
    ),
    row(
        "app::module-not-found",
        "Procfile:1",
        &[("Procfile", "web: gunicorn site_.wsgy:app\n"), ("site_/__init__.py", ""), ("site_/wsgi.py", WSGI)],
    ),
    row("app::attribute-not-found", "Procfile:1", &[("Procfile", "web: gunicorn app\n"), ("app.py", WSGI)]),
    row(
        "app::attribute-not-found",
        "Procfile:1",
        &[
            ("Procfile", "web: gunicorn app:server\n"),
            ("app.py", "from other import *\n"),
            ("other.py", WSGI),
        ],
    ),
    row(
        "app::debug",
        "site_/settings.py:1",
        &[
            ("Procfile", "web: gunicorn site_.wsgi\n"),
            ("site_/settings.py", "DEBUG = True\nSECRET_KEY = 'x'\n"),
            ("site_/wsgi.py", DJANGO_WSGI),
        ],
    ),
    // Imports and requirements.
    row(
        "imports::not-installed",
        "lib/db.py:1",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", "import lib.db\nfrom flask import Flask\napp = Flask(__name__)\n"),
            ("lib/__init__.py", ""),
            ("lib/db.py", "import psycopg2\n"),
        ],
    ),
    row(
        "imports::not-installed",
        "app.py:1",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", "import cgi\nfrom flask import Flask\napp = Flask(__name__)\n"),
        ],
    ),
    row(
        "imports::not-installed",
        "site_/settings.py:3",
        &[
            ("Procfile", "web: gunicorn site_.wsgi\n"),
            ("site_/settings.py", "INSTALLED_APPS = [\n    'site_',  # ours\n    'rest_framework',\n]\n"),
            ("site_/wsgi.py", DJANGO_WSGI),
        ],
    ),
    row(
        "imports::not-required",
        "app.py:1",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", "import werkzeug\nfrom flask import Flask\napp = Flask(__name__)\n"),
            ("requirements.txt", "Flask==3.0\ngunicorn==23.0\nuvicorn==1.0\n"),
        ],
    ),
    row(
        "requirements::unpinned",
        "requirements.txt:2",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("requirements.txt", "gunicorn==23.0\nFlask>=2\n"),
        ],
    ),
    row(
        "python-version::contradiction",
        ".python-version",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            (".python-version", "3.13\n"),
            ("pyproject.toml", "[project]\nname = \"x\"\nrequires-python = \">=3.14\"\n"),
        ],
    ),
    row(
        "requirements::conflict",
        "requirements.txt:2",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("requirements.txt", "Flask==3.0\nflask<3\n"),
        ],
    ),
    row(
        "requirements::installed-conflict",
        "",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            (
                ".heroku/python/lib/python3.13/site-packages/old-1.0.dist-info/METADATA",
                "Name: old\nVersion: 1.0\nRequires-Dist: Flask<2\n",
            ),
        ],
    ),
    // D41
    row(
        "requirements::pkg-resources",
        "",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            (
                ".heroku/python/lib/python3.13/site-packages/old-1.0.dist-info/METADATA",
                "Name: old\nVersion: 1.0\n",
            ),
            (".heroku/python/lib/python3.13/site-packages/old-1.0.dist-info/RECORD", "old/__init__.py,,\n"),
            (
                ".heroku/python/lib/python3.13/site-packages/old/__init__.py",
                "from pkg_resources import get_distribution\n",
            ),
        ],
    ),
    // Other buildpacks.
    row(
        "buildpack::ignored",
        "",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            (".buildpacks", "heroku/nodejs\nheroku/python\n"),
        ],
    ),
    row(
        "apt::not-in-list",
        "",
        &[("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI), ("Aptfile", "ffmpeg\n")],
    ),
    row(
        "buildpack::assets-not-built",
        "",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("package.json", "{\"scripts\": {\"build\": \"vite build\"}}"),
        ],
    ),
    row(
        "heroku-yml::ignored",
        "",
        &[("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI), ("heroku.yml", "build: {}\n")],
    ),
    // Files.
    row(
        "secrets::env-file",
        ".env:1",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            (".env", "DATABASE_URL=postgres://x:hunter2@h/d\n"),
        ],
    ),
    row(
        "secrets::private-key",
        "deploy.pem:1",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            (
                "deploy.pem",
                concat!(
                    "-----BEGIN PRIVATE ",
                    "KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
                ),
            ),
        ],
    ),
    row(
        "secrets::credentials",
        "keys.py:1",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("keys.py", concat!("AWS = 'AKIA", "QWERTYUIOPASDFGH'\n")),
        ],
    ),
    row(
        "storage::sqlite",
        "site_/settings.py:3",
        &[
            ("Procfile", "web: gunicorn site_.wsgi\n"),
            (
                "site_/settings.py",
                "DATABASES = {\n  'default': {\n    'ENGINE': 'django.db.backends.sqlite3',\n    'NAME': BASE_DIR / 'db.sqlite3',\n  }\n}\n",
            ),
            ("site_/wsgi.py", DJANGO_WSGI),
        ],
    ),
    row(
        "settings::no-effect",
        "pyproject.toml:2",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("pyproject.toml", "[tool.slugc.check.ignore]\n\"command::fixed-prt\" = \"proxied\"\n"),
        ],
    ),
    row(
        "storage::sqlite",
        "app.py:3",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            (
                "app.py",
                "from flask import Flask\napp = Flask(__name__)\napp.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///site.db'\n",
            ),
        ],
    ),
    row(
        "storage::uploads",
        "site_/settings.py:1",
        &[
            ("Procfile", "web: gunicorn site_.wsgi\n"),
            ("site_/settings.py", "MEDIA_ROOT = BASE_DIR / 'media'\n"),
            ("site_/wsgi.py", DJANGO_WSGI),
            // C11: the setting alone is a template's.
            ("site_/models.py", "photo = models.ImageField()\n"),
        ],
    ),
    row(
        "storage::uploads",
        "app.py:3",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            (
                "app.py",
                "from flask import Flask, request\napp = Flask(__name__)\napp.config['UPLOAD_FOLDER'] = 'static/uploads'\ndef up(): request.files['x'].save('y')\n",
            ),
        ],
    ),
    // C31
    row(
        "files::below-top",
        "backend/.slugignore",
        &[("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI), ("backend/.slugignore", "docs\n")],
    ),
    // C30
    row(
        "config-vars::port",
        "app.json",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("app.json", "{\"env\": {\"PORT\": \"5000\"}}"),
        ],
    ),
    row(
        "files::virtual-environment",
        "venv",
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", WSGI),
            ("venv/pyvenv.cfg", "home = /usr/bin\n"),
        ],
    ),
    row(
        "files::node-modules",
        "node_modules",
        &[("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI), ("node_modules/x/index.js", "")],
    ),
];

const DJANGO_WSGI: &str =
    "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\napplication = object()\n";

/// Findings whose apps are in other tests, of this file and of `foreign`.
const ELSEWHERE: &[&str] = &[
    "command::script-syntax",
    "app::factory-arguments",
    "app::not-callable",
    "app::collectstatic",
    "app::import-failed",
    "app::import-too-long",
    "boot::crashed",
    "boot::loopback",
    "boot::no-answer",
    "boot::profile-ended",
    "boot::server-error",
    "boot::timeout",
    "app::syntax-error",
    "command::broken",
    "files::large",
    "libraries::glibc-too-new",
    "libraries::missing",
    "source::file-ignored",
    "source::needed-file-left-out",
    "files::slug",
    "source::file-unusable",
    "source::submodule-not-checked-out",
];

/// Makes a slug of an app and of what is installed, with Flask, Werkzeug, gunicorn and uvicorn among it.
fn slug(files: Files<'_>) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    let write = |name: &str, contents: &[u8]| {
        let path = app.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
    };
    for program in ["gunicorn", "uvicorn", "flask", "python"] {
        write(&format!("{PYTHON}/bin/{program}"), b"");
    }
    for (name, version, requires) in
        [("Flask", "3.0", "Requires-Dist: werkzeug>=1\n"), ("werkzeug", "3.1", "")]
    {
        let module = name.to_lowercase();
        write(&format!("{SITE}/{module}/__init__.py"), b"");
        let metadata = format!("Name: {name}\nVersion: {version}\n{requires}");
        write(&format!("{SITE}/{module}-{version}.dist-info/METADATA"), metadata.as_bytes());
        let record = format!("{module}/__init__.py,,\n");
        write(&format!("{SITE}/{module}-{version}.dist-info/RECORD"), record.as_bytes());
    }
    write(&format!("{SITE}/uvicorn/__init__.py"), b"");
    for (name, contents) in files {
        write(name, contents.as_bytes());
    }
    let slug = dir.path().join("slug.tgz");
    let tar = Command::new("tar")
        .arg("czf")
        .arg(&slug)
        .args(["-C", dir.path().to_str().unwrap(), "./app"])
        .status();
    assert!(tar.unwrap().success());
    (dir, slug)
}

fn check(app: &TestApp, path: &Path, arguments: &[&str]) -> Run {
    app.run(&[&["check", path.to_str().unwrap()], arguments].concat())
}

#[track_caller]
fn findings(run: &Run) -> Vec<Value> {
    let value: Value = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", run.stdout, run.stderr));
    value["findings"].as_array().unwrap().clone()
}

fn ids(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

#[test]
fn there_is_an_app_for_every_finding_and_it_is_found_at_its_place() {
    let app = TestApp::new(&[]);
    for Row { id, place, files } in ROWS {
        let (_dir, slug) = slug(files);
        let run = check(&app, &slug, &["--static", "--format", "json"]);
        let found = findings(&run);
        let finding = found.iter().find(|finding| finding["id"] == **id && is_at(finding, place));
        let finding = finding.unwrap_or_else(|| panic!("no {id} at {place} for {files:?}\n{found:#?}"));
        let has_error = found.iter().any(|finding| finding["severity"] == "error");
        assert_eq!(run.code, Some(i32::from(has_error)), "{id}: {}", run.stderr);
        assert!(
            !run.stdout.contains("hunter2") && !run.stdout.contains("QWERTY"),
            "a secret is shown: {finding}"
        );
        // Nothing else is wrong with these apps, but for what a wrong command or a missing port brings with it.
        let others: Vec<&str> = ids(&found).into_iter().filter(|other| other != id).collect();
        assert!(others.len() <= 2, "{id}: {others:?}");
    }
    let tried: BTreeSet<&str> = ROWS.iter().map(|row| row.id).chain(ELSEWHERE.iter().copied()).collect();
    let all: BTreeSet<&str> = FindingCode::ALL.iter().map(|code| code.entry().id).collect();
    assert_eq!(tried, all, "a finding without an app");
}

fn is_at(finding: &Value, place: &str) -> bool {
    let file = finding["file"].as_str().unwrap_or_default();
    match finding["line"].as_u64() {
        Some(line) => format!("{file}:{line}") == place,
        None => file == place,
    }
}

/// What a careful author writes, however unusual, isn't complained about.
#[test]
fn nothing_is_said_of_what_only_looks_wrong() {
    let app = TestApp::new(&[]);
    let flask = ("app.py", WSGI);
    let gunicorn = ("Procfile", "web: gunicorn app:app\n");
    for files in [
        &[gunicorn, flask][..],
        &[("Procfile", "web: gunicorn --bind 0.0.0.0:${PORT:-8000} app:app --log-file -\n"), flask],
        &[
            ("Procfile", "web: PYTHONUNBUFFERED=1 exec gunicorn 'app:create()' -w 4\n"),
            ("app.py", "def create(): ...\n"),
        ],
        &[("Procfile", "web: bin/start-nginx gunicorn -b unix:/tmp/nginx.socket app:app\n"), flask],
        &[("Procfile", "web: cd src && gunicorn app:app\n"), ("src/app.py", WSGI)],
        // C03
        &[
            ("Procfile", "web: uvicorn app:app\n"),
            (".profile.d/a.sh", "export UVICORN_PORT=$PORT UVICORN_HOST=0.0.0.0\n"),
            flask,
        ],
        &[("Procfile", "web: export UVICORN_PORT=$PORT; uvicorn app:app --host 0.0.0.0\n"), flask],
        &[
            ("Procfile", "web: . ./env.sh && uvicorn app:app\n"),
            ("env.sh", "export UVICORN_PORT=$PORT UVICORN_HOST=0.0.0.0\n"),
            flask,
        ],
        &[("Procfile", "web: cd /app/src && gunicorn app:app\n"), ("src/app.py", WSGI)],
        &[("Procfile", "web: gunicorn --chdir src app:app\n"), ("src/app.py", WSGI)],
        &[
            ("Procfile", "web: gunicorn 'pkg:app'\n"),
            ("pkg/__init__.py", "from .web import *\n"),
            ("pkg/web.py", WSGI),
        ],
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", "import web\n__getattr__ = web.find\n"),
            ("web.py", WSGI),
        ],
        &[("Procfile", "web: gunicorn app:app\n"), ("app.py", "globals().update(app=1)\n")],
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", "try:\n    import ujson\nexcept ImportError:\n    ujson = None\napp = 1\n"),
        ],
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("app.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mypy\napp = 1\n"),
        ],
        &[("Procfile", "web: gunicorn app:app\n"), ("app.py", "def f():\n    import pandas\napp = 1\n")],
        &[gunicorn, flask, ("tests/test_app.py", "import pytest\n")],
        &[gunicorn, flask, ("config.py", "SQLALCHEMY_DATABASE_URI = 'sqlite:///x.db'\n")],
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            (
                "app.py",
                "import os\nDATABASE_URL = os.environ.get('DATABASE_URL', 'sqlite:///dev.db')\napp = 1\n",
            ),
        ],
        &[
            (
                "Procfile",
                "web: uvicorn app:app --host 0.0.0.0 --port $PORT\nworker: python worker.py\nrelease: ./release.sh\n",
            ),
            flask,
            ("worker.py", ""),
            ("release.sh", "#!/bin/sh\n"),
        ],
        &[
            ("Procfile", "web: python main.py\n"),
            (
                "main.py",
                "import os, uvicorn\nuvicorn.run('app:app', host='0.0.0.0', port=int(os.getenv('PORT', 8000)))\n",
            ),
            flask,
        ],
        &[
            ("Procfile", "web: python main.py\n"),
            ("main.py", "import uvicorn, conf\nuvicorn.run('app:app', **conf.OPTIONS)\n"),
            ("conf.py", ""),
            flask,
        ],
        &[
            ("Procfile", "web: gunicorn app:app -c conf.py\n"),
            flask,
            ("conf.py", "import os\nbind = '0.0.0.0:' + os.environ['PORT']\n"),
        ],
        &[
            ("Procfile", "web: gunicorn site_.wsgi\n"),
            ("site_/__init__.py", ""),
            ("site_/wsgi.py", DJANGO_WSGI),
            (
                "site_/settings.py",
                "import os\nDEBUG = os.environ.get('DEBUG') == '1'\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}\nif 'DATABASE_URL' in os.environ:\n    DATABASES['default'] = {}\nINSTALLED_APPS = ['site_']\n",
            ),
        ],
        &[
            gunicorn,
            flask,
            (
                "requirements.txt",
                "Flask==3.0\ngunicorn==23.0 ; python_version > '3.8'\ngunicorn==22.0 ; python_version <= '3.8'\n",
            ),
        ],
        &[
            gunicorn,
            flask,
            (".env.example", "SECRET_KEY=change-me\n"),
            ("docs/keys.md", "AKIAIOSFODNN7EXAMPLE\n"),
        ],
        &[
            ("Procfile", "web: hypercorn -c hypercorn.toml -b 0.0.0.0:$PORT app:app\n"),
            flask,
            ("hypercorn.toml", "bind = '0.0.0.0:5000'\n"),
            (".heroku/python/bin/hypercorn", ""),
        ],
        &[("Procfile", "web: gunicorn legacy:app\n"), ("legacy.py", "app = = 1\nimport nowhere\n")],
    ] {
        let (_dir, slug) = slug_with_executables(files, &["release.sh"]);
        let run = check(&app, &slug, &["--static", "--format", "json"]);
        assert_eq!(ids(&findings(&run)), Vec::<&str>::new(), "{files:?}\n{}", run.stdout);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
}

fn slug_with_executables(files: Files<'_>, executables: &[&str]) -> (TempDir, PathBuf) {
    let (dir, path) = slug(files);
    let app = dir.path().join("app");
    for name in executables.iter().filter(|name| app.join(name).exists()) {
        fs::set_permissions(app.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        let tar = Command::new("tar")
            .arg("czf")
            .arg(&path)
            .args(["-C", dir.path().to_str().unwrap(), "./app"])
            .status();
        assert!(tar.unwrap().success());
    }
    (dir, path)
}

#[test]
fn a_large_file_is_named_with_its_size() {
    let app = TestApp::new(&[("Procfile", "job: python x.py\n"), ("x.py", ""), ("requirements.txt", "")]);
    fs::write(app.dir.join("trailer.mp4"), vec![0; 3_500_000]).unwrap();
    fs::write(app.dir.join("model.bin"), vec![0; 3_500_000]).unwrap();
    let found = findings(&check(&app, &app.dir, &["--format", "json"]));
    let large = found.iter().find(|finding| finding["id"] == "files::large").unwrap();
    assert_eq!(large["file"], "trailer.mp4");
    assert!(large["message"].as_str().unwrap().contains("trailer.mp4 (3.5 MB)"), "{large}");
    assert!(!large["message"].as_str().unwrap().contains("model.bin"), "{large}");
}

/// Programs of this machine, changed to need what no stack has.
#[test]
fn libraries_that_the_stack_does_not_have_are_named_with_their_package() {
    let Ok(bash) = fs::read("/bin/bash") else { return skip("there is no /bin/bash") };
    let replaced = |from: &[u8], to: &[u8]| {
        let at = bash.windows(from.len()).position(|window| window == from)?;
        let mut changed = bash.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        Some(changed)
    };
    let needs_gl = replaced(b"libtinfo.so.6\0", b"libGL.so.1\0\0\0\0");
    let too_new = ["GLIBC_2.34", "GLIBC_2.33", "GLIBC_2.36"]
        .iter()
        .find_map(|version| replaced(format!("{version}\0").as_bytes(), b"GLIBC_2.99\0"));
    let (Some(needs_gl), Some(too_new)) = (needs_gl, too_new) else {
        return skip("this machine's bash needs neither libtinfo.so.6 nor a glibc that is known here");
    };
    let app = TestApp::new(&[]);
    for (contents, id, words) in [
        (needs_gl, "libraries::missing", &["libGL.so.1", "libgl1", "Flask"][..]),
        (too_new, "libraries::glibc-too-new", &["2.99", "heroku-24", "2.39"]),
    ] {
        let (dir, path) = slug(&[("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI)]);
        fs::write(dir.path().join("app").join(SITE).join("flask/_native.so"), contents).unwrap();
        let tar = Command::new("tar")
            .arg("czf")
            .arg(&path)
            .args(["-C", dir.path().to_str().unwrap(), "./app"])
            .status();
        assert!(tar.unwrap().success());
        let found = findings(&check(&app, &path, &["--static", "--format", "json"]));
        assert_eq!(ids(&found), [id]);
        let message = found[0]["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn a_missing_server_is_found_before_anything_is_built() {
    let files =
        [("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI), ("requirements.txt", "Flask==3.0.3\n")];
    let app = TestApp::new(&files);
    let run = check(&app, &app.dir, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stdout.contains("error[command::not-installed]"), "{}", run.stdout);
    assert!(
        run.stdout.contains("1 | web: gunicorn app:app\n  |      ^^^^^^^^ isn't required\n"),
        "{}",
        run.stdout
    );
    // With the server it is well; nobody has said which packages Flask brings, so nothing is said of imports.
    fs::write(app.dir.join("requirements.txt"), "Flask==3.0.3\ngunicorn==23.0.0\n").unwrap();
    let run = check(&app, &app.dir, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{}", run.stderr);
}

#[test]
fn a_build_tells_what_is_wrong_and_remembers_it() {
    let files = [
        ("Procfile", "web: gunicorn -b 127.0.0.1:8000 app:app\n"),
        ("app.py", WSGI),
        ("requirements.txt", ""),
        (".env", "SECRET=hunter2\n"),
        (".python-version", "3.13\n"),
    ];
    let app = TestApp::new(&files);
    let warnings = |run: &Run| {
        let warnings = run.events().into_iter().filter(|event| event["event"] == "warning");
        warnings.map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = app.build(&["--format", "json"]).success();
    assert_eq!(
        warnings(&first).iter().filter(|id| *id == "command::not-installed").count(),
        1,
        "{}",
        first.stdout
    );
    assert!(!first.stdout.contains("hunter2"), "{}", first.stdout);
    let again = app.build(&["--format", "json"]).success();
    assert_eq!(warnings(&again), warnings(&first));
    for counter in ["processes", "downloads", "segments_compressed", "layers_built"] {
        assert_eq!(again.event("finished")["counters"][counter], 0, "{counter}");
    }
    let text = app.build(&[]).success();
    assert!(text.stderr.contains("`slugc check` shows each of them in full."), "{}", text.stderr);
    let quiet = app.build(&["--quiet"]).success();
    assert!(!quiet.stderr.contains("gunicorn"), "{}", quiet.stderr);
    // What is mended is no longer told.
    fs::write(app.dir.join("Procfile"), "web: python app.py\n").unwrap();
    fs::remove_file(app.dir.join(".env")).unwrap();
    fs::write(app.dir.join("app.py"), "print('well')\n").unwrap();
    let mended = app.build(&["--format", "json"]).success();
    assert!(!mended.stdout.contains("not-installed"), "{}", mended.stdout);
    // The directory now knows what is installed.
    fs::write(app.dir.join("app.py"), "import flask\n").unwrap();
    app.build(&[]).success();
    let found = check(&app, &app.dir, &["--format", "json"]);
    assert_eq!(ids(&findings(&found)), ["imports::not-installed"]);
}

#[test]
fn the_formats_are_what_programs_expect() {
    let (_dir, slug) = slug(&[("Procfile", "web: gunicorn -b :80 app:app\n"), ("app.py", WSGI)]);
    let app = TestApp::new(&[]);
    let sarif = check(&app, &slug, &["--static", "--format", "sarif"]);
    let value: Value = serde_json::from_str(&sarif.stdout).unwrap();
    assert_eq!(value["version"], "2.1.0");
    assert_eq!(value["runs"][0]["results"][0]["ruleId"], "command::fixed-port");
    let region = &value["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&1.into(), &18.into()));
    let github = check(&app, &slug, &["--static", "--format", "github"]);
    assert!(
        github
            .stdout
            .starts_with("::error file=Procfile,line=1,col=18,endColumn=21,title=command%3A%3Afixed-port::"),
        "{}",
        github.stdout
    );
    assert_eq!(github.stdout.lines().count(), 1);
    let plain = check(&app, &slug, &["--static"]);
    assert!(!plain.stdout.contains('\u{1b}'), "{}", plain.stdout);
    let coloured = check(&app, &slug, &["--static", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}[1m\u{1b}[31merror"), "{:?}", coloured.stdout);
}

#[test]
fn the_exit_code_is_for_ci() {
    let app = TestApp::new(&[]);
    let (_well, well) = slug(&[("Procfile", "web: gunicorn app:app\n"), ("app.py", WSGI)]);
    let (_warned, warned) = slug(&[("Procfile", "web: gunicorn --reload app:app\n"), ("app.py", WSGI)]);
    let (_wrong, wrong) = slug(&[("Procfile", "web: gunicorn nowhere_at_all:app\n"), ("app.py", WSGI)]);
    for (slug, arguments, code) in [
        (&well, &["--static"][..], 0),
        (&well, &["--static", "--deny-warnings"], 0),
        (&warned, &["--static"], 0),
        (&warned, &["--static", "--deny-warnings"], 1),
        (&wrong, &["--static"], 1),
        (&wrong, &["--static", "--boot"], 2),
        (&wrong, &["--format", "xml"], 2),
    ] {
        assert_eq!(check(&app, slug, arguments).code, Some(code), "{arguments:?}");
    }
    check(&app, Path::new("no/such/thing"), &[]).failure("source::not-a-directory");
    let text = app.out.join("text.tgz");
    fs::write(&text, "not a slug").unwrap();
    check(&app, &text, &[]).failure("slug::not-a-slug");
}

#[test]
fn what_cannot_be_built_is_an_error_and_the_findings_are_told_first() {
    let app = TestApp::new(&[("Procfile", "web : gunicorn app:app\n"), ("app.py", WSGI)]);
    let run = check(&app, &app.dir, &[]).failure("package-manager::none-found");
    assert!(run.stdout.contains("error[procfile::no-colon]"), "{}", run.stdout);
    assert_eq!(run.code, Some(1));
}

/// Builds a real slug whose Python is this machine's, with nothing installed.
fn built(files: Files<'_>) -> TestApp {
    let app = TestApp::new(files);
    app.build(&[]).success();
    app
}

#[test]
fn importing_says_what_the_text_does_not() {
    let app = built(&[
        ("Procfile", "web: python serve.py\nworker: celery -A work worker\n"),
        ("serve.py", ""),
        ("work.py", "import settings\n"),
        ("settings.py", "import os\n\nKEY = os.environ['KEY']\nprint('on standard output')\n"),
        ("requirements.txt", ""),
    ]);
    let slug = app.slug();
    let found = findings(&check(&app, &slug, &["--format", "json"]));
    let failed = found.iter().find(|finding| finding["id"] == "app::import-failed").unwrap();
    assert_eq!(
        (failed["file"].as_str(), failed["line"].as_u64()),
        (Some("settings.py"), Some(3)),
        "{failed}"
    );
    assert!(failed["message"].as_str().unwrap().contains("KeyError: 'KEY'"), "{failed}");
    // A config var may be all that is missing.
    assert_eq!(failed["severity"], "warning");
    let found = findings(&check(&app, &slug, &["--format", "json", "--set", "KEY=1"]));
    assert!(!ids(&found).contains(&"app::import-failed"), "{found:?}");
    let found = findings(&check(&app, &slug, &["--format", "json", "--static"]));
    assert!(!ids(&found).contains(&"app::import-failed"), "{found:?}");
}

// C02
#[test]
fn what_only_config_vars_could_mend_is_an_error_once_the_boot_has_failed() {
    const BIND: &str =
        "import os, socket\nserver = socket.create_server(('0.0.0.0', int(os.environ['PORT'])))\n";
    for (procfile, text, word) in [
        ("web: python serve.py\n", "import os\nKEY = os.environ['SECRET_KEY']\n".to_owned(), "SECRET_KEY"),
        ("web: python -m serve\n", "import os\nif not os.getenv('DATABASE_URL'):\n    raise RuntimeError('DATABASE_URL is missing')\n".to_owned(), "DATABASE_URL"),
        // The server listens first, and loads the app then.
        ("web: python serve.py\n", format!("{BIND}import time\ntime.sleep(1)\nKEY = os.environ['API_TOKEN']\n"), "API_TOKEN"),
        ("web: sh -c 'python serve.py'\n", "import os\nint(os.environ.get('POOL', 'POOL is no number'))\n".to_owned(), "POOL"),
    ] {
        let app = built(&[("Procfile", procfile), ("serve.py", &text), ("requirements.txt", "")]);
        let checked = check(&app, &app.slug(), &["--format", "json", "--boot"]);
        let found = findings(&checked);
        let errors: Vec<&Value> = found.iter().filter(|finding| finding["severity"] == "error").collect();
        let [error] = errors.as_slice() else { panic!("{text}: {found:?}") };
        assert_eq!(checked.code, Some(1), "{text}");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        assert!(error["fix"].as_str().unwrap().contains("--env-file"), "{error}");
    }
}

/// C06: a factory that is called with other arguments than it takes, and what isn't an app.
#[test]
fn a_call_that_the_app_does_not_take_is_shown_with_what_it_takes() {
    const APP: &str = "import functools\n\
        def app(environ, start): ...\n\
        def make(name: str): return app\n\
        def keyword(*, debug, level='SECRET'): return app\n\
        def open_(*names, **more): return app\n\
        def nothing(): return None\n\
        def raises(): return int([])\n\
        class Maker:\n    def __init__(self, a): ...\n    def __call__(self, *a): ...\n\
        maker = Maker(1)\n\
        def given(function):\n\
        \x20   @functools.wraps(function)\n\
        \x20   def wrapper(): return function('x')\n\
        \x20   return wrapper\n\
        decorated = given(make)\n\
        text = 'x'\n";
    const ARGUMENTS: &str = "app::factory-arguments";
    const CALLABLE: &str = "app::not-callable";
    let rows = [
        (
            "gunicorn 'site_app:make(\"prod\", debug=False)'",
            ARGUMENTS,
            "debug=False",
            "`make(name)`, site_app.py:3",
        ),
        ("gunicorn 'site_app:make(\"prod\", 2)'", ARGUMENTS, "2", "too many positional arguments"),
        ("gunicorn 'site_app:make()'", ARGUMENTS, "make()", "missing a required argument: 'name'"),
        ("gunicorn \"site_app:make('x', name='y')\"", ARGUMENTS, "name='y'", "multiple values"),
        ("gunicorn -w 2 \"site_app:keyword(2)\"", ARGUMENTS, "2)", "`keyword(*, debug, level=...)`"),
        ("gunicorn \"site_app:make(\\\"a\\\", b=1)\"", ARGUMENTS, "make(", "`make(name)`"),
        ("gunicorn 'site_app:Maker()'", ARGUMENTS, "Maker()", "`Maker(a)`"),
        ("uvicorn --factory site_app:make", ARGUMENTS, "make", "calls `make()`"),
        ("granian --factory site_app:keyword", ARGUMENTS, "keyword", "'debug'"),
        ("waitress-serve --call site_app:make", ARGUMENTS, "make", "`make(name)`"),
        ("hypercorn 'site_app:make(1, 2)'", ARGUMENTS, "2", "too many positional arguments"),
        ("hypercorn 'site_app:nothing(1)'", ARGUMENTS, "1", "`nothing()`"),
        ("uvicorn --factory site_app:text", CALLABLE, "text", "`text` is a value of the type `str`"),
        ("uvicorn site_app:text", CALLABLE, "text", "uvicorn needs"),
        ("gunicorn site_app:text", CALLABLE, "text", "`str`"),
        ("gunicorn 'site_app:text()'", CALLABLE, "text()", "`str`"),
        ("hypercorn 'site_app:text()'", CALLABLE, "text()", "`str`"),
        ("daphne site_app:text", CALLABLE, "text", "`str`"),
        ("waitress-serve site_app:functools", CALLABLE, "functools", "is a module"),
        ("gunicorn 'site_app:nothing()'", CALLABLE, "nothing()", "None"),
        ("gunicorn 'site_app:raises()'", "app::import-failed", "def raises(): return int([])", "TypeError"),
        ("gunicorn 'site_app:make(\"x\")'", "", "", ""),
        ("gunicorn 'site_app:open_(1, b=2)'", "", "", ""),
        ("gunicorn 'site_app:decorated()'", "", "", ""),
        ("uvicorn --factory site_app:decorated", "", "", ""),
        ("uvicorn site_app:maker", "", "", ""),
        ("daphne site_app:maker", "", "", ""),
        ("hypercorn 'site_app:keyword(debug=1)'", "", "", ""),
    ];
    let line = |(index, (command, ..)): (usize, &(&str, &str, &str, &str))| format!("p{index}: {command}\n");
    let procfile: String = rows.iter().enumerate().map(line).collect();
    let app = built(&[("Procfile", &procfile), ("requirements.txt", ""), ("site_app.py", APP)]);
    let run = check(&app, &app.slug(), &["--format", "json"]);
    let found = findings(&run);
    assert!(!run.stdout.contains("SECRET"), "a default may be a config var");
    for (index, (command, id, words, message)) in rows.iter().enumerate() {
        let process = format!("The process type `p{index}`");
        let one = found.iter().find(|finding| {
            let id = finding["id"].as_str().unwrap();
            id.starts_with("app::") && finding["message"].as_str().unwrap().contains(&process)
        });
        let Some(one) = one else {
            assert_eq!(*id, "", "{command}");
            continue;
        };
        assert_eq!(one["id"], *id, "{command} {one}");
        assert!(one["message"].as_str().unwrap().contains(message), "{command} {one}");
        let text = if one["file"] == "Procfile" { procfile.as_str() } else { APP };
        let (line, column) =
            (one["line"].as_u64().unwrap() as usize, one["column"].as_u64().unwrap() as usize);
        let pointed = &text.lines().nth(line - 1).unwrap()[column - 1..];
        assert!(pointed.starts_with(words), "{command} {one}");
        let severity = if *id == "app::import-failed" { "warning" } else { "error" };
        assert_eq!(one["severity"], severity, "{command} {one}");
    }
}

#[test]
fn what_the_processes_start_is_tried_as_their_programs_do() {
    const FACTORY: &str = "import os\ndef create_app():\n    return os.environ['CARD_KEY']\n";
    const BROKEN: &str = "import os\nx = (1,\n\ndef f():\n    return 1\n";
    let py = |name: &'static str, text: &'static str| (name, text);
    for (procfile, file, id, place, words) in [
        // C06: an app that is made by a call.
        (
            "web: gunicorn 'site_app:create_app()'",
            py("site_app.py", FACTORY),
            "app::import-failed",
            "site_app.py:3",
            "CARD_KEY",
        ),
        (
            "web: uvicorn --factory site_app:create_app",
            py("site_app.py", FACTORY),
            "app::import-failed",
            "site_app.py:3",
            "CARD_KEY",
        ),
        (
            "web: waitress-serve --call site_app:create_app",
            py("site_app.py", FACTORY),
            "app::import-failed",
            "site_app.py:3",
            "CARD_KEY",
        ),
        (
            "web: cd src && gunicorn 'site_app:create_app()'",
            py("src/site_app.py", FACTORY),
            "app::import-failed",
            "src/site_app.py:3",
            "CARD_KEY",
        ),
        // C20: a worker without an app; C33: each worker's own way to name it.
        (
            "worker: celery -A mysite worker",
            py("mysite/__init__.py", ""),
            "app::no-worker-app",
            "Procfile:1",
            "mysite/__init__.py",
        ),
        (
            "worker: celery --app mysite beat",
            py("mysite.py", "import os\n"),
            "app::no-worker-app",
            "Procfile:1",
            "mysite.py",
        ),
        (
            "worker: arq tasks.WorkerSettings",
            py("tasks.py", ""),
            "app::attribute-not-found",
            "Procfile:1",
            "WorkerSettings",
        ),
        (
            "worker: huey_consumer.py tasks.huey",
            py("tasks.py", ""),
            "app::attribute-not-found",
            "Procfile:1",
            "huey",
        ),
        (
            "worker: taskiq worker tasks:broker",
            py("tasks.py", ""),
            "app::attribute-not-found",
            "Procfile:1",
            "broker",
        ),
        ("worker: dramatiq nowhere", py("tasks.py", ""), "app::module-not-found", "Procfile:1", "nowhere"),
        (
            "worker: rq worker -c nowhere",
            py("tasks.py", ""),
            "app::module-not-found",
            "Procfile:1",
            "nowhere",
        ),
        // C35: files that don't compile, whatever starts them.
        ("web: python srv.py", py("srv.py", BROKEN), "app::syntax-error", "srv.py:2", "never closed"),
        (
            "web: fastapi run app/main.py",
            py("app/main.py", BROKEN),
            "app::syntax-error",
            "app/main.py:2",
            "never closed",
        ),
        ("web: gunicorn wsgi:app", py("wsgi.py", BROKEN), "app::syntax-error", "wsgi.py:2", "never closed"),
        (
            "web: streamlit run page.py",
            py("page.py", BROKEN),
            "app::syntax-error",
            "page.py:2",
            "never closed",
        ),
    ] {
        let app = built(&[("Procfile", procfile), ("requirements.txt", ""), file]);
        let run = check(&app, &app.slug(), &["--format", "json"]);
        let found = findings(&run);
        let one = found.iter().find(|finding| finding["id"] == id);
        let one = one.unwrap_or_else(|| panic!("{procfile}: {found:?}"));
        assert!(is_at(one, place), "{procfile}: {one}");
        assert!(one["message"].as_str().unwrap().contains(words), "{procfile}: {one}");
        if words == "CARD_KEY" {
            let silent = check(&app, &app.slug(), &["--static"]);
            assert!(
                silent.stderr.contains("wasn't called") && silent.stderr.contains("--boot"),
                "{}",
                silent.stderr
            );
            let given = check(&app, &app.slug(), &["--format", "json", "--set", "CARD_KEY=1"]);
            assert!(!ids(&findings(&given)).contains(&id), "{procfile}");
        }
    }
    // What works is silent, and a name in a module is no module.
    for (procfile, file) in [
        ("worker: celery -A hello.celery_app worker", py("hello.py", "celery_app = object()\n")),
        ("worker: celery -A hello.app.celery_app worker", py("hello/app.py", "celery_app = object()\n")),
        ("web: gunicorn 'wsgi:make(1, x=2)'", py("wsgi.py", "def make(n, x): return lambda *_: n\n")),
    ] {
        let app = built(&[("Procfile", procfile), ("requirements.txt", ""), file]);
        let found = findings(&check(&app, &app.slug(), &["--format", "json"]));
        let about_app: Vec<&str> = ids(&found).into_iter().filter(|id| id.starts_with("app::")).collect();
        assert_eq!(about_app, &[] as &[&str], "{procfile}");
    }
}

// C35: in a directory, too, without executing anything.
#[test]
fn a_directory_is_compiled_by_the_python_of_its_last_build() {
    const MARKER: &str = "open('executed', 'w')\n";
    let broken = |text: &str| format!("{MARKER}{text}");
    for (procfile, file, text, place) in [
        ("web: gunicorn wsgi:app", "wsgi.py", "def f(:\n", Some("wsgi.py:2")),
        ("web: python srv.py", "srv.py", "x = (1,\n", Some("srv.py:2")),
        ("worker: celery -A jobs worker", "jobs/__init__.py", "class A\n", Some("jobs/__init__.py:2")),
        ("release: python -m tools.migrate", "tools/migrate.py", "x = 'a\n", Some("tools/migrate.py:2")),
        ("web: gunicorn wsgi:app", "unused.py", "def f(:\n", None),
        ("web: gunicorn wsgi:app", "wsgi.py", "app = None\n", None),
    ] {
        let app = TestApp::new(&[("Procfile", procfile), ("requirements.txt", ""), (file, "app = None\n")]);
        app.build(&[]).success();
        fs::write(app.dir.join(file), broken(text)).unwrap();
        let found = findings(&check(&app, &app.dir, &["--format", "json"]));
        let errors: Vec<&Value> =
            found.iter().filter(|finding| finding["id"] == "app::syntax-error").collect();
        assert_eq!(errors.len(), usize::from(place.is_some()), "{file}: {found:?}");
        assert!(errors.iter().all(|error| is_at(error, place.unwrap_or_default())), "{errors:?}");
        assert!(!app.dir.join("executed").exists(), "{file}");
    }
}

// C33: the app's modules are the app's, and those of the check its own.
#[test]
fn a_module_of_the_app_may_have_any_name() {
    for (file, module) in [
        ("ast.py", "ast"),
        ("json/__init__.py", "json"),
        ("select.py", "select"),
        ("traceback.py", "traceback"),
    ] {
        let wsgi = format!("import {module}\napp = {module}.only_in_the_app\n");
        let app = built(&[
            ("Procfile", "web: gunicorn wsgi:app\n"),
            ("requirements.txt", ""),
            ("wsgi.py", &wsgi),
            (file, "def only_in_the_app(): pass\n"),
        ]);
        let found = findings(&check(&app, &app.slug(), &["--format", "json"]));
        let about_app: Vec<&str> = ids(&found).into_iter().filter(|id| id.starts_with("app::")).collect();
        assert_eq!(about_app, &[] as &[&str], "{file}: {found:?}");
    }
}

// C33, C20, C06: each program, as it is in the index, finds its app in a way of its own. What `dyn.py` has can't be read.
#[test]
#[ignore = "needs PyPI"]
fn the_apps_of_real_programs_are_found_as_they_find_them() {
    const FILES: Files<'_> = &[
        (
            "requirements.txt",
            "flask==3.1.3\ngunicorn==27.0.1\nuvicorn==0.54.0\nhypercorn==0.18.0\ndaphne==4.2.3\nwaitress==3.0.2\n\
             granian==2.8.9\ncelery==5.7.0\nrq==3.0.0\ndramatiq==2.2.1\narq==0.28.0\nhuey==3.5.4\ntaskiq==0.13.0\n",
        ),
        (
            "Procfile",
            "web: gunicorn app:app\n\
             gunicorn: gunicorn 'app:make(\"y\", debug=True)'\n\
             uvicorn: uvicorn asgi:app\n\
             factory: uvicorn --factory asgi:make\n\
             hypercorn: hypercorn asgi:app\n\
             daphne: daphne asgi:app\n\
             waitress: waitress-serve --call app:make\n\
             granian: granian --interface asgi asgi:app\n\
             celery1: celery -A hello.app.celery_app worker\n\
             celery2: celery -A hello.app:celery_app worker\n\
             celery3: celery -A hello.app beat\n\
             rq1: rq worker -c settings high\n\
             rq2: rq worker high\n\
             dramatiq1: dramatiq broker\n\
             dramatiq2: dramatiq broker:broker\n\
             arq: arq arqw.WorkerSettings\n\
             huey: huey_consumer hu.huey\n\
             taskiq: taskiq worker tq:broker\n\
             bad-gunicorn: gunicorn dyn:nothing\n\
             bad-uvicorn: uvicorn dyn:nothing\n\
             bad-hypercorn: hypercorn dyn:nothing\n\
             bad-daphne: daphne dyn:nothing\n\
             bad-waitress: waitress-serve dyn:nothing\n\
             bad-granian: granian --interface asgi dyn:nothing\n\
             bad-celery: celery -A dyn worker\n\
             bad-dramatiq: dramatiq dyn:nothing\n\
             bad-arq: arq dyn.nothing\n\
             bad-huey: huey_consumer dyn.nothing\n\
             bad-taskiq: taskiq worker dyn:nothing\n",
        ),
        (
            "app.py",
            "from flask import Flask\n\napp = Flask(__name__)\n\n\ndef make(name='x', *, debug=False):\n    return Flask(name)\n",
        ),
        ("asgi.py", "async def app(scope, receive, send):\n    pass\n\n\ndef make():\n    return app\n"),
        ("dyn.py", "globals().update(other=1)\n"),
        ("hello/__init__.py", ""),
        ("hello/app.py", "from celery import Celery\n\ncelery_app = Celery('x', broker='memory://')\n"),
        ("settings.py", "REDIS_URL = 'redis://localhost'\n"),
        (
            "broker.py",
            "import dramatiq\nfrom dramatiq.brokers.stub import StubBroker\n\nbroker = StubBroker()\ndramatiq.set_broker(broker)\n",
        ),
        ("arqw.py", "async def work(ctx):\n    pass\n\n\nclass WorkerSettings:\n    functions = [work]\n"),
        ("hu.py", "from huey import MemoryHuey\n\nhuey = MemoryHuey()\n"),
        ("tq.py", "from taskiq import InMemoryBroker\n\nbroker = InMemoryBroker()\n"),
    ];
    let app = TestApp::online("hooks");
    fs::remove_dir_all(&app.dir).unwrap();
    for (name, contents) in FILES {
        let path = app.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    app.build(&[]).success();
    let found = findings(&check(&app, &app.slug(), &["--format", "json"]));
    let is_about_loading = |finding: &&Value| {
        let id = finding["id"].as_str().unwrap();
        id.starts_with("app::") || id.starts_with("command::broken")
    };
    let mut told: Vec<(u64, &str)> = found
        .iter()
        .filter(is_about_loading)
        .map(|finding| (finding["line"].as_u64().unwrap(), finding["id"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    let expected: Vec<(u64, &str)> = (19..=29)
        .map(|line| (line, if line == 25 { "app::no-worker-app" } else { "app::attribute-not-found" }))
        .collect();
    assert_eq!(told, expected, "{found:?}");
}

// C17, Y16
#[test]
fn a_boot_script_that_ends_the_shell_is_named_and_nothing_else() {
    for (script, text) in [
        (".profile.d/agent.sh", "exit 1\n"),
        (".profile.d/agent.sh", "set -e\nfalse\n"),
        (".profile", "exit 0\n"),
        (".profile", "exec true\n"),
    ] {
        let app = built(&[
            ("Procfile", "web: python serve.py\n"),
            ("requirements.txt", ""),
            ("serve.py", ""),
            (script, text),
        ]);
        for arguments in [&["--format", "json"][..], &["--format", "json", "--boot"]] {
            let found = findings(&check(&app, &app.slug(), arguments));
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(
                (found[0]["id"].as_str(), found[0]["file"].as_str()),
                (Some("boot::profile-ended"), Some(script))
            );
        }
        let run = app.run(&["run", "slug.tgz"]);
        let line = format!("{script} ended the shell before the command was run");
        let is_named = run.stderr.contains(&line) || run.stderr.contains("boot::profile-ended");
        assert!(is_named, "{text}: {}", run.stderr);
    }
}

#[test]
fn booting_tells_a_crash_a_loopback_and_silence_apart() {
    const SERVE: &str = "import http.server, os, sys\n\
        http.server.HTTPServer((sys.argv[1], int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n";
    // Listens, and then: fails, ends, leaves it to a child that fails, is ended, hangs up, or answers.
    const BIND: &str = "import os, socket, subprocess, sys, time\n\
        server = socket.create_server(('0.0.0.0', int(os.environ['PORT'])))\n\
        what = sys.argv[1]\n\
        if what in ('raise', 'exit', 'child', 'signal'): time.sleep(1)\n\
        if what == 'raise': raise RuntimeError('no luck')\n\
        if what == 'exit': sys.exit('no luck')\n\
        if what == 'child': sys.exit(subprocess.run([sys.executable, '-c', 'raise ValueError(\"no luck\")']).returncode)\n\
        if what == 'signal': print('ended by a signal', flush=True); os.kill(os.getpid(), 9)\n\
        while True:\n    client, _ = server.accept()\n    client.recv(4096)\n\
        \x20   if what.isdigit(): client.sendall(f'HTTP/1.1 {what} X\\r\\nContent-Length: 0\\r\\n\\r\\n'.encode())\n\
        \x20   client.close()\n";
    for (command, code, expected) in [
        ("python serve.py 0.0.0.0", 0, &[][..]),
        ("python serve.py 127.0.0.1", 1, &["boot::loopback"]),
        ("python -c 'raise SystemExit(\"no luck\")'", 1, &["boot::crashed"]),
        ("sleep 600", 1, &["boot::timeout"]),
        // C01: what dies right after it has listened.
        ("python bind.py raise", 1, &["boot::crashed"]),
        ("python bind.py exit", 1, &["boot::crashed"]),
        ("python bind.py child", 1, &["boot::crashed"]),
        ("sh -c 'python bind.py signal'", 1, &["boot::crashed"]),
        ("python bind.py close", 1, &["boot::no-answer"]),
        ("python bind.py 500", 0, &["boot::server-error"]),
        ("python bind.py 404", 0, &[]),
        // C04: what the text suggests and the boot disproves.
        ("sh start.sh", 0, &[]),
        ("gunicorn wsgi:app", 0, &[]),
    ] {
        let procfile = format!("web: {command}\n");
        let app = TestApp::new(&[
            ("Procfile", &procfile),
            ("serve.py", SERVE),
            ("bind.py", BIND),
            ("gunicorn", "#!/bin/sh\nexec python serve.py 0.0.0.0\n"),
            ("wsgi.py", "app = None\n"),
            ("start.sh", "PORT=$PORT exec python serve.py 0.0.0.0\n"),
            (".profile", "chmod +x gunicorn; PATH=$HOME:$PATH\n"),
            ("requirements.txt", ""),
        ]);
        // A directory is built for it.
        let limit = if expected == ["boot::timeout"] { "2" } else { "60" };
        let run = check(&app, &app.dir, &["--boot", "--boot-timeout", limit, "--format", "json"]);
        let found = findings(&run);
        assert_eq!(ids(&found), expected, "{command}\n{}", run.stderr);
        assert_eq!(run.code, Some(code), "{command}");
        if expected == ["boot::crashed"] {
            let message = found[0]["message"].as_str().unwrap();
            assert!(message.contains("no luck") || message.contains("signal"), "{}", found[0]);
            assert!(!message.contains("----->"), "{}", found[0]);
        }
        assert!(app.left_in_out().is_empty(), "the slug that was tried is gone");
    }
}

#[test]
fn ids_are_explained_and_slips_are_recognised() {
    let app = TestApp::new(&[]);
    let explained = app.run(&["explain", "command::fixed-port"]).success();
    assert!(
        explained.stdout.contains("variable PORT") && explained.stdout.contains("docs/findings.md"),
        "{}",
        explained.stdout
    );
    for id in ["slug::too-large", "slug::soft-limit", "procfile::no-colon"] {
        assert!(app.run(&["explain", id]).success().stdout.starts_with(id), "{id}");
    }
    // An error in one place and a note in another.
    let both = app.run(&["explain", "package-manager::not-locked"]).success();
    assert!(both.stdout.contains("(error)"), "{}", both.stdout);
    let run = app.run(&["explain", "slug::to-large"]).failure("explain::unknown-id");
    assert!(run.stderr.contains("Is `slug::too-large` meant?"), "{}", run.stderr);
    assert_eq!(run.code, Some(2));
    // U20: the end of an id is enough, if only one ends so.
    for (end, id) in [
        ("fixed-port", "command::fixed-port"),
        ("R10-boot-timeout", ""),
        ("Server-Error", "boot::server-error"),
        ("import-failed", "app::import-failed"),
        ("too-large", "slug::too-large"),
    ] {
        let run = app.run(&["explain", end]);
        assert_eq!(run.code, Some(if id.is_empty() { 2 } else { 0 }), "{end}: {}", run.stdout);
        assert!(run.stdout.starts_with(id), "{end}: {}", run.stdout);
    }
    let several = app.run(&["explain", "not-installed"]).success().stdout;
    for id in ["command::not-installed", "imports::not-installed"] {
        assert!(several.contains(id), "{several}");
    }
    // U02: Heroku's codes, in upper and lower case.
    for (code, words) in [
        ("H10", "App crashed"),
        ("h10", "slugc check SLUG --boot"),
        ("r10", "Boot timeout"),
        ("H12", "30 seconds"),
        ("R14", "Memory quota exceeded"),
        ("R15", "Memory quota vastly exceeded"),
        ("h99", "Platform error"),
        ("L10", "Drain buffer overflow"),
    ] {
        let explained = app.run(&["explain", code]).success().stdout;
        assert!(
            explained.starts_with(&code.to_uppercase()) && explained.contains(words),
            "{code}: {explained}"
        );
    }
    assert_eq!(app.run(&["explain", "H55"]).code, Some(2));
    let list = app.run(&["explain"]).success().stdout;
    assert!(list.lines().count() > FindingCode::ALL.len() + 50, "{list}");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let app = TestApp::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = app.run(&["completions", shell]).success().stdout;
        assert!(script.contains("deny-warnings"), "{shell}");
    }
    let script = app.out.join("complete.bash");
    fs::write(&script, app.run(&["completions", "bash"]).success().stdout).unwrap();
    let complete = format!(
        ". {}; COMP_WORDS=(slugc che); COMP_CWORD=1; _slugc slugc che slugc; echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let answer = run(Command::new("bash").args(["-c", &complete])).success();
    assert_eq!(answer.stdout.trim(), "check", "{}", answer.stderr);
    // U15: the ids, too.
    for (word, expected) in [
        ("files::la", "files::large"),
        ("H1", "H10 H11 H12 H13 H14 H15 H16 H17 H18 H19"),
        ("settings", "settings::no-effect"),
    ] {
        let complete = format!(
            ". {}; COMP_WORDBREAKS=' '; COMP_WORDS=(slugc explain {word}); COMP_CWORD=2; _slugc slugc {word} explain; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let answer = run(Command::new("bash").args(["-c", &complete])).success();
        assert_eq!(answer.stdout.trim(), expected, "{}", answer.stderr);
    }
    let man = app.out.join("man");
    app.run(&["man", "--dir", man.to_str().unwrap()]).success();
    let page = fs::read_to_string(man.join("slugc-check.1")).unwrap();
    assert!(page.contains(".TH slugc-check 1") && page.contains("deny\\-warnings"), "{page}");
    assert!(man.join("slugc.1").is_file());
}

/// Three apps as their frameworks' documentation has them, built with real packages: no false alarm, neither by
/// their text nor by their import.
#[test]
#[ignore = "needs PyPI"]
fn nothing_is_found_in_healthy_apps() {
    let fastapi: Files<'_> = &[
        (
            "Procfile",
            "web: uvicorn main:app --host 0.0.0.0 --port $PORT\nworker: celery -A tasks worker --loglevel=info\nrelease: python -m scripts.migrate\n",
        ),
        ("requirements.txt", "fastapi==0.115.6\nuvicorn==0.34.0\ncelery==5.4.0\n"),
        (
            "main.py",
            "from fastapi import FastAPI\nfrom api import router\n\napp = FastAPI()\napp.include_router(router)\n",
        ),
        ("api/__init__.py", "from .routes import router\n"),
        (
            "api/routes.py",
            "import os\nfrom typing import TYPE_CHECKING\n\nfrom fastapi import APIRouter\n\nif TYPE_CHECKING:\n    import mypy\n\ntry:\n    import orjson\nexcept ImportError:\n    orjson = None\n\nrouter = APIRouter()\n\n\n@router.get('/')\ndef index():\n    return {'release': os.environ.get('HEROKU_RELEASE_VERSION')}\n",
        ),
        (
            "tasks.py",
            "import os\n\nfrom celery import Celery\n\napp = Celery('tasks', broker=os.environ.get('REDIS_URL', 'memory://'))\n\n\n@app.task\ndef add(x, y):\n    return x + y\n",
        ),
        ("scripts/__init__.py", ""),
        ("scripts/migrate.py", "print('nothing to migrate')\n"),
        ("tests/test_main.py", "import pytest\n"),
    ];
    for fixture in ["flask-getting-started", "django-getting-started", ""] {
        let app = if fixture.is_empty() { TestApp::online("hooks") } else { TestApp::online(fixture) };
        if fixture.is_empty() {
            fs::remove_dir_all(&app.dir).unwrap();
            for (name, contents) in fastapi {
                let path = app.dir.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, contents).unwrap();
            }
        }
        let built = app.build(&["--format", "json"]).success();
        let told: Vec<Value> =
            built.events().into_iter().filter(|event| event["event"] == "warning").collect();
        let is_finding = |event: &&Value| FindingCode::ALL.iter().any(|code| event["id"] == code.entry().id);
        assert_eq!(told.iter().find(is_finding), None, "{fixture}");
        for (path, arguments) in [(&app.dir, &["--static"][..]), (&app.slug(), &["--boot"])] {
            let run = check(&app, path, arguments);
            assert_eq!(
                (run.code, run.stdout.as_str()),
                (Some(0), ""),
                "{fixture} {arguments:?}: {}",
                run.stderr
            );
        }
    }
}
