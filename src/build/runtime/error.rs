//! Why no runtime could be made from an interpreter of this machine.

use std::path::PathBuf;

use crate::env::Interrupted;
use crate::error::{ErrorCode, UserError};
use crate::host::elf::ElfError;
use crate::host::files::FileError;
use crate::host::process::RunError;

/// Something about an interpreter of this machine, or about its copy, that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeError {
    /// A file of it can't be read, or of the copy written.
    #[error("Copying Python {version} from {} failed.", .prefix.display())]
    Copy {
        /// The interpreter's version.
        version: String,
        /// Where it is installed.
        prefix: PathBuf,
        /// Why.
        #[source]
        source: FileError,
    },
    /// A program or library of it can't be changed so that it runs elsewhere.
    #[error("{} can't be made to run from another directory.", .path.display())]
    Elf {
        /// Which one, in the copy.
        path: PathBuf,
        /// Why.
        #[source]
        source: ElfError,
    },
    /// A text file of it can't be changed so that it is right elsewhere.
    #[error("{} isn't as expected: {problem}", .path.display())]
    Text {
        /// Which one, in the copy.
        path: PathBuf,
        /// What is unusual about it, in a sentence.
        problem: String,
    },
    /// A file of the copy can't be read or written.
    #[error("A file of the runtime can't be changed.")]
    File(#[source] FileError),
    /// The runtime doesn't start.
    #[error("{} doesn't start on its own.", .prefix.display())]
    Start {
        /// The runtime's directory.
        prefix: PathBuf,
        /// How it ended.
        #[source]
        source: RunError,
    },
    /// A module that the original has can't be imported.
    #[error("The module {module} can't be imported from {}: {cause}", .prefix.display())]
    Import {
        /// The runtime's directory.
        prefix: PathBuf,
        /// The module.
        module: String,
        /// What Python says.
        cause: String,
    },
    /// It uses a file that won't be there where the slug runs.
    #[error("{} loads {}, which isn't part of it.", .prefix.display(), .path.display())]
    ForeignFile {
        /// The runtime's directory.
        prefix: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// It takes itself for something else.
    #[error("In {}, {what} is {found} instead of {expected}.", .prefix.display())]
    WrongPath {
        /// The runtime's directory.
        prefix: PathBuf,
        /// The name of the value in Python.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// It is one from an archive.
    #[error("{source}")]
    InArchive {
        /// What is wrong with it.
        source: Box<RuntimeError>,
    },
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for RuntimeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Copy { .. } | Self::Elf { .. } | Self::Text { .. } | Self::File(_) => ErrorCode::PythonCopy,
            Self::Start { .. } | Self::Import { .. } | Self::ForeignFile { .. } | Self::WrongPath { .. } => {
                ErrorCode::PythonSelfTest
            }
            Self::InArchive { .. } => ErrorCode::PythonArchive,
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Copy { version, .. } => Some(version.clone()),
            Self::Import { module, .. } => Some(module.clone()),
            Self::Elf { path, .. } | Self::Text { path, .. } | Self::ForeignFile { path, .. } => {
                Some(path.display().to_string())
            }
            Self::WrongPath { what, .. } => Some((*what).to_owned()),
            Self::InArchive { source } => source.detail(),
            Self::File(_) | Self::Start { .. } | Self::Interrupted(_) => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}
