//! Files whose names are close to those that say how packages are installed: a slip of the writer's.

use super::manager::PackageManager;
use crate::app::names::printable;
use crate::app::source::AppSource;
use crate::error::similar::closest;

/// The names that are looked for.
const NAMES: [PackageManager; 8] = [
    PackageManager::Pip,
    PackageManager::Pipenv,
    PackageManager::Poetry,
    PackageManager::Uv,
    PackageManager::Pdm,
    PackageManager::Pylock,
    PackageManager::Pipfile,
    PackageManager::Pyproject,
];

/// Other endings of the same names.
const OTHER_ENDINGS: &[&str] = &["", "text", "txt.txt", "md", "rst", "tml", "lok", "json"];

/// Says for each file that may have been meant as another how to rename it, a sentence a line.
pub(super) fn advice(app: &AppSource) -> String {
    let files = app.names.iter().filter(|name| !app.dirs.contains(*name));
    let slips = files.filter_map(|name| {
        let name = std::str::from_utf8(name).ok()?;
        Some((name, meant(name)?))
    });
    slips.map(|(name, meant)| format!("Rename `{}` to `{meant}`.\n", printable(name.as_bytes()))).collect()
}

/// Returns the name that may have been meant by this one.
fn meant(name: &str) -> Option<&'static str> {
    let names = || NAMES.map(PackageManager::file).into_iter();
    let same = names().find(|known| known.eq_ignore_ascii_case(name));
    let ending = || {
        names().filter(|known| *known != "Pipfile").find(|known| {
            let (stem, ending) = known.split_once('.').unwrap_or((known, ""));
            let rest = name.strip_prefix(stem).map(|rest| rest.strip_prefix('.').unwrap_or(rest));
            // A file that is called `uv` may be anything.
            let is_ending =
                |rest: &&str| OTHER_ENDINGS.contains(rest) && (!rest.is_empty() || stem.len() > 8);
            rest.filter(is_ending).is_some_and(|rest| rest != ending)
        })
    };
    let profile = || (name.starts_with("pylock.") && name.ends_with(".toml")).then_some("pylock.toml");
    let lower = name.to_lowercase();
    let near = || closest(&lower, names());
    same.or_else(ending).or_else(profile).or_else(near).filter(|known| *known != name)
}

#[cfg(test)]
mod tests {
    use super::*;

    // D22, D40
    #[test]
    fn a_slip_in_a_name_is_recognised_and_another_file_is_not() {
        for (name, expected) in [
            ("requirement.txt", Some("requirements.txt")),
            ("requirments.txt", Some("requirements.txt")),
            ("Requirements.txt", Some("requirements.txt")),
            ("REQUIREMENTS.TXT", Some("requirements.txt")),
            ("requirements", Some("requirements.txt")),
            ("requirements.text", Some("requirements.txt")),
            ("requirements.txt.txt", Some("requirements.txt")),
            ("pipfile.lock", Some("Pipfile.lock")),
            ("pipfile", Some("Pipfile")),
            ("Pipfle.lock", Some("Pipfile.lock")),
            ("Poetry.lock", Some("poetry.lock")),
            ("potery.lock", Some("poetry.lock")),
            ("UV.lock", Some("uv.lock")),
            ("pyproject.tml", Some("pyproject.toml")),
            ("pyproject.tolm", Some("pyproject.toml")),
            ("pylock.prod.toml", Some("pylock.toml")),
            ("requirements-dev.txt", None),
            ("requirements.in", None),
            ("package.json", None),
            ("README.md", None),
            ("Gemfile.lock", None),
            ("yarn.lock", None),
            ("app.py", None),
            ("uv", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
