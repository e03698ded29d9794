//! The list of components (SBOM) as a file of the app: in a slug, and in a build directory.

use std::path::Path;

use crate::env::Env;
use crate::error::Result;
use crate::host::files;
use crate::inspect::sbom::{SBOM_PATH, sbom_of_directory};
use crate::plan::Plan;
use crate::slug::tree::{Tree, TreeOrigin, index_directory};

/// Lists what is installed in a build directory, and writes the list where a slug has it. Where a hook has taken
/// Python away there is nothing to list.
pub(crate) fn write_sbom_of_directory(build_dir: &Path, plan: &Plan, env: &Env) -> Result<()> {
    if !build_dir.join(".heroku/python").is_dir() {
        return Ok(());
    }
    let Plan { runtime, .. } = plan;
    write_sbom(&sbom_of_directory(build_dir, &runtime.version().to_string(), runtime.arch(), env)?, build_dir)
}

/// Writes the list where a slug has it, below this directory.
fn write_sbom(text: &str, root: &Path) -> Result<()> {
    let file = root.join(SBOM_PATH);
    if let Some(parent) = file.parent() {
        files::create_dir_all(parent)?;
    }
    Ok(files::write_atomically(&file, text.as_bytes())?)
}

/// Makes a tree of the list alone, in this directory.
pub(crate) fn sbom_tree(text: &str, root: &Path, env: &Env) -> Result<Tree> {
    write_sbom(text, root)?;
    Ok(Tree {
        name: "generated".to_owned(),
        root: root.to_owned(),
        origin: TreeOrigin::App,
        entries: index_directory(root, env)?,
    })
}
