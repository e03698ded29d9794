//! What of the app an installer gets to see: nothing that isn't in the key of what it makes.

use std::path::{Path, PathBuf};

use super::install::Selection;
use super::own_source::OwnSource;
use super::requirement_files::write_files;
use super::stage;
use super::staged_lock::name_indexes_of_copy;
use super::survey::Survey;
use crate::app::source::AppSource;
use crate::error::Result;
use crate::host::files;
use crate::plan::{Local, PackageManager};

/// What a project without a build system of its own is built by, as Poetry does.
const POETRY_BUILD_SYSTEM: &str =
    "\n[build-system]\nrequires = [\"poetry-core\"]\nbuild-backend = \"poetry.core.masonry.api\"\n";

/// What of the app the installer gets to see.
pub(super) enum Source {
    /// The app where it is: nothing is built in it.
    InPlace,
    /// A copy to build in.
    Copy(Box<AppSource>),
    /// The files by which uv knows a project.
    ProjectFiles,
}

impl Survey {
    /// Says what of the app the installer gets to see.
    pub(super) fn source(&self, selection: Selection, is_native: bool) -> Source {
        let is_uvs = matches!(self.package_manager, PackageManager::Uv | PackageManager::Pyproject);
        let seen = &self.inputs.seen.seen;
        match (selection, &self.inputs.local) {
            (Selection::Own, Some(local)) => {
                Source::Copy(Box::new(OwnSource::find(&self.app, local, seen).of_app(&self.app)))
            }
            // uv asks the app's own packages whether the lock file still fits them.
            (Selection::Others, Some(local)) if self.package_manager == PackageManager::Uv => {
                Source::Copy(Box::new(OwnSource::find(&self.app, local, seen).of_app(&self.app)))
            }
            (Selection::Everything, _) if self.inputs.needs_source => {
                Source::Copy(Box::new(self.app.clone()))
            }
            _ if is_uvs || is_native => Source::ProjectFiles,
            _ => Source::InPlace,
        }
    }

    /// Copies what the installer may build in.
    pub(super) fn stage(&self, source: &Source, work: &Path, is_native: bool) -> Result<Option<PathBuf>> {
        let staged = work.join("app");
        match source {
            Source::InPlace => return Ok(None),
            Source::Copy(app) => {
                stage::copy_app(app, &staged)?;
                let pyproject = staged.join("pyproject.toml");
                if self.package_manager == PackageManager::Poetry
                    && let Some(contents) = self.inputs.files.get("pyproject.toml")
                    && !self.has_build_system
                    // Poetry itself knows.
                    && !is_native
                {
                    let contents = [contents.as_slice(), POETRY_BUILD_SYSTEM.as_bytes()].concat();
                    files::replace_contents(&pyproject, &contents)?;
                }
            }
            Source::ProjectFiles => {
                // Nothing of the app is built, but uv may find archives in there.
                let seen = OwnSource::find(&self.app, &Local::default(), &self.inputs.seen.seen);
                stage::copy_app(&seen.of_app(&self.app), &staged)?;
                write_files(&staged, &self.inputs.files)?;
            }
        }
        name_indexes_of_copy(&staged, &self.inputs.seen.archives)?;
        Ok(Some(staged))
    }
}
