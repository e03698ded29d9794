//! What is known to be on the disk. After a power cut a renamed directory may be there, and the content of its files
//! may not: file systems write names before bytes.
//!
//! Waiting for the disk before every rename would cost a cold build up to a second for each 500 MB on a fast disk, and a
//! slow one many. So nobody waits: a mark beside the files says in which run of the machine they were written. As long
//! as it runs, they are what they were. Meanwhile a thread has the file system written out (`syncfs`: one call, not
//! one for each of 20,000 files), and notes when that is done. Only what was written before the machine was started
//! anew, and isn't known to be on the disk, has to be looked at again. Segments and documents have a checksum that every
//! reader compares, so they have no mark.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::host::file_system::boot_id;

/// The mark of a layer.
pub(super) const MARK: &str = "written";
const ON_DISK: &str = "on disk";
/// The length of what the kernel calls a run of the machine by, in bytes.
const LENGTH: usize = 36;

/// Writes and reads marks.
#[derive(Debug, Clone)]
pub(super) struct Durable {
    boot: Option<Arc<str>>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Durable {
    pub(super) fn new() -> Self {
        Self { boot: boot_id().map(Into::into), threads: Arc::default() }
    }

    /// Notes that something is being written in this run of the machine.
    pub(super) fn begin(&self, mark: &Path) -> io::Result<()> {
        fs::write(mark, self.boot.as_deref().unwrap_or_default())
    }

    /// Returns whether what has this mark is what was written.
    pub(super) fn is_sure(&self, mark: &Path) -> bool {
        let text = fs::read_to_string(mark).unwrap_or_default();
        let text = text.trim_end();
        text == ON_DISK || (!text.is_empty() && self.boot.as_deref() == Some(text))
    }

    /// Has the file system written out meanwhile, and calls `done` when everything that was written until now is on the
    /// disk.
    pub(super) fn write_out(&self, dir: &Path, done: impl FnOnce() + Send + 'static) {
        let Ok(dir) = File::open(dir) else { return };
        let thread = std::thread::Builder::new().name("write-out".into()).spawn(move || {
            // Where the disk fails, the mark stays as it is.
            if rustix::fs::syncfs(&dir).is_ok() {
                done();
            }
        });
        // Without a thread nothing is lost but that it is known.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.extend(thread);
    }

    /// Waits until everything is written out.
    pub(super) fn wait(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // It has no result.
            let _ = thread.join();
        }
    }
}

/// Notes that what has this mark is on the disk. A store that can't be written to stays as it is.
pub(super) fn settle(mark: &Path) {
    // In place, as a new file would be a use of the directory; and as long as what it takes the place of, as whoever
    // finds it empty looks at everything once more.
    let text = format!("{ON_DISK:LENGTH$}");
    let file = File::options().write(true).create(true).truncate(false).open(mark);
    let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_in_its_run_of_the_machine_and_on_the_disk_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join(MARK);
        let (now, later) =
            ["a", "b"].map(|boot| Durable { boot: Some(boot.into()), threads: Arc::default() }).into();
        let unknown = Durable { boot: None, threads: Arc::default() };
        assert!(!now.is_sure(&mark), "there is none");
        now.begin(&mark).unwrap();
        assert!(now.is_sure(&mark) && !later.is_sure(&mark) && !unknown.is_sure(&mark));
        unknown.begin(&mark).unwrap();
        assert!(!now.is_sure(&mark) && !unknown.is_sure(&mark));
        // As ext4 and XFS leave it.
        fs::write(&mark, "\0\0\0\0\0\0\0").unwrap();
        assert!(!now.is_sure(&mark));
        settle(&mark);
        assert!(now.is_sure(&mark) && later.is_sure(&mark) && unknown.is_sure(&mark));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_written_out_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join(MARK);
        let durable = Durable { boot: None, threads: Arc::default() };
        let done = mark.clone();
        durable.write_out(dir.path(), move || settle(&done));
        durable.wait();
        assert!(durable.is_sure(&mark));
    }
}
