//! A line of the Procfile with its commands, as the checks of their words see it.

use super::catalogue::FindingCode;
use super::command::Invoked;
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};

/// The line of a process type.
pub(super) struct Line<'a> {
    pub(super) facts: &'a Facts,
    pub(super) process: &'a Process<'a>,
}

impl Line<'_> {
    /// Makes a finding that points at words of the line.
    pub(super) fn finding(&self, code: FindingCode, message: String, words: &str, label: &str) -> Finding {
        let Process { line, text, .. } = *self.process;
        Finding::new(code, message).at(Some(point_at("Procfile", line, text, words, label)))
    }

    /// Makes a finding about a command that can't work.
    pub(super) fn invalid(&self, message: String, fix: impl Into<String>, words: &str) -> Finding {
        self.finding(FindingCode::CommandInvalid, message, words, "can't work").with_fix(fix)
    }
}

/// A program of a line, and what has run before it.
pub(super) struct Command<'a> {
    pub(super) line: &'a Line<'a>,
    pub(super) invoked: &'a Invoked,
    pub(super) before: &'a [Invoked],
}
