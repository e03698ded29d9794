//! What is in the app's directory but not in the slug, and by which rule.

use std::fmt;

/// A line that leaves files out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    /// The file that the line is in, relative to the repository: `.gitignore`, `.slugignore`.
    pub file: String,
    /// The number of the line, from 1.
    pub line: usize,
    /// What is written there.
    pub pattern: String,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (line {}: `{}`)", self.file, self.line, self.pattern)
    }
}

/// Says of a file that decides about a build that it doesn't.
pub(crate) fn without_effect(name: &str, rule: &str) -> String {
    format!("{name} is in the directory, but {rule} leaves it out, so it has no effect.")
}
