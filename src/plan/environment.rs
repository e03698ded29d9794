//! The environment that the buildpack gives the app: one definition, rendered for each reader.

use serde::Serialize;

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
}

/// Returns what every Python app gets at run time, as Heroku's buildpack sets it.
pub fn runtime_environment() -> EnvDelta {
    let changes = [
        ("PIP_DISABLE_PIP_VERSION_CHECK", Change::Set("1".into())),
        ("PATH", Change::Prepend("$HOME/.heroku/python/bin".into())),
        ("PYTHONUNBUFFERED", Change::Set("true".into())),
        // Programs that embed Python find its library by this; Python itself doesn't need it.
        ("PYTHONHOME", Change::Set("$HOME/.heroku/python".into())),
        ("LIBRARY_PATH", Change::Prepend("$HOME/.heroku/python/lib".into())),
        ("LD_LIBRARY_PATH", Change::Prepend("$HOME/.heroku/python/lib".into())),
        ("LANG", Change::Default("en_US.UTF-8".into())),
        ("PYTHONPATH", Change::Default("$HOME".into())),
    ];
    EnvDelta { changes: changes.into_iter().map(|(name, change)| (name.to_owned(), change)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_its_line() {
        let delta = EnvDelta {
            changes: vec![
                ("A".into(), Change::Set("$HOME/x".into())),
                ("P".into(), Change::Prepend("$HOME/bin".into())),
                ("D".into(), Change::Default("y".into())),
            ],
        };
        assert_eq!(
            delta.render_shell("/app"),
            "export A=\"/app/x\"\nexport P=\"/app/bin${P:+:$P}\"\nexport D=\"${D:-y}\"\n"
        );
    }
}
