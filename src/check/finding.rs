//! A finding: what is wrong in this app, where, and by which entry of the catalogue.

use serde::{Deserialize, Serialize};

use super::catalogue::{FindingCode, Severity};
use crate::app::procfile::ProcfileFinding;
use crate::error::Snippet;

/// Something that was found in the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The catalogue's entry.
    pub code: FindingCode,
    /// How bad it is: the entry's severity, unless the place makes it less.
    pub severity: Severity,
    /// One or more sentences about what was found in this app.
    pub message: String,
    /// The line at fault.
    pub place: Option<Snippet>,
    /// The file at fault, where it has no lines.
    pub file: Option<String>,
    /// What to do about it in this app, where that is more than what the entry says.
    #[serde(default)]
    pub fix: Option<String>,
}

impl Finding {
    /// Makes a finding of the entry's severity.
    pub fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.entry().severity,
            message: message.into(),
            place: None,
            file: None,
            fix: None,
        }
    }

    /// Says what to do about it in this app.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Returns what to do about it.
    pub fn fix(&self) -> &str {
        self.fix.as_deref().unwrap_or(self.code.entry().fix).trim_end()
    }

    /// Says where it is.
    pub fn at(mut self, place: Option<Snippet>) -> Self {
        self.place = place;
        self
    }

    /// Says which file it is.
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Makes it less, or more.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Returns the file at fault.
    pub fn file_name(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.file.as_str()).or(self.file.as_deref())
    }

    /// Takes over what the Procfile's linter says; `lines` are the Procfile's.
    pub fn of_procfile(found: &ProcfileFinding, lines: &[&str]) -> Self {
        let line = found.line.checked_sub(1).and_then(|index| lines.get(index));
        let place = line.map(|line| Snippet {
            file: "Procfile".to_owned(),
            line: found.line,
            span: 0..line.len(),
            text: (*line).to_owned(),
            label: String::new(),
        });
        let finding = Self::new(found.code, found.text.clone()).with_severity(found.severity).at(place);
        Self { fix: found.fix.clone(), ..finding }
    }
}

/// Returns a line of a text, from 1, without its end.
pub(super) fn line_of(text: &str, number: usize) -> Option<String> {
    text.replace("\r\n", "\n").split(['\n', '\r']).nth(number.checked_sub(1)?).map(str::to_owned)
}

/// Points at the first place in a line where some words stand.
pub(super) fn point_at(file: &str, number: usize, line: &str, words: &str, label: &str) -> Snippet {
    let start = line.find(words).filter(|_| !words.is_empty());
    let span = start.map_or(0..line.len(), |start| start..start + words.len());
    Snippet { file: file.to_owned(), line: number, text: line.to_owned(), span, label: label.to_owned() }
}
