//! The checks of `slugc check`, on what a build knows: before it, from the layers that the store has; after it,
//! remembered by what went in.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::context::Context;
use super::execute::Built;
use super::layers::{Layer, find_layer};
use super::left_out::left_out;
use super::python::Python;
use super::slug::SlugRequest;
use super::slug_source::read;
use super::stage;
use super::survey::{Survey, digest_of_source};
use crate::app::ignored;
use crate::app::source::AppSource;
use crate::check::confirm::confirm_syntax;
use crate::check::facts::{Facts, Installed};
use crate::check::finding::Finding;
use crate::check::gather::{LayerFiles, read_app, read_layers};
use crate::check::script_syntax::check_scripts;
use crate::check::{Severity, accept, check, missing_procfile};
use crate::env::Env;
use crate::error::{Failure, FindingCode, NoticeText, Result};
use crate::host::process::{Invocation, RunError, capture_within};
use crate::output::Output;
use crate::plan::{LayerId, Plan};
use crate::slug::tree::Entry;
use crate::store::Store;

/// Belongs to the keys of what is remembered: it changes when the checks do.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "/3");

/// How many findings a build shows in full.
const SHOWN: usize = 3;

/// What is known of an app before it is built.
pub(crate) struct Known {
    /// The facts; what is installed is among them if the store has the layers.
    pub facts: Facts,
    /// Why it can't be built, if that is known already.
    pub failure: Option<Failure>,
    /// What doesn't compile of what the process types start; none is known of if the store doesn't have the app's Python.
    pub syntax_errors: Vec<Finding>,
}

/// Gathers the facts about an app without building it.
pub(crate) fn facts_of_source(request: &SlugRequest, context: Context<'_>) -> Result<Known> {
    let source = read(request, context)?;
    let mut facts = read_app(&source.app);
    let left_out = left_out(&source.app, context.env, context.output);
    let mut entries = |app: &AppSource| stage::index_app(app, context.env);
    let plan = Survey::read(source.app, &mut entries, request.settings.clone(), context)
        .and_then(|survey| survey.plan());
    facts.left_out = left_out;
    let mut syntax_errors = Vec::new();
    let failure = match plan {
        Ok(plan) => {
            syntax_errors = find_syntax_errors(&facts, &plan, context)?;
            if let Some(layers) = known_layers(&plan, context.store, context.env)? {
                let layers: Vec<&Layer> = layers.iter().collect();
                facts.installed =
                    Some(installed(&layers, &request.settings.lineage, context.store, context.env)?);
            }
            None
        }
        Err(failure) => Some(failure),
    };
    Ok(Known { facts, failure, syntax_errors })
}

/// Lets the app's Python compile what the process types start, if the store has that Python. Nothing of the app is
/// executed.
fn find_syntax_errors(facts: &Facts, plan: &Plan, context: Context<'_>) -> Result<Vec<Finding>> {
    const LIMIT: Duration = Duration::from_secs(60);
    let Some(runtime) = plan.layer(LayerId::Runtime) else { return Ok(Vec::new()) };
    let Some(runtime) = find_layer(runtime, context.store, context.env)? else { return Ok(Vec::new()) };
    let python = Python::in_layer(&runtime, plan.runtime.version());
    confirm_syntax(facts, |arguments, input| {
        let invocation = Invocation::new(&python.executable).args(arguments).env("HOME", "/app").stdin(input);
        match capture_within(LIMIT, &invocation, context.env, context.output) {
            Ok(captured) => Ok(captured.stdout),
            Err(RunError::Interrupted(interrupted)) => Err(interrupted.into()),
            // A Python that can't be run here is found by builds.
            Err(_) => Ok(Vec::new()),
        }
    })
}

/// Lets this machine's shells parse the scripts that start with a dyno. They execute nothing, and one that isn't here says
/// nothing.
pub(crate) fn find_script_errors(facts: &Facts, env: &Env, output: &Output) -> Result<Vec<Finding>> {
    const LIMIT: Duration = Duration::from_secs(10);
    check_scripts(facts, |shell, arguments, input| {
        // The outer shell brings both outputs together, and ends with 0.
        let command = ["-c", "exec 2>&1; \"$0\" \"$@\"; true", shell];
        let invocation = Invocation::new("bash").args(command).args(arguments).env("LC_ALL", "C");
        match capture_within(LIMIT, &invocation.stdin(input.as_bytes().to_vec()), env, output) {
            Ok(captured) => Ok(String::from_utf8_lossy(&captured.stdout).into_owned()),
            Err(RunError::Interrupted(interrupted)) => Err(interrupted.into()),
            Err(_) => Ok(String::new()),
        }
    })
}

/// Returns the layers of a plan if the store has every one.
pub(super) fn known_layers(plan: &Plan, store: &Store, env: &Env) -> Result<Option<Vec<Layer>>> {
    let mut layers = Vec::new();
    for layer in &plan.layers {
        match find_layer(layer, store, env)? {
            Some(layer) => layers.push(layer),
            None => return Ok(None),
        }
    }
    Ok(Some(layers))
}

/// What layers have installed, and which layers they were.
#[derive(Serialize, Deserialize)]
struct RememberedInstalled {
    key: String,
    installed: Installed,
}

/// Gathers what layers have installed, or remembers it: a change of the app's code leaves them as they are.
fn installed(layers: &[&Layer], lineage: &str, store: &Store, env: &Env) -> Result<Installed> {
    let mut hasher = Sha256::new();
    hasher.update(VERSION);
    for layer in layers {
        hasher.update(format!("\0{}\0{}", layer.id, layer.key));
    }
    let key = hex::encode(hasher.finalize());
    if let Some(known) = store.document::<RememberedInstalled>("installed", lineage)
        && known.key == key
    {
        return Ok(known.installed);
    }
    let trees: Vec<_> = layers.iter().map(|layer| (layer.tree(), &layer.entries)).collect();
    let files: Vec<LayerFiles<'_>> =
        trees.iter().map(|(root, entries)| LayerFiles { root, entries }).collect();
    let known = RememberedInstalled { key, installed: read_layers(&files, env)? };
    store.put_document("installed", lineage, &known)?;
    Ok(known.installed)
}

/// Lists what is wrong with an app and what it has installed, to explain why a step failed.
pub(crate) fn findings_of(
    app: &AppSource,
    layers: &[Layer],
    lineage: &str,
    context: Context<'_>,
) -> Vec<Finding> {
    check(&Facts { installed: installed_in(layers, lineage, context), ..read_app(app) })
}

/// Lists what layers have installed, if they can be read.
pub(crate) fn installed_in(layers: &[Layer], lineage: &str, context: Context<'_>) -> Option<Installed> {
    let layers: Vec<&Layer> = layers.iter().collect();
    installed(&layers, lineage, context.store, context.env).ok()
}

/// Says what there is to say of an app without a Procfile, from what it has installed, if it is installed. One with another
/// name is told when the app is read.
pub(crate) fn missing_procfile_of(
    app: &AppSource,
    installed: impl FnOnce() -> Option<Installed>,
) -> Option<Finding> {
    if app.procfile.is_some() {
        return None;
    }
    let facts = Facts { installed: installed(), ..read_app(app) };
    missing_procfile(&facts).filter(|finding| finding.code == FindingCode::ProcfileMissing)
}

/// What was found, and in what.
#[derive(Serialize, Deserialize)]
struct RememberedFindings {
    key: String,
    findings: Vec<Finding>,
}

/// What a build has made.
pub(super) struct FinishedBuild<'a> {
    pub(super) app: &'a AppSource,
    pub(super) app_entries: &'a [Entry],
    pub(super) built: &'a Built,
    /// What the app's own steps have changed.
    pub(super) staged: Option<&'a Layer>,
    pub(super) lineage: &'a str,
}

/// Tells what is wrong with what a build has made. Nothing is read if nothing has changed.
pub(super) fn tell_findings(made: &FinishedBuild<'_>, context: Context<'_>) -> Result<()> {
    if context.output.is_quiet() {
        return Ok(());
    }
    let findings = findings(made, context)?;
    // What the Procfile's linter says, what is ignored, and what can't be used has been told at the beginning of the build.
    // A hook may have made one.
    let has_types = !made.built.plan.process_types.is_empty();
    let is_new = |finding: &&Finding| {
        finding.severity != Severity::Note
            && (finding.code == FindingCode::ProcfileMissing && !has_types
                || !finding.code.entry().id.starts_with("procfile::"))
            && !ignored::CODES.contains(&finding.code)
            && finding.code != FindingCode::PythonVersionsContradict
            && finding.code != FindingCode::SourceFileUnusable
    };
    let new: Vec<&Finding> = findings.iter().filter(is_new).collect();
    for finding in new.iter().take(SHOWN) {
        let entry = finding.code.entry();
        let place = finding.place.as_ref().map(|place| format!("{}, line {}: ", place.file, place.line));
        let place = place.unwrap_or_default();
        let text = format!("{}\n{place}{}", entry.title, finding.message);
        context.output.warning(finding.code, NoticeText::from(text).with_more(finding.fix()));
    }
    for finding in new.iter().skip(SHOWN) {
        context.output.warning(finding.code, finding.message.lines().next().unwrap_or_default());
    }
    if new.len() > SHOWN {
        context.output.detail("`slugc check` shows each of them in full.");
    }
    Ok(())
}

fn findings(made: &FinishedBuild<'_>, context: Context<'_>) -> Result<Vec<Finding>> {
    let FinishedBuild { app, app_entries, built, staged, lineage } = *made;
    let layers: Vec<&Layer> = built.layers.iter().chain(staged).collect();
    let mut hasher = Sha256::new();
    hasher.update(VERSION);
    hasher.update(digest_of_source(app_entries));
    for layer in &layers {
        hasher.update(format!("\0{}\0{}", layer.id, layer.key));
    }
    for path in &app.ignored {
        hasher.update(b"\0ignored\0");
        hasher.update(path);
    }
    for link in &app.gitlinks {
        hasher.update(format!("\0gitlink\0{}\0{}", link.path, link.is_named));
    }
    let key = hex::encode(hasher.finalize());
    if let Some(known) = context.store.document::<RememberedFindings>("findings", lineage)
        && known.key == key
    {
        return Ok(known.findings);
    }
    let mut facts = read_app(app);
    facts.left_out = left_out(app, context.env, context.output);
    facts.is_built = true;
    facts.installed = Some(installed(&layers, lineage, context.store, context.env)?);
    let known = RememberedFindings { key, findings: accept(check(&facts), &facts).0 };
    context.store.put_document("findings", lineage, &known)?;
    Ok(known.findings)
}
