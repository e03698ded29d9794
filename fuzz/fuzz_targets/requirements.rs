//! requirements.txt, with files that name each other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::python::requirements::read_requirements;

fuzz_target!(|data: &[u8]| {
    // Every other file that it names is the second half.
    let (first, second) = data.split_at(data.len() / 2);
    let mut read = |path: &str| Ok(if path == "requirements.txt" { first } else { second }.to_vec());
    for text in [data, first] {
        let mut whole = |_: &str| Ok(text.to_vec());
        if let Ok(requirements) = read_requirements("requirements.txt", &mut whole) {
            let _ = (requirements.unpinned().len(), requirements.names(), requirements.split());
            let _ = (requirements.has_editable(), requirements.has_local_paths());
        }
    }
    if let Err(error) = read_requirements("requirements.txt", &mut read) {
        let _ = error.to_string();
    }
});
