//! The layer with the app's dependencies, for each package manager.

use std::path::{Path, PathBuf};

use super::bytecode::compile_bytecode;
use super::dependencies::{InstallTarget, Mode, Tool, install};
use super::execute::{Survey, Workshop, layer_plan};
use super::inputs::TEST_REQUIREMENTS;
use super::layers::{Layer, provide_layer};
use super::native::{NativeTarget, install_natively, provide_tool};
use super::normalise::{BuildPlaces, normalise};
use super::python::Python;
use super::stage;
use super::sync::{SyncTarget, sync};
use crate::error::Result;
use crate::host::files;
use crate::plan::inputs::Rendered;
use crate::plan::{Installer, NativeTool, PackageManager, Plan};

/// What a project without a build system of its own is built by, as Poetry does.
const POETRY_BUILD_SYSTEM: &str =
    "\n[build-system]\nrequires = [\"poetry-core\"]\nbuild-backend = \"poetry.core.masonry.api\"\n";

/// What installs, ready to be run.
#[derive(Clone, Copy)]
enum Chosen<'a> {
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
        shop: Workshop<'_>,
    ) -> Result<Layer> {
        let Workshop { store, env, output, .. } = shop;
        let layer = layer_plan(plan, "dependencies");
        if self.settings.refresh {
            store.remove_layer(layer.name, &layer.key.digest())?;
        }
        provide_layer(layer, &self.settings.lineage, store, env, output, |tree| {
            let shop = Workshop { env: &self.installer_env, ..shop };
            let native = self.provide_native(plan, python, shop)?;
            let site_packages = pip.map(|pip| pip.tree().join(python.library()).join("site-packages"));
            let tool = match (&native, &self.uv, &site_packages) {
                (Some((tool, layer)), ..) => Chosen::Native(*tool, layer),
                (None, Some(uv), _) if plan.installer == Installer::Uv => Chosen::Engine(Tool::Uv(uv)),
                (None, _, Some(site_packages)) => Chosen::Engine(Tool::Pip(site_packages)),
                (None, _, None) => Chosen::Engine(Tool::BundledPip),
            };
            let command =
                self.package_manager.command(self.settings.test, self.app.has_file(TEST_REQUIREMENTS));
            output.step(format!("Installing dependencies using '{command}'"));
            for reason in &plan.installer_reasons {
                output.detail(reason);
            }
            self.fill_dependencies(tree, python, tool, shop)
        })
    }

    /// Gives the package manager's own tool, if that is what installs.
    fn provide_native(
        &self,
        plan: &Plan,
        python: &Python,
        shop: Workshop<'_>,
    ) -> Result<Option<(NativeTool, Layer)>> {
        let tool = self.package_manager.native_tool().filter(|_| plan.installer == Installer::Native);
        let Some(tool) = tool else { return Ok(None) };
        let runtime = &layer_plan(plan, "runtime").key;
        let layer = provide_tool(tool, runtime, python, self.uv.as_ref(), &self.pip, shop)?;
        Ok(Some((tool, layer)))
    }

    fn fill_dependencies(
        &self,
        tree: &Path,
        python: &Python,
        tool: Chosen<'_>,
        shop: Workshop<'_>,
    ) -> Result<()> {
        let Workshop { store, env, output, .. } = shop;
        let work = store.scratch()?;
        let staged = self.stage(work.path(), matches!(tool, Chosen::Native(..)))?;
        let directory = staged.as_deref().unwrap_or(&self.app.root);
        // Scripts name the interpreter that they were installed for.
        let mut runtime = python.prefix.clone();
        let (manager, test) = (self.package_manager, self.settings.test);
        match tool {
            Chosen::Native(tool, layer) => {
                let target = NativeTarget { tree, python, directory, manager, test };
                runtime = install_natively(tool, layer, &target, &self.pip, shop)?;
            }
            Chosen::Engine(Tool::Uv(uv)) if manager == PackageManager::Uv => {
                let target = SyncTarget { tree, python, directory, test };
                runtime = sync(uv, &target, &self.pip, store, env, output)?;
            }
            Chosen::Engine(tool) => {
                let requirements = self.requirements_files(directory, work.path())?;
                let target = InstallTarget {
                    tree,
                    python,
                    directory,
                    requirements: &requirements,
                    mode: self.mode(),
                    groups: &self.inputs.groups,
                    manager,
                    quiet: false,
                };
                install(&tool, &target, &self.pip, store, env, output)?;
            }
        }
        if let Some(staged) = staged.as_ref().filter(|_| self.inputs.needs_source) {
            stage::keep_additions(&self.app, staged, tree)?;
        }
        normalise(&BuildPlaces { tree: tree.to_owned(), staged_app: staged, runtime })?;
        compile_bytecode(&python.executable, tree, env, output)?;
        Ok(())
    }

    /// Copies what the installer may build in: the whole app if packages are made of it, or only the files by which
    /// a tool knows a project.
    fn stage(&self, work: &Path, native: bool) -> Result<Option<PathBuf>> {
        let staged = work.join("app");
        if self.inputs.needs_source {
            stage::copy_app(&self.app, &staged)?;
            let pyproject = staged.join("pyproject.toml");
            if self.package_manager == PackageManager::Poetry
                && let Some(contents) = self.inputs.files.get("pyproject.toml")
                && !self.has_build_system
                // Poetry itself knows.
                && !native
            {
                let contents = [contents.as_slice(), POETRY_BUILD_SYSTEM.as_bytes()].concat();
                files::replace_contents(&pyproject, &contents)?;
            }
        } else if native || matches!(self.package_manager, PackageManager::Uv | PackageManager::Pyproject) {
            for (name, contents) in &self.inputs.files {
                let path = staged.join(name);
                if let Some(parent) = path.parent() {
                    files::create_dir_all(parent)?;
                }
                files::write_atomically(&path, contents)?;
            }
        } else {
            return Ok(None);
        }
        Ok(Some(staged))
    }

    fn requirements_files(&self, directory: &Path, work: &Path) -> Result<Vec<PathBuf>> {
        if let Some(Rendered { text, .. }) = &self.inputs.rendered {
            let file = work.join("requirements.txt");
            files::write_atomically(&file, text.as_bytes())?;
            return Ok(vec![file]);
        }
        let mut requirements = vec![directory.join(self.package_manager.file())];
        let has_test_requirements = self.app.has_file(TEST_REQUIREMENTS);
        if self.package_manager == PackageManager::Pip && self.settings.test && has_test_requirements {
            requirements.push(directory.join(TEST_REQUIREMENTS));
        }
        Ok(requirements)
    }

    fn mode(&self) -> Mode {
        match (&self.inputs.rendered, self.package_manager) {
            (Some(Rendered { complete: true, hashed, .. }), _) => Mode::Locked { hashed: *hashed },
            (None, PackageManager::Pyproject) => Mode::Project,
            _ => Mode::Requirements,
        }
    }
}
