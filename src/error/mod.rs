//! Errors: every failure is an answer. A room has an enum whose `Display` says what was found in this
//! app; its code names the catalogue's entry, which holds the title, the way out and the exit code.

mod catalogue;
mod code;
pub(crate) mod escape;
pub(crate) mod findings;
mod heroku;
mod machine;
mod notice_text;
mod notices;
mod render;
pub(crate) mod similar;

use std::error::Error;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use catalogue::ErrorCode;
pub(crate) use code::MessageCode;
pub(crate) use findings::Severity;
pub use findings::{FindingCode, render_findings_markdown};
pub(crate) use heroku::HerokuCode;
pub use heroku::{HEROKU_CODES, render_heroku_codes_markdown};
pub(crate) use machine::MachineFault;
pub(crate) use notice_text::NoticeText;
pub use notices::{NoticeCode, render_warnings_markdown};
pub use render::render_catalogue_markdown;
pub(crate) use render::{render_snippet, render_text};

/// Where the user stands, which decides which commands help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// `slugc` on the command line.
    #[default]
    CommandLine,
    /// The classic buildpack, on a platform such as Heroku.
    Buildpack,
}

/// An error that a user gets to see.
///
/// `Display` is one or more sentences about what was found in this app. It doesn't repeat the title,
/// and it doesn't name its `source()`: the report adds the chain of causes itself.
pub trait UserError: Error {
    /// Names the catalogue's entry.
    fn code(&self) -> ErrorCode;

    /// Narrows the entry down for machines, as Heroku's `failure_detail` does: a name or a short value.
    fn detail(&self) -> Option<String> {
        None
    }

    /// Points at the line of a file that is at fault.
    fn snippet(&self) -> Option<Snippet> {
        None
    }

    /// Says what to do at this door, where that isn't just what the entry says.
    fn fix(&self, _door: Door) -> Option<String> {
        None
    }

    /// Returns the exit code of the program; the entry's own unless there is a reason.
    fn exit_code(&self) -> u8 {
        self.code().entry().exit_code
    }
}

/// A place in a file of the app, shown with a caret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snippet {
    /// The file's name as the user knows it, relative to the app.
    pub file: String,
    /// The number of the line, from 1.
    pub line: usize,
    /// The text of that line, without its end.
    pub text: String,
    /// The bytes of `text` that are at fault.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub label: String,
}

/// The exit code where nothing is wrong with the app.
const MACHINES_FAULT: u8 = 3;

/// Any room's error, on its way to the user.
pub struct Failure(Box<dyn UserError + Send + Sync>);

/// The result of work that can fail with an answer.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Returns the error itself.
    pub fn error(&self) -> &(dyn UserError + Send + Sync) {
        &*self.0
    }

    /// Names the catalogue's entry.
    pub fn code(&self) -> ErrorCode {
        self.0.code()
    }

    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> u8 {
        MachineFault::of(&*self.0).map_or_else(|| self.0.exit_code(), |_| MACHINES_FAULT)
    }

    /// Says what to do at this door.
    pub fn fix(&self, door: Door) -> String {
        // Whatever failed: the machine has to be mended first.
        if let Some(fault) = MachineFault::of(&*self.0) {
            return fault.fix().to_owned();
        }
        self.0.fix(door).unwrap_or_else(|| self.code().entry().fix.to_owned())
    }

    /// Returns the messages of the errors that caused this one, outermost first. What was said already isn't said again.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut said = self.to_string().to_lowercase();
        let mut source = self.0.source();
        while let Some(error) = source {
            let message = error.to_string().trim_end().to_owned();
            // `(os error 2)` is its number.
            let words = message.split(" (os error ").next().unwrap_or_default().trim_end_matches('.');
            if !said.contains(&words.to_lowercase()) {
                said.push_str(&message.to_lowercase());
                causes.push(message);
            }
            source = error.source();
        }
        causes
    }
}

impl<E: UserError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?}", self.code().entry().id, self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Said>>);

    impl UserError for Said {
        fn code(&self) -> ErrorCode {
            ErrorCode::FileSystem
        }
    }

    // T08
    #[test]
    fn one_fact_is_said_once() {
        for (said, expected) in [
            (&["It failed."][..], &[][..]),
            (
                &["Writing a.tgz failed.", "No space left on device (os error 28)"],
                &["No space left on device (os error 28)"],
            ),
            (
                &[
                    "a.tgz can't be read: no such file or directory.",
                    "No such file or directory (os error 2)",
                ],
                &[],
            ),
            (
                &["a", "uv ended with exit code 2.", "uv ended with exit code 2."],
                &["uv ended with exit code 2."],
            ),
            (
                &["a", "b: the index can't be reached", "The index can't be reached.", "timed out"],
                &["b: the index can't be reached", "timed out"],
            ),
            (
                &["dir isn't a directory", "dir isn't a directory", "Not a directory (os error 20)"],
                &["Not a directory (os error 20)"],
            ),
        ] {
            let mut chain = None;
            for words in said.iter().rev() {
                chain = Some(Box::new(Said(words, chain)));
            }
            assert_eq!(Failure::from(*chain.unwrap()).causes(), expected, "{said:?}");
        }
    }
}
