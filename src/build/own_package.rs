//! A package of the app's own that couldn't be built: no index has another one, and nobody can lock it better.

use std::collections::BTreeSet;

use toml::Table;

use super::missing::{first_error_line, known_cause};
use crate::python::requirements::normalised_name;

/// The packages that are in the app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnPackages {
    /// The name of the app itself, normalised, if it has one.
    pub root: Option<String>,
    /// The names of those below it.
    pub others: BTreeSet<String>,
    /// How pyproject.toml says that the app isn't a package.
    pub way_out: Option<&'static str>,
}

/// What a package in the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Root,
    Other,
}

impl OwnPackages {
    /// Tells whether what failed to build is one of them, by what the installer calls it.
    pub(super) fn find(&self, name: &str, text: &str) -> Option<Own> {
        if name.contains("==") {
            return None;
        }
        let plain = normalised_name(name);
        // uv names the directory, and pip has nothing but that while it doesn't know the name.
        let is_here = name.starts_with("file://") || text.contains(&format!("{name} @ file://"));
        match &self.root {
            Some(root) if *root == plain => Some(Own::Root),
            _ if self.others.contains(&plain) || is_here => Some(Own::Other),
            _ => None,
        }
    }

    /// Tells of one that couldn't be built: its own words, then what they mean.
    pub(super) fn describe(&self, name: &str, text: &str, own: Own) -> String {
        let words = first_error_line(text).map_or_else(|| ".".to_owned(), |line| format!(":\n{line}"));
        let cause = known_cause(text).map(|cause| format!("\n{cause}")).unwrap_or_default();
        let what = match own {
            Own::Root => {
                format!("The app itself is installed as a package (`{name}`), and building it failed")
            }
            Own::Other => format!("Building `{name}`, which is in the app, failed"),
        };
        format!("{what}{words}{cause}")
    }

    /// Says what to do, unless the cause that is known says it.
    pub(super) fn fix(&self, text: &str, own: Own) -> Option<String> {
        if known_cause(text).is_some() {
            return None;
        }
        let correct = "what the message above is about in its\npyproject.toml, setup.cfg or setup.py.";
        Some(match (own, self.way_out) {
            (Own::Root, Some(way_out)) => format!(
                "If the app is only to run, write {way_out}\nin pyproject.toml.\nIf it is a package, correct {correct}"
            ),
            _ => format!("Correct {correct}"),
        })
    }
}

/// Returns the name of a project, normalised.
pub(super) fn project_name(pyproject: &str) -> Option<String> {
    let table: Table = pyproject.parse().ok()?;
    let of_poetry = || table.get("tool")?.get("poetry")?.get("name");
    let name = table.get("project").and_then(|project| project.get("name")).or_else(of_poetry)?;
    name.as_str().map(normalised_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    // D08
    #[test]
    fn the_app_is_never_a_package_without_a_wheel() {
        let own = |way_out| OwnPackages {
            root: Some("a-bot".into()),
            others: BTreeSet::from(["core-lib".into()]),
            way_out,
        };
        const WAY: Option<&str> = Some("`package = false` below [tool.uv]");
        let uv = "  × Failed to build `a-bot @ file:///s/app`\n      [stderr]\n      ValueError: no such package\n";
        for (name, text, way_out, found, says, advises) in [
            ("a-bot", uv, WAY, Some(Own::Root), "ValueError: no such package", Some("`package = false`")),
            ("A_Bot", "", WAY, Some(Own::Root), "The app itself", Some("`package = false`")),
            ("a-bot", "", None, Some(Own::Root), "The app itself", Some("Correct what the message")),
            ("core-lib", "", WAY, Some(Own::Other), "which is in the app", Some("Correct what the message")),
            (
                "x",
                "`x @ file:///s/app/libs/x`",
                WAY,
                Some(Own::Other),
                "which is in the app",
                Some("Correct"),
            ),
            ("file:///s/app", "", None, Some(Own::Other), "which is in the app", Some("Correct")),
            ("a-bot", "[stderr]\npg_config is required\n", WAY, Some(Own::Root), "libpq-dev", None),
            ("six", "", WAY, None, "", None),
            ("a-bot==1.0", "", WAY, None, "", None),
        ] {
            let own = own(way_out);
            assert_eq!(own.find(name, text), found, "{name} {text}");
            let Some(found) = found else { continue };
            let (message, fix) = (own.describe(name, text, found), own.fix(text, found));
            assert!(message.contains(says) && !message.contains("wheel"), "{name} {text}: {message}");
            assert_eq!(fix.is_some(), advises.is_some(), "{name} {text}: {fix:?}");
            assert!(fix.unwrap_or_default().contains(advises.unwrap_or_default()), "{name} {text}");
        }
    }
}
