//! Settings that only PDM itself follows.

use toml::{Table, Value};

use crate::python::locked::OwnSetting;

/// Names what in pyproject.toml only PDM itself follows, and changes what is installed. What can't be read names
/// nothing: PDM has the better message.
pub(crate) fn own_settings(pyproject: &[u8]) -> Vec<OwnSetting> {
    let pyproject: Table = String::from_utf8_lossy(pyproject).parse().unwrap_or_default();
    let has = |table: &str, key: &str| {
        super::pyproject::pdm(&pyproject, table)
            .and_then(Value::as_table)
            .is_some_and(|table| table.contains_key(key))
    };
    let mut found = Vec::new();
    if has("options", "sync") {
        let text = "pyproject.toml has options for `pdm sync` (tool.pdm.options).".to_owned();
        found.push(OwnSetting { text, runs_code: false });
    }
    for script in ["pre_install", "post_install"].into_iter().filter(|script| has("scripts", script)) {
        let text = format!("pyproject.toml has a script that PDM runs when it installs ({script}).");
        found.push(OwnSetting { text, runs_code: true });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_installation_is_named() {
        for (pyproject, expected) in [
            ("[tool.pdm]\ndistribution = false\n", 0),
            ("[tool.pdm.scripts]\nstart = 'x'\npost_lock = 'x'\n", 0),
            ("[tool.pdm.scripts]\npre_install = 'x'\npost_install = 'y'\n", 2),
            ("[tool.pdm.options]\nsync = ['--no-self']\nlock = ['--strategy=x']\n", 1),
            ("[", 0),
        ] {
            assert_eq!(own_settings(pyproject.as_bytes()).len(), expected, "{pyproject}");
        }
    }
}
