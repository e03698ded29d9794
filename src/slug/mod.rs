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
pub(crate) mod index_file;
pub(crate) mod known;
pub(crate) mod manifest;
mod merge;
pub(crate) mod read;
pub(crate) mod replace;
mod segment;
mod segment_maker;
pub(crate) mod size;
pub mod tree;
pub(crate) mod unpack;
mod writer;

pub use assemble::{Layout, Slug, SlugSpec, Times, assemble};
pub(crate) use deflate::COMPRESSOR;
pub(crate) use error::{SlugError, TooLarge};
pub use manifest::Manifest;
pub(crate) use merge::Excluded;
pub(crate) use size::heroku_size;
pub use tree::{Entry, Tree, TreeOrigin};
