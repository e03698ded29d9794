//! Files of config vars.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::app::env_file::parse_env_file;

fuzz_target!(|data: &[u8]| match parse_env_file(data) {
    Ok(vars) => assert!(vars.keys().all(|name| !name.is_empty()), "{vars:?}"),
    Err(error) => drop(error.to_string()),
});
