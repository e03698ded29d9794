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
