//! Reads the facts that the plan is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::collectstatic;
use super::config_vars::ConfigVars;
use super::context::Context;
use super::index_access::with_encoded_credentials;
use super::inputs::{self, Reading};
use super::layers::Layer;
use super::nltk::parse_packages;
use super::own_source::OwnSource;
use super::places::{add_places, ignored_indexes};
use super::python_version::{self, VersionFacts};
use super::required_version::check_required_version;
use super::runtime::choose::{RuntimeRequest, choose_runtime};
use super::tool_env::build_settings;
use super::uv::{self, Uv};
use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::{ErrorCode, Result};
use crate::host::libc;
use crate::plan::manager::{UV_VERSION, choose_package_manager};
use crate::plan::runtime::{PythonSource, VersionDecision};
use crate::plan::steps::NLTK_FILE;
use crate::plan::{
    Facts, Inputs, Installer, ManagerError, PackageManager, Plan, RuntimeChoice, Target, detect, plan,
};
use crate::python::distribution::MarkerValues;
use crate::python::pip_config::{PipConfig, pip_config_file_paths};
use crate::python::pyproject::{Pyproject, PyprojectError, parse_pyproject};
use crate::python::version::PythonVersion;
use crate::slug::tree::{Entry, EntryKind};

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

/// The facts about an app, as far as they are known.
pub(crate) struct Survey {
    pub(super) app: AppSource,
    /// Who manages its packages.
    pub(crate) package_manager: PackageManager,
    pub(super) inputs: Inputs,
    /// Whether `pyproject.toml` says how the project is built.
    pub(super) has_build_system: bool,
    pub(super) pip: PipConfig,
    pub(super) version: VersionDecision,
    pub(super) runtime: RuntimeChoice,
    pub(super) target: Target,
    pub(super) uv: Option<Uv>,
    pub(super) settings: BuildSettings,
    /// The environment for installers: with the config vars that they may see.
    pub(super) installer_env: Env,
    /// What `nltk.txt` names, if it is there.
    pub(super) corpora: Option<Vec<String>>,
    /// Whether a config var or variable turns collectstatic off.
    pub(super) collectstatic_is_off: bool,
    /// The names in site-packages, once the packages are installed.
    pub(super) site_packages: Option<BTreeSet<String>>,
    /// The Procfile that the app's own steps have written, if they have.
    pub(super) staged_procfile: Option<Procfile>,
    /// What there is to say of an app without a Procfile, if that was looked for.
    pub(super) missing_procfile: Option<String>,
}

/// Returns how the user would name the app's directory: what was made of it in the store isn't for users.
fn shown_root<'a>(app: &'a AppSource, context: Context<'_>) -> &'a Path {
    match app.root.starts_with(context.store.root()) {
        true => Path::new(""),
        false => app.root.strip_prefix(&context.env.current_dir).unwrap_or(&app.root),
    }
}

impl Survey {
    /// Reads the facts about an app. `app_entries` gives the app's files with their digests; it is only asked
    /// when the plan depends on them.
    pub(crate) fn read(
        app: AppSource,
        app_entries: &mut dyn FnMut(&AppSource) -> Result<Vec<Entry>>,
        settings: BuildSettings,
        context: Context<'_>,
    ) -> Result<Self> {
        let Context { store, env, output, record, .. } = context;
        detect::detect(&app.names, &app.dirs, |path| app.has_file(path), shown_root(&app, context))?;
        let (package_manager, pyproject) = choose_manager(&app, read_pyproject(&app))?;
        let facts = VersionFacts {
            manager: package_manager,
            pyproject: pyproject.as_ref(),
            last: settings.last_python,
            today: python_version::today(env),
        };
        let version = python_version::read_version(&app, &facts, record)?;
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
            inputs.source_digest = Some(digest_of_source(&entries));
            if let Some(local) = &mut inputs.local {
                let own = OwnSource::find(&app, local, &inputs.seen.seen);
                local.digest = digest_of_source(own.entries(&entries));
                if local.is_open {
                    // Most changes of a package leave it needing what it did.
                    local.needs = store.document("needs", &settings.lineage).unwrap_or_default();
                }
            }
        }
        let pip = read_pip_config(&installer_env);
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
        let corpora = app.has_file(NLTK_FILE).then(|| read_corpora(&app)).transpose()?;
        let collectstatic_is_off = collectstatic::is_off(&settings.config_vars, &env.vars);
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
            corpora,
            collectstatic_is_off,
            site_packages: None,
            staged_procfile: None,
            missing_procfile: None,
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
            procfile: self.staged_procfile.as_ref().or(self.app.procfile.as_ref()),
            package_manager: self.package_manager,
            inputs: &self.inputs,
            pip: &self.pip,
            version: &self.version,
            runtime: &self.runtime,
            target: &self.target,
            installer: self.settings.installer,
            uv_version: self.uv.as_ref().map_or(UV_VERSION, |uv| &uv.version),
            uv_is_there: self.uv.is_some(),
            corpora: self.corpora.as_deref(),
            collectstatic_is_off: self.collectstatic_is_off,
            site_packages: self.site_packages.as_ref(),
            test: self.settings.test,
            require_locked: self.settings.require_locked,
            missing_procfile: self.missing_procfile.as_deref(),
        })
    }

    /// Notes what is installed, by which it is known which of the app's own steps are of use.
    pub(super) fn note_installed(&mut self, layers: &[Layer]) {
        self.site_packages = Some(site_packages_names(layers));
    }

    pub(super) fn runtime_request<'a>(&'a self, env: &'a Env) -> RuntimeRequest<'a> {
        RuntimeRequest {
            source: &self.settings.python_source,
            mirror: self.settings.python_mirror.as_deref(),
            version: &self.version,
            current_dir: &env.current_dir,
        }
    }
}

fn site_packages_names(layers: &[Layer]) -> BTreeSet<String> {
    let entries = layers.iter().flat_map(|layer| &layer.entries);
    entries
        .filter_map(|entry| std::str::from_utf8(&entry.path).ok()?.split_once("/site-packages/"))
        .filter(|(library, _)| library.starts_with(".heroku/python/lib/python"))
        .filter_map(|(_, rest)| Some(rest.split('/').next()?.to_owned()))
        .collect()
}

fn read_corpora(app: &AppSource) -> Result<Vec<String>> {
    let unreadable = |source| UnreadableFile { name: NLTK_FILE.to_owned(), source };
    Ok(parse_packages(&app.read_file(NLTK_FILE).map_err(unreadable)?))
}

/// A file of the app that decides about the build is there but can't be read, or isn't there though it must be.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't be read.")]
pub(crate) struct UnreadableFile {
    /// Its path relative to the app.
    pub name: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl crate::error::UserError for UnreadableFile {
    fn code(&self) -> ErrorCode {
        ErrorCode::SourceUnreadable
    }
}

/// Reads `pyproject.toml`, if there is one.
pub(crate) fn read_pyproject(app: &AppSource) -> std::result::Result<Option<Pyproject>, PyprojectError> {
    match app.has_file("pyproject.toml").then(|| app.read_file("pyproject.toml")) {
        Some(Ok(contents)) => parse_pyproject(&contents).map(Some),
        _ => Ok(None),
    }
}

/// Chooses the package manager. A pyproject.toml that can't be read only matters if nothing else says which.
pub(crate) fn choose_manager(
    app: &AppSource,
    pyproject: std::result::Result<Option<Pyproject>, PyprojectError>,
) -> Result<(PackageManager, Option<Pyproject>)> {
    match (choose_package_manager(app, pyproject.as_ref().ok().and_then(Option::as_ref)), pyproject) {
        (Ok(manager), pyproject) => Ok((manager, pyproject.unwrap_or_default())),
        (Err(ManagerError::NoneFound { .. } | ManagerError::SetupPyOnly), Err(invalid)) => {
            Err(invalid.into())
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Reads pip's configuration: its files, then its variables.
pub(crate) fn read_pip_config(env: &Env) -> PipConfig {
    let vars: BTreeMap<String, String> = env
        .vars
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    // pip goes on without the files that aren't there or that it may not read.
    let contents: Vec<String> =
        pip_config_file_paths(&vars).iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    PipConfig::parse(&contents, &vars)
}

/// Returns a digest of the app's files, for requirements that are built from them.
pub(crate) fn digest_of_source<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut hasher = Sha256::new();
    for Entry { path, kind } in entries {
        hasher.update(path);
        match kind {
            EntryKind::Directory => hasher.update(b"\0d"),
            EntryKind::File { mode, digest, .. } => {
                hasher.update(format!("\0f{mode:o}"));
                hasher.update(digest);
            }
            EntryKind::Symlink { target } => {
                hasher.update(b"\0l");
                hasher.update(target);
            }
        }
        hasher.update(b"\0");
    }
    hex::encode(&hasher.finalize()[..16])
}
