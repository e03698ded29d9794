//! The documentation: its generated pages, its links, and whether it is complete.

use std::collections::BTreeSet;
use std::path::PathBuf;

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
