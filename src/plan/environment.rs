//! The environment that the buildpack gives the app: one definition, rendered for each reader.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde::Serialize;

use super::manager::PackageManager;

/// Where programs are looked for if nothing says it, as in a dyno.
const BASE_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A change of one variable. `$HOME` in a value is the app's directory, known only when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Replaces what there was.
    Set(String),
    /// Put before what there was, with a colon between them.
    Prepend(String),
    /// Set, unless there is a value. An empty value counts as none, as in a shell's `${NAME:-value}`.
    Default(String),
}

/// Changes of an environment, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct EnvDelta {
    /// Each variable and its change.
    pub changes: Vec<(String, Change)>,
}

impl EnvDelta {
    fn of<'a>(changes: impl IntoIterator<Item = (&'a str, Change)>) -> Self {
        Self { changes: changes.into_iter().map(|(name, change)| (name.to_owned(), change)).collect() }
    }

    /// Adds where NLTK's corpora are, for an app that has some.
    pub fn with_nltk_data(mut self) -> Self {
        let data = Change::Set("$HOME/.heroku/python/nltk_data".into());
        self.changes.insert(0, ("NLTK_DATA".into(), data));
        self
    }

    /// Renders lines for a POSIX shell, with this in the place of `$HOME`.
    pub fn render_shell(&self, home: &str) -> String {
        let mut script = String::new();
        for (name, change) in &self.changes {
            let line = match change {
                Change::Set(value) => format!("export {name}=\"{}\"", value.replace("$HOME", home)),
                Change::Prepend(value) => {
                    let value = value.replace("$HOME", home);
                    // An empty entry in a search path means the working directory: no colon without an old value.
                    format!("export {name}=\"{value}${{{name}:+:${name}}}\"")
                }
                Change::Default(value) => {
                    format!("export {name}=\"${{{name}:-{}}}\"", value.replace("$HOME", home))
                }
            };
            script.push_str(&line);
            script.push('\n');
        }
        script
    }

    /// Makes the changes to an environment, as the shell would with the rendered lines.
    pub fn apply(&self, home: &OsStr, vars: &mut BTreeMap<OsString, OsString>) {
        for (name, change) in &self.changes {
            let old = vars.get(OsStr::new(name)).filter(|old| !old.is_empty());
            let value = match (change, old) {
                (Change::Default(_), Some(_)) => continue,
                (Change::Set(value) | Change::Prepend(value) | Change::Default(value), None)
                | (Change::Set(value), Some(_)) => with_home(value, home),
                (Change::Prepend(value), Some(old)) => {
                    let mut value = with_home(value, home);
                    value.push(":");
                    value.push(old);
                    value
                }
            };
            vars.insert(name.into(), value);
        }
    }
}

fn with_home(value: &str, home: &OsStr) -> OsString {
    let mut parts = value.split("$HOME");
    let mut text = OsString::from(parts.next().unwrap_or_default());
    for part in parts {
        text.push(home);
        text.push(part);
    }
    text
}

/// Returns what every Python app gets at run time, as Heroku's buildpack sets it. The package manager's own
/// variables come first, so that Python's programs win over them.
pub fn runtime_environment(manager: PackageManager) -> EnvDelta {
    let for_manager: &[(&str, Change)] = match manager {
        PackageManager::Pip => &[("PIP_DISABLE_PIP_VERSION_CHECK", Change::Set("1".into()))],
        PackageManager::Pipenv => &[
            ("PATH", Change::Prepend("$HOME/.heroku/python/pipenv/bin".into())),
            ("PIPENV_SYSTEM", Change::Set("1".into())),
            ("PIPENV_VERBOSITY", Change::Set("-1".into())),
            // Pipenv would otherwise skip the packages that it needs itself.
            ("VIRTUAL_ENV", Change::Set("$HOME/.heroku/python".into())),
        ],
        _ => &[],
    };
    let for_all = [
        ("PATH", Change::Prepend("$HOME/.heroku/python/bin".into())),
        ("PYTHONUNBUFFERED", Change::Set("true".into())),
        // Programs that embed Python find its library by this; Python itself doesn't need it.
        ("PYTHONHOME", Change::Set("$HOME/.heroku/python".into())),
        ("LIBRARY_PATH", Change::Prepend("$HOME/.heroku/python/lib".into())),
        ("LD_LIBRARY_PATH", Change::Prepend("$HOME/.heroku/python/lib".into())),
        ("LANG", Change::Default("en_US.UTF-8".into())),
        ("PYTHONPATH", Change::Default("$HOME".into())),
    ];
    EnvDelta::of(for_manager.iter().cloned().chain(for_all))
}

/// Returns the environment of the programs that a build runs in the app's directory (hooks, collectstatic, NLTK):
/// the old one, with the app's Python in it by its real path.
pub fn compile_environment(
    build_dir: &Path,
    old: &BTreeMap<OsString, OsString>,
) -> BTreeMap<OsString, OsString> {
    let prepend = |path: &str| Change::Prepend(format!("$HOME/.heroku/python/{path}"));
    let delta = EnvDelta::of([
        ("PATH", Change::Default(BASE_PATH.into())),
        ("PATH", prepend("bin")),
        ("PYTHONUNBUFFERED", Change::Set("1".into())),
        ("LANG", Change::Set("en_US.UTF-8".into())),
        ("C_INCLUDE_PATH", prepend("include")),
        ("CPLUS_INCLUDE_PATH", prepend("include")),
        ("LIBRARY_PATH", prepend("lib")),
        ("LD_LIBRARY_PATH", prepend("lib")),
        // Heroku's buildpack names `pkg-config`, which isn't there.
        ("PKG_CONFIG_PATH", prepend("lib/pkgconfig")),
    ]);
    let mut vars = old.clone();
    // Another Python's library would be the wrong one.
    for name in ["PYTHONHOME", "PYTHONPATH"] {
        vars.remove(OsStr::new(name));
    }
    delta.apply(build_dir.as_os_str(), &mut vars);
    vars
}

/// Returns the scripts that a dyno sources besides `python.sh`, by their names in `.profile.d`.
pub fn profile_scripts() -> Vec<(&'static str, String)> {
    vec![
        ("WEB_CONCURRENCY.sh", include_str!("profile/WEB_CONCURRENCY.sh").to_owned()),
        ("python.gunicorn.sh", gunicorn_environment().render_shell("$HOME")),
    ]
}

/// Heroku's router is the only way to a dyno, and sets the headers itself: so gunicorn may trust them, whoever
/// sends them. As in Heroku's buildpack, a value of the user's is replaced.
fn gunicorn_environment() -> EnvDelta {
    EnvDelta::of([
        ("FORWARDED_ALLOW_IPS", Change::Set("*".into())),
        ("GUNICORN_CMD_ARGS", Change::Default("--access-logfile -".into())),
    ])
}

/// Renders `.profile.d/python.sh`: the environment, and the place where hard-coded paths look for Python.
pub fn render_python_sh(environment: &EnvDelta) -> String {
    environment.render_shell("$HOME") + &render_app_link("/app")
}

/// A dyno's app is in `/app`. Where it is elsewhere, a link leads to its Python if the machine allows one; a boot
/// never fails for want of it, and a directory that is there stays.
fn render_app_link(app: &str) -> String {
    format!(
        "if [ \"$HOME\" != {app} ] && {{ [ -L {app}/.heroku/python ] || [ ! -e {app}/.heroku/python ]; }}; then\n\
         \tmkdir -p {app}/.heroku 2>/dev/null && ln -nsf \"$HOME/.heroku/python\" {app}/.heroku/python 2>/dev/null || true\n\
         fi\n"
    )
}
