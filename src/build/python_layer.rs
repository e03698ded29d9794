//! The layer with Python, from where it can be had. What lies over it is installed while its bytecode is compiled.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::bytecode::compile_bytecode;
use super::context::Context;
use super::execute::{Installed, layer_plan, tell};
use super::layers::{Layer, has_layer, provide_layer};
use super::python::Python;
use super::runtime::choose::{RuntimeRequest, host_choice, remember_unreachable};
use super::runtime::provide::{fetch_in_advance, install_runtime};
use super::survey::Survey;
use crate::error::{ErrorCode, Failure, Result};
use crate::host::clock::Stopwatch;
use crate::host::files;
use crate::plan::{LayerId, RuntimeChoice};

impl Survey {
    /// Gives the layer with Python, and, if it had to be made, what was meanwhile installed over it.
    pub(super) fn provide_runtime(&mut self, context: Context<'_>) -> Result<(Layer, Option<Installed>)> {
        loop {
            if let Some(notice) = self.runtime.notice() {
                tell(&notice, context.output);
            }
            match self.make_runtime(context)? {
                (Err(failure), None) if self.may_fall_back() && could_not_be_fetched(&failure) => {
                    self.fall_back(failure, context)?;
                }
                (runtime, installed) => return Ok((runtime?, installed.transpose()?)),
            }
        }
    }

    /// Gives the layer, and what became of the installation over it if there was time for one.
    fn make_runtime(&mut self, context: Context<'_>) -> Result<(Result<Layer>, Option<Result<Installed>>)> {
        let Context { store, env, output, record } = context;
        let plan = self.plan()?;
        let layer = layer_plan(&plan, LayerId::Runtime);
        let key = layer.key.digest();
        // Of its own, as all others are in use while packages are installed.
        let (choice, version) = (self.runtime.clone(), self.version.clone());
        let (source, mirror) = (self.settings.python_source.clone(), self.settings.python_mirror.clone());
        let lineage = self.settings.lineage.clone();
        let request = RuntimeRequest {
            source: &source,
            mirror: mirror.as_deref(),
            version: &version,
            current_dir: &env.current_dir,
        };
        let watch = Stopwatch::start();
        thread::scope(|scope| {
            let mut beside = None;
            let fill = |tree: &Path| {
                let python = install_runtime(tree, &choice, &request, store, env, output)?;
                // The layer moves when it is finished, so what is installed meanwhile has a Python of its own.
                let twin = store.scratch()?;
                if files::link_tree(tree, twin.path())? {
                    let twins = Python { layer: Some(key), ..Python::in_tree(twin.path(), choice.version()) };
                    beside = Some(scope.spawn(move || {
                        let _twin = twin;
                        self.install(&twins, context)
                    }));
                }
                compile_bytecode(&python, tree, None, env, output)
            };
            let runtime = provide_layer(layer, &lineage, store, env, output, fill);
            if runtime.is_ok() {
                record.set_duration("python_install_duration", watch.elapsed());
            }
            Ok((runtime, beside.map(|beside| beside.join().unwrap_or_else(|panic| resume_unwind(panic)))))
        })
    }

    /// Finds out whether the catalogue's Python can be had, if there is a cache and this machine's may stand in for
    /// it. What is said about the cache before Python is installed is true then.
    pub(crate) fn settle_runtime(&mut self, context: Context<'_>) -> Result<()> {
        let Context { store, env, output, .. } = context;
        let has_cache = self.settings.last_python.is_some();
        if !has_cache
            || !self.may_fall_back()
            || has_layer(layer_plan(&self.plan()?, LayerId::Runtime), store)
        {
            return Ok(());
        }
        let request = self.runtime_request(env);
        match fetch_in_advance(&self.runtime, &request, store, env, output) {
            Err(failure) if could_not_be_fetched(&failure) => self.fall_back(failure, context),
            other => other,
        }
    }

    fn fall_back(&mut self, failure: Failure, context: Context<'_>) -> Result<()> {
        let Context { store, env, output, .. } = context;
        let request = self.runtime_request(env);
        let host = host_choice(&request, Some(self.version.version), store, env, output);
        // The download's failure says more than that there is no interpreter either.
        let host = host.map_err(|_| failure)?;
        remember_unreachable(&self.runtime, &request, store)?;
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
