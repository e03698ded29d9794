//! What can be wrong with a file that should be a slug.

use std::io;
use std::path::{Path, PathBuf};

use super::gunzip::Fault;
use crate::env::{Interrupt, Interrupted};
use crate::error::escape::is_unsafe;
use crate::error::{Door, ErrorCode, UserError};
use crate::output::shell_quote;

/// A slug that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SlugReadError {
    /// There is no such file, or it can't be opened or read.
    #[error("{} can't be read.", .path.display())]
    Unreadable {
        /// The slug.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory, which may be an app.
    #[error("{} is a directory.", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// It is a pipe, a device or the like.
    #[error("{} isn't a regular file.", .path.display())]
    NotAFile {
        /// The slug.
        path: PathBuf,
    },
    /// It isn't a slug, or not a whole one.
    #[error("{}: {problem}", .path.display())]
    Invalid {
        /// The slug.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: SlugProblem,
    },
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What is wrong with a file that should be a slug.
#[derive(Debug, thiserror::Error)]
pub enum SlugProblem {
    /// It has no bytes.
    #[error("The file is empty.")]
    Empty,
    /// It doesn't begin as gzip does.
    #[error("The file isn't compressed by gzip{}.", .looks_like.map(|name| format!(": it looks like {name}")).unwrap_or_default())]
    NotGzip {
        /// What it is, if that can be told.
        looks_like: Option<&'static str>,
    },
    /// It ends too early.
    #[error("The file is cut off: the compressed data goes on after its {size} bytes.")]
    CutOff {
        /// The bytes that are there.
        size: u64,
    },
    /// The compressed data or its checksum is wrong.
    #[error("The compressed data is damaged, in its first {before} bytes: {source}.")]
    Damaged {
        /// How far the file was read when it showed.
        before: u64,
        /// What gzip says.
        source: io::Error,
    },
    /// Something follows the compressed data.
    #[error("After the compressed data there are bytes that don't belong to it.")]
    TrailingBytes,
    /// What was compressed isn't a tar file.
    #[error("The file is compressed by gzip, but there is no tar file in it.")]
    NotTar,
    /// The tar file ends too early.
    #[error("The tar file in it is cut off {}.", after(last))]
    TarCutOff {
        /// The last entry that was whole or begun.
        last: Option<String>,
    },
    /// The tar file has an entry that can't be understood.
    #[error("The tar file in it is damaged {}: {reason}.", after(last))]
    TarDamaged {
        /// The last entry that was understood.
        last: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// The name of an entry, or of what a hard link goes to, leads out of the app's directory.
    #[error("The entry \"{name}\" would be unpacked outside of the app's directory.")]
    UnsafeName {
        /// The name.
        name: String,
    },
    /// A name is too long or too deep.
    #[error("The entry \"{}…\" has a name that is too long.", .name.chars().take(60).collect::<String>())]
    LongName {
        /// The name.
        name: String,
    },
    /// An entry is in a format that Heroku's own slugs never have.
    #[error("The entry \"{name}\" is stored in a format that slugs don't have ({format}).")]
    UnsupportedFormat {
        /// The name.
        name: String,
        /// The format.
        format: &'static str,
    },
}

impl SlugProblem {
    /// Returns whether this never was a slug, as opposed to one that has been damaged.
    fn is_of_another_file(&self) -> bool {
        matches!(self, Self::Empty | Self::NotGzip { .. } | Self::NotTar)
    }
}

fn after(last: &Option<String>) -> String {
    last.as_ref().map_or_else(|| "at its beginning".to_owned(), |name| format!("after the entry \"{name}\""))
}

impl UserError for SlugReadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Interrupted(interrupted) => interrupted.code(),
            Self::Directory { .. } | Self::NotAFile { .. } => ErrorCode::SlugNotOne,
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorCode::SlugNotOne
            }
            Self::Invalid { problem, .. } if problem.is_of_another_file() => ErrorCode::SlugNotOne,
            Self::Unreadable { .. } | Self::Invalid { .. } => ErrorCode::SlugInvalid,
        }
    }

    fn fix(&self, _door: Door) -> Option<String> {
        match self {
            Self::Directory { path } => {
                Some(format!("Build the app in it, and name the slug:\n  slugc build {}", shell_quote(path)))
            }
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

/// Returns a name for messages: a stranger's bytes, without what a terminal would obey.
pub(crate) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name)
        .chars()
        .flat_map(|char| {
            let escaped = is_unsafe(char).then(|| char.escape_default());
            escaped.clone().into_iter().flatten().chain(escaped.is_none().then_some(char))
        })
        .collect()
}

pub(super) fn fault_error(path: &Path, interrupt: &Interrupt, fault: Fault) -> SlugReadError {
    let path = path.to_owned();
    match fault {
        Fault::Problem(problem) => SlugReadError::Invalid { path, problem },
        Fault::Io(source) => SlugReadError::Unreadable { path, source },
        Fault::Interrupted => {
            SlugReadError::Interrupted(Interrupted { signal: interrupt.signal().unwrap_or_default() })
        }
    }
}
