//! The layer with the app's dependencies, for each package manager.

use std::fs;
use std::path::{Path, PathBuf};

use super::bytecode::{Ahead, Kept, compile_ahead, compile_bytecode};
use super::context::Context;
use super::dependencies::{InstallTarget, Mode, Tool, install};
use super::execute::layer_plan;
use super::index_access::{Asked, TRUSTED_HOST, plain_address, with_poetry_credentials};
use super::inputs::TEST_REQUIREMENTS;
use super::install_error::Hints;
use super::layers::{Layer, provide_layer};
use super::local::left_out;
use super::native::{NativeTarget, install_natively, provide_tool};
use super::normalise::{BuildPlaces, normalise};
use super::preinstalled::Preinstalled;
use super::python::Python;
use super::requirement_files::{EXACT, Requirements, write_beside, write_files, write_pylock};
use super::stage;
use super::staged_source::Source;
use super::survey::Survey;
use super::sync::{LeaveOut, SyncTarget, sync};
use crate::env::Env;
use crate::error::{Door, Result};
use crate::host::files;
use crate::plan::inputs::Rendered;
use crate::plan::installer::command_of;
use crate::plan::local::{Local, Needs, Part};
use crate::plan::{Installer, LayerId, Lock, NativeTool, PackageManager, Plan, expected};
use crate::python::distribution::{InfoDir, MarkerValues};
use crate::python::locked::LockedSet;

/// What installs, ready to be run.
pub(super) enum Chosen<'a> {
    /// uv or pip.
    Engine(Tool<'a>),
    /// The package manager's own tool, and the layer with it.
    Native(NativeTool, &'a Layer),
}

impl Survey {
    /// Gives the layer with the dependencies.
    pub(super) fn provide_dependencies(
        &self,
        plan: &Plan,
        python: &Python,
        pip: Option<&Layer>,
        context: Context<'_>,
    ) -> Result<Layer> {
        let Context { store, env, output, .. } = context;
        let layer = layer_plan(plan, LayerId::Dependencies);
        if self.settings.refresh {
            store.remove_layer(layer.id.name(), &layer.key.digest())?;
        }
        provide_layer(layer, &self.settings.lineage, store, env, output, |tree| {
            let context = Context { env: &self.installer_env, ..context };
            let native = self.provide_native(plan, python, context)?;
            let tool = match &native {
                Some((tool, layer)) => Chosen::Native(*tool, layer),
                None => Chosen::Engine(self.tool(plan, python, pip)),
            };
            let (manager, test) = (self.package_manager, self.settings.test);
            let has_tests = self.app.has_file(TEST_REQUIREMENTS);
            let command = match output.door() {
                Door::CommandLine => command_of(manager, plan.installer, test, has_tests),
                // Harnesses look for Heroku's line.
                Door::Buildpack => manager.command(test, has_tests).to_owned(),
            };
            output.step(format!("Installing dependencies using '{command}'"));
            for reason in &plan.installer_reasons {
                output.detail(reason);
            }
            let selection = if plan.layer(LayerId::Project).is_some() {
                Selection::Others
            } else {
                Selection::Everything
            };
            let preinstalled = pip
                .filter(|_| self.package_manager.has_setuptools_before(python.version))
                .map(|pip| python.site_packages(&pip.tree()));
            self.fill_packages(tree, python, &tool, selection, preinstalled.as_deref(), context)
        })
    }

    /// Chooses the engine that installs.
    pub(super) fn tool(&self, plan: &Plan, python: &Python, pip: Option<&Layer>) -> Tool<'_> {
        let site_packages = pip.map(|pip| python.site_packages(&pip.tree()));
        match (&self.uv, site_packages) {
            (Some(uv), _) if plan.installer == Installer::Uv => Tool::Uv(uv),
            (_, Some(site_packages)) => Tool::Pip(site_packages),
            (_, None) => Tool::BundledPip,
        }
    }

    /// Gives the package manager's own tool, if that is what installs.
    fn provide_native(
        &self,
        plan: &Plan,
        python: &Python,
        context: Context<'_>,
    ) -> Result<Option<(NativeTool, Layer)>> {
        let Some((tool, layer)) = plan.native_tool() else { return Ok(None) };
        let layer = provide_tool(tool, layer, python, self.uv.as_ref(), &self.pip, context)?;
        Ok(Some((tool, layer)))
    }

    /// Fills a tree with installed packages.
    pub(super) fn fill_packages(
        &self,
        tree: &Path,
        python: &Python,
        tool: &Chosen<'_>,
        selection: Selection,
        preinstalled: Option<&Path>,
        context: Context<'_>,
    ) -> Result<()> {
        let Context { store, env, output, .. } = context;
        self.check_indexes(Asked::WithCredentials, env, output)?;
        let work = store.scratch()?;
        let is_native = matches!(tool, Chosen::Native(..));
        let source = self.source(selection, is_native);
        let staged = self.stage(&source, work.path(), is_native)?;
        let directory = staged.as_deref().unwrap_or(&self.app.root);
        let layer = if selection == Selection::Own { LayerId::Project } else { LayerId::Dependencies };
        let kept = Kept { store, lineage: &self.settings.lineage, layer };
        let job = Job { tree, python, directory, work: work.path(), selection, preinstalled };
        let install = || self.run_installer(tool, &job, context);
        let (runtime, ahead) = match tool {
            Chosen::Engine(Tool::Uv(_)) => compile_ahead(python, kept, env, output, install)?,
            _ => (install()?, Ahead::default()),
        };
        self.check_installed(tree, python, selection)?;
        if let (Source::Copy(app), Some(staged), true) = (&source, &staged, selection != Selection::Others) {
            stage::keep_additions(app, staged, tree)?;
        }
        normalise(&BuildPlaces { tree: tree.to_owned(), staged_app: staged, runtime })?;
        compile_bytecode(python, tree, Some((kept, &ahead)), env, output)
    }

    /// Installs, and returns the prefix of the interpreter that scripts name.
    fn run_installer(&self, tool: &Chosen<'_>, job: &Job<'_>, context: Context<'_>) -> Result<PathBuf> {
        let Context { store, env, output, .. } = context;
        let Job { tree, python, directory, work, selection, preinstalled } = *job;
        let (manager, test) = (self.package_manager, self.settings.test);
        // Asked for by a failure only.
        let (withheld, known_names) = (|| self.withheld(), || self.known_names());
        let own_packages = || self.own_packages();
        let ask = |pinned: &str| match tool {
            Chosen::Engine(tool) => self.other_pythons(pinned, tool, python, work, context),
            Chosen::Native(..) => None,
        };
        let hints = Hints {
            requirements: self.inputs.requirements.as_ref(),
            can_use_pip: manager.can_use_pip(),
            withheld: Some(&withheld),
            known_names: Some(&known_names),
            own_packages: Some(&own_packages),
            other_pythons: Some(&ask),
            ..Hints::default()
        };
        match tool {
            Chosen::Native(tool, layer) => {
                let target = NativeTarget { tree, python, directory, manager, test };
                let described = tool.describe();
                let hints = Hints { program: Some(&described), ..hints };
                install_natively(*tool, layer, &target, &self.pip, &hints, context)
            }
            Chosen::Engine(Tool::Uv(uv)) if manager == PackageManager::Uv => {
                let leave_out = match selection {
                    Selection::Everything => LeaveOut::Nothing,
                    Selection::Others => LeaveOut::Local,
                    Selection::Own => {
                        LeaveOut::Packages(self.inputs.local.iter().flat_map(left_out).collect())
                    }
                };
                let target = SyncTarget { tree, python, directory, test, leave_out: &leave_out };
                sync(uv, &target, &self.pip, store, env, output, &hints).or_else(|failure| {
                    if failure.code() == self.package_manager.install_error() {
                        self.check_indexes(Asked::All, env, output)?;
                    }
                    Err(failure)
                })
            }
            Chosen::Engine(tool) => {
                let requirements =
                    self.requirements(selection, directory, work, matches!(tool, Tool::Uv(_)), env)?;
                let target = InstallTarget {
                    tree,
                    python,
                    directory,
                    requirements: &requirements.files,
                    overrides: requirements.overrides.as_deref(),
                    mode: requirements.mode,
                    groups: if selection == Selection::Own { &[] } else { &self.inputs.groups },
                    failure: manager.install_error(),
                    quiet: false,
                    has_preinstalled: preinstalled.is_some(),
                    has_places: !self.inputs.places.is_empty(),
                    hints,
                };
                let pip = if matches!(tool, Tool::Uv(_)) { &self.pip_for_uv() } else { &self.pip };
                let preinstalled = preinstalled
                    .map(|from| Preinstalled::put(from, &python.site_packages(tree)))
                    .transpose()?;
                let first = match &requirements.hashed_first {
                    Some(file) => {
                        let (requirements, mode) =
                            (std::slice::from_ref(file), Mode::Locked { hashed: true });
                        install(
                            tool,
                            &InstallTarget { requirements, mode, ..target },
                            pip,
                            store,
                            env,
                            output,
                        )
                    }
                    None => Ok(()),
                };
                first.and_then(|()| install(tool, &target, pip, store, env, output)).or_else(|failure| {
                    // What an installer says of an index that refuses it is that it has no such package.
                    if failure.code() == self.package_manager.install_error() {
                        self.check_indexes(Asked::All, env, output)?;
                    }
                    Err(failure)
                })?;
                preinstalled.map(Preinstalled::take_away).transpose()?;
                Ok(python.prefix.clone())
            }
        }
    }

    /// Writes down what is to be installed.
    fn requirements(
        &self,
        selection: Selection,
        directory: &Path,
        work: &Path,
        is_uv: bool,
        env: &Env,
    ) -> Result<Requirements> {
        let place = work.join("requirements");
        let part = match (selection, &self.inputs.local) {
            (Selection::Own, Some(local)) => Some(&local.own),
            (Selection::Others, Some(local)) => Some(&local.others),
            _ => None,
        };
        let mut requirements = match (part, &self.inputs.rendered) {
            (Some(Part::Rendered(rendered)), _) | (None, Some(rendered)) => {
                let bound = if selection == Selection::Own || !is_uv { None } else { self.bound() };
                self.write_rendered(rendered, bound, &place, is_uv, env)?
            }
            (Some(Part::Files(files)), _) => {
                write_files(&place, files)?;
                self.requirements_of_files(&place)
            }
            (Some(Part::Pylock(lock)), _) => write_pylock(lock, directory, &place)?,
            (Some(Part::AsIs | Part::Without(_)) | None, _) => match &self.inputs.lock {
                Some(Lock::Pylock(lock)) => write_pylock(lock, directory, &place)?,
                _ => self.requirements_of_files(directory),
            },
        };
        if let (Selection::Others, Some(Local { needs, .. })) = (selection, &self.inputs.local)
            && *needs != Needs::default()
        {
            let needed = work.join("needs.txt");
            files::write_atomically(&needed, needs.render().as_bytes())?;
            requirements.files.push(needed);
            requirements.overrides = Some(needs.render_overrides());
        }
        Ok(requirements)
    }

    /// Compares what is installed with what the lock says for this platform.
    fn check_installed(&self, tree: &Path, python: &Python, selection: Selection) -> Result<()> {
        // A Pipfile alone leaves versions open.
        let is_open = self.inputs.rendered.as_ref().is_some_and(|rendered| !rendered.complete);
        let Some(lock) = self.inputs.lock.as_ref().filter(|_| !is_open) else { return Ok(()) };
        let platform = MarkerValues::of_linux(&python.version.to_string(), self.runtime.arch());
        let values = lock.values(platform);
        let Some(mut expected) = lock.expected(&values) else { return Ok(()) };
        expected.retain(|package| match selection {
            Selection::Everything => true,
            Selection::Others => !package.in_app,
            Selection::Own => package.in_app,
        });
        let site_packages = python.site_packages(tree);
        let names =
            fs::read_dir(site_packages).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let info = names.filter_map(|name| InfoDir::parse(&name.to_string_lossy()));
        let installed = info.map(|InfoDir { name, version, .. }| (name, version)).collect();
        Ok(expected::compare(self.package_manager, &expected, &values, &installed)?)
    }

    /// Returns the packages whose index matters, because there are several.
    fn bound(&self) -> Option<&LockedSet> {
        let Some(Lock::Set { set, .. }) = &self.inputs.lock else { return None };
        (set.has_several_indexes() || !self.pip.extra_index_urls.is_empty()).then_some(set)
    }

    /// Writes a requirements file, and for uv beside it what it can't say of `bound` packages.
    fn write_rendered(
        &self,
        rendered: &Rendered,
        bound: Option<&LockedSet>,
        place: &Path,
        is_uv: bool,
        env: &Env,
    ) -> Result<Requirements> {
        let Rendered { text, complete, hashed } = rendered;
        let text = match self.package_manager {
            PackageManager::Poetry => &with_poetry_credentials(text, &self.inputs, env),
            _ => text,
        };
        // uv gets them otherwise, and would warn.
        let is_passed = |line: &&str| !(is_uv && line.starts_with(TRUSTED_HOST));
        let mut text: String = text.lines().filter(is_passed).map(|line| format!("{line}\n")).collect();
        // uv refuses such constraints when hashes are required. It compares the hashes that there are anyway.
        let exact = bound.filter(|_| *complete && !self.pip.require_hashes).map(LockedSet::render_exact);
        if exact.is_some() {
            text.push_str(&format!("--constraint {EXACT}\n"));
        }
        let bindings = bound.and_then(|set| set.render_bindings(&|index| plain_address(index, env)));
        let hashed = &(*hashed && exact.is_none());
        let whole = Rendered { text, complete: *complete, hashed: *hashed };
        let (first, text) = match whole.split_by_hashes().filter(|_| !is_uv && *complete) {
            Some((hashed, others)) => (Some(hashed), others),
            None => (None, whole.text),
        };
        let file = place.join("requirements.txt");
        files::create_dir_all(place)?;
        files::write_atomically(&file, text.as_bytes())?;
        let requirements = write_beside(file, exact.as_deref(), bindings.as_deref())?;
        let hashed_first = first.as_ref().map(|_| place.join("hashed.txt"));
        if let Some((file, text)) = hashed_first.as_ref().zip(first) {
            files::write_atomically(file, text.as_bytes())?;
        }
        let mode = match (complete, self.package_manager) {
            (true, _) => Mode::Locked { hashed: *hashed },
            (false, PackageManager::Pyproject) => Mode::Project,
            (false, _) => Mode::Requirements,
        };
        Ok(Requirements { files: requirements, hashed_first, overrides: None, mode })
    }

    fn requirements_of_files(&self, directory: &Path) -> Requirements {
        let mut requirements = vec![directory.join(self.package_manager.file())];
        let has_test_requirements = self.app.has_file(TEST_REQUIREMENTS);
        if self.package_manager == PackageManager::Pip && self.settings.test && has_test_requirements {
            requirements.push(directory.join(TEST_REQUIREMENTS));
        }
        let is_project = self.package_manager == PackageManager::Pyproject;
        let mode = if is_project { Mode::Project } else { Mode::Requirements };
        Requirements { files: requirements, hashed_first: None, overrides: None, mode }
    }
}

/// Which packages are installed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// All.
    Everything,
    /// Those that come from elsewhere.
    Others,
    /// Those that are in the app itself.
    Own,
}

/// Where packages are installed.
#[derive(Clone, Copy)]
struct Job<'a> {
    /// The tree that becomes the layer.
    tree: &'a Path,
    python: &'a Python,
    /// What relative paths count from.
    directory: &'a Path,
    /// For files that are only needed meanwhile.
    work: &'a Path,
    selection: Selection,
    /// The site-packages directory whose packages count as installed.
    preinstalled: Option<&'a Path>,
}
