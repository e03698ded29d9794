//! What an installer's words mean.

use crate::host::url;

/// Why, as far as the installer's words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    NoSuchPackage(String),
    NoSuchVersion(String),
    NoSuchOption(String),
    Syntax,
    NoNetwork,
    Certificate,
    Unauthorized(String),
    Conflict,
    BuildFailed(String),
    Hash,
    StaleLock,
    Other,
}

impl Cause {
    pub(super) fn id(&self) -> &'static str {
        match self {
            Self::NoSuchPackage(_) => "no-such-package",
            Self::NoSuchVersion(_) => "no-such-version",
            Self::NoSuchOption(_) => "no-such-option",
            Self::Syntax => "invalid-line",
            Self::NoNetwork => "no-network",
            Self::Certificate => "certificate",
            Self::Unauthorized(_) => "unauthorized",
            Self::Conflict => "conflict",
            Self::BuildFailed(_) => "build-failed",
            Self::Hash => "hash-mismatch",
            Self::StaleLock => "stale-lock",
            Self::Other => "other",
        }
    }
}

/// Reads the installer's words for a cause that a user can do something about.
pub(super) fn find_cause(text: &str) -> Cause {
    let word_after = |start: &str| -> Option<String> {
        let rest = &text[text.find(start)? + start.len()..];
        let word: String = rest
            .trim_start_matches(['`', '\'', '"'])
            .chars()
            .take_while(|letter| !" `'\",;()\n".contains(*letter))
            .collect();
        (!word.is_empty()).then_some(word)
    };
    let has = |needle: &str| text.contains(needle);
    let offline = [
        "dns error",
        "failed to lookup",
        "Temporary failure in name resolution",
        "Connection refused",
        "Network is unreachable",
        "error sending request",
        "Failed to establish a new connection",
        "tcp connect error",
        "Name or service not known",
        "Could not resolve host",
        "Failed to fetch",
        "Max retries exceeded",
    ];
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(url) = refused_url(&joined) {
        Cause::Unauthorized(url)
    } else if has("invalid peer certificate") || has("CERTIFICATE_VERIFY_FAILED") {
        Cause::Certificate
    } else if let Some(option) = word_after("no such option: ") {
        Cause::NoSuchOption(option)
    } else if offline.iter().any(|sign| has(sign)) {
        Cause::NoNetwork
    } else if ["Hash mismatch", "DO NOT MATCH THE HASHES", "Hashes are required", "no hashes were provided"]
        .iter()
        .any(|sign| has(sign))
        || joined.contains("require-hashes` mode")
    {
        Cause::Hash
    } else if joined.contains("needs to be updated, but `--locked` was provided") {
        Cause::StaleLock
    } else if joined.contains(" was not found in the p") {
        let before = joined.split(" was not found in the p").next().unwrap_or_default();
        Cause::NoSuchPackage(
            before.split_whitespace().last().unwrap_or_default().trim_matches('`').to_owned(),
        )
    } else if let Some(name) = word_after("No matching distribution found for ") {
        if has("(from versions: none)") {
            let end = name.find(['=', '<', '>', '!', '~', '[']).unwrap_or(name.len());
            Cause::NoSuchPackage(name[..end].to_owned())
        } else {
            Cause::NoSuchVersion(name)
        }
    } else if let Some(requirement) = joined.split("there is no version of ").nth(1) {
        Cause::NoSuchVersion(
            requirement.split_whitespace().next().unwrap_or_default().trim_end_matches(',').to_owned(),
        )
    } else if let Some(name) = word_after("Failed to build ") {
        Cause::BuildFailed(name)
    } else if let Some((_, rest)) = joined.split_once("while generating package metadata. ╰─> ") {
        Cause::BuildFailed(rest.split(' ').next().unwrap_or_default().to_owned())
    } else if has("ResolutionImpossible") || joined.contains("your requirements are unsatisfiable") {
        Cause::Conflict
    } else if ["Couldn't parse requirement", "Unexpected '", "Expected `--hash`"].iter().any(|sign| has(sign))
        || joined.split_once("Failed to parse").is_some_and(|(_, rest)| !is_of_project(rest))
    {
        Cause::Syntax
    } else {
        Cause::Other
    }
}

/// Returns whether what couldn't be parsed is a lock or a project file, and not a requirement.
fn is_of_project(rest: &str) -> bool {
    let name = rest.split(['`', ' ', ':']).find(|word| !word.is_empty()).unwrap_or_default();
    name.ends_with(".lock") || name.ends_with(".toml")
}

/// Finds the address to which an index answered that it is only for some.
fn refused_url(joined: &str) -> Option<String> {
    let signs = [
        "(401 Unauthorized) for url (",
        "(403 Forbidden) for url (",
        "401 Error, Credentials not correct for ",
        "403 Client Error: Forbidden for url: ",
    ];
    let rest = signs.iter().find_map(|sign| joined.split_once(sign))?.1;
    rest.split([' ', ')']).next().map(url::redact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_in_the_installers_words() {
        for (text, expected) in [
            (
                "  × No solution found when resolving dependencies:\n  ╰─▶ Because no-such-thing was not found in the package registry and you require\n      no-such-thing, we can conclude that your requirements are unsatisfiable.",
                Cause::NoSuchPackage("no-such-thing".into()),
            ),
            (
                "ERROR: Could not find a version that satisfies the requirement x-y==1 (from versions: none)\nERROR: No matching distribution found for x-y==1",
                Cause::NoSuchPackage("x-y".into()),
            ),
            (
                "  ╰─▶ Because there is no version of flask==99 and you require flask==99, we can\n      conclude that your requirements are unsatisfiable.",
                Cause::NoSuchVersion("flask==99".into()),
            ),
            (
                "error: Failed to fetch: `https://index.test/simple/flask/`\n  Caused by: dns error",
                Cause::NoNetwork,
            ),
            ("  × Failed to build `uwsgi==1`\n", Cause::BuildFailed("uwsgi==1".into())),
            (
                "The lockfile at `uv.lock` needs to be updated, but `--locked` was provided. To update",
                Cause::StaleLock,
            ),
            (
                "  ╰─▶ HTTP status client error (401 Unauthorized) for url (http://u:p@h.test/files/a.whl)",
                Cause::Unauthorized("http://h.test/files/a.whl".into()),
            ),
            (
                "WARNING: 401 Error, Credentials not correct for https://h.test/simple/a/\nERROR: No matching distribution found for a==1",
                Cause::Unauthorized("https://h.test/simple/a/".into()),
            ),
            ("something else", Cause::Other),
            (
                "error: metadata-generation-failed\n\n× Encountered error while generating package metadata.\n╰─> a-b\n\nnote: x",
                Cause::BuildFailed("a-b".into()),
            ),
            ("no such option: --global-option", Cause::NoSuchOption("--global-option".into())),
            ("error: Unexpected '-', expected '-c' or '-e' at requirements.txt:3:1", Cause::Syntax),
            ("error: Failed to parse: `requirements.txt`", Cause::Syntax),
            ("error: Failed to parse `uv.lock`\n  Caused by: TOML parse error", Cause::Other),
            ("error: Failed to parse: `pyproject.toml`", Cause::Other),
            ("  Caused by: invalid peer certificate: UnknownIssuer", Cause::Certificate),
            (
                "  ╰─▶ Because alpha-libb was not found in the provided package locations and you require",
                Cause::NoSuchPackage("alpha-libb".into()),
            ),
            (
                "error: In `--require-hashes` mode, all requirements must have a hash, but none were provided for: a",
                Cause::Hash,
            ),
        ] {
            assert_eq!(find_cause(text), expected, "{text}");
        }
    }
}
