//! Python source taken apart just enough to tell what it does from what it only says: code, the strings in it, and
//! what is left aside (comments and docstrings). Nothing is parsed, so nothing is too new or too broken to be read.

/// The parts of a source file.
#[derive(Debug, Default)]
pub(super) struct PythonSource {
    /// The code; a string in it is `"3"`, its number in `strings`. An f-string has an `f` before it.
    pub(super) code: String,
    /// What strings hold, but for docstrings.
    pub(super) strings: Vec<String>,
}

impl PythonSource {
    /// Takes a file apart.
    pub(super) fn parse(text: &str) -> Self {
        let mut source = Self::default();
        let bytes = text.as_bytes();
        let (mut at, mut depth) = (0, 0_usize);
        let mut copied = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'#' => {
                    source.code.push_str(&text[copied..at]);
                    at = end_of_line(bytes, at);
                    copied = at;
                }
                quote @ (b'"' | b'\'') => {
                    source.code.push_str(&text[copied..at]);
                    let is_triple = bytes[at..].starts_with(&[quote; 3]);
                    let end = end_of_string(bytes, at, quote, is_triple);
                    let width = if is_triple { 3 } else { 1 };
                    let inside = at + width..end.saturating_sub(width).max(at + width).min(bytes.len());
                    let is_docstring = is_triple && depth == 0 && begins_a_statement(&source.code);
                    if !is_docstring {
                        source.code.push_str(&format!("\"{}\"", source.strings.len()));
                        source.strings.push(text.get(inside).unwrap_or_default().to_owned());
                    }
                    at = end;
                    copied = at;
                }
                letter => {
                    match letter {
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    at += 1;
                }
            }
        }
        source.code.push_str(&text[copied.min(text.len())..]);
        source
    }
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Returns where a string ends. One with single quotes ends with its line at the latest.
fn end_of_string(bytes: &[u8], at: usize, quote: u8, is_triple: bool) -> usize {
    let mut next = at + if is_triple { 3 } else { 1 };
    while next < bytes.len() {
        match bytes[next] {
            b'\\' => next += 1,
            b'\n' if !is_triple => return next,
            byte if byte == quote && !is_triple => return next + 1,
            byte if byte == quote && bytes[next..].starts_with(&[quote; 3]) => return next + 3,
            _ => {}
        }
        next += 1;
    }
    bytes.len()
}

/// Tells whether nothing but the letters of a prefix stands before a string in its line.
fn begins_a_statement(code: &str) -> bool {
    let line = code.rsplit('\n').next().unwrap_or_default();
    // A line that the one before continues is none of its own.
    let is_continued = code[..code.len() - line.len()].trim_end_matches('\n').ends_with('\\');
    !is_continued && line.trim_start().trim_start_matches(|letter| "rRuUbBfF".contains(letter)).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_strings_and_what_is_only_said_are_told_apart() {
        for (text, code, strings) in [
            ("x = 'a' + \"b\"\n", "x = \"0\" + \"1\"\n", &["a", "b"][..]),
            ("'''doc'''\nx = 1 # 'no'\n", "\nx = 1 \n", &[]),
            ("def f():\n    r\"\"\"doc 'x'\n    more\"\"\"\n    y\n", "def f():\n    r\n    y\n", &[]),
            ("x = '''a\nb'''\n", "x = \"0\"\n", &["a\nb"]),
            ("f(\n'''a'''\n)", "f(\n\"0\"\n)", &["a"]),
            ("x = \\\n'''a'''\n", "x = \\\n\"0\"\n", &["a"]),
            ("x = 'it\\'s' # it's\n", "x = \"0\" \n", &["it\\'s"]),
            ("x = '\"\"\"'\ny = 'z'\n", "x = \"0\"\ny = \"1\"\n", &["\"\"\"", "z"]),
            ("x = 'open\ny = 'z'", "x = \"0\"\ny = \"1\"", &["ope", "z"]),
            ("f'{a}.tests'", "f\"0\"", &["{a}.tests"]),
            ("'''never closed", "", &[]),
            ("'", "\"0\"", &[""]),
            ("ä = 'ö' # ü", "ä = \"0\" ", &["ö"]),
        ] {
            let source = PythonSource::parse(text);
            assert_eq!(
                (source.code.as_str(), source.strings),
                (code, strings.iter().map(|s| (*s).to_owned()).collect()),
                "{text:?}"
            );
        }
    }
}
