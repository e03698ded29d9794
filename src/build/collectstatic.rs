//! Django's collectstatic, for apps that have a `manage.py`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::config_vars::ConfigVars;
use super::context::Context;
use super::importable::python_in;
use super::steps::Workspace;
use crate::error::{Door, ErrorCode, NoticeCode, Result, UserError};
use crate::host::process::{Invocation, RunError, stream};
use crate::output::Output;
use crate::plan::steps::{DISABLING_FILE, DISABLING_VARIABLE, Skip, Step};
use crate::python::pip_config::without_credentials;

/// The variable that has the environment shown when it fails.
pub(crate) const DEBUG_VARIABLE: &str = "DEBUG_COLLECTSTATIC";

/// collectstatic failed.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` was run in the app's directory. {}", .kind.describe())]
pub(crate) struct CollectstaticError {
    command: String,
    kind: FailureKind,
    source: RunError,
}

/// Why, as far as its words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureKind {
    Syntax,
    Configuration,
    References,
    MissingFile,
    Other,
}

impl FailureKind {
    /// The first that matches counts.
    fn of(log: &str) -> Self {
        const SIGNS: &[(&str, FailureKind)] = &[
            ("SyntaxError", FailureKind::Syntax),
            ("ImproperlyConfigured", FailureKind::Configuration),
            ("The CSS file", FailureKind::References),
            ("OSError", FailureKind::MissingFile),
        ];
        SIGNS.iter().find(|(sign, _)| log.contains(sign)).map_or(Self::Other, |(_, kind)| *kind)
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Syntax => "Python can't parse one of the files that it loads.",
            Self::Configuration => "Django's settings aren't complete, or contradict each other.",
            Self::References => "A style sheet refers to a file that isn't among the static files.",
            Self::MissingFile => "A file or directory that it needs is missing or can't be used.",
            Self::Other => "The traceback above says why it failed.",
        }
    }
}

impl UserError for CollectstaticError {
    fn code(&self) -> ErrorCode {
        match (&self.source, self.kind) {
            (RunError::Interrupted(interrupted), _) => interrupted.code(),
            (_, FailureKind::Syntax) => ErrorCode::CollectstaticSyntaxError,
            (_, FailureKind::Configuration) => ErrorCode::CollectstaticConfiguration,
            (_, FailureKind::References) => ErrorCode::CollectstaticReferences,
            (_, FailureKind::MissingFile) => ErrorCode::CollectstaticMissingFile,
            (_, FailureKind::Other) => ErrorCode::CollectstaticOther,
        }
    }

    fn fix(&self, door: Door) -> Option<String> {
        Some(at_door(self.code().entry().fix, door))
    }

    fn exit_code(&self) -> u8 {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Says how collectstatic is turned off at this door, in a text that ends with the bare assignment.
fn at_door(text: &str, door: Door) -> String {
    let assignment = format!("{DISABLING_VARIABLE}=1");
    let command = disabling_command(door);
    let lines = text.lines().map(|line| if line == assignment { command.as_str() } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the command that turns collectstatic off at this door.
pub(super) fn disabling_command(door: Door) -> String {
    match door {
        Door::CommandLine => format!("slugc build --set {DISABLING_VARIABLE}=1"),
        Door::Buildpack => format!("heroku config:set {DISABLING_VARIABLE}=1"),
    }
}

/// Whether the variable turns collectstatic off. A config var wins over the environment.
pub(crate) fn is_off(config_vars: &ConfigVars, vars: &BTreeMap<OsString, OsString>) -> bool {
    variable(DISABLING_VARIABLE, config_vars, vars).is_some_and(|value| !value.is_empty() && value != "0")
}

fn variable<'a>(
    name: &str,
    config_vars: &'a ConfigVars,
    vars: &'a BTreeMap<OsString, OsString>,
) -> Option<&'a OsStr> {
    config_vars.get(name).or_else(|| vars.get(OsStr::new(name)).map(OsString::as_os_str))
}

/// Says why collectstatic isn't run, and notes it.
pub(super) fn tell_skipped(skip: Skip, context: Context<'_>) {
    let Context { output, record, .. } = context;
    let status = match skip {
        Skip::DisabledByFile => "disabled-file",
        Skip::DisabledByVariable => "disabled-env-var",
        Skip::NoManagePy => "skipped-no-manage-py",
        Skip::NoNltkFile | Skip::EmptyNltkFile => return,
    };
    record.set("django_collectstatic", status);
    let reason = match skip {
        Skip::DisabledByFile => format!("the file '{DISABLING_FILE}' exists"),
        _ => skip.reason().to_owned(),
    };
    output.step(format!("Skipping Django collectstatic since {reason}"));
    if skip == Skip::DisabledByFile {
        let text = format!(
            "The file {DISABLING_FILE} is an old way to turn collectstatic off.\n\n\
             Delete it, and set a config var instead:\n{DISABLING_VARIABLE}=1"
        );
        output.warning(NoticeCode::CollectstaticDisabledFile, at_door(&text, output.door()));
    }
}

/// Runs collectstatic by this `manage.py`.
pub(super) fn run(manage: &Path, workspace: &Workspace, context: Context<'_>) -> Result<()> {
    let Context { output, record, .. } = context;
    let Workspace { dir, config_vars, .. } = workspace;
    record.set("django_collectstatic", "enabled");
    let mut vars = workspace.with_config_vars();
    // With this, an app whose settings are beside its manage.py finds them from anywhere.
    let python_path = vars.entry("PYTHONPATH".into()).or_default();
    if python_path.is_empty() {
        *python_path = ".".into();
    }
    let command = Step::Collectstatic(manage.to_owned()).command();
    output.step(format!("$ {command}"));
    let mut invocation = Invocation::new(python_in(dir))
        .arg(manage)
        .args(["collectstatic", "--noinput", "--traceback"])
        .current_dir(dir);
    invocation.env = vars.clone();
    let Err(source) = workspace.run(stream, invocation, context) else { return Ok(()) };
    let log = source.text();
    if has_no_static_files(&log) {
        record.set("django_collectstatic", "skipped-no-staticfiles");
        output
            .step("Skipping Django collectstatic since 'django.contrib.staticfiles' isn't in INSTALLED_APPS");
        return Ok(());
    }
    if variable(DEBUG_VARIABLE, config_vars, &vars) == Some(OsStr::new("1")) {
        show_environment(&vars, config_vars, output);
    }
    Err(CollectstaticError { command, kind: FailureKind::of(&log), source }.into())
}

/// Whether Django doesn't know the command, as `django.contrib.staticfiles` isn't installed in the app. Django says
/// so only once it has loaded the settings; without settings it adds that there are none. Asking it beforehand would
/// mean to load the app twice.
fn has_no_static_files(log: &str) -> bool {
    log.contains("Unknown command: 'collectstatic'") && !log.contains("No Django settings specified")
}

/// Parts of names whose values are not shown.
const SECRET_NAMES: &[&str] = &[
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD_",
    "KEY",
    "PRIVATE",
    "CREDENTIAL",
    "AUTH",
    "COOKIE",
    "SESSION",
    "DSN",
    "WEBHOOK",
];

/// Shows the environment that collectstatic had: sorted, and without secrets.
fn show_environment(vars: &BTreeMap<OsString, OsString>, config_vars: &ConfigVars, output: &Output) {
    output.detail("****** Collectstatic environment variables:");
    for (name, value) in vars {
        let name = name.to_string_lossy();
        let upper = name.to_uppercase();
        let is_secret =
            config_vars.get(&name).is_some() || SECRET_NAMES.iter().any(|part| upper.contains(part));
        let shown = match is_secret {
            true => "(hidden)".to_owned(),
            false => without_credentials(&value.to_string_lossy()).replace('\n', "\\n"),
        };
        output.verbatim(format!("{name}={shown}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn the_first_sign_in_the_log_names_the_kind() {
        for (log, kind) in [
            ("  File \"x\"\nSyntaxError: invalid syntax\nImproperlyConfigured", FailureKind::Syntax),
            ("django.core.exceptions.ImproperlyConfigured: OSError", FailureKind::Configuration),
            ("The CSS file 'a.css' references a file OSError", FailureKind::References),
            ("OSError: [Errno 2]", FailureKind::MissingFile),
            ("ImportError: no module", FailureKind::Other),
            ("", FailureKind::Other),
        ] {
            assert_eq!(FailureKind::of(log), kind, "{log}");
        }
    }

    // B05
    #[test]
    fn each_door_says_in_its_own_way_how_collectstatic_is_turned_off() {
        for kind in [
            FailureKind::Syntax,
            FailureKind::Configuration,
            FailureKind::References,
            FailureKind::MissingFile,
            FailureKind::Other,
        ] {
            let source =
                RunError::TookTooLong { program: "python".to_owned(), limit: std::time::Duration::ZERO };
            let error = CollectstaticError { command: String::new(), kind, source };
            for (door, expected, other) in [
                (Door::CommandLine, "\nslugc build --set DISABLE_COLLECTSTATIC=1\n", "heroku config"),
                (Door::Buildpack, "\nheroku config:set DISABLE_COLLECTSTATIC=1\n", "slugc"),
            ] {
                let fix = error.fix(door).unwrap();
                assert!(fix.contains(expected) && !fix.contains(other), "{kind:?} {door:?}: {fix}");
            }
        }
    }

    #[test]
    fn the_config_var_wins_over_the_environment() {
        for (config, env, expected) in [
            (None, None, false),
            (Some("1"), None, true),
            (None, Some("1"), true),
            (Some("0"), Some("1"), false),
            (Some(""), Some("1"), false),
            (Some("1"), Some("0"), true),
            (None, Some("0"), false),
            (None, Some(""), false),
            (Some("false"), None, true),
        ] {
            let mut config_vars = ConfigVars::default();
            config_vars.extend(config.map(|value| (DISABLING_VARIABLE, value)));
            let vars = env.map(|value| (DISABLING_VARIABLE.into(), value.into())).into_iter().collect();
            assert_eq!(is_off(&config_vars, &vars), expected, "{config:?} {env:?}");
        }
    }

    #[test]
    fn an_unknown_command_means_no_static_files_unless_there_are_no_settings() {
        for (log, expected) in [
            ("Unknown command: 'collectstatic'\nType 'manage.py help' for usage.\n", true),
            ("No Django settings specified.\nUnknown command: 'collectstatic'\n", false),
            ("Unknown command: 'other'", false),
            ("Traceback", false),
        ] {
            assert_eq!(has_no_static_files(log), expected, "{log}");
        }
    }

    #[test]
    fn the_environment_is_shown_sorted_and_without_secrets() {
        let log = crate::output::tests::Captured::default();
        let output = Output::to_sink(log.clone(), Format::Text);
        let mut config_vars = ConfigVars::default();
        config_vars.extend([("MODE", "hush")]);
        let vars = [
            ("PATH", "/bin"),
            ("MODE", "hush"),
            ("A_LINES", "a\nb"),
            ("django_secret_key", "hush"),
            ("GITHUB_TOKEN", "hush"),
            ("HTTPS_PROXY", "http://me:hush@proxy.test:1"),
        ];
        let vars = vars.map(|(name, value)| (name.into(), value.into())).into_iter().collect();
        show_environment(&vars, &config_vars, &output);
        assert_eq!(
            log.text(),
            "       ****** Collectstatic environment variables:\n       A_LINES=a\\nb\n       GITHUB_TOKEN=(hidden)\n       \
             HTTPS_PROXY=http://proxy.test:1\n       MODE=(hidden)\n       PATH=/bin\n       django_secret_key=(hidden)\n"
        );
    }
}
