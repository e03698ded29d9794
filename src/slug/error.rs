//! What can go wrong while a slug is made.

use std::io;
use std::path::PathBuf;

use super::assemble::Part;
use super::size::heroku_size;
use super::tree::{TreeOrigin, changed_code, unreadable_code};
use crate::env::Interrupted;
use crate::error::{ErrorCode, UserError};
use crate::store::StoreError;

/// How many parts are named when a slug is too large.
const SHOWN_PARTS: usize = 10;

/// A slug that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SlugError {
    /// The place for the slug can't be written to.
    #[error("{} can't be written.", .path.display())]
    OutputNotWritable {
        /// Where it was to go.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Writing began and failed.
    #[error("{} could not be written to its end.", .path.display())]
    Write {
        /// Where it was to go.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is larger than it may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A file isn't what it was when it was indexed.
    #[error("{} isn't what it was when the build began.", .path.display())]
    Changed {
        /// Which one.
        path: PathBuf,
        /// Whose it is.
        origin: TreeOrigin,
        /// The name of its tree: of the layer to throw away, if it is one's.
        tree: String,
    },
    /// A file can't be read.
    #[error("{} can't be read.", .path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Whose it is.
        origin: TreeOrigin,
        /// The name of its tree.
        tree: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The app's own steps have made directories that are nested deeper than what a slug can be read with.
    #[error(
        "The path that begins with {start}... has more than {most} levels, which is the most that a slug can have."
    )]
    TooDeep {
        /// How the path begins.
        start: String,
        /// The most levels.
        most: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl SlugError {
    /// Returns the name of the tree whose layer is damaged and has to be thrown away.
    pub fn damaged_layer(&self) -> Option<&str> {
        match self {
            Self::Changed { origin: TreeOrigin::Layer, tree, .. } => Some(tree),
            _ => None,
        }
    }
}

impl UserError for SlugError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::OutputNotWritable { .. } => ErrorCode::SlugOutput,
            Self::Write { .. } => ErrorCode::SlugWrite,
            Self::TooDeep { .. } => ErrorCode::SourcePathTooLong,
            Self::TooLarge(_) => ErrorCode::SlugTooLarge,
            Self::Changed { origin, .. } => changed_code(*origin),
            Self::Unreadable { origin, .. } => unreadable_code(*origin),
            Self::Store(error) => error.code(),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::TooLarge(TooLarge { size, .. }) => Some(heroku_size(*size)),
            _ => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// A slug that is larger than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render())]
pub struct TooLarge {
    /// Its size in bytes.
    pub size: u64,
    /// The size it may have.
    pub max: u64,
    /// What is in it, the biggest first.
    pub parts: Vec<Part>,
    /// How to see the rest of it; empty where nobody can.
    pub advice: String,
}

impl TooLarge {
    fn render(&self) -> String {
        let Self { size, max, parts, advice } = self;
        let mut text = format!(
            "Compiled slug size: {} is too large (max is {}).\nThat is {} over the limit.",
            heroku_size(*size),
            heroku_size(*max),
            heroku_size(size.saturating_sub(*max)),
        );
        if !parts.is_empty() {
            text.push_str(" Its biggest parts, compressed:\n");
        }
        for Part { name, compressed, .. } in parts.iter().take(SHOWN_PARTS) {
            text.push_str(&format!("\n{:>8}  {name}", heroku_size(*compressed)));
        }
        if !advice.is_empty() {
            text.push_str(&format!("\n\n{advice}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_large_slug_says_by_how_much_and_why() {
        let part = |number: u64| Part {
            name: format!("package-{number}"),
            compressed: (300 - number) << 20,
            size: 0,
            files: 1,
        };
        let error = TooLarge {
            size: 604_608_922,
            max: 500 << 20,
            parts: (0..12).map(part).collect(),
            advice: String::new(),
        };
        let text = error.to_string();
        assert!(
            text.starts_with(
                "Compiled slug size: 576.6M is too large (max is 500M).\n\
                 That is 76.6M over the limit. Its biggest parts, compressed:\n\n    300M  package-0\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("    291M  package-9"), "{text}");
    }
}
