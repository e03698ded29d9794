//! The outside world: programs, downloads, archives, files that are written, the clock.
//! No decisions are made here.

#![expect(clippy::disallowed_methods, reason = "the room that owns these effects")]

pub mod archive;
pub mod beneath;
pub mod clock;
pub mod download;
pub mod elf;
mod entries;
mod fetch;
pub mod file_system;
pub mod files;
mod hidden;
mod http;
pub mod probe;
pub mod process;
pub mod scratch;
pub mod sockets;
mod tree;
pub mod url;
pub mod walk;
pub mod zip;
mod zstd;
