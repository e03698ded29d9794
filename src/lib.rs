//! slugc: a Python buildpack and slug compiler.
//!
//! The rooms, from the street down to the floor. A room uses rooms on lower floors only;
//! `tests/it/architecture.rs` holds the table and fails on any other arrow.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests set up the world they need"))]

// Doors: they translate a protocol, they don't decide.
pub mod classic;
pub mod cli;
// Workshops: they carry out.
pub mod build;
pub mod dyno;
// Workbench: slugs as files, what is in them, whether they would boot; requests on their way to dynos.
pub mod check;
pub mod inspect;
pub mod router;
pub mod slug;
// Outside: processes, downloads, archives, the clock; the content-addressed cache.
pub mod host;
pub mod store;
// Decisions: pure.
pub mod plan;
// Words: parse and compare.
pub mod app;
pub mod python;
// Floor: values that every room may use.
pub mod env;
pub mod error;
pub mod output;

mod entrypoint;

pub use entrypoint::{answer_panics, run};
