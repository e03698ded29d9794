//! pip's configuration files and variables.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use slugc::testing::python::pip_config::PipConfig;

fuzz_target!(|data: &[u8]| {
    let (file, vars) = slugc_fuzz::two(data);
    let vars: BTreeMap<String, String> = String::from_utf8_lossy(vars)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("PIP_{name}"), value.to_owned()))
        .collect();
    let config = PipConfig::parse(&[String::from_utf8_lossy(file).into_owned()], &vars);
    let exists = |path: &str| path.len() % 2 == 0;
    let _ = (config.fingerprint(), config.unmappable());
    let _ = (config.uv_environment(&exists), config.uv_arguments(&exists));
});
