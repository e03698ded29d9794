//! The Procfile.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::app::procfile::Procfile;

fuzz_target!(|data: &[u8]| match Procfile::parse(data) {
    Ok(procfile) => drop(procfile.process_types()),
    Err(error) => drop(error.to_string()),
});
