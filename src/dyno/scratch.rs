//! The directory of a dyno: the unpacked app and whatever it writes. It is gone when the dyno is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::NoticeCode;
use crate::host::files::{self, FileContext, FileError};
use crate::host::scratch::ScratchDir;
use crate::output::Output;

/// A temporary directory that is deleted with all that was made in it.
pub(super) struct Scratch {
    held: Option<ScratchDir>,
    dir: PathBuf,
    output: Output,
}

impl Scratch {
    /// Makes one where this machine keeps temporary files.
    pub(super) fn make(output: &Output) -> Result<Self, FileError> {
        let held = files::temp_dir(None)?;
        // As /proc will show it.
        let dir = fs::canonicalize(held.path()).doing("reading", held.path())?;
        Ok(Self { held: Some(held), dir, output: output.clone() })
    }

    /// Returns its path.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of the app in it.
    pub(super) fn app_dir(&self) -> PathBuf {
        self.dir.join("app")
    }

    /// Deletes it, also what the app has made unwritable. What can't be deleted is named.
    pub(super) fn remove(&mut self) {
        let Some(held) = self.held.take() else { return };
        if let Err(error) = held.close() {
            self.output.notice(
                NoticeCode::RunScratchLeft,
                format!("{} couldn't be deleted: {error}.", self.dir.display()),
            );
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}
