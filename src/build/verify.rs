//! Checks everything that is in the store against what it was when it was put there.

use std::path::{Path, PathBuf};

use super::layers::{Condition, check_stored_layer};
use crate::env::Env;
use crate::error::Result;
use crate::host::download::has_sha256;
use crate::output::Output;
use crate::store::{Item, Store};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// How many are what they were.
    pub whole: u64,
    /// What isn't, and was thrown away.
    pub damaged: Vec<PathBuf>,
    /// How many have nothing that they could be compared with.
    pub unchecked: u64,
}

/// Checks everything, and throws away what is damaged.
pub(crate) fn verify_store(store: &Store, env: &Env, output: &Output) -> Result<Verified> {
    let items = store.items(env)?;
    let bar = output.progress("Verifying", Some(items.iter().map(|item| item.size).sum()));
    let mut verified = Verified::default();
    for item in items {
        env.interrupt.check()?;
        match check(&item, store, env)? {
            Condition::Whole => verified.whole += 1,
            Condition::Unknown => verified.unchecked += 1,
            Condition::Damaged => {
                if !store.remove(&item)? {
                    output.detail(format!("{} couldn't be thrown away.", item.path.display()));
                }
                verified.damaged.push(item.path.clone());
            }
        }
        bar.add(item.size);
    }
    Ok(verified)
}

fn check(item: &Item, store: &Store, env: &Env) -> Result<Condition> {
    match item.kind.as_str() {
        kind if kind.starts_with("layers/") => check_stored_layer(&item.path, store, env),
        "downloads" => check_download(&item.path, env),
        _ => Ok(match store.is_whole(item) {
            Some(true) => Condition::Whole,
            Some(false) => Condition::Damaged,
            None => Condition::Unknown,
        }),
    }
}

/// A finished download has its checksum in its name; what is still being fetched hasn't.
fn check_download(path: &Path, env: &Env) -> Result<Condition> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((sha256, _)) = name.split_once('-') else { return Ok(Condition::Unknown) };
    if sha256.len() != 64 || path.extension().is_some_and(|extension| extension == "part") {
        return Ok(Condition::Unknown);
    }
    Ok(if has_sha256(path, sha256, env)? { Condition::Whole } else { Condition::Damaged })
}
