//! Archives of Python: gzip, Zstandard, or the tar in them.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use slugc::testing::env::Env;
use slugc::testing::host::archive::{UnpackOptions, unpack_reader};

fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else { return };
    let bytes = if how % 2 == 0 { data.to_vec() } else { slugc_fuzz::gzip(data) };
    let outer = slugc_fuzz::scratch();
    let options = UnpackOptions { strip_components: usize::from(how / 128) };
    let _ = unpack_reader(&bytes[..], "a", &outer.path().join("into"), &options, &Env::for_tests(&[]));
    assert!(fs::read_dir(outer.path()).expect("it is there").count() <= 1, "something was written outside");
});
