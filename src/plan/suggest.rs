//! A Procfile line to suggest where there is none: the one place that makes it, from the app's Python files. It is printed,
//! never applied.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::python::lock_names::names_in_lock;
use crate::python::requirements::normalised_name;

/// What is known of the packages that the app has.
#[derive(Debug, Clone)]
pub(crate) enum Packages {
    /// All of them, by normalised name.
    All(BTreeSet<String>),
    /// Some of them: others may come with these.
    Some(BTreeSet<String>),
    /// None of them.
    Unknown,
}

impl Packages {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All(names) | Self::Some(names) => names.contains(&normalised_name(name)),
            Self::Unknown => false,
        }
    }

    /// Reads the names in a lock file, which lists everything: TOML's tables of packages, or Pipfile.lock.
    pub(crate) fn of_lock(text: &str) -> Self {
        names_in_lock(text).map_or(Self::Unknown, Self::All)
    }

    /// Whether a server surely has to be added. Frameworks' extras may bring one where only some packages are known.
    fn lacks(&self, server: &str) -> bool {
        let brings =
            |name: &str| ["starlette", "litestar", "sanic", "gradio", "uvicorn-worker"].contains(&name);
        !self.has(server)
            && match self {
                Self::All(_) => true,
                Self::Unknown => false,
                Self::Some(names) => server != "uvicorn" || !names.iter().any(|name| brings(name)),
            }
    }
}

/// A line for the Procfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// The line.
    pub line: String,
    /// The package that has to be added to the requirements for it.
    pub add: Option<&'static str>,
}

impl Suggestion {
    /// Says what to write, in lines to paste.
    pub(crate) fn describe(&self) -> String {
        let add = self.add.map(|package| format!("\nand add `{package}` to the requirements"));
        format!("create a file named Procfile with this line{}:\n{}", add.unwrap_or_default(), self.line)
    }
}

/// Says that there is no Procfile, and what to do about it in this app.
pub(crate) fn describe_missing_procfile(suggestion: Option<&Suggestion>) -> String {
    const MISSING: &str = "Without a Procfile, nothing says how the app is run.";
    match suggestion {
        Some(suggestion) => format!("{MISSING} For this app, {}", suggestion.describe()),
        None => MISSING.to_owned(),
    }
}

/// Suggests how the app is run. `sources` are its Python files by path.
pub(crate) fn suggest(sources: &BTreeMap<&str, &str>, packages: &Packages) -> Option<Suggestion> {
    let sources: Vec<(&str, &str)> = by_likelihood(sources);
    django(&sources, packages)
        .or_else(|| web_app(&sources, packages))
        .or_else(|| streamlit(&sources, packages))
        .or_else(|| script(&sources, packages))
}

/// Returns whether an app may live in a file of this path: not in those of tests, examples and other people's code.
fn may_hold_app(path: &str) -> bool {
    const ELSEWHERE: &[&str] = &[
        "test",
        "tests",
        "testing",
        "docs",
        "doc",
        "examples",
        "example",
        "migrations",
        "node_modules",
        "venv",
        "site-packages",
        "scripts",
        "benchmarks",
    ];
    let Some((parents, name)) = path.rsplit_once('/').or(Some(("", path))) else { return false };
    let parents: Vec<&str> = parents.split('/').filter(|part| !part.is_empty()).collect();
    name.ends_with(".py")
        && parents.len() <= 3
        && !parents.iter().any(|part| part.starts_with('.') || ELSEWHERE.contains(part))
        && !name.starts_with("test_")
        && !name.ends_with("_test.py")
        && !["conftest.py", "setup.py"].contains(&name)
}

/// Names of files that usually hold the web app, likeliest first.
const USUAL: &[&str] = &[
    "wsgi.py",
    "asgi.py",
    "app.py",
    "main.py",
    "application.py",
    "server.py",
    "api.py",
    "run.py",
    "__init__.py",
];

/// Sorts the files: those at the top first, and the usual names first among those of a level.
fn by_likelihood<'a>(sources: &BTreeMap<&'a str, &'a str>) -> Vec<(&'a str, &'a str)> {
    let mut sorted: Vec<(&str, &str)> =
        sources.iter().map(|(path, text)| (*path, *text)).filter(|(path, _)| may_hold_app(path)).collect();
    sorted.sort_by_key(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let usual = USUAL.iter().position(|usual| *usual == name).unwrap_or(USUAL.len());
        (path.matches('/').count(), usual, *path)
    });
    sorted
}

fn django(sources: &[(&str, &str)], packages: &Packages) -> Option<Suggestion> {
    let (manage, _) =
        sources.iter().find(|(path, text)| is_named(path, "manage.py") && text.contains("django"))?;
    let dir = parent(manage);
    let has = |name: &str, sign: &str| {
        let found = sources.iter().find(|(path, text)| {
            is_named(path, name)
                && text.contains(sign)
                && (dir.is_empty() || path.starts_with(&format!("{dir}/")))
        });
        found.map(|(path, _)| module_below(path, dir))
    };
    if let Some(module) = has("wsgi.py", "get_wsgi_application") {
        return Some(serve(&Target { module, name: None, dir: dir.to_owned(), kind: Kind::Wsgi }, packages));
    }
    let module = has("asgi.py", "get_asgi_application")?;
    let name = Some("application".to_owned());
    Some(serve(&Target { module, name, dir: dir.to_owned(), kind: Kind::Asgi }, packages))
}

/// What a server serves.
struct Target {
    module: String,
    /// The name in it, as gunicorn takes it; gunicorn's own default if there is none.
    name: Option<String>,
    /// The directory that modules are looked up in.
    dir: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wsgi,
    Asgi,
}

/// An app at the top level of a module.
static APP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?m)^(\w+)(?:\s*:\s*[\w.\[\]]+)?\s*=\s*(?:\w+\.)*(Flask|Bottle|APIFlask|App|API|get_wsgi_application|FastAPI|Starlette|Quart|Litestar|Sanic|get_asgi_application|(?:create|make|get)_app(?:lication)?|app_factory)\(",
    )
    .expect("the pattern is right")
});

/// A function that makes one, and needs no arguments.
static FACTORY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^def ((?:create|make|get)_app(?:lication)?|app_factory)\(([^)]*)\)")
        .expect("the pattern is right")
});

/// The WSGI app that a Dash app has.
static SERVER_OF_DASH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^(\w+)\s*=\s*\w+\.server\s*$").expect("the pattern is right"));

fn web_app(sources: &[(&str, &str)], packages: &Packages) -> Option<Suggestion> {
    let found = sources.iter().find_map(|(path, text)| Some((path, find_app(text, sources)?)));
    let found = found.or_else(|| sources.iter().find_map(|(path, text)| Some((path, find_factory(text)?))));
    let (path, (name, kind)) = found?;
    let text = sources.iter().find(|(known, _)| known == path).map_or("", |(_, text)| text);
    let dir = root_of(path, text, sources);
    Some(serve(&Target { module: module_below(path, &dir), name: Some(name), dir, kind }, packages))
}

fn find_app(text: &str, sources: &[(&str, &str)]) -> Option<(String, Kind)> {
    if text.contains("Dash(") {
        return SERVER_OF_DASH.captures(text).map(|found| (found[1].to_owned(), Kind::Wsgi));
    }
    APP.captures_iter(text).find_map(|found| {
        let kind = match &found[2] {
            // Falcon's, and not whatever else is called so.
            "App" | "API" if !text.contains("falcon") => return None,
            "App" | "API" if text.contains("falcon.asgi") => Kind::Asgi,
            "FastAPI" | "Starlette" | "Quart" | "Litestar" | "Sanic" | "get_asgi_application" => Kind::Asgi,
            name if name.contains("_app") || name == "app_factory" => made_by(name, text, sources)?,
            _ => Kind::Wsgi,
        };
        Some((found[1].to_owned(), kind))
    })
}

/// Finds out what a factory makes, here or in another file of the app.
fn made_by(factory: &str, text: &str, sources: &[(&str, &str)]) -> Option<Kind> {
    if factory == "get_wsgi_application" {
        return Some(Kind::Wsgi);
    }
    let definition = format!("def {factory}(");
    let defined = std::iter::once(text).chain(sources.iter().map(|(_, text)| *text));
    defined.filter(|text| text.contains(&definition)).find_map(kind_in_function)
}

/// The kind of the app that is made somewhere in a text, indented.
fn kind_in_function(text: &str) -> Option<Kind> {
    static MADE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)^\s+.*\b(Flask|Bottle|APIFlask|FastAPI|Starlette|Quart|Litestar)\(")
            .expect("the pattern is right")
    });
    let found = MADE.captures(text)?;
    Some(match &found[1] {
        "FastAPI" | "Starlette" | "Quart" | "Litestar" => Kind::Asgi,
        _ => Kind::Wsgi,
    })
}

fn find_factory(text: &str) -> Option<(String, Kind)> {
    let found = FACTORY.captures(text)?;
    let parameters = found[2].split(',').map(str::trim).filter(|parameter| !parameter.is_empty());
    let needs_none =
        parameters.into_iter().all(|parameter| parameter.contains('=') || parameter.starts_with('*'));
    let kind = kind_in_function(text)?;
    needs_none.then(|| (format!("{}()", &found[1]), kind))
}

/// Returns the directory from which a file's own imports work: where its package is, or the app's top.
fn root_of(path: &str, text: &str, sources: &[(&str, &str)]) -> String {
    let mut dir = parent(path);
    if dir.is_empty() {
        return String::new();
    }
    let has_init = |dir: &str| sources.iter().any(|(known, _)| *known == format!("{dir}/__init__.py"));
    let top = path.split('/').next().unwrap_or_default();
    let is_absolute = text.lines().any(|line| {
        let line = line.trim_start();
        [format!("from {top}."), format!("from {top} "), format!("import {top}."), "from .".to_owned()]
            .iter()
            .any(|start| line.starts_with(start.as_str()))
    });
    if is_absolute {
        return String::new();
    }
    while has_init(dir) {
        dir = parent(dir);
    }
    dir.to_owned()
}

fn serve(target: &Target, packages: &Packages) -> Suggestion {
    let Target { module, name, dir, kind } = target;
    let is_factory = name.as_deref().is_some_and(|name| name.ends_with("()"));
    let app = match name {
        Some(name) => format!("{module}:{name}"),
        None => module.clone(),
    };
    let with_name = if name.is_some() { app.clone() } else { format!("{module}:application") };
    let quoted = if is_factory { format!("'{app}'") } else { app };
    let dir = quoted_path(dir);
    let chdir = |option: &str| if dir.is_empty() { String::new() } else { format!("{option} {dir} ") };
    let cd = if dir.is_empty() { String::new() } else { format!("cd {dir} && ") };
    let has = |server: &str| packages.has(server);
    let plain = with_name.trim_end_matches("()");
    let (line, server) = match kind {
        Kind::Wsgi if !has("gunicorn") && has("waitress") => {
            let call = if is_factory { "--call " } else { "" };
            (format!("{cd}waitress-serve --port=$PORT {call}{plain}"), "waitress")
        }
        // It binds to 0.0.0.0:$PORT by itself when PORT is set.
        Kind::Wsgi => (format!("gunicorn {}{quoted}", chdir("--chdir")), "gunicorn"),
        Kind::Asgi if has("gunicorn") && has("uvicorn-worker") && !is_factory => {
            let worker = "--worker-class uvicorn_worker.UvicornWorker";
            (format!("gunicorn {}{with_name} {worker}", chdir("--chdir")), "gunicorn")
        }
        Kind::Asgi if !has("uvicorn") && has("hypercorn") => (
            format!(
                "{cd}hypercorn --bind 0.0.0.0:$PORT {}",
                if is_factory { quoted } else { with_name.clone() }
            ),
            "hypercorn",
        ),
        Kind::Asgi if !has("uvicorn") && has("daphne") && !is_factory => {
            (format!("{cd}daphne -b 0.0.0.0 -p $PORT {with_name}"), "daphne")
        }
        Kind::Asgi => {
            let factory = if is_factory { "--factory " } else { "" };
            (format!("uvicorn {}{factory}{plain} --host 0.0.0.0 --port $PORT", chdir("--app-dir")), "uvicorn")
        }
    };
    let add = packages.lacks(server).then_some(server);
    Suggestion { line: format!("web: {line}"), add }
}

fn streamlit(sources: &[(&str, &str)], packages: &Packages) -> Option<Suggestion> {
    let imports = |text: &str| imports_any(text, &["streamlit"]);
    let mut found: Vec<&str> = sources
        .iter()
        .filter(|(path, text)| imports(text) && !path.contains("pages/"))
        .map(|(path, _)| *path)
        .collect();
    found.sort_by_key(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let usual =
            ["streamlit_app.py", "app.py", "main.py", "Home.py"].iter().position(|usual| *usual == name);
        (path.matches('/').count(), usual.unwrap_or(usize::MAX))
    });
    let path = found.first()?;
    let add = packages.lacks("streamlit").then_some("streamlit");
    Some(Suggestion {
        line: format!(
            "web: streamlit run {} --server.port $PORT --server.address 0.0.0.0",
            quoted_path(path)
        ),
        add,
    })
}

/// Packages that only apps with a web process require.
const WEB_FRAMEWORKS: &str = "aiohttp bottle dash django falcon fastapi flask litestar nicegui pyramid quart sanic starlette \
                              streamlit tornado";

/// A script of the top level directory that is run by itself: the only one, or the one with the usual name.
fn script(sources: &[(&str, &str)], packages: &Packages) -> Option<Suggestion> {
    const NAMES: &[&str] = &["main.py", "app.py", "server.py", "bot.py", "run.py", "worker.py"];
    let at_top: Vec<&(&str, &str)> =
        sources.iter().filter(|(path, _)| !path.contains('/') && *path != "__init__.py").collect();
    let usual = NAMES.iter().find_map(|name| at_top.iter().find(|(path, _)| path == name));
    let (path, text) = match (usual, at_top.as_slice()) {
        (Some(found), _) => found,
        (None, [only]) => only,
        _ => return None,
    };
    const LISTENS: &[&str] = &[
        "HTTPServer(",
        "http.server",
        "web.run_app(",
        "serve_forever(",
        ".launch(",
        "ui.run(",
        "make_server(",
    ];
    let runs = |line: &str| {
        const NOT_RUN: &[&str] = &[" ", "\t", "#", "@", "def ", "class ", "async ", "import ", "from ", ")"];
        line.contains('(') && !NOT_RUN.iter().any(|start| line.starts_with(start))
    };
    let does_something = text.contains("__main__") || text.lines().any(runs);
    let is_web = LISTENS.iter().any(|sign| text.contains(sign)) || text.contains("PORT");
    // An app of a web framework that wasn't found is no worker.
    if !is_web && WEB_FRAMEWORKS.split(' ').any(|framework| packages.has(framework)) {
        return None;
    }
    let kind = if is_web { "web" } else { "worker" };
    let before = if imports_any(text, &["gradio"]) {
        "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT "
    } else {
        ""
    };
    does_something
        .then(|| Suggestion { line: format!("{kind}: {before}python {}", quoted_path(path)), add: None })
}

/// Quotes a path for a shell, where that is needed.
pub(super) fn quoted_path(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    shlex::try_quote(path).map_or_else(|_| path.to_owned(), Cow::into_owned)
}

fn imports_any(text: &str, modules: &[&str]) -> bool {
    text.lines().any(|line| {
        let mut words = line.split([' ', '.', ',', '\t']);
        let is_import = matches!(words.next(), Some("import" | "from"));
        is_import && words.next().is_some_and(|module| modules.contains(&module))
    })
}

fn is_named(path: &str, name: &str) -> bool {
    path.rsplit('/').next() == Some(name)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Returns the module that a file is, looked up in a directory.
fn module_below(path: &str, dir: &str) -> String {
    let path = path.strip_prefix(dir).unwrap_or(path).trim_start_matches('/');
    let stem = path.strip_suffix(".py").unwrap_or(path);
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    stem.replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLASK: &str = "from flask import Flask\napp = Flask(__name__)\n";
    const FASTAPI: &str = "from fastapi import FastAPI\napi = FastAPI()\n";
    const MANAGE: &str = "import os\nfrom django.core.management import execute_from_command_line\n";
    const WSGI: &str = "application = get_wsgi_application()\n";
    const FACTORY: &str =
        "from flask import Flask\ndef create_app(config=None):\n    return Flask(__name__)\n";

    // C18, B24
    #[test]
    fn each_app_gets_the_line_that_runs_it_and_what_is_missing_for_it() {
        for (files, installed, expected) in [
            (&[("wsgi.py", FLASK)][..], "gunicorn", "web: gunicorn wsgi:app"),
            (
                &[("main.py", FASTAPI)],
                "fastapi",
                "web: uvicorn main:api --host 0.0.0.0 --port $PORT + uvicorn",
            ),
            (&[("main.py", FASTAPI)], "uvicorn", "web: uvicorn main:api --host 0.0.0.0 --port $PORT"),
            (&[("main.py", FASTAPI)], "hypercorn", "web: hypercorn --bind 0.0.0.0:$PORT main:api"),
            (
                &[("app.py", "app: FastAPI = fastapi.FastAPI()\n")],
                "gunicorn uvicorn-worker uvicorn",
                "web: gunicorn app:app --worker-class uvicorn_worker.UvicornWorker",
            ),
            (
                &[("hello_world.py", "from flask import Flask\nsite = Flask('x')\n")],
                "",
                "web: gunicorn hello_world:site + gunicorn",
            ),
            (&[("app.py", FLASK)], "waitress", "web: waitress-serve --port=$PORT app:app"),
            (&[("manage.py", MANAGE), ("mysite/wsgi.py", WSGI)], "gunicorn", "web: gunicorn mysite.wsgi"),
            (
                &[("back/manage.py", MANAGE), ("back/core/wsgi.py", WSGI)],
                "",
                "web: gunicorn --chdir back core.wsgi + gunicorn",
            ),
            (
                &[("manage.py", MANAGE), ("config/asgi.py", "application = get_asgi_application()\n")],
                "daphne",
                "web: daphne -b 0.0.0.0 -p $PORT config.asgi:application",
            ),
            (&[("shop/__init__.py", FACTORY)], "gunicorn", "web: gunicorn 'shop:create_app()'"),
            (
                &[
                    ("shop/__init__.py", FACTORY),
                    ("wsgi.py", "from shop import create_app\napp = create_app()\n"),
                ],
                "gunicorn",
                "web: gunicorn wsgi:app",
            ),
            (
                &[(
                    "main.py",
                    "from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    return app\n",
                )],
                "uvicorn",
                "web: uvicorn --factory main:create_app --host 0.0.0.0 --port $PORT",
            ),
            (
                &[("app/main.py", "from .db import x\napp = FastAPI()\n"), ("app/db.py", "")],
                "uvicorn",
                "web: uvicorn app.main:app --host 0.0.0.0 --port $PORT",
            ),
            (
                &[("src/main.py", "from db import x\napp = FastAPI()\n"), ("src/db.py", "")],
                "uvicorn",
                "web: uvicorn --app-dir src main:app --host 0.0.0.0 --port $PORT",
            ),
            (
                &[("app.py", "from dash import Dash\napp = Dash()\nserver = app.server\n")],
                "gunicorn",
                "web: gunicorn app:server",
            ),
            (
                &[("dashboard.py", "import streamlit as st\nst.title('x')\n")],
                "streamlit",
                "web: streamlit run dashboard.py --server.port $PORT --server.address 0.0.0.0",
            ),
            (&[("bot.py", "import discord\nclient.run(token)\n")], "discord-py", "worker: python bot.py"),
            (&[("job.py", "print('x')\n")], "", "worker: python job.py"),
            (&[("my job.py", "print('x')\n")], "", "worker: python 'my job.py'"),
            (
                &[("the site/manage.py", MANAGE), ("the site/core/wsgi.py", WSGI)],
                "gunicorn",
                "web: gunicorn --chdir 'the site' core.wsgi",
            ),
            (
                &[("server.py", "from http.server import HTTPServer\nHTTPServer(('', 1)).serve_forever()\n")],
                "",
                "web: python server.py",
            ),
            (&[("tests/app.py", FLASK)], "gunicorn", ""),
            // An app that wasn't found isn't a worker.
            (
                &[
                    ("run.py", "from pkg import make\napp = make()\n"),
                    ("pkg/__init__.py", "from flask import Flask\ndef make(): return Flask(__name__)\n"),
                ],
                "flask",
                "",
            ),
            (&[("main.py", "from pkg.core import build\napp = build()\n")], "fastapi uvicorn", ""),
            (&[("srv.py", "from aiohttp import web\napp = web.Application()\n")], "aiohttp", ""),
            (&[("app.py", "from mine import serve\nserve()\n")], "django gunicorn", ""),
            (&[("a.py", "x = 1\n"), ("b.py", "y = 1\n")], "", ""),
            (&[("main.py", "def main():\n    app = Router()\n")], "", ""),
        ] {
            let sources: BTreeMap<&str, &str> = files.iter().copied().collect();
            let packages = Packages::All(installed.split_whitespace().map(str::to_owned).collect());
            let found = suggest(&sources, &packages).map(|found| match found.add {
                Some(add) => format!("{} + {add}", found.line),
                None => found.line,
            });
            assert_eq!(found.unwrap_or_default(), expected, "{files:?} {installed}");
        }
    }

    // C18
    #[test]
    fn what_may_come_with_other_packages_is_not_to_be_added() {
        let sources: BTreeMap<&str, &str> = [("main.py", FASTAPI)].into();
        for (packages, expected) in [
            (Packages::Some(["fastapi".to_owned()].into()), Some("uvicorn")),
            (Packages::Some(["litestar".to_owned()].into()), None),
            (Packages::Some(["uvicorn".to_owned()].into()), None),
            (Packages::All(["starlette".to_owned()].into()), Some("uvicorn")),
        ] {
            assert_eq!(suggest(&sources, &packages).unwrap().add, expected, "{packages:?}");
        }
    }
}
