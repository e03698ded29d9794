//! To be built.

pub mod env_file;
