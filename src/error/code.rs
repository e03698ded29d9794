//! The code of whatever is told without an error: a warning or note of a build, or a finding.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{FindingCode, NoticeCode};

/// Names an entry of one of the catalogues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageCode {
    /// A warning or a note.
    Notice(NoticeCode),
    /// A finding, which `slugc check` has, too.
    Finding(FindingCode),
}

impl MessageCode {
    /// Returns the stable name, which scripts and `slugc explain` know.
    pub fn id(self) -> &'static str {
        match self {
            Self::Notice(code) => code.entry().id,
            Self::Finding(code) => code.entry().id,
        }
    }
}

impl From<NoticeCode> for MessageCode {
    fn from(code: NoticeCode) -> Self {
        Self::Notice(code)
    }
}

impl From<FindingCode> for MessageCode {
    fn from(code: FindingCode) -> Self {
        Self::Finding(code)
    }
}

impl fmt::Display for MessageCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

impl Serialize for MessageCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
