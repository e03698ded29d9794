//! The outside world: programs, downloads, archives, files that are written, the clock.
//! No decisions are made here.

#![expect(clippy::disallowed_methods, reason = "the room that owns these effects")]

pub(crate) mod archive;
pub(crate) mod beneath;
pub(crate) mod cell;
pub(crate) mod clock;
pub(crate) mod download;
pub mod elf;
mod entries;
mod fetch;
pub(crate) mod file_system;
pub(crate) mod files;
mod hidden;
mod http;
mod invocation;
pub(crate) mod libc;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod scratch;
pub(crate) mod session;
pub(crate) mod sockets;
mod tree;
pub mod url;
pub(crate) mod walk;
pub(crate) mod zip;
mod zstd;
