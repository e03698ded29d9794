//! Layers on disk: made once, under a lock, and kept in the store with their index.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::error::Result;
use crate::host::files;
use crate::host::scratch::ScratchDir;
use crate::output::{Event, Output};
use crate::plan::{LayerId, LayerKey, LayerPlan};
use crate::slug::index_file;
use crate::slug::tree::{Entry, EntryKind, IndexError, Tree, TreeOrigin, index_directory, normalise_mode};
use crate::store::{Lock, Store, StoreError};

const TREE: &str = "tree";
const INDEX: &str = "index";

/// A finished layer in the store.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Which it is.
    pub id: LayerId,
    /// Its key's digest.
    pub key: String,
    /// Its directory in the store.
    path: PathBuf,
    /// Its files, below the app's root.
    pub entries: Vec<Entry>,
}

impl Layer {
    /// Returns the directory that stands for the app's root.
    pub fn tree(&self) -> PathBuf {
        self.path.join(TREE)
    }

    /// Returns the layer as a part of a slug.
    pub fn to_tree(&self) -> Tree {
        Tree {
            name: self.id.name().to_owned(),
            root: self.tree(),
            origin: TreeOrigin::Layer,
            entries: self.entries.clone(),
        }
    }
}

/// A layer that is there already, or one that is to be made.
pub(crate) enum Begun {
    /// The store has it.
    There(Layer),
    /// It is to be made.
    New(NewLayer),
}

/// A layer that is being made, under a lock. Nothing is left of one that isn't finished.
pub(crate) struct NewLayer {
    plan: LayerPlan,
    app: String,
    reasons: Vec<String>,
    work: ScratchDir,
    tree: PathBuf,
    _lock: Lock,
}

/// Finds a layer in the store, or begins a new one. `app` names the app for which the reasons of a new layer are told.
pub(crate) fn begin_layer(
    plan: &LayerPlan,
    app: &str,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<Begun> {
    let digest = plan.key.digest();
    let reuse = |layer| {
        remember_key(plan, app, store)?;
        output.event(Event::LayerReused { layer: plan.id.name().to_owned(), key: digest.clone() });
        Ok(Begun::There(layer))
    };
    if let Some(layer) = read_layer(plan, &digest, store, env)? {
        return reuse(layer);
    }
    let lock = store.lock(&format!("{}-{digest}", plan.id), env, || {
        output.detail(format!("Waiting for another build that makes the same layer ({})", plan.id));
    })?;
    // Somebody else may have made it while this build waited.
    if let Some(layer) = read_layer(plan, &digest, store, env)? {
        return reuse(layer);
    }
    let reasons = reasons(plan, app, store);
    let work = store.scratch()?;
    let tree = work.path().join(TREE);
    files::create_dir_all(&tree)?;
    Ok(Begun::New(NewLayer { plan: plan.clone(), app: app.to_owned(), reasons, work, tree, _lock: lock }))
}

impl NewLayer {
    /// Returns the directory to be filled. It is empty at first.
    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Puts what was made into the store.
    pub(crate) fn finish(self, store: &Store, env: &Env, output: &Output) -> Result<Layer> {
        let Self { plan, app, reasons, work, tree, _lock } = self;
        let digest = plan.key.digest();
        let mut entries = index_directory(&tree, env)?;
        if !plan.id.holds_files_of_the_app() {
            open_to_all(&tree, &mut entries)?;
        }
        files::write_atomically(&work.path().join(INDEX), &index_file::encode(&entries))?;
        let path = store.insert_layer(plan.id.name(), &digest, work)?;
        remember_key(&plan, &app, store)?;
        output.event(Event::LayerBuilt { layer: plan.id.name().to_owned(), key: digest.clone(), reasons });
        Ok(Layer { id: plan.id, key: digest, path, entries })
    }
}

/// Gives a layer: the one in the store, or a new one that `fill` makes in an empty directory.
/// `app` names the app for which the reasons of a new layer are told.
pub(crate) fn provide_layer(
    plan: &LayerPlan,
    app: &str,
    store: &Store,
    env: &Env,
    output: &Output,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<Layer> {
    match begin_layer(plan, app, store, env, output)? {
        Begun::There(layer) => Ok(layer),
        Begun::New(layer) => {
            fill(layer.tree())?;
            layer.finish(store, env, output)
        }
    }
}

/// Lets every user read what was installed. A private file of an installer says nothing about the file, only about the umask
/// that was in force when it was unpacked, maybe into a cache by an earlier build. Layers that were kept with such modes
/// have keys of an earlier format, and are made again.
fn open_to_all(tree: &Path, entries: &mut [Entry]) -> Result<()> {
    for Entry { path, kind } in entries {
        if let EntryKind::File { mode, .. } = kind
            && *mode & 0o077 == 0
        {
            *mode = normalise_mode(*mode | 0o044);
            files::set_mode(&tree.join(OsStr::from_bytes(path)), *mode)?;
        }
    }
    Ok(())
}

/// Returns the layer of the store, if it is there.
pub(crate) fn find_layer(plan: &LayerPlan, store: &Store, env: &Env) -> Result<Option<Layer>> {
    read_layer(plan, &plan.key.digest(), store, env)
}

/// Returns whether the store has this layer.
pub(crate) fn has_layer(plan: &LayerPlan, store: &Store) -> bool {
    store.layer(plan.id.name(), &plan.key.digest()).is_some()
}

fn is_whole(layer: &Layer, store: &Store, env: &Env) -> Result<bool> {
    match index_directory(&layer.tree(), env) {
        Ok(entries) if entries == layer.entries => {
            store.settle(&layer.path);
            Ok(true)
        }
        Err(error @ IndexError::Interrupted(_)) => Err(error.into()),
        _ => Ok(false),
    }
}

/// Whether something in the store is what was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It is.
    Whole,
    /// It isn't.
    Damaged,
    /// There is nothing that it could be compared with.
    Unknown,
}

/// Compares the layer in this directory of the store with its index, and notes it if it is whole.
pub(crate) fn check_stored_layer(path: &Path, store: &Store, env: &Env) -> Result<Condition> {
    let Ok(bytes) = std::fs::read(path.join(INDEX)) else {
        // Tools that slugc runs itself have none.
        return Ok(if path.join(TREE).is_dir() { Condition::Damaged } else { Condition::Unknown });
    };
    match (index_file::decode(&bytes), index_directory(&path.join(TREE), env)) {
        (_, Err(error @ IndexError::Interrupted(_))) => Err(error.into()),
        (Some(entries), Ok(found)) if entries == found => {
            store.settle(path);
            Ok(Condition::Whole)
        }
        _ => Ok(Condition::Damaged),
    }
}

/// Reads a layer of the store. After a power cut its files are compared with the index before anybody relies on them.
fn read_layer(plan: &LayerPlan, digest: &str, store: &Store, env: &Env) -> Result<Option<Layer>> {
    let Some(layer) = read_index(plan, digest, store)? else { return Ok(None) };
    if store.is_sure(&layer.path) || is_whole(&layer, store, env)? {
        return Ok(Some(layer));
    }
    store.remove_layer(plan.id.name(), digest)?;
    Ok(None)
}

fn read_index(plan: &LayerPlan, digest: &str, store: &Store) -> Result<Option<Layer>> {
    let Some(path) = store.layer(plan.id.name(), digest) else { return Ok(None) };
    let entries = std::fs::read(path.join(INDEX)).ok().and_then(|bytes| index_file::decode(&bytes));
    match entries {
        Some(entries) => Ok(Some(Layer { id: plan.id, key: digest.to_owned(), path, entries })),
        // Damaged: made anew.
        None => {
            store.remove_layer(plan.id.name(), digest)?;
            Ok(None)
        }
    }
}

/// Why the last build's layer can't be used; empty if there was none.
fn reasons(plan: &LayerPlan, app: &str, store: &Store) -> Vec<String> {
    store
        .document::<LayerKey>("keys", &format!("{app}-{}", plan.id))
        .map(|earlier| plan.key.differences(&earlier))
        .unwrap_or_default()
}

fn remember_key(plan: &LayerPlan, app: &str, store: &Store) -> std::result::Result<(), StoreError> {
    let name = format!("{app}-{}", plan.id);
    if store.document::<LayerKey>("keys", &name).as_ref() == Some(&plan.key) {
        return Ok(());
    }
    store.put_document("keys", &name, &plan.key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::files::set_mode;

    // B14
    #[test]
    fn what_is_installed_is_for_all_and_what_the_app_made_private_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let env = Env::for_tests(&[]);
        let modes = [("plain", 0o600), ("run", 0o700), ("locked", 0o400), ("open", 0o644), ("tool", 0o755)];
        for id in LayerId::ALL {
            let plan = LayerPlan {
                id,
                contents: String::new(),
                key: LayerKey::new::<crate::plan::key::KeyPart>([]),
            };
            let fill = |tree: &Path| {
                for (file, mode) in modes {
                    fs::write(tree.join(file), "").unwrap();
                    set_mode(&tree.join(file), mode)?;
                }
                Ok(())
            };
            let layer = provide_layer(&plan, "app", &store, &env, &Output::silent(), fill).unwrap();
            let found: Vec<(String, u32)> = layer
                .entries
                .iter()
                .map(|entry| match entry.kind {
                    EntryKind::File { mode, .. } => (String::from_utf8(entry.path.clone()).unwrap(), mode),
                    _ => panic!("{entry:?}"),
                })
                .collect();
            let expected = match id {
                LayerId::PreCompile | LayerId::Stage => [0o600, 0o644, 0o600, 0o700, 0o755],
                _ => [0o644, 0o644, 0o644, 0o755, 0o755],
            };
            let expected: Vec<(String, u32)> = ["locked", "open", "plain", "run", "tool"]
                .into_iter()
                .map(str::to_owned)
                .zip(expected)
                .collect();
            assert_eq!(found, expected, "{id}");
            // Of these modes are the files, too: else the layer would count as damaged.
            assert!(is_whole(&layer, &store, &env).unwrap(), "{id}");
        }
    }
}
