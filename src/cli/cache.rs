//! `slugc cache`

use std::path::PathBuf;

use serde_json::json;

use super::args::{Cache, CacheAction, Prune, StoreArguments};
use crate::build::verify::{Verified, verify_store};
use crate::env::Env;
use crate::error::Result;
use crate::output::Output;
use crate::slug::size::heroku_size;
use crate::store::{Limits, Pruned, Store, Total};

/// Looks at the store, checks it or tidies it up. One that isn't there counts as empty, and isn't made.
pub(super) fn run(arguments: &Cache, env: &Env, output: &Output) -> Result<u8> {
    match &arguments.action {
        CacheAction::Dir(arguments) => tell_dir(arguments, env),
        CacheAction::Info(arguments) => tell_info(arguments, env),
        CacheAction::Verify(arguments) => verify(arguments, env, output),
        CacheAction::Prune(arguments) => prune(arguments, env),
    }
}

fn root(arguments: &StoreArguments, env: &Env) -> Result<PathBuf> {
    super::store_root(arguments.cache_dir.as_deref(), env)
}

fn tell_dir(arguments: &StoreArguments, env: &Env) -> Result<u8> {
    let dir = root(arguments, env)?;
    super::print_result(&match arguments.is_json() {
        true => super::to_json(&json!({ "schema": 1, "dir": dir.to_string_lossy() })),
        false => format!("{}\n", dir.display()),
    })?;
    Ok(0)
}

fn tell_info(arguments: &StoreArguments, env: &Env) -> Result<u8> {
    let dir = root(arguments, env)?;
    let kinds = Store::open_existing(&dir).map(|store| store.totals(env)).transpose()?.unwrap_or_default();
    let total = kinds.values().fold(Total::default(), |sum, kind| Total {
        count: sum.count + kind.count,
        bytes: sum.bytes + kind.bytes,
    });
    let text = if arguments.is_json() {
        super::to_json(&json!({
            "schema": 1,
            "dir": dir.to_string_lossy(),
            "kinds": kinds,
            "total": total,
        }))
    } else {
        let line = |name: &str, total: &Total| {
            format!("{name:<24}{:>8}  {:>8}\n", total.count, heroku_size(total.bytes))
        };
        let lines: String = kinds.iter().map(|(name, total)| line(name, total)).collect();
        format!("{}\n{lines}{}", dir.display(), line("Total", &total))
    };
    super::print_result(&text)?;
    Ok(0)
}

fn verify(arguments: &StoreArguments, env: &Env, output: &Output) -> Result<u8> {
    let dir = root(arguments, env)?;
    let Verified { whole, damaged, unchecked } = match Store::open_existing(&dir) {
        Some(store) => verify_store(&store, env, output)?,
        None => Verified::default(),
    };
    let text = if arguments.is_json() {
        let damaged: Vec<_> = damaged.iter().map(|path| path.to_string_lossy()).collect();
        super::to_json(&json!({
            "schema": 1,
            "whole": whole,
            "damaged": damaged,
            "unchecked": unchecked,
        }))
    } else {
        let lines: String = damaged.iter().map(|path| format!("Damaged: {}\n", path.display())).collect();
        format!("{lines}{whole} whole, {} damaged, {unchecked} without a checksum\n", damaged.len())
    };
    super::print_result(&text)?;
    Ok(u8::from(!damaged.is_empty()))
}

fn prune(arguments: &Prune, env: &Env) -> Result<u8> {
    let Prune { store, all, max_size, older_than } = arguments;
    let mut limits = Limits { max_size: *max_size, max_age: *older_than };
    if *all {
        // What is empty or from the future goes, too.
        limits = Limits { max_size: Some(0), max_age: Some(0) };
    }
    let pruned = match Store::open_existing(&root(store, env)?) {
        Some(opened) => opened.prune(limits, env)?,
        None => Pruned::default(),
    };
    super::print_result(&match store.is_json() {
        true => {
            let Pruned { removed, left, in_use, refused } = pruned;
            super::to_json(&json!({
                "schema": 1, "removed": removed, "left": left, "in_use": in_use, "refused": refused,
            }))
        }
        false => render_pruned(&pruned),
    })?;
    Ok(0)
}

/// Says what was taken away.
fn render_pruned(pruned: &Pruned) -> String {
    let Pruned { removed, left, in_use, refused } = pruned;
    let part = |total: &Total| format!("{} ({})", total.count, heroku_size(total.bytes));
    let mut text = format!("Removed {}, left {}\n", part(removed), part(left));
    if *in_use > 0 {
        text.push_str(&format!("{in_use} are used by a running build and stay\n"));
    }
    if *refused > 0 {
        text.push_str(&format!("{refused} stay: they are another user's, or the store can only be read\n"));
    }
    text
}
