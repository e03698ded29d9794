//! File names as text for messages: they are bytes, and can hold anything but NUL and `/`.

use crate::error::escape::is_unsafe;

/// Renders a name or path for a message: one line, control characters and invalid UTF-8 escaped, so that no
/// name can move the cursor of a terminal or pass for two names.
pub(crate) fn printable(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_unsafe(letter) || is_invisible(letter) {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Characters of no width: two names may not look the same.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200d}')
}

/// Renders a list for a message within a line: of a long one, the first names and how many there are more.
pub(crate) fn shortened<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let first: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let more = match names.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    first.join(", ") + &more
}

/// Renders a list for a message, one name a line; of a long one only its beginning.
pub(crate) fn bullet_list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = names.iter().take(SHOWN).map(|name| format!("- {name}")).collect();
    if names.len() > SHOWN {
        lines.push(format!("- and {} more", names.len() - SHOWN));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_on_one_line_whatever_it_holds() {
        for (name, expected) in [
            (&b"plain.txt"[..], "plain.txt"),
            ("grüße ☃".as_bytes(), "grüße ☃"),
            (b"two\nlines", "two\\nlines"),
            (b"\x1b[31mred", "\\u{1b}[31mred"),
            (b"caf\xe9", "caf\\xe9"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
        ] {
            assert_eq!(printable(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let names: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(bullet_list(&names), "- 1\n- 2\n- 3\n- 4\n- 5\n- and 2 more");
        assert_eq!(bullet_list(&names[..5]), "- 1\n- 2\n- 3\n- 4\n- 5");
    }
}
