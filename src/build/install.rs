//! The layer with the app's dependencies, for each package manager.

use std::path::{Path, PathBuf};

use super::bytecode::compile_bytecode;
use super::dependencies::{InstallTarget, Mode, Tool, install};
use super::execute::{Survey, Workshop, layer_plan};
use super::inputs::TEST_REQUIREMENTS;
use super::layers::{Layer, provide_layer};
use super::normalise::{BuildPlaces, normalise};
use super::python::Python;
use super::stage;
use super::sync::{SyncTarget, sync};
use crate::error::Result;
use crate::host::files;
use crate::plan::inputs::Rendered;
use crate::plan::{Installer, PackageManager, Plan};

/// What a project without a build system of its own is built by, as Poetry does.
const POETRY_BUILD_SYSTEM: &str =
    "\n[build-system]\nrequires = [\"poetry-core\"]\nbuild-backend = \"poetry.core.masonry.api\"\n";

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
            let site_packages = pip.map(|pip| pip.tree().join(python.library()).join("site-packages"));
            let tool = match (&self.uv, &site_packages) {
                (Some(uv), _) if plan.installer == Installer::Uv => Tool::Uv(uv),
                (_, Some(site_packages)) => Tool::Pip(site_packages),
                (_, None) => Tool::BundledPip,
            };
            let command =
                self.package_manager.command(self.settings.test, self.app.has_file(TEST_REQUIREMENTS));
            output.step(format!("Installing dependencies using '{command}'"));
            for reason in &plan.installer_reasons {
                output.detail(reason);
            }
            let shop = Workshop { env: &self.installer_env, ..shop };
            self.fill_dependencies(tree, python, &tool, shop)
        })
    }

    fn fill_dependencies(
        &self,
        tree: &Path,
        python: &Python,
        tool: &Tool<'_>,
        shop: Workshop<'_>,
    ) -> Result<()> {
        let Workshop { store, env, output, .. } = shop;
        let work = store.scratch()?;
        let staged = self.stage(work.path())?;
        let directory = staged.as_deref().unwrap_or(&self.app.root);
        // Scripts name the interpreter that they were installed for.
        let mut runtime = python.prefix.clone();
        match tool {
            Tool::Uv(uv) if self.package_manager == PackageManager::Uv => {
                let target = SyncTarget { tree, python, directory, test: self.settings.test };
                runtime = sync(uv, &target, &self.pip, store, env, output)?;
            }
            _ => {
                let requirements = self.requirements_files(directory, work.path())?;
                let target = InstallTarget {
                    tree,
                    python,
                    directory,
                    requirements: &requirements,
                    mode: self.mode(),
                    groups: &self.inputs.groups,
                    failure: self.package_manager.install_error(),
                    quiet: false,
                };
                install(tool, &target, &self.pip, store, env, output)?;
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
    /// uv knows a project.
    fn stage(&self, work: &Path) -> Result<Option<PathBuf>> {
        let staged = work.join("app");
        if self.inputs.needs_source {
            stage::copy_app(&self.app, &staged)?;
            let pyproject = staged.join("pyproject.toml");
            if self.package_manager == PackageManager::Poetry
                && let Some(contents) = self.inputs.files.get("pyproject.toml")
                && !self.has_build_system
            {
                let contents = [contents.as_slice(), POETRY_BUILD_SYSTEM.as_bytes()].concat();
                files::replace_contents(&pyproject, &contents)?;
            }
        } else if matches!(self.package_manager, PackageManager::Uv | PackageManager::Pyproject) {
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
