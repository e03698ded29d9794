//! What installers leave beside packages: METADATA, RECORD, WHEEL, direct_url.json.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use slugc::testing::inspect::find_installed;
use slugc::testing::python::distribution::{
    InfoDir, MarkerValues, installed_path, needs, parse_direct_url, parse_metadata, parse_record,
    parse_wheel, split_site_packages,
};

const SITE_PACKAGES: &str = ".heroku/python/lib/python3.14/site-packages";

fuzz_target!(|data: &[u8]| {
    let (first, second) = slugc_fuzz::two(data);
    for entry in parse_record(first) {
        if let Some(path) = installed_path(SITE_PACKAGES, &entry.path) {
            assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."), "{path}");
        }
    }
    let _ = (parse_wheel(first), parse_direct_url(first));
    let distributions: Vec<_> = [first, second].into_iter().filter_map(parse_metadata).collect();
    let values = MarkerValues::of_linux("3.14.1", "x86_64");
    for distribution in &distributions {
        let _ = distribution.licence.licences();
        for dependency in &distribution.requires {
            let _ =
                (dependency.allows(&distribution.version), dependency.holds(&values, &distribution.extras));
        }
    }
    let _ = needs(
        &distributions.into_iter().map(|distribution| (distribution, BTreeSet::new())).collect::<Vec<_>>(),
    );
    let name = String::from_utf8_lossy(first);
    let _ = (InfoDir::parse(&name), split_site_packages(&name));
    let files: BTreeMap<String, Vec<u8>> =
        ["METADATA", "RECORD", "WHEEL", "direct_url.json", "top_level.txt"]
            .iter()
            .map(|file| (format!("{SITE_PACKAGES}/x-1.dist-info/{file}"), second.to_vec()))
            .chain([(name.into_owned(), second.to_vec())])
            .collect();
    let _ = find_installed(&files);
});
