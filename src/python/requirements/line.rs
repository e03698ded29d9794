//! From text to logical lines, as pip makes them: continuations joined, comments and white space taken away,
//! and a way back to the place in the file.

use std::ops::Range;

use super::error::{Fault, Place, RequirementsError};
use crate::python::url::with_masked_credentials;

/// A line as pip sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogicalLine {
    /// The number of the first physical line, from 1.
    pub(super) number: usize,
    pub(super) text: String,
    pieces: Vec<Piece>,
}

/// A part of a logical line that comes from one physical line.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    /// Where it starts in the logical line.
    start: usize,
    /// The number of the physical line, from 1.
    number: usize,
    /// Where it starts in the physical line.
    offset: usize,
}

/// Splits text where Python's `str.splitlines` does.
pub(super) fn physical_lines(text: &str) -> Vec<&str> {
    let is_line_end = |letter: char| {
        matches!(letter, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(is_line_end) {
        lines.push(&rest[..end]);
        let line_end = &rest[end..];
        let length =
            if line_end.starts_with("\r\n") { 2 } else { line_end.chars().next().map_or(1, char::len_utf8) };
        rest = &line_end[length..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Joins physical lines, and drops what isn't for pip.
pub(super) fn logical_lines(physical: &[&str]) -> Vec<LogicalLine> {
    join(physical).into_iter().filter_map(LogicalLine::stripped).collect()
}

fn join(physical: &[&str]) -> Vec<LogicalLine> {
    let mut lines = Vec::new();
    let mut open: Option<LogicalLine> = None;
    for (line, number) in physical.iter().zip(1..) {
        let is_comment = line.trim_start_matches(is_space).starts_with('#');
        let continues = line.ends_with('\\') && !is_comment;
        let mut logical =
            open.take().unwrap_or_else(|| LogicalLine { number, text: String::new(), pieces: vec![] });
        if is_comment {
            // So that it is one after what it continues, too.
            logical.text.push(' ');
        }
        // pip strips backslashes from both ends.
        let text = if continues { line.trim_matches('\\') } else { line };
        let offset = if continues { line.len() - line.trim_start_matches('\\').len() } else { 0 };
        logical.pieces.push(Piece { start: logical.text.len(), number, offset });
        logical.text.push_str(text);
        if continues {
            open = Some(logical);
        } else {
            lines.push(logical);
        }
    }
    lines.extend(open);
    lines
}

impl LogicalLine {
    /// Takes away a comment and the white space around, or the whole line if nothing is left.
    fn stripped(self) -> Option<Self> {
        let Self { number, text, mut pieces } = self;
        let text = text[..comment_start(&text)].trim_end_matches(is_space);
        let leading = text.len() - text.trim_start_matches(is_space).len();
        for piece in &mut pieces {
            piece.offset += leading.saturating_sub(piece.start);
            piece.start = piece.start.saturating_sub(leading);
        }
        let text = text[leading..].to_owned();
        (!text.is_empty()).then_some(Self { number, text, pieces })
    }

    /// Returns whether a physical line ends within a word that the next one goes on with.
    pub(super) fn is_continued_within_a_word(&self) -> bool {
        self.pieces.iter().any(|piece| {
            let (before, after) = self.text.split_at(floor_boundary(&self.text, piece.start));
            let is_letter = |letter: Option<char>| letter.is_some_and(|letter| !is_space(letter));
            is_letter(before.chars().next_back()) && is_letter(after.chars().next())
        })
    }

    /// Finds the place in the file.
    pub(super) fn place(&self, file: &str, physical: &[&str], span: &Range<usize>) -> Place {
        let index = self.pieces.iter().rposition(|piece| piece.start <= span.start).unwrap_or(0);
        let (start, number, offset) = self
            .pieces
            .get(index)
            .map_or((0, self.number, 0), |piece| (piece.start, piece.number, piece.offset));
        let end = self.pieces.get(index + 1).map_or(self.text.len(), |next| next.start).min(span.end);
        let text = number.checked_sub(1).and_then(|index| physical.get(index)).copied().unwrap_or_default();
        let in_line = |position: usize| floor_boundary(text, offset + position.saturating_sub(start));
        let (start, end) = (in_line(span.start), in_line(end.max(span.start)));
        // A caret needs something to point at.
        let end = if start < end {
            end
        } else {
            text[start..].chars().next().map_or(start, |next| start + next.len_utf8())
        };
        Place { file: file.to_owned(), line: number, text: with_masked_credentials(text), span: start..end }
    }

    /// Makes an error of what is wrong with the line.
    pub(super) fn error(&self, file: &str, physical: &[&str], fault: Fault) -> RequirementsError {
        let Place { file, line, text, span } = self.place(file, physical, &fault.span);
        RequirementsError::Line { file, line, text, span, message: with_masked_credentials(&fault.message) }
    }
}

/// Finds the `#` that starts a comment: at the start of the line, or after white space.
fn comment_start(text: &str) -> usize {
    let starts_comment = |position: &usize| text[..*position].chars().next_back().is_none_or(is_space);
    text.match_indices('#').map(|(position, _)| position).find(starts_comment).unwrap_or(text.len())
}

/// Tells white space as Python's `str.isspace` does.
pub(super) fn is_space(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\x1c'..='\x1f')
}

fn floor_boundary(text: &str, position: usize) -> usize {
    (0..=position.min(text.len())).rev().find(|position| text.is_char_boundary(*position)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        logical_lines(&physical_lines(text)).into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn lines_are_joined_and_comments_dropped_as_pip_does() {
        for (text, expected) in [
            ("a\nb\r\nc\rd", vec![(1, "a"), (2, "b"), (3, "c"), (4, "d")]),
            ("a\x0cb\u{2028}c", vec![(1, "a"), (2, "b"), (3, "c")]),
            ("\n  \n# x\n  # y\n a \n", vec![(5, "a")]),
            ("a # x\nb# y\nc\t# z\n", vec![(1, "a"), (2, "b# y"), (3, "c")]),
            ("git+https://h/r#egg=a # x", vec![(1, "git+https://h/r#egg=a")]),
            ("a \\\n  --hash=x \\\n  --hash=y\nb", vec![(1, "a   --hash=x   --hash=y"), (4, "b")]),
            ("a==\\\n1", vec![(1, "a==1")]),
            ("a \\\n# x\nb", vec![(1, "a"), (3, "b")]),
            ("a\\\n# x\nb", vec![(1, "a"), (3, "b")]),
            ("a \\\n  # x \\\nb", vec![(1, "a"), (3, "b")]),
            ("a # x \\\nb", vec![(1, "a")]),
            ("a \\", vec![(1, "a")]),
            ("\\\n\\\na", vec![(1, "a")]),
            ("\\a\\\nb", vec![(1, "ab")]),
            ("", vec![]),
        ] {
            let expected: Vec<(usize, String)> =
                expected.into_iter().map(|(number, text)| (number, text.to_owned())).collect();
            assert_eq!(lines(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_place_is_found_in_the_physical_line() {
        let text = "# x\n  a==1 \\\n    --hash=é --oops # c\n";
        let physical = physical_lines(text);
        let line = &logical_lines(&physical)[0];
        for (searched, expected) in
            [("a==1", (2, "a==1")), ("--hash", (3, "--hash")), ("--oops", (3, "--oops"))]
        {
            let start = line.text.find(searched).unwrap();
            let place = line.place("r.txt", &physical, &(start..start + searched.len()));
            assert_eq!((place.line, &place.text[place.span]), expected);
        }
        let place = line.place("r.txt", &physical, &(line.text.len()..line.text.len()));
        assert_eq!((place.line, &place.text[place.span]), (3, " "));
    }

    #[test]
    fn credentials_are_not_in_a_place() {
        let physical = physical_lines("-i https://me:secret@example.org/ --oops");
        let place = logical_lines(&physical)[0].place("r.txt", &physical, &(35..41));
        assert_eq!(place.text, "-i https://*********@example.org/ --oops");
    }
}
