//! Paths on the command line: one that doesn't exist is told as that, before any work.

use std::path::{Path, PathBuf};

use crate::error::{ErrorCode, Result, UserError};

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

/// Fails if there is nothing of this name. What can't be looked at is for whoever opens it.
pub(super) fn check_exists(argument: &'static str, path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Err(NoSuchPath { argument, path: path.to_owned() }.into()),
        _ => Ok(()),
    }
}
