//! The directory of a dyno: the unpacked app and whatever it writes. It is gone when the dyno is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use crate::error::NoticeCode;
use crate::host::files::{self, FileContext, FileError};
use crate::host::scratch::ScratchDir;
use crate::output::Output;

/// How long it may take to delete it before that is said.
const SILENCE: Duration = Duration::from_secs(2);

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
        if let Err(error) = telling_if_slow(SILENCE, &self.output, || held.close()) {
            self.output.notice(
                NoticeCode::RunScratchLeft,
                format!("{} couldn't be deleted: {error}.", self.dir.display()),
            );
        }
    }
}

/// Deletes the directory, and says so once that has taken a while.
fn telling_if_slow<T>(silence: Duration, output: &Output, delete: impl FnOnce() -> T) -> T {
    let (deleting, deleted) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if deleted.recv_timeout(silence) == Err(mpsc::RecvTimeoutError::Timeout) {
                output.step("Deleting the dyno's copy of the app");
            }
        });
        let result = delete();
        drop(deleting);
        result
    })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::output::tests::Captured;

    // Y15
    #[test]
    fn only_a_deletion_that_takes_long_is_told() {
        let soon = Duration::from_millis(1);
        for (silence, takes, is_told) in [
            (soon, Duration::from_millis(200), true),
            (Duration::from_secs(60), Duration::ZERO, false),
            (Duration::from_secs(60), soon, false),
        ] {
            let log = Captured::default();
            let output = Output::to_sink(log.clone(), Format::Text);
            let result = telling_if_slow(silence, &output, || {
                std::thread::sleep(takes);
                7
            });
            assert_eq!(result, 7);
            assert_eq!(log.text().contains("Deleting the dyno's copy"), is_told, "{silence:?} {takes:?}");
        }
    }
}
