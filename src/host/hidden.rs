//! Keeps out of what programs write what isn't for messages. Credentials: whoever prints its environment, as build back
//! ends do when they fail, would put them into the build log. And the directory in which the app's own steps run for the
//! time of a build: what is there is below `/app` for the user.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind, PatternID};

use super::invocation::Invocation;
use super::scratch::is_scratch_name;
use super::url;
use crate::env::Env;

/// A shorter value is in too many words that are no secret.
const SHORTEST: usize = 6;

/// Words in the names of variables whose values are secrets.
const SECRET_NAMES: &[&str] = &["PASSWORD", "PASSWD", "TOKEN"];

/// What stands for a secret.
const MASK: &[u8] = b"****";

/// What stands for the directory in which the app's own steps run.
const APP: &[u8] = b"/app";

/// The secrets that a program was given, and the directory that it runs in.
#[derive(Default)]
pub(super) struct Hidden {
    searcher: Option<AhoCorasick>,
    /// The pattern that is the directory.
    app: Option<PatternID>,
}

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
        let secrets: Vec<_> = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST).collect();
        let secrets: Vec<Vec<u8>> = secrets.into_iter().map(String::into_bytes).collect();
        let app_dir = scratch_app(&invocation.current_dir).map(|dir| dir.as_os_str().as_bytes().to_vec());
        let app = app_dir.as_ref().map(|_| PatternID::must(secrets.len()));
        let patterns: Vec<Vec<u8>> = secrets.into_iter().chain(app_dir).collect();
        if patterns.is_empty() {
            return Self::default();
        }
        // One may be a part of another: the longest counts.
        let searcher = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns);
        let searcher = searcher.expect("an environment is smaller than what a searcher can hold");
        Self { searcher: Some(searcher), app }
    }

    /// Replaces the secrets in what the program has written.
    pub(super) fn hide<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(searcher) = &self.searcher else { return Cow::Borrowed(text) };
        let mut shown = Vec::new();
        let mut from = 0;
        for found in searcher.find_iter(text) {
            shown.extend_from_slice(&text[from..found.start()]);
            shown.extend_from_slice(if self.app == Some(found.pattern()) { APP } else { MASK });
            from = found.end();
        }
        if from == 0 {
            return Cow::Borrowed(text);
        }
        shown.extend_from_slice(&text[from..]);
        Cow::Owned(shown)
    }
}

/// Returns the directory of a step, if it is one that is made for it alone.
fn scratch_app(dir: &Path) -> Option<&Path> {
    let is_scratch = dir.parent()?.file_name().is_some_and(is_scratch_name);
    let is_app = ["app", "tree"].iter().any(|name| dir.file_name().is_some_and(|found| found == *name));
    (is_scratch && is_app).then_some(dir)
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

    // B04
    #[test]
    fn the_directory_of_a_step_is_shown_as_the_app() {
        let scratch = "/s/v1/tmp/slugc-scratch-EBfVlHemalDS";
        for (dir, vars, text, expected) in [
            (
                format!("{scratch}/app"),
                &[][..],
                format!("File \"{scratch}/app/m.py\", line 1"),
                "File \"/app/m.py\", line 1",
            ),
            (
                format!("{scratch}/app"),
                &[("A_TOKEN", "hush-hush")],
                format!("hush-hush in {scratch}/app {scratch}"),
                "**** in /app /s/v1/tmp/slugc-scratch-EBfVlHemalDS",
            ),
            (scratch.to_owned(), &[], format!("{scratch}/app"), "/s/v1/tmp/slugc-scratch-EBfVlHemalDS/app"),
            ("/home/me/app".to_owned(), &[], "/home/me/app/m.py".to_owned(), "/home/me/app/m.py"),
            ("/".to_owned(), &[], "/app".to_owned(), "/app"),
        ] {
            let mut invocation = Invocation::new("/x").current_dir(&dir);
            for (name, value) in vars {
                invocation = invocation.env(*name, *value);
            }
            let hidden = Hidden::of(&invocation, &Env::for_tests(&[]));
            assert_eq!(String::from_utf8_lossy(&hidden.hide(text.as_bytes())), expected, "{dir} {text}");
        }
    }

    // S04: ten times the text takes about ten times the time; it was a hundred times.
    #[test]
    fn many_secrets_in_one_line_are_hidden_in_one_pass() {
        let many: Vec<(String, String)> =
            (0..200).map(|number| (format!("TOKEN_{number}"), format!("secret-{number}-x"))).collect();
        let many: Vec<(&str, &str)> =
            many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (vars, word) in [
            (&[("TOKEN", "12345678")][..], "12345678"),
            (&[("A_TOKEN", "abcdefgh"), ("B_TOKEN", "abcdef")], "abcdefgh"),
            (&[("A_TOKEN", "aaaaaa")], "aaaaaa"),
            (&many, "secret-199-x"),
        ] {
            let hidden = hidden(vars, &[]);
            let text = word.repeat(300_000);
            assert_eq!(hidden.hide(text.as_bytes()).len(), 300_000 * MASK.len(), "{word}");
        }
    }
}
