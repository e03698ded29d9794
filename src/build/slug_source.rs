//! What `slugc build` builds: the files of a directory, or those of a commit.

use std::collections::BTreeSet;
use std::path::Path;

use super::context::Context;
use super::own_output::leave_out_own_output;
use super::slug::SlugRequest;
use super::source::{Checkout, export_commit, read_directory};
use super::tracking::{read_tracking, tell_uncommitted};
use crate::app::left_out::without_effect;
use crate::app::source::{AppSource, read_source};
use crate::error::{FindingCode, Result};
use crate::output::shell_quote;

/// The source of a build.
pub(super) struct Source {
    /// Its files.
    pub(super) app: AppSource,
    /// Where they are from.
    pub(super) origin: Origin,
}

/// Where an app is from; what was checked out for a build goes away with it.
pub(super) struct Origin {
    /// The commit, if it is known.
    pub(super) commit: Option<String>,
    /// When the commit was made, in seconds since 1970, if it is what is built.
    pub(super) commit_time: Option<u64>,
    checkout: Option<Checkout>,
}

impl Origin {
    /// Whether the files were checked out for this build.
    pub(super) fn is_checked_out(&self) -> bool {
        self.checkout.is_some()
    }
}

/// Reads the app: the directory, or a commit.
pub(super) fn read(request: &SlugRequest, context: Context<'_>) -> Result<Source> {
    let Context { store, env, output, .. } = context;
    if let Some(revision) = &request.commit {
        let checkout = export_commit(&request.source, revision, &store.tmp(), env, output)?;
        let app = read_source(checkout.path(), &BTreeSet::new(), &env.interrupt)?;
        let (commit, commit_time) = (Some(checkout.commit.clone()), Some(checkout.time));
        let origin = Origin { commit, commit_time, checkout: Some(checkout) };
        return Ok(Source { app, origin });
    }
    let mut app = read_directory(&request.source, request.include_ignored, env, output)?;
    let known = (request.settings.lineage.as_str(), store);
    leave_out_own_output(&mut app, &request.source, &request.output, known, output);
    for (name, rule) in &app.ignored_deciders {
        let text = without_effect(name, rule);
        output.notice(
            FindingCode::SourceFileIgnored,
            format!("{text} If it is to count, commit it: `git add -f {}`.", shell_quote(Path::new(name))),
        );
    }
    let tracking = read_tracking(&request.source, env, output);
    tell_uncommitted(&tracking, &app, output);
    let commit = tracking.commit;
    Ok(Source { app, origin: Origin { commit, commit_time: None, checkout: None } })
}
