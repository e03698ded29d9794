//! Secrets that are about to ship in the slug. What is shown of them is never the secret itself.

use std::sync::LazyLock;

use regex::Regex;

use super::catalogue::FindingCode;
use super::facts::Facts;
use super::finding::Finding;
use crate::error::Snippet;

/// Credentials that can be told by their form alone.
static CREDENTIALS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        ("an access key of AWS", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a token of GitHub", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b"),
        ("a live key of Stripe", r"\b[rs]k_live_[0-9a-zA-Z]{24,}\b"),
        ("a token of Slack", r"\bxox[abprs]-[0-9]{8,}-[0-9A-Za-z-]{10,}\b"),
        ("a key of SendGrid", r"\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{30,}\b"),
        ("a token of PyPI", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}\b"),
    ]
    .into_iter()
    .filter_map(|(what, pattern)| Some((what, Regex::new(pattern).ok()?)))
    .collect()
});

/// Checks the app's files.
pub(super) fn check_secrets(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &facts.texts {
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_env_file(name) {
            findings.extend(env_file(path, text));
            continue;
        }
        findings.extend(private_key(path, text));
        findings.extend(password_file(path, name, text));
        findings.extend(credentials(path, text));
    }
    findings
}

/// `.env`, `.env.production`, `prod.env`; not `.env.example` and its like, which are meant to be read.
fn is_env_file(name: &str) -> bool {
    const EXAMPLES: &[&str] = &["example", "sample", "template", "dist", "defaults", "tmpl", "ci", "test"];
    let is_env = name == ".env" || name == ".envrc" || name.starts_with(".env.") || name.ends_with(".env");
    is_env && !name.split(['.', '-', '_']).any(|part| EXAMPLES.contains(&part))
}

fn env_file(path: &str, text: &str) -> Option<Finding> {
    let mut values = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, value) = line.split_once('=')?;
        let is_value = !name.starts_with('#') && !value.trim().trim_matches(['"', '\'']).is_empty();
        is_value.then(|| (index + 1, name.trim().to_owned()))
    });
    let (line, name) = values.next()?;
    let more = values.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message =
        format!("{path} has a value for {name}{more}, and would be in the slug for everybody who gets it.");
    let shown = format!("{name}=…");
    let place = masked(path, line, shown, "a value");
    Some(Finding::new(FindingCode::SecretsEnvFile, message).at(place))
}

fn private_key(path: &str, text: &str) -> Option<Finding> {
    let (index, line) = text.lines().enumerate().find(|(_, line)| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----")
    })?;
    // A mention in code or documentation isn't a key: one has lines of base64 below.
    let is_base64 = |line: &str| {
        line.len() >= 40 && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    let has_body = text.lines().skip(index + 1).take(6).any(|line| is_base64(line.trim()));
    let shown: String = line.trim().chars().take(40).collect();
    has_body.then(|| {
        Finding::new(FindingCode::SecretsPrivateKey, format!("{path} holds a private key.")).at(masked(
            path,
            index + 1,
            shown,
            "a private key",
        ))
    })
}

/// Files whose only purpose is to hold passwords.
fn password_file(path: &str, name: &str, text: &str) -> Option<Finding> {
    let word = match name {
        ".netrc" | "_netrc" | ".pypirc" => "password",
        ".pgpass" => ":",
        ".git-credentials" => "@",
        "credentials" if path.contains(".aws/") => "aws_secret_access_key",
        _ if name.ends_with(".json") && text.contains("\"service_account\"") => "\"private_key\"",
        _ => return None,
    };
    let (index, _) = text.lines().enumerate().find(|(_, line)| {
        !line.trim_start().starts_with('#') && line.contains(word) && line.trim().len() > word.len() + 2
    })?;
    let message = format!("{path} is a file for passwords or keys, and isn't empty.");
    Some(Finding::new(FindingCode::SecretsCredentials, message).at(masked(
        path,
        index + 1,
        format!("{word}…"),
        "a secret",
    )))
}

fn credentials(path: &str, text: &str) -> Option<Finding> {
    for (what, pattern) in CREDENTIALS.iter() {
        for found in pattern.find_iter(text) {
            // The examples of the documentation say so.
            if found.as_str().contains("EXAMPLE") || found.as_str().contains("XXXX") {
                continue;
            }
            let line = text[..found.start()].matches('\n').count() + 1;
            let shown: String = found.as_str().chars().take(4).chain(['…']).collect();
            return Some(
                Finding::new(FindingCode::SecretsCredentials, format!("{path} holds {what}."))
                    .at(masked(path, line, shown, what)),
            );
        }
    }
    None
}

/// Points at a line, of which only so much is shown.
fn masked(path: &str, line: usize, shown: String, label: &str) -> Option<Snippet> {
    let span = 0..shown.len();
    Some(Snippet { file: path.to_owned(), line, text: shown, span, label: label.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_config_vars_are_told_from_examples_of_them() {
        for (name, expected) in [
            (".env", true),
            (".env.production", true),
            ("prod.env", true),
            (".envrc", true),
            (".env.example", false),
            (".env.sample", false),
            ("example.env", false),
            (".env-template", false),
            ("environment.py", false),
            (".environment", false),
        ] {
            assert_eq!(is_env_file(name), expected, "{name}");
        }
    }

    #[test]
    fn a_mention_of_a_key_is_not_a_key() {
        let header = concat!("-----BEGIN RSA PRIVATE ", "KEY-----");
        assert_eq!(private_key("x.md", &format!("Look for {header}\nand so on\n")), None);
        assert_eq!(private_key("x.py", &format!("{header}\n...\n")), None);
        let key = format!("{header}\n{}\n", "MIIE".repeat(16));
        assert!(private_key("x.pem", &key).is_some());
    }

    #[test]
    fn no_secret_is_shown() {
        let key = format!("AKIA{}", "QWERTYUIOPASDFGH");
        let finding = credentials("x.py", &format!("KEY = '{key}'\n")).unwrap();
        assert!(!format!("{finding:?}").contains("QWERTY"), "{finding:?}");
        let finding = env_file(".env", "A=1\nSECRET_KEY=hunter2\n").unwrap();
        assert!(!format!("{finding:?}").contains("hunter2"), "{finding:?}");
        assert_eq!(env_file(".env", "# A=1\nB=\nC=''\n"), None);
    }
}
