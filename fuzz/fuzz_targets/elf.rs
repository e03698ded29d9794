//! ELF files: what they need, and what is changed in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::host::elf;

fuzz_target!(|data: &[u8]| {
    let _ = (elf::is_elf(data), elf::needed(data), elf::soname(data), elf::needed_glibc(data));
    let _ = (elf::run_path(data), elf::strip(data));
    let mut changed = data.to_vec();
    if elf::set_run_path(&mut changed, b"$ORIGIN/../lib").is_ok() {
        assert_eq!(elf::run_path(&changed).ok().flatten().as_deref(), Some(&b"$ORIGIN/../lib"[..]));
    }
});
