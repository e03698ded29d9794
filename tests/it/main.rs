//! The tests that see the program from outside.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests set up the world they need")]

mod architecture;
mod bad_input;
mod build;
mod check;
mod classic;
mod classic_cache;
mod classic_doors;
mod conformance;
mod django;
mod docs;
mod flask;
mod managers;
mod package;
mod steps;
mod support;
