//! What every part of a build is handed: where things are kept, what the process was started with, where to talk.

use super::record::Record;
use crate::env::Env;
use crate::output::Output;
use crate::store::Store;

/// The world that a build works in.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// What builds keep.
    pub store: &'a Store,
    /// What the process was started with.
    pub env: &'a Env,
    /// Where it says what it does.
    pub output: &'a Output,
    /// What it tells about itself afterwards.
    pub record: &'a Record,
}
