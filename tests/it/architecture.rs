//! The rooms' table: which room uses which. An arrow that nobody needs isn't allowed either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every room, and the rooms that it uses. Each is on a lower floor.
const ROOMS: &[(&str, &[&str])] = &[
    ("entrypoint", &["cli", "classic", "env", "error"]),
    (
        "cli",
        &[
            "build", "dyno", "check", "inspect", "slug", "host", "store", "plan", "app", "python", "output",
            "env", "error",
        ],
    ),
    ("classic", &["build", "slug", "host", "store", "plan", "app", "python", "output", "env", "error"]),
    (
        "build",
        &["check", "inspect", "slug", "host", "store", "plan", "app", "python", "output", "env", "error"],
    ),
    ("dyno", &["router", "slug", "host", "app", "output", "env", "error"]),
    ("check", &["slug", "host", "plan", "app", "python", "output", "env", "error"]),
    ("inspect", &["slug", "host", "store", "plan", "app", "python", "output", "env", "error"]),
    ("router", &["host", "error"]),
    ("slug", &["host", "store", "output", "env", "error"]),
    ("host", &["python", "output", "env", "error"]),
    ("store", &["host", "output", "env", "error"]),
    ("plan", &["app", "python", "error"]),
    ("app", &["env", "error"]),
    ("python", &["error"]),
    ("output", &["env", "error"]),
    ("env", &["error"]),
    ("error", &[]),
];

#[test]
fn a_room_uses_the_rooms_of_the_table_and_no_others() {
    let table: BTreeMap<&str, BTreeSet<&str>> =
        ROOMS.iter().map(|(room, below)| (*room, below.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    let mut unused: BTreeSet<(&str, &str)> =
        ROOMS.iter().flat_map(|(room, below)| below.iter().map(move |used| (*room, *used))).collect();
    for file in rust_files() {
        let relative = file.strip_prefix("src").unwrap();
        let room =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main", "testing"].contains(&room) {
            continue;
        }
        let allowed =
            table.get(room).unwrap_or_else(|| panic!("{} is in no room of the table", file.display()));
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests may use any room.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for used in used_rooms(text) {
            unused.retain(|arrow| *arrow != (room, used.as_str()));
            if used != room && !allowed.contains(used.as_str()) {
                wrong.push(format!("{}: `{room}` may not use `{used}`", file.display()));
            }
        }
    }
    wrong.extend(unused.iter().map(|(room, used)| format!("`{room}` doesn't use `{used}` any more")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_has_at_most_four_hundred_lines_unless_it_is_a_table() {
    const TABLES: &[&str] = &["src/error/catalogue.rs", "src/error/findings.rs", "src/error/notices.rs"];
    let mut wrong = Vec::new();
    for file in rust_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
        if lines > 420 && !TABLES.contains(&file.to_str().unwrap()) {
            wrong.push(format!("{}: {lines} lines without its tests", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_id_is_written_in_a_catalogue_and_nowhere_else() {
    use slugc::testing::error::{ErrorCode, FindingCode, NoticeCode};
    let ids: BTreeSet<&str> = ErrorCode::ALL
        .iter()
        .map(|code| code.entry().id)
        .chain(NoticeCode::ALL.iter().map(|code| code.entry().id))
        .chain(FindingCode::ALL.iter().map(|code| code.entry().id))
        .filter(|id| id.contains("::"))
        .collect();
    let mut wrong = Vec::new();
    for file in rust_files().iter().filter(|file| !file.starts_with("src/error")) {
        let text = std::fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        if file.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        let found = ids.iter().filter(|id| text.contains(&format!("\"{id}\"")));
        wrong.extend(found.map(|id| format!("{}: {id}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn used_rooms(text: &str) -> BTreeSet<String> {
    let pattern = regex::Regex::new(r"\bcrate::(\{[^}]*\}|\w+)").unwrap();
    pattern
        .captures_iter(text)
        .flat_map(|captures| {
            let names = captures[1].trim_matches(['{', '}']).to_owned();
            names
                .split(',')
                .map(|name| name.trim().split("::").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|name| ROOMS.iter().any(|(room, _)| room == name))
        .collect()
}

fn rust_files() -> Vec<std::path::PathBuf> {
    let files: Vec<_> = walkdir::WalkDir::new("src")
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"))
        .map(walkdir::DirEntry::into_path)
        .collect();
    assert!(files.iter().any(|file| file == Path::new("src/lib.rs")), "run from the crate's root");
    files
}
