//! Django's collectstatic, for apps that have a `manage.py`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use walkdir::WalkDir;

use super::config_vars::ConfigVars;
use super::confine::run_step;
use super::execute::Workshop;
use super::importable::{can_import, python_in};
use crate::error::{Door, ErrorCode, NoticeCode, Result, UserError};
use crate::host::process::{Invocation, RunError, stream};
use crate::output::Output;
use crate::python::pip_config::without_credentials;

/// The file by which apps of old turn collectstatic off.
pub(crate) const DISABLING_FILE: &str = ".heroku/collectstatic_disabled";
/// The variable that turns it off.
pub(crate) const DISABLING_VARIABLE: &str = "DISABLE_COLLECTSTATIC";
/// The variable that has the environment shown when it fails.
pub(crate) const DEBUG_VARIABLE: &str = "DEBUG_COLLECTSTATIC";

/// How deep in the app a `manage.py` may be.
pub(super) const MAX_DEPTH: usize = 3;

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

/// What turns collectstatic off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disabled {
    /// The old file.
    File,
    /// The variable.
    Variable,
}

/// Decides whether collectstatic is turned off. A config var wins over the environment.
pub(crate) fn disabled(
    has_file: bool,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
) -> Option<Disabled> {
    let value = variable(DISABLING_VARIABLE, config_vars, python_env);
    match (has_file, value) {
        (true, _) => Some(Disabled::File),
        (false, Some(value)) if !value.is_empty() && value != "0" => Some(Disabled::Variable),
        (false, _) => None,
    }
}

fn variable<'a>(
    name: &str,
    config_vars: &'a ConfigVars,
    python_env: &'a BTreeMap<OsString, OsString>,
) -> Option<&'a OsStr> {
    config_vars.get(name).or_else(|| python_env.get(OsStr::new(name)).map(OsString::as_os_str))
}

/// Says why collectstatic isn't run, and notes it.
pub(crate) fn tell_disabled(disabled: Disabled, shop: Workshop<'_>) {
    let Workshop { output, record, .. } = shop;
    match disabled {
        Disabled::File => {
            record.set("django_collectstatic", "disabled-file");
            output.step(format!("Skipping Django collectstatic since the file '{DISABLING_FILE}' exists"));
            output.warning(
                NoticeCode::CollectstaticDisabledFile,
                at_door(
                    &format!(
                        "The file {DISABLING_FILE} is an old way to turn collectstatic off.\n\n\
                         Delete it, and set a config var instead:\n{DISABLING_VARIABLE}=1"
                    ),
                    output.door(),
                ),
            );
        }
        Disabled::Variable => {
            record.set("django_collectstatic", "disabled-env-var");
            output.step(format!("Skipping Django collectstatic since {DISABLING_VARIABLE} is set"));
        }
    }
}

/// Says that there is no `manage.py`, and notes it.
pub(super) fn tell_no_manage_py(shop: Workshop<'_>) {
    shop.record.set("django_collectstatic", "skipped-no-manage-py");
    shop.output.step("Skipping Django collectstatic since there is no manage.py");
}

/// Runs collectstatic if the app is one of Django's and nothing turns it off.
pub(crate) fn run(
    build_dir: &Path,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<()> {
    let step = || decide_and_run(build_dir, config_vars, python_env, shop);
    shop.record.time("django_collectstatic_duration", step)
}

fn decide_and_run(
    build_dir: &Path,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<()> {
    let record = shop.record;
    let has_file = build_dir.join(DISABLING_FILE).is_file();
    if let Some(disabled) = disabled(has_file, config_vars, python_env) {
        tell_disabled(disabled, shop);
        return Ok(());
    }
    let mut vars = python_env.clone();
    vars.extend(config_vars.for_child());
    if !can_import("django", build_dir, &vars, shop)? {
        return Ok(());
    }
    let Some(manage) = find_manage_py(build_dir) else {
        tell_no_manage_py(shop);
        return Ok(());
    };
    record.set("django_collectstatic", "enabled");
    // With this, an app whose settings are beside its manage.py finds them from anywhere.
    let python_path = vars.entry("PYTHONPATH".into()).or_default();
    if python_path.is_empty() {
        *python_path = ".".into();
    }
    collect(build_dir, &manage, &vars, config_vars, shop)
}

fn collect(
    build_dir: &Path,
    manage: &OsStr,
    vars: &BTreeMap<OsString, OsString>,
    config_vars: &ConfigVars,
    shop: Workshop<'_>,
) -> Result<()> {
    let Workshop { env, output, record, cell, .. } = shop;
    let command = format!("python {} collectstatic --noinput", manage.display());
    output.step(format!("$ {command}"));
    let mut invocation = Invocation::new(python_in(build_dir))
        .arg(manage)
        .args(["collectstatic", "--noinput", "--traceback"])
        .current_dir(build_dir);
    invocation.env = vars.clone();
    let Err(source) = run_step(stream, invocation, build_dir, cell, env, output) else { return Ok(()) };
    let log = source.text();
    if has_no_static_files(&log) {
        record.set("django_collectstatic", "skipped-no-staticfiles");
        output
            .step("Skipping Django collectstatic since 'django.contrib.staticfiles' isn't in INSTALLED_APPS");
        return Ok(());
    }
    if variable(DEBUG_VARIABLE, config_vars, vars) == Some(OsStr::new("1")) {
        show_environment(vars, config_vars, output);
    }
    Err(CollectstaticError { command, kind: FailureKind::of(&log), source }.into())
}

/// Whether Django doesn't know the command, as `django.contrib.staticfiles` isn't installed in the app. Django says
/// so only once it has loaded the settings; without settings it adds that there are none. Asking it beforehand would
/// mean to load the app twice.
fn has_no_static_files(log: &str) -> bool {
    log.contains("Unknown command: 'collectstatic'") && !log.contains("No Django settings specified")
}

/// Finds the `manage.py` that is the least deep in the app, and of several the first by name. A link to a file is
/// one; linked directories aren't searched.
pub(crate) fn find_manage_py(build_dir: &Path) -> Option<OsString> {
    let walk = WalkDir::new(build_dir).min_depth(1).max_depth(MAX_DEPTH).into_iter();
    let found = walk
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != ".heroku")
        .flatten()
        .filter(|entry| entry.file_name() == "manage.py" && entry.path().is_file())
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(build_dir).ok()?.as_os_str().to_owned();
            Some((entry.depth(), path))
        });
    found.min().map(|(_, path)| path)
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
    use std::fs;
    use std::os::unix::fs::symlink;

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
    fn the_config_var_wins_over_the_environment_and_the_file_over_both() {
        for (file, config, env, expected) in [
            (false, None, None, None),
            (false, Some("1"), None, Some(Disabled::Variable)),
            (false, None, Some("1"), Some(Disabled::Variable)),
            (false, Some("0"), Some("1"), None),
            (false, Some(""), Some("1"), None),
            (false, Some("1"), Some("0"), Some(Disabled::Variable)),
            (false, None, Some("0"), None),
            (false, None, Some(""), None),
            (false, Some("false"), None, Some(Disabled::Variable)),
            (true, None, None, Some(Disabled::File)),
            (true, Some("1"), None, Some(Disabled::File)),
        ] {
            let mut config_vars = ConfigVars::default();
            config_vars.extend(config.map(|value| (DISABLING_VARIABLE, value)));
            let vars = env.map(|value| (DISABLING_VARIABLE.into(), value.into())).into_iter().collect();
            assert_eq!(disabled(file, &config_vars, &vars), expected, "{file} {config:?} {env:?}");
        }
    }

    #[test]
    fn the_least_deep_manage_py_is_found() {
        for (files, expected) in [
            (&["manage.py", "a/manage.py"][..], Some("manage.py")),
            (&["b/manage.py", "a/b/manage.py"], Some("b/manage.py")),
            (&["b/manage.py", "a/manage.py"], Some("a/manage.py")),
            (&["a/b/manage.py"], Some("a/b/manage.py")),
            (&["a/b/c/manage.py"], None),
            (&["a/not_manage.py", ".heroku/manage.py"], None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            assert_eq!(find_manage_py(dir.path()), expected.map(OsString::from), "{files:?}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("manage.py")).unwrap();
        symlink("nowhere", dir.path().join("b")).unwrap();
        assert_eq!(find_manage_py(dir.path()), None, "a directory");
        fs::remove_dir(dir.path().join("manage.py")).unwrap();
        fs::write(dir.path().join("real.py"), "").unwrap();
        symlink("real.py", dir.path().join("manage.py")).unwrap();
        assert_eq!(find_manage_py(dir.path()), Some("manage.py".into()), "a link");
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
