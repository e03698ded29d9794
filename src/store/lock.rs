//! A lock between processes: an advisory lock on a file, released by the kernel however its holder ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::{At, StoreError};
use crate::env::Env;
use crate::host::scratch::is_at;

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(path: &Path, env: &Env, on_wait: impl FnOnce()) -> Result<Self, StoreError> {
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(path).at(path);
        let mut file = open()?;
        let mut on_wait = Some(on_wait);
        loop {
            match file.try_lock() {
                // Somebody has tidied up meanwhile: a lock on a file without a name keeps nobody out.
                Ok(()) if !is_at(&file, path) => file = open()?,
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if let Some(on_wait) = on_wait.take() {
                        on_wait();
                    }
                    env.interrupt.check()?;
                    // Polled, because a blocking lock can't be interrupted.
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::Error(source)) => return Err(source).at(path),
            }
        }
    }
}
