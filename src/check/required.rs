//! What the app requires, before it is built: by its lock, or by requirements that name everything.

use std::collections::BTreeSet;

use super::catalogue::Severity;
use super::facts::Facts;
use super::finding::Finding;
use super::gather::LOCK_FILES;
use super::known_programs::PROGRAMS;
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
    ("bentoml", "", &["uvicorn", "circus", "gunicorn"]),
    ("chainlit", "", &["uvicorn"]),
    ("channels", "", &["daphne"]),
    ("channels-redis", "", &["daphne"]),
    ("chromadb", "", &["uvicorn"]),
    ("connexion", "", &["uvicorn", "flask"]),
    ("dash", "", &["flask"]),
    ("datasette", "", &["uvicorn"]),
    ("fastapi", "standard", &["uvicorn", "fastapi-cli"]),
    ("fastapi", "standard-no-fastapi-cloud-cli", &["uvicorn", "fastapi-cli"]),
    ("fastapi", "all", &["uvicorn", "fastapi-cli"]),
    ("fastapi-cli", "", &["uvicorn"]),
    ("fastapi-cloud-cli", "", &["uvicorn"]),
    ("fastmcp", "", &["uvicorn"]),
    ("explainerdashboard", "", &["waitress", "flask"]),
    ("feast", "", &["gunicorn", "uvicorn", "uvicorn-worker"]),
    ("flask-sockets", "", &["gevent", "flask"]),
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
    ("webtest", "", &["waitress"]),
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
    "fastapi-cli",
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

/// The packages that apps require most often and that bring none of those that are rarely brought, whatever else they
/// bring: one a line, sorted.
const TABLE: &str = include_str!("brings_no_server.txt");

/// Beginnings of the names of many packages of which the same is true.
const FAMILIES: &[&str] = &["google-cloud-", "mypy-boto3-", "nvidia-", "opentelemetry-", "types-"];

/// Extras of which nobody can tell what they bring.
const MANY_THINGS: &[&str] = &[
    "all",
    "complete",
    "deploy",
    "deployment",
    "dev",
    "develop",
    "development",
    "docs",
    "full",
    "prod",
    "production",
    "serve",
    "server",
    "serving",
    "test",
    "testing",
    "tests",
    "web",
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
    "django-cors-headers",
    "django-environ",
    "djangorestframework",
    "falcon",
    "fastapi",
    "gunicorn",
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

/// A package that nothing names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lack {
    /// What doesn't name it: the app's lock, or its requirements.
    pub(super) file: &'static str,
    /// Requirements that aren't known, so each of them may bring it: then it isn't certain.
    pub(super) unless: Vec<String>,
}

impl Lack {
    /// Returns whether the package surely isn't there.
    pub(super) fn is_certain(&self) -> bool {
        self.unless.is_empty()
    }

    /// Adds to a finding what isn't known, if anything isn't: then it is a warning.
    pub(super) fn weigh(&self, mut finding: Finding, package: &str) -> Finding {
        const SHOWN: usize = 3;
        if self.is_certain() {
            return finding;
        }
        let named = self.unless.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(" or ");
        let more = match self.unless.len().saturating_sub(SHOWN) {
            0 => String::new(),
            1 => " or another package".to_owned(),
            more => format!(" or one of {more} others"),
        };
        finding
            .message
            .push_str(&format!(" Unless {named}{more} brings {package}, the process can't start."));
        let fix = format!(
            "Add {package} to {}, with a version. If another\npackage brings it, run `slugc build` first: then that is known.",
            self.file
        );
        finding.with_severity(Severity::Warning).with_fix(fix)
    }
}

/// Returns which file lacks a package: the app's lock, or its requirements.
pub(super) fn lacking(facts: &Facts, package: &str) -> Option<Lack> {
    let package = distribution_of(package);
    if installs_by_itself(facts, &package) {
        return None;
    }
    let locks: Vec<&str> = LOCK_FILES.iter().copied().filter(|name| facts.has_file(name)).collect();
    match locks.as_slice() {
        [] => Some(Lack { file: "requirements.txt", unless: unless(facts, &package)? }),
        // Beside requirements.txt it depends on which lock it is.
        [lock] if !facts.has_file("requirements.txt") => {
            let names = names_in_lock(facts.texts.get(*lock)?)?;
            let file = LOCK_FILES.iter().find(|name| *name == lock)?;
            (!names.contains(&package)).then_some(Lack { file, unless: Vec::new() })
        }
        _ => None,
    }
}

/// Returns the normalised name of a requirement, without its extras.
fn distribution_of(requirement: &str) -> String {
    normalised_name(requirement.split('[').next().unwrap_or(requirement))
}

/// Whether a hook or a boot script may install the package.
pub(super) fn installs_by_itself(facts: &Facts, package: &str) -> bool {
    let may_run = |path: &str| path.starts_with("bin/") || path.starts_with(".profile");
    facts.texts.iter().filter(|(path, _)| may_run(path)).any(|(_, text)| {
        text.contains("install") && (text.contains(package) || text.contains("-r ") || text.contains("sync"))
    })
}

/// Returns the requirements that may bring a package, for all that is known. Nothing if one of them does, or is likely
/// to.
fn unless(facts: &Facts, package: &str) -> Option<Vec<String>> {
    let mut unless = Vec::new();
    for entry in &facts.requirements.as_ref()?.entries {
        match &entry.kind {
            RequirementKind::Named { .. } if entry.constraint => {}
            RequirementKind::Named { name, text, .. } => match brings(name, text, package) {
                Brings::Surely => return None,
                Brings::Perhaps => unless.push(name.clone()),
                Brings::Never => {}
            },
            RequirementKind::Option(_) => {}
            _ => return None,
        }
    }
    // What many packages bring is there more often than not.
    (unless.is_empty() || RARELY_BROUGHT.contains(&package)).then(|| {
        unless.sort();
        unless.dedup();
        unless
    })
}

/// Returns the requirements of which it isn't known which programs they bring. Nothing if one is named as the program is, or
/// if not all of them can be read.
pub(super) fn may_bring_programs(facts: &Facts, program: &str) -> Option<Lack> {
    const DECLARE: &[&str] = &["requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "setup.cfg"];
    let locks: Vec<&str> = LOCK_FILES.iter().copied().filter(|name| facts.has_file(name)).collect();
    let (file, names) = match (&facts.requirements, locks.as_slice()) {
        (Some(requirements), []) => {
            ("requirements.txt", requirements.are_all_named().then(|| requirements.names())?)
        }
        (_, [lock]) if !facts.has_file("requirements.txt") => {
            (*lock, names_in_lock(facts.texts.get(*lock)?)?)
        }
        (None, []) if !DECLARE.iter().any(|name| facts.has_file(name)) => {
            ("requirements.txt", BTreeSet::new())
        }
        _ => return None,
    };
    if names.contains(&normalised_name(program)) {
        return None;
    }
    let is_known = |name: &str| {
        BRING_NOTHING.contains(&name)
            || is_in_table(name)
            || PROGRAMS.iter().any(|(_, package)| distribution_of(package) == name)
    };
    Some(Lack { file, unless: names.into_iter().filter(|name| !is_known(name)).collect() })
}

/// Whether a requirement brings a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brings {
    Surely,
    Perhaps,
    Never,
}

fn brings(name: &str, text: &str, package: &str) -> Brings {
    let extras: Vec<String> = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(extras, _)| extras.split(',').map(|extra| normalised_name(extra.trim())).collect())
        .unwrap_or_default();
    let is_named = |word: &str| name.contains(word) || extras.iter().any(|extra| extra.contains(word));
    let known = |extra: &str| {
        BRINGS
            .iter()
            .find(|(known, its, _)| *known == name && *its == extra)
            .map(|(_, _, packages)| *packages)
    };
    let is_known = [""].into_iter().chain(extras.iter().map(String::as_str));
    if is_named(package) || is_known.filter_map(known).any(|packages| packages.contains(&package)) {
        return Brings::Surely;
    }
    let may_be_all = |extra: &String| MANY_THINGS.contains(&extra.as_str()) && known(extra).is_none();
    let brings_nothing =
        BRING_NOTHING.contains(&name) || (RARELY_BROUGHT.contains(&package) && is_in_table(name));
    if brings_nothing && !extras.iter().any(may_be_all) { Brings::Never } else { Brings::Perhaps }
}

/// Returns whether a package is known to bring none of those that are rarely brought.
fn is_in_table(name: &str) -> bool {
    FAMILIES.iter().any(|start| name.starts_with(start)) || TABLE.lines().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::catalogue::FindingCode;
    use crate::check::check;
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

    // C14
    #[test]
    fn what_an_unknown_package_may_bring_is_not_certainly_missing() {
        const USUAL: &str = "django==5.1\nrequests\npsycopg2-binary==2.9\ncelery[redis]==5.4\nwhitenoise==6.7\n\
                             flask-login==0.6\ngoogle-cloud-storage\nnvidia-cublas-cu12\ndjango-debug-toolbar\n\
                             sentry-sdk[django]\nuvicorn[standard]\nPillow\npython_dotenv\n";
        for (requirements, package, unless) in [
            (USUAL, "gunicorn", Some(&[][..])),
            ("flask==3.1.0\nstreamlit==1.41.1", "gunicorn", Some(&[])),
            ("acme-web-stack==1.0", "gunicorn", Some(&["acme-web-stack"])),
            ("Acme_Web.Stack==1.0\nflask", "waitress", Some(&["acme-web-stack"])),
            ("flask\nzzz\naaa\nzzz; python_version > '3'", "gunicorn", Some(&["aaa", "zzz"])),
            ("dash[all]==2.18", "gunicorn", Some(&["dash"])),
            ("flask\ndash[testing]", "waitress", Some(&["dash"])),
            ("fastapi[all]==0.115.6", "gunicorn", Some(&[])),
            ("-c acme.txt\nflask", "gunicorn", Some(&[])),
            ("mlflow==3.5", "huey", Some(&["mlflow"])),
            ("acme-web-stack==1.0\nuvicorn-worker", "gunicorn", None),
            ("acme-web-stack==1.0", "uvicorn", None),
            ("acme-web-stack==1.0", "flask", None),
            ("acme-gunicorn-stack==1.0", "gunicorn", None),
        ] {
            let facts = facts(&[("requirements.txt", requirements), ("acme.txt", "acme-web-stack==1.0\n")]);
            let found = lacking(&facts, package);
            let expected = unless.map(|names| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
            assert_eq!(found.map(|lack| lack.unless), expected, "{requirements}: {package}");
        }
    }

    // C14
    #[test]
    fn a_server_that_may_be_brought_is_a_warning_that_names_the_package() {
        for (requirements, command, severity, words) in [
            (
                "acme-web-stack==1.0\n",
                "gunicorn wsgi:app",
                Severity::Warning,
                "Unless acme-web-stack brings gunicorn",
            ),
            (
                "a\nb\nc\nd\n",
                "waitress-serve wsgi:app",
                Severity::Warning,
                "Unless a or b or c or another package brings",
            ),
            (
                "a\nb\nc\nd\ne\n",
                "python -m gunicorn wsgi:app",
                Severity::Warning,
                "or one of 2 others brings",
            ),
            (
                "acme\ngunicorn\n",
                "gunicorn -k gevent wsgi:app",
                Severity::Warning,
                "Unless acme brings gevent",
            ),
            (
                "flask\ngunicorn\n",
                "gunicorn -k gevent wsgi:app",
                Severity::Error,
                "isn't in requirements.txt",
            ),
            ("flask\n", "gunicorn wsgi:app", Severity::Error, "requirements.txt doesn't name it."),
        ] {
            let procfile = format!("web: {command}\n");
            let files =
                [("requirements.txt", requirements), ("Procfile", &procfile), ("wsgi.py", "app = 1\n")];
            let found = check(&facts(&files));
            let of_kind = |finding: &&Finding| finding.code == FindingCode::CommandNotInstalled;
            let found = found.iter().find(of_kind).unwrap_or_else(|| panic!("{requirements}: {command}"));
            assert_eq!(found.severity, severity, "{requirements}: {command}");
            assert!(found.message.contains(words), "{}", found.message);
        }
        let tool = [("requirements.txt", "acme\n"), ("Procfile", "web: poetry run gunicorn wsgi:app\n")];
        let found = check(&facts(&tool));
        assert!(!found.iter().any(|finding| finding.code == FindingCode::ProcfileMissingTool), "{found:?}");
    }

    #[test]
    fn the_table_is_sorted_and_has_nothing_that_brings_a_server() {
        let names: Vec<&str> = TABLE.lines().collect();
        assert!(names.is_sorted_by(|a, b| a < b), "sort it, without repetitions");
        for name in names {
            assert_eq!(normalised_name(name), name);
            let rare = |packages: &[&str]| packages.iter().any(|package| RARELY_BROUGHT.contains(package));
            let bad = BRINGS
                .iter()
                .find(|(known, extra, packages)| *known == name && extra.is_empty() && rare(packages));
            // These bring one server, and none of the others.
            assert!(bad.is_none() || ["channels", "channels-redis", "quart"].contains(&name), "{name}");
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
            let lack = Lack { file: lock, unless: Vec::new() };
            assert_eq!(lacking(&known, "gunicorn"), Some(lack));
            assert_eq!(lacking(&known, "Flask"), None, "{lock}");
            let installs = facts(&[(lock, text), ("bin/post_compile", "pip install gunicorn\n")]);
            assert_eq!(lacking(&installs, "gunicorn"), None, "{lock}");
            let two = facts(&[(lock, text), ("requirements.txt", "flask==3.1.0\n")]);
            assert_eq!(lacking(&two, "gunicorn"), None, "{lock}");
        }
    }
}
