//! What can go wrong outside slugc, each fault as a row with the test that makes it happen.
//! `docs/reliability.md` is generated from the rows.

/// Makes a test of each row, and the table of them: a row without a test can't be written.
macro_rules! faults {
    ($($(#[$attribute:meta])* $name:ident: $fault:literal, $place:literal, $outcome:literal;)+) => {
        /// The faults of this file.
        pub(super) const ROWS: &[super::Row] = &[$(super::Row {
            fault: $fault,
            place: $place,
            outcome: $outcome,
            file: file!(),
            test: stringify!($name),
        }),+];

        mod tests {
            $(
                #[test]
                $(#[$attribute])*
                fn $name() {
                    super::$name();
                }
            )+
        }
    };
}

mod clock;
mod crowd;
mod inject;
mod kill;
mod mirror;
mod rig;
mod signal;
mod writes;

use std::collections::BTreeSet;
use std::fmt::Write;

/// A fault, and what becomes of a build that meets it.
#[derive(Clone, Copy)]
struct Row {
    /// What goes wrong.
    fault: &'static str,
    /// Where it is made to happen.
    place: &'static str,
    /// What slugc does.
    outcome: &'static str,
    /// The file that has the test.
    file: &'static str,
    /// The name of the test.
    test: &'static str,
}

/// The tables, in the order of the page.
const TABLES: &[(&str, &[Row])] = &[
    ("Killed", kill::ROWS),
    ("Stopped", signal::ROWS),
    ("Writes that fail", writes::ROWS),
    ("Servers that misbehave", mirror::ROWS),
    ("Servers that misbehave, seen by the downloader", mirror::UNIT_ROWS),
    ("Clocks that jump", clock::ROWS),
    ("Many builds at once", crowd::ROWS),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|(_, rows)| rows.iter())
}

#[test]
fn reliability_md_is_up_to_date() {
    crate::docs::check("docs/reliability.md", &render_page());
}

#[test]
fn every_fault_is_written_once_and_has_a_test() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        assert!(seen.insert((row.fault, row.place)), "twice: {} {}", row.fault, row.place);
        for text in [row.fault, row.place, row.outcome] {
            assert!(!text.contains(['\n', '|']), "{text}");
        }
        assert!(row.outcome.ends_with('.'), "{}", row.outcome);
        let text = std::fs::read_to_string(row.file).unwrap();
        assert!(text.contains(&format!("fn {}()", row.test)), "{}: no `{}`", row.file, row.test);
        // What the tests of another file check is made by no macro, so it is looked at.
        if row.file.starts_with("src/") {
            let before = text.split(&format!("fn {}()", row.test)).next().unwrap();
            assert!(before.trim_end().ends_with("#[test]"), "{}: `{}` is no test", row.file, row.test);
        }
    }
}

#[test]
fn every_file_of_faults_is_in_the_page() {
    let with_rows: BTreeSet<&str> = rows().map(|row| row.file).collect();
    for entry in std::fs::read_dir("tests/it/faults").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let has_tests = std::fs::read_to_string(&path).unwrap().contains("\nfaults! {");
        let path = path.to_str().unwrap();
        assert!(!has_tests || with_rows.contains(path), "{name} isn't in the table");
    }
}

fn render_page() -> String {
    let mut page = format!(
        "# Reliability\n\n\
         What goes wrong outside slugc, and what becomes of a build then. Each of these {} faults is made to happen by a\n\
         test, which is named. This page is generated from the tests' own table in `tests/it/faults/` by\n\
         `UPDATE_DOCS=1 cargo test _md`.\n\n\
         \"The same slug\" means the same SHA-256 as that of a build in a store of its own to which nothing has happened.\n\
         \"Nothing is left\" means no process, and no file in the store's `tmp/`, beside the slug or among the machine's\n\
         temporary files.\n",
        rows().count()
    );
    for (title, rows) in TABLES {
        write!(page, "\n## {title}\n\n| Fault | Where | What happens | Test |\n|---|---|---|---|\n").unwrap();
        for Row { fault, place, outcome, file, test } in *rows {
            let file =
                file.trim_start_matches("tests/it/").trim_start_matches("src/").trim_end_matches(".rs");
            let module = file.replace('/', "::");
            writeln!(page, "| {fault} | {place} | {outcome} | `{module}::tests::{test}` |").unwrap();
        }
    }
    page + &crate::isolation::render_table()
}
