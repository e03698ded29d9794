//! .python-version, runtime.txt, and ranges of versions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::error::UserError;
use slugc::testing::python::requires_python::SupportedPythons;
use slugc::testing::python::version_file::{parse_runtime_txt, parse_version_file};

fuzz_target!(|data: &[u8]| {
    if let Err(error) = parse_version_file(data) {
        let _ = (error.to_string(), error.code(), error.detail());
    }
    if let Err(error) = parse_runtime_txt(data) {
        let _ = (error.to_string(), error.code(), error.detail());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = SupportedPythons::parse(text);
    }
});
