//! Where `slugc build` builds: everything is a layer of the store. The app's own steps run in a copy of the app, and what
//! they changed is remembered as a layer, so that a build without changes starts no program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::changes::{
    Changes, entries_before, find_changes, make_movable, move_changes, paths_below, warn_of_build_paths,
};
use super::confine::StepCell;
use super::context::Context;
use super::execute::Built;
use super::hooks::Hook;
use super::layers::{Begun, Layer, NewLayer, begin_layer};
use super::pipeline::Site;
use super::slug_source::{Origin, Source};
use super::stage::{Transfer, copy_app, index_app, index_known_app, put_layer};
use super::staged::{Staged, write_removed};
use super::step_env::{StepPlaces, digest_of_vars, step_environment};
use super::steps::Workspace;
use super::survey::{BuildSettings, Survey, digest_of_source};
use crate::app::source::AppSource;
use crate::error::Result;
use crate::host::files::{FileContext, FileError};
use crate::host::libc::c_library;
use crate::host::scratch::ScratchDir;
use crate::plan::environment::{compile_environment, profile_scripts, render_python_sh};
use crate::plan::layers::{StepInputs, pre_compile_layer, stage_layer};
use crate::plan::steps::StepKind;
use crate::plan::{EnvDelta, LayerPlan, StepPlan};
use crate::slug::tree::Entry;

/// The store, and what is known of the app in the course of the build.
pub(super) struct SlugSite<'a> {
    settings: &'a BuildSettings,
    context: Context<'a>,
    /// Where it is from.
    pub(super) origin: Origin,
    /// The app, until the build has taken it.
    app: Option<AppSource>,
    /// What `bin/pre_compile` has made: the app is in it from then on.
    pub(super) pre_compiled: Option<Layer>,
    /// What the other steps have made.
    pub(super) staged: Option<Staged>,
    /// The app's files, once they are listed.
    pub(super) entries: Option<Vec<Entry>>,
    in_progress: Option<InProgress>,
}

/// A layer that steps are making, and what goes away when it is done.
struct InProgress {
    layer: NewLayer,
    work: Option<ScratchDir>,
    places: StepPlaces,
}

impl<'a> SlugSite<'a> {
    /// Prepares the build of an app.
    pub(super) fn new(source: Source, settings: &'a BuildSettings, context: Context<'a>) -> Self {
        Self {
            settings,
            context,
            origin: source.origin,
            app: Some(source.app),
            pre_compiled: None,
            staged: None,
            entries: None,
            in_progress: None,
        }
    }

    /// Lists the app's files, if that isn't done yet.
    pub(super) fn entries(&mut self, app: &AppSource) -> Result<&mut Vec<Entry>> {
        if let Some(entries) = self.entries.take() {
            return Ok(self.entries.insert(entries));
        }
        // What was checked out, or made by a hook, is new each time.
        let is_users = !self.origin.is_checked_out() && self.pre_compiled.is_none();
        let entries = match is_users {
            true => index_known_app(app, &self.settings.lineage, self.context)?,
            false => index_app(app, self.context.env)?,
        };
        Ok(self.entries.insert(entries))
    }

    /// Returns what steps may depend on, for the keys of what they make. `app` is a digest of the app.
    fn inputs(&self, app: String, base: &BTreeMap<OsString, OsString>) -> StepInputs {
        StepInputs {
            app,
            config_vars: digest_of_vars(&self.settings.config_vars, base),
            commit: self.origin.commit.clone().unwrap_or_default(),
            is_isolated: self.settings.isolates_steps,
        }
    }

    fn begin_layer(&self, plan: &LayerPlan) -> Result<Begun> {
        let Context { store, env, output, .. } = self.context;
        if self.settings.refresh {
            store.remove_layer(plan.id.name(), &plan.key.digest())?;
        }
        begin_layer(plan, &self.settings.lineage, store, env, output)
    }

    /// Describes how steps run in a directory, and what they are told of besides it.
    fn workspace_in(&self, dir: PathBuf) -> Result<(Workspace, StepPlaces)> {
        let Context { store, env, output, .. } = self.context;
        let config_vars = self.settings.config_vars.clone();
        let cell = match self.settings.isolates_steps {
            true => StepCell::find(store.root(), env, output)?,
            false => None,
        };
        let places = StepPlaces::make(&config_vars)?;
        let vars = compile_environment(&dir, &step_environment(env));
        let vars = places.vars(vars, &dir, self.origin.commit.as_deref());
        Ok((Workspace { dir, vars, config_vars, cell }, places))
    }

    fn stage_plan(&mut self, app: &AppSource, built: &Built, wanted: &str) -> Result<LayerPlan> {
        let mut scripts = Sha256::new();
        scripts.update(render_python_sh(&built.plan.environment));
        for (name, contents) in profile_scripts() {
            scripts.update(format!("\0{name}\0{contents}"));
        }
        let below: Vec<_> = built.layers.iter().map(|layer| (layer.id, layer.key.clone())).collect();
        let digest = digest_of_source(self.entries(app)?.iter());
        let inputs = self.inputs(digest, &step_environment(self.context.env));
        Ok(stage_layer(&inputs, wanted, hex::encode(&scripts.finalize()[..16]), &below))
    }
}

impl Site for SlugSite<'_> {
    fn begin(&mut self) -> Result<Option<Workspace>> {
        let env = self.context.env;
        let has_hook = |app: &&AppSource| app.has_file(Hook::PreCompile.path());
        let Some(app) = self.app.as_ref().filter(has_hook) else { return Ok(None) };
        let inputs = self.inputs(digest_of_source(&index_app(app, env)?), &step_environment(env));
        match self.begin_layer(&pre_compile_layer(&inputs, c_library()))? {
            Begun::There(layer) => {
                self.pre_compiled = Some(layer);
                Ok(None)
            }
            Begun::New(layer) => {
                let dir = real_path(layer.tree())?;
                copy_app(app, &dir)?;
                let (workspace, places) = self.workspace_in(dir)?;
                self.in_progress = Some(InProgress { layer, work: None, places });
                Ok(Some(workspace))
            }
        }
    }

    fn begun(&mut self, workspace: &Workspace) -> Result<()> {
        let Context { store, env, output, .. } = self.context;
        let dir = &workspace.dir;
        warn_of_build_paths(dir, &paths_below(dir), dir, output);
        if let Some(InProgress { layer, places, .. }) = self.in_progress.take() {
            drop(places);
            self.pre_compiled = Some(layer.finish(store, env, output)?);
        }
        Ok(())
    }

    fn source(&mut self) -> Option<AppSource> {
        self.app.take()
    }

    fn app(&mut self) -> Result<AppSource> {
        let app = self.app.take().expect("each build takes its app once");
        match &self.pre_compiled {
            Some(layer) => Ok(app.read_copy(&layer.tree(), &self.context.env.interrupt)?),
            None => Ok(app),
        }
    }

    fn settings(&mut self) -> Result<BuildSettings> {
        Ok(self.settings.clone())
    }

    fn index(&mut self, app: &AppSource) -> Result<Vec<Entry>> {
        Ok(self.entries(app)?.clone())
    }

    fn restore(&mut self, _survey: &mut Survey) -> Result<()> {
        Ok(())
    }

    fn workspace(&mut self, survey: &Survey, built: &Built) -> Result<Option<Workspace>> {
        let Context { store, env, output, .. } = self.context;
        let wanted = built.plan.steps.iter().filter(|step| is_staged(step));
        let wanted = wanted.map(|step| step.kind().name()).collect::<Vec<_>>().join(", ");
        if wanted.is_empty() {
            return Ok(None);
        }
        let plan = self.stage_plan(survey.app(), built, &wanted)?;
        match self.begin_layer(&plan)? {
            Begun::There(layer) => {
                output.step(format!("Using what an earlier build has made with {wanted}"));
                self.staged = Some(Staged::of(layer));
                Ok(None)
            }
            Begun::New(layer) => {
                let work = store.scratch()?;
                let dir = real_path(work.path())?.join("app");
                copy_app(survey.app(), &dir)?;
                for layer in &built.layers {
                    put_layer(layer, &dir, Transfer::Copy, env)?;
                }
                let (workspace, places) = self.workspace_in(dir)?;
                self.in_progress = Some(InProgress { layer, work: Some(work), places });
                Ok(Some(workspace))
            }
        }
    }

    fn export(&mut self, _environment: &EnvDelta) -> Result<()> {
        Ok(())
    }

    fn settle(&mut self, workspace: &Workspace, built: &mut Built, _corpora: Option<Layer>) -> Result<()> {
        let Context { store, env, output, .. } = self.context;
        let Some(InProgress { layer, work, places }) = self.in_progress.take() else { return Ok(()) };
        // Once the layer is there, no build would make them again, and tidy up after one that was killed.
        drop(places);
        let (tree, dir) = (layer.tree(), &workspace.dir);
        let app_entries = self.entries.as_deref().unwrap_or_default();
        // Corpora lie in the workspace, so that they are a part of what was made.
        let before = entries_before(&built.layers, app_entries);
        let Changes { changed, removed, .. } = find_changes(&before, dir, env)?;
        move_changes(changed.iter().map(|entry| entry.path.as_slice()), dir, tree)?;
        make_movable(tree, dir, built, self.context)?;
        warn_of_build_paths(tree, &paths_below(tree), dir, output);
        write_removed(tree, &removed)?;
        drop(work);
        self.staged = Some(Staged::of(layer.finish(store, env, output)?));
        Ok(())
    }
}

/// Whether a step runs after the installation.
fn is_staged(step: &StepPlan) -> bool {
    step.runs() && step.kind() != StepKind::PreCompile
}

/// Returns the path that a directory has however it is named: no links and no `..` are in it, which a cell doesn't have.
fn real_path(dir: &Path) -> std::result::Result<PathBuf, FileError> {
    fs::canonicalize(dir).doing("reading", dir)
}
