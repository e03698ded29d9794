//! The Procfile: which commands an app is run by. What is deployed is exactly what Heroku's own build system
//! reads, however odd; a linter says where that differs from what was meant.

use std::collections::BTreeMap;
use std::io;

use super::meant_line::{MeantLine, meant_line};
use super::names::printable;
use crate::error::{ErrorCode, FindingCode, Severity, Snippet, UserError};

/// The longest command that surely fits in a line of a report.
const SHORT: usize = 60;

/// What else a line may be.
const COMMENT: &str = "\nIf it is a comment, start the line with `#`.";

/// The longest name of a process type that the Platform API takes.
const MAX_NAME: usize = 128;

/// A Procfile that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProcfileError {
    /// The file itself can't be read.
    #[error("The Procfile {reason}.")]
    Unreadable {
        /// What was found, to go after the name.
        reason: String,
        /// What the system said.
        #[source]
        source: Option<io::Error>,
    },
    /// It isn't text.
    #[error("The Procfile {reason}.")]
    NotText {
        /// What was found, to go after the name: "isn't UTF-8 text".
        reason: &'static str,
        /// The number of the first such line, from 1.
        line: usize,
        /// That line, with what can't be read replaced.
        text: String,
    },
}

impl UserError for ProcfileError {
    fn code(&self) -> ErrorCode {
        ErrorCode::ProcfileUnreadable
    }

    fn snippet(&self) -> Option<Snippet> {
        match self {
            Self::Unreadable { .. } => None,
            Self::NotText { reason, line, text } => Some(Snippet {
                file: "Procfile".to_owned(),
                line: *line,
                text: text.clone(),
                span: 0..text.len(),
                label: (*reason).to_owned(),
            }),
        }
    }
}

/// Something about a line of the Procfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcfileFinding {
    /// The catalogue's entry.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// The number of the line, from 1.
    pub line: usize,
    /// One or more lines.
    pub text: String,
    /// What to do about this line, where that is more than what the catalogue's entry says.
    pub fix: Option<String>,
}

/// The process types that a Procfile declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Procfile {
    /// Names and commands in the order of the file. Of a name that is there twice, the last command counts.
    pub processes: Vec<(String, String)>,
    /// The number of the line that each command is from, from 1.
    pub lines: BTreeMap<String, usize>,
    /// What the linter says.
    pub findings: Vec<ProcfileFinding>,
    /// What was meant by lines that say something else, by their numbers.
    pub meant: BTreeMap<usize, MeantLine>,
}

impl Procfile {
    /// Parses the contents of a Procfile.
    pub fn parse(contents: &[u8]) -> Result<Self, ProcfileError> {
        let text = decode(contents)?;
        let mut procfile = Self::default();
        let text = match text.strip_prefix('\u{feff}') {
            None => text,
            Some(rest) => {
                procfile.find(
                    FindingCode::ProcfileByteOrderMark,
                    Severity::Warning,
                    1,
                    "The Procfile starts with a byte order mark (BOM). slugc passes over it;\n\
                     Heroku's own build doesn't see the first line then. Save it without one."
                        .to_owned(),
                );
                rest
            }
        };
        if text.contains('\r') {
            let text = "The lines of the Procfile end as on Windows (CRLF). That makes no difference.";
            procfile.find(FindingCode::ProcfileCrlf, Severity::Note, 1, text.to_owned());
        }
        // Where each process type is among those that were found.
        let mut places = BTreeMap::new();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for (index, line) in text.trim_end_matches('\n').split('\n').enumerate() {
            procfile.parse_line(index + 1, line, &mut places);
        }
        Ok(procfile)
    }

    /// Returns the process types and their commands.
    pub fn process_types(&self) -> BTreeMap<String, String> {
        self.processes.iter().cloned().collect()
    }

    fn find(&mut self, code: FindingCode, severity: Severity, line: usize, text: String) {
        self.findings.push(ProcfileFinding { code, severity, line, text, fix: None });
    }

    /// Finds something of a line that was meant to be another, which is the way out.
    fn find_meant(&mut self, code: FindingCode, severity: Severity, number: usize, text: String, line: &str) {
        let meant = meant_line(line);
        let fix = meant.as_ref().map(|MeantLine { name, command }| {
            let or = if code == FindingCode::ProcfileNoSpace { "" } else { COMMENT };
            // What is indented isn't wrapped.
            let indent = if command.len() > SHORT { "  " } else { "" };
            format!("Write:\n{indent}{name}: {}{or}", printable(command.as_bytes()))
        });
        self.meant.extend(meant.map(|meant| (number, meant)));
        self.findings.push(ProcfileFinding { code, severity, line: number, text, fix });
    }

    fn parse_line(&mut self, number: usize, line: &str, places: &mut BTreeMap<String, usize>) {
        let Some(Entry { name, has_colon, command }) = parse_entry(line) else {
            self.lint_ignored_line(number, line);
            return;
        };
        if has_colon {
            self.lint_entry(number, name, command);
            let meant =
                meant_line(line).filter(|meant| meant.name != name || meant.command != command.trim());
            self.meant.extend(meant.map(|meant| (number, meant)));
        } else {
            let effect = match printable(command.as_bytes()) {
                command if command.is_empty() => format!("type `{name}`, without a command"),
                command => format!("type all the same: Heroku would run `{command}` for the type `{name}`"),
            };
            let text = format!(
                "Line {number} of the Procfile has no colon after its first word, but declares a process {effect}."
            );
            self.find_meant(FindingCode::ProcfileNoColon, Severity::Error, number, text, line);
            // Nothing else is to be said of a type that nobody meant.
            if self.meant.get(&number).is_some_and(|meant| meant.name != name) {
                self.declare(number, name, command, places);
                return;
            }
        }
        if !self.declare(number, name, command, places) {
            let text = format!(
                "Line {number} of the Procfile declares the process type `{name}` again.\n\
                 The command of this line counts."
            );
            self.find(FindingCode::ProcfileDuplicate, Severity::Warning, number, text);
        }
    }

    /// Adds a process type; of one that is there, the last command counts. Returns whether it is new.
    fn declare(
        &mut self,
        number: usize,
        name: &str,
        command: &str,
        places: &mut BTreeMap<String, usize>,
    ) -> bool {
        self.lines.insert(name.to_owned(), number);
        match places.get(name) {
            None => {
                places.insert(name.to_owned(), self.processes.len());
                self.processes.push((name.to_owned(), command.to_owned()));
                true
            }
            Some(place) => {
                command.clone_into(&mut self.processes[*place].1);
                false
            }
        }
    }

    fn lint_entry(&mut self, number: usize, name: &str, command: &str) {
        if command.trim().is_empty() {
            let text = format!(
                "Line {number} of the Procfile declares the process type `{name}` without a command."
            );
            self.find(FindingCode::ProcfileEmptyCommand, Severity::Warning, number, text);
        }
        if name.len() > MAX_NAME {
            let text = format!(
                "Line {number} of the Procfile declares a process type with a name of {} characters.\n\
                 Heroku takes up to {MAX_NAME}.",
                name.len()
            );
            self.find(FindingCode::ProcfileNameTooLong, Severity::Warning, number, text);
        } else if !fits_fir(name) {
            let text = format!(
                "Line {number} of the Procfile declares the process type `{name}`.\n\
                 Heroku's Fir generation takes up to 63 lower case letters, digits and hyphens, \
                 with no hyphen at either end."
            );
            self.find(FindingCode::ProcfileNameNotForFir, Severity::Warning, number, text);
        }
    }

    fn lint_ignored_line(&mut self, number: usize, line: &str) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let is_marker = |marker: &str| {
            line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].into_iter().any(is_marker) {
            let text = format!("Line {number} of the Procfile is left over from a merge conflict.");
            self.find(FindingCode::ProcfileMergeMarker, Severity::Error, number, text);
            return;
        }
        let name_end = line.find(|letter| !is_name(letter)).unwrap_or(line.len());
        let shown = printable(line.as_bytes());
        if line[name_end..].starts_with(':') && name_end > 0 {
            let text = format!(
                "Heroku ignores line {number} of the Procfile: `{shown}`\n\
                 There has to be a space after the colon."
            );
            self.find_meant(FindingCode::ProcfileNoSpace, Severity::Warning, number, text, line);
        } else {
            let text = format!(
                "Heroku ignores line {number} of the Procfile: `{shown}`\n\
                 A line is the name of a process type (letters, digits, hyphens, underscores), \
                 a colon, a space and a command; or a comment that starts with `#`."
            );
            self.find_meant(FindingCode::ProcfileIgnoredLine, Severity::Warning, number, text, line);
        }
    }
}

/// Returns whether a file's name is meant to be the Procfile's, and isn't.
pub(crate) fn is_misnamed(name: &[u8]) -> bool {
    let wrong: [&[u8]; 4] = [b"procfile", b"procfile.txt", b"procfile.yml", b"procfile.yaml"];
    name != b"Procfile" && wrong.iter().any(|wrong| name.eq_ignore_ascii_case(wrong))
}

/// Splits a Procfile as it is parsed: into lines without their ends, the first without its byte order mark.
pub(crate) fn lines_of(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
    }
    lines.push(rest);
    lines
}

struct Entry<'a> {
    name: &'a str,
    has_colon: bool,
    command: &'a str,
}

/// Reads a line as Heroku's expression does, which sees the end of the line as white space too:
/// `^[[:space:]]*([a-zA-Z0-9_-]+):?\s+(.*)[[:space:]]*`
fn parse_entry(line: &str) -> Option<Entry<'_>> {
    let line = line.trim_start();
    let end = line.find(|letter| !is_name(letter)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return None;
    }
    let (has_colon, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    let command = rest.trim_start_matches([' ', '\t', '\x0b', '\x0c']);
    // The white space is required; at the end of a line, the line feed is it.
    (command.len() < rest.len() || rest.is_empty()).then_some(Entry { name, has_colon, command })
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

fn fits_fir(name: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    name.len() <= 63 && name.chars().all(letters) && !name.starts_with('-') && !name.ends_with('-')
}

fn decode(contents: &[u8]) -> Result<&str, ProcfileError> {
    let not_text = |reason, at: usize| {
        let start = contents[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
        let line = 1 + contents[..at].iter().filter(|byte| **byte == b'\n').count();
        let rest = contents[start..].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        ProcfileError::NotText { reason, line, text: printable(rest) }
    };
    if contents.starts_with(b"\xff\xfe") || contents.starts_with(b"\xfe\xff") {
        return Err(not_text("is UTF-16 text", 0));
    }
    if let Some(at) = contents.iter().position(|byte| *byte == 0) {
        return Err(not_text("holds a NUL character", at));
    }
    std::str::from_utf8(contents).map_err(|error| not_text("isn't UTF-8 text", error.valid_up_to()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Procfile {
        Procfile::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_line_is_what_heroku_takes_it_for() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n\n", &[]),
            ("web: a", &[("web", "a")]),
            ("web: a\n\n\n", &[("web", "a")]),
            ("web a", &[("web", "a")]),
            ("heroku ps:scale web=N", &[("heroku", "ps:scale web=N")]),
            ("web:a", &[]),
            ("web : a", &[("web", ": a")]),
            ("web:\ta", &[("web", "a")]),
            ("web:   a  b", &[("web", "a  b")]),
            ("  web: a", &[("web", "a")]),
            ("\u{a0}web: a", &[("web", "a")]),
            ("web:\u{a0}a", &[]),
            ("# web: a", &[]),
            ("#web: a", &[]),
            ("my-proc: a", &[("my-proc", "a")]),
            ("my_proc: a", &[("my_proc", "a")]),
            ("my.proc: a", &[]),
            ("grüße: a", &[]),
            ("web: a: b", &[("web", "a: b")]),
            ("web: a # c", &[("web", "a # c")]),
            ("web: \"x y\"", &[("web", "\"x y\"")]),
            ("web: a\r\nworker: b\r\n", &[("web", "a"), ("worker", "b")]),
            ("web: a\rworker: b", &[("web", "a"), ("worker", "b")]),
            ("web: a\nworker: b\nweb: c", &[("web", "c"), ("worker", "b")]),
            ("web: a\n\nworker: b", &[("web", "a"), ("worker", "b")]),
            ("web: a \\\n  b", &[("web", "a \\"), ("b", "")]),
            ("<<<<<<< HEAD\nweb: a\n=======\nweb: b\n>>>>>>> x", &[("web", "b")]),
            ("web:", &[("web", "")]),
            ("web:  \nworker: b", &[("web", ""), ("worker", "b")]),
            ("web", &[("web", "")]),
            (": a", &[]),
            ("\u{feff}web: a", &[("web", "a")]),
        ] {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(name, command)| ((*name).into(), (*command).into())).collect();
            assert_eq!(parse(text).processes, expected, "{text:?}");
        }
    }

    #[test]
    fn the_linter_says_what_was_hardly_meant() {
        use Severity::{Error, Note, Warning};
        for (text, expected) in [
            ("web: a\nworker-2: b\n# comment\n\n  \n", &[][..]),
            ("web: a # comment", &[]),
            ("heroku ps:scale web=N", &[("procfile::no-colon", Error, 1)]),
            ("\nweb : a", &[("procfile::no-colon", Error, 2)]),
            ("web", &[("procfile::no-colon", Error, 1)]),
            ("web:a", &[("procfile::no-space", Warning, 1)]),
            ("web:\u{a0}a", &[("procfile::no-space", Warning, 1)]),
            ("my.proc: a", &[("procfile::ignored-line", Warning, 1)]),
            (": a", &[("procfile::ignored-line", Warning, 1)]),
            ("web:", &[("procfile::empty-command", Warning, 1)]),
            ("web: a\nweb: b", &[("procfile::duplicate", Warning, 2)]),
            ("Web: a", &[("procfile::name-not-for-fir", Warning, 1)]),
            ("my_proc: a", &[("procfile::name-not-for-fir", Warning, 1)]),
            ("-web: a", &[("procfile::name-not-for-fir", Warning, 1)]),
            ("\u{feff}web: a", &[("procfile::byte-order-mark", Warning, 1)]),
            ("web: a\r\n", &[("procfile::crlf", Note, 1)]),
            (
                "<<<<<<< HEAD\nweb: a\n=======\n>>>>>>> topic",
                &[
                    ("procfile::merge-marker", Error, 1),
                    ("procfile::merge-marker", Error, 3),
                    ("procfile::merge-marker", Error, 4),
                ],
            ),
        ] {
            let found: Vec<_> = parse(text)
                .findings
                .into_iter()
                .map(|finding| (finding.code.entry().id, finding.severity, finding.line))
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
        let long = format!("{}: a", "x".repeat(MAX_NAME + 1));
        assert_eq!(parse(&long).findings[0].code.entry().id, "procfile::name-too-long");
    }

    // S05: each takes milliseconds; they took minutes.
    #[test]
    fn many_lines_are_parsed_in_one_pass() {
        let of = |line: &dyn Fn(usize) -> String| (0..200_000).map(line).collect::<String>();
        for (text, types, findings) in [
            (of(&|number| format!("p{number}: x\n")), 200_000, 0),
            (of(&|_| "web: x\n".to_owned()), 1, 199_999),
            (of(&|number| format!("p{}: x\r\n", number % 1_000)), 1_000, 199_001),
            (of(&|number| format!("p{number}:x\r")), 0, 200_001),
        ] {
            let procfile = parse(&text);
            assert_eq!((procfile.processes.len(), procfile.findings.len()), (types, findings));
        }
    }

    #[test]
    fn a_command_knows_the_line_that_it_is_from() {
        for text in ["web: a\nworker: b\nweb: c", "\u{feff}web: a\r\n\r\nworker: b\r\n# x\rweb: c\n\n"] {
            let (procfile, lines) = (parse(text), lines_of(text));
            for (name, command) in &procfile.processes {
                assert_eq!(lines[procfile.lines[name] - 1], format!("{name}: {command}"), "{text:?}");
            }
        }
    }

    #[test]
    fn the_linter_names_the_type_that_heroku_would_run() {
        let text = &parse("heroku ps:scale web=1").findings[0].text;
        assert!(text.contains("Heroku would run `ps:scale web=1` for the type `heroku`"), "{text}");
    }

    #[test]
    fn a_procfile_that_is_not_text_is_an_error_with_a_place() {
        for (contents, expected, line) in [
            (&b"web: a\nworker: caf\xe9\n"[..], "The Procfile isn't UTF-8 text.", 2),
            (b"\xff\xfew\0e\0b\0", "The Procfile is UTF-16 text.", 1),
            (b"w\0e\0b\0", "The Procfile holds a NUL character.", 1),
        ] {
            let error = Procfile::parse(contents).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.snippet().map(|snippet| snippet.line), Some(line), "{contents:?}");
            assert_eq!(error.code(), ErrorCode::ProcfileUnreadable);
        }
    }

    /// Heroku's expression itself, on a line with its end; its `\s` and `.` are those of ASCII.
    fn by_expression(text: &str) -> Vec<(String, String)> {
        let expression =
            regex::Regex::new(r"\A[[:space:]]*([a-zA-Z0-9_-]+):?[ \t\n\x0b\x0c]+(.*)[[:space:]]*").unwrap();
        let mut processes: Vec<(String, String)> = Vec::new();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for line in text.trim_end_matches('\n').split('\n') {
            let line = format!("{line}\n");
            let Some(captures) = expression.captures(&line) else { continue };
            let (name, command) = (captures[1].to_owned(), captures[2].to_owned());
            match processes.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = command,
                None => processes.push((name, command)),
            }
        }
        processes
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(contents in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Procfile::parse(&contents);
        }

        #[test]
        fn any_text_is_what_herokus_expression_says(text in "[a-c_:# \t\x0b\r\n-]{0,40}") {
            prop_assert_eq!(parse(&text).processes, by_expression(&text));
        }
    }
}
