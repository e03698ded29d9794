//! The outside world: programs, downloads, archives, files that are written, the clock.
//! No decisions are made here.

#![expect(clippy::disallowed_methods, reason = "the room that owns these effects")]

pub mod clock;
pub mod elf;
pub mod files;
pub mod process;
