//! `slugc build`: an app directory, or a commit, becomes a slug.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::check::{FinishedBuild, known_layers, missing_procfile_of, tell_findings};
use super::context::Context;
use super::excluded::{self, Patterns};
use super::execute::Built;
use super::layers::Layer;
use super::pipeline;
use super::sbom::sbom_tree;
use super::slug_site::SlugSite;
use super::slug_source::read;
use super::stage;
use super::staged::Staged;
use super::survey::{BuildSettings, Survey};
use crate::app::procfile::Procfile;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::{ErrorCode, Failure, Result};
use crate::host::files::FileContext;
use crate::inspect::sbom::{TreesSbom, sbom_of_trees};
use crate::output::{Output, shell_quote};
use crate::plan::Plan;
use crate::slug::assemble::{Layout, Slug, SlugSpec, Times, check_output, prepare};
use crate::slug::known::KnownFiles;
use crate::slug::manifest::manifest_path;
use crate::slug::manifest::{BuildpackInfo, Manifest, PythonInfo, SlugignoreInfo};
use crate::slug::replace::{check_replaceable, remember_output};
use crate::slug::size::heroku_size;
use crate::slug::tree::{Entry, Tree, TreeOrigin, index_directory};
use crate::slug::{SlugError, TooLarge};
use crate::store::Store;

/// When nothing says otherwise, all files in a slug are from one second after 1980 began: the first
/// moment that fits into zip files, too. A time that changed with every build would change every byte.
const DEFAULT_MTIME: u64 = 315_532_801;

/// What is built.
#[derive(Debug, Clone)]
pub(crate) struct SlugRequest {
    /// The app's directory, absolute.
    pub source: PathBuf,
    /// A revision of the git repository there, instead of its files.
    pub commit: Option<String>,
    /// Keeps what git ignores.
    pub include_ignored: bool,
    /// Where the slug goes, absolute.
    pub output: PathBuf,
    /// Whether the app is below `./app` in the slug.
    pub layout: Layout,
    /// The most compressed bytes.
    pub max_size: u64,
    /// How many threads compress.
    pub threads: usize,
    /// Whether a file may be replaced that slugc didn't make.
    pub force: bool,
    /// How it is built.
    pub settings: BuildSettings,
}

/// What a build has made.
#[derive(Debug)]
pub(crate) struct BuiltSlug {
    /// The slug.
    pub slug: Slug,
    /// The process types that it declares.
    pub process_types: Vec<String>,
}

/// Decides what would be built.
pub(crate) fn plan_slug(request: &SlugRequest, context: Context<'_>) -> Result<Plan> {
    let source = read(request, context)?;
    let mut entries = |app: &AppSource| stage::index_app(app, context.env);
    let mut survey = Survey::read(source.app, &mut entries, request.settings.clone(), context)?;
    survey.missing_procfile = missing_procfile_of(survey.app(), || None).map(|finding| finding.message);
    let plan = survey.plan()?;
    match known_layers(&plan, context.store, context.env)? {
        // Then it is known which of the app's own steps are of use.
        Some(layers) => {
            survey.note_installed(&layers);
            survey.plan()
        }
        None => Ok(plan),
    }
}

/// Builds the slug and its manifest.
pub(crate) fn build_slug(request: &SlugRequest, context: Context<'_>) -> Result<BuiltSlug> {
    // Minutes of work for a slug that can't be written would be a poor answer.
    let check_replaceable =
        || check_replaceable(&request.output, &request.settings.lineage, context.store, context.env);
    // Whether a file can be written is found out by writing one beside it: not where this is refused anyway.
    let is_there = request.output.is_file();
    if !request.force && is_there {
        check_replaceable()?;
    }
    check_output(&request.output)?;
    if !request.force && !is_there {
        check_replaceable()?;
    }
    match build_once(request, context) {
        // What is damaged was thrown away: the second try makes it anew.
        Err(failure) if failure.code() == ErrorCode::StoreCorrupt => {
            context.output.detail(failure.to_string());
            build_once(request, context)
        }
        // If that wasn't the user, what the last build has hashed is no longer so.
        Err(failure) if failure.code() == ErrorCode::SourceChanged => {
            KnownFiles::forget(&request.settings.lineage, context.store);
            Err(failure)
        }
        other => other,
    }
}

fn build_once(request: &SlugRequest, context: Context<'_>) -> Result<BuiltSlug> {
    let Context { store, env, output, .. } = context;
    let source = read(request, context)?;
    let slugignore_removed = source.app.tree.removed;
    if slugignore_removed > 0 {
        output.step(format!("Deleting {slugignore_removed} files matching .slugignore patterns."));
    }
    if request.settings.refresh {
        KnownFiles::forget(&request.settings.lineage, store);
    }
    let mut site = SlugSite::new(source, &request.settings, context);
    let (mut survey, mut built) = pipeline::build(&mut site, context)?;
    site.entries(survey.app())?;
    let SlugSite { origin, pre_compiled, staged, entries, .. } = site;
    let mut app_entries = entries.unwrap_or_default();
    if let Some(staged) = &staged {
        built.layers.iter_mut().for_each(|layer| staged.prune(&mut layer.entries));
        staged.prune(&mut app_entries);
        survey.staged_procfile = read_staged_procfile(staged)?;
        built.plan = survey.plan()?;
    }
    let app = survey.app();
    tell_process_types(&built, context);
    let made = FinishedBuild {
        app,
        app_entries: &app_entries,
        built: &built,
        staged: staged.as_ref().map(|staged| &staged.layer),
        lineage: &request.settings.lineage,
    };
    tell_findings(&made, context)?;

    let work = store.scratch()?;
    let parts = SlugParts { app, app_entries, pre_compiled, staged, built: &built };
    let mut trees = trees(&parts, &work.path().join("generated"), env)?;
    let patterns = Patterns::new(&app.slugignore_post);
    let exclude = |path: &[u8], is_dir| patterns.leave_out(path, is_dir);
    let sbom = list_components(&trees, &exclude, &built, &request.settings.lineage, store)
        .map_err(|error| throw_damaged_layer_away(error, &parts, store))?;
    trees.push(sbom_tree(&sbom, &work.path().join("sbom"), env)?);
    output.step("Compressing...");
    let source_date_epoch = env.text("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok());
    let app_time = source_date_epoch.or(origin.commit_time).unwrap_or(DEFAULT_MTIME);
    let spec = SlugSpec {
        trees,
        times: Times { app: app_time, layers: source_date_epoch.unwrap_or(DEFAULT_MTIME) },
        layout: request.layout,
        exclude: &exclude,
        max_size: request.max_size,
        threads: request.threads,
        output: request.output.clone(),
        lineage: request.settings.lineage.clone(),
    };
    let prepared = prepare(&spec, store, env, output);
    if matches!(prepared, Ok(_) | Err(SlugError::TooLarge(_))) {
        patterns.warn_of_unmatched(output);
    }
    let prepared = prepared.map_err(|error| match error {
        SlugError::TooLarge(error) => {
            SlugError::TooLarge(TooLarge { advice: look_inside(&error, request, env), ..error }).into()
        }
        error => throw_damaged_layer_away(error, &parts, store),
    })?;
    patterns.warn_of_needed(&prepared.slug().excluded, built.plan.runtime.version(), output);
    let manifest = manifest(request, app, &built, prepared.slug(), origin.commit.clone(), app_time);
    let slug = prepared.publish_with(&manifest, &manifest_path(&request.output))?;
    remember_output(&request.output, &slug.sha256, &request.settings.lineage, store);
    tell_slug(&slug, output);
    let process_types = built.plan.process_types.into_keys().collect();
    Ok(BuiltSlug { slug, process_types })
}

/// Says how to see what is in a slug that is too large to be kept: a line to paste.
fn look_inside(error: &TooLarge, request: &SlugRequest, env: &Env) -> String {
    let command = env.own_command();
    let source = match request.source.strip_prefix(&env.current_dir) {
        Ok(relative) if relative.as_os_str().is_empty() => Path::new("."),
        Ok(relative) => relative,
        Err(_) => &request.source,
    };
    let limit = (error.size >> 30) + 2;
    format!(
        "To see everything that is in it:\n  {command} build {} --max-size {limit}G -o big.tgz && {command} inspect \
         big.tgz --html report.html",
        shell_quote(source)
    )
}

/// Everything that a slug is made of.
struct SlugParts<'a> {
    app: &'a AppSource,
    app_entries: Vec<Entry>,
    pre_compiled: Option<Layer>,
    staged: Option<Staged>,
    built: &'a Built,
}

/// Lays the app and what slugc adds to it over the layers; what it adds is written to `generated`.
fn trees(parts: &SlugParts<'_>, generated: &Path, env: &Env) -> Result<Vec<Tree>> {
    let SlugParts { app, app_entries, pre_compiled, staged, built } = parts;
    let app_tree = |name: &str, root: &Path, entries| Tree {
        name: name.to_owned(),
        root: root.to_owned(),
        origin: TreeOrigin::App,
        entries,
    };
    let mut trees: Vec<Tree> = built.layers.iter().map(Layer::to_tree).collect();
    trees.push(match pre_compiled {
        Some(layer) => Tree { entries: app_entries.clone(), ..layer.to_tree() },
        None => app_tree("app", &app.root, app_entries.clone()),
    });
    match staged {
        // They are among what was staged, as hooks may change them.
        Some(staged) => trees.push(staged.layer.to_tree()),
        None => {
            stage::write_generated_files(app, &built.plan.environment, generated)?;
            trees.push(app_tree("generated", generated, index_directory(generated, env)?));
        }
    }
    Ok(trees)
}

/// Lists what is installed. What is left out of the slug isn't.
fn list_components(
    trees: &[Tree],
    exclude: &dyn Fn(&[u8], bool) -> bool,
    built: &Built,
    lineage: &str,
    store: &Store,
) -> std::result::Result<String, SlugError> {
    let runtime = &built.plan.runtime;
    let python = runtime.version().to_string();
    sbom_of_trees(&TreesSbom { trees, exclude, python: &python, machine: runtime.arch(), lineage }, store)
}

/// What is damaged must not be used by the next build either.
fn throw_damaged_layer_away(error: SlugError, parts: &SlugParts<'_>, store: &Store) -> Failure {
    let SlugParts { pre_compiled, staged, built, .. } = parts;
    let all = built.layers.iter().chain(pre_compiled).chain(staged.iter().map(|staged| &staged.layer));
    for layer in all.filter(|layer| error.damaged_layer() == Some(layer.id.name())) {
        if let Err(failure) = store.remove_layer(layer.id.name(), &layer.key) {
            return failure.into();
        }
    }
    error.into()
}

fn tell_process_types(built: &Built, context: Context<'_>) {
    context.output.step("Discovering process types");
    let declared: Vec<&str> = built.plan.process_types.keys().map(String::as_str).collect();
    let declared = if declared.is_empty() { "(none)".to_owned() } else { declared.join(", ") };
    context.output.detail(format!("Procfile declares types -> {declared}"));
}

fn tell_slug(slug: &Slug, output: &Output) {
    if !slug.excluded.matched.is_empty() {
        let left_out = excluded::describe(&slug.excluded);
        output.detail(format!("Left out {left_out} matching .slugignore.post patterns"));
    }
    output.detail(format!("Done: {}", heroku_size(slug.size)));
}

/// Names an app among others in the store, by its directory and layout.
pub(crate) fn lineage(source: &Path, layout: Layout) -> String {
    let source = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    let mut hasher = Sha256::new();
    hasher.update(source.as_os_str().as_encoded_bytes());
    hasher.update(format!("\0{layout:?}"));
    hex::encode(&hasher.finalize()[..12])
}

/// Reads the Procfile that the app's own steps have written, if they have.
fn read_staged_procfile(staged: &Staged) -> Result<Option<Procfile>> {
    let path = staged.layer.tree().join("Procfile");
    if !staged.layer.entries.iter().any(|entry| entry.path == b"Procfile") || !path.is_file() {
        return Ok(None);
    }
    let contents = std::fs::read(&path).doing("reading", &path)?;
    Ok(Some(Procfile::parse(&contents)?))
}

fn manifest(
    request: &SlugRequest,
    app: &AppSource,
    built: &Built,
    slug: &Slug,
    commit: Option<String>,
    built_at: u64,
) -> Manifest {
    let Built { plan, .. } = built;
    let patterns =
        (0..app.slugignore.len()).filter_map(|index| app.slugignore.pattern(index)).map(str::to_owned);
    Manifest {
        arch: plan.runtime.arch().to_owned(),
        process_types: plan.process_types.clone(),
        buildpacks: vec![BuildpackInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            description: Some("Python".to_owned()),
            url: None,
        }],
        commit,
        python: Some(PythonInfo {
            version: plan.runtime.version().to_string(),
            source: plan.runtime.source_name().to_owned(),
        }),
        slugignore: SlugignoreInfo { patterns: patterns.collect(), removed: app.tree.removed },
        ..Manifest::of(slug, built_at, request.layout)
    }
}
