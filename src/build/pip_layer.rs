//! The layer with pip (and setuptools for older Pythons): it stays available in the slug.

use std::path::Path;

use super::dependencies::{InstallTarget, install};
use super::normalise::{BuildPlaces, normalise};
use super::python::Python;
use super::uv::Uv;
use super::{bytecode, dependencies};
use crate::env::Env;
use crate::error::{ErrorCode, Result};
use crate::host::files;
use crate::output::Output;
use crate::plan::manager::needs_setuptools;
use crate::python::pip_config::PipConfig;
use crate::store::Store;

const PIP: &str = include_str!("../../inventory/pip.txt");
const SETUPTOOLS: &str = include_str!("../../inventory/setuptools.txt");

/// Fills the layer.
pub fn fill_pip_layer(
    tree: &Path,
    python: &Python,
    uv: Option<&Uv>,
    pip: &PipConfig,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<()> {
    let work = store.scratch()?;
    let requirements = work.path().join("requirements.txt");
    let pinned = if needs_setuptools(python.version) { format!("{PIP}{SETUPTOOLS}") } else { PIP.to_owned() };
    files::write_atomically(&requirements, pinned.as_bytes())?;
    // Which index, and how to reach it, is the user's to say; what else pip.conf holds is for the app's packages.
    let pip =
        PipConfig { constraints: Vec::new(), no_binary: Vec::new(), require_hashes: true, ..pip.clone() };
    let target = InstallTarget {
        tree,
        python,
        directory: work.path(),
        requirements: &[requirements],
        overrides: None,
        mode: dependencies::Mode::Requirements,
        groups: &[],
        failure: ErrorCode::InstallPip,
        quiet: true,
    };
    let installer = match uv {
        Some(uv) => dependencies::Tool::Uv(uv),
        None => dependencies::Tool::BundledPip,
    };
    install(&installer, &target, &pip, store, env, output)?;
    normalise(&BuildPlaces { tree: tree.to_owned(), staged_app: None, runtime: python.prefix.clone() })?;
    bytecode::compile_bytecode(&python.executable, tree, env, output)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::manager::{PIP_VERSION, SETUPTOOLS_VERSION};

    #[test]
    fn the_inventory_pins_the_versions_that_the_plan_names() {
        assert!(PIP.contains(&format!("\npip=={PIP_VERSION} ")), "{PIP}");
        assert!(SETUPTOOLS.contains(&format!("\nsetuptools=={SETUPTOOLS_VERSION} ")), "{SETUPTOOLS}");
    }
}
