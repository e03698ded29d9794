//! Makes the layers of a plan. When the first choice of Python or of uv can't be had, the facts change,
//! and the plan is made again from them.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use super::context::Context;
use super::layers::{Layer, has_layer, provide_layer};
use super::missing_tools::missing_tools;
use super::pip_layer::fill_pip_layer;
use super::preinstalled::without_replaced_tools;
use super::python::Python;
use super::survey::Survey;
use super::unreachable;
use super::uv;
use crate::app::ignored;
use crate::error::{Door, ErrorCode, MessageCode, Result};
use crate::output::Output;
use crate::plan::{Installer, LayerId, LayerPlan, Notice, PackageManager, Plan};
use crate::python::requirements::normalised_name;
use crate::slug::tree::Entry;
use crate::store::Store;

/// The layers that were made, and the plan that they were made by.
pub(crate) struct Built {
    /// The plan.
    pub plan: Plan,
    /// runtime, pip (where pip is the package manager), dependencies, project (where packages are built from the
    /// app itself).
    pub layers: Vec<Layer>,
}

/// What lies over Python, and the plan that it was made by.
pub(super) struct Installed {
    plan: Plan,
    pip: Option<Layer>,
    dependencies: Layer,
    project: Option<Layer>,
}

impl Survey {
    /// Says which Python is used and what the user should know.
    pub(crate) fn announce(&self, context: Context<'_>) -> Result<()> {
        context.output.step(self.version.describe());
        let is_platforms = |notice: &&Notice| {
            context.output.door() == Door::Buildpack
                && matches!(notice.code, MessageCode::Finding(code) if ignored::CODES.contains(&code))
        };
        for notice in self.plan()?.notices.iter().filter(|notice| !is_platforms(notice)) {
            tell(notice, context.output);
        }
        Ok(())
    }

    /// Makes the layers.
    pub(crate) fn execute(&mut self, context: Context<'_>) -> Result<Built> {
        let (runtime, installed) = self.provide_runtime(context)?;
        let Installed { plan, pip, dependencies, project } = match installed {
            Some(installed) => installed,
            None => self.install(&Python::in_layer(&runtime, self.runtime.version()), context)?,
        };
        let mut names = installed_names(&dependencies.entries);
        names.extend(project.iter().flat_map(|project| installed_names(&project.entries)));
        for notice in missing_tools(&self.app, &names) {
            tell(&notice, context.output);
        }
        let stays = plan.package_manager == PackageManager::Pip;
        let pip = pip.filter(|_| stays).map(|pip| without_replaced_tools(pip, &names));
        let layers: Vec<Layer> =
            [Some(runtime), pip, Some(dependencies), project].into_iter().flatten().collect();
        // Which of the app's own steps are of use is known now.
        self.note_installed(&layers);
        Ok(Built { plan: self.plan()?, layers })
    }

    /// Makes what lies over Python. The layer of Python itself needn't be finished, only its key be known.
    pub(super) fn install(&mut self, python: &Python, context: Context<'_>) -> Result<Installed> {
        let mut plan = self.plan()?;
        if self.needs_uv(&plan, context.store) {
            context.record.time("package_manager_install_duration", || self.provide_uv(python, context))?;
            plan = self.plan()?;
        }
        let (pip, dependencies, project) = context
            .record
            .time("dependencies_install_duration", || self.install_packages(&mut plan, python, context))?;
        Ok(Installed { plan, pip, dependencies, project })
    }

    fn install_packages(
        &mut self,
        plan: &mut Plan,
        python: &Python,
        context: Context<'_>,
    ) -> Result<(Option<Layer>, Layer, Option<Layer>)> {
        let (mut pip, mut project) = (None, None);
        if let Some(layer) = plan.layer(LayerId::Pip).filter(|_| !can_install_pip_beside(plan)) {
            pip = Some(self.provide_pip(layer, plan, python, context, || ())?);
        }
        if let Some(layer) = plan.layer(LayerId::Project) {
            project = Some(self.provide_project(layer, plan, python, context)?);
            // What the app's own packages need is known now.
            *plan = self.plan()?;
            project = project.filter(|_| plan.layer(LayerId::Project).is_some());
        }
        let (survey, plan): (&Self, &Plan) = (self, plan);
        let Some(layer) = plan.layer(LayerId::Pip).filter(|_| pip.is_none()) else {
            let dependencies = survey.provide_dependencies(plan, python, pip.as_ref(), context)?;
            return Ok((pip, dependencies, project));
        };
        // Each says first what it does, so that the log has the same order in every build.
        thread::scope(|scope| {
            let (sender, announced) = mpsc::channel::<()>();
            let pip = scope.spawn(move || survey.provide_pip(layer, plan, python, context, || drop(sender)));
            let _ = announced.recv();
            let dependencies = survey.provide_dependencies(plan, python, None, context);
            let pip = pip.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok((Some(pip), dependencies?, project))
        })
    }

    /// Whether uv will install something.
    pub(super) fn needs_uv(&self, plan: &Plan, store: &Store) -> bool {
        let is_missing = |id: &LayerId| plan.layer(*id).is_some_and(|layer| !has_layer(layer, store));
        plan.installer == Installer::Uv
            && (self.settings.refresh
                || [LayerId::Pip, LayerId::Project, LayerId::Dependencies].iter().any(is_missing))
    }

    fn provide_uv(&mut self, python: &Python, context: Context<'_>) -> Result<()> {
        let Context { store, env, output, .. } = context;
        if self.uv.is_some() {
            return Ok(());
        }
        self.uv = match uv::fetch_uv(python, &self.pip, store, env, output) {
            Ok(uv) => Some(uv),
            Err(failure) if failure.code() == ErrorCode::Interrupted => return Err(failure),
            Err(failure) => match uv::uv_on_path(store, env, output)? {
                Some(uv) => {
                    output.detail(format!("Using uv {} ({}) instead", uv.version, uv.executable.display()));
                    unreachable::remember("uv", store)?;
                    Some(uv)
                }
                None => return Err(failure),
            },
        };
        Ok(())
    }

    fn provide_pip(
        &self,
        layer: &LayerPlan,
        plan: &Plan,
        python: &Python,
        context: Context<'_>,
        announced: impl FnOnce(),
    ) -> Result<Layer> {
        let Context { store, env, output, .. } = context;
        let uv = self.uv.as_ref().filter(|_| plan.installer == Installer::Uv);
        provide_layer(layer, &self.settings.lineage, store, env, output, |tree| {
            output.step(format!("Installing {}", layer.contents));
            announced();
            fill_pip_layer(tree, python, uv, &self.pip, Context { env: &self.installer_env, ..context })
        })
    }
}

pub(super) fn tell(notice: &Notice, output: &Output) {
    if notice.warning {
        output.warning(notice.code, notice.text.clone());
    } else {
        output.notice(notice.code, notice.text.clone());
    }
}

/// Whether pip, which stays available in the slug, can be installed at the same time as the packages. Where setuptools
/// comes with it, that counts as installed for them.
fn can_install_pip_beside(plan: &Plan) -> bool {
    let has_setuptools = plan.package_manager.has_setuptools_before(plan.runtime.version());
    plan.installer == Installer::Uv && plan.layer(LayerId::Project).is_none() && !has_setuptools
}

pub(super) fn layer_plan(plan: &Plan, id: LayerId) -> &LayerPlan {
    plan.layer(id).expect("every plan has a runtime and dependencies")
}

/// Returns the normalised names of the distributions in a tree, by their dist-info directories.
pub(crate) fn installed_names(entries: &[Entry]) -> BTreeSet<String> {
    entries
        .iter()
        .filter_map(|entry| {
            let path = std::str::from_utf8(&entry.path).ok()?;
            let (_, rest) = path.split_once("/site-packages/")?;
            let (name, _version) = rest.strip_suffix(".dist-info")?.split_once('-')?;
            Some(normalised_name(name))
        })
        .collect()
}
