//! Files of config vars, such as `.env`, in the two forms that `heroku local` reads: `NAME=value` lines, or JSON.
//!
//! The parser is our own: the crates for `.env` files replace `$NAME` in values, and a config var is taken
//! literally. The rules follow the parser inside the Heroku CLI (`lib/local/foreman/envs.cjs`), and differ where
//! that one loses data without a word: a line without `=` and an unclosed quote are errors here, `export` before
//! a name is allowed, and `\n`, `\r`, `\"` and `\\` mean something within double quotes.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{ErrorCode, Snippet, UserError};

/// A file of config vars that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", place(file, *line))]
pub struct EnvFileError {
    /// The file's name, as the user knows it.
    pub file: String,
    /// The number of the line at fault, from 1; 0 if it is the whole file.
    pub line: usize,
    /// What is wrong.
    pub problem: EnvFileProblem,
    // The line without the value, as that may be a secret.
    shown: Option<(String, Range<usize>)>,
}

/// What is wrong with a file of config vars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvFileProblem {
    /// A line has no `=`.
    #[error("has a line without `=`.")]
    NoEqualsSign,
    /// What stands before the `=` can't be the name of a config var.
    #[error("has a line that doesn't begin with a name: letters, digits and `_`, and no digit first.")]
    InvalidName,
    /// A value begins with a quote and doesn't end with one.
    #[error(
        "has a value whose quote isn't closed on the same line. Write a line break as `\\n` in double quotes."
    )]
    UnclosedQuote,
    /// There is something after the closing quote.
    #[error("has a value that goes on after its closing quote.")]
    AfterQuote,
    /// Something isn't UTF-8.
    #[error("isn't UTF-8 text.")]
    NotUtf8,
    /// A NUL byte, which no environment variable can hold.
    #[error("has a NUL byte, which no environment variable can hold.")]
    Nul,
    /// It begins as JSON does, and isn't.
    #[error("begins with `{{`, as JSON does, but isn't valid JSON.")]
    InvalidJson,
}

impl EnvFileError {
    /// Names the file, which the parser doesn't know.
    pub fn in_file(self, file: impl Into<String>) -> Self {
        Self { file: file.into(), ..self }
    }
}

impl UserError for EnvFileError {
    fn code(&self) -> ErrorCode {
        ErrorCode::RunEnvFile
    }

    fn snippet(&self) -> Option<Snippet> {
        let (text, span) = self.shown.clone()?;
        let label = match self.problem {
            EnvFileProblem::NoEqualsSign => "expected NAME=value",
            EnvFileProblem::InvalidName => "not a name",
            EnvFileProblem::UnclosedQuote => "never closed",
            EnvFileProblem::AfterQuote => "expected the end of the line after the closing quote",
            EnvFileProblem::Nul => "a NUL byte",
            EnvFileProblem::NotUtf8 | EnvFileProblem::InvalidJson => "here",
        };
        Some(Snippet { file: self.file.clone(), line: self.line, text, span, label: label.to_owned() })
    }
}

fn place(file: &str, line: usize) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}, line {line},") }
}

/// Parses config vars from `NAME=value` lines, or from a JSON object. Of a name that is there twice, the
/// last value counts.
pub fn parse_env_file(contents: &[u8]) -> Result<BTreeMap<String, String>, EnvFileError> {
    let contents = contents.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(contents);
    let text = std::str::from_utf8(contents).map_err(|error| {
        let line = contents[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        whole_line(line, EnvFileProblem::NotUtf8)
    })?;
    if text.trim_start().starts_with('{') {
        return parse_json(text);
    }
    let mut vars = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let (name, value) = parse_line(trimmed)
                .map_err(|(problem, shown)| EnvFileError { shown, ..whole_line(index + 1, problem) })?;
            vars.insert(name, value);
        }
    }
    Ok(vars)
}

fn whole_line(line: usize, problem: EnvFileProblem) -> EnvFileError {
    EnvFileError { file: ".env".to_owned(), line, problem, shown: None }
}

type LineError = (EnvFileProblem, Option<(String, Range<usize>)>);

fn parse_line(line: &str) -> Result<(String, String), LineError> {
    let line = strip_export(line);
    let Some((name, value)) = line.split_once('=') else {
        // Without a `=` the line may be a piece of a key that was pasted over several lines.
        let start: String = line.chars().take(4).collect();
        let shown = if start.len() < line.len() { format!("{start}…") } else { start };
        let end = shown.len();
        return Err((EnvFileProblem::NoEqualsSign, Some((shown, 0..end))));
    };
    let name = name.trim_end();
    if !is_name(name) {
        return Err((EnvFileProblem::InvalidName, Some((format!("{name}=…"), 0..name.len().max(1)))));
    }
    let value = value.trim_start();
    parse_value(value).map(|value| (name.to_owned(), value)).map_err(|problem| {
        let quote = value.get(..1).filter(|first| ["\"", "'"].contains(first)).unwrap_or_default();
        let shown = format!("{name}={quote}…");
        let start = name.len() + 1;
        (problem, Some((shown.clone(), start..shown.len())))
    })
}

fn strip_export(line: &str) -> &str {
    match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) && !rest.trim_start().starts_with('=') => {
            rest.trim_start()
        }
        _ => line,
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn parse_value(value: &str) -> Result<String, EnvFileProblem> {
    if value.contains('\0') {
        return Err(EnvFileProblem::Nul);
    }
    let (parsed, rest) = if let Some(quoted) = value.strip_prefix('"') {
        parse_double_quoted(quoted).ok_or(EnvFileProblem::UnclosedQuote)?
    } else if let Some(quoted) = value.strip_prefix('\'') {
        let (inside, rest) = quoted.split_once('\'').ok_or(EnvFileProblem::UnclosedQuote)?;
        (inside.to_owned(), rest)
    } else {
        // Also without a blank before it: that is how `heroku local` reads it.
        let bare = value.split_once('#').map_or(value, |(before, _)| before);
        return Ok(bare.trim_end().to_owned());
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(parsed) } else { Err(EnvFileProblem::AfterQuote) }
}

fn parse_double_quoted(text: &str) -> Option<(String, &str)> {
    let mut parsed = String::new();
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((parsed, &text[index + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => parsed.push('\n'),
                'r' => parsed.push('\r'),
                escaped @ ('"' | '\\') => parsed.push(escaped),
                other => parsed.extend(['\\', other]),
            },
            other => parsed.push(other),
        }
    }
    None
}

/// Nested objects and lists become names joined by `_`; names are in capitals. `null` sets nothing.
fn parse_json(text: &str) -> Result<BTreeMap<String, String>, EnvFileError> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| whole_line(error.line(), EnvFileProblem::InvalidJson))?;
    let mut vars = BTreeMap::new();
    flatten("", &value, &mut vars).map_err(|problem| whole_line(0, problem))?;
    Ok(vars)
}

fn flatten(
    name: &str,
    value: &serde_json::Value,
    vars: &mut BTreeMap<String, String>,
) -> Result<(), EnvFileProblem> {
    use serde_json::Value;
    let join = |key: &str| {
        let key = key.to_uppercase();
        if name.is_empty() { key } else { format!("{name}_{key}") }
    };
    let text = match value {
        Value::Object(members) => {
            return members.iter().try_for_each(|(key, value)| flatten(&join(key), value, vars));
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            return items.try_for_each(|(index, value)| flatten(&join(&index.to_string()), value, vars));
        }
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    if !is_name(name) {
        return Err(EnvFileProblem::InvalidName);
    }
    if text.contains('\0') {
        return Err(EnvFileProblem::Nul);
    }
    vars.insert(name.to_owned(), text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Door, Failure, render_text};

    #[test]
    fn lines_are_read_as_heroku_local_reads_them() {
        for (text, expected) in [
            ("", vec![]),
            ("A=b", vec![("A", "b")]),
            ("A=b\r\nC=d\r\n", vec![("A", "b"), ("C", "d")]),
            ("\u{feff}A=b", vec![("A", "b")]),
            ("# A=b\n\n  # C=d\n", vec![]),
            ("  A = b c  ", vec![("A", "b c")]),
            ("A=", vec![("A", "")]),
            ("A=b=c==", vec![("A", "b=c==")]),
            ("A=1\nA=2", vec![("A", "2")]),
            ("A=b # comment", vec![("A", "b")]),
            ("A=b#c", vec![("A", "b")]),
            ("A=\"b # c\" # comment", vec![("A", "b # c")]),
            ("A='b # c'", vec![("A", "b # c")]),
            ("A=\"\"", vec![("A", "")]),
            ("A=it's", vec![("A", "it's")]),
            ("export A=b\nexport\tC=d", vec![("A", "b"), ("C", "d")]),
            ("export=b\nexport = c\nexported=d", vec![("export", "c"), ("exported", "d")]),
            // Nothing is expanded: a config var is taken literally.
            ("A=1\nB=$A\nC=\"${A}\"\nD='$A'", vec![("A", "1"), ("B", "$A"), ("C", "${A}"), ("D", "$A")]),
            ("A=`id`\nB=$(id)", vec![("A", "`id`"), ("B", "$(id)")]),
            (r#"A="b\nc\"d\\n\t\$""#, vec![("A", "b\nc\"d\\n\\t\\$")]),
            (r"A='b\nc'", vec![("A", r"b\nc")]),
            (r"A=b\nc", vec![("A", r"b\nc")]),
            ("A=é", vec![("A", "é")]),
        ] {
            let expected: BTreeMap<String, String> =
                expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(parse_env_file(text.as_bytes()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn json_is_flattened_into_names_in_capitals() {
        let text = r#" {"top": {"middle": "value", "list": ["a", 1]}, "Last": true, "none": null} "#;
        let expected = [("LAST", "true"), ("TOP_LIST_0", "a"), ("TOP_LIST_1", "1"), ("TOP_MIDDLE", "value")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse_env_file(text.as_bytes()), Ok(BTreeMap::from(expected)));
    }

    #[test]
    fn a_bad_line_is_an_error_with_its_number() {
        for (text, line, problem) in [
            (&b"A=b\nC"[..], 2, EnvFileProblem::NoEqualsSign),
            (b"export A", 1, EnvFileProblem::NoEqualsSign),
            (b"=b", 1, EnvFileProblem::InvalidName),
            (b"1A=b", 1, EnvFileProblem::InvalidName),
            (b"A-B=c", 1, EnvFileProblem::InvalidName),
            (b"A B=c", 1, EnvFileProblem::InvalidName),
            ("É=c".as_bytes(), 1, EnvFileProblem::InvalidName),
            (b"A=\"b\nc\"", 1, EnvFileProblem::UnclosedQuote),
            (b"A='b", 1, EnvFileProblem::UnclosedQuote),
            (b"A=\"", 1, EnvFileProblem::UnclosedQuote),
            (b"A=\"b\\", 1, EnvFileProblem::UnclosedQuote),
            (b"A=\"b\"c", 1, EnvFileProblem::AfterQuote),
            (b"A=b\n\nC=\xff", 3, EnvFileProblem::NotUtf8),
            (b"A=b\0c", 1, EnvFileProblem::Nul),
            (b"{\"A\":\n 1,}", 2, EnvFileProblem::InvalidJson),
            (b"{\"a-b\": 1}", 0, EnvFileProblem::InvalidName),
            (b"{\"a\": \"\\u0000\"}", 0, EnvFileProblem::Nul),
        ] {
            let error = parse_env_file(text).unwrap_err();
            assert_eq!((error.line, error.problem), (line, problem), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_message_shows_the_place_and_not_the_value() {
        let error = parse_env_file(b"A=b\nTOKEN=\"hush-hush\n").unwrap_err().in_file("prod.env");
        insta::assert_snapshot!(render_text(&Failure::from(error), Door::CommandLine), @r#"
        Error: The file of config vars can't be read.

        prod.env, line 2, has a value whose quote isn't closed on the same line. Write a line break as `\n` in double quotes.

         --> prod.env:2:7
          |
        2 | TOKEN="…
          |       ^^ never closed

        Write one NAME=value a line.

        Error id: run::invalid-env-file
        "#);
        let error = parse_env_file("éé-pasted-key".as_bytes()).unwrap_err();
        assert_eq!(error.snippet().unwrap().text, "éé-p…");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            text in "([A-Za-z_0-9]{0,4}[= \"'#\\\\{}:,\n\r\u{0}é$-]){0,20}",
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        ) {
            for contents in [text.clone().into_bytes(), [text.as_bytes(), &noise].concat(), noise] {
                match parse_env_file(&contents) {
                    Ok(vars) => assert!(vars.keys().all(|name| !name.is_empty()), "{vars:?}"),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
