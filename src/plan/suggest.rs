//! A Procfile line to suggest when there is none: printed, never applied.

use std::collections::BTreeSet;

use regex::Regex;

/// Files in the top level directory that usually hold the web app, likeliest first.
pub(crate) const CANDIDATES: &[&str] = &[
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

/// Suggests the line of a Procfile for the web process.
///
/// `sources` are files of the app with their text: [`CANDIDATES`], and `wsgi.py` and `asgi.py` one directory
/// down, as Django makes them. `installed` are the normalised names of the packages.
pub(crate) fn suggest_web_process(
    sources: &[(String, String)],
    installed: &BTreeSet<String>,
) -> Option<String> {
    let has = |name: &str| installed.contains(name);
    let (file, attribute, asynchronous) = sources.iter().find_map(|(file, text)| {
        let (attribute, asynchronous) = find_application(text)?;
        Some((file, attribute, asynchronous))
    })?;
    let module = file.strip_suffix(".py")?.replace('/', ".");
    let target = format!("{module}:{attribute}");
    if asynchronous {
        if has("gunicorn") && has("uvicorn-worker") {
            Some(format!("web: gunicorn {target} --worker-class uvicorn_worker.UvicornWorker"))
        } else if has("uvicorn") {
            Some(format!("web: uvicorn {target} --host 0.0.0.0 --port $PORT"))
        } else {
            None
        }
    } else if has("gunicorn") {
        // gunicorn binds to 0.0.0.0:$PORT by itself when PORT is set.
        Some(format!("web: gunicorn {target}"))
    } else {
        None
    }
}

/// Finds the name that a web app is bound to at the top level of a module, and whether it is ASGI.
fn find_application(text: &str) -> Option<(String, bool)> {
    const PATTERN: &str = r"(?m)^(\w+)(?:\s*:\s*[\w.\[\]]+)?\s*=\s*(?:\w+\.)*(Flask|Bottle|Dash|Falcon|get_wsgi_application|create_app|make_app|FastAPI|Starlette|Quart|Litestar|Sanic|get_asgi_application)\(";
    let pattern = Regex::new(PATTERN).ok()?;
    let found = pattern.captures(text)?;
    let asynchronous = matches!(
        &found[2],
        "FastAPI" | "Starlette" | "Quart" | "Litestar" | "Sanic" | "get_asgi_application"
    );
    Some((found[1].to_owned(), asynchronous))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognisable_apps_get_a_line() {
        for (file, text, installed, expected) in [
            (
                "wsgi.py",
                "from flask import Flask\napp = Flask(__name__)\n",
                "gunicorn",
                Some("web: gunicorn wsgi:app"),
            ),
            (
                "app.py",
                "app: FastAPI = fastapi.FastAPI()\n",
                "uvicorn",
                Some("web: uvicorn app:app --host 0.0.0.0 --port $PORT"),
            ),
            (
                "site/wsgi.py",
                "application = get_wsgi_application()\n",
                "gunicorn",
                Some("web: gunicorn site.wsgi:application"),
            ),
            ("wsgi.py", "app = Flask(__name__)\n", "requests", None),
            ("app.py", "def main():\n    app = Flask(__name__)\n", "gunicorn", None),
            ("app.py", "print('hello')\n", "gunicorn", None),
        ] {
            let sources = [(file.to_owned(), text.to_owned())];
            let installed = BTreeSet::from([installed.to_owned()]);
            assert_eq!(suggest_web_process(&sources, &installed).as_deref(), expected, "{file}: {text}");
        }
    }
}
