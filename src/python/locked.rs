//! What a lock file asks to be installed, whoever wrote it, and the same as a requirements file.

mod archive;
mod binding;
mod check;
mod constraint;
mod expected;
mod index;
mod marker;
mod python_json;
mod reach;

use crate::error::NoticeCode;
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub(crate) use archive::archive_hashes;
pub(crate) use check::PackageFault;
pub(super) use check::is_git_url;
pub(crate) use check::place_in_app;
pub(super) use constraint::Constraint;
pub(crate) use expected::ExpectedPackage;
pub(super) use index::is_http_url;
pub(super) use marker::{Condition, without_extras};
pub(super) use python_json::{Separators, python_json, sha256_hex, to_json};
pub(super) use reach::{Edge, Node, reachable};

/// Which of the locked packages are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// What the app needs to run.
    Production,
    /// The groups for development too.
    Test,
}

/// Packages to install, and where from. Made by [`LockedSet::new`], so every text in it is fit for a
/// requirements file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedSet {
    /// The packages, in a fixed order.
    pub packages: Vec<LockedPackage>,
    /// The indexes, the first one first.
    pub indexes: Vec<LockedIndex>,
    /// The Python that the lock was made for: a version or a specifier, as it is written.
    pub python: Option<String>,
    /// What a user should hear of: an id and a text.
    pub warnings: Vec<(NoticeCode, String)>,
}

/// A package that is to be installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedPackage {
    /// The name as PEP 503 normalises it.
    pub name: String,
    /// The exact version. Without a lock file: a specifier such as `>=1`, or nothing for any.
    pub version: Option<String>,
    /// The extras, sorted.
    pub extras: Vec<String>,
    /// The environments that it is for.
    pub marker: Option<String>,
    /// `sha256:…` of every file that may be used, sorted.
    pub hashes: Vec<String>,
    /// Where it comes from.
    pub source: LockedSource,
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockedSource {
    /// A package index.
    Registry {
        /// The index's name, unless any will do.
        index: Option<String>,
    },
    /// A directory or an archive in the app.
    Path {
        /// The path relative to the app; `.` is the app itself.
        path: String,
        /// Whether it is to be installed in place.
        editable: bool,
    },
    /// A git repository.
    Git {
        /// The URL, without `git+`.
        url: String,
        /// The commit, or without a lock file a branch or tag.
        rev: Option<String>,
        /// The directory of the package in it.
        subdirectory: Option<String>,
        /// Whether it is to be checked out and installed in place.
        editable: bool,
    },
    /// An archive.
    Url {
        /// The URL, which may end with `#subdirectory=…`.
        url: String,
    },
}

/// A setting that only the package manager's own tool follows, and that changes what is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnSetting {
    /// Which one, in a sentence.
    pub text: String,
    /// Whether code is run that may look at any part of the app.
    pub runs_code: bool,
}

/// A package index that a lock file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedIndex {
    /// The name that packages call it by.
    pub name: String,
    /// The URL, in which `${NAME}` stands for a config var. Empty: the installer's own default.
    pub url: String,
    /// Whether its certificate is checked.
    pub verify_ssl: bool,
    /// Whether it is only for the packages that name it.
    pub explicit: bool,
}

impl LockedSet {
    /// Puts a set together, once every package is fit for a requirements file.
    ///
    /// The first package that isn't is returned as the fault.
    pub fn new(
        packages: impl IntoIterator<Item = LockedPackage>,
        indexes: Vec<LockedIndex>,
        python: Option<String>,
    ) -> Result<Self, PackageFault> {
        let packages: Result<BTreeSet<_>, _> = packages.into_iter().map(check::checked_package).collect();
        let indexes: Result<Vec<_>, _> = indexes.into_iter().map(check::checked_index).collect();
        Ok(Self {
            packages: packages?.into_iter().collect(),
            indexes: indexes?,
            python,
            warnings: Vec::new(),
        })
    }

    /// Tells whether every package that comes from an index or a URL has hashes, and there is no other:
    /// whether pip and uv could be told to require them.
    pub fn is_hashed(&self) -> bool {
        self.packages.iter().all(|package| !package.hashes.is_empty())
    }

    /// Renders a requirements file.
    ///
    /// Config vars stay as `${NAME}`, for the installer. Paths are relative to the app: that is where the
    /// installer has to run, wherever the file is.
    pub fn render_requirements(&self) -> String {
        let used: BTreeSet<&str> = self.packages.iter().filter_map(LockedPackage::index).collect();
        let mut text = index::render_indexes(&self.indexes, &used);
        for package in &self.packages {
            package.render(&mut text);
        }
        text
    }
}

impl LockedPackage {
    /// Describes the app itself, which is installed so that its files stay where they are.
    pub(super) fn root(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: None,
            extras: Vec::new(),
            marker: None,
            hashes: Vec::new(),
            source: LockedSource::Path { path: ".".to_owned(), editable: true },
        }
    }

    /// Returns the version, if it is one and not a range.
    fn exact_version(&self) -> Option<&str> {
        let version = self.version.as_deref()?;
        version.starts_with(|first: char| first.is_ascii_alphanumeric()).then_some(version)
    }

    fn index(&self) -> Option<&str> {
        match &self.source {
            LockedSource::Registry { index } => index.as_deref(),
            LockedSource::Path { .. } | LockedSource::Git { .. } | LockedSource::Url { .. } => None,
        }
    }

    fn render(&self, text: &mut String) {
        let Self { name, version, extras, marker, hashes, source } = self;
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        text.push_str(&match source {
            LockedSource::Registry { .. } => format!("{name}{extras}{}", specifier(version.as_deref())),
            LockedSource::Path { path, editable } => {
                let path = if path == "." { ".".to_owned() } else { format!("./{path}") };
                format!("{}{path}{extras}", if *editable { "-e " } else { "" })
            }
            LockedSource::Git { url, rev, subdirectory, editable } => {
                let rev = rev.as_ref().map(|rev| format!("@{rev}")).unwrap_or_default();
                let subdirectory = subdirectory.as_ref().map(|path| format!("subdirectory={path}"));
                if *editable {
                    let subdirectory = subdirectory.map(|path| format!("&{path}")).unwrap_or_default();
                    format!("-e git+{url}{rev}#egg={name}{extras}{subdirectory}")
                } else {
                    let subdirectory = subdirectory.map(|path| format!("#{path}")).unwrap_or_default();
                    format!("{name}{extras} @ git+{url}{rev}{subdirectory}")
                }
            }
            LockedSource::Url { url } => format!("{name}{extras} @ {url}"),
        });
        if let Some(marker) = marker {
            // Without the blank, a `;` would belong to the URL.
            let _ = write!(text, " ; {marker}");
        }
        for hash in hashes {
            let _ = write!(text, " \\\n    --hash={hash}");
        }
        text.push('\n');
    }
}

/// An exact version begins with a letter or a digit, a specifier doesn't.
fn specifier(version: Option<&str>) -> String {
    match version {
        Some(version) if version.starts_with(|first: char| first.is_ascii_alphanumeric()) => {
            format!("=={version}")
        }
        Some(specifier) => specifier.to_owned(),
        None => String::new(),
    }
}

/// Joins two markers, both of which must hold.
pub(super) fn and_markers(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) if first == second => Some(first),
        (Some(first), Some(second)) => Some(format!("{} and {}", in_brackets(&first), in_brackets(&second))),
        (first, second) => first.or(second),
    }
}

/// Joins two markers, one of which must hold. No marker holds always.
pub(super) fn or_markers(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first?, second?) {
        (first, second) if first == second => Some(first),
        (first, second) => Some(format!("{} or {}", in_brackets(&first), in_brackets(&second))),
    }
}

/// `and` binds closer than `or`.
fn in_brackets(marker: &str) -> String {
    let mut words = marker.split(|letter: char| !letter.is_ascii_alphanumeric());
    let simple = !words.any(|word| word == "or" || word == "and");
    if simple { marker.to_owned() } else { format!("({marker})") }
}

#[cfg(test)]
mod tests;
