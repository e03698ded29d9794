//! The tests that see the program from outside.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests set up the world they need")]

mod architecture;
mod bad_input;
mod build;
mod buildpack;
mod classic;
mod classic_cache;
mod classic_doors;
mod classic_steps;
mod conformance;
mod django;
mod docs;
mod fixture_builds;
mod fixtures;
mod flask;
mod index;
mod indexes;
mod internal_error;
mod leftovers;
mod managers;
mod messages;
mod native;
mod package;
mod projects;
mod real_tools;
mod router;
mod run;
mod steps;
mod store;
mod support;
