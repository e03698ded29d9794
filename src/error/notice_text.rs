//! The text of a warning or a note: what everybody is told, and what whoever asks for more is told, too.

use std::fmt;

use serde::{Serialize, Serializer};

/// What a warning or a note says. It is written as one text wherever there is room for all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeText {
    /// What was found, and what was done about it: a line or two, and a list if need be.
    told: String,
    /// What to do, where the catalogue's entry says the same in general. On the command line, it takes `--verbose` or
    /// `slugc explain` to see it.
    more: Option<String>,
}

impl NoticeText {
    /// Adds what only those who ask are told on the command line.
    pub(crate) fn with_more(self, more: impl Into<String>) -> Self {
        Self { more: Some(more.into()), ..self }
    }

    /// Returns what everybody is told.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// Returns what is told to those who ask.
    pub(crate) fn more(&self) -> Option<&str> {
        self.more.as_deref()
    }
}

impl<T: Into<String>> From<T> for NoticeText {
    fn from(text: T) -> Self {
        Self { told: text.into(), more: None }
    }
}

impl fmt::Display for NoticeText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.told)?;
        self.more.iter().try_for_each(|more| write!(formatter, "\n\n{more}"))
    }
}

impl Serialize for NoticeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
