//! URLs with credentials in them, which must not be shown or kept.

use std::ops::Range;

/// Removes user name and password from a URL, wherever in the text it stands.
///
/// A user name alone stays in a URL for ssh: there it is no secret, and part of the address.
pub(crate) fn without_credentials(url: &str) -> String {
    let mut rest = url.to_owned();
    for range in credentials(url).into_iter().rev() {
        // The `@` goes with them.
        rest.replace_range(range.start..range.end + 1, "");
    }
    rest
}

/// Replaces credentials by as many asterisks, so that places in the text stay where they are.
pub(crate) fn with_masked_credentials(text: &str) -> String {
    let mut masked = text.to_owned();
    for range in credentials(text) {
        masked.replace_range(range.clone(), &"*".repeat(range.len()));
    }
    masked
}

/// Tells whether a URL in the text has credentials.
pub(crate) fn has_credentials(text: &str) -> bool {
    !credentials(text).is_empty()
}

/// Finds what stands between `://` and `@`.
fn credentials(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(colon) = text[position..].find("://").map(|offset| position + offset) {
        let start = colon + "://".len();
        position = start;
        let word = word_at(text, start);
        let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
        let Some(end) = authority.rfind('@').or_else(|| stray_password(word, authority)) else { continue };
        let scheme = text[..colon].rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next();
        if scheme == Some("ssh") && !word[..end].contains(':') {
            continue;
        }
        found.push(start..start + end);
        position = start + end;
    }
    found
}

/// Finds the end of a password that should have been percent-encoded: one with a `/`, `?` or `#` in it looks
/// like a port that isn't a number.
fn stray_password(word: &str, authority: &str) -> Option<usize> {
    let (host, port) = authority.split_once(':')?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port || host.starts_with('[') { None } else { word.rfind('@') }
}

fn word_at(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    let end =
        rest.find(|letter: char| letter.is_whitespace() || "'\"<>".contains(letter)).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_are_removed_or_masked() {
        for (text, without, masked) in [
            ("https://example.org/simple", "https://example.org/simple", "https://example.org/simple"),
            ("https://u:p@example.org/s", "https://example.org/s", "https://***@example.org/s"),
            ("https://token@example.org", "https://example.org", "https://*****@example.org"),
            (
                "https://u:p@q@example.org:8080/",
                "https://example.org:8080/",
                "https://*****@example.org:8080/",
            ),
            ("https://example.org/@scope/x", "https://example.org/@scope/x", "https://example.org/@scope/x"),
            ("https://example.org:8080/@x", "https://example.org:8080/@x", "https://example.org:8080/@x"),
            ("https://[::1]:80/@x", "https://[::1]:80/@x", "https://[::1]:80/@x"),
            ("https://u:p/w#?d@example.org/x", "https://example.org/x", "https://********@example.org/x"),
            (
                "git+ssh://git@example.org/r.git",
                "git+ssh://git@example.org/r.git",
                "git+ssh://git@example.org/r.git",
            ),
            ("git+ssh://git:p@example.org/r", "git+ssh://example.org/r", "git+ssh://*****@example.org/r"),
            (
                "a @ git+https://t@example.org/a.git@v1 -i http://u:p@h/",
                "a @ git+https://example.org/a.git@v1 -i http://h/",
                "a @ git+https://*@example.org/a.git@v1 -i http://***@h/",
            ),
            ("://@", "://", "://@"),
            ("", "", ""),
        ] {
            assert_eq!(without_credentials(text), without, "{text}");
            assert_eq!(with_masked_credentials(text), masked, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_fine(text in "([a-z]{0,3}(://|@|:|/|é| |#)){0,12}") {
            prop_assert_eq!(with_masked_credentials(&text).len(), text.len());
            let _ = without_credentials(&text);
        }
    }
}
