//! `bin/compile BUILD_DIR CACHE_DIR [ENV_DIR]`: the order of a build, and the report about it.

use std::path::PathBuf;

use super::site::ClassicSite;
use super::{causes, checks, report, stack};
use crate::build::config_vars::ConfigVars;
use crate::build::context::Context;
use crate::build::deadline::{Deadline, within};
use crate::build::pipeline;
use crate::build::record::Record;
use crate::build::sbom::write_sbom_of_directory;
use crate::env::Env;
use crate::error::{ErrorCode, NoticeCode, Result, UserError};
use crate::output::Output;
use crate::plan::PackageManager;
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
    let context = Context { store: &store, env, output, record };
    let config_vars = ConfigVars::read(env_dir.as_deref())?;
    let mut site = ClassicSite::new(places, &stack, &config_vars, context);
    let (survey, built) = pipeline::build(&mut site, context)?;
    write_sbom_of_directory(build_dir, &built.plan, env)?;
    record.time("cache_save_duration", || site.save_cache(&built))?;
    recommend_uv(survey.package_manager, output);
    Ok(())
}

/// An earlier Python's variables would lead ours astray.
fn without_python_variables(env: &Env) -> Env {
    let mut env = env.clone();
    for name in ["PYTHONHOME", "PYTHONPATH"] {
        env.vars.remove(std::ffi::OsStr::new(name));
    }
    env
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
