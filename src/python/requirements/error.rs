//! What can be wrong with a requirements file.

use std::io;
use std::ops::Range;

use crate::error::{ErrorCode, Snippet, UserError};

/// Why a requirements file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    /// pip wouldn't understand a line.
    #[error("{file}, line {line}: {message}.")]
    Line {
        /// The file's path relative to the app.
        file: String,
        /// The number of the line, from 1.
        line: usize,
        /// The line, with credentials masked.
        text: String,
        /// The bytes of the line that are at fault.
        span: Range<usize>,
        /// What is wrong with them, without a full stop.
        message: String,
    },
    /// There is no such file.
    #[error("There is no file {file}{}.", .named_by.as_deref().map(Place::to_text).unwrap_or_default())]
    FileNotFound {
        /// The file's path relative to the app.
        file: String,
        /// The line that names it, unless it is the first file.
        named_by: Option<Box<Place>>,
    },
    /// The file can't be read, or isn't text.
    #[error("{file}: {reason}.")]
    Unreadable {
        /// The file's path relative to the app.
        file: String,
        /// Why, without a full stop.
        reason: String,
        /// What the system said.
        source: Option<io::Error>,
    },
}

/// A place in a requirements file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path relative to the app.
    pub file: String,
    /// The number of the line, from 1.
    pub line: usize,
    /// The line, with credentials masked.
    pub text: String,
    /// The bytes of the line.
    pub span: Range<usize>,
}

/// What is wrong with a logical line, before it is known where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Place {
    fn to_text(&self) -> String {
        format!(", which {}, line {} names", self.file, self.line)
    }
}

impl UserError for RequirementsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Line { .. } => ErrorCode::RequirementsInvalidLine,
            Self::FileNotFound { .. } => ErrorCode::RequirementsFileNotFound,
            Self::Unreadable { .. } => ErrorCode::RequirementsUnreadable,
        }
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Line { file, line, .. } => format!("{file}:{line}"),
            Self::FileNotFound { file, .. } | Self::Unreadable { file, .. } => file.clone(),
        })
    }

    fn snippet(&self) -> Option<Snippet> {
        let (Place { file, line, text, span }, label) = match self {
            Self::Line { file, line, text, span, message } => (
                Place { file: file.clone(), line: *line, text: text.clone(), span: span.clone() },
                message.as_str(),
            ),
            Self::FileNotFound { named_by: Some(place), .. } => ((**place).clone(), "not found"),
            _ => return None,
        };
        Some(Snippet { file, line, text, span, label: label.to_owned() })
    }
}
