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
    let mut secrets = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, value) = line.split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
        let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
        is_credential(name.trim(), value).then(|| (index + 1, name.trim().to_owned()))
    });
    let (line, name) = secrets.next()?;
    let more: Vec<String> = secrets.map(|(_, name)| name).collect();
    let more = match more.as_slice() {
        [] => String::new(),
        [other] => format!(" and {other}"),
        others => format!(" and {} more", others.len()),
    };
    let message = format!(
        "{path} has what looks like a credential in {name}{more}, and would be in the slug for everybody who gets it."
    );
    let shown = format!("{name}=…");
    let place = masked(path, line, shown, "a credential");
    Some(Finding::new(FindingCode::SecretsEnvFile, message).at(place))
}

/// Words in the names of credentials.
const SECRET_WORDS: &[&str] = &[
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "KEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PRIVATE",
];

/// Words in the names of what is public, and of settings about credentials.
const PUBLIC_WORDS: &[&str] = &[
    "PUBLIC",
    "PUBLISHABLE",
    "VITE",
    "REACT",
    "GATSBY",
    "ID",
    "NAME",
    "FILE",
    "PATH",
    "DIR",
    "LENGTH",
    "MINUTES",
    "HOURS",
    "SECONDS",
    "DAYS",
    "TTL",
    "EXPIRE",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "LIFETIME",
    "AGE",
    "TYPE",
    "ALGORITHM",
    "ENABLED",
    "HEADER",
    "PREFIX",
    "HOST",
    "PORT",
    "USER",
    "USERNAME",
    "EMAIL",
    "REGION",
    "URI",
    "URL",
    "ENDPOINT",
    "VALIDATORS",
    "HASHER",
    "TIMEOUT",
    "CACHE",
    "BACKEND",
    "SITE",
];

/// Words in the names of what is told of some content: it looks as if made by chance, and is no secret.
const CONTENT_WORDS: &[&str] = &[
    "SHA",
    "SHA1",
    "SHA256",
    "COMMIT",
    "REVISION",
    "REV",
    "HEAD",
    "DIGEST",
    "CHECKSUM",
    "HASH",
    "ETAG",
    "FINGERPRINT",
    "VERSION",
    "BUILD",
    "RELEASE",
    "SLUG",
];

/// Values that stand for one, and those that containers and frameworks have by default.
const PLACEHOLDERS: &[&str] = &[
    "change",
    "your",
    "example",
    "sample",
    "placeholder",
    "dummy",
    "insecure",
    "xxx",
    "todo",
    "replace",
    "foobar",
    "fake",
    "test",
    "dev",
    "local",
    "postgres",
    "password",
    "secret",
    "mysql",
    "root",
    "admin",
    "guest",
    "redis",
    "default",
    "none",
    "null",
    "true",
    "false",
];

/// Returns whether a variable of a file holds a credential, by its name and its value.
fn is_credential(name: &str, value: &str) -> bool {
    if value.is_empty() || value.starts_with(['$', '<', '{', '[']) {
        return false;
    }
    if CREDENTIALS.iter().any(|(_, pattern)| pattern.is_match(value)) {
        return true;
    }
    if let Ok(url) = url::Url::parse(value)
        && (url.has_host() || value.contains("://"))
    {
        return url.password().is_some_and(|password| is_password(url.username(), url.host_str(), password));
    }
    let name = name.to_uppercase();
    let words: Vec<&str> = name.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    if words.iter().any(|word| PUBLIC_WORDS.contains(word)) || is_placeholder(value) {
        return false;
    }
    let is_named = words.iter().any(|word| {
        SECRET_WORDS.contains(word)
            || ["SECRET", "PASSWORD", "TOKEN", "APIKEY"].iter().any(|end| word.ends_with(end))
    });
    let is_plain = value.len() < 6
        || value.chars().all(|letter| letter.is_ascii_digit() || ".:-".contains(letter))
        || value.starts_with(['/', '.'])
        || value.contains(' ');
    let is_of_content = words.iter().any(|word| CONTENT_WORDS.contains(word));
    (is_named && !is_plain) || (is_random(value) && !is_of_content)
}

/// Whether a value only stands for one: `change-me`, `your-key-here`, or the default of a container.
fn is_placeholder(value: &str) -> bool {
    let value = value.to_lowercase();
    PLACEHOLDERS.iter().any(|word| match value.len() {
        0..=24 => value.contains(word),
        _ => value.starts_with(word) || value.contains("insecure") || value.contains("change"),
    })
}

fn is_password(user: &str, host: Option<&str>, password: &str) -> bool {
    const OF_THIS_MACHINE: &[&str] = &["localhost", "127.0.0.1", "0.0.0.0", "host.docker.internal"];
    let is_here = host.is_none_or(|host| OF_THIS_MACHINE.contains(&host) || host.ends_with(".local"));
    // Containers name each other by a word.
    let is_container = host.is_some_and(|host| {
        ["db", "database", "postgres", "mysql", "redis", "mongo", "rabbitmq"].contains(&host)
    });
    !password.starts_with('$') && !is_here && !is_container && password != user && !is_placeholder(password)
}

/// Whether a value is made of letters and digits as chance makes them.
fn is_random(value: &str) -> bool {
    const LEAST: usize = 24;
    const LEAST_ENTROPY: f64 = 3.3;
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte));
    let count = |test: fn(&u8) -> bool| value.bytes().filter(test).count();
    let mixed = count(u8::is_ascii_digit) >= 3 && count(u8::is_ascii_alphabetic) >= 3;
    // Words with hyphens between them are names.
    let is_words = value.split(['-', '_', '/']).count() > 4 || value.contains("--");
    value.len() >= LEAST && is_plain && mixed && !is_words && entropy(value) >= LEAST_ENTROPY
}

/// Returns how many bits a letter of the text is worth.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let shares = counts.into_iter().filter(|count| *count > 0).map(|count| f64::from(count) / length);
    shares.map(|share| -share * share.log2()).sum()
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

    // C08
    #[test]
    fn a_variable_is_a_credential_by_its_name_and_its_value() {
        for (name, value, expected) in [
            ("SECRET_KEY", "hunter2", true),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzzzKEY", true),
            ("GITHUB_TOKEN", "ghx8f7a6s5d4", true),
            ("DB_PASSWORD", "correct-horse-battery", true),
            ("OPENAI_API_KEY", "sk-proj-abcdef0123456789", true),
            ("DATABASE_URL", "postgres://x:hunter2@ec2-1.compute.amazonaws.com/d", true),
            ("REDIS_URL", "rediss://:p4fcd9834hf@ec2-1.amazonaws.com:6379", true),
            ("SENDGRID", "8f14e45fceea167a5a36dedd4bea2543", true),
            ("GIT_SHA", "3f786850e387550fdab836ed7e6dc881de23001b", false),
            ("GIT_COMMIT", "3f786850e387550fdab836ed7e6dc881de23001b", false),
            ("BUILD_HASH", "9f14e45fceea167a5a36dedd4bea2543", false),
            ("SECRET_HASH", "9f14e45fceea167a5a36dedd4bea2543", true),
            ("SHARED", "3f786850e387550fdab836ed7e6dc881de23001b", true),
            ("WEB_CONCURRENCY", "2", false),
            ("DEBUG", "true", false),
            ("SECRET_KEY", "change-me", false),
            ("SECRET_KEY", "django-insecure-0x@8f7a6s5d4f3g2h1j9k8l7", false),
            ("SECRET_KEY", "$OTHER", false),
            ("API_KEY", "<your key>", false),
            ("API_KEY", "", false),
            ("NEXT_PUBLIC_API_KEY", "AIzb8f14e45fceea167a5a36", false),
            ("VITE_TOKEN", "8f14e45fceea167a5a36dedd4bea2543", false),
            ("STRIPE_PUBLISHABLE_KEY", "pk_live_8f14e45fceea167a5a", false),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "100000", false),
            ("PASSWORD_MIN_LENGTH", "100000", false),
            ("TOKEN_URL", "https://example.com/token", false),
            ("PRIVATE_KEY_PATH", "keys/private.pem", false),
            ("GOOGLE_CLIENT_ID", "8f14e45fceea167a5a36dedd4bea2543", false),
            ("DJANGO_SETTINGS_MODULE", "mysite.settings.production", false),
            ("DATABASE_URL", "postgres://postgres:postgres@localhost:5432/app", false),
            ("DATABASE_URL", "postgres://app:s3cr9x@db:5432/app", false),
            ("DATABASE_URL", "sqlite:///db.sqlite3", false),
            ("POSTGRES_PASSWORD", "postgres", false),
            ("SENTRY_DSN", "https://8f14e45f@o1.ingest.sentry.io/2", false),
            ("ALLOWED_HOSTS", "a-long-name-of-an-app-1234.herokuapp.com", false),
            ("COMPOSE_PROJECT_NAME", "some-project-with-a-long-name-01", false),
            ("PYTHONPATH", "/app/src", false),
        ] {
            assert_eq!(is_credential(name, value), expected, "{name}={value}");
        }
        let found =
            env_file(".env", "WEB_CONCURRENCY=2\nexport API_KEY='x9f8a7s6d5'\nDB_PASSWORD=q1w2e3r4t5\n")
                .unwrap();
        assert!(found.message.contains("in API_KEY and DB_PASSWORD"), "{found:?}");
        assert_eq!(found.place.unwrap().line, 2);
        assert_eq!(env_file(".env", "WEB_CONCURRENCY=2\nPORT=5000\n"), None);
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
