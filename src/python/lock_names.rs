//! The names of the packages that a lock file lists for running the app, whoever wrote it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::requirements::normalised_name;

/// Lists them, normalised; nothing, if the file can't be read or lists none.
pub(crate) fn names_in_lock(text: &str) -> Option<BTreeSet<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let names = if text.trim_start().starts_with('{') { of_pipfile_lock(text)? } else { of_toml(text)? };
    (!names.is_empty()).then_some(names)
}

fn of_pipfile_lock(text: &str) -> Option<BTreeSet<String>> {
    let lock: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(lock.get("default")?.as_object()?.keys().map(|name| normalised_name(name)).collect())
}

/// Every one of the others has a table for each package.
fn of_toml(text: &str) -> Option<BTreeSet<String>> {
    let lock: Table = text.parse().ok()?;
    let tables = ["package", "packages"].iter().find_map(|key| lock.get(*key)?.as_array())?;
    let named = tables.iter().filter(|package| is_to_run(package));
    Some(named.filter_map(|package| package.get("name")?.as_str()).map(normalised_name).collect())
}

/// Whether a package isn't for development alone, as far as Poetry's and PDM's locks say so.
fn is_to_run(package: &Value) -> bool {
    let groups = package.get("groups").and_then(Value::as_array);
    let is_main = |group: &Value| group.as_str().is_some_and(|group| ["main", "default"].contains(&group));
    groups.is_none_or(|groups| groups.iter().any(is_main))
        && package.get("category").and_then(Value::as_str) != Some("dev")
}

#[cfg(test)]
mod tests {
    use super::*;

    // C36
    #[test]
    fn what_is_for_development_alone_is_not_among_the_names() {
        for (lock, expected) in [
            (r#"{"default": {"Flask": {}}, "develop": {"gunicorn": {}}}"#, Some("flask")),
            ("[[package]]\nname = 'Flask'\n[[package]]\nname = 'a.b'\n", Some("a-b flask")),
            ("[[packages]]\nname = \"flask\"\n", Some("flask")),
            (
                "[[package]]\nname='flask'\ngroups=['main']\n[[package]]\nname='x'\ngroups=['dev']\n",
                Some("flask"),
            ),
            ("[[package]]\nname='flask'\ngroups=['default','dev']\n", Some("flask")),
            (
                "[[package]]\nname='flask'\ncategory='main'\n[[package]]\nname='x'\ncategory='dev'\n",
                Some("flask"),
            ),
            ("{}", None),
            ("not = [toml", None),
            ("version = 1\n", None),
        ] {
            let names = names_in_lock(lock).map(|names| names.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(names.as_deref(), expected, "{lock}");
        }
    }
}
