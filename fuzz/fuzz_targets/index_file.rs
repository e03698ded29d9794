//! The indexes of layers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use slugc::testing::slug::index_file::{decode, encode};

fuzz_target!(|data: &[u8]| {
    let _ = decode(data);
    // With a right checksum, so that what is behind it is reached.
    let content = [b"slugc-index 1\n", data].concat();
    let bytes = [&content[..], &Sha256::digest(&content)[..]].concat();
    if let Some(entries) = decode(&bytes) {
        assert_eq!(encode(&entries), bytes);
    }
});
