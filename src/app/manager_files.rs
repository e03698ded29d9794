//! Which files of package managers are a complete choice of one: what a `.slugignore` leaves of several has to be.

/// The files that choose a package manager, and what each needs beside it.
const CHOICES: &[(&str, &[&str])] = &[
    ("requirements.txt", &[]),
    ("Pipfile.lock", &["Pipfile"]),
    ("poetry.lock", &["pyproject.toml"]),
    ("uv.lock", &["pyproject.toml"]),
    ("pdm.lock", &["pyproject.toml"]),
    ("pylock.toml", &[]),
];

/// Files of choices that don't count beside others, as Heroku doesn't know them.
const NOT_HEROKUS: &[&str] = &["pdm.lock", "pylock.toml"];

/// Returns whether a file in the top level directory belongs to a package manager.
pub(super) fn is_of_manager(path: &str) -> bool {
    CHOICES.iter().any(|(file, others)| *file == path || others.contains(&path))
}

/// Returns whether files are a complete choice of one package manager. `has` says which there are, `read` reads one.
pub(super) fn is_complete(has: impl Fn(&str) -> bool, read: &dyn Fn(&str) -> Option<String>) -> bool {
    let found: Vec<_> = CHOICES.iter().filter(|(file, _)| has(file)).collect();
    let known: Vec<_> = found.iter().copied().filter(|(file, _)| !NOT_HEROKUS.contains(file)).collect();
    let found = if known.is_empty() { found } else { known };
    let [(file, others)] = found.as_slice() else { return false };
    let pipfile_alone = has("Pipfile") && *file != "Pipfile.lock";
    let has_project = ["pyproject.toml", "setup.py"].iter().any(|name| has(name));
    !pipfile_alone
        && others.iter().all(|other| has(other))
        && (has_project || !read(file).is_some_and(|text| names_the_app(&text)))
}

/// Whether requirements or a lock name the app itself: `-e .`, `path = "."`.
fn names_the_app(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split(" #").next().unwrap_or(line).trim();
        let requirement = line.strip_prefix("--editable").or(line.strip_prefix("-e")).unwrap_or(line);
        let requirement = requirement.trim_start_matches(['=', ' ']);
        let requirement = requirement.split(['[', ';']).next().unwrap_or(requirement).trim();
        let locked = line.replace(' ', "");
        [".", "./"].contains(&requirement)
            || ["path=\".\"", "\"path\":\".\""].iter().any(|words| locked.contains(words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // C07
    #[test]
    fn what_is_left_of_two_package_managers_is_a_choice_or_not() {
        for (left, complete) in [
            (&["requirements.txt"][..], true),
            (&["requirements.txt", "pyproject.toml"], true),
            (&["Pipfile", "Pipfile.lock"], true),
            (&["Pipfile.lock"], false),
            (&["Pipfile", "requirements.txt"], false),
            (&["poetry.lock", "pyproject.toml"], true),
            (&["poetry.lock"], false),
            (&["uv.lock", "pyproject.toml"], true),
            (&["uv.lock"], false),
            (&["pdm.lock", "pyproject.toml"], true),
            (&["pdm.lock"], false),
            (&["pylock.toml"], true),
            (&["pylock.toml", "requirements.txt"], true),
            (&["requirements.txt", "uv.lock", "pyproject.toml"], false),
            (&["poetry.lock", "uv.lock", "pyproject.toml"], false),
            (&["pyproject.toml"], false),
            (&["Pipfile"], false),
            (&[], false),
        ] {
            assert_eq!(is_complete(|name| left.contains(&name), &|_| None), complete, "{left:?}");
        }
        for (file, text, complete) in [
            ("requirements.txt", "flask==3.1.0\n", true),
            ("requirements.txt", "-e .\n", false),
            ("requirements.txt", "flask\n.[web] # ours\n", false),
            ("requirements.txt", "--editable=.\n", false),
            ("requirements.txt", "-e ./libs/a\n", true),
            ("pylock.toml", "directory = { path = \".\" }\n", false),
            ("pylock.toml", "name = \"flask\"\n", true),
        ] {
            let found = is_complete(|name| name == file, &|_| Some(text.to_owned()));
            assert_eq!(found, complete, "{file}: {text}");
            let with_project =
                is_complete(|name| [file, "pyproject.toml"].contains(&name), &|_| Some(text.to_owned()));
            assert!(with_project, "{file}: {text}");
        }
    }
}
