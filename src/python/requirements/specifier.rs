//! What a requirement is: a name with versions, a path, a repository or a URL. As pip decides it, but without
//! looking at the disk.

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use pep440_rs::Operator;
use pep508_rs::{Pep508Url, Requirement, VersionOrUrl};

use super::RequirementKind;
use super::error::Fault;
use super::location::{
    VERSION_CONTROLS, has_variable, is_archive_path, is_fixed, is_plain_scheme, is_version_control,
    local_path, normalised_name, split_scheme,
};
use super::marker::check_marker;
use super::option::Word;

pattern!(HEAD, r"^([A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(.?)");
pattern!(WORD, r"[A-Za-z0-9._-]+");
pattern!(DIRECT, r"^([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*@\s*(\S.*)$");
pattern!(SSH_ADDRESS, r"^[\w.-]+@([\w-]+(?:\.[\w-]+)+):(\S+)$");
// What pip accepts and pep508_rs doesn't: any text after `===`, large numbers, a comma at the end.
pattern!(
    LENIENT,
    &r"(?ix)^ NAME \s* (?: \[ \s* (?: NAME (?:\s*,\s* NAME)* )? \s* \] )? \s* (?: \( MANY? \) | MANY? ) \s* $"
        .replace("MANY", r"(?: \s* ONE (?: \s*,\s* ONE )* \s* ,? \s* )")
        .replace(
            "ONE",
            r"(?: === \s* [^\s;)]+ | (?: == | != ) \s* RELEASE SUFFIX (?: \.\* | \+[a-z0-9]+(?:[-_.][a-z0-9]+)* )?
            | (?: <= | >= | < | > ) \s* RELEASE SUFFIX | ~= \s* RELEASE \.[0-9]+ SUFFIX )"
        )
        .replace("RELEASE", r"v? (?:[0-9]+!)? [0-9]+ (?:\.[0-9]+)*")
        .replace(
            "SUFFIX",
            r"(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?
            (?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)? (?:[-_.]?dev[-_.]?[0-9]*)?"
        )
        .replace("NAME", "[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
);

/// A URL that is kept as it is: the crate's own type reads environment variables.
#[derive(Debug)]
struct UrlText(String);

impl fmt::Display for UrlText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Pep508Url for UrlText {
    type Err = Infallible;

    fn parse_url(url: &str, _working_dir: Option<&Path>) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

/// Parses what `-e` names.
pub(super) fn parse_editable(word: &Word) -> Result<RequirementKind, Fault> {
    let text = word.value.trim();
    let direct = DIRECT.captures(split_marker(text).0);
    let location = direct_reference(text).unwrap_or(text);
    let (scheme, _) = split_scheme(location);
    let is_repository = |scheme: &str| VERSION_CONTROLS.contains(&scheme) || is_version_control(scheme);
    match scheme.as_deref() {
        Some(scheme) if is_repository(scheme) => {
            let name = direct.map(|direct| direct[1].to_owned());
            Ok(RequirementKind::Vcs { url: named_location(location, name), editable: true })
        }
        Some("file") | None => Ok(RequirementKind::LocalPath { path: local_path(location), editable: true }),
        // A path may have a colon in it.
        Some(_) if !location.contains("://") && !location.contains('@') => {
            Ok(RequirementKind::LocalPath { path: local_path(location), editable: true })
        }
        Some(_) => {
            let message =
                "what is editable is a directory, or a repository such as git+https://...".to_owned();
            Err(Fault { span: word.span.clone(), message })
        }
    }
}

/// Writes `name @ URL` in the older way, so that the name isn't lost.
fn named_location(location: &str, name: Option<String>) -> String {
    match name {
        Some(name) if location.contains('#') => format!("{location}&egg={name}"),
        Some(name) => format!("{location}#egg={name}"),
        None => location.to_owned(),
    }
}

/// Parses a requirement that isn't editable.
pub(super) fn parse_requirement(word: &Word, hashed: bool) -> Result<RequirementKind, Fault> {
    let text = word.value.as_str();
    match parse_expanded(text, hashed) {
        Err(_) if has_variable(text) => Ok(unexpanded(text, hashed)),
        Err(fault) => Err(shifted(fault, word.span.start)),
        Ok(kind) => Ok(kind),
    }
}

fn parse_expanded(text: &str, hashed: bool) -> Result<RequirementKind, Fault> {
    let (main, marker) = split_marker(text);
    if let Some(marker) = marker {
        let start = text.len() - marker.len();
        check_marker(marker).map_err(|fault| shifted(fault, start))?;
    }
    if main.starts_with("${") && has_variable(main) {
        return Ok(RequirementKind::Url { url: main.to_owned() });
    }
    match split_scheme(main).0.as_deref() {
        Some(scheme) if is_version_control(scheme) => {
            return Ok(RequirementKind::Vcs { url: main.to_owned(), editable: false });
        }
        Some("http" | "https" | "ftp") => return Ok(RequirementKind::Url { url: main.to_owned() }),
        Some("file") => return Ok(RequirementKind::LocalPath { path: local_path(main), editable: false }),
        Some(scheme) if main[scheme.len()..].starts_with("://") => {
            let message =
                format!("pip can't install from {scheme}://; a git repository is written as git+https://...");
            return Err(Fault { span: 0..scheme.len(), message });
        }
        _ => {}
    }
    if is_archive_path(main) {
        return Ok(RequirementKind::LocalPath { path: local_path(main), editable: false });
    }
    match parse_named(main) {
        Ok((name, pinned)) => {
            Ok(RequirementKind::Named { name: normalised_name(&name), text: text.to_owned(), pinned, hashed })
        }
        Err(_) if is_probably_path(main) => {
            Ok(RequirementKind::LocalPath { path: local_path(main), editable: false })
        }
        Err(fault) => Err(fault),
    }
}

/// Parses a name with extras and versions, or with a direct reference.
fn parse_named(main: &str) -> Result<(String, bool), Fault> {
    if let Some(address) = SSH_ADDRESS.captures(main) {
        let message = format!("write this as git+ssh://git@{}/{}", &address[1], &address[2]);
        return Err(Fault { span: 0..main.len(), message });
    }
    check_names(main)?;
    if let Some(direct) = DIRECT.captures(main) {
        let url = &direct[2];
        if let Some(blank) = url.find(char::is_whitespace) {
            let start = main.len() - url.len() + blank;
            return Err(Fault {
                span: start..start + 1,
                message: "a URL can't have blanks in it".to_owned(),
            });
        }
        return Ok((direct[1].to_owned(), is_fixed(url)));
    }
    let error = match Requirement::<UrlText>::from_str(main) {
        Ok(requirement) => {
            let pinned = match &requirement.version_or_url {
                Some(VersionOrUrl::VersionSpecifier(specifiers)) => specifiers
                    .iter()
                    .any(|specifier| matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual)),
                Some(VersionOrUrl::Url(url)) => is_fixed(&url.0),
                None => false,
            };
            return Ok((requirement.name.to_string(), pinned));
        }
        Err(error) => error,
    };
    if LENIENT.is_match(main) {
        let name = WORD.find(main).map_or(main, |name| name.as_str());
        return Ok((name.to_owned(), main.contains("==") && !main.contains(".*")));
    }
    let span = boundaries(main, error.start..error.start + error.len);
    if let Some(equals) = single_equals(main) {
        return Err(Fault {
            span: equals..equals + 1,
            message: "pip has no operator =, did you mean ==".into(),
        });
    }
    let message = error.message.to_string();
    let message = message.lines().next().unwrap_or_default().trim_end_matches('.');
    Err(Fault { span, message: message.to_owned() })
}

/// Checks what pep508_rs would panic about: names and extras that don't end with a letter or digit.
fn check_names(main: &str) -> Result<(), Fault> {
    let well_formed = |word: &str| {
        let ends = [word.bytes().next(), word.bytes().next_back()];
        ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
    };
    let Some(head) = HEAD.captures(main) else { return Ok(()) };
    let name = &head[1];
    if !name.is_empty() && !well_formed(name) {
        let message = "a package name starts and ends with a letter or a digit".to_owned();
        return Err(Fault { span: 0..name.len(), message });
    }
    if &head[3] == "[" && head.get(2).is_none() {
        let start = main.find('[').unwrap_or(0);
        return Err(Fault { span: start..start + 1, message: "a ] is missing".to_owned() });
    }
    let Some(extras) = head.get(2) else { return Ok(()) };
    match WORD.find_iter(extras.as_str()).find(|extra| !well_formed(extra.as_str())) {
        Some(extra) => {
            let message = "an extra starts and ends with a letter or a digit".to_owned();
            Err(shifted(Fault { span: extra.range(), message }, extras.start()))
        }
        None => Ok(()),
    }
}

/// Says what can be said of a requirement that isn't one before its variables have their values.
fn unexpanded(text: &str, hashed: bool) -> RequirementKind {
    let head = HEAD.captures(text).filter(|head| !head[1].is_empty() && "=<>!~(@; ".contains(&head[3]));
    match head {
        Some(head) => RequirementKind::Named {
            name: normalised_name(&head[1]),
            text: text.to_owned(),
            pinned: text.contains("=="),
            hashed,
        },
        None => RequirementKind::Url { url: text.to_owned() },
    }
}

/// Splits a marker off. In a URL, a semicolon needs a blank after it.
fn split_marker(text: &str) -> (&str, Option<&str>) {
    let is_url =
        split_scheme(text).0.is_some_and(|scheme| is_version_control(&scheme) || is_plain_scheme(&scheme));
    match text.split_once(if is_url { "; " } else { ";" }) {
        Some((main, marker)) => {
            (main.trim(), Some(marker.trim_start()).filter(|marker| !marker.trim().is_empty()))
        }
        None => (text.trim(), None),
    }
}

/// Tells whether pip might find a directory there: it would look.
fn is_probably_path(main: &str) -> bool {
    if main.starts_with(['.', '/']) {
        return true;
    }
    let Some(head) = HEAD.captures(main) else { return false };
    let has_name = !head[1].is_empty();
    let has_versions = !head[3].is_empty() && "=<>!~(@;".contains(&head[3]);
    has_name
        && !has_versions
        && main.contains('/')
        && !main.contains("://")
        && !main.contains(char::is_whitespace)
}

/// Returns the URL or path of `name @ URL`.
pub(super) fn direct_reference(text: &str) -> Option<&str> {
    DIRECT.captures(split_marker(text).0).and_then(|captures| captures.get(2)).map(|url| url.as_str())
}

/// Finds an equals sign where no operator is.
fn single_equals(main: &str) -> Option<usize> {
    let operators = ["==", "~=", "!=", "<", ">"];
    if operators.iter().any(|operator| main.contains(operator)) { None } else { main.find('=') }
}

fn shifted(Fault { span, message }: Fault, by: usize) -> Fault {
    Fault { span: span.start + by..span.end + by, message }
}

/// Moves a span's ends to boundaries of characters, inside the text.
fn boundaries(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |position: usize| {
        (0..=position.min(text.len())).rev().find(|position| text.is_char_boundary(*position)).unwrap_or(0)
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}
