//! Pipenv's lock and its Pipfile.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::python::locked::Groups;
use slugc::testing::python::pipfile::{read_pipfile, read_pipfile_lock};

fuzz_target!(|data: &[u8]| {
    let (lock, pipfile) = slugc_fuzz::two(data);
    for groups in [Groups::Production, Groups::Test] {
        for set in [
            read_pipfile_lock(lock, None, groups),
            read_pipfile_lock(lock, Some(pipfile), groups),
            read_pipfile(pipfile, groups),
        ] {
            match set {
                Ok(set) => slugc_fuzz::assert_rendered(&set),
                Err(error) => drop(error.to_string()),
            }
        }
    }
});
