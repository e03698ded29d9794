//! The Python runtime of a slug: from the catalogue, from prepared archives, or copied from an interpreter of
//! this machine.

pub(crate) mod archive_error;
pub(crate) mod archive_programs;
pub(crate) mod build_vars;
pub(crate) mod catalogue;
pub(crate) mod choose;
mod debian;
pub(crate) mod discover;
pub(crate) mod elf;
pub(crate) mod error;
pub(crate) mod host;
pub(crate) mod paths;
pub(crate) mod prepared;
pub(crate) mod probe;
pub(crate) mod provide;
pub(crate) mod prune;
pub(crate) mod self_test;
pub(crate) mod standalone;
pub(crate) mod sysconfig;
