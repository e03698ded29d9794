//! What a Python says about its own build.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::build::runtime::build_vars::BuildVars;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(vars) = BuildVars::parse(text) {
        let _ = BuildVars::parse(&vars.render()).expect("it was written just now");
    }
});
