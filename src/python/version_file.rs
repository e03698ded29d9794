//! The files that name a Python version: `.python-version`, and the deprecated `runtime.txt`.

use std::collections::BTreeSet;

use super::supported::nearest_to;
use super::version::RequestedVersion;
use crate::error::{Door, ErrorCode, Snippet, UserError};

/// How much of a wrong version goes into an error's detail.
const DETAIL_LENGTH: usize = 100;

/// Names that are meant to be `.python-version`, in the order in which they are looked for.
const MISSPELLED_NAMES: &[&str] = &[
    " .python-version",
    ". python-version",
    ".python_version.txt",
    ".python_version",
    ".python-version ",
    ",python-version",
    ".python-version.",
    ".python-version.py",
    ".python-version.rtf",
    ".python-version.txt",
    ".python-version.TXT",
    ".Python-version",
    ".python.version",
    ".pythonversion",
    "'.python-version'",
    "python_version.txt",
    "python_version",
    "python-version.",
    "python-version.txt",
    "python-version",
];

/// Why `.python-version` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionFileError {
    /// There is a file whose name is nearly right.
    #[error("The app has a file named \"{name}\". It should be named \".python-version\".")]
    Misspelled {
        /// The file's name.
        name: String,
    },
    /// A line isn't a version.
    #[error("Line {line} is not a version: {text}")]
    Invalid {
        /// The number of the line, from 1.
        line: usize,
        /// The line, with U+FFFD for each byte that can't be shown.
        text: String,
    },
    /// The file isn't plain UTF-8.
    #[error("The file is saved as: {encoding}.")]
    Encoding {
        /// The encoding, in the words of the `file` command.
        encoding: String,
    },
    /// There are comments and blank lines only.
    #[error("The file is empty, but for comments and blank lines.")]
    Empty,
    /// There is more than one version.
    #[error("These versions were found:\n{}", .versions.join("\n"))]
    Several {
        /// The versions, in the file's order.
        versions: Vec<String>,
        /// The number of the line with the second version, from 1.
        second_line: usize,
    },
}

/// Why `runtime.txt` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeTxtError {
    /// It isn't one line with `python-` and a version. What it holds isn't shown: the way out is another file.
    #[error("The content of runtime.txt isn't in the format that the file once had.")]
    Invalid {
        /// The lines that count, with U+FFFD for each byte that can't be shown.
        text: String,
    },
}

/// A line that is neither blank nor a comment.
struct Line {
    number: usize,
    /// Without white space around it. Not necessarily UTF-8.
    bytes: Vec<u8>,
}

/// Finds a file whose name is nearly `.python-version` among the names of the files in the app's root.
pub(crate) fn misspelled_version_file(root_names: &BTreeSet<Vec<u8>>) -> Option<VersionFileError> {
    MISSPELLED_NAMES
        .iter()
        .find(|name| root_names.contains(name.as_bytes()))
        .map(|name| VersionFileError::Misspelled { name: (*name).to_owned() })
}

/// Parses `.python-version`.
pub fn parse_version_file(contents: &[u8]) -> Result<RequestedVersion, VersionFileError> {
    let mut found = Vec::new();
    for line in significant_lines(contents) {
        let Some(version) = parse_version(&line.bytes) else {
            return Err(match unsupported_encoding(contents) {
                Some(encoding) => VersionFileError::Encoding { encoding },
                None => VersionFileError::Invalid { line: line.number, text: printable(&line.bytes) },
            });
        };
        found.push((line.number, version));
    }
    match found.as_slice() {
        [] => Err(VersionFileError::Empty),
        [(_, version)] => Ok(*version),
        [_, (second_line, _), ..] => Err(VersionFileError::Several {
            versions: found.iter().map(|(_, version)| version.to_string()).collect(),
            second_line: *second_line,
        }),
    }
}

/// Parses `runtime.txt`.
pub fn parse_runtime_txt(contents: &[u8]) -> Result<RequestedVersion, RuntimeTxtError> {
    let lines: Vec<Vec<u8>> = significant_lines(contents).map(|line| line.bytes).collect();
    if let [line] = lines.as_slice()
        && let Some(version) = line.strip_prefix(b"python-").and_then(parse_version)
    {
        return Ok(version);
    }
    Err(RuntimeTxtError::Invalid { text: printable(&lines.join(&b'\n')) })
}

fn parse_version(bytes: &[u8]) -> Option<RequestedVersion> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn significant_lines(contents: &[u8]) -> impl Iterator<Item = Line> {
    contents.split(|byte| *byte == b'\n').zip(1..).filter_map(|(line, number)| {
        let line = trim(line);
        let counts = !line.is_empty() && !line.starts_with(b"#");
        counts.then(|| Line { number, bytes: show_nul(line) })
    })
}

/// Strips what glibc's C.UTF-8 calls white space, as the reference does: no-break spaces, U+0085 and a byte
/// order mark stay, and make the line an invalid version.
fn trim(line: &[u8]) -> &[u8] {
    match std::str::from_utf8(line) {
        Ok(text) => text.trim_matches(is_space).as_bytes(),
        Err(_) => {
            let is_space = |byte: &u8| is_space(char::from(*byte));
            let start = line.iter().position(|byte| !is_space(byte)).unwrap_or(line.len());
            let end = line.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
            &line[start..end]
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(
        character,
        '\t'..='\r'
            | ' '
            | '\u{1680}'
            | '\u{2000}'..='\u{2006}'
            | '\u{2008}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

fn show_nul(line: &[u8]) -> Vec<u8> {
    line.iter()
        .flat_map(|byte| if *byte == 0 { "\u{2400}".as_bytes() } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

/// Replaces each byte (not each character) that isn't printable ASCII, so that the invisible is seen.
fn printable(bytes: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' | b'\t' | b'\n' => char::from(*byte),
        _ => char::REPLACEMENT_CHARACTER,
    };
    bytes.iter().map(shown).collect()
}

/// Names the encoding if it is at fault, and not the version: in the words of the `file` command, which the
/// reference asks.
fn unsupported_encoding(contents: &[u8]) -> Option<String> {
    let utf16 = |from: fn([u8; 2]) -> u16| -> String {
        let units = contents[2..].chunks_exact(2).map(|pair| from([pair[0], pair[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let (name, text) = match contents {
        [] | [_] => return None,
        [0xef, 0xbb, 0xbf, ..] => {
            ("Unicode text, UTF-8 (with BOM) text", String::from_utf8_lossy(contents).into_owned())
        }
        [0xff, 0xfe, 0, 0, ..] => ("Unicode text, UTF-32, little-endian text", String::from("\n")),
        [0xff, 0xfe, ..] => ("Unicode text, UTF-16, little-endian text", utf16(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => ("Unicode text, UTF-16, big-endian text", utf16(u16::from_be_bytes)),
        _ if contents.iter().any(is_no_text) || std::str::from_utf8(contents).is_ok() => return None,
        _ => {
            // 0x85 is a line end in ISO 8859, the other C1 controls aren't text there.
            let extended = contents.iter().any(|byte| matches!(byte, 0x80..=0x84 | 0x86..=0x9f));
            let name = if extended { "Non-ISO extended-ASCII text" } else { "ISO-8859 text" };
            (name, contents.iter().copied().map(char::from).collect())
        }
    };
    Some(format!("{name}{}", line_ends(&text)))
}

/// Tells the control characters that make a file data, and not text in whatever encoding.
fn is_no_text(byte: &u8) -> bool {
    matches!(byte, 0..=6 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

fn line_ends(text: &str) -> String {
    let crlf = text.matches("\r\n").count();
    let cr = text.matches('\r').count() - crlf;
    let lf = text.matches('\n').count() - crlf;
    let found: Vec<&str> = [(crlf, "CRLF"), (cr, "CR"), (lf, "LF")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, name)| *name)
        .collect();
    match found.as_slice() {
        [] => ", with no line terminators".into(),
        ["LF"] => String::new(),
        names => format!(", with {} line terminators", names.join(", ")),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(DETAIL_LENGTH).collect()
}

impl UserError for VersionFileError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Misspelled { .. } => ErrorCode::VersionFileMisspelled,
            Self::Invalid { .. } => ErrorCode::VersionFileInvalid,
            Self::Encoding { .. } => ErrorCode::VersionFileEncoding,
            Self::Empty => ErrorCode::VersionFileEmpty,
            Self::Several { .. } => ErrorCode::VersionFileSeveral,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Misspelled { name } => Some(name.clone()),
            Self::Invalid { text, .. } => Some(shortened(text)),
            Self::Encoding { encoding } => Some(encoding.clone()),
            Self::Empty => None,
            Self::Several { versions, .. } => Some(versions.join(",")),
        }
    }

    fn fix(&self, _door: Door) -> Option<String> {
        let Self::Invalid { text, .. } = self else { return None };
        Some(with_example(self.code(), text))
    }

    fn snippet(&self) -> Option<Snippet> {
        let (line, text, label) = match self {
            Self::Invalid { line, text } => (*line, shortened(text), "not a version"),
            Self::Several { versions, second_line } => {
                (*second_line, versions.get(1)?.clone(), "one too many")
            }
            _ => return None,
        };
        let span = 0..text.len();
        Some(Snippet { file: ".python-version".into(), line, text, span, label: label.into() })
    }
}

/// Puts the version that was meant in the place of the catalogue's example.
fn with_example(code: ErrorCode, text: &str) -> String {
    let example = nearest_to(text).to_string();
    let lines = code.entry().fix.lines().map(|line| match line.trim() {
        "3.14" => example.clone(),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl UserError for RuntimeTxtError {
    fn code(&self) -> ErrorCode {
        ErrorCode::RuntimeTxtInvalid
    }

    fn detail(&self) -> Option<String> {
        let Self::Invalid { text } = self;
        Some(shortened(text))
    }

    fn fix(&self, _door: Door) -> Option<String> {
        let Self::Invalid { text } = self;
        Some(with_example(self.code(), text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(text: &str) -> RequestedVersion {
        text.parse().unwrap()
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn a_version_may_stand_among_white_space_blank_lines_and_comments() {
        for (contents, expected) in [
            ("3.13", "3.13"),
            ("3.13\r\n", "3.13"),
            ("\t 3.13 \n\n", "3.13"),
            ("\x0b3.13\x0c\n", "3.13"),
            ("\u{2003}3.13\u{3000}\n", "3.13"),
            ("#!/bin/sh\n3.13", "3.13"),
            ("  # 3.9\n\n3.13\n# 3.10\n", "3.13"),
            ("3.13.1", "3.13.1"),
            ("3.13.99", "3.13.99"),
            ("2.7.18", "2.7.18"),
            ("3.9", "3.9"),
            ("3.15", "3.15"),
            ("4.0", "4.0"),
            ("3.99999999999999999999", "3.18446744073709551615"),
        ] {
            assert_eq!(parse_version_file(contents.as_bytes()), Ok(requested(expected)), "{contents:?}");
        }
    }

    #[test]
    fn whatever_else_is_an_invalid_version() {
        for text in [
            "3",
            "3.09",
            "03.13",
            "3.13.",
            "3.13.1.2",
            "v3.13",
            "3.14.0rc1",
            "3.13-dev",
            "3.13t",
            "python-3.13",
            "cpython@3.12",
            "pypy3.10-7.3.12",
            ">=3.12",
            "3.*",
            "\"3.13\"",
            "system",
            "my-virtualenv",
            "{\"a\":1}",
            "3.13 # x",
            "3.13 3.12",
            "3.13\\n",
        ] {
            let expected = VersionFileError::Invalid { line: 1, text: text.into() };
            assert_eq!(parse_version_file(text.as_bytes()), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown_byte_by_byte() {
        for (contents, line, shown) in [
            ("3.13\u{200b}".as_bytes(), 1, "3.13\u{fffd}\u{fffd}\u{fffd}"),
            ("3.13\u{a0}".as_bytes(), 1, "3.13\u{fffd}\u{fffd}"),
            ("\u{85}3.13".as_bytes(), 1, "\u{fffd}\u{fffd}3.13"),
            ("\n3.13\r3.12\n".as_bytes(), 2, "3.13\u{fffd}3.12"),
            ("3.13\0".as_bytes(), 1, "3.13\u{fffd}\u{fffd}\u{fffd}"),
            (
                &utf16("3.1", u16::to_le_bytes),
                1,
                "3\u{fffd}\u{fffd}\u{fffd}.\u{fffd}\u{fffd}\u{fffd}1\u{fffd}\u{fffd}\u{fffd}",
            ),
            (b"\xe9", 1, "\u{fffd}"),
        ] {
            let expected = VersionFileError::Invalid { line, text: shown.into() };
            assert_eq!(parse_version_file(contents), Err(expected), "{contents:?}");
        }
    }

    #[test]
    fn an_unsupported_encoding_is_named() {
        for (contents, expected) in [
            ("\u{feff}3.13\n".as_bytes(), "Unicode text, UTF-8 (with BOM) text"),
            (
                "\u{feff}3.13\r\n".as_bytes(),
                "Unicode text, UTF-8 (with BOM) text, with CRLF line terminators",
            ),
            ("\u{feff}# comment\n3.13\n".as_bytes(), "Unicode text, UTF-8 (with BOM) text"),
            (
                &utf16("\u{feff}3.13\r\n", u16::to_le_bytes),
                "Unicode text, UTF-16, little-endian text, with CRLF line terminators",
            ),
            (
                &utf16("\u{feff}3.13", u16::to_be_bytes),
                "Unicode text, UTF-16, big-endian text, with no line terminators",
            ),
            (b"3.13 \xe9\n", "ISO-8859 text"),
            (b"3.13 \x80\n", "Non-ISO extended-ASCII text"),
        ] {
            let expected = VersionFileError::Encoding { encoding: expected.into() };
            assert_eq!(parse_version_file(contents), Err(expected), "{contents:?}");
        }
    }

    #[test]
    fn a_comment_in_another_encoding_is_still_a_comment() {
        assert_eq!(parse_version_file(b"# caf\xe9\n3.13\n"), Ok(requested("3.13")));
    }

    #[test]
    fn no_version_is_an_error_of_its_own() {
        for contents in ["", "\n\n", "# 3.13\n", " \t\r\n\x0b\n", "#"] {
            assert_eq!(parse_version_file(contents.as_bytes()), Err(VersionFileError::Empty), "{contents:?}");
        }
    }

    #[test]
    fn several_versions_are_listed_unless_one_is_invalid() {
        let error = parse_version_file(b"3.13\n\n3.12.1\n").unwrap_err();
        assert_eq!(
            error,
            VersionFileError::Several { versions: vec!["3.13".into(), "3.12.1".into()], second_line: 3 }
        );
        assert_eq!(error.detail().as_deref(), Some("3.13,3.12.1"));
        let error = parse_version_file(b"3.13\n3.12\nnope\nneither\n").unwrap_err();
        assert_eq!(error, VersionFileError::Invalid { line: 3, text: "nope".into() });
    }

    #[test]
    fn runtime_txt_is_one_line_with_the_prefix() {
        for (contents, expected) in [
            ("python-3.13", Some("3.13")),
            ("python-3.13.2\r\n", Some("3.13.2")),
            ("# comment\n  python-3.13  \n\n", Some("3.13")),
            ("3.13", None),
            ("Python-3.13", None),
            ("python-3.13\npython-3.12", None),
            ("", None),
            ("# comment", None),
            ("\u{feff}python-3.13", None),
            ("python-3.13\0", None),
            ("pypy-7.3.2", None),
            ("python-", None),
            ("python-3", None),
            ("python-3.09", None),
            ("python- 3.13", None),
            ("python-3.13 # x", None),
            ("python-\n3.13", None),
        ] {
            assert_eq!(parse_runtime_txt(contents.as_bytes()).ok(), expected.map(requested), "{contents:?}");
        }
    }

    #[test]
    fn a_misspelled_name_is_found_whatever_else_is_there() {
        assert_eq!(MISSPELLED_NAMES.len(), 20);
        for name in MISSPELLED_NAMES {
            let names = [b".python-version".to_vec(), b"\xff".to_vec(), name.as_bytes().to_vec()].into();
            let expected = VersionFileError::Misspelled { name: (*name).into() };
            assert_eq!(misspelled_version_file(&names), Some(expected));
        }
        let fine = [".python-version", "python", "check_python_version.py", "runtime.txt"];
        assert_eq!(misspelled_version_file(&fine.map(|name| name.as_bytes().to_vec()).into()), None);
    }

    #[test]
    fn every_error_has_the_code_and_the_detail_that_scripts_know() {
        let detail = "x".repeat(100);
        for (contents, id, expected) in [
            ("x".repeat(300), "python-version-file::invalid-version", Some(detail.as_str())),
            (
                "\u{feff}3.13\n".into(),
                "python-version-file::invalid-encoding",
                Some("Unicode text, UTF-8 (with BOM) text"),
            ),
            (String::new(), "python-version-file::no-version", None),
            ("3.1\n3.2".into(), "python-version-file::multiple-versions", Some("3.1,3.2")),
        ] {
            let error = parse_version_file(contents.as_bytes()).unwrap_err();
            assert_eq!((error.code().entry().id, error.detail().as_deref()), (id, expected));
        }
        let error = VersionFileError::Misspelled { name: ".python_version".into() };
        assert_eq!(error.code().entry().id, "python-version-file::misspelled");
        assert_eq!(error.detail().as_deref(), Some(".python_version"));
        let error = parse_runtime_txt(b"3.13").unwrap_err();
        assert_eq!(
            (error.code().entry().id, error.detail().as_deref()),
            ("runtime-txt::invalid-version", Some("3.13"))
        );
        assert_eq!(error.snippet(), None);
        assert!(!error.to_string().contains("3.13"));
    }

    #[test]
    fn the_line_at_fault_is_pointed_at() {
        let snippet = parse_version_file(b"# x\nv3.13\n").unwrap_err().snippet().unwrap();
        assert_eq!((snippet.line, snippet.text.as_str(), snippet.span), (2, "v3.13", 0..5));
        let snippet = parse_version_file(b"3.13\n\n3.12\n").unwrap_err().snippet().unwrap();
        assert_eq!((snippet.line, snippet.text.as_str(), snippet.span), (3, "3.12", 0..4));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_version_or_an_error_that_can_be_shown(
            text in "(python|-|3|\\.|[0-9 #\n\r\t\u{feff}\u{0}é]){0,12}",
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
        ) {
            for contents in [text.clone().into_bytes(), [&noise, text.as_bytes()].concat(), noise] {
                if let Err(error) = parse_version_file(&contents) {
                    assert!(!error.to_string().is_empty(), "{error:?}");
                }
                if let Err(error) = parse_runtime_txt(&contents) {
                    assert!(!error.to_string().is_empty(), "{error:?}");
                }
            }
        }
    }

    // D18
    #[test]
    fn the_advice_names_the_version_that_is_written() {
        for (contents, expected) in [
            ("python-3.13\n", "\n3.13\n"),
            ("'3.12'\n", "\n3.12\n"),
            ("3.11.* # mine\n", "\n3.11\n"),
            ("python-3.8\n", "\n3.10\n"),
            ("latest\n", "\n3.14\n"),
        ] {
            let error = parse_version_file(contents.as_bytes()).unwrap_err();
            let fix = error.fix(Door::CommandLine).unwrap();
            assert!(fix.contains(expected), "{contents:?}: {fix}");
            let error = parse_runtime_txt(contents.trim_start_matches("python-").as_bytes()).unwrap_err();
            let fix = error.fix(Door::Buildpack).unwrap();
            assert!(fix.contains(expected), "runtime.txt {contents:?}: {fix}");
        }
    }
}
