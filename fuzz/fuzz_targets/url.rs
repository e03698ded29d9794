//! Addresses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::host::url;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let shown = url::redact(text);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let _ = (url::scheme(text), url::to_path(text), url::join(text, text));
    if text.starts_with('/') {
        let path = std::path::Path::new(text);
        assert_eq!(url::to_path(&url::from_path(path)).as_deref(), Some(path));
    }
});
