//! A build, from the app to its layers and to what its own steps make of them: one order for every door.

use super::check::findings_of;
use super::context::Context;
use super::execute::Built;
use super::explain::explained;
use super::hooks::Hook;
use super::layers::Layer;
use super::stage::write_generated_files;
use super::steps::{Prepared, Workspace, tell_skipped};
use super::survey::{BuildSettings, Survey};
use crate::app::source::AppSource;
use crate::error::Result;
use crate::plan::EnvDelta;
use crate::slug::tree::Entry;

/// Where a build lives: the store for a slug, BUILD_DIR and CACHE_DIR for the classic buildpack.
pub(crate) trait Site {
    /// Gives the directory in which `bin/pre_compile` runs, unless there is nothing to run.
    fn begin(&mut self) -> Result<Option<Workspace>>;
    /// Takes what `bin/pre_compile` has made.
    fn begun(&mut self, workspace: &Workspace) -> Result<()>;
    /// Reads the app as a hook that has failed has left it, to explain that; none if it can't be read.
    fn source(&mut self) -> Option<AppSource>;
    /// Reads the app, as it is after `bin/pre_compile`. It is asked for once.
    fn app(&mut self) -> Result<AppSource>;
    /// Says how the app is built. `bin/pre_compile` may have changed what that depends on.
    fn settings(&mut self) -> Result<BuildSettings>;
    /// Lists the app's files with their digests.
    fn index(&mut self, app: &AppSource) -> Result<Vec<Entry>>;
    /// Looks at what earlier builds have kept, before anything is installed.
    fn restore(&mut self, survey: &mut Survey) -> Result<()>;
    /// Gives the directory with the app and its layers in which the other steps run, unless there is nothing to run.
    fn workspace(&mut self, survey: &Survey, built: &Built) -> Result<Option<Workspace>>;
    /// Tells others than the app of the environment that it will run in.
    fn export(&mut self, environment: &EnvDelta) -> Result<()>;
    /// Takes what the steps have made; `corpora` are NLTK's, if there are some.
    fn settle(&mut self, workspace: &Workspace, built: &mut Built, corpora: Option<Layer>) -> Result<()>;
}

/// Builds an app.
pub(crate) fn build(site: &mut dyn Site, context: Context<'_>) -> Result<(Survey, Built)> {
    run_pre_compile(site, context)?;
    let app = site.app()?;
    let settings = site.settings()?;
    let mut survey = Survey::read(app, &mut |app| site.index(app), settings, context)?;
    survey.announce(context)?;
    site.restore(&mut survey)?;
    let mut built = survey.execute(context)?;
    match site.workspace(&survey, &built)? {
        Some(workspace) => run_steps(site, &workspace, &survey, &mut built, context)?,
        None => tell_skipped(&built.plan.steps, context),
    }
    Ok((survey, built))
}

/// Runs the hook that may write the very files that decide.
fn run_pre_compile(site: &mut dyn Site, context: Context<'_>) -> Result<()> {
    let Some(workspace) = site.begin()? else { return Ok(()) };
    match workspace.run_hook(Hook::PreCompile, context) {
        Ok(()) => site.begun(&workspace),
        Err(failure) => Err(match site.source() {
            Some(app) => explained(failure, &app, Vec::new),
            None => failure,
        }),
    }
}

/// Runs the steps that come after the installation.
fn run_steps(
    site: &mut dyn Site,
    workspace: &Workspace,
    survey: &Survey,
    built: &mut Built,
    context: Context<'_>,
) -> Result<()> {
    let (app, lineage) = (survey.app(), &survey.settings.lineage);
    let explain = |failure, built: &Built| {
        explained(failure, app, || findings_of(app, &built.layers, lineage, context))
    };
    let prepared = workspace.prepare_data(built, lineage, context);
    let Prepared { environment, corpora } = prepared.map_err(|failure| explain(failure, built))?;
    write_generated_files(app, &environment, &workspace.dir)?;
    site.export(&environment)?;
    workspace.run_hook(Hook::PostCompile, context).map_err(|failure| explain(failure, built))?;
    site.settle(workspace, built, corpora)
}
