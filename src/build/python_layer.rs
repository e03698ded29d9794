//! The layer with Python, from where it can be had.

use std::path::Path;

use super::execute::{Survey, Workshop, layer_plan, tell};
use super::layers::{Layer, has_layer, provide_layer};
use super::python::Python;
use super::runtime::choose::{host_choice, remember_unreachable};
use super::runtime::provide::{fetch_in_advance, fill_runtime_layer};
use super::uv;
use crate::error::{ErrorCode, Failure, Result};
use crate::plan::RuntimeChoice;

impl Survey {
    /// Gives the layer with Python.
    pub(super) fn provide_runtime(&mut self, shop: Workshop<'_>) -> Result<Layer> {
        let Workshop { store, env, output, .. } = shop;
        loop {
            if let Some(notice) = self.runtime.notice() {
                tell(&notice, output);
            }
            let plan = self.plan()?;
            let request = self.runtime_request(env);
            let layer = layer_plan(&plan, "runtime");
            let wants_uv = self.uv.is_none() && self.needs_uv(&plan, store);
            let mut fetched = None;
            let beside = |python: &Python| {
                fetched = wants_uv.then(|| uv::fetch_uv(python, store, env, output));
            };
            let fill =
                |tree: &Path| fill_runtime_layer(tree, beside, &self.runtime, &request, store, env, output);
            match provide_layer(layer, &self.settings.lineage, store, env, output, fill) {
                Err(failure) if self.may_fall_back() && could_not_be_fetched(&failure) => {
                    self.fall_back(failure, shop)?;
                }
                provided => {
                    self.fetched_uv = fetched;
                    return provided;
                }
            }
        }
    }

    /// Finds out whether the catalogue's Python can be had, if there is a cache and this machine's may stand in for
    /// it. What is said about the cache before Python is installed is true then.
    pub fn settle_runtime(&mut self, shop: Workshop<'_>) -> Result<()> {
        let Workshop { store, env, output, .. } = shop;
        let has_cache = self.settings.last_python.is_some();
        if !has_cache || !self.may_fall_back() || has_layer(layer_plan(&self.plan()?, "runtime"), store) {
            return Ok(());
        }
        let request = self.runtime_request(env);
        match fetch_in_advance(&self.runtime, &request, store, env, output) {
            Err(failure) if could_not_be_fetched(&failure) => self.fall_back(failure, shop),
            other => other,
        }
    }

    fn fall_back(&mut self, failure: Failure, shop: Workshop<'_>) -> Result<()> {
        let Workshop { store, env, output, .. } = shop;
        let request = self.runtime_request(env);
        let host = host_choice(&request, Some(self.version.version), store, env, output);
        // The download's failure says more than that there is no interpreter either.
        let host = host.map_err(|_| failure)?;
        remember_unreachable(&self.runtime, store)?;
        self.runtime = host;
        Ok(())
    }

    fn may_fall_back(&self) -> bool {
        matches!(self.runtime, RuntimeChoice::Catalogue { fallback: true, .. })
    }
}

/// Whether another source may be tried: not when what came was wrong, and not when the user gave up.
fn could_not_be_fetched(failure: &Failure) -> bool {
    matches!(failure.code(), ErrorCode::DownloadFailed | ErrorCode::PythonDownload)
}
