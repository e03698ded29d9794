//! Paths on the command line: one that doesn't exist is told as that, before any work.

use std::path::{Path, PathBuf};

use crate::error::{Door, ErrorCode, Result, UserError};

/// A path on the command line leads to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{argument}: {} doesn't exist.", .path.display())]
struct NoSuchPath {
    argument: &'static str,
    path: PathBuf,
}

impl UserError for NoSuchPath {
    fn code(&self) -> ErrorCode {
        ErrorCode::CommandLineNoSuchPath
    }

    fn detail(&self) -> Option<String> {
        Some(self.argument.to_owned())
    }
}

/// A path on the command line leads to a file where a directory is needed, or the other way round.
#[derive(Debug, thiserror::Error)]
#[error("{argument}: {} is a {}.", .path.display(), if *.is_dir { "directory, and not a file" } else { "file, and not a directory" })]
struct WrongKind {
    argument: &'static str,
    path: PathBuf,
    is_dir: bool,
}

impl UserError for WrongKind {
    fn code(&self) -> ErrorCode {
        ErrorCode::CommandLineNoSuchPath
    }

    fn detail(&self) -> Option<String> {
        Some(self.argument.to_owned())
    }

    fn fix(&self, _door: Door) -> Option<String> {
        Some(match self.is_dir {
            true => "Name a file.".to_owned(),
            false => "Name a directory.".to_owned(),
        })
    }
}

/// Fails if there is no file of this name.
pub(super) fn check_file(argument: &'static str, path: &Path) -> Result<()> {
    check_kind(argument, path, true)
}

/// Fails if there is no directory of this name.
pub(super) fn check_dir(argument: &'static str, path: &Path) -> Result<()> {
    check_kind(argument, path, false)
}

fn check_kind(argument: &'static str, path: &Path, wants_file: bool) -> Result<()> {
    check_exists(argument, path)?;
    match path.metadata() {
        // A pipe will do for a file.
        Ok(found) if found.is_dir() == wants_file => {
            Err(WrongKind { argument, path: path.to_owned(), is_dir: found.is_dir() }.into())
        }
        _ => Ok(()),
    }
}

/// Fails if there is nothing of this name. What can't be looked at is for whoever opens it.
fn check_exists(argument: &'static str, path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Err(NoSuchPath { argument, path: path.to_owned() }.into()),
        _ => Ok(()),
    }
}
