//! The Python runtime of a slug: from the catalogue, from prepared archives, or copied from an interpreter of
//! this machine.

pub mod archive_error;
pub mod archive_programs;
pub mod build_vars;
pub mod catalogue;
pub mod choose;
mod debian;
pub mod discover;
pub mod elf;
pub mod error;
pub mod host;
pub mod paths;
pub mod prepared;
pub mod probe;
pub mod provide;
pub mod prune;
pub mod self_test;
pub mod standalone;
pub mod sysconfig;
