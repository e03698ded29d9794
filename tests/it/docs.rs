//! The documentation: its generated pages, its links, and whether it is complete.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::TestApp;

/// Compares a generated page with the file, or writes it when `UPDATE_DOCS` is set.
pub(crate) fn check(path: &str, generated: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, generated).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == generated, "{path} is out of date: run `UPDATE_DOCS=1 cargo test _md`");
}

#[test]
fn errors_md_is_up_to_date() {
    check("docs/errors.md", &slugc::testing::error::render_catalogue_markdown());
}

#[test]
fn warnings_md_is_up_to_date() {
    check("docs/warnings.md", &slugc::testing::error::render_warnings_markdown());
}

#[test]
fn findings_md_is_up_to_date() {
    check("docs/findings.md", &slugc::testing::error::render_findings_markdown());
}

#[test]
fn heroku_codes_md_is_up_to_date() {
    check("docs/heroku-codes.md", &slugc::testing::error::render_heroku_codes_markdown());
}

fn pages() -> Vec<(PathBuf, String)> {
    let docs = std::fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.push("README.md".into());
    pages.sort();
    pages.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase().chars().collect::<Vec<_>>();
    letters
        .into_iter()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (page, text) in pages() {
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, heading) =
                target.split_once('#').map_or((target, None), |(file, id)| (file, Some(id)));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = match (std::fs::read_to_string(&path), heading) {
                (Ok(text), Some(heading)) => text
                    .lines()
                    .filter_map(|line| {
                        line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
                    })
                    .any(|line| anchor(line) == heading),
                (Ok(_), None) => true,
                (Err(_), _) => path.is_dir(),
            };
            if !found {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "only {count} links: are they still found?");
}

#[test]
fn every_page_is_in_the_contents_and_every_command_has_one() {
    let contents = std::fs::read_to_string("docs/README.md").unwrap();
    for (page, _) in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        let is_there = name == "README.md" || contents.contains(&format!("]({name})"));
        assert!(is_there, "docs/README.md doesn't name {name}");
    }
    for command in
        slugc::testing::cli::command_line().get_subcommands().filter(|command| !command.is_hide_set())
    {
        let name = command.get_name();
        let row = contents.lines().find(|line| line.starts_with(&format!("| `slugc {name}` | [")));
        assert!(row.is_some() || name == "help", "docs/README.md has no page for `slugc {name}`");
    }
}

// U12
#[test]
fn every_variable_that_slugc_reads_is_on_the_page() {
    let own = regex::Regex::new(r"SLUGC_[A-Z_]*[A-Z]").unwrap();
    let others = regex::Regex::new(r#"env\.(?:var|text|is_on)\("([A-Z_]{2,})"\)"#).unwrap();
    let mut read = BTreeSet::new();
    for entry in ["src", "bin"].into_iter().flat_map(walkdir::WalkDir::new) {
        let path = entry.unwrap().into_path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let text = text.split("#[cfg(test)]").next().unwrap();
        read.extend(own.find_iter(text).map(|found| found.as_str().to_owned()));
        read.extend(others.captures_iter(text).map(|found| found[1].to_owned()));
    }
    // What git and the classic buildpack's own caller set.
    for name in ["GIT_DIR", "GIT_QUARANTINE_PATH", "INSTALL_TEST", "XDG_CACHE_HOME"] {
        assert!(read.remove(name), "{name} isn't read any more");
    }
    let page = std::fs::read_to_string("docs/environment.md").unwrap();
    let unknown: Vec<&String> = read.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(unknown.is_empty(), "docs/environment.md lacks {unknown:?}");
    let told: BTreeSet<&str> = own.find_iter(&page).map(|found| found.as_str()).collect();
    let gone: Vec<&&str> = told.iter().filter(|name| !read.contains(**name)).collect();
    assert!(gone.is_empty(), "docs/environment.md has {gone:?}, which nothing reads");
}

/// Whatever id the program says can be looked up.
#[test]
fn every_id_in_the_code_can_be_explained() {
    let known: BTreeSet<&str> = slugc::testing::error::ErrorCode::ALL
        .iter()
        .map(|code| code.entry().id)
        .chain(slugc::testing::error::NoticeCode::ALL.iter().map(|code| code.entry().id))
        .chain(slugc::testing::error::FindingCode::ALL.iter().map(|code| code.entry().id))
        .collect();
    let id = regex::Regex::new(r#""([a-z][a-z-]*::[a-z][a-z-]*)""#).unwrap();
    let mut unknown = BTreeSet::new();
    for entry in walkdir::WalkDir::new("src") {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        unknown.extend(
            id.captures_iter(text)
                .map(|found| found[1].to_owned())
                .filter(|found| !known.contains(found.as_str()))
                .map(|found| format!("{}: {found}", path.display())),
        );
    }
    assert!(unknown.is_empty(), "in no table: {unknown:#?}");
}

/// T03, U16: the calques of the book don't come back.
#[test]
fn english_that_makes_a_native_reader_stumble_is_not_written() {
    const NOT: &[&str] = &[
        "as a slug that boots",
        "What has not changed is not done again",
        "It ends by saying how to run",
        "the error says what is big",
        "are nowhere in the slug",
        "so what it installs isn't known",
        "Nothing, if the app answers no requests",
        "it doesn't say",
        "unless it is said otherwise",
        "looked at twice a second",
        "Says only what is wrong",
        "what would keep an app or a slug from booting",
        "what nobody has used for long",
        "anew",
        "which take",
        "that can change under it",
        "Nothing has this id",
        "It is left aside",
    ];
    let app = TestApp::new(&[]);
    let helped = HELPED.iter().map(|command| (PathBuf::from(command), help(&app, command)));
    let whole = app.run(&["--help"]).success().stdout;
    for (page, text) in pages().into_iter().chain(helped).chain([(PathBuf::from("--help"), whole)]) {
        // Conventions show both sides.
        if page.ends_with("conventions.md") {
            continue;
        }
        let flowing = crate::support::flowing(&text);
        for words in NOT {
            let is_word = |at: usize| {
                let after = flowing[at + words.len()..].chars().next();
                !after.is_some_and(char::is_alphanumeric)
            };
            let found = flowing.match_indices(words).find(|(at, _)| is_word(*at));
            assert!(found.is_none(), "{}: {words}", page.display());
        }
    }
}

const HELPED: &[&str] =
    &["build", "plan", "run", "inspect", "diff", "sbom", "check", "explain", "cache", "package", "version"];

fn help(app: &TestApp, command: &str) -> String {
    app.run(&[command, "--help"]).success().stdout
}

/// U05, U09: what the pages tell people to type is what the program takes.
#[test]
fn every_command_of_the_pages_has_the_options_that_are_shown() {
    let app = TestApp::new(&[]);
    let mut seen = BTreeSet::new();
    for (page, text) in pages() {
        let mut is_code = false;
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("```") {
                is_code = !is_code;
            }
            let line = line.trim_start_matches("- ").trim_start_matches("run: ").trim_start_matches("$ ");
            let Some(line) = line.strip_prefix("slugc ").filter(|_| is_code) else { continue };
            let ends = |word: &&str| !["|", ">", "#", "&&", ";", "--", "||"].contains(word);
            let words: Vec<&str> = line.split_whitespace().take_while(ends).collect();
            let Some(command) = words.first().filter(|word| HELPED.contains(word)) else { continue };
            let sub = words.get(1).filter(|_| ["cache", "package"].contains(command));
            let arguments = [
                &[*command][..],
                sub.as_slice().iter().map(|word| **word).collect::<Vec<_>>().as_slice(),
                &["--help"],
            ]
            .concat();
            let help = app.run(&arguments).success().stdout;
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap_or(option);
                assert!(help.contains(name), "{}: {line}: {name}", page.display());
            }
            seen.insert((page.clone(), (*command).to_owned()));
        }
    }
    let pages_with = |name: &str| seen.iter().filter(|(page, _)| page.ends_with(name)).count();
    for (name, least) in [("ci.md", 2), ("buildpack.md", 1), ("README.md", 2), ("check.md", 1)] {
        assert!(pages_with(name) >= least, "{name}: {seen:?}");
    }
    // What there is to know where a build runs.
    for (page, words) in [
        ("docs/buildpack.md", "heroku buildpacks:set"),
        ("docs/buildpack.md", "dokku buildpacks:set"),
        ("docs/buildpack.md", "`.buildpacks`"),
        ("docs/buildpack.md", "BUILDPACK_URL"),
        ("docs/ci.md", "SLUGC_CACHE_LIMIT"),
        ("docs/ci.md", "$CI_PROJECT_DIR"),
        ("docs/ci.md", "--no-isolate"),
        ("docs/ci.md", "--max-size"),
        ("docs/ci.md", "--format markdown"),
    ] {
        let text = std::fs::read_to_string(page).unwrap();
        assert!(text.contains(words), "{page}: {words}");
    }
}

/// U09: one form of help for all, with groups and examples.
#[test]
fn help_is_short_grouped_and_has_examples() {
    let app = TestApp::new(&[]);
    for command in HELPED {
        let long = help(&app, command);
        assert_eq!(app.run(&[command, "-h"]).success().stdout, long, "{command}");
        assert!(long.contains("Global options:"), "{command}");
    }
    for (command, groups) in [
        ("build", &["Config vars:", "Python and packages:", "Store:", "Examples:"][..]),
        ("check", &["Config vars:", "Python and packages:", "Examples:"]),
        ("run", &["Config vars:", "Examples:", "[SLUG]"]),
        ("plan", &["Python and packages:"]),
    ] {
        let help = help(&app, command);
        for group in groups {
            assert!(help.contains(group), "{command}: {group}");
        }
    }
    let whole = app.run(&["--help"]).success().stdout;
    assert!(!whole.contains("inventory"), "it is for developers: {whole}");
    for command in ["build", "check", "plan"] {
        let help = crate::support::flowing(&help(&app, command));
        assert!(help.contains("Use this revision of the git repository"), "{command}");
    }
}

/// U19: what the checkout's own programs leave in it is no change of it.
#[test]
fn what_a_checkout_is_used_for_leaves_no_untracked_file() {
    let is_ignored = |name: &str| {
        let git = std::process::Command::new("git").args(["check-ignore", "--quiet", name]).status();
        git.is_ok_and(|status| status.success())
    };
    // In an archive of the source there is no git to ask.
    if !std::path::Path::new(".git").exists() || !crate::support::has_program("git") {
        return crate::support::skip("there is no repository");
    }
    for (name, expected) in [
        ("export", true),
        ("slug.tgz", true),
        ("slug.tgz.json", true),
        ("target/debug/slugc", true),
        ("tests/it/snapshots/x.snap.new", true),
        ("bin/compile", false),
        ("src/export.rs", false),
        ("docs/export", false),
    ] {
        assert_eq!(is_ignored(name), expected, "{name}");
    }
}
