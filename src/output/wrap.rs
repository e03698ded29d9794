//! Prose that fits into the terminal.

/// Breaks a line of prose where it would be wider. What is indented, or shows a line of a file behind its number, is left
/// alone; so is a word that is wider by itself, such as a path. What stands between backticks stays on one line: it is
/// there to be copied.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    let is_prose = line.starts_with(|first: char| !first.is_whitespace() && !first.is_ascii_digit());
    if !is_prose || line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let has_room = |line: &str, word: &str| line.chars().count() + 1 + word.chars().count() <= width;
    let is_open = |text: &str| !text.matches('`').count().is_multiple_of(2);
    let words = join(line.split(' ').map(str::to_owned), |word, next| is_open(word) && has_room(word, next));
    join(words.into_iter(), has_room)
}

/// Takes back the line breaks by which a text was wrapped when it was written, so that it flows into any width. Breaks that
/// mean something stay: after a colon, around what is indented, and before what is a list's item or an address.
pub(crate) fn flow(text: &str) -> String {
    let mut lines = text.lines();
    let Some(mut last) = lines.next() else { return String::new() };
    let mut flowing = last.to_owned();
    for line in lines {
        flowing.push(if is_wrapped(last, line) { ' ' } else { '\n' });
        flowing.push_str(line);
        last = line;
    }
    flowing
}

/// Whether one line goes on in the next: the next one's first word had no room on it.
fn is_wrapped(line: &str, next: &str) -> bool {
    /// No text of ours was written narrower.
    const NARROWEST: usize = 60;
    let first_word = next.split(' ').next().unwrap_or_default();
    let is_item = |line: &str| {
        let number = line.split(". ").next().unwrap_or_default();
        line.starts_with("- ")
            || number.len() < line.len() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let has_no_room = line.chars().count() + 1 + first_word.chars().count() > NARROWEST;
    let is_own_line = next.starts_with(char::is_whitespace) || is_item(next) || first_word.contains("://");
    has_no_room
        && !next.is_empty()
        && !is_own_line
        && !line.ends_with(':')
        && !line.starts_with(char::is_whitespace)
}

/// Joins neighbours by a space as long as a condition says so.
fn join(parts: impl Iterator<Item = String>, belong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if belong(last, &part) => {
                last.push(' ');
                last.push_str(&part);
            }
            _ => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    // T05
    #[test]
    fn what_was_wrapped_when_it_was_written_flows_again() {
        for (text, expected) in [
            ("", ""),
            ("One line.", "One line."),
            (
                "Nothing, if a running server left it there. Name it in .gitignore\nto be rid of the warning.",
                "Nothing, if a running server left it there. Name it in .gitignore to be rid of the warning.",
            ),
            // A short line ended because it was to end.
            (
                "3.14\nLines that start with `#` are comments.",
                "3.14\nLines that start with `#` are comments.",
            ),
            // What is to be pasted.
            (
                "in UTF-8. It holds one process type a line, and that for example:\nweb: gunicorn wsgi:app",
                "in UTF-8. It holds one process type a line, and that for example:\nweb: gunicorn wsgi:app",
            ),
            (
                "Add the buildpack for geospatial libraries before this one, as follows\n  heroku buildpacks:add x",
                "Add the buildpack for geospatial libraries before this one, as follows\n  heroku buildpacks:add x",
            ),
            (
                "1. In the app's top level directory, run: uv python pin 3.14\n2. Commit it.",
                "1. In the app's top level directory, run: uv python pin 3.14\n2. Commit it.",
            ),
            (
                "With a patch version, which then stays: python_full_version = \"3.14.7\".\nhttps://example.org/",
                "With a patch version, which then stays: python_full_version = \"3.14.7\".\nhttps://example.org/",
            ),
            (
                "One paragraph that is so long that there is no more room on it.\n\nTwo.",
                "One paragraph that is so long that there is no more room on it.\n\nTwo.",
            ),
        ] {
            assert_eq!(flow(text), expected);
        }
    }

    #[test]
    fn prose_is_wrapped_and_excerpts_are_not() {
        let words = "word ".repeat(30);
        let lines = wrap(words.trim_end(), 72);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 72), "{lines:?}");
        assert_eq!(lines.join(" "), words.trim_end());
        for line in [format!("2 | {words}"), format!("  {words}"), "x".repeat(100)] {
            assert_eq!(wrap(&line, 72), std::slice::from_ref(&line));
        }
        for (line, expected) in [
            ("Please run `uv lock`, and commit.", &["Please run", "`uv lock`, and", "commit."][..]),
            ("Run the `a b c d e f g h`, then", &["Run the", "`a b c d e f g", "h`, then"]),
            ("One ` alone is no command", &["One", "` alone is no", "command"]),
        ] {
            assert_eq!(wrap(line, 14), expected, "{line}");
        }
    }
}
