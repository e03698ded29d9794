//! Files that a command writes where the user says: what slugc didn't make stays.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::{FileContext, check_writable, read_small_file};

/// What a command writes, and the words that only slugc's own have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
    /// `--html`
    Page,
    /// `slugc sbom -o`
    Components,
    /// `slugc man --dir`
    ManualPage,
    /// `slugc package -o`
    Buildpack,
}

impl Written {
    fn kind(self) -> &'static str {
        match self {
            Self::Page => "a report",
            Self::Components => "a list of components",
            Self::ManualPage => "a manual page",
            Self::Buildpack => "a buildpack",
        }
    }

    fn is_ours(self, contents: &[u8]) -> bool {
        match self {
            Self::Page => contains(contents, b"or use the text of slugc."),
            Self::Components => contains(contents, b"\"CycloneDX\"") && contains(contents, b"urn:uuid:"),
            Self::ManualPage => contains(contents, b".TH slugc"),
            // The first entry of the archive.
            Self::Buildpack => {
                let mut start = Vec::new();
                let mut unpacked = flate2::read::GzDecoder::new(contents).take(4096);
                unpacked.read_to_end(&mut start).is_ok() && start.starts_with(b"./bin/\0")
            }
        }
    }
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

/// Something is there that slugc didn't make.
#[derive(Debug, thiserror::Error)]
#[error("{} is there already, and it isn't {kind} that slugc made.", .path.display())]
struct NotOurs {
    path: PathBuf,
    kind: &'static str,
}

impl UserError for NotOurs {
    fn code(&self) -> ErrorCode {
        ErrorCode::OutputNotOurs
    }

    fn detail(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }
}

/// Fails if the file can't be written, or if it would replace one that slugc didn't make.
pub(super) fn check_replaceable(file: &Path, written: Written) -> Result<()> {
    check_writable(file)?;
    let contents = match read_small_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        contents => contents.doing("reading", file)?,
    };
    if contents.is_empty() || written.is_ours(&contents) {
        return Ok(());
    }
    Err(NotOurs { path: file.to_owned(), kind: written.kind() }.into())
}
