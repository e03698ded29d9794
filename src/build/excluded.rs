//! What `.slugignore.post` leaves out of the slug, and what is told of it.

use std::cell::RefCell;

use crate::app::names::printable;
use crate::app::slugignore_post::{NAME, SlugignorePost};
use crate::error::NoticeCode;
use crate::output::Output;
use crate::python::version::PythonVersion;
use crate::slug::{Excluded, heroku_size};

/// The patterns while a slug is made.
pub(super) struct Patterns<'a> {
    post: &'a SlugignorePost,
    matched: RefCell<Vec<bool>>,
}

impl<'a> Patterns<'a> {
    pub(super) fn new(post: &'a SlugignorePost) -> Self {
        Self { post, matched: RefCell::new(vec![false; post.patterns().len()]) }
    }

    /// Returns whether a path is left out, and notes which patterns match it.
    pub(super) fn leave_out(&self, path: &[u8], is_dir: bool) -> bool {
        for (matched, line) in self.matched.borrow_mut().iter_mut().zip(self.post.patterns()) {
            *matched = *matched || line.matches(path, is_dir);
        }
        self.post.matches(path, is_dir)
    }

    /// Warns of each pattern that has matched nothing.
    pub(super) fn warn_of_unmatched(&self, output: &Output) {
        for (matched, line) in self.matched.borrow().iter().zip(self.post.patterns()) {
            if !matched {
                output.warning(
                    NoticeCode::SlugignorePostNoMatch,
                    format!(
                        "Line {} of {NAME} matches nothing in the slug: `{}`",
                        line.number,
                        printable(line.text.as_bytes())
                    ),
                );
            }
        }
    }

    /// Warns of what no app can start without.
    pub(super) fn warn_of_needed(&self, out: &Excluded, python: PythonVersion, output: &Output) {
        let needed = [
            ".heroku/python/bin/python3".to_owned(),
            format!(".heroku/python/lib/python{}/os.py", python.minor_version()),
            ".profile.d/python.sh".to_owned(),
        ];
        for path in &out.matched {
            let takes = |needed: &String| {
                needed
                    .as_bytes()
                    .strip_prefix(path.as_slice())
                    .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            };
            if !needed.iter().any(takes) {
                continue;
            }
            let line = self
                .post
                .patterns()
                .iter()
                .find(|line| line.matches(path, true) || line.matches(path, false));
            let (number, text) = line.map_or((0, ""), |line| (line.number, line.text.as_str()));
            output.warning(
                NoticeCode::SlugignorePostNeededFile,
                format!(
                    "Line {number} of {NAME} leaves out {}, which no app can start without: `{}`",
                    printable(path),
                    printable(text.as_bytes())
                ),
            );
        }
    }
}

/// Says what was left out: `1 directory (1,234 files, 1.7M)`.
pub(super) fn describe(out: &Excluded) -> String {
    let count = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{} {many}", with_commas(count)),
    };
    let single = out.matched.len() as u64 - out.directories;
    let mut matched = Vec::new();
    if out.directories > 0 {
        matched.push(count(out.directories, "directory", "directories"));
    }
    if single > 0 {
        matched.push(count(single, "file", "files"));
    }
    let size = heroku_size(out.bytes);
    let whole = match out.directories {
        0 => size,
        _ => format!("{}, {size}", count(out.files, "file", "files")),
    };
    format!("{} ({whole})", matched.join(" and "))
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::output::tests::Captured;

    // B03, T09
    #[test]
    fn what_was_left_out_is_told_by_files_and_bytes() {
        for (matched, directories, files, bytes, expected) in [
            (1, 1, 1234, 1_782_580, "1 directory (1,234 files, 1.7M)"),
            (1, 0, 1, 17, "1 file (17B)"),
            (3, 0, 3, 2048, "3 files (2K)"),
            (12, 2, 1_000_010, 5 << 20, "2 directories and 10 files (1,000,010 files, 5M)"),
            (1, 1, 0, 0, "1 directory (0 files, 0B)"),
            (2, 1, 2, 1, "1 directory and 1 file (2 files, 1B)"),
        ] {
            let out = Excluded { matched: vec![b"x".to_vec(); matched], directories, files, bytes };
            assert_eq!(describe(&out), expected);
        }
    }

    // B03
    #[test]
    fn patterns_that_match_nothing_or_too_much_are_told() {
        let python: PythonVersion = "3.13.1".parse().unwrap();
        for (contents, paths, expected) in [
            ("tests/\n", &["app/tests"][..], &[][..]),
            (
                "tests/\nno/such\n",
                &["app/tests"],
                &["Line 2 of .slugignore.post matches nothing in the slug: `no/such`"],
            ),
            // A pattern that another one hides does match.
            ("tests/\n!tests/\n", &["app/tests"], &[]),
            (
                "bin/\n",
                &[".heroku/python/bin"],
                &["Line 1 of .slugignore.post leaves out .heroku/python/bin, which"],
            ),
            ("lib\n", &[".heroku/python/lib", "lib"], &["leaves out .heroku/python/lib, which"]),
            (
                "os.py\n",
                &[".heroku/python/lib/python3.13/os.py"],
                &["leaves out .heroku/python/lib/python3.13/os.py"],
            ),
            (".heroku\n", &[".heroku"], &["leaves out .heroku, which"]),
            ("test_os.py\n", &[".heroku/python/lib/python3.13/test/test_os.py"], &[]),
        ] {
            let post = SlugignorePost::parse(contents.as_bytes()).unwrap();
            let patterns = Patterns::new(&post);
            let log = Captured::default();
            let output = Output::to_sink(log.clone(), Format::Json);
            let matched: Vec<Vec<u8>> = paths
                .iter()
                .filter(|path| patterns.leave_out(path.as_bytes(), !path.ends_with(".py")))
                .map(|path| path.as_bytes().to_vec())
                .collect();
            patterns.warn_of_unmatched(&output);
            patterns.warn_of_needed(&Excluded { matched, ..Excluded::default() }, python, &output);
            let text = log.text();
            assert_eq!(text.lines().count(), expected.len(), "{contents:?}: {text}");
            for (line, expected) in text.lines().zip(expected) {
                assert!(line.contains(expected), "{contents:?}: {line}");
            }
        }
    }
}
