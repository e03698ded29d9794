//! Poetry's lock and the pyproject.toml that it belongs to.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::python::locked::Groups;
use slugc::testing::python::poetry::read_poetry_lock;

fuzz_target!(|data: &[u8]| {
    let (lock, pyproject) = slugc_fuzz::two(data);
    for groups in [Groups::Production, Groups::Test] {
        match read_poetry_lock(lock, pyproject, groups) {
            Ok(set) => slugc_fuzz::assert_rendered(&set),
            Err(error) => drop(error.to_string()),
        }
    }
});
