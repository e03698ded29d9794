//! The tests that see the program from outside.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests set up the world they need")]

mod architecture;
mod bad_input;
mod build;
mod buildpack;
mod bytecode;
mod check;
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
mod hostile;
mod index;
mod indexes;
mod inspect;
mod internal_error;
mod leftovers;
mod managers;
mod messages;
mod mixed_locks;
mod native;
mod package;
mod projects;
mod real_tools;
mod report_page;
mod router;
mod run;
mod secrets;
mod slugs;
mod steps;
mod store;
mod support;
mod webdriver;
mod wheels;
mod zip;
