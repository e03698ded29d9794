//! pyproject.toml.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::python::pyproject::parse_pyproject;

fuzz_target!(|data: &[u8]| {
    if let Err(error) = parse_pyproject(data) {
        let _ = error.to_string();
    }
});
