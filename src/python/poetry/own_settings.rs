//! Settings that only Poetry itself follows.

use toml::{Table, Value};

use crate::python::locked::{Constraint, OwnSetting};

/// Names what in pyproject.toml and poetry.toml only Poetry itself follows, and changes what is installed. What can't
/// be read names nothing: Poetry has the better message.
pub(crate) fn own_settings(pyproject: &[u8], poetry_toml: Option<&[u8]>) -> Vec<OwnSetting> {
    const OF_INSTALLER: [&str; 3] = ["no-binary", "only-binary", "build-config-settings"];
    let parse = |bytes: &[u8]| String::from_utf8_lossy(bytes).parse::<Table>().unwrap_or_default();
    let (pyproject, settings) = (parse(pyproject), parse(poetry_toml.unwrap_or_default()));
    let mut found = Vec::new();
    let plugins = super::pyproject::poetry(&pyproject, "requires-plugins").and_then(Value::as_table);
    if plugins.is_some_and(|plugins| !plugins.is_empty()) {
        let text = "pyproject.toml asks for plugins of Poetry (requires-plugins).".to_owned();
        found.push(OwnSetting { text, runs_code: true });
    }
    let installer = settings.get("installer").and_then(Value::as_table);
    let keys = OF_INSTALLER.iter().filter(|key| installer.is_some_and(|table| table.contains_key(**key)));
    let texts = keys.map(|key| format!("poetry.toml sets installer.{key}."));
    found.extend(texts.map(|text| OwnSetting { text, runs_code: false }));
    found
}

/// Returns what pyproject.toml asks for if this version of Poetry isn't it.
pub(crate) fn required_version(pyproject: &[u8], version: &str) -> Option<String> {
    let pyproject = String::from_utf8_lossy(pyproject).parse::<Table>().ok()?;
    let required = super::pyproject::poetry(&pyproject, "requires-poetry")?.as_str()?;
    (!Constraint::parse(required).allows(version)).then(|| required.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_installation_is_named() {
        for (pyproject, settings, expected) in [
            ("[tool.poetry]\nname = 'x'\n", None, 0),
            ("[tool.poetry]\n[tool.poetry.requires-plugins]\n", None, 0),
            ("[tool.poetry.requires-plugins]\npoetry-plugin-x = '>1'\n", None, 1),
            ("", Some("[virtualenvs]\nin-project = true\n[installer]\nparallel = false\n"), 0),
            ("", Some("[installer]\nno-binary = ['x']\nonly-binary = ['y']\n"), 2),
            ("", Some("[installer.build-config-settings.x]\na = 'b'\n"), 1),
            ("[", Some("["), 0),
        ] {
            let found = own_settings(pyproject.as_bytes(), settings.map(str::as_bytes));
            assert_eq!(found.len(), expected, "{pyproject} {settings:?}: {found:?}");
        }
    }
}
