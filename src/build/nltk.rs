//! The corpora of NLTK that `nltk.txt` names, downloaded into the slug.

use std::path::Path;

use super::context::Context;
use super::importable::python_in;
use super::layers::{Layer, has_layer, provide_layer};
use super::stage::{Transfer, copy_tree, put_layer};
use super::steps::Workspace;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::FileContext;
use crate::host::process::{Invocation, RunError, stream};
use crate::plan::layers::corpora_layer;
use crate::plan::steps::Skip;

/// Where corpora go, in the app's directory.
const NLTK_DATA: &str = ".heroku/python/nltk_data";

/// Downloading corpora failed.
#[derive(Debug, thiserror::Error)]
#[error("nltk.txt names these: {}.", .packages.join(", "))]
pub(crate) struct NltkError {
    packages: Vec<String>,
    source: RunError,
}

impl UserError for NltkError {
    fn code(&self) -> ErrorCode {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.code(),
            _ => ErrorCode::NltkDownloader,
        }
    }

    fn exit_code(&self) -> u8 {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Says why no corpora are downloaded, and notes it.
pub(super) fn tell_skipped(skip: Skip, context: Context<'_>) {
    let reason = match skip {
        Skip::NoNltkFile => "'nltk.txt' wasn't found, so no corpora are downloaded",
        Skip::EmptyNltkFile => "'nltk.txt' names no corpora, so none are downloaded",
        Skip::DisabledByFile | Skip::DisabledByVariable | Skip::NoManagePy => return,
    };
    context.record.set("nltk_downloader", "skipped-no-nltk-file");
    context.output.step("Downloading NLTK corpora...");
    context.output.detail(reason);
}

/// Gives the layer with corpora, and puts them into the workspace: an unchanged list is downloaded once, whatever else of
/// the app changes.
pub(super) fn put_corpora(
    corpora: &[String],
    layers: &[Layer],
    workspace: &Workspace,
    lineage: &str,
    context: Context<'_>,
) -> Result<Layer> {
    let Context { store, env, output, record, .. } = context;
    record.set("nltk_downloader", "enabled");
    let plan = corpora_layer(corpora, nltk_version(layers), lineage);
    if has_layer(&plan, store) {
        output.step(format!("Using cached NLTK packages: {}", corpora.join(" ")));
    }
    let layer = provide_layer(&plan, lineage, store, env, output, |tree| {
        // Through a symbolic link NLTK doesn't write. The step itself mayn't see the store.
        let dir = workspace.dir.canonicalize().doing("reading", &workspace.dir)?;
        let data = dir.join(NLTK_DATA);
        download(corpora, &data, workspace, context)?;
        copy_tree(&data, &tree.join(NLTK_DATA))
    })?;
    put_layer(&layer, &workspace.dir, Transfer::Copy, env)?;
    Ok(layer)
}

/// Another version may need other data. Without metadata, any change of the packages may mean another version.
fn nltk_version(layers: &[Layer]) -> String {
    let paths = layers.iter().flat_map(|layer| &layer.entries);
    let version = paths.filter_map(|entry| std::str::from_utf8(&entry.path).ok()).find_map(|path| {
        let (_, name) = path.split_once("/site-packages/nltk-")?;
        Some(name.strip_suffix(".dist-info")?.to_owned())
    });
    let fallback = || layers.last().map(|layer| layer.key.clone()).unwrap_or_default();
    version.unwrap_or_else(fallback)
}

fn download(corpora: &[String], into: &Path, workspace: &Workspace, context: Context<'_>) -> Result<()> {
    let output = context.output;
    let dir = &workspace.dir;
    output.step("Downloading NLTK corpora...");
    output.step(format!("Downloading NLTK packages: {}", corpora.join(" ")));
    let mut invocation = Invocation::new(python_in(dir))
        .args(["-m", "nltk.downloader", "-d"])
        .arg(into)
        .args(corpora.iter().cloned())
        .current_dir(dir);
    invocation.env = workspace.with_config_vars();
    workspace
        .run(stream, invocation, context)
        .map_err(|source| NltkError { packages: corpora.to_vec(), source })?;
    Ok(())
}

/// Parses the names of packages: one a line, or several with blanks between them. `#` begins a comment, also after
/// a name.
pub(crate) fn parse_packages(contents: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(contents)
        .trim_start_matches('\u{feff}')
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_comments_are_no_packages() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n\n# nothing\n", &[]),
            ("punkt\nstopwords\n", &["punkt", "stopwords"]),
            ("\u{feff}punkt\r\n\r\n  stopwords  # of all languages\r\n", &["punkt", "stopwords"]),
            ("punkt wordnet", &["punkt", "wordnet"]),
        ] {
            assert_eq!(parse_packages(text.as_bytes()), expected, "{text:?}");
        }
    }
}
