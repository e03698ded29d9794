//! What the app has in its directory or its repository, and the slug won't have: files that `.gitignore` or
//! `.slugignore` leaves out, and submodules that aren't checked out.

use std::path::Path;

use super::catalogue::{FindingCode, Severity};
use super::code::{Code, Found, Reached, absolute};
use super::command::join;
use super::facts::Facts;
use super::finding::Finding;
use super::module::{Import, string_literal};
use crate::app::deciders::without_use;
use crate::app::gitmodules::submodule_paths;
use crate::app::left_out::without_effect;
use crate::app::names::shortened;
use crate::app::source::Gitlink;
use crate::output::shell_quote;

/// How many submodules a message names.
const SHOWN: usize = 5;

/// Checks what is surely needed and is left out, and what isn't there at all.
pub(super) fn check_absent(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let mut findings = imports_of_left_out(facts, code);
    findings.extend(facts.ignored_deciders.iter().map(|(name, rule)| {
        Finding::new(FindingCode::SourceFileIgnored, without_effect(name, rule)).in_file(name.as_str())
    }));
    findings.extend(facts.unusable.iter().map(|(name, why)| {
        Finding::new(FindingCode::SourceFileUnusable, without_use(name, why)).in_file(*name)
    }));
    findings.extend(empty_submodules(facts));
    findings.extend(unnamed_submodules(facts));
    findings
}

/// A file that is in the app's directory but not in the slug.
pub(super) struct LeftOut<'a> {
    path: String,
    rule: &'a str,
}

impl LeftOut<'_> {
    /// Makes the finding of it; `need` says who needs the file, to go before a colon.
    pub(super) fn finding(&self, need: &str) -> Finding {
        let Self { path, rule } = self;
        let message = format!("{need}: {path} is in the directory, but {rule} leaves it out of the slug.");
        Finding::new(FindingCode::SourceNeededFileLeftOut, message)
    }
}

/// Finds a file among those that are left out.
pub(super) fn left_out_file<'a>(facts: &'a Facts, path: &str) -> Option<LeftOut<'a>> {
    facts.left_out.get(path).map(|rule| LeftOut { path: path.to_owned(), rule })
}

/// Finds a module, by its name with dots, among what is left out.
pub(super) fn left_out_module<'a>(facts: &'a Facts, module: &str, roots: &[String]) -> Option<LeftOut<'a>> {
    if facts.left_out.is_empty() || module.is_empty() {
        return None;
    }
    roots.iter().find_map(|root| {
        let path = join(root, &module.replace('.', "/"));
        let in_package = || {
            let start = format!("{path}/");
            let (file, rule) = facts.left_out.range(start.clone()..).next()?;
            file.starts_with(&start).then(|| LeftOut { path: path.clone(), rule })
        };
        left_out_file(facts, &format!("{path}.py")).or_else(in_package)
    })
}

fn imports_of_left_out(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    if facts.left_out.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for reached in code.reached() {
        let Some(module) = code.module(&reached.file).filter(|module| !module.has_error) else { continue };
        let text = facts.texts.get(&reached.file).map(String::as_str).unwrap_or_default();
        for import in module.imports.iter().filter(|import| import.certain) {
            findings.extend(import_left_out(facts, code, reached, import).map(|left_out| {
                let need = format!("{} imports `{}`", reached.file, import.module);
                left_out.finding(&need).at(import.place.snippet(&reached.file, text, "isn't in the slug"))
            }));
        }
        // Django imports the module that this names.
        for call in module.calls.iter().filter(|call| call.callee.ends_with("environ.setdefault")) {
            let is_settings = call.args.first().is_some_and(|name| name.contains("DJANGO_SETTINGS_MODULE"));
            let name = call.args.get(1).and_then(|value| string_literal(value)).filter(|_| is_settings);
            let Some(name) = name else { continue };
            if is_absent(&code.find(&name, &reached.roots))
                && let Some(left_out) = left_out_module(facts, &name, &reached.roots)
            {
                // A config var of that name would count instead.
                let need = format!("{} names the settings `{name}`", reached.file);
                let place = call.place.snippet(&reached.file, text, "isn't in the slug");
                findings.push(left_out.finding(&need).with_severity(Severity::Warning).at(place));
            }
        }
    }
    findings
}

fn is_absent(found: &Found) -> bool {
    matches!(found, Found::Nothing | Found::Partly(_))
}

/// Finds what an import needs among what is left out: the module, or one that is imported from it by name.
fn import_left_out<'a>(
    facts: &'a Facts,
    code: &Code<'_>,
    reached: &Reached,
    import: &Import,
) -> Option<LeftOut<'a>> {
    let (full, roots) = absolute(&import.module, &reached.package, &reached.roots)?;
    let found = if full.is_empty() { Found::Opaque } else { code.find(&full, &roots) };
    if is_absent(&found) {
        return left_out_module(facts, &full, &roots);
    }
    import.names.iter().find_map(|name| {
        let full = if full.is_empty() { name.clone() } else { format!("{full}.{name}") };
        let is_bound = matches!(&found, Found::File(file) if code.binds(file, name, &roots) != Some(false));
        let is_absent = !is_bound && is_absent(&code.find(&full, &roots));
        is_absent.then(|| left_out_module(facts, &full, &roots))?
    })
}

/// Finds submodules of which nothing is there. Heroku fetches submodules; a build takes what is there.
fn empty_submodules(facts: &Facts) -> Option<Finding> {
    let is_empty = |path: &String| {
        facts.files.get(path).is_some_and(|found| found.is_dir) && !has_files_below(facts, path)
    };
    let listed = facts.texts.iter().filter(|(name, _)| name.rsplit('/').next() == Some(".gitmodules"));
    let paths = listed.flat_map(|(name, text)| {
        let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
        submodule_paths(text).map(move |path| join(dir, &path))
    });
    let unnamed = |path: &String| facts.gitlinks.iter().any(|link| !link.is_named && link.path == *path);
    let mut empty: Vec<String> = paths.filter(|path| is_empty(path) && !unnamed(path)).collect();
    let linked = facts.gitlinks.iter().filter(|link| link.is_named && !has_files_below(facts, &link.path));
    empty.extend(linked.map(|link| link.path.clone()));
    empty.sort();
    empty.dedup();
    let first = empty.first()?.clone();
    let verb = if empty.len() == 1 { "is a submodule that isn't" } else { "are submodules that aren't" };
    let message = format!("{} {verb} checked out: there are no files.", shortened(&empty, SHOWN));
    Some(Finding::new(FindingCode::SourceSubmoduleNotCheckedOut, message).in_file(first))
}

/// Finds repositories in the app's that git has as submodules, and nothing says where they come from: no clone has their files.
fn unnamed_submodules(facts: &Facts) -> Vec<Finding> {
    let unnamed = facts.gitlinks.iter().filter(|link| !link.is_named);
    let (here, empty): (Vec<_>, Vec<_>) = unnamed.partition(|link| has_files_below(facts, &link.path));
    let told = |links: Vec<&Gitlink>, rest: &str, severity| {
        let first = links.first()?.path.clone();
        let paths: Vec<String> = links.iter().map(|link| link.path.clone()).collect();
        let (verb, its) =
            if links.len() == 1 { ("is a submodule", "its") } else { ("are submodules", "their") };
        let message = format!(
            "{} {verb} that .gitmodules doesn't name, {}",
            shortened(&paths, SHOWN),
            rest.replace("ITS", its)
        );
        let path = shell_quote(Path::new(&first));
        let fix = format!(
            "If it is a repository of its own: git submodule add URL {path}\n\
             If its files belong to the app: git rm --cached {path}\n\
             Then delete its .git, and add the files."
        );
        let finding =
            Finding::new(FindingCode::SourceSubmoduleNotCheckedOut, message).with_severity(severity);
        Some(finding.in_file(first).with_fix(fix))
    };
    let empty = told(empty, "so nobody can fetch ITS files, and there are none.", Severity::Warning);
    let here = told(here, "so a clone, as Heroku builds it, gets none of ITS files.", Severity::Warning);
    empty.into_iter().chain(here).collect()
}

fn has_files_below(facts: &Facts, dir: &str) -> bool {
    let start = format!("{dir}/");
    let mut below = facts.files.range(start.clone()..);
    below.next().is_some_and(|(name, _)| name.starts_with(&start))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::procfile::Procfile;
    use crate::check::check;
    use crate::check::facts::{FileFacts, Installed};

    const RULE: &str = ".gitignore (line 1: `x`)";

    fn facts(files: &[(&str, &str)], left_out: &[&str]) -> Facts {
        let mut facts = Facts { installed: Some(Installed::default()), ..Facts::default() };
        for (name, text) in files {
            for (slash, _) in name.match_indices('/') {
                facts
                    .files
                    .insert(name[..slash].to_owned(), FileFacts { is_dir: true, ..FileFacts::default() });
            }
            if !name.ends_with('/') {
                facts.files.insert((*name).to_owned(), FileFacts::default());
                facts.texts.insert((*name).to_owned(), (*text).to_owned());
            }
        }
        let procfile =
            facts.texts.get("Procfile").map(|text| (Procfile::parse(text.as_bytes()).unwrap(), text.clone()));
        facts.procfile = procfile;
        facts.left_out = left_out.iter().map(|path| ((*path).to_owned(), RULE.to_owned())).collect();
        facts
    }

    fn found(facts: &Facts) -> BTreeMap<&'static str, String> {
        let worth = |code: FindingCode| {
            matches!(
                code,
                FindingCode::SourceNeededFileLeftOut
                    | FindingCode::ImportNotInstalled
                    | FindingCode::AppModuleNotFound
                    | FindingCode::CommandFileNotFound
                    | FindingCode::CommandNotInstalled
                    | FindingCode::SourceSubmoduleNotCheckedOut
            )
        };
        let findings = check(facts).into_iter().filter(|finding| worth(finding.code));
        findings.map(|finding| (finding.code.entry().id, finding.message)).collect()
    }

    // C15
    #[test]
    fn what_is_left_out_is_told_with_its_reason_and_never_called_a_package_to_install() {
        let web = ("Procfile", "web: python wsgi.py $PORT\n");
        for (files, left_out, need) in [
            (
                &[web, ("wsgi.py", "import local_settings\n")][..],
                &["local_settings.py"][..],
                "wsgi.py imports `local_settings`: local_settings.py",
            ),
            (
                &[web, ("wsgi.py", "from app.core import run\n")],
                &["app/__init__.py", "app/core.py"],
                "wsgi.py imports `app.core`: app/core.py",
            ),
            (
                &[
                    web,
                    ("wsgi.py", "import proj.a\n"),
                    ("proj/__init__.py", ""),
                    ("proj/a.py", "from .local import *\n"),
                ],
                &["proj/local.py"],
                "proj/a.py imports `.local`: proj/local.py",
            ),
            (
                &[web, ("wsgi.py", "from proj import local\n"), ("proj/__init__.py", "")],
                &["proj/local.py"],
                "wsgi.py imports `proj`: proj/local.py",
            ),
            (
                &[
                    web,
                    (
                        "wsgi.py",
                        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'proj.settings')\n",
                    ),
                    ("proj/__init__.py", ""),
                ],
                &["proj/settings.py"],
                "wsgi.py names the settings `proj.settings`: proj/settings.py",
            ),
            (
                &[("Procfile", "web: gunicorn app:app\n")],
                &["app/__init__.py"],
                "`app:app` asks for the module `app`: app",
            ),
            (
                &[("Procfile", "web: python scripts/run.py $PORT\n")],
                &["scripts/run.py"],
                "The process type `web` runs scripts/run.py: scripts/run.py",
            ),
            (
                &[("Procfile", "web: ./run.sh $PORT\n")],
                &["run.sh"],
                "The process type `web` runs run.sh: run.sh",
            ),
            (
                &[("Procfile", "web: python -m server $PORT\n")],
                &["server.py"],
                "The process type `web` runs the module `server`: server.py",
            ),
        ] {
            let mut found = found(&facts(files, left_out));
            // Nothing is installed here.
            found.retain(|id, text| *id != "command::not-installed" || !text.contains("calls `gunicorn`"));
            let expected = format!("{need} is in the directory, but {RULE} leaves it out of the slug.");
            assert_eq!(
                found.into_iter().collect::<Vec<_>>(),
                [("source::needed-file-left-out", expected)],
                "{files:?}"
            );
        }
    }

    // C15: what isn't there at all, what is optional, and what the slug has all the same.
    #[test]
    fn what_is_not_left_out_is_told_as_before() {
        let web = ("Procfile", "web: python wsgi.py $PORT\n");
        for (files, left_out, expected) in [
            (&[web, ("wsgi.py", "import missing\n")][..], &["other.py"][..], &["imports::not-installed"][..]),
            (
                &[web, ("wsgi.py", "try:\n    import local\nexcept ImportError:\n    pass\n")],
                &["local.py"],
                &[],
            ),
            (&[web, ("wsgi.py", "import local\n"), ("local/__init__.py", "")], &["local.py"], &[]),
            (
                &[web, ("wsgi.py", "from proj import name\n"), ("proj/__init__.py", "name = 1\n")],
                &["proj/name.py"],
                &[],
            ),
        ] {
            assert_eq!(found(&facts(files, left_out)).into_keys().collect::<Vec<_>>(), expected, "{files:?}");
        }
    }

    // C24
    #[test]
    fn a_submodule_that_is_not_checked_out_is_told() {
        let one = "[submodule \"mylib\"]\n\tpath = mylib\n\turl = ../mylib\n";
        let two = "[submodule \"a\"]\n\tpath = libs/a/\n[submodule \"b\"]\n\tpath = \"libs/b\"\n";
        for (files, expected) in [
            (
                &[(".gitmodules", one), ("mylib/", "")][..],
                Some("mylib is a submodule that isn't checked out: there are no files."),
            ),
            (
                &[(".gitmodules", two), ("libs/a/", ""), ("libs/b/", "")],
                Some("libs/a, libs/b are submodules that aren't checked out: there are no files."),
            ),
            (
                &[(".gitmodules", two), ("libs/a/x.py", ""), ("libs/b/", "")],
                Some("libs/b is a submodule that isn't checked out: there are no files."),
            ),
            (
                &[(".gitmodules", one), ("mylib/x.py", ""), ("mylib/.gitmodules", one), ("mylib/mylib/", "")],
                Some("mylib/mylib is a submodule that isn't checked out: there are no files."),
            ),
            (&[(".gitmodules", one), ("mylib/x.py", "")], None),
            // An entry that was left behind when the submodule was removed.
            (&[(".gitmodules", one), ("x.py", "")], None),
            (&[("mylib/", "")], None),
        ] {
            let found = found(&facts(files, &[]));
            let found = found.get("source::submodule-not-checked-out").map(String::as_str);
            assert_eq!(found, expected, "{files:?}");
        }
    }

    // C24
    #[test]
    fn a_submodule_is_told_by_what_git_has_of_it() {
        let named = "[submodule \"x\"]\n\tpath = lib\n";
        for (files, links, expected) in [
            (
                &[("a.py", "")][..],
                &[("lib", true)][..],
                &["lib is a submodule that isn't checked out: there are no files."][..],
            ),
            (
                &[(".gitmodules", named), ("lib/", "")],
                &[("lib", true)],
                &["lib is a submodule that isn't checked out: there are no files."],
            ),
            (
                &[("lib/", "")],
                &[("lib", false)],
                &[
                    "lib is a submodule that .gitmodules doesn't name, so nobody can fetch its files, and there are none.",
                ],
            ),
            (
                &[("a.py", "")],
                &[("libs/a", false), ("libs/b", false)],
                &[
                    "libs/a, libs/b are submodules that .gitmodules doesn't name, so nobody can fetch their files, and there are none.",
                ],
            ),
            (
                &[("lib/a.py", "")],
                &[("lib", false)],
                &[
                    "lib is a submodule that .gitmodules doesn't name, so a clone, as Heroku builds it, gets none of its files.",
                ],
            ),
            (
                &[("b/a.py", "")],
                &[("a", true), ("b", true), ("c", false)],
                &[
                    "a is a submodule that isn't checked out: there are no files.",
                    "c is a submodule that .gitmodules doesn't name, so nobody can fetch its files, and there are none.",
                ],
            ),
            (&[("lib/a.py", "")], &[("lib", true)], &[]),
            (&[("lib/", "")], &[], &[]),
        ] {
            let mut facts = facts(files, &[]);
            facts.gitlinks = links
                .iter()
                .map(|(path, is_named)| Gitlink { path: (*path).to_owned(), is_named: *is_named })
                .collect();
            let found = check_absent(&facts, &Code::new(&facts));
            let found: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(found, expected, "{files:?} {links:?}");
        }
    }
}
