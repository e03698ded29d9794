//! `.slugignore`: which files of the app stay out of the slug. The globs are those of Ruby's `Dir[]`, which
//! is what Heroku uses, not those of `.gitignore`; where the two surprise, a finding says so.

use std::io;
use std::ops::Range;

use super::names::printable;
use super::pattern::{Candidate, Pattern};
use super::tree::Finding;
use crate::error::{ErrorCode, NoticeCode, Snippet, UserError};

/// The file's name.
pub(crate) const NAME: &str = ".slugignore";

/// A `.slugignore` that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SlugignoreError {
    /// It isn't a text file.
    #[error("{file} {reason}.")]
    Unreadable {
        /// The file's name.
        file: String,
        /// What was found, to go after the name: "isn't a regular file".
        reason: String,
        /// What the system said.
        #[source]
        source: Option<io::Error>,
    },
    /// A line isn't a pattern.
    #[error("The pattern in line {line} of {file} {reason}.")]
    InvalidPattern {
        /// The file's name.
        file: String,
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
        /// Where the pattern is in the line.
        span: Range<usize>,
        /// What is wrong, to go after "the pattern".
        reason: &'static str,
    },
}

impl UserError for SlugignoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unreadable { .. } => ErrorCode::SlugignoreUnreadable,
            Self::InvalidPattern { .. } => ErrorCode::SlugignoreInvalidPattern,
        }
    }

    fn snippet(&self) -> Option<Snippet> {
        match self {
            Self::Unreadable { .. } => None,
            Self::InvalidPattern { file, line, text, span, reason } => Some(Snippet {
                file: file.clone(),
                line: *line,
                text: text.clone(),
                span: span.clone(),
                label: (*reason).to_owned(),
            }),
        }
    }
}

/// Returns the text of a file of patterns, without a byte order mark.
pub(super) fn decode<'a>(file: &str, contents: &'a [u8]) -> Result<&'a str, SlugignoreError> {
    let contents = contents.strip_prefix(b"\xef\xbb\xbf").unwrap_or(contents);
    std::str::from_utf8(contents).map_err(|error| {
        let before = &contents[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        SlugignoreError::Unreadable {
            file: file.to_owned(),
            reason: format!("isn't UTF-8 text in line {line}"),
            source: None,
        }
    })
}

/// The patterns of a `.slugignore`, ready to be matched against many paths.
#[derive(Debug, Clone, Default)]
pub struct Slugignore {
    patterns: Vec<Line>,
    findings: Vec<Finding>,
}

#[derive(Debug, Clone)]
struct Line {
    number: usize,
    text: String,
    pattern: Pattern,
}

impl Slugignore {
    /// Returns the patterns of an app without a `.slugignore`.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Parses the contents of `.slugignore`.
    pub fn parse(contents: &[u8]) -> Result<Self, SlugignoreError> {
        let text = decode(NAME, contents)?;
        let mut slugignore = Self::default();
        for (index, line) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
            slugignore.parse_line(index + 1, line)?;
        }
        Ok(slugignore)
    }

    fn parse_line(&mut self, number: usize, line: &str) -> Result<(), SlugignoreError> {
        let text = line.trim_matches(|letter: char| letter.is_ascii_whitespace() || letter == '\x0b');
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        if text.starts_with('!') {
            self.findings.push(Finding {
                code: NoticeCode::SlugignoreNegation.into(),
                text: format!(
                    "Line {number} of {NAME} has no effect: `{}`\n\
                     A pattern that starts with `!` isn't supported: Heroku's .slugignore \
                     can't take a file back in. For a name that starts so, write `\\!`.",
                    printable(text.as_bytes())
                ),
            });
            return Ok(());
        }
        let invalid = |reason| {
            let start = line.find(text).unwrap_or(0);
            SlugignoreError::InvalidPattern {
                file: NAME.to_owned(),
                line: number,
                text: line.to_owned(),
                span: start..start + text.len(),
                reason,
            }
        };
        let (pattern, leaves_root) = Pattern::parse(text).map_err(invalid)?;
        if leaves_root {
            self.findings.push(Finding {
                code: NoticeCode::SlugignoreOutside.into(),
                text: format!(
                    "Line {number} of {NAME} has no effect: `{}`\n\
                     It stands for the app's top level directory or for something outside of it.",
                    printable(text.as_bytes())
                ),
            });
        }
        if let Some(pattern) = pattern {
            self.patterns.push(Line { number, text: text.to_owned(), pattern });
        }
        Ok(())
    }

    /// Returns whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns the number of patterns: what [`Slugignore::matches`] returns is below it.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Returns a pattern as it was written.
    pub fn pattern(&self, index: usize) -> Option<&str> {
        self.patterns.get(index).map(|line| line.text.as_str())
    }

    /// Returns the number of a pattern's line, from 1.
    pub fn line(&self, index: usize) -> Option<usize> {
        self.patterns.get(index).map(|line| line.number)
    }

    /// Returns what is odd about the patterns themselves.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether any pattern asks if a path is a directory.
    pub fn has_directory_patterns(&self) -> bool {
        self.patterns.iter().any(|line| line.pattern.asks_for_directories())
    }

    /// Returns the first pattern that matches this path: relative to the app, with `/` between the names. What is
    /// below a directory that matches goes with it, but that is for the caller to know.
    pub fn matches(&self, path: &[u8], is_dir_or_dir_link: bool) -> Option<usize> {
        let candidate = Candidate::new(path, is_dir_or_dir_link);
        self.patterns.iter().position(|line| line.pattern.matches(&candidate))
    }

    /// Returns the first pattern that leaves this file out: by its own name, or by that of a directory above it.
    pub fn leaves_out(&self, path: &[u8]) -> Option<usize> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut above = slashes.map(|(slash, _)| &path[..slash]);
        above.find_map(|dir| self.matches(dir, true)).or_else(|| self.matches(path, false))
    }

    /// Returns whether one pattern matches this path.
    pub fn pattern_matches(&self, index: usize, path: &[u8], is_dir_or_dir_link: bool) -> bool {
        let candidate = Candidate::new(path, is_dir_or_dir_link);
        self.patterns.get(index).is_some_and(|line| line.pattern.matches(&candidate))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIR: bool = true;
    const FILE: bool = false;

    fn matches(pattern: &str, path: &str, is_dir: bool) -> bool {
        Slugignore::parse(pattern.as_bytes()).unwrap().matches(path.as_bytes(), is_dir).is_some()
    }

    #[test]
    fn a_pattern_matches_what_it_does_on_heroku() {
        for (pattern, path, is_dir, expected) in [
            // A name without a slash: at any depth, file or directory; no dotfiles, nothing in dot-directories.
            ("*.psd", "a.psd", FILE, true),
            ("*.psd", "x/y/a.psd", FILE, true),
            ("*.psd", ".a.psd", FILE, false),
            ("*.psd", ".cache/a.psd", FILE, false),
            ("*.psd", "x/.cache/y/a.psd", FILE, false),
            ("*.psd", "x.y/a.psd", FILE, true),
            ("spec", "spec", DIR, true),
            ("spec", "spec", FILE, true),
            ("spec", "lib/spec", DIR, true),
            ("spec", ".github/spec", DIR, false),
            ("spec", "specs", DIR, false),
            ("spec", "SPEC", DIR, false),
            // Any slash: from the root.
            ("/spec", "spec", DIR, true),
            ("/spec", "lib/spec", DIR, false),
            ("spec/", "spec", DIR, true),
            ("spec/", "spec", FILE, false),
            ("spec/", "lib/spec", DIR, false),
            ("./spec", "spec", DIR, true),
            ("./spec", "lib/spec", DIR, false),
            ("//spec", "spec", DIR, true),
            ("lib/./spec", "lib/spec", DIR, true),
            ("lib/../spec", "spec", DIR, true),
            ("docs/*.md", "docs/a.md", FILE, true),
            ("docs/*.md", "docs/sub/b.md", FILE, false),
            ("docs/*.md", "docs/.a.md", FILE, false),
            ("docs/*.md", "x/docs/a.md", FILE, false),
            ("docs/**/*.md", "docs/a.md", FILE, true),
            ("docs/**/*.md", "docs/sub/b.md", FILE, true),
            ("docs/**/*.md", "docs/sub/sub/b.md", FILE, true),
            ("docs/**/*.md", "docs/.sub/b.md", FILE, false),
            ("docs/**/*.md", "docs/sub/.b.md", FILE, false),
            ("docs/**/*.md", "docs.md", FILE, false),
            ("docs/**", "docs/a", FILE, true),
            ("docs/**", "docs", DIR, false),
            ("docs/**/", "docs", DIR, true),
            ("docs/**/", "docs/sub/sub", DIR, true),
            ("docs/**/", "docs/a", FILE, false),
            ("**/spec", "spec", DIR, true),
            ("**/spec", "a/b/spec", DIR, true),
            ("**/spec", ".a/spec", DIR, false),
            ("**/**/spec", "a/b/spec", DIR, true),
            ("a**b", "axb", FILE, true),
            ("a**b", "a/b", FILE, false),
            ("/*", "a", FILE, true),
            ("/*", ".a", FILE, false),
            ("/*", "a/b", FILE, false),
            ("*", "a/b", FILE, true),
            // Braces, classes, escapes.
            ("{a,b}.txt", "a.txt", FILE, true),
            ("{a,b}.txt", "x/b.txt", FILE, true),
            ("{a,b}.txt", "c.txt", FILE, false),
            ("{a,b{c,d}}", "bd", FILE, true),
            ("{a,b{c,d}}", "b", FILE, false),
            ("x{,y}", "x", FILE, true),
            ("{a}", "a", FILE, true),
            ("{docs/a,b}.md", "b.md", FILE, true),
            ("{docs/a,b}.md", "docs/b.md", FILE, false),
            ("{docs/a,b}.md", "docs/a.md", FILE, true),
            ("{a/,b}", "a", FILE, false),
            ("{a/,b}", "b", FILE, true),
            ("a{b", "a{b", FILE, true),
            ("a}b", "a}b", FILE, true),
            ("\\{a,b}", "{a,b}", FILE, true),
            ("[ab].txt", "x/a.txt", FILE, true),
            ("[ab].txt", "c.txt", FILE, false),
            ("[!ab].txt", "c.txt", FILE, true),
            ("[^ab].txt", "c.txt", FILE, true),
            ("[^ab].txt", "a.txt", FILE, false),
            ("[!a]x", ".x", FILE, false),
            ("[0-9].log", "5.log", FILE, true),
            ("[0\\-9].log", "5.log", FILE, false),
            ("[0\\-9].log", "-.log", FILE, true),
            ("[]]", "]", FILE, true),
            ("[a\\]!-]", "]", FILE, true),
            ("[a\\]!-]", "!", FILE, true),
            ("[a\\]!-]", "-", FILE, true),
            ("[a\\]!-]", "b", FILE, false),
            ("[\\!]", "!", FILE, true),
            ("[!!]", "!", FILE, false),
            ("[!!]", "a", FILE, true),
            ("[\\!-]", "-", FILE, true),
            ("?.txt", "a.txt", FILE, true),
            ("?.txt", "x/é.txt", FILE, true),
            ("?.txt", "..txt", FILE, false),
            ("?.txt", "ab.txt", FILE, false),
            ("a?b", "a/b", FILE, false),
            ("\\*.txt", "*.txt", FILE, true),
            ("\\*.txt", "a.txt", FILE, false),
            ("a\\b", "ab", FILE, true),
            ("a\\/b", "a/b", FILE, true),
            // Comments and what starts like them.
            ("# spec", "spec", DIR, false),
            ("# spec", "#", FILE, false),
            ("#spec", "#spec", FILE, false),
            ("\\#x", "#x", FILE, true),
            ("spec # tests", "spec", DIR, false),
            ("spec # tests", "spec # tests", DIR, true),
            ("we#ird.txt", "we#ird.txt", FILE, true),
            ("we#ird.txt", "we", FILE, false),
            ("!a.psd", "!a.psd", FILE, false),
            ("!a.psd", "a.psd", FILE, false),
            ("\\!a.psd", "!a.psd", FILE, true),
            // White space, ends of lines, byte order mark.
            ("with space.txt", "with space.txt", FILE, true),
            ("with space.txt", "with", FILE, false),
            (" \tspec \t", "spec", DIR, true),
            ("a\r\nspec\r\n", "spec", DIR, true),
            ("a\rspec", "spec", DIR, true),
            ("\u{feff}spec", "spec", DIR, true),
            // Dotfiles, if the dot is there.
            (".*", ".env", FILE, true),
            (".*", "x/.env", FILE, true),
            (".*", "a", FILE, false),
            (".cache/*", ".cache/a", FILE, true),
            // A link to a directory is removed like one.
            ("link/", "link", DIR, true),
            // Never the root, never outside of it.
            (".", "", DIR, false),
            ("./", "", DIR, false),
            ("/", "", DIR, false),
            ("**/", "", DIR, false),
            ("*", "", DIR, false),
            (".*", "", DIR, false),
            ("../x", "x", FILE, false),
            ("a/../../x", "x", FILE, false),
            ("**/../x", "x", FILE, false),
            ("..", "", DIR, false),
        ] {
            assert_eq!(matches(pattern, path, is_dir), expected, "{pattern:?} {path:?} {is_dir}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_matched_like_others() {
        let slugignore = Slugignore::parse(b"*.psd\n?x").unwrap();
        assert_eq!(slugignore.matches(b"d/caf\xe9.psd", FILE), Some(0));
        assert_eq!(slugignore.matches(b"\xe9x", FILE), Some(1));
        assert_eq!(slugignore.matches(b"\xe9\xe9x", FILE), None);
        assert_eq!(slugignore.matches(b"two\nlines.psd", FILE), Some(0));
    }

    #[test]
    fn the_first_pattern_that_matches_is_named() {
        let slugignore = Slugignore::parse(b"# comment\n\n*.md\nREADME*\n").unwrap();
        assert_eq!(slugignore.len(), 2);
        assert_eq!(slugignore.matches(b"README.md", FILE), Some(0));
        assert_eq!(slugignore.matches(b"README.txt", FILE), Some(1));
        assert_eq!((slugignore.line(1), slugignore.pattern(1)), (Some(4), Some("README*")));
        assert!(slugignore.pattern_matches(1, b"README.md", FILE));
    }

    #[test]
    fn a_line_that_can_have_no_effect_is_found() {
        for (text, expected) in [
            ("spec\n# x\n", &[][..]),
            ("!keep", &["slugignore::negation"]),
            ("../x", &["slugignore::outside"]),
            (".", &["slugignore::outside"]),
            ("/", &["slugignore::outside"]),
            ("{..,a}", &["slugignore::outside"]),
        ] {
            let slugignore = Slugignore::parse(text.as_bytes()).unwrap();
            let ids: Vec<_> = slugignore.findings().iter().map(|finding| finding.code.id()).collect();
            assert_eq!(ids, expected, "{text:?}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_shown_in_its_line() {
        let many = "{a,b}".repeat(10);
        for (pattern, reason) in [
            ("[ab", "has a `[` without its `]`"),
            ("[a/b]", "has a `[` without its `]`"),
            ("[]", "has a `[` without its `]`"),
            ("x[\\", "has a `[` without its `]`"),
            (&many, "stands for more than 1,000 names"),
            (&format!("{{{}}}", ",".repeat(2_000)), "stands for more than 1,000 names"),
            (&"x".repeat(5_000), "is longer than a path can be"),
        ] {
            let error = Slugignore::parse(format!("ok\n {pattern} \n").as_bytes()).unwrap_err();
            let snippet = error.snippet().unwrap();
            assert_eq!((snippet.line, snippet.label.as_str()), (2, reason));
            assert_eq!(&snippet.text[snippet.span], pattern);
            assert_eq!(error.code(), ErrorCode::SlugignoreInvalidPattern);
        }
    }

    #[test]
    fn a_file_that_is_not_utf8_is_an_error() {
        let error = Slugignore::parse(b"spec\ncaf\xe9\n").unwrap_err();
        assert_eq!(error.to_string(), ".slugignore isn't UTF-8 text in line 2.");
        assert_eq!(error.code(), ErrorCode::SlugignoreUnreadable);
    }

    proptest! {
        #[test]
        fn any_pattern_is_matched_or_refused_and_never_matches_the_root(
            pattern in "[a./*?{},\\[\\]!^\\\\#-]{0,24}",
            path in "[a./]{1,12}",
        ) {
            if let Ok(slugignore) = Slugignore::parse(pattern.as_bytes()) {
                let _ = slugignore.matches(path.as_bytes(), true);
                prop_assert_eq!(slugignore.matches(b"", true), None);
            }
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(contents in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Slugignore::parse(&contents);
        }
    }
}
