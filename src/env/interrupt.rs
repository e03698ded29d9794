//! The flag that SIGINT and SIGTERM set. Long work looks at it and ends in good order, so that
//! temporary files are removed by their owners and nothing half-written stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{ErrorCode, UserError};

/// Whether the user has asked the program to stop, and by which signal.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Asks all work to stop, as the signal of this number does.
    pub fn set(&self, signal: usize) {
        self.0.store(signal, Ordering::SeqCst);
    }

    /// Returns the number of the signal that was received, or 0: for a signal handler to store into.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// Returns the signal that asked for the end, if any.
    pub fn signal(&self) -> Option<usize> {
        Some(self.0.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Fails once the user has asked the program to stop; to be called between pieces of work.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.signal().map_or(Ok(()), |signal| Err(Interrupted { signal }))
    }
}

/// The user asked the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The work was stopped by {}. Nothing was left behind.", signal_name(*.signal))]
pub struct Interrupted {
    /// The number of the signal.
    pub signal: usize,
}

fn signal_name(signal: usize) -> String {
    match signal {
        1 => "SIGHUP".to_owned(),
        2 => "SIGINT (Ctrl-C)".to_owned(),
        3 => "SIGQUIT".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    }
}

impl UserError for Interrupted {
    fn code(&self) -> ErrorCode {
        ErrorCode::Interrupted
    }

    fn exit_code(&self) -> u8 {
        // The shell's convention for a program that a signal ended.
        u8::try_from(128 + self.signal).unwrap_or(1)
    }
}
