//! Keeps credentials out of what programs write: whoever prints its environment, as build back ends do when they
//! fail, would put them into the build log.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::process::Invocation;
use super::url;
use crate::env::Env;

/// A shorter value is in too many words that are no secret.
const SHORTEST: usize = 6;

/// Words in the names of variables whose values are secrets.
const SECRET_NAMES: &[&str] = &["PASSWORD", "PASSWD", "TOKEN"];

/// What stands for a secret.
const MASK: &[u8] = b"****";

/// The secrets that a program was given.
#[derive(Default)]
pub(super) struct Hidden(Vec<Vec<u8>>);

impl Hidden {
    /// Finds the credentials in a program's environment: passwords in addresses, values of variables that are called
    /// so, and of those that the environment of this process says to hide.
    pub(super) fn of(invocation: &Invocation, env: &Env) -> Self {
        let mut secrets = BTreeSet::new();
        for (name, value) in &invocation.env {
            let (upper, value) = (name.to_string_lossy().to_uppercase(), value.to_string_lossy());
            // What a file names may also be a directory, which messages are to show.
            let is_said = env.hidden.contains(name) && !value.starts_with('/');
            let is_named = is_said || SECRET_NAMES.iter().any(|word| upper.contains(word));
            if is_named {
                secrets.extend(forms(&value));
            }
            for word in value.split_whitespace() {
                secrets.extend(url::password(word).into_iter().flat_map(forms));
            }
        }
        let mut secrets: Vec<_> =
            secrets.into_iter().filter(|secret| secret.len() >= SHORTEST).map(String::into_bytes).collect();
        // One may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// Replaces the secrets in what the program has written.
    pub(super) fn hide<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            while let Some(at) = text.windows(secret.len()).position(|window| window == secret) {
                let (before, after) = (&text[..at], &text[at + secret.len()..]);
                text = Cow::Owned([before, MASK, after].concat());
            }
        }
        text
    }
}

/// Returns the forms that a secret may be written in.
fn forms(secret: &str) -> [String; 3] {
    let decoded = String::from_utf8_lossy(&url::decode(secret)).into_owned();
    [secret.to_owned(), url::encode_component(decoded.as_bytes()), decoded]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(vars: &[(&str, &str)], names: &[&str]) -> Hidden {
        let mut invocation = Invocation::new("/x");
        for (name, value) in vars {
            invocation = invocation.env(*name, *value);
        }
        let mut env = Env::for_tests(&[]);
        env.hidden.extend(names.iter().map(Into::into));
        Hidden::of(&invocation, &env)
    }

    #[test]
    fn credentials_of_the_environment_are_hidden_in_every_form() {
        let hidden = hidden(
            &[
                ("UV_DEFAULT_INDEX", "https://bot:hush%2Fhush@h/simple"),
                ("https_proxy", "http://u:proxypass@h:1"),
                ("UV_INDEX_CORP_PASSWORD", "plain+pass"),
                ("INDEX_KEY", "named-by-a-file"),
                ("LONGER", "https://bot:named-by-a-file-too@h/"),
                ("FIND", "a https://tokenalone@h/x b"),
                ("SHORT_TOKEN", "abc"),
                ("PATH", "/usr/bin"),
            ],
            &["INDEX_KEY"],
        );
        for (text, expected) in [
            ("https://bot:hush%2Fhush@h/simple", "https://bot:****@h/simple"),
            ("a hush/hush b hush/hush", "a **** b ****"),
            ("proxypass", "****"),
            ("plain+pass plain%2Bpass", "**** ****"),
            ("named-by-a-file named-by-a-file-too", "**** ****"),
            ("tokenalone", "****"),
            ("abc bot h /usr/bin", "abc bot h /usr/bin"),
        ] {
            assert_eq!(String::from_utf8_lossy(&hidden.hide(text.as_bytes())), expected, "{text}");
        }
        assert!(matches!(hidden.hide(b"nothing of the kind \xff"), Cow::Borrowed(_)));
    }
}
