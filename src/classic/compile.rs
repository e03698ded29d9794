//! `bin/compile BUILD_DIR CACHE_DIR [ENV_DIR]`: the layers of a build are put into the build directory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::app::source::{AppSource, read_source};
use crate::build::execute::{BuildSettings, Built, Survey, Workshop};
use crate::build::layers::Layer;
use crate::build::record::Record;
use crate::build::stage;
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files;
use crate::output::Output;
use crate::plan::runtime::{PythonSource, parse_python_source};
use crate::slug::tree::EntryKind;
use crate::store::Store;

/// There is a Python in the build directory already.
#[derive(Debug, thiserror::Error)]
#[error("{} is there already.", .path.display())]
struct ExistingPython {
    path: PathBuf,
}

impl UserError for ExistingPython {
    fn code(&self) -> ErrorCode {
        ErrorCode::ExistingPythonDir
    }
}

/// Builds in place. What the next build needs is kept in CACHE_DIR.
pub(super) fn run(
    build_dir: &Path,
    cache_dir: &Path,
    env_dir: Option<&Path>,
    env: &Env,
    output: &Output,
) -> Result<()> {
    // Config vars reach hooks and collectstatic, which this version doesn't run.
    let _ = env_dir;
    files::create_dir_all(cache_dir)?;
    let store = Store::open(&cache_dir.join(".slugc"))?;
    let python = build_dir.join(".heroku/python");
    if python.exists() {
        return Err(ExistingPython { path: python }.into());
    }
    // What git ignores isn't there: the platform has exported the commit.
    let app = read_source(build_dir, &BTreeSet::new(), &env.interrupt)?;
    let python_source = match env.text("SLUGC_PYTHON_SOURCE") {
        Some(text) => parse_python_source(text)?,
        None => PythonSource::Auto,
    };
    let settings = BuildSettings {
        python_source,
        python_mirror: env.text("SLUGC_PYTHON_MIRROR").map(str::to_owned),
        installer: None,
        test: false,
        require_locked: false,
        refresh: false,
        // The build directory's name changes with each build; the cache belongs to one app.
        lineage: "app".to_owned(),
    };
    let mut entries = |app: &AppSource| stage::index_app(app, env);
    let record = Record::default();
    let shop = Workshop { store: &store, env, output, record: &record };
    let mut survey = Survey::read(app, &mut entries, settings, shop)?;
    let built = survey.execute(shop)?;
    put_into_build_dir(&built, survey.app(), build_dir, env)?;
    write_export(&built, env);
    Ok(())
}

fn put_into_build_dir(built: &Built, app: &AppSource, build_dir: &Path, env: &Env) -> Result<()> {
    for layer in &built.layers {
        env.interrupt.check()?;
        copy_layer(layer, build_dir)?;
    }
    stage::write_generated_files(app, &built.plan.environment, build_dir)
}

/// Copies a layer. Not by hard links: later buildpacks may edit the files in place.
fn copy_layer(layer: &Layer, build_dir: &Path) -> Result<()> {
    let tree = layer.tree();
    for entry in &layer.entries {
        let relative = Path::new(OsStr::from_bytes(&entry.path));
        let to = build_dir.join(relative);
        match &entry.kind {
            EntryKind::Directory => files::create_dir_all(&to)?,
            EntryKind::File { mode, .. } => {
                files::copy_file(&tree.join(relative), &to)?;
                files::set_mode(&to, *mode)?;
            }
            EntryKind::Symlink { target } => {
                files::remove_file(&to)?;
                files::create_symlink(Path::new(OsStr::from_bytes(target)), &to)?;
            }
        }
    }
    Ok(())
}

/// Writes `export` for later buildpacks into the buildpack's own directory, where that can be written.
fn write_export(built: &Built, env: &Env) {
    let Some(buildpack_dir) = env.var("SLUGC_BUILDPACK_DIR") else { return };
    let script = built.plan.environment.render_shell("/app");
    // Where the buildpack is read-only, there is no way to tell later buildpacks; the build itself is whole.
    let _ = files::write_atomically(&Path::new(buildpack_dir).join("export"), script.as_bytes());
}
