//! The Python runtime of a slug. Here: made from an interpreter of this machine.

pub mod build_vars;
mod debian;
pub mod discover;
pub mod elf;
pub mod error;
pub mod host;
pub mod paths;
pub mod probe;
pub mod prune;
pub mod self_test;
pub mod sysconfig;
