//! Slugs: as they are, or as what is in the gzip. They are listed, unpacked and looked into.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use slugc::testing::env::Env;
use slugc::testing::inspect::{inspect_slug, render_report, report};
use slugc::testing::output::Output;
use slugc::testing::slug::unpack::unpack_slug;

fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else { return };
    let bytes = if how % 4 == 0 { data.to_vec() } else { slugc_fuzz::gzip(data) };
    let outer = slugc_fuzz::scratch();
    let slug = outer.path().join("slug.tgz");
    fs::write(&slug, bytes).expect("a small file");
    let (env, output) = (Env::for_tests(&[]), Output::silent());
    let inspected = inspect_slug(&slug, &env, &output);
    if how % 2 == 0 {
        let unpacked = unpack_slug(&slug, &outer.path().join("into"), &env, &output);
        assert_eq!(unpacked.is_ok(), outer.path().join("into").exists());
        assert!(
            fs::read_dir(outer.path()).expect("it is there").count() <= 2,
            "something was written outside"
        );
    } else {
        let _ = slugc::testing::check::gather::read_slug(&slug, &env).map(|facts| slugc::testing::check::check(&facts));
    }
    if let Ok(inspected) = inspected {
        let _ = render_report(&report(&inspected, 10), 10, true);
    }
});
