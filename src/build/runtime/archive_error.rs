//! Why no runtime could be made from an archive.

use crate::env::Interrupted;
use crate::error::{ErrorCode, UserError};
use crate::host::archive::ArchiveError;
use crate::host::download::DownloadError;
use crate::host::files::FileError;
use crate::store::StoreError;

/// Something about an archive with Python in it, or about where it comes from, that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeArchiveError {
    /// It couldn't be fetched.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// It couldn't be unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no Python in it where one is expected.
    #[error("{archive} {problem}.")]
    Layout {
        /// The archive's file name, or the directory it was unpacked in.
        archive: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The place that the archives should come from can't be used.
    #[error("{location} {problem}.")]
    Source {
        /// The place, fit to be shown.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the runtime couldn't be read or changed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store couldn't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl RuntimeArchiveError {
    /// Returns whether there was no way to any of the servers: not worth trying again in this run.
    #[cfg(test)]
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Download(error) if error.is_unreachable())
    }

    fn inner(&self) -> Option<&dyn UserError> {
        match self {
            // Its own advice is about downloads as such; there is better for Python.
            Self::Download(DownloadError::Failed { .. }) => None,
            Self::Download(error) => Some(error),
            Self::Archive(error) => Some(error),
            Self::File(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Interrupted(interrupted) => Some(interrupted),
            Self::Layout { .. } | Self::Source { .. } => None,
        }
    }
}

impl UserError for RuntimeArchiveError {
    fn code(&self) -> ErrorCode {
        match (self, self.inner()) {
            (_, Some(error)) => error.code(),
            (Self::Layout { .. }, _) => ErrorCode::PythonArchive,
            (Self::Source { .. }, _) => ErrorCode::PythonSourceInvalid,
            _ => ErrorCode::PythonDownload,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Layout { archive, .. } => Some(archive.clone()),
            _ => self.inner().and_then(UserError::detail),
        }
    }

    fn exit_code(&self) -> u8 {
        self.inner().map_or_else(|| self.code().entry().exit_code, UserError::exit_code)
    }
}
