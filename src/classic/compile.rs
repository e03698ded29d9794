//! `bin/compile BUILD_DIR CACHE_DIR [ENV_DIR]`: the order of a build, and the report about it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cache::{self, Cache};
use super::{causes, checks, place, report, stack};
use crate::app::source::{AppSource, read_source};
use crate::build::changes::{paths_below, settle_changes, warn_of_build_paths};
use crate::build::check::{findings_of, installed_in, missing_procfile_of};
use crate::build::config_vars::ConfigVars;
use crate::build::deadline::{Deadline, within};
use crate::build::execute::{Built, Workshop};
use crate::build::explain::explained;
use crate::build::hooks::Hook;
use crate::build::record::Record;
use crate::build::sbom::write_sbom_of_directory;
use crate::build::stage::{self, Transfer};
use crate::build::steps::{Prepared, Workspace};
use crate::build::survey::{self, BuildSettings, Survey};
use crate::env::Env;
use crate::error::{ErrorCode, NoticeCode, Result, UserError};
use crate::output::Output;
use crate::plan::environment::compile_environment;
use crate::plan::installer::parse_installer;
use crate::plan::manager::SETUPTOOLS_VERSION;
use crate::plan::runtime::{PythonSource, parse_python_source};
use crate::plan::{EnvDelta, Installer, PackageManager, Plan};
use crate::python::supported;
use crate::slug::tree::Entry;
use crate::store::{Store, parse_duration};

/// The directories that the platform gives.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The app, built in place.
    pub(super) build_dir: PathBuf,
    /// What is kept from build to build.
    pub(super) cache_dir: PathBuf,
    /// A file for each config var.
    pub(super) env_dir: Option<PathBuf>,
}

/// Builds in place, and writes the report whether or not that worked.
pub(super) fn run(places: &Places, env: &Env, output: &Output) -> Result<()> {
    let record = Record::default();
    report::begin(&places.cache_dir)?;
    let result = read_deadline(env).and_then(|deadline| {
        let build = || build(places, env, output, &record);
        record.time("total_duration", || within(deadline, env, output, build))
    });
    if let Err(failure) = &result
        && let Some(cause) = causes::note_failure(failure, &record)
    {
        output.warning(cause.code, cause.text);
    }
    let written = report::write(&places.cache_dir, &record);
    // The build's own failure says more.
    result.and(written)
}

fn build(places: &Places, env: &Env, output: &Output, record: &Record) -> Result<()> {
    let Places { build_dir, cache_dir, env_dir } = places;
    let stack = stack::read_stack(env, output)?;
    checks::check_other_buildpack(build_dir, env)?;
    let env = &without_python_variables(env);
    let store = Store::open(&cache_dir.join(".slugc"))?;
    store.warn_if_open_to_all(output);
    let shop = Workshop { store: &store, env, output, record, cell: None };
    let config_vars = ConfigVars::read(env_dir.as_deref())?;
    let workspace =
        Workspace { dir: build_dir, vars: places.compile_environment(env), config_vars: &config_vars };
    let app_steps = AppSteps { places, workspace, shop };
    app_steps.run_pre_compile().map_err(|failure| {
        match read_source(build_dir, &BTreeSet::new(), &env.interrupt) {
            Ok(app) => explained(failure, &app, Vec::new),
            Err(_) => failure,
        }
    })?;
    checks::check_python_dir(build_dir)?;

    // What git ignores isn't there: the platform has exported the commit.
    let app = read_source(build_dir, &BTreeSet::new(), &env.interrupt)?;
    let manager = survey::choose_manager(&app, survey::read_pyproject(&app))?.0;
    record.set("package_manager", manager.reported_name());
    checks::check_venv_dir(build_dir)?;
    let cache = Cache::read(cache_dir, &store);
    let mut entries = |app: &AppSource| stage::index_app(app, env);
    let mut survey = Survey::read(app, &mut entries, settings(&cache, &config_vars, env)?, shop)?;
    survey.announce(shop)?;
    survey.settle_runtime(shop)?;
    let plan = survey.plan()?;
    note_tools(&plan, record);
    let facts = cache::gather_facts(&stack, &plan, &survey.inputs().files);
    record.time("cache_restore_duration", || cache.restore(&facts, &plan, shop))?;

    let mut built = survey.execute(shop)?;
    note_tools(&built.plan, record);
    place::put_layers(&built, build_dir, app_steps.transfer(), env)?;
    let is_linked = place::link_app(build_dir, place::APP.as_ref(), env);
    let app_entries = app_steps.list_app(survey.app())?;
    let installed = || installed_in(&built.layers, cache::LINEAGE, shop);
    if let Some(finding) = missing_procfile_of(survey.app(), installed) {
        output.notice(finding.code, finding.message);
    }
    let prepared = app_steps.prepare_data(&mut built);
    let findings = || findings_of(survey.app(), &built.layers, cache::LINEAGE, shop);
    let explain = |failure| explained(failure, survey.app(), findings);
    let environment = prepared.map_err(explain)?;
    place::write_profile(survey.app(), &environment, build_dir)?;
    let home = if is_linked { place::APP.as_ref() } else { build_dir.as_path() };
    place::write_export(&environment, home, env);
    app_steps.run_post_compile(&app_entries, &built).map_err(explain)?;
    write_sbom_of_directory(build_dir, &built.plan, env)?;
    record.time("cache_save_duration", || cache.save(&facts, &built, shop))?;
    recommend_uv(manager, output);
    Ok(())
}

impl Places {
    /// Returns the environment of the app's own programs, which are told where everything is.
    fn compile_environment(&self, env: &Env) -> BTreeMap<OsString, OsString> {
        let mut vars = compile_environment(&self.build_dir, &env.vars);
        vars.insert("BUILD_DIR".into(), self.build_dir.clone().into());
        vars.insert("CACHE_DIR".into(), self.cache_dir.clone().into());
        vars.insert("ENV_DIR".into(), self.env_dir.clone().unwrap_or_default().into());
        vars
    }
}

/// The app's own programs, which run in the build directory.
struct AppSteps<'a> {
    places: &'a Places,
    workspace: Workspace<'a>,
    shop: Workshop<'a>,
}

impl AppSteps<'_> {
    fn run_hook(&self, hook: Hook) -> Result<()> {
        self.workspace.run_hook(hook, self.shop)?;
        report::check(&self.places.cache_dir)
    }

    fn run_pre_compile(&self) -> Result<()> {
        self.run_hook(Hook::PreCompile)?;
        if self.has_hook(Hook::PreCompile) {
            self.warn_of_build_paths(&paths_below(&self.places.build_dir));
        }
        Ok(())
    }

    /// Downloads corpora and collects static files. Returns the environment that the app will run in.
    fn prepare_data(&self, built: &mut Built) -> Result<EnvDelta> {
        let Prepared { environment, corpora } =
            self.workspace.prepare_data(built, cache::LINEAGE, self.shop)?;
        built.layers.extend(corpora);
        Ok(environment)
    }

    /// Each build compares the cache with what it was, so what later buildpacks edit in place is found and made anew. The app's
    /// own program would do that each time.
    fn transfer(&self) -> Transfer {
        if self.has_hook(Hook::PostCompile) { Transfer::Copy } else { Transfer::Link }
    }

    /// Lists the app's files, to be compared with what its hook leaves. Without a hook nothing is compared.
    fn list_app(&self, app: &AppSource) -> Result<Vec<Entry>> {
        if self.has_hook(Hook::PostCompile) { stage::index_app(app, self.shop.env) } else { Ok(Vec::new()) }
    }

    fn run_post_compile(&self, app_entries: &[Entry], built: &Built) -> Result<()> {
        self.run_hook(Hook::PostCompile)?;
        if !self.has_hook(Hook::PostCompile) {
            return Ok(());
        }
        let changed = settle_changes(&self.places.build_dir, app_entries, built, self.shop)?;
        self.warn_of_build_paths(&changed);
        Ok(())
    }

    fn has_hook(&self, hook: Hook) -> bool {
        self.places.build_dir.join(hook.path()).is_file()
    }

    fn warn_of_build_paths(&self, paths: &[PathBuf]) {
        let build_dir = &self.places.build_dir;
        // Where the app is built in its place, the path is right.
        if build_dir != Path::new(place::APP) {
            warn_of_build_paths(build_dir, paths, build_dir, self.shop.output);
        }
    }
}

/// An earlier Python's variables would lead ours astray.
fn without_python_variables(env: &Env) -> Env {
    let mut env = env.clone();
    for name in ["PYTHONHOME", "PYTHONPATH"] {
        env.vars.remove(std::ffi::OsStr::new(name));
    }
    env
}

fn settings(cache: &Cache<'_>, config_vars: &ConfigVars, env: &Env) -> Result<BuildSettings> {
    let python_source = match env.text("SLUGC_PYTHON_SOURCE") {
        Some(text) => parse_python_source(text)?,
        None => PythonSource::Auto,
    };
    Ok(BuildSettings {
        python_source,
        python_mirror: env.text("SLUGC_PYTHON_MIRROR").map(str::to_owned),
        installer: read_installer(config_vars, env)?,
        test: env.var("INSTALL_TEST").is_some(),
        require_locked: env.is_on("SLUGC_REQUIRE_LOCKED"),
        refresh: false,
        // A build system has a machine or container for each build, and a cache for each app.
        isolates_steps: false,
        lineage: cache::LINEAGE.to_owned(),
        last_python: cache.last_python(),
        config_vars: config_vars.clone(),
    })
}

/// The time is the platform's own unless whoever runs the build says otherwise; config vars don't.
fn read_deadline(env: &Env) -> Result<Deadline> {
    const NAME: &str = "SLUGC_TIMEOUT";
    let Some(text) = env.text(NAME) else { return Ok(Deadline::default()) };
    Ok(parse_duration(text).map(Deadline::of_seconds).map_err(|reason| BadTimeout { reason })?)
}

/// The variable that says how long a build may take can't be read.
#[derive(Debug, thiserror::Error)]
#[error("The environment variable SLUGC_TIMEOUT can't be read: {reason}.")]
struct BadTimeout {
    reason: String,
}

impl UserError for BadTimeout {
    fn code(&self) -> ErrorCode {
        ErrorCode::TimeoutInvalid
    }
}

/// Heroku's users can set config vars only; other platforms pass what the build itself was given.
fn read_installer(config_vars: &ConfigVars, env: &Env) -> Result<Option<Installer>> {
    const NAME: &str = "SLUGC_INSTALLER";
    let value = env.var(NAME).or_else(|| config_vars.get(NAME)).filter(|value| !value.is_empty());
    Ok(value.map(|value| parse_installer(&value.to_string_lossy())).transpose()?)
}

fn note_tools(plan: &Plan, record: &Record) {
    let manager = plan.package_manager;
    if let Some(version) = cache::tool_version(plan) {
        record.set(&format!("{}_version", manager.name().to_lowercase()), version);
    }
    let python = plan.runtime.version();
    record.set("python_version", python.to_string());
    record.set("python_version_major", python.minor_version());
    if manager.has_setuptools_before(python) {
        record.set("setuptools_version", SETUPTOOLS_VERSION);
    }
    let newest = supported::newest(python.major, python.minor);
    record.set("python_version_outdated", newest.is_some_and(|newest| python < newest));
}

fn recommend_uv(manager: PackageManager, output: &Output) {
    match manager {
        PackageManager::Uv => {}
        // uv has installed it already.
        PackageManager::Pyproject => output.notice(
            NoticeCode::PackageManagerUvRecommended,
            "pyproject.toml is all that uv needs: `uv lock` writes uv.lock, and once that is \
             committed, every build is the same.\nhttps://docs.astral.sh/uv/concepts/projects/sync/",
        ),
        _ => output.notice(
            NoticeCode::PackageManagerUvRecommended,
            format!(
                "{} works well. For new apps, uv is the better choice: it is fast, and its lock file \
             makes every build the same.\nhttps://docs.astral.sh/uv/guides/migration/",
                manager.name()
            ),
        ),
    }
}
