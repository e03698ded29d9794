//! `slugc version`, which `slugc --version --verbose` prints too: everything that decides what a build makes.

use serde_json::json;

use super::args::Version;
use crate::error::Result;
use crate::plan::manager::{
    PDM_VERSION, PIP_VERSION, PIPENV_VERSION, POETRY_VERSION, SETUPTOOLS_VERSION, UV_VERSION,
};
use crate::python::catalogue::Catalogue;
use crate::python::version::PythonVersion;
use crate::slug::COMPRESSOR;

const TOOLS: &[(&str, &str)] = &[
    ("uv", UV_VERSION),
    ("pip", PIP_VERSION),
    ("setuptools", SETUPTOOLS_VERSION),
    ("pipenv", PIPENV_VERSION),
    ("poetry", POETRY_VERSION),
    ("pdm", PDM_VERSION),
];

/// Prints it.
pub(super) fn run(arguments: &Version) -> Result<u8> {
    super::print_result(&render(arguments.is_json()))?;
    Ok(0)
}

/// Renders it as text or JSON.
pub(super) fn render(as_json: bool) -> String {
    let catalogue = Catalogue::embedded();
    let pythons: Vec<String> = newest_patches(catalogue).iter().map(ToString::to_string).collect();
    let build = catalogue.newest_build().unwrap_or_default();
    if as_json {
        let tools: serde_json::Map<_, _> =
            TOOLS.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
        return super::to_json(&json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "commit": commit(),
            "target": target(),
            "static": is_static(),
            "compressor": COMPRESSOR,
            "tools": tools,
            "pythons": pythons,
            "catalogue": build,
        }));
    }
    let mut text = format!("slugc {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12}{value}\n"));
    line("commit", commit().unwrap_or("unknown"));
    line("target", &format!("{}{}", target(), if is_static() { ", static" } else { "" }));
    line("compressor", COMPRESSOR);
    for (name, version) in TOOLS {
        line(name, version);
    }
    line("Python", &pythons.join(", "));
    line("catalogue", build);
    text
}

/// The newest version of each minor version that there is an archive of for this architecture.
fn newest_patches(catalogue: &Catalogue) -> Vec<PythonVersion> {
    let mut versions: Vec<_> = catalogue
        .versions()
        .filter(|version| catalogue.archive(*version, std::env::consts::ARCH).is_some())
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.dedup_by_key(|version| (version.major, version.minor));
    versions
}

/// Whoever builds slugc says which commit it is: to ask git would make the program depend on more than its source.
fn commit() -> Option<&'static str> {
    option_env!("SLUGC_COMMIT").filter(|commit| !commit.is_empty())
}

fn target() -> String {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-unknown-{}-{libc}", std::env::consts::ARCH, std::env::consts::OS)
}

fn is_static() -> bool {
    cfg!(target_feature = "crt-static")
}
