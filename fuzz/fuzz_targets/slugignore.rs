//! .slugignore: its patterns, and what they match.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::app::slugignore::Slugignore;

fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (patterns, path) = data.split_at(cut);
    match Slugignore::parse(patterns) {
        Ok(ignore) => {
            assert!(ignore.matches(b"", true).is_none(), "the root is never left out");
            for path in [path.strip_prefix(b"\0").unwrap_or(path), b"a/b.py", b"\xff"] {
                let _ = (ignore.matches(path, false), ignore.matches(path, true));
            }
        }
        Err(error) => drop(error.to_string()),
    }
});
