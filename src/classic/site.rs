//! Where `bin/compile` builds: in place, in BUILD_DIR, with what is kept in CACHE_DIR.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cache::{self, Cache};
use super::compile::Places;
use super::{checks, place, report};
use crate::app::source::{AppSource, read_source};
use crate::build::changes::{paths_below, settle_changes, warn_of_build_paths};
use crate::build::check::{installed_in, missing_procfile_of};
use crate::build::config_vars::ConfigVars;
use crate::build::context::Context;
use crate::build::execute::Built;
use crate::build::hooks::Hook;
use crate::build::layers::Layer;
use crate::build::pipeline::Site;
use crate::build::record::Record;
use crate::build::stage::{self, Transfer};
use crate::build::steps::Workspace;
use crate::build::survey::{BuildSettings, Survey, choose_manager, read_pyproject};
use crate::env::Env;
use crate::error::Result;
use crate::plan::environment::compile_environment;
use crate::plan::installer::parse_installer;
use crate::plan::manager::SETUPTOOLS_VERSION;
use crate::plan::runtime::{PythonSource, parse_python_source};
use crate::plan::{EnvDelta, Installer, Plan};
use crate::python::supported;
use crate::slug::tree::Entry;

/// BUILD_DIR, CACHE_DIR, and what is known in the course of the build.
pub(super) struct ClassicSite<'a> {
    places: &'a Places,
    stack: &'a str,
    config_vars: &'a ConfigVars,
    context: Context<'a>,
    /// What the last build has left; read after `bin/pre_compile`, which may have put a version of Python there.
    cache: Option<Cache<'a>>,
    /// What the cache of this build is made from, once that is known.
    facts: Option<cache::Facts>,
    /// The app's files before its own programs ran, to be compared with what its hook leaves. Without a hook nothing is
    /// compared.
    app_entries: Vec<Entry>,
    /// Whether Python can be found in its place at run time already.
    is_linked: bool,
}

impl<'a> ClassicSite<'a> {
    /// Prepares a build in these directories, for a stack.
    pub(super) fn new(
        places: &'a Places,
        stack: &'a str,
        config_vars: &'a ConfigVars,
        context: Context<'a>,
    ) -> Self {
        Self {
            places,
            stack,
            config_vars,
            cache: None,
            context,
            facts: None,
            app_entries: Vec::new(),
            is_linked: false,
        }
    }

    /// Keeps what the next build can use.
    pub(super) fn save_cache(&self, built: &Built) -> Result<()> {
        match (&self.cache, &self.facts) {
            (Some(cache), Some(facts)) => cache.save(facts, built, self.context),
            // There was no build.
            _ => Ok(()),
        }
    }

    fn build_dir(&self) -> &Path {
        &self.places.build_dir
    }

    /// Describes how the app's own programs run. They are told where everything is.
    fn describe_workspace(&self) -> Workspace {
        let Places { build_dir, cache_dir, env_dir } = self.places;
        let mut vars: BTreeMap<OsString, OsString> = compile_environment(build_dir, &self.context.env.vars);
        vars.insert("BUILD_DIR".into(), build_dir.into());
        vars.insert("CACHE_DIR".into(), cache_dir.into());
        vars.insert("ENV_DIR".into(), env_dir.clone().unwrap_or_default().into());
        // A build system has a machine or container for each build: nothing is kept apart.
        Workspace { dir: build_dir.clone(), vars, config_vars: self.config_vars.clone(), cell: None }
    }

    fn has_hook(&self, hook: Hook) -> bool {
        self.build_dir().join(hook.path()).is_file()
    }

    /// Each build compares the cache with what it was, so what later buildpacks edit in place is found and made anew. The app's
    /// own program would do that each time.
    fn transfer(&self) -> Transfer {
        if self.has_hook(Hook::PostCompile) { Transfer::Copy } else { Transfer::Link }
    }

    fn warn_of_build_paths(&self, paths: &[PathBuf]) {
        // Where the app is built in its place, the path is right.
        if self.build_dir() != Path::new(place::APP) {
            warn_of_build_paths(self.build_dir(), paths, self.build_dir(), self.context.output);
        }
    }
}

impl Site for ClassicSite<'_> {
    fn begin(&mut self) -> Result<Option<Workspace>> {
        Ok(Some(self.describe_workspace()))
    }

    fn begun(&mut self, _workspace: &Workspace) -> Result<()> {
        report::check(&self.places.cache_dir)?;
        if self.has_hook(Hook::PreCompile) {
            self.warn_of_build_paths(&paths_below(self.build_dir()));
        }
        Ok(())
    }

    fn source(&mut self) -> Option<AppSource> {
        read(self.build_dir(), self.context.env).ok()
    }

    fn app(&mut self) -> Result<AppSource> {
        checks::check_python_dir(self.build_dir())?;
        let app = read(self.build_dir(), self.context.env)?;
        let manager = choose_manager(&app, read_pyproject(&app))?.0;
        self.context.record.set("package_manager", manager.reported_name());
        checks::check_venv_dir(self.build_dir())?;
        Ok(app)
    }

    fn settings(&mut self) -> Result<BuildSettings> {
        let cache = self.cache.insert(Cache::read(&self.places.cache_dir, self.context.store));
        settings(cache, self.config_vars, self.context.env)
    }

    fn index(&mut self, app: &AppSource) -> Result<Vec<Entry>> {
        stage::index_app(app, self.context.env)
    }

    fn restore(&mut self, survey: &mut Survey) -> Result<()> {
        let context = self.context;
        survey.settle_runtime(context)?;
        let plan = survey.plan()?;
        note_tools(&plan, context.record);
        let facts = cache::gather_facts(self.stack, &plan, &survey.inputs().files);
        if let Some(cache) = &self.cache {
            context.record.time("cache_restore_duration", || cache.restore(&facts, &plan, context))?;
        }
        self.facts = Some(facts);
        Ok(())
    }

    fn workspace(&mut self, survey: &Survey, built: &Built) -> Result<Option<Workspace>> {
        let context = self.context;
        note_tools(&built.plan, context.record);
        for layer in &built.layers {
            stage::put_layer(layer, self.build_dir(), self.transfer(), context.env)?;
        }
        self.is_linked = place::link_app(self.build_dir(), place::APP.as_ref(), context.env);
        if self.has_hook(Hook::PostCompile) {
            self.app_entries = stage::index_app(survey.app(), context.env)?;
        }
        let installed = || installed_in(&built.layers, cache::LINEAGE, context);
        if let Some(finding) = missing_procfile_of(survey.app(), installed) {
            context.output.notice(finding.code, finding.message);
        }
        Ok(Some(self.describe_workspace()))
    }

    fn export(&mut self, environment: &EnvDelta) -> Result<()> {
        let home = if self.is_linked { place::APP.as_ref() } else { self.build_dir() };
        place::write_export(environment, home, self.context.env);
        Ok(())
    }

    fn settle(&mut self, _workspace: &Workspace, built: &mut Built, corpora: Option<Layer>) -> Result<()> {
        built.layers.extend(corpora);
        report::check(&self.places.cache_dir)?;
        if self.has_hook(Hook::PostCompile) {
            let changed = settle_changes(self.build_dir(), &self.app_entries, built, self.context)?;
            self.warn_of_build_paths(&changed);
        }
        Ok(())
    }
}

/// Reads the app. What git ignores isn't there: the platform has exported the commit.
fn read(build_dir: &Path, env: &Env) -> Result<AppSource> {
    Ok(read_source(build_dir, &BTreeSet::new(), &env.interrupt)?)
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

/// Heroku's users can set config vars only; other platforms pass what the build itself was given.
fn read_installer(config_vars: &ConfigVars, env: &Env) -> Result<Option<Installer>> {
    const NAME: &str = "SLUGC_INSTALLER";
    let value = env.var(NAME).or_else(|| config_vars.get(NAME)).filter(|value| !value.is_empty());
    Ok(value.map(|value| parse_installer(&value.to_string_lossy())).transpose()?)
}
