//! Text that somebody else wrote, made harmless for whatever shows it: a terminal, a build log, a program that reads
//! the output. The doors use it for everything that they print, so no message has to think of it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a character would do something to a terminal, end a line for some reader, or change the direction in
/// which text is shown.
pub(crate) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Escapes what is unsafe, but line feeds and tabs: as `\u001b`, which is also how JSON has it within its strings.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let stays = |letter: char| !is_unsafe(letter) || matches!(letter, '\n' | '\t');
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if stays(letter) {
            escaped.push(letter);
        } else {
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        }
    }
    Cow::Owned(escaped)
}

/// Escapes text for people: as [`escape`], and where a line would be taken for a command by a CI that reads the log
/// (GitHub's `::error::`, `##[error]`, Azure's `##vso[`), which passes over the space before it.
pub(crate) fn escape_lines(text: &str) -> Cow<'_, str> {
    let escaped = escape(text);
    let is_command = |line: &str| {
        let line = line.trim_start();
        line.starts_with("::") || line.starts_with("##[") || line.starts_with("##vso[")
    };
    if !escaped.lines().any(is_command) {
        return escaped;
    }
    let harmless = |line: &str| {
        if !is_command(line) {
            return line.to_owned();
        }
        let (space, command) = line.split_at(line.len() - line.trim_start().len());
        let (first, rest) = command.split_at(1);
        format!("{space}\\u{:04x}{rest}", first.as_bytes()[0])
    };
    Cow::Owned(escaped.split_inclusive('\n').map(harmless).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    // S07
    #[test]
    fn what_is_unsafe_is_escaped_wherever_it_stands() {
        for (text, expected) in [
            ("plain grüße ☃\n\tindented\n", "plain grüße ☃\n\tindented\n"),
            ("\u{1b}[31mred\u{7}", "\\u001b[31mred\\u0007"),
            ("c1 \u{9b}2J \u{85}", "c1 \\u009b2J \\u0085"),
            ("exe.\u{202e}fdp", "exe.\\u202efdp"),
            ("a\u{2028}b\u{2066}c", "a\\u2028b\\u2066c"),
            ("over\rwritten \u{8}\u{7f}", "over\\u000dwritten \\u0008\\u007f"),
            // Letters are joined and parted by these in some languages, and faces made of them.
            ("\u{200d}\u{200c}", "\u{200d}\u{200c}"),
        ] {
            assert_eq!(escape(text), expected, "{text:?}");
        }
    }

    // S07
    #[test]
    fn no_line_is_a_command_to_a_ci() {
        for (text, expected) in [
            ("a\n::error file=x::y\nb", "a\n\\u003a:error file=x::y\nb"),
            ("  ::add-mask::x", "  \\u003a:add-mask::x"),
            ("\t##[error]x\n", "\t\\u0023#[error]x\n"),
            ("##vso[task.complete]\n", "\\u0023#vso[task.complete]\n"),
            ("see std::fmt\n## Title\n : :\n", "see std::fmt\n## Title\n : :\n"),
        ] {
            assert_eq!(escape_lines(text), expected, "{text:?}");
        }
    }
}
