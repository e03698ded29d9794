//! The lines of the requirements that a failed installation is about.

use std::sync::LazyLock;

use regex::Regex;

use super::cause::Cause;
use crate::error::Snippet;
use crate::host::url;
use crate::python::requirements::{
    GlobalOption, RequirementEntry, RequirementKind, Requirements, normalised_name, text_of,
};
use crate::python::url::with_masked_credentials;

/// A line that is at fault.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) snippet: Snippet,
    /// The host that it names, if that is what is wrong.
    pub(super) host: Option<String>,
}

/// Finds the lines of the requirements that a failure is about.
pub(super) fn find_places(requirements: &Requirements, cause: &Cause, text: &str) -> Vec<Place> {
    let place = |entry: &RequirementEntry, label: &str| {
        let snippet = line_snippet(requirements, &entry.file, entry.line, label)?;
        Some(Place { snippet, host: None })
    };
    match cause {
        Cause::NoSuchPackage(name) => {
            entries_of(requirements, name).find_map(|entry| place(entry, "not found")).into_iter().collect()
        }
        Cause::NoSuchVersion(name) => entries_of(requirements, name)
            .find_map(|entry| place(entry, "no such version"))
            .into_iter()
            .collect(),
        Cause::BuildFailed(name) => entries_of(requirements, name)
            .find_map(|entry| place(entry, "can't be built"))
            .into_iter()
            .collect(),
        Cause::Conflict => contradiction(requirements, text)
            .into_iter()
            .filter_map(|entry| place(entry, "contradicts another line"))
            .collect(),
        Cause::NoSuchOption(option) => {
            line_with(requirements, option).into_iter().map(|snippet| Place { snippet, host: None }).collect()
        }
        Cause::Syntax => syntax_place(requirements, text)
            .into_iter()
            .map(|snippet| Place { snippet, host: None })
            .collect(),
        Cause::NoNetwork => host_place(requirements, text).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Returns the requirements of one name that contradict each other by the installer's words.
fn contradiction<'a>(requirements: &'a Requirements, text: &str) -> Vec<&'a RequirementEntry> {
    let joined: String = text.split_whitespace().collect();
    let mut named: Vec<(&str, &RequirementEntry)> = Vec::new();
    for entry in &requirements.entries {
        if let RequirementKind::Named { name, text, .. } = &entry.kind
            && let written = text.split(';').next().unwrap_or_default()
            && joined.contains(&written.split_whitespace().collect::<String>())
        {
            named.push((name, entry));
        }
    }
    let first = named.iter().find(|(name, _)| named.iter().filter(|(other, _)| other == name).count() > 1);
    match first {
        Some((name, _)) => named.iter().filter(|(other, _)| other == name).map(|(_, entry)| *entry).collect(),
        None => named.into_iter().map(|(_, entry)| entry).collect(),
    }
}

fn line_with(requirements: &Requirements, words: &str) -> Option<Snippet> {
    requirements.files.iter().find_map(|(file, contents)| {
        let at = text_of(contents).lines().position(|line| line.contains(words))?;
        line_snippet(requirements, file, at + 1, "pip has no such option")
    })
}

fn syntax_place(requirements: &Requirements, text: &str) -> Option<Snippet> {
    static PLACE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"([^\s`'\x22]+):([0-9]+):[0-9]+").expect("the pattern is constant"));
    PLACE.captures_iter(text).find_map(|captures| {
        let file = requirements.files.keys().find(|file| {
            let found = captures[1].strip_suffix(file.as_str());
            found.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        })?;
        line_snippet(requirements, file, captures[2].parse().ok()?, "can't be read")
    })
}

fn host_place(requirements: &Requirements, text: &str) -> Option<Place> {
    requirements.entries.iter().find_map(|entry| {
        let address = match &entry.kind {
            RequirementKind::Url { url }
            | RequirementKind::Vcs { url, .. }
            | RequirementKind::RemoteFile { url } => url,
            RequirementKind::Named { text, .. } => text,
            RequirementKind::Option(
                GlobalOption::IndexUrl(url) | GlobalOption::ExtraIndexUrl(url) | GlobalOption::FindLinks(url),
            ) => url,
            _ => return None,
        };
        let (_, rest) = address.split_once("://")?;
        let shown = url::redact(&format!("x://{rest}"));
        let host = shown.trim_start_matches("x://").split(['/', ':']).next()?.to_owned();
        if host.is_empty() || !text.contains(&host) {
            return None;
        }
        let snippet = line_snippet(requirements, &entry.file, entry.line, "can't be reached")?;
        Some(Place { snippet, host: Some(host) })
    })
}

/// Points at a line of a requirements file.
fn line_snippet(requirements: &Requirements, file: &str, line: usize, label: &str) -> Option<Snippet> {
    let text = text_of(requirements.files.get(file)?);
    let text = with_masked_credentials(text.lines().nth(line.checked_sub(1)?)?);
    let end = text.split(" #").next().unwrap_or_default().trim_end().len();
    let start = (text.len() - text.trim_start().len()).min(end);
    Some(Snippet { file: file.to_owned(), line, span: start..end, text, label: label.to_owned() })
}

/// Returns the requirements of a name, which may have versions behind it.
pub(super) fn entries_of<'a>(
    requirements: &'a Requirements,
    name: &str,
) -> impl Iterator<Item = &'a RequirementEntry> + use<'a> {
    let end = name.find(['=', '<', '>', '!', '~', '[', ' ', ';']).unwrap_or(name.len());
    let name = normalised_name(&name[..end]);
    requirements.entries.iter().filter(
        move |entry| matches!(&entry.kind, RequirementKind::Named { name: other, .. } if *other == name),
    )
}
