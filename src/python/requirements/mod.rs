//! The reader of pip's requirements files, for decisions only: what an app asks for, and which files say so.
//! Installing stays with pip and uv, so what they accept is accepted here.

/// Declares a regular expression that is compiled when it is first used.
macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
            regex::Regex::new($text).expect("the patterns are constant, and tested")
        });
    };
}

mod beyond;
mod decode;
mod error;
mod line;
mod location;
mod marker;
mod option;
mod specifier;
mod split;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

pub(crate) use error::{Place, RequirementsError};
pub(crate) use location::{file_url_path, name_in_location, normalised_name};
pub(super) use marker::is_marker;

pub(crate) use beyond::BeyondUv;
use error::Fault;
use line::{LogicalLine, logical_lines, physical_lines};
use option::{LineOption, ParsedLine};

/// How many files may name each other in a row. pip gives up earlier.
const MAXIMAL_DEPTH: usize = 200;

/// What a requirements file asks for, with all the files that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Every file that was read, by its path relative to the app.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the files hold, in the order in which pip would see it.
    pub entries: Vec<RequirementEntry>,
    /// What of it uv doesn't read as pip does.
    pub beyond_uv: Vec<BeyondUv>,
}

/// One requirement or option, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementEntry {
    /// The file's path relative to the app.
    pub file: String,
    /// The number of its line, from 1; the first one if it is continued by backslashes.
    pub line: usize,
    /// Whether it only limits versions, because it stands in a file that `-c` names.
    pub constraint: bool,
    /// What it is.
    pub kind: RequirementKind,
}

/// What a line of a requirements file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequirementKind {
    /// A distribution by its name.
    Named {
        /// The name as PEP 503 normalises it.
        name: String,
        /// The requirement as it is written, without options.
        text: String,
        /// Whether there is just one version that fits: `==` without a wildcard, a direct reference to an
        /// archive, or one to a full commit id.
        pinned: bool,
        /// Whether `--hash` belongs to it.
        hashed: bool,
    },
    /// A directory or an archive file.
    LocalPath {
        /// The path as it is written, or that of a `file:` URL, without extras.
        path: String,
        /// Whether it is to be installed in place.
        editable: bool,
    },
    /// A version control repository.
    Vcs {
        /// The URL as it is written.
        url: String,
        /// Whether it is to be checked out and installed in place.
        editable: bool,
    },
    /// An archive's URL, or something that only its variables tell, such as `${PACKAGE}`.
    Url {
        /// The URL as it is written.
        url: String,
    },
    /// A requirements file that can't be read here: a URL, or a name with variables in it.
    RemoteFile {
        /// The URL as it is written.
        url: String,
    },
    /// An option for the whole installation.
    Option(GlobalOption),
}

/// An option for the whole installation. Values are as written; URLs may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalOption {
    /// `-i`, `--index-url`.
    IndexUrl(String),
    /// `--extra-index-url`.
    ExtraIndexUrl(String),
    /// `-f`, `--find-links`.
    FindLinks(String),
    /// `--no-index`.
    NoIndex,
    /// `--no-binary`, with its comma separated names.
    NoBinary(String),
    /// `--only-binary`, with its comma separated names.
    OnlyBinary(String),
    /// `--pre`.
    Pre,
    /// `--prefer-binary`.
    PreferBinary,
    /// `--require-hashes`.
    RequireHashes,
    /// `--no-require-hashes`.
    NoRequireHashes,
    /// `--all-releases`, with its comma separated names.
    AllReleases(String),
    /// `--only-final`, with its comma separated names.
    OnlyFinal(String),
    /// `--trusted-host`.
    TrustedHost(String),
    /// `--use-feature`.
    UseFeature(String),
}

/// Reads a requirements file and the files that it names. `read` takes a path with `/` relative to the app,
/// which may lead out of it (`../x`) or be absolute if the file says so.
///
/// Unlike pip, which refuses a file that includes itself, each file is read once.
pub fn read_requirements(
    root: &str,
    read: &mut dyn FnMut(&str) -> io::Result<Vec<u8>>,
) -> Result<Requirements, RequirementsError> {
    let mut reader = Reader { read, seen: BTreeSet::new(), requirements: Requirements::default() };
    let file = normalised(root);
    let contents = reader.contents(&file, None)?;
    reader.read_file(&file, &contents, false, 0)?;
    Ok(reader.requirements)
}

impl Requirements {
    /// Tells whether anything has a hash: then pip installs nothing without one that matches.
    pub(crate) fn has_hashes(&self) -> bool {
        self.entries.iter().any(|entry| {
            matches!(
                entry.kind,
                RequirementKind::Named { hashed: true, .. }
                    | RequirementKind::Option(GlobalOption::RequireHashes)
            )
        })
    }

    /// Tells whether uv checks the hashes as pip does: each requirement is pinned and has one, and there is one index,
    /// so that no other file of the same version can be chosen.
    pub(crate) fn has_plain_hashes(&self) -> bool {
        self.entries.iter().all(|entry| match &entry.kind {
            RequirementKind::Named { pinned, hashed, text, .. } => {
                *pinned && *hashed && !entry.constraint && !text.contains('@')
            }
            RequirementKind::Option(option) => {
                !matches!(option, GlobalOption::ExtraIndexUrl(_) | GlobalOption::FindLinks(_))
            }
            _ => false,
        })
    }

    /// Tells whether anything is to be installed in place.
    pub fn has_editable(&self) -> bool {
        self.entries.iter().any(|entry| {
            matches!(
                entry.kind,
                RequirementKind::LocalPath { editable: true, .. }
                    | RequirementKind::Vcs { editable: true, .. }
            )
        })
    }

    /// Tells whether anything comes from a file or directory, so that what is installed can change though no
    /// requirements file does.
    pub fn has_local_paths(&self) -> bool {
        self.entries.iter().any(|entry| match &entry.kind {
            RequirementKind::LocalPath { .. } => true,
            RequirementKind::Named { text, .. } => {
                specifier::direct_reference(text).is_some_and(location::is_local)
            }
            _ => false,
        })
    }

    /// Lists the names of the requirements for which more than one version fits, in order.
    /// One that a constraint pins isn't among them.
    pub fn unpinned(&self) -> Vec<&str> {
        let named = || self.entries.iter().filter_map(RequirementEntry::named);
        let pinned: BTreeSet<&str> = named().filter(|named| named.pinned).map(|named| named.name).collect();
        let mut seen = BTreeSet::new();
        named()
            .filter(|named| !named.constraint && !pinned.contains(named.name) && seen.insert(named.name))
            .map(|named| named.name)
            .collect()
    }

    /// Lists the repositories of which whatever is the newest is installed, or what a branch or a tag leads to.
    pub(crate) fn moving_repositories(&self) -> Vec<&RequirementEntry> {
        let moves = |entry: &&RequirementEntry| match &entry.kind {
            RequirementKind::Vcs { url, .. } => !entry.constraint && !location::is_fixed(url),
            _ => false,
        };
        self.entries.iter().filter(moves).collect()
    }

    /// Returns whether every requirement has a name: none is a file, an address, a repository or a directory.
    pub(crate) fn are_all_named(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| matches!(entry.kind, RequirementKind::Named { .. } | RequirementKind::Option(_)))
    }

    /// Returns the normalised names of what is asked for, constraints excepted. The names of repositories and
    /// archives are known if their URL tells.
    pub fn names(&self) -> BTreeSet<String> {
        self.entries
            .iter()
            .filter(|entry| !entry.constraint)
            .filter_map(|entry| match &entry.kind {
                RequirementKind::Named { name, .. } => Some(name.clone()),
                RequirementKind::Vcs { url: location, .. }
                | RequirementKind::Url { url: location }
                | RequirementKind::LocalPath { path: location, .. } => name_in_location(location),
                RequirementKind::RemoteFile { .. } | RequirementKind::Option(_) => None,
            })
            .collect()
    }
}

/// A requirement that has a name.
struct NamedEntry<'a> {
    name: &'a str,
    constraint: bool,
    pinned: bool,
}

impl RequirementEntry {
    fn named(&self) -> Option<NamedEntry<'_>> {
        match &self.kind {
            RequirementKind::Named { name, pinned, .. } => {
                Some(NamedEntry { name, constraint: self.constraint, pinned: *pinned })
            }
            _ => None,
        }
    }
}

struct Reader<'a> {
    read: &'a mut dyn FnMut(&str) -> io::Result<Vec<u8>>,
    /// A file can be read twice: for requirements and for constraints.
    seen: BTreeSet<(String, bool)>,
    requirements: Requirements,
}

impl Reader<'_> {
    fn read_file(
        &mut self,
        file: &str,
        contents: &[u8],
        constraint: bool,
        depth: usize,
    ) -> Result<(), RequirementsError> {
        if !self.seen.insert((file.to_owned(), constraint)) {
            return Ok(());
        }
        let unreadable =
            |reason| RequirementsError::Unreadable { file: file.to_owned(), reason, source: None };
        let text = decode::decode(contents).map_err(unreadable)?;
        let physical = physical_lines(&text);
        if let Some(what) = beyond::of_file(contents, &text) {
            self.find_beyond(file, 1, what.to_owned());
        }
        for line in logical_lines(&physical) {
            let at = |fault: Fault| line.error(file, &physical, fault);
            let parsed = option::parse_line(&line.text).map_err(at)?;
            if let Some(what) = beyond::of_line(&line, &parsed) {
                self.find_beyond(file, line.number, what);
            }
            if let Some((include, is_constraint)) = parsed.include() {
                let place = line.place(file, &physical, &include.span);
                if depth >= MAXIMAL_DEPTH {
                    let message = "too many files that name each other".to_owned();
                    return Err(at(Fault { span: include.span.clone(), message }));
                }
                self.include(&include.value, is_constraint, place, (&line, constraint, depth))?;
            } else {
                self.add_entries(file, &line, parsed, constraint).map_err(at)?;
            }
        }
        Ok(())
    }

    fn find_beyond(&mut self, file: &str, line: usize, what: String) {
        self.requirements.beyond_uv.push(BeyondUv { file: file.to_owned(), line, what });
    }

    fn include(
        &mut self,
        named: &str,
        is_constraint: bool,
        place: Place,
        (line, constraint, depth): (&LogicalLine, bool, usize),
    ) -> Result<(), RequirementsError> {
        let remote = RequirementEntry {
            file: place.file.clone(),
            line: line.number,
            constraint,
            kind: RequirementKind::RemoteFile { url: named.to_owned() },
        };
        if location::is_file_url(named) {
            self.requirements.entries.push(remote);
            return Ok(());
        }
        let directory = place.file.rfind('/').map_or("", |slash| &place.file[..=slash]);
        let path = if named.starts_with('/') {
            normalised(named)
        } else {
            normalised(&format!("{directory}{named}"))
        };
        match self.contents(&path, Some(place)) {
            Ok(contents) => self.read_file(&path, &contents, is_constraint, depth + 1),
            // Only the installer knows the variables.
            Err(_) if location::has_variable(named) => {
                self.requirements.entries.push(remote);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn add_entries(
        &mut self,
        file: &str,
        line: &LogicalLine,
        parsed: ParsedLine<'_>,
        constraint: bool,
    ) -> Result<(), Fault> {
        let mut add = |kind| {
            let entry = RequirementEntry { file: file.to_owned(), line: line.number, constraint, kind };
            self.requirements.entries.push(entry);
        };
        match parsed.requirement() {
            Some((requirement, true)) if constraint => {
                let message = "a constraint can't be editable".to_owned();
                return Err(Fault { span: requirement.span, message });
            }
            Some((requirement, true)) => add(specifier::parse_editable(&requirement)?),
            Some((requirement, false)) => {
                let hashed = parsed.options.iter().any(|(option, _)| *option == LineOption::Hash);
                add(specifier::parse_requirement(&requirement, hashed)?);
            }
            None => {
                let options = parsed.options.into_iter();
                options
                    .filter_map(|(option, value)| option.global(value.value))
                    .map(RequirementKind::Option)
                    .for_each(add);
            }
        }
        Ok(())
    }

    fn contents(&mut self, file: &str, named_by: Option<Place>) -> Result<Vec<u8>, RequirementsError> {
        if let Some(contents) = self.requirements.files.get(file) {
            return Ok(contents.clone());
        }
        let contents = (self.read)(file).map_err(|source| {
            let file = file.to_owned();
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                RequirementsError::FileNotFound { file, named_by: named_by.map(Box::new) }
            } else {
                let reason = "the file can't be read".to_owned();
                RequirementsError::Unreadable { file, reason, source: Some(source) }
            }
        })?;
        self.requirements.files.insert(file.to_owned(), contents.clone());
        Ok(contents)
    }
}

/// Returns the text of a requirements file as far as it can be read: for a search, not for decisions.
pub(crate) fn text_of(contents: &[u8]) -> String {
    decode::decode(contents).unwrap_or_else(|_| String::from_utf8_lossy(contents).into_owned())
}

/// Takes `.` and `..` out of a path, without looking at the disk.
fn normalised(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            part => parts.push(part),
        }
    }
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
