//! Why a step of the app's own failed, in slugc's words, where the step's last words show it: a variable that isn't set
//! during the build, or a module that isn't installed.

use std::error::Error;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::collectstatic::disabling_command;
use crate::app::source::AppSource;
use crate::check::finding::Finding;
use crate::error::{Door, ErrorCode, Failure, Snippet, UserError};
use crate::host::process::RunError;

/// What a step was lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lack {
    Variable(String),
    Module(String),
}

/// A failure of a step, with what it was lacking.
#[derive(Debug)]
struct ExplainedFailure {
    failure: Failure,
    lack: Lack,
    place: Option<Snippet>,
    /// What `slugc check` says about the same.
    finding: Option<Finding>,
    /// Whether the app has a `.env`, which may have the variable.
    has_dotenv: bool,
}

impl fmt::Display for ExplainedFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.as_ref().map(|place| format!("{}, line {}", place.file, place.line));
        match (&self.lack, &self.finding, place) {
            (_, Some(finding), _) => write!(formatter, "{}", finding.message)?,
            (Lack::Variable(name), None, Some(place)) => {
                write!(formatter, "{name} isn't set during the build, and {place} needs it.")?;
            }
            (Lack::Variable(name), None, None) => write!(formatter, "{name} isn't set during the build.")?,
            (Lack::Module(name), None, Some(place)) => {
                write!(formatter, "The module `{name}`, which {place} needs, isn't installed.")?;
            }
            (Lack::Module(name), None, None) => write!(formatter, "The module `{name}` isn't installed.")?,
        }
        write!(formatter, " {}", self.failure)
    }
}

impl Error for ExplainedFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.error().source()
    }
}

impl UserError for ExplainedFailure {
    fn code(&self) -> ErrorCode {
        self.failure.code()
    }

    fn detail(&self) -> Option<String> {
        self.failure.error().detail()
    }

    fn snippet(&self) -> Option<Snippet> {
        self.finding.as_ref().map_or_else(|| self.place.clone(), |finding| finding.place.clone())
    }

    fn fix(&self, door: Door) -> Option<String> {
        Some(match (&self.lack, &self.finding) {
            (_, Some(finding)) => finding.fix().to_owned(),
            (Lack::Variable(name), None) => {
                let other_way = match is_hook(self.code()) {
                    true => String::new(),
                    false => {
                        format!("\nOr, if the app needs no collectstatic:\n{}", disabling_command(door))
                    }
                };
                match door {
                    Door::CommandLine => format!(
                        "Give it to the build, with a value that builds may know:\n\
                         slugc build --set {name}=VALUE\n\
                         Several are given by a file of NAME=VALUE lines{}: --env-file FILE.{other_way}",
                        if self.has_dotenv { ", such as the app's `.env`" } else { "" }
                    ),
                    Door::Buildpack => {
                        format!(
                            "Set it as a config var of the app:\n  heroku config:set {name}=VALUE{other_way}"
                        )
                    }
                }
            }
            (Lack::Module(_), None) => "Add the package that has it to the app's requirements.".to_owned(),
        })
    }

    fn exit_code(&self) -> u8 {
        self.failure.exit_code()
    }
}

/// Adds to the failure of a hook or of collectstatic what it was lacking, if its words tell. `findings` are those of
/// `slugc check`, which are only asked for if they can explain it.
pub(crate) fn explained(
    failure: Failure,
    app: &AppSource,
    findings: impl FnOnce() -> Vec<Finding>,
) -> Failure {
    if !is_step(failure.code()) {
        return failure;
    }
    let Some(log) = words_of(&failure) else { return failure };
    let Some(lack) = find_lack(&log) else { return failure };
    let place = find_place(&log, app, &lack);
    let finding = match &lack {
        Lack::Module(name) => findings().into_iter().find(|finding| tells_of_module(finding, name)),
        Lack::Variable(_) => None,
    };
    let has_dotenv = app.root.join(".env").is_file();
    ExplainedFailure { failure, lack, place, finding, has_dotenv }.into()
}

fn is_step(code: ErrorCode) -> bool {
    is_hook(code)
        || matches!(
            code,
            ErrorCode::CollectstaticSyntaxError
                | ErrorCode::CollectstaticConfiguration
                | ErrorCode::CollectstaticReferences
                | ErrorCode::CollectstaticMissingFile
                | ErrorCode::CollectstaticOther
        )
}

fn is_hook(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::PreCompileHook | ErrorCode::PostCompileHook)
}

/// Returns what the program has said.
fn words_of(failure: &Failure) -> Option<String> {
    let mut source = failure.error().source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<RunError>() {
            return Some(error.text());
        }
        source = error.source();
    }
    None
}

/// What programs and libraries say of a variable that isn't set; the name is the only group.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&[
        // django-environ
        r"ImproperlyConfigured: Set the (\w+) environment variable",
        // python-decouple
        r"UndefinedValueError: (\w+) not found",
        // environs
        r#"Environment variable "(\w+)" not set"#,
        // Starlette's Config
        r"Config '(\w+)' is missing, and has no default",
        // pydantic-settings
        r"validation errors? for \w*(?i:settings|config)\w*\n(\w+)\n\s+Field required",
        // bash and dash
        r"line \d+: (\w+): unbound variable",
        r": \d+: (\w+): parameter not set",
        r"(?:line )?\d+: (\w+): parameter null or not set",
    ])
});

/// A KeyError, which is one of the environment's only if `os.environ` was asked.
static KEY_ERROR: LazyLock<Regex> = LazyLock::new(|| pattern(&[r"(?m)^KeyError: '(\w+)'"]));

static MODULE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&[r"ModuleNotFoundError: No module named '([\w.]+)'"]));

/// Lines of tracebacks and of shells that name a place.
static PLACE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&[r#"(?m)^\s*File "([^"\n]+)", line (\d+)"#, r"(?m)^(\S+): (?:line )?(\d+): "]));

fn pattern(alternatives: &[&str]) -> Regex {
    Regex::new(&alternatives.join("|")).expect("the patterns are right")
}

fn find_lack(log: &str) -> Option<Lack> {
    let last = |pattern: &Regex| {
        let found = pattern.captures_iter(log).last()?;
        let name = found.iter().skip(1).flatten().next()?.as_str().to_owned();
        Some((found.get(0)?.start(), name))
    };
    let key_error = last(&KEY_ERROR).filter(|(at, _)| {
        let traceback = log[..*at].rfind("Traceback (most recent call last)").unwrap_or_default();
        let traceback = &log[traceback..*at];
        traceback.contains("environ") && traceback.contains("__getitem__")
    });
    let variable = last(&VARIABLE).into_iter().chain(key_error).max();
    let module = last(&MODULE);
    // What comes last is what ended the program.
    match (variable, module) {
        (Some((at, name)), Some((other, _))) if at > other => Some(Lack::Variable(upper(name))),
        (_, Some((_, name))) => Some(Lack::Module(name)),
        (Some((_, name)), None) => Some(Lack::Variable(upper(name))),
        (None, None) => None,
    }
}

/// pydantic names the field, which variables of any case stand for.
fn upper(name: String) -> String {
    if name.chars().any(|letter| letter.is_ascii_uppercase()) { name } else { name.to_ascii_uppercase() }
}

/// Finds the last place in a file of the app. The app is in another directory than its sources, so files are known by
/// the ends of their paths.
fn find_place(log: &str, app: &AppSource, lack: &Lack) -> Option<Snippet> {
    let (name, label) = match lack {
        Lack::Variable(name) => (name, "isn't set"),
        Lack::Module(name) => (name, "isn't installed"),
    };
    let places: Vec<(&str, usize)> = PLACE
        .captures_iter(log)
        .filter_map(|found| {
            let mut groups = found.iter().skip(1).flatten();
            Some((groups.next()?.as_str(), groups.next()?.as_str().parse().ok()?))
        })
        .collect();
    places.into_iter().rev().find_map(|(path, line)| {
        let file = own_file(path, app)?;
        let text = String::from_utf8(app.read_file(&file).ok()?).ok()?;
        let text = text.lines().nth(line.checked_sub(1)?)?.to_owned();
        let start = text.len() - text.trim_start().len();
        let span = text.find(name.as_str()).map_or(start..text.len(), |at| at..at + name.len());
        Some(Snippet { file, line, text, span, label: label.to_owned() })
    })
}

/// Returns the app's file that a path ends with.
fn own_file(path: &str, app: &AppSource) -> Option<String> {
    if path.contains("/.heroku/") || path.contains("/site-packages/") {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (0..parts.len()).map(|from| parts[from..].join("/")).find(|path| app.has_file(path))
}

fn tells_of_module(finding: &Finding, module: &str) -> bool {
    let top = module.split('.').next().unwrap_or(module);
    let is_of = |found: &str| found.split('.').next() == Some(top);
    finding.message.split('`').skip(1).step_by(2).any(is_of)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::app::source::read_source;
    use crate::env::Env;

    const FRAMES: &str = "Traceback (most recent call last):\n  File \"/s/tmp/x/app/manage.py\", line 1, in <module>\n  \
                          File \"/s/tmp/x/app/config/settings.py\", line 2, in <module>\n    x()\n";

    // B05, B22
    #[test]
    fn what_a_step_was_lacking_is_found_in_its_words() {
        let getitem = "  File \"<frozen os>\", line 685, in __getitem__\n";
        let environ = "    KEY = os.environ['KEY']\n";
        for (end, expected) in [
            (format!("{environ}{getitem}KeyError: 'SECRET_KEY'\n"), Some(Lack::Variable("SECRET_KEY".into()))),
            ("KeyError: 'name'\n".to_owned(), None),
            (
                "django.core.exceptions.ImproperlyConfigured: Set the DATABASE_URL environment variable\n".to_owned(),
                Some(Lack::Variable("DATABASE_URL".into())),
            ),
            (
                "decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default \
                 value.\n"
                    .to_owned(),
                Some(Lack::Variable("SECRET_KEY".into())),
            ),
            (
                "environs.EnvError: Environment variable \"TOKEN\" not set\n".to_owned(),
                Some(Lack::Variable("TOKEN".into())),
            ),
            (
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nsecret_key\n  \
                 Field required [type=missing]\n"
                    .to_owned(),
                Some(Lack::Variable("SECRET_KEY".into())),
            ),
            (
                "KeyError: \"Config 'DEBUG' is missing, and has no default.\"\n".to_owned(),
                Some(Lack::Variable("DEBUG".into())),
            ),
            ("bin/post_compile: line 3: API_URL: unbound variable\n".to_owned(), Some(Lack::Variable("API_URL".into()))),
            (
                "bin/pre_compile: 2: API_URL: parameter not set\n".to_owned(),
                Some(Lack::Variable("API_URL".into())),
            ),
            (
                "ModuleNotFoundError: No module named 'whitenoise'\n".to_owned(),
                Some(Lack::Module("whitenoise".into())),
            ),
            ("SyntaxError: invalid syntax\n".to_owned(), None),
        ] {
            let log = format!("{FRAMES}{end}");
            assert_eq!(find_lack(&log), expected, "{end}");
        }
    }

    // B05
    #[test]
    fn the_place_is_the_last_one_in_a_file_of_the_app() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("config")).unwrap();
        fs::create_dir_all(dir.path().join("bin")).unwrap();
        for (name, text) in [
            ("manage.py", "main()\n"),
            ("config/settings.py", "import os\nKEY = os.environ['KEY']\n"),
            ("bin/post_compile", "set -u\necho $KEY\n"),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let env = Env::for_tests(&[]);
        let app = read_source(dir.path(), &BTreeSet::new(), &env.interrupt).unwrap();
        let library =
            "  File \"/s/app/.heroku/python/lib/python3.13/site-packages/config/settings.py\", line 1\n";
        for (log, expected) in [
            (FRAMES.to_owned(), Some(("config/settings.py", 2))),
            (format!("{FRAMES}{library}"), Some(("config/settings.py", 2))),
            ("  File \"/app/manage.py\", line 1\n".to_owned(), Some(("manage.py", 1))),
            ("bin/post_compile: line 2: KEY: unbound variable\n".to_owned(), Some(("bin/post_compile", 2))),
            (
                "/s/tmp/x/app/bin/post_compile: line 2: KEY: unbound variable\n".to_owned(),
                Some(("bin/post_compile", 2)),
            ),
            ("  File \"/usr/lib/python3/os.py\", line 1\n".to_owned(), None),
            ("  File \"/app/manage.py\", line 99\n".to_owned(), None),
        ] {
            let place = find_place(&log, &app, &Lack::Variable("KEY".to_owned()));
            assert_eq!(place.as_ref().map(|place| (place.file.as_str(), place.line)), expected, "{log}");
        }
    }
}
