//! Makes the layers of a plan. When the first choice of Python or of uv can't be had, the facts change,
//! and the plan is made again from them.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use super::config_vars::ConfigVars;
use super::confine::StepCell;
use super::index_access::with_encoded_credentials;
use super::inputs::{self, Reading};
use super::layers::{Layer, has_layer, provide_layer};
use super::own_source::OwnSource;
use super::pip_layer::fill_pip_layer;
use super::places::{add_places, ignored_indexes};
use super::preinstalled::without_replaced_tools;
use super::python::Python;
use super::record::Record;
use super::required_version::check_required_version;
use super::runtime::choose::{RuntimeRequest, choose_runtime};
use super::survey;
use super::tool_env::build_settings;
use super::unreachable;
use super::uv::{self, Uv};
use crate::app::ignored;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::{Door, ErrorCode, MessageCode, Result};
use crate::host::libc;
use crate::output::Output;
use crate::plan::manager::UV_VERSION;
use crate::plan::runtime::{PythonSource, RuntimeChoice, VersionDecision};
use crate::plan::{
    Facts, Inputs, Installer, LayerId, LayerPlan, Notice, PackageManager, Plan, Target, detect, plan,
};
use crate::python::distribution::MarkerValues;
use crate::python::pip_config::PipConfig;
use crate::python::requirements::normalised_name;
use crate::python::version::PythonVersion;
use crate::slug::tree::Entry;
use crate::store::Store;

/// What the caller has decided about a build.
#[derive(Debug, Clone)]
pub(crate) struct BuildSettings {
    /// Where the user lets Python come from.
    pub python_source: PythonSource,
    /// Another place for the catalogue's archives.
    pub python_mirror: Option<String>,
    /// Which program installs; uv unless there is a reason.
    pub installer: Option<Installer>,
    /// Installs what the app's tests need, too.
    pub test: bool,
    /// Makes it an error if anything isn't locked.
    pub require_locked: bool,
    /// Makes the dependencies anew even if nothing has changed.
    pub refresh: bool,
    /// Keeps the app's own steps apart from the rest of the machine, where that lets us.
    pub isolates_steps: bool,
    /// Names the app among others in the store: a digest of where it is.
    pub lineage: String,
    /// The Python of the last build: its minor version is kept where the app names none.
    pub last_python: Option<PythonVersion>,
    /// The app's config vars, of which installers get those that are meant for them.
    pub config_vars: ConfigVars,
}

/// The world a build works in.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'a> {
    /// What builds keep.
    pub store: &'a Store,
    /// What the process was started with.
    pub env: &'a Env,
    /// Where it says what it does.
    pub output: &'a Output,
    /// What it tells about itself afterwards.
    pub record: &'a Record,
    /// Where the app's own steps run; without it, beside everything else.
    pub cell: Option<&'a StepCell>,
}

/// The facts about an app, as far as they are known.
pub(crate) struct Survey {
    pub(super) app: AppSource,
    pub(super) package_manager: PackageManager,
    pub(super) inputs: Inputs,
    /// Whether `pyproject.toml` says how the project is built.
    pub(super) has_build_system: bool,
    pub(super) pip: PipConfig,
    pub(super) version: VersionDecision,
    pub(super) runtime: RuntimeChoice,
    target: Target,
    pub(super) uv: Option<Uv>,
    pub(super) settings: BuildSettings,
    /// The environment for installers: with the config vars that they may see.
    pub(super) installer_env: Env,
    /// What there is to say of an app without a Procfile, if that was looked for.
    pub(super) missing_procfile: Option<String>,
    announced: bool,
}

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

/// Returns how the user would name the app's directory: what was made of it in the store isn't for users.
fn shown_root<'a>(app: &'a AppSource, shop: Workshop<'_>) -> &'a Path {
    match app.root.starts_with(shop.store.root()) {
        true => Path::new(""),
        false => app.root.strip_prefix(&shop.env.current_dir).unwrap_or(&app.root),
    }
}

impl Survey {
    /// Reads the facts about an app. `app_entries` gives the app's files with their digests; it is only asked
    /// when the plan depends on them.
    pub(crate) fn read(
        app: AppSource,
        app_entries: &mut dyn FnMut(&AppSource) -> Result<Vec<Entry>>,
        settings: BuildSettings,
        shop: Workshop<'_>,
    ) -> Result<Self> {
        let Workshop { store, env, output, record, .. } = shop;
        detect::detect(&app.names, &app.dirs, |path| app.has_file(path), shown_root(&app, shop))?;
        let (package_manager, pyproject) = survey::choose_manager(&app, survey::read_pyproject(&app))?;
        let facts = survey::VersionFacts {
            manager: package_manager,
            pyproject: pyproject.as_ref(),
            last: settings.last_python,
            today: survey::today(env),
        };
        let version = survey::read_version(&app, &facts, record)?;
        let reading = Reading {
            app: &app,
            manager: package_manager,
            pyproject: pyproject.as_ref(),
            test: settings.test,
        };
        let mut inputs = inputs::read_inputs(&reading)?;
        let texts = inputs::texts(&inputs);
        let files: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let mut installer_env = env.clone();
        let for_installer = settings.config_vars.for_installer_of(&files);
        installer_env.vars.extend(for_installer.into_iter().map(|(name, value)| (name.into(), value.into())));
        inputs.variables = inputs::variables(&texts, &installer_env);
        inputs.settings = build_settings(&installer_env, &app.root);
        let mut installer_env = with_encoded_credentials(&installer_env);
        installer_env.hidden.extend(inputs.variables.keys().map(Into::into));
        installer_env.named.extend(inputs.variables.keys().map(Into::into));
        if inputs.needs_source {
            let entries = app_entries(&app)?;
            inputs.source_digest = Some(survey::digest_of_source(&entries));
            if let Some(local) = &mut inputs.local {
                let own = OwnSource::find(&app, local, &inputs.seen.seen);
                local.digest = survey::digest_of_source(own.entries(&entries));
                if local.is_open {
                    // Most changes of a package leave it needing what it did.
                    local.needs = store.document("needs", &settings.lineage).unwrap_or_default();
                }
            }
        }
        let pip = survey::read_pip_config(&installer_env);
        if let Some(provider) = &pip.keyring_provider {
            installer_env.vars.entry("PIP_KEYRING_PROVIDER".into()).or_insert_with(|| provider.into());
        }
        let memory = (store, settings.lineage.as_str());
        add_places(&mut inputs, package_manager, &pip, &app, &installer_env, memory)?;
        inputs.notices.extend(ignored_indexes(package_manager, &installer_env));
        let request = RuntimeRequest {
            source: &settings.python_source,
            mirror: settings.python_mirror.as_deref(),
            version: &version,
            current_dir: &env.current_dir,
        };
        let runtime = choose_runtime(&request, store, env, output)?;
        if let Some(lock) = &inputs.lock {
            let platform = MarkerValues::of_linux(&runtime.version().to_string(), runtime.arch());
            inputs.notices.extend(lock.check_platform(package_manager, &lock.values(platform))?);
        }
        let uv = match settings.installer {
            Some(Installer::Pip) if package_manager.can_use_pip() => None,
            Some(Installer::Native) if package_manager == PackageManager::Pip => None,
            _ => uv::known_uv(store, env, output)?,
        };
        let is_native = settings.installer == Some(Installer::Native) || !inputs.beyond_engine.is_empty();
        let uv_version = uv.as_ref().map_or(UV_VERSION, |uv| &uv.version);
        check_required_version(package_manager, &inputs, uv_version, is_native)?;
        Ok(Self {
            app,
            package_manager,
            inputs,
            has_build_system: pyproject.is_none_or(|pyproject| pyproject.has_build_system),
            pip,
            version,
            target: Target {
                os: std::env::consts::OS,
                arch: runtime.arch().to_owned(),
                libc: libc::c_library().to_owned(),
            },
            runtime,
            uv,
            settings,
            installer_env,
            missing_procfile: None,
            announced: false,
        })
    }

    /// Returns the app.
    pub(crate) fn app(&self) -> &AppSource {
        &self.app
    }

    /// Returns what says which packages are installed: among others, every file that decides about them.
    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Decides from the facts.
    pub(crate) fn plan(&self) -> Result<Plan> {
        plan(&Facts {
            app: &self.app,
            package_manager: self.package_manager,
            inputs: &self.inputs,
            pip: &self.pip,
            version: &self.version,
            runtime: &self.runtime,
            target: &self.target,
            installer: self.settings.installer,
            uv_version: self.uv.as_ref().map_or(UV_VERSION, |uv| &uv.version),
            test: self.settings.test,
            require_locked: self.settings.require_locked,
            missing_procfile: self.missing_procfile.as_deref(),
        })
    }

    pub(super) fn runtime_request<'a>(&'a self, env: &'a Env) -> RuntimeRequest<'a> {
        RuntimeRequest {
            source: &self.settings.python_source,
            mirror: self.settings.python_mirror.as_deref(),
            version: &self.version,
            current_dir: &env.current_dir,
        }
    }

    /// Says which Python is used and what the user should know, once.
    pub(crate) fn announce(&mut self, shop: Workshop<'_>) -> Result<()> {
        if std::mem::replace(&mut self.announced, true) {
            return Ok(());
        }
        shop.output.step(self.version.describe());
        let is_platforms = |notice: &&Notice| {
            shop.output.door() == Door::Buildpack
                && matches!(notice.code, MessageCode::Finding(code) if ignored::CODES.contains(&code))
        };
        for notice in self.plan()?.notices.iter().filter(|notice| !is_platforms(notice)) {
            tell(notice, shop.output);
        }
        Ok(())
    }

    /// Makes the layers.
    pub(crate) fn execute(&mut self, shop: Workshop<'_>) -> Result<Built> {
        self.announce(shop)?;
        let (runtime, installed) = self.provide_runtime(shop)?;
        let Installed { plan, pip, dependencies, project } = match installed {
            Some(installed) => installed,
            None => self.install(&Python::in_layer(&runtime, self.runtime.version()), shop)?,
        };
        let mut names = installed_names(&dependencies.entries);
        names.extend(project.iter().flat_map(|project| installed_names(&project.entries)));
        for notice in survey::missing_tools(&self.app, &names) {
            tell(&notice, shop.output);
        }
        let stays = plan.package_manager == PackageManager::Pip;
        let pip = pip.filter(|_| stays).map(|pip| without_replaced_tools(pip, &names));
        let layers = [Some(runtime), pip, Some(dependencies), project].into_iter().flatten().collect();
        Ok(Built { plan, layers })
    }

    /// Makes what lies over Python. The layer of Python itself needn't be finished, only its key be known.
    pub(super) fn install(&mut self, python: &Python, shop: Workshop<'_>) -> Result<Installed> {
        let mut plan = self.plan()?;
        if self.needs_uv(&plan, shop.store) {
            shop.record.time("package_manager_install_duration", || self.provide_uv(python, shop))?;
            plan = self.plan()?;
        }
        let (pip, dependencies, project) = shop
            .record
            .time("dependencies_install_duration", || self.install_packages(&mut plan, python, shop))?;
        Ok(Installed { plan, pip, dependencies, project })
    }

    fn install_packages(
        &mut self,
        plan: &mut Plan,
        python: &Python,
        shop: Workshop<'_>,
    ) -> Result<(Option<Layer>, Layer, Option<Layer>)> {
        let (mut pip, mut project) = (None, None);
        if let Some(layer) = plan.layer(LayerId::Pip).filter(|_| !can_install_pip_beside(plan)) {
            pip = Some(self.provide_pip(layer, plan, python, shop, || ())?);
        }
        if let Some(layer) = plan.layer(LayerId::Project) {
            project = Some(self.provide_project(layer, plan, python, shop)?);
            // What the app's own packages need is known now.
            *plan = self.plan()?;
            project = project.filter(|_| plan.layer(LayerId::Project).is_some());
        }
        let (survey, plan): (&Self, &Plan) = (self, plan);
        let Some(layer) = plan.layer(LayerId::Pip).filter(|_| pip.is_none()) else {
            let dependencies = survey.provide_dependencies(plan, python, pip.as_ref(), shop)?;
            return Ok((pip, dependencies, project));
        };
        // Each says first what it does, so that the log has the same order in every build.
        thread::scope(|scope| {
            let (sender, announced) = mpsc::channel::<()>();
            let pip = scope.spawn(move || survey.provide_pip(layer, plan, python, shop, || drop(sender)));
            let _ = announced.recv();
            let dependencies = survey.provide_dependencies(plan, python, None, shop);
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

    fn provide_uv(&mut self, python: &Python, shop: Workshop<'_>) -> Result<()> {
        let Workshop { store, env, output, .. } = shop;
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
        shop: Workshop<'_>,
        announced: impl FnOnce(),
    ) -> Result<Layer> {
        let Workshop { store, env, output, .. } = shop;
        let uv = self.uv.as_ref().filter(|_| plan.installer == Installer::Uv);
        provide_layer(layer, &self.settings.lineage, store, env, output, |tree| {
            output.step(format!("Installing {}", layer.contents));
            announced();
            fill_pip_layer(tree, python, uv, &self.pip, Workshop { env: &self.installer_env, ..shop })
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

pub(super) fn layer_plan<'a>(plan: &'a Plan, id: LayerId) -> &'a LayerPlan {
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
