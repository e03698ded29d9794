//! Prose that fits into the terminal.

/// Breaks a line of prose where it would be wider. What is indented, or shows a line of a file behind its number, is left
/// alone; so is a word that is wider by itself, such as a path.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    let is_prose = line.starts_with(|first: char| !first.is_whitespace() && !first.is_ascii_digit());
    if !is_prose || line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
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
    }
}
