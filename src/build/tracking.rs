//! What git knows of an app's files besides what it ignores: what isn't committed, and which rule leaves a file out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::git::{Git, GitError, find_work_tree, is_ignored, records};
use crate::app::deciders::DECIDERS;
use crate::app::left_out::Rule;
use crate::app::names::printable;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::NoticeCode;
use crate::output::Output;

/// How many files a message names.
const SHOWN: usize = 3;

/// What git says about a directory.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    /// The commit that it is at; none before the first one.
    pub commit: Option<String>,
    /// How its files differ from that commit, sorted by path.
    pub changes: BTreeMap<Vec<u8>, Change>,
}

/// How a file differs from the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The commit doesn't have it, whether it is staged or not.
    New,
    /// The commit has another content.
    Changed,
    /// Only the commit has it.
    Deleted,
}

/// Asks git how a directory differs from its commit. Nothing is known outside of a repository, without git, and where
/// git fails: no build depends on the answer.
pub(crate) fn read_tracking(dir: &Path, env: &Env, output: &Output) -> Tracking {
    ask(dir, env, output).ok().flatten().unwrap_or_default()
}

fn ask(dir: &Path, env: &Env, output: &Output) -> Result<Option<Tracking>, GitError> {
    let Ok((dir, Some(top))) = find_work_tree(dir) else { return Ok(None) };
    let git = Git::find(env, output)?;
    if is_ignored(&git, &dir, &top)? {
        return Ok(None);
    }
    // To compare a file's content, git would run the filters that the repository's settings name.
    let filters = git.filters(git.call_in(&dir))?;
    let call = git.with_quarantine(filters.turn_off(git.call()), &dir).arg("-C").arg(&dir).args([
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--no-renames",
        "--ignore-submodules=all",
        "--untracked-files=all",
        "--",
        ".",
    ]);
    let answer = git.run(&call, "comparing the directory with the commit")?;
    let below = dir.strip_prefix(&top).unwrap_or(Path::new("")).as_os_str().as_bytes();
    let mut tracking = parse_status(&answer.stdout, below);
    if !filters.is_empty() {
        forget_filtered(&git, &dir, &mut tracking.changes)?;
    }
    Ok(Some(tracking))
}

/// Parses what `git status --porcelain=v2 --branch -z` writes. Paths count from the top of the repository there, and
/// from the directory `below` it here.
fn parse_status(answer: &[u8], below: &[u8]) -> Tracking {
    let mut tracking = Tracking::default();
    for record in records(answer) {
        let fields = |count: usize| record.splitn(count, |byte| *byte == b' ').last().unwrap_or_default();
        let (staged, here) = (record.get(2), record.get(3));
        let (change, path) = match record.first() {
            Some(b'#') => {
                let commit = record.strip_prefix(b"# branch.oid ").filter(|name| !name.starts_with(b"("));
                if let Some(commit) = commit {
                    tracking.commit = Some(String::from_utf8_lossy(commit).into_owned());
                }
                continue;
            }
            Some(b'?') => (Change::New, fields(2)),
            // What is staged first, what the directory has then.
            Some(b'1') if here == Some(&b'D') || (staged == Some(&b'D') && here == Some(&b'.')) => {
                (Change::Deleted, fields(9))
            }
            Some(b'1') if staged == Some(&b'A') => (Change::New, fields(9)),
            Some(b'1') => (Change::Changed, fields(9)),
            // In a merge that isn't finished.
            Some(b'u') => (Change::Changed, fields(11)),
            _ => continue,
        };
        let path = match below {
            b"" => Some(path),
            below => path.strip_prefix(below).and_then(|rest| rest.strip_prefix(b"/")),
        };
        tracking.changes.extend(path.map(|path| (path.to_vec(), change)));
    }
    tracking
}

/// Whether a file that goes through a filter is changed isn't known without that filter.
fn forget_filtered(
    git: &Git<'_>,
    dir: &Path,
    changes: &mut BTreeMap<Vec<u8>, Change>,
) -> Result<(), GitError> {
    let changed = changes.iter().filter(|(_, change)| **change == Change::Changed);
    let names: Vec<u8> = changed.flat_map(|(path, _)| [path, &b"\0"[..]].concat()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let call = git.call_in(dir).args(["check-attr", "-z", "--stdin", "filter"]).stdin(names);
    let answer = git.run(&call, "looking up which files are filtered")?.stdout;
    let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
    for field in fields.chunks_exact(3).filter(|field| !matches!(field[2], b"unspecified" | b"unset")) {
        changes.remove(field[0]);
    }
    Ok(())
}

/// Tells what is in the slug of this directory and wouldn't be in that of its commit, or the other way round.
pub(crate) fn tell_uncommitted(tracking: &Tracking, app: &AppSource, output: &Output) {
    let counts = |path: &[u8], change: Change| match change {
        Change::New | Change::Changed => app.tree.find(path).is_some(),
        Change::Deleted => app.slugignore.leaves_out(path).is_none(),
    };
    let found: Vec<(&Vec<u8>, Change)> = tracking
        .changes
        .iter()
        .filter(|(path, change)| counts(path, **change))
        .map(|(path, change)| (path, *change))
        .collect();
    if found.is_empty() {
        return;
    }
    let word = |change| match change {
        Change::New => "new",
        Change::Changed => "changed",
        Change::Deleted => "deleted",
    };
    let mut names: Vec<String> = found
        .iter()
        .take(SHOWN)
        .map(|(path, change)| format!("{} ({})", printable(path), word(*change)))
        .collect();
    if found.len() > SHOWN {
        names.push(format!("{} more", found.len() - SHOWN));
    }
    let (subject, files) = match found.len() {
        1 => ("isn't", "1 file".to_owned()),
        count => ("aren't", format!("{count} files")),
    };
    output.notice(
        NoticeCode::SourceNotCommitted,
        format!(
            "{files} {subject} committed: {}. \
             The slug is of the directory as it is. `git push heroku` would deploy the commit, as \
             `--commit HEAD` builds it.",
            names.join(", ")
        ),
    );
}

/// Returns what leaves each of these ignored paths out: the rule of `.gitignore` and the like, or just git if that doesn't
/// say.
pub(crate) fn ignored_by<'a>(
    dir: &Path,
    paths: impl IntoIterator<Item = &'a [u8]>,
    env: &Env,
    output: &Output,
) -> BTreeMap<Vec<u8>, String> {
    let mut found: BTreeMap<Vec<u8>, String> =
        paths.into_iter().map(|path| (path.to_vec(), "git".to_owned())).collect();
    if found.is_empty() {
        return found;
    }
    let names: Vec<u8> = found.keys().flat_map(|path| [path, b"\0".as_slice()].concat()).collect();
    let ask = || {
        let git = Git::find(env, output)?;
        let call = git.call_in(dir).args(["check-ignore", "--verbose", "-z", "--stdin"]).stdin(names);
        git.ask(&call, "looking up why it ignores a file")
    };
    let answer = ask().ok().flatten().unwrap_or_default().stdout;
    let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
    let rules = fields.chunks_exact(4).filter_map(|field| {
        let rule = Rule {
            file: printable(field[0]),
            line: std::str::from_utf8(field[1]).ok()?.parse().ok()?,
            pattern: printable(field[2]),
        };
        Some((field[3].to_vec(), rule.to_string()))
    });
    found.extend(rules);
    found
}

/// Finds the files that decide about a build, and are there, but are ignored by git.
pub(crate) fn note_ignored_deciders(
    app: &mut AppSource,
    ignored: &BTreeSet<Vec<u8>>,
    env: &Env,
    output: &Output,
) {
    let is_there = |name: &&&str| {
        let parent = name.rsplit_once('/').map(|(parent, _)| format!("{parent}/"));
        let is_left_out = ignored.contains(name.as_bytes())
            || parent.is_some_and(|parent| ignored.contains(parent.as_bytes()));
        is_left_out && app.root.join(OsStr::new(name)).is_file()
    };
    let names: Vec<&str> = DECIDERS.iter().filter(is_there).copied().collect();
    let mut rules = ignored_by(&app.root, names.iter().map(|name| name.as_bytes()), env, output);
    let rule_of = |name: &str| Some((name.to_owned(), rules.remove(name.as_bytes())?));
    app.ignored_deciders = names.into_iter().filter_map(rule_of).collect();
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::build::git::tests::Repositories;
    use crate::build::source::read_directory;
    use crate::output::Format;
    use crate::output::tests::Captured as Log;

    fn told(repositories: &Repositories, dir: &str) -> String {
        let (log, silent) = (Log::default(), Output::silent());
        let dir = repositories.path(dir);
        let app = read_directory(&dir, false, &repositories.env, &silent).unwrap();
        let tracking = read_tracking(&dir, &repositories.env, &silent);
        tell_uncommitted(&tracking, &app, &Output::to_sink(log.clone(), Format::Text));
        let text = log.text().replace("\n  ", " ");
        let told = text.split_once("]: ").and_then(|(_, rest)| rest.split_once(" The slug is of"));
        told.map_or(String::new(), |(told, _)| told.to_owned())
    }

    // B11
    #[test]
    fn what_is_not_committed_is_told_with_its_number_and_first_names() {
        type Edit = fn(&Repositories);
        let edits: [(&str, Edit, &str); 10] = [
            ("nothing", |_| {}, ""),
            ("a new file", |all| all.write("r/new.py", ""), "1 file isn't committed: new.py (new)."),
            (
                "a change",
                |all| all.write("r/sub/a.py", "other"),
                "1 file isn't committed: sub/a.py (changed).",
            ),
            (
                "a deleted file",
                |all| fs::remove_file(all.path("r/b.py")).unwrap(),
                "1 file isn't committed: b.py (deleted).",
            ),
            (
                "staged ones",
                |all| {
                    all.write("r/staged.py", "");
                    all.git("r", &["add", "staged.py"]);
                    all.git("r", &["rm", "--quiet", "b.py"]);
                },
                "2 files aren't committed: b.py (deleted), staged.py (new).",
            ),
            (
                "many",
                |all| (1..6).for_each(|n| all.write(&format!("r/n/{n} ü"), "")),
                "5 files aren't committed: n/1 ü (new), n/2 ü (new), n/3 ü (new), 2 more.",
            ),
            ("what git ignores", |all| all.write("r/x.log", ""), ""),
            ("what .slugignore leaves out", |all| all.write("r/docs/x", ""), ""),
            ("a deleted file that it leaves out", |all| fs::remove_dir_all(all.path("r/docs")).unwrap(), ""),
            (
                "a name with a line feed",
                |all| all.write("r/x\n::error::", ""),
                "1 file isn't committed: x\\n::error:: (new).",
            ),
        ];
        for (what, edit, expected) in edits {
            let Some(repositories) = Repositories::new() else { return };
            let files = [
                (".gitignore", "*.log\n"),
                (".slugignore", "docs\n"),
                ("docs/a", ""),
                ("sub/a.py", ""),
                ("b.py", ""),
            ];
            repositories.init("r", &files);
            edit(&repositories);
            assert_eq!(told(&repositories, "r"), expected, "{what}");
        }
    }

    // B11: an app that is a part of its repository, and one that has no commit.
    #[test]
    fn only_what_is_below_the_app_counts() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("app/a.py", ""), ("other/b.py", "")]);
        repositories.write("r/other/b.py", "changed");
        repositories.write("r/app/new.py", "");
        assert!(told(&repositories, "r/app").ends_with("1 file isn't committed: new.py (new)."));
        let tracking = read_tracking(&repositories.path("r/app"), &repositories.env, &Output::silent());
        assert_eq!(tracking.commit, Some(repositories.git("r", &["rev-parse", "HEAD"])));
        repositories.write("new/a.py", "");
        repositories.git("new", &["init", "--quiet"]);
        assert!(told(&repositories, "new").ends_with("1 file isn't committed: a.py (new)."));
        let tracking = read_tracking(&repositories.path("new"), &repositories.env, &Output::silent());
        assert_eq!(tracking.commit, None);
    }

    // B11: Git LFS and others; the filter that says what is changed isn't run.
    #[test]
    fn a_file_that_goes_through_a_filter_is_not_called_changed() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[(".gitattributes", "*.bin filter=odd\n"), ("a.bin", "a"), ("a.txt", "a")]);
        repositories.git("r", &["config", "filter.odd.clean", "touch was-run; cat"]);
        repositories.write("r/a.bin", "b");
        repositories.write("r/a.txt", "b");
        assert!(told(&repositories, "r").ends_with("1 file isn't committed: a.txt (changed)."));
        assert!(!repositories.path("r/was-run").exists());
    }

    // D16
    #[test]
    fn a_file_that_decides_but_is_ignored_is_found_with_its_rule() {
        for (ignore_file, rule, name, expected) in [
            (
                ".gitignore",
                "*.pyc\n.python-version\n",
                ".python-version",
                ".gitignore (line 2: `.python-version`)",
            ),
            (".gitignore", ".python*", ".python-version", ".gitignore (line 1: `.python*`)"),
            (".gitignore", "*.lock\n!poetry.lock\n", "uv.lock", ".gitignore (line 1: `*.lock`)"),
            (".gitignore", "/Procfile", "Procfile", ".gitignore (line 1: `/Procfile`)"),
            (".gitignore", "bin/", "bin/post_compile", ".gitignore (line 1: `bin/`)"),
            ("bin/.gitignore", "*_compile", "bin/pre_compile", "bin/.gitignore (line 1: `*_compile`)"),
            (".git/info/exclude", "runtime.txt", "runtime.txt", ".git/info/exclude (line 1: `runtime.txt`)"),
        ] {
            let Some(repositories) = Repositories::new() else { return };
            repositories.init("r", &[("a.py", "")]);
            repositories.write(&format!("r/{ignore_file}"), rule);
            repositories.write(&format!("r/{name}"), "x");
            let dir = repositories.path("r");
            let app = read_directory(&dir, false, &repositories.env, &Output::silent()).unwrap();
            let found: Vec<String> =
                app.ignored_deciders.iter().map(|(name, rule)| format!("{name}: {rule}")).collect();
            assert_eq!(found, [format!("{name}: {expected}")]);
            // A file that is committed, or isn't ignored, isn't told.
            repositories.git("r", &["add", "--force", name]);
            let app = read_directory(&dir, false, &repositories.env, &Output::silent()).unwrap();
            assert!(app.ignored_deciders.is_empty(), "{name}");
        }
    }
}
