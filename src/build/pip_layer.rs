//! The layer with pip (and setuptools for older Pythons): it stays available in the slug.

use std::path::Path;

use super::context::Context;
use super::dependencies::{InstallTarget, install};
use super::install_error::Hints;
use super::normalise::{BuildPlaces, normalise};
use super::python::Python;
use super::uv::Uv;
use super::{bytecode, dependencies};
use crate::error::{ErrorCode, Result};
use crate::host::files;
use crate::plan::manager::needs_setuptools;
use crate::python::pip_config::PipConfig;

const PIP: &str = include_str!("../../inventory/pip.txt");
const SETUPTOOLS: &str = include_str!("../../inventory/setuptools.txt");

/// Tools with exact versions and hashes, which are installed into a tree of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PinnedTools<'a> {
    /// Their requirements file.
    pub requirements: &'a str,
    /// The tree that stands for the app's root.
    pub tree: &'a Path,
    /// The interpreter that they are for.
    pub python: &'a Python,
    /// What installs them; the pip that is bundled with Python if there is no uv.
    pub uv: Option<&'a Uv>,
    /// pip's configuration.
    pub pip: &'a PipConfig,
}

/// Fills the layer.
pub(crate) fn fill_pip_layer(
    tree: &Path,
    python: &Python,
    uv: Option<&Uv>,
    pip: &PipConfig,
    context: Context<'_>,
) -> Result<()> {
    let requirements =
        if needs_setuptools(python.version) { format!("{PIP}{SETUPTOOLS}") } else { PIP.to_owned() };
    install_pinned(&PinnedTools { requirements: &requirements, tree, python, uv, pip }, context)
}

/// Installs tools, ready to be used from the store.
pub(super) fn install_pinned(tools: &PinnedTools<'_>, context: Context<'_>) -> Result<()> {
    let PinnedTools { requirements, tree, python, uv, pip } = *tools;
    let Context { store, env, output, .. } = context;
    let work = store.scratch()?;
    let file = work.path().join("requirements.txt");
    files::write_atomically(&file, requirements.as_bytes())?;
    // Which index, and how to reach it, is the user's to say; what else pip.conf holds is for the app's packages.
    let pip =
        PipConfig { constraints: Vec::new(), no_binary: Vec::new(), require_hashes: true, ..pip.clone() };
    let target = InstallTarget {
        tree,
        python,
        directory: work.path(),
        requirements: &[file],
        overrides: None,
        mode: dependencies::Mode::Requirements,
        groups: &[],
        failure: ErrorCode::InstallPip,
        quiet: true,
        has_preinstalled: false,
        has_places: false,
        hints: Hints::default(),
    };
    let installer = match uv {
        Some(uv) => dependencies::Tool::Uv(uv),
        None => dependencies::Tool::BundledPip,
    };
    install(&installer, &target, &pip, store, env, output)?;
    normalise(&BuildPlaces { tree: tree.to_owned(), staged_app: None, runtime: python.prefix.clone() })?;
    bytecode::compile_bytecode(python, tree, None, env, output)?;
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
