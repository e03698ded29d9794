//! What the app requires, before it is built: by its lock, or by requirements that name everything.

use super::facts::Facts;
use super::gather::LOCK_FILES;
use crate::python::lock_names::names_in_lock;
use crate::python::requirements::{RequirementKind, normalised_name};

/// Packages that bring others with programs: the package, the extra that does (none: it always does), and what it
/// brings. From their metadata; where versions differ, what any of them brings.
const BRINGS: &[(&str, &str, &[&str])] = &[
    ("aim", "", &["uvicorn"]),
    ("apache-airflow", "", &["gunicorn", "uvicorn", "flask", "alembic", "celery"]),
    ("apache-airflow-core", "", &["gunicorn", "uvicorn", "flask", "alembic"]),
    ("apache-superset", "", &["gunicorn", "celery", "flask", "alembic"]),
    ("azureml-inference-server-http", "", &["gunicorn", "flask"]),
    ("bentoml", "", &["uvicorn"]),
    ("chainlit", "", &["uvicorn"]),
    ("channels", "", &["daphne"]),
    ("chromadb", "", &["uvicorn"]),
    ("connexion", "", &["uvicorn", "flask"]),
    ("dash", "", &["flask"]),
    ("datasette", "", &["uvicorn"]),
    ("fastapi", "standard", &["uvicorn"]),
    ("fastapi", "standard-no-fastapi-cloud-cli", &["uvicorn"]),
    ("fastapi", "all", &["uvicorn"]),
    ("fastapi-cli", "", &["uvicorn"]),
    ("fastapi-cloud-cli", "", &["uvicorn"]),
    ("fastmcp", "", &["uvicorn"]),
    ("flower", "", &["celery"]),
    ("functions-framework", "", &["gunicorn", "uvicorn", "flask"]),
    ("gradio", "", &["uvicorn"]),
    ("grequests", "", &["gevent"]),
    ("h2o-wave", "", &["uvicorn"]),
    ("kedro-viz", "", &["uvicorn"]),
    ("litellm", "proxy", &["gunicorn", "uvicorn"]),
    ("litestar", "standard", &["uvicorn"]),
    ("litestar", "full", &["uvicorn"]),
    ("litestar-granian", "", &["granian"]),
    ("locust", "", &["gevent", "flask"]),
    ("marimo", "", &["uvicorn"]),
    ("mcp", "", &["uvicorn"]),
    ("mlflow", "", &["gunicorn", "uvicorn", "waitress", "flask", "alembic"]),
    ("mlflow-skinny", "", &["uvicorn"]),
    ("nicegui", "", &["uvicorn"]),
    ("prefect", "", &["uvicorn", "alembic"]),
    ("promptflow", "", &["waitress", "flask"]),
    ("python-fasthtml", "", &["uvicorn"]),
    ("quart", "", &["hypercorn"]),
    ("rasa", "", &["sanic"]),
    ("ray", "", &["uvicorn"]),
    ("reflex", "", &["gunicorn", "granian", "uvicorn", "alembic"]),
    ("starlite", "", &["uvicorn"]),
    ("streamlit", "", &["uvicorn"]),
    ("uvicorn-worker", "", &["gunicorn", "uvicorn"]),
    ("zope", "", &["waitress"]),
    ("plone", "", &["waitress"]),
    ("zerorpc", "", &["gevent"]),
];

/// Packages that hardly any other package brings: without one that is known to, they aren't there.
const RARELY_BROUGHT: &[&str] = &[
    "arq",
    "celery",
    "chainlit",
    "circus",
    "daphne",
    "ddtrace",
    "dramatiq",
    "eventlet",
    "gevent",
    "granian",
    "gunicorn",
    "honcho",
    "huey",
    "hypercorn",
    "meinheld",
    "newrelic",
    "pdm",
    "pipenv",
    "poetry",
    "rq",
    "sanic",
    "scrapy",
    "streamlit",
    "supervisor",
    "taskiq",
    "uv",
    "uvicorn-worker",
    "uwsgi",
    "voila",
    "waitress",
];

/// Packages that surely bring none of the programs, so that another one is missing even if many packages bring it.
const BRING_NOTHING: &[&str] = &[
    "aiofiles",
    "aiohttp",
    "anyio",
    "asgiref",
    "asyncpg",
    "attrs",
    "beautifulsoup4",
    "boto3",
    "bottle",
    "certifi",
    "cryptography",
    "databases",
    "dj-database-url",
    "django",
    "django-environ",
    "djangorestframework",
    "django-cors-headers",
    "falcon",
    "fastapi",
    "httpx",
    "jinja2",
    "matplotlib",
    "motor",
    "mysqlclient",
    "numpy",
    "openai",
    "pandas",
    "passlib",
    "pillow",
    "psycopg",
    "psycopg2",
    "psycopg2-binary",
    "pydantic",
    "pydantic-settings",
    "pyjwt",
    "pymongo",
    "python-decouple",
    "python-dotenv",
    "python-jose",
    "python-multipart",
    "pytz",
    "pyyaml",
    "redis",
    "requests",
    "scikit-learn",
    "scipy",
    "sentry-sdk",
    "six",
    "sqlalchemy",
    "sqlmodel",
    "starlette",
    "tzdata",
    "urllib3",
    "whitenoise",
];

/// Returns which file surely lacks a package: the app's lock, or its requirements.
pub(super) fn lacking(facts: &Facts, package: &str) -> Option<&'static str> {
    let package = normalised_name(package.split('[').next().unwrap_or(package));
    if installs_by_itself(facts, &package) {
        return None;
    }
    let locks: Vec<&str> = LOCK_FILES.iter().copied().filter(|name| facts.has_file(name)).collect();
    match locks.as_slice() {
        [] => isnt_required(facts, &package).then_some("requirements.txt"),
        // Beside requirements.txt it depends on which lock it is.
        [lock] if !facts.has_file("requirements.txt") => {
            let names = names_in_lock(facts.texts.get(*lock)?)?;
            let lock = LOCK_FILES.iter().find(|name| *name == lock)?;
            (!names.contains(&package)).then_some(*lock)
        }
        _ => None,
    }
}

/// Whether a hook or a boot script may install the package.
fn installs_by_itself(facts: &Facts, package: &str) -> bool {
    let may_run = |path: &str| path.starts_with("bin/") || path.starts_with(".profile");
    facts.texts.iter().filter(|(path, _)| may_run(path)).any(|(_, text)| {
        text.contains("install") && (text.contains(package) || text.contains("-r ") || text.contains("sync"))
    })
}

/// Returns whether a package surely isn't among the requirements: they are all known by name, and none is known to
/// bring it.
fn isnt_required(facts: &Facts, package: &str) -> bool {
    let Some(requirements) = &facts.requirements else { return false };
    requirements.entries.iter().all(|entry| match &entry.kind {
        RequirementKind::Named { name, text, .. } => entry.constraint || !may_bring(name, text, package),
        RequirementKind::Option(_) => true,
        _ => false,
    })
}

fn may_bring(name: &str, text: &str, package: &str) -> bool {
    let extras: Vec<String> = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(extras, _)| extras.split(',').map(|extra| normalised_name(extra.trim())).collect())
        .unwrap_or_default();
    let is_named = |word: &str| name.contains(word) || extras.iter().any(|extra| extra.contains(word));
    let is_known = BRINGS.iter().any(|(known, extra, packages)| {
        *known == name
            && packages.contains(&package)
            && (extra.is_empty() || extras.iter().any(|one| one == extra))
    });
    is_named(package) || is_known || !(RARELY_BROUGHT.contains(&package) || BRING_NOTHING.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::app as facts;

    // C14
    #[test]
    fn a_framework_brings_only_the_servers_that_it_really_brings() {
        for (requirements, package, is_lacking) in [
            ("flask==3.1.0\nstreamlit==1.41.1", "gunicorn", true),
            ("fastapi==0.115.6", "uvicorn", true),
            ("fastapi[standard]==0.115.6", "uvicorn", false),
            ("fastapi[all]==0.115.6", "uvicorn", false),
            ("fastapi[standard]==0.115.6", "gunicorn", true),
            ("fastapi==0.115.6\nstarlette==0.41\nsqlalchemy==2.0", "uvicorn", true),
            ("fastapi==0.115.6\nsomething-else==1", "uvicorn", false),
            ("gradio==5.9", "uvicorn", false),
            ("gradio==5.9", "gunicorn", true),
            ("sanic==24.12", "gunicorn", true),
            ("dash==2.18", "gunicorn", true),
            ("panel==1.5", "hypercorn", true),
            ("quart==0.20", "hypercorn", false),
            ("quart==0.20", "uvicorn", false),
            ("channels==3.0", "daphne", false),
            ("channels[daphne]==4.2", "daphne", false),
            ("mlflow==2.19", "gunicorn", false),
            ("uvicorn-worker==0.3", "gunicorn", false),
            ("uvicorn[standard]==0.34", "uvicorn", false),
            ("litestar==2.13", "granian", true),
            ("litestar-granian==0.1", "granian", false),
            ("django==5.1\ngunicorn[gevent]==23.0", "gevent", false),
            ("django==5.1", "celery", true),
            ("django-celery-beat==2.7", "celery", false),
            ("flower==2.0", "celery", false),
            ("flask-login==0.6", "flask", false),
            ("django==5.1", "flask", true),
            ("-e .", "gunicorn", false),
            ("./libs/server", "gunicorn", false),
        ] {
            let facts = facts(&[("requirements.txt", requirements)]);
            assert_eq!(lacking(&facts, package).is_some(), is_lacking, "{requirements}: {package}");
        }
    }

    // C36
    #[test]
    fn a_lock_names_everything() {
        let toml = "[[package]]\nname = \"flask\"\nversion = \"3.1.0\"\n";
        for (lock, text) in [
            ("uv.lock", toml),
            ("poetry.lock", toml),
            ("pdm.lock", toml),
            ("pylock.toml", "[[packages]]\nname = \"flask\"\n"),
            ("Pipfile.lock", "{\"default\": {\"flask\": {}}, \"develop\": {\"gunicorn\": {}}}"),
        ] {
            let known = facts(&[(lock, text)]);
            assert_eq!(lacking(&known, "gunicorn"), Some(lock));
            assert_eq!(lacking(&known, "Flask"), None, "{lock}");
            let installs = facts(&[(lock, text), ("bin/post_compile", "pip install gunicorn\n")]);
            assert_eq!(lacking(&installs, "gunicorn"), None, "{lock}");
            let two = facts(&[(lock, text), ("requirements.txt", "flask==3.1.0\n")]);
            assert_eq!(lacking(&two, "gunicorn"), None, "{lock}");
        }
    }
}
