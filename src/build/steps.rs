//! The app's own steps, in the directory that holds the app and its layers: NLTK's corpora, collectstatic, hooks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::config_vars::ConfigVars;
use super::confine::{Run, StepCell, run_step};
use super::context::Context;
use super::execute::Built;
use super::hooks::{Hook, run_hook};
use super::importable::can_import;
use super::layers::Layer;
use super::{collectstatic, nltk};
use crate::error::Result;
use crate::host::process::{Captured, Invocation, RunError};
use crate::plan::environment::of_app;
use crate::plan::steps::StepKind;
use crate::plan::{EnvDelta, Step, StepPlan};

/// Where the app's own steps run.
pub(crate) struct Workspace {
    /// The app with its layers, as in a dyno.
    pub dir: PathBuf,
    /// The environment of the steps, without config vars.
    pub vars: BTreeMap<OsString, OsString>,
    /// The app's config vars.
    pub config_vars: ConfigVars,
    /// What keeps them apart from the rest of the machine; without it, they run beside everything else.
    pub cell: Option<StepCell>,
}

/// What was made before the last hook.
pub(crate) struct Prepared {
    /// The environment that the app will run in.
    pub environment: EnvDelta,
    /// NLTK's corpora, if the app has some.
    pub corpora: Option<Layer>,
}

impl Workspace {
    /// Returns the environment of steps that see the config vars.
    pub(super) fn with_config_vars(&self) -> BTreeMap<OsString, OsString> {
        let mut vars = self.vars.clone();
        vars.extend(self.config_vars.for_child());
        vars
    }

    /// Runs one of the app's own programs to its end.
    pub(super) fn run(
        &self,
        run: Run,
        invocation: Invocation,
        context: Context<'_>,
    ) -> std::result::Result<Captured, RunError> {
        run_step(run, invocation, &self.dir, self.cell.as_ref(), context.env, context.output)
    }

    /// Runs a hook if the app has it.
    pub(crate) fn run_hook(&self, hook: Hook, context: Context<'_>) -> Result<()> {
        run_hook(hook, self, context)
    }

    /// Downloads corpora and collects static files, as it is planned. Where only Python could tell whether a step is of use,
    /// it is asked. `lineage` names the app in the store.
    pub(crate) fn prepare_data(
        &self,
        built: &Built,
        lineage: &str,
        context: Context<'_>,
    ) -> Result<Prepared> {
        let mut steps = Vec::new();
        for step in &built.plan.steps {
            steps.extend(self.settle(step, context)?);
        }
        let decision = |kind| steps.iter().find(|step| step.kind() == kind).map(|step| &step.decision);
        let corpora = context.record.time("nltk_downloader_duration", || match decision(StepKind::Nltk) {
            Some(Ok(Step::Nltk(corpora))) => {
                nltk::put_corpora(corpora, &built.layers, self, lineage, context).map(Some)
            }
            Some(Err(skip)) => {
                nltk::tell_skipped(*skip, context);
                Ok(None)
            }
            _ => Ok(None),
        })?;
        context.record.time("django_collectstatic_duration", || match decision(StepKind::Collectstatic) {
            Some(Ok(Step::Collectstatic(manage))) => collectstatic::run(manage, self, context),
            Some(Err(skip)) => {
                collectstatic::tell_skipped(*skip, context);
                Ok(())
            }
            _ => Ok(()),
        })?;
        Ok(Prepared { environment: of_app(built.plan.package_manager, &steps), corpora })
    }

    /// Decides about a step for certain; none is left if the app has no use for it.
    fn settle(&self, step: &StepPlan, context: Context<'_>) -> Result<Option<StepPlan>> {
        let is_needed = match step.needs {
            Some(module) => can_import(module, self, context)?,
            None => true,
        };
        Ok(is_needed.then(|| StepPlan { needs: None, ..step.clone() }))
    }
}

/// Says which steps are passed over, where none is run.
pub(crate) fn tell_skipped(steps: &[StepPlan], context: Context<'_>) {
    for skip in
        steps.iter().filter(|step| step.needs.is_none()).filter_map(|step| step.decision.as_ref().err())
    {
        nltk::tell_skipped(*skip, context);
        collectstatic::tell_skipped(*skip, context);
    }
}
