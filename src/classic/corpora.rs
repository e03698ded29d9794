//! NLTK's corpora, kept in the cache as a layer of their own: an unchanged app downloads none, and one that
//! `nltk.txt` doesn't name any more is gone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::cache::LINEAGE;
use crate::build::config_vars::ConfigVars;
use crate::build::execute::{Built, Workshop};
use crate::build::layers::{Layer, has_layer, provide_layer};
use crate::build::nltk::{NLTK_DATA, download, wanted_corpora, with_config_vars};
use crate::build::stage::{Transfer, put_layer};
use crate::error::Result;
use crate::host::files::FileContext;
use crate::plan::layers::corpora_layer;

/// Puts the corpora that the app names into the build directory. Returns their layer, if there is one.
pub(super) fn put_corpora(
    built: &Built,
    build_dir: &Path,
    config_vars: &ConfigVars,
    python_env: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<Option<Layer>> {
    let Workshop { store, env, output, .. } = shop;
    let vars = with_config_vars(python_env, config_vars);
    let Some(packages) = wanted_corpora(build_dir, &vars, shop)? else { return Ok(None) };
    let plan = corpora_layer(&packages, nltk_version(built));
    if has_layer(&plan, store) {
        output.step(format!("Using cached NLTK packages: {}", packages.join(" ")));
    }
    let layer = provide_layer(&plan, LINEAGE, store, env, output, |tree| {
        // Through a symbolic link NLTK doesn't write, and the cache may be behind one.
        let tree = tree.canonicalize().doing("reading", tree)?;
        download(packages, build_dir, &tree.join(NLTK_DATA), vars, shop)
    })?;
    put_layer(&layer, build_dir, Transfer::Copy, env)?;
    Ok(Some(layer))
}

/// Another version may need other data. Without metadata, any change of the packages may mean another version.
fn nltk_version(built: &Built) -> String {
    let paths = built.layers.iter().flat_map(|layer| &layer.entries);
    let version = paths.filter_map(|entry| std::str::from_utf8(&entry.path).ok()).find_map(|path| {
        let (_, name) = path.split_once("/site-packages/nltk-")?;
        Some(name.strip_suffix(".dist-info")?.to_owned())
    });
    let fallback = || built.layers.last().map(|layer| layer.key.clone()).unwrap_or_default();
    version.unwrap_or_else(fallback)
}
