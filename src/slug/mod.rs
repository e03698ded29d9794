//! To be built.

pub mod read;
pub mod unpack;
