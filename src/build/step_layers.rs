//! The app's own steps in `slugc build`: they run in a copy of the app, and what they changed is remembered as a layer,
//! so that a build without changes starts no program.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::changes::{
    Changes, entries_before, find_changes, make_movable, move_changes, paths_below, warn_of_build_paths,
};
use super::collectstatic::DEBUG_VARIABLE;
use super::config_vars::ConfigVars;
use super::confine::StepCell;
use super::execute::{Built, Workshop};
use super::explain::explained;
use super::hooks::Hook;
use super::layers::{Layer, provide_layer};
use super::stage::{Transfer, copy_app, index_app, put_layer, write_generated_files};
use super::steps::{Workspace, tell_skipped};
use super::survey::{BuildSettings, digest_of_source};
use super::tool_env::BUILD_EPOCH;
use crate::app::source::AppSource;
use crate::check::gather::DEFAULT_STACK;
use crate::env::Env;
use crate::error::Result;
use crate::host::files::{self, FileContext, FileError};
use crate::host::libc::c_library;
use crate::host::scratch::ScratchDir;
use crate::plan::environment::{compile_environment, profile_scripts, render_python_sh};
use crate::plan::layers::{StepInputs, pre_compile_layer, stage_layer};
use crate::plan::steps::{DISABLING_VARIABLE, StepKind};
use crate::plan::{LayerPlan, StepPlan};
use crate::slug::tree::Entry;

/// What else decides about the steps.
#[derive(Clone, Copy)]
pub(crate) struct StepSettings<'a> {
    /// The app's config vars.
    pub config_vars: &'a ConfigVars,
    /// How it is built.
    pub settings: &'a BuildSettings,
    /// The commit that is built, if that is known.
    pub commit: Option<&'a str>,
}

impl StepSettings<'_> {
    /// Returns what the steps may depend on, for the keys of what they make. `app` is a digest of the app.
    fn inputs(&self, app: String, base: &BTreeMap<OsString, OsString>) -> StepInputs {
        StepInputs {
            app,
            config_vars: digest_of_vars(self.config_vars, base),
            commit: self.commit.unwrap_or_default().to_owned(),
            is_isolated: self.settings.isolates_steps,
        }
    }
}

/// What the steps made of the app and its layers.
pub(crate) struct Staged {
    /// What is new or has changed: it is laid over everything else.
    pub layer: Layer,
    /// What is no longer there, or has changed.
    pub removed: BTreeSet<Vec<u8>>,
}

impl Staged {
    /// Takes what is no longer there out of a list.
    pub(crate) fn prune(&self, entries: &mut Vec<Entry>) {
        if !self.removed.is_empty() {
            entries.retain(|entry| !self.removed.contains(&entry.path));
        }
    }
}

/// Runs `bin/pre_compile` if the app has it, and reads the app again: the hook may have written the very files that
/// decide. The layer holds the app from then on.
pub(crate) fn run_pre_compile(
    app: AppSource,
    steps: StepSettings<'_>,
    shop: Workshop<'_>,
) -> Result<(AppSource, Option<Layer>)> {
    let Workshop { env, output, .. } = shop;
    if !app.has_file(Hook::PreCompile.path()) {
        return Ok((app, None));
    }
    let base = step_environment(env);
    let inputs = steps.inputs(digest_of_source(&index_app(&app, env)?), &base);
    let plan = pre_compile_layer(&inputs, c_library());
    let layer = provide_remembered(&plan, steps, shop, |tree| {
        let tree = &real_path(tree)?;
        copy_app(&app, tree)?;
        let cell = step_cell(steps.settings, shop)?;
        let shop = Workshop { cell: cell.as_ref(), ..shop };
        let vars = compile_environment(tree, &base);
        let places = StepPlaces::make(steps.config_vars)?;
        let vars = places.vars(vars, tree, steps.commit);
        Workspace { dir: tree, vars, config_vars: steps.config_vars }.run_hook(Hook::PreCompile, shop)?;
        warn_of_build_paths(tree, &paths_below(tree), tree, output);
        Ok(())
    })
    .map_err(|failure| explained(failure, &app, Vec::new))?;
    let app = app.read_copy(&layer.tree(), &env.interrupt)?;
    Ok((app, Some(layer)))
}

/// Runs the steps that come after the installation, if the app has any, and returns what they made of it.
pub(crate) fn run_steps(
    app: &AppSource,
    app_entries: &[Entry],
    built: &Built,
    steps: StepSettings<'_>,
    shop: Workshop<'_>,
) -> Result<Option<Staged>> {
    let base = step_environment(shop.env);
    let wanted: Vec<&StepPlan> = built.plan.steps.iter().filter(|step| is_staged(step)).collect();
    if wanted.is_empty() {
        tell_skipped(&built.plan.steps, shop);
        return Ok(None);
    }
    let wanted = wanted.iter().map(|step| step.kind().name()).collect::<Vec<_>>().join(", ");
    let mut ran = false;
    let plan = stage_plan(app_entries, built, steps, &base, &wanted);
    let mut layer = provide_remembered(&plan, steps, shop, |tree| {
        ran = true;
        fill_stage(tree, app, app_entries, built, steps, &base, shop)
    })?;
    if !ran {
        tell_skipped(&built.plan.steps, shop);
        shop.output.step(format!("Using what an earlier build has made with {wanted}"));
    }
    let removed = read_removed(&layer);
    layer.entries.retain(|entry| entry.path != REMOVED.as_bytes());
    Ok(Some(Staged { layer, removed }))
}

/// Returns the path that a directory has however it is named: no links and no `..` are in it, which a cell doesn't have.
fn real_path(dir: &Path) -> std::result::Result<PathBuf, FileError> {
    fs::canonicalize(dir).doing("reading", dir)
}

/// Finds where steps run, if they are to be kept apart.
fn step_cell(settings: &BuildSettings, shop: Workshop<'_>) -> Result<Option<StepCell>> {
    let Workshop { store, env, output, .. } = shop;
    if settings.isolates_steps { StepCell::find(store.root(), env, output) } else { Ok(None) }
}

/// Whether a step runs after the installation.
fn is_staged(step: &StepPlan) -> bool {
    step.runs() && step.kind() != StepKind::PreCompile
}

fn stage_plan(
    app_entries: &[Entry],
    built: &Built,
    steps: StepSettings<'_>,
    base: &BTreeMap<OsString, OsString>,
    wanted: &str,
) -> LayerPlan {
    let mut scripts = Sha256::new();
    scripts.update(render_python_sh(&built.plan.environment));
    for (name, contents) in profile_scripts() {
        scripts.update(format!("\0{name}\0{contents}"));
    }
    let below: Vec<_> = built.layers.iter().map(|layer| (layer.id, layer.key.clone())).collect();
    let inputs = steps.inputs(digest_of_source(app_entries), base);
    stage_layer(&inputs, wanted, hex::encode(&scripts.finalize()[..16]), &below)
}

fn provide_remembered(
    plan: &LayerPlan,
    steps: StepSettings<'_>,
    shop: Workshop<'_>,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<Layer> {
    let Workshop { store, env, output, .. } = shop;
    if steps.settings.refresh {
        store.remove_layer(plan.id.name(), &plan.key.digest())?;
    }
    provide_layer(plan, &steps.settings.lineage, store, env, output, fill)
}

fn fill_stage(
    tree: &Path,
    app: &AppSource,
    app_entries: &[Entry],
    built: &Built,
    steps: StepSettings<'_>,
    base: &BTreeMap<OsString, OsString>,
    shop: Workshop<'_>,
) -> Result<()> {
    let Workshop { store, env, output, .. } = shop;
    let work = store.scratch()?;
    let staged = real_path(work.path())?.join("app");
    copy_app(app, &staged)?;
    for layer in &built.layers {
        put_layer(layer, &staged, Transfer::Copy, env)?;
    }
    let cell = step_cell(steps.settings, shop)?;
    let shop = Workshop { cell: cell.as_ref(), ..shop };
    let places = StepPlaces::make(steps.config_vars)?;
    let vars = places.vars(compile_environment(&staged, base), &staged, steps.commit);
    let workspace = Workspace { dir: &staged, vars, config_vars: steps.config_vars };
    let prepared = workspace.prepare_data(built, &steps.settings.lineage, shop)?;
    write_generated_files(app, &prepared.environment, &staged)?;
    workspace.run_hook(Hook::PostCompile, shop)?;
    let before = entries_before(&built.layers, app_entries);
    let Changes { changed, removed, .. } = find_changes(&before, &staged, env)?;
    move_changes(changed.iter().map(|entry| entry.path.as_slice()), &staged, tree)?;
    make_movable(tree, &staged, built, shop)?;
    warn_of_build_paths(tree, &paths_below(tree), &staged, output);
    write_removed(tree, &removed)?;
    Ok(())
}

/// What steps get of the user's own environment: how to find programs and the network. Whatever else changes the
/// result is a config var, so that the result can be remembered.
const PASSED: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "STACK", "NODE_EXTRA_CA_CERTS"];

fn step_environment(env: &Env) -> BTreeMap<OsString, OsString> {
    let is_passed = |name: &str| {
        PASSED.contains(&name)
            || [DISABLING_VARIABLE, DEBUG_VARIABLE].contains(&name)
            || name.starts_with("SSL_CERT_")
            || name.to_ascii_lowercase().ends_with("_proxy")
    };
    let mut vars: BTreeMap<OsString, OsString> = env
        .vars
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(is_passed))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in
        [("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("SOURCE_DATE_EPOCH", BUILD_EPOCH)]
    {
        vars.insert(name.into(), value.into());
    }
    vars
}

/// What steps are told of besides the build directory, as on Heroku: a cache, which is empty in each build, and the config
/// vars as files. They hold secrets, and are gone when the steps have run.
struct StepPlaces {
    dir: ScratchDir,
}

impl StepPlaces {
    fn make(config_vars: &ConfigVars) -> std::result::Result<Self, FileError> {
        let dir = files::temp_dir(None)?;
        let (cache, env) = (dir.path().join("cache"), dir.path().join("env"));
        files::create_dir_all(&cache)?;
        files::create_dir_all(&env)?;
        // A step may have another user id. The directory around lets nobody else in.
        files::set_mode(&env, 0o755)?;
        for name in config_vars.names() {
            let value = config_vars.get(name).unwrap_or_default();
            files::write_atomically(&env.join(name), value.as_encoded_bytes())?;
        }
        Ok(Self { dir })
    }

    fn vars(
        &self,
        mut vars: BTreeMap<OsString, OsString>,
        build_dir: &Path,
        commit: Option<&str>,
    ) -> BTreeMap<OsString, OsString> {
        vars.entry("STACK".into()).or_insert_with(|| DEFAULT_STACK.into());
        for (name, value) in [
            ("BUILD_DIR", build_dir.into()),
            ("CACHE_DIR", self.dir.path().join("cache").into_os_string()),
            ("ENV_DIR", self.dir.path().join("env").into_os_string()),
            ("SOURCE_VERSION", commit.unwrap_or_default().into()),
        ] {
            vars.insert(name.into(), value);
        }
        vars
    }
}

/// Returns a digest of the config vars, and of what of the environment changes what the steps do.
fn digest_of_vars(config_vars: &ConfigVars, base: &BTreeMap<OsString, OsString>) -> String {
    let mut all = config_vars.clone();
    for name in [DISABLING_VARIABLE, "STACK"] {
        if let (None, Some(value)) = (config_vars.get(name), base.get(std::ffi::OsStr::new(name))) {
            all.extend([(name, value.clone())]);
        }
    }
    all.digest()
}

/// Where a layer keeps the list of what is no longer there: paths, each behind a NUL.
const REMOVED: &str = ".heroku/.slugc-removed";

fn write_removed(tree: &Path, removed: &BTreeSet<Vec<u8>>) -> std::result::Result<(), FileError> {
    let list: Vec<u8> = removed.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
    let path = tree.join(REMOVED);
    files::create_dir_all(path.parent().unwrap_or(tree))?;
    files::write_atomically(&path, &list)
}

fn read_removed(layer: &Layer) -> BTreeSet<Vec<u8>> {
    let list = fs::read(layer.tree().join(REMOVED)).unwrap_or_default();
    list.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}
