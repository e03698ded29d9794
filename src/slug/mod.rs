//! The slug: trees of files laid over each other, cut into segments, compressed in parallel and put
//! together as one reproducible slug.tgz with its manifest.
//!
//! ```text
//! trees ─merge─► entries ─segment─► segments ─contents, deflate─► blobs ─assemble─► slug.tgz
//! ```
//!
//! A segment that the store has is neither read nor compressed again.

pub mod assemble;
mod contents;
mod deflate;
mod error;
mod fingerprint;
mod header;
pub mod index_file;
pub mod known;
pub mod manifest;
mod merge;
pub mod read;
mod segment;
pub mod size;
pub mod tree;
pub mod unpack;
mod works;
mod writer;

pub use assemble::{Layout, Part, Slug, SlugSpec, Times, assemble, prepare};
pub use deflate::COMPRESSOR;
pub use error::{SlugError, TooLarge};
pub use manifest::Manifest;
pub use size::heroku_size;
pub use tree::{Entry, EntryKind, IndexError, Tree, TreeOrigin};
