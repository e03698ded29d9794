//! The Python runtime of a slug.

pub mod archive_error;
pub mod catalogue;
pub mod prepared;
pub mod standalone;
