//! Programs that everybody knows, and the packages that they are in.

/// Programs of Python packages, and the package of each. A program that isn't here may be the stack's, or another
/// buildpack's.
pub(super) const PROGRAMS: &[(&str, &str)] = &[
    ("alembic", "alembic"),
    ("arq", "arq"),
    ("celery", "celery"),
    ("chainlit", "chainlit"),
    ("circusd", "circus"),
    ("daphne", "daphne"),
    ("ddtrace-run", "ddtrace"),
    ("django-admin", "Django"),
    ("dramatiq", "dramatiq"),
    ("fastapi", "fastapi[standard]"),
    ("flask", "Flask"),
    ("granian", "granian"),
    ("gunicorn", "gunicorn"),
    ("honcho", "honcho"),
    ("huey_consumer", "huey"),
    ("huey_consumer.py", "huey"),
    ("hypercorn", "hypercorn"),
    ("jupyter", "jupyter"),
    ("litestar", "litestar[standard]"),
    ("mlflow", "mlflow"),
    ("newrelic-admin", "newrelic"),
    ("opentelemetry-instrument", "opentelemetry-distro"),
    ("panel", "panel"),
    ("prefect", "prefect"),
    ("procrastinate", "procrastinate"),
    ("pserve", "pyramid"),
    ("quart", "quart"),
    ("rq", "rq"),
    ("rqworker", "rq"),
    ("sanic", "sanic"),
    ("scrapy", "scrapy"),
    ("streamlit", "streamlit"),
    ("supervisord", "supervisor"),
    ("taskiq", "taskiq"),
    ("uvicorn", "uvicorn"),
    ("uwsgi", "uwsgi"),
    ("voila", "voila"),
    ("waitress-serve", "waitress"),
];

/// Returns the package that a well known program is in.
pub(super) fn package_of_program(program: &str) -> Option<&'static str> {
    PROGRAMS.iter().find(|(name, _)| *name == program).map(|(_, package)| *package)
}
