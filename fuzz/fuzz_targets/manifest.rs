//! slug.json and the small documents of the store.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::check::facts::Installed;
use slugc::testing::slug::{Entry, Manifest};

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(data) {
        let text = serde_json::to_string(&manifest).expect("it came from JSON");
        assert_eq!(serde_json::from_str::<Manifest>(&text).expect("it was written just now"), manifest);
    }
    let _ = serde_json::from_slice::<Vec<Entry>>(data);
    let _ = serde_json::from_slice::<Installed>(data);
});
