//! Addresses: how they are shown, joined, and turned into paths and back.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::python::distribution::base64_url;

/// Makes an address fit to be shown: without credentials, query and fragment, which may hold secrets.
pub fn redact(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    // A line break would let an address write lines of its own into the build log.
    format!("{scheme}{separator}{host}{path}").chars().filter(|letter| !letter.is_control()).collect()
}

/// Returns the password in an address, or what stands alone for a user: that is a token as often as a name.
pub fn password(url: &str) -> Option<&str> {
    let (_, user, _, _) = around_user(url)?;
    Some(user.split_once(':').map_or(user, |(_, password)| password)).filter(|password| !password.is_empty())
}

/// Takes the credentials out of an address: returns it without them, and the header that says the same.
pub(super) fn split_credentials(url: &str) -> (String, Option<String>) {
    let Some((scheme, user, host, path)) = around_user(url) else { return (url.to_owned(), None) };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let pair = [decode(name), b":".to_vec(), decode(password)].concat();
    (format!("{scheme}://{host}{path}"), Some(format!("Basic {}", base64(&pair))))
}

/// Divides an address with credentials: scheme, credentials, host, all the rest.
fn around_user(url: &str) -> Option<(&str, &str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@')?;
    Some((scheme, user, host, path))
}

fn base64(bytes: &[u8]) -> String {
    let mut text = base64_url(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Returns the scheme in lower case, if there is one.
pub fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once("://")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    (!scheme.is_empty() && scheme.chars().all(plain)).then(|| scheme.to_ascii_lowercase())
}

/// Adds a relative name to the address of a directory. A query stays where it was: at the end.
pub fn join(base: &str, name: &str) -> String {
    let base = base.split('#').next().unwrap_or_default();
    let (path, query) = base.split_once('?').map_or((base, None), |(path, query)| (path, Some(query)));
    let mut url = format!("{}/{}", path.trim_end_matches('/'), encode(name.as_bytes()));
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// Returns the `file://` address of an absolute path.
pub fn from_path(path: &Path) -> String {
    format!("file://{}", encode(path.as_os_str().as_bytes()))
}

/// Returns the path that a `file://` address names; none if it is another kind of address or names
/// another machine.
pub fn to_path(url: &str) -> Option<PathBuf> {
    if scheme(url)? != "file" {
        return None;
    }
    let rest = url.split(['?', '#']).next()?.split_once("://")?.1;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = PathBuf::from(OsString::from_vec(decode(path)));
    path.is_absolute().then_some(path)
}

/// Percent-encodes everything that could have a meaning in an address.
pub fn encode_component(bytes: &[u8]) -> String {
    encode(bytes).replace('/', "%2F")
}

/// Percent-encodes what has a meaning in an address; `/` stays.
fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match escaped.and_then(|digits| hex::decode(digits).ok()) {
            Some(value) => {
                decoded.extend(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secrets() {
        for (url, shown) in [
            ("https://host/a/b.tar.gz", "https://host/a/b.tar.gz"),
            ("https://user:secret@host:8080/a?token=secret#secret", "https://host:8080/a"),
            ("https://user:se@cret@host", "https://host"),
            ("https://host?secret", "https://host"),
            ("https://host/a@b", "https://host/a@b"),
            ("user:secret@host/a", "host/a"),
            ("file:///a/b", "file:///a/b"),
            ("https://host/a\n-----> b", "https://host/a-----> b"),
            ("", ""),
        ] {
            assert_eq!(redact(url), shown, "{url:?}");
        }
    }

    #[test]
    fn a_password_is_found_where_there_is_one() {
        for (url, expected) in [
            ("https://u:p@h/x", Some("p")),
            ("git+ssh://u:p:q@h", Some("p:q")),
            ("https://token@h/", Some("token")),
            ("http://u:a@b@h", Some("a@b")),
            ("https://u:@h/", None),
            ("https://h/x@y", None),
            ("u:p@h", None),
        ] {
            assert_eq!(password(url), expected, "{url}");
        }
    }

    #[test]
    fn credentials_are_decoded_before_they_are_sent() {
        for (url, address, header) in [
            ("https://h/x?y=a@b", "https://h/x?y=a@b", None),
            ("https://u:p@h/x", "https://h/x", Some("Basic dTpw")),
            ("https://bot:a%40b%2Fc@h:1/x", "https://h:1/x", Some("Basic Ym90OmFAYi9j")),
            ("https://token@h", "https://h", Some("Basic dG9rZW46")),
            ("http://u:%ff%3E%3F@h/", "http://h/", Some("Basic dTr/Pj8=")),
        ] {
            assert_eq!(split_credentials(url), (address.to_owned(), header.map(str::to_owned)), "{url}");
        }
    }

    #[test]
    fn a_name_goes_before_the_query() {
        for (base, name, url) in [
            ("https://host/dir", "a.tar.gz", "https://host/dir/a.tar.gz"),
            ("https://host/dir/", "a+b c.tar.gz", "https://host/dir/a%2Bb%20c.tar.gz"),
            ("https://host/dir?sig=x%2F", "sub/a", "https://host/dir/sub/a?sig=x%2F"),
        ] {
            assert_eq!(join(base, name), url, "{base} {name}");
        }
    }

    #[test]
    fn a_path_survives_being_an_address() {
        for bytes in [&b"/plain/path"[..], b"/with space/100%/a?b#c", b"/not/\xff/utf-8"] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            assert_eq!(to_path(&from_path(&path)), Some(path));
        }
    }

    #[test]
    fn only_files_of_this_machine_have_a_path() {
        for (url, path) in [
            ("file:///a%20b", Some("/a b")),
            ("FILE://localhost/a", Some("/a")),
            ("file://elsewhere/a", None),
            ("https://host/a", None),
            ("/a", None),
            ("file:///a%zz%4", Some("/a%zz%4")),
        ] {
            assert_eq!(to_path(url), path.map(PathBuf::from), "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_taken_for_an_address(text in "[a-z:/@?#%.é\n\u{0}-\u{ff} -]{0,40}") {
            let shown = redact(&text);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            let _ = (scheme(&text), to_path(&text), join(&text, &text));
            if let Some(password) = password(&text).filter(|password| password.len() > 20) {
                assert!(!shown.contains(password), "{shown:?}");
            }
            let (address, header) = split_credentials(&text);
            assert_eq!(header.is_none(), address == text, "{address:?}");
        }

        #[test]
        fn any_path_survives_being_an_address(bytes in proptest::collection::vec(1..=255_u8, 0..40)) {
            let path = Path::new("/").join(OsString::from_vec(bytes));
            assert_eq!(to_path(&from_path(&path)), Some(path));
        }
    }
}
