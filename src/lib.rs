//! slugc: a Python buildpack and slug compiler.
//!
//! The rooms, from the street down to the floor. A room uses rooms on lower floors only;
//! `tests/it/architecture.rs` holds the table and fails on any other arrow. Rooms are private, so that the compiler
//! finds what nobody uses; what tests, benchmarks and fuzz targets need goes through `testing`.

#![cfg_attr(
    not(feature = "testing"),
    allow(unreachable_pub, dead_code, unused_imports, reason = "tests, benchmarks and fuzz targets use it")
)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests set up the world they need"))]

#[cfg(not(target_os = "linux"))]
compile_error!("slugc runs on Linux: use a container, or WSL on Windows.");

// Doors: they translate a protocol, they don't decide.
mod classic;
mod cli;
// Workshops: they carry out.
mod build;
mod dyno;
// Workbench: slugs as files, what is in them, whether they would boot; requests on their way to dynos.
mod check;
mod inspect;
mod router;
mod slug;
// Outside: processes, downloads, archives, the clock; the content-addressed cache.
mod host;
mod store;
// Decisions: pure.
mod plan;
// Words: parse and compare.
mod app;
mod python;
// Floor: values that every room may use.
mod env;
mod error;
mod output;

mod entrypoint;

#[cfg(feature = "testing")]
pub mod testing;

pub use entrypoint::main;
