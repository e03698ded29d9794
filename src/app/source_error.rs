//! What can be wrong with an app's directory.

use std::io;
use std::path::{Path, PathBuf};

use super::names::printable;
use super::procfile::ProcfileError;
use super::slugignore::SlugignoreError;
use super::tree::MAX_DEPTH;
use crate::env::Interrupted;
use crate::error::{ErrorCode, Snippet, UserError};

/// An app that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// It isn't a directory.
    #[error("{} {}.", .path.display(), not_a_directory(.source.as_ref()))]
    NotADirectory {
        /// What was given.
        path: PathBuf,
        /// What the system said, unless the message says it: that it is a file.
        #[source]
        source: Option<io::Error>,
    },
    /// There is nothing of that name.
    #[error("{} doesn't exist.", .path.display())]
    NoSuchDirectory {
        /// What was given.
        path: PathBuf,
    },
    /// There is nothing in it that belongs into a slug.
    #[error("{}{}", nothing_in(.path), left_out(*.left_out_by_git, *.left_out_by_slugignore))]
    Empty {
        /// The directory.
        path: PathBuf,
        /// How many files and directories git ignores.
        left_out_by_git: u64,
        /// How many files and directories `.slugignore` removes.
        left_out_by_slugignore: u64,
    },
    /// A file or directory can't be read.
    #[error("{path} can't be read.")]
    Unreadable {
        /// Which one, relative to the app.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A path doesn't fit, here or on a dyno.
    #[error("{}", too_long(.path, .root))]
    PathTooLong {
        /// The path, relative to the app.
        path: Vec<u8>,
        /// The app's directory.
        root: PathBuf,
    },
    /// Directories are nested deeper than a slug can have them.
    #[error("{}", too_deep(.path))]
    TooDeep {
        /// The path, relative to the app.
        path: Vec<u8>,
    },
    /// `.slugignore` can't be used.
    #[error(transparent)]
    Slugignore(#[from] SlugignoreError),
    /// The Procfile can't be used.
    #[error(transparent)]
    Procfile(#[from] ProcfileError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn not_a_directory(source: Option<&io::Error>) -> &'static str {
    match source {
        None => "is a file, not a directory",
        Some(_) => "can't be opened as a directory",
    }
}

fn nothing_in(path: &Path) -> String {
    format!("There are no files in {} that could be put into a slug.", path.display())
}

fn left_out(by_git: u64, by_slugignore: u64) -> String {
    let one = |count: u64, what: &str| (count > 0).then(|| format!("{what} leaves out {count}"));
    let parts: Vec<String> =
        [one(by_git, ".gitignore"), one(by_slugignore, ".slugignore")].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" Of those that are there, {}.", parts.join(", ")) }
}

fn too_long(path: &[u8], root: &Path) -> String {
    let shown = String::from_utf8_lossy(&path[..path.len().min(60)]).into_owned();
    format!(
        "The path that begins with {}... has {} bytes, in a directory whose own path has {}.",
        printable(shown.as_bytes()),
        path.len(),
        root.as_os_str().len()
    )
}

fn too_deep(path: &[u8]) -> String {
    format!(
        "The path that begins with {}... has more than {MAX_DEPTH} levels, which is the most that a slug can have.",
        printable(&path[..path.len().min(60)]),
    )
}

impl UserError for SourceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotADirectory { .. } | Self::NoSuchDirectory { .. } => ErrorCode::SourceNotADirectory,
            Self::Empty { .. } => ErrorCode::SourceEmpty,
            Self::Unreadable { .. } => ErrorCode::SourceUnreadable,
            Self::PathTooLong { .. } | Self::TooDeep { .. } => ErrorCode::SourcePathTooLong,
            Self::Slugignore(error) => error.code(),
            Self::Procfile(error) => error.code(),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn snippet(&self) -> Option<Snippet> {
        match self {
            Self::Slugignore(error) => error.snippet(),
            Self::Procfile(error) => error.snippet(),
            _ => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}
