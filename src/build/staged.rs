//! What the app's own steps have made of the app and its layers: a layer over all of them, and a list of what is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::layers::Layer;
use crate::host::files::{self, FileError};
use crate::slug::tree::Entry;

/// What the steps made of the app and its layers.
pub(crate) struct Staged {
    /// What is new or has changed: it is laid over everything else.
    pub layer: Layer,
    /// What is no longer there, or has changed.
    pub removed: BTreeSet<Vec<u8>>,
}

impl Staged {
    /// Reads the list of a finished layer.
    pub(super) fn of(mut layer: Layer) -> Self {
        let list = fs::read(layer.tree().join(REMOVED)).unwrap_or_default();
        let paths = list.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        let removed = paths.map(<[u8]>::to_vec).collect();
        layer.entries.retain(|entry| entry.path != REMOVED.as_bytes());
        Self { layer, removed }
    }

    /// Takes what is no longer there out of a list.
    pub(crate) fn prune(&self, entries: &mut Vec<Entry>) {
        if !self.removed.is_empty() {
            entries.retain(|entry| !self.removed.contains(&entry.path));
        }
    }
}

/// Where a layer keeps the list of what is no longer there: paths, each before a NUL.
const REMOVED: &str = ".heroku/.slugc-removed";

/// Writes the list into a layer that is being made.
pub(super) fn write_removed(tree: &Path, removed: &BTreeSet<Vec<u8>>) -> Result<(), FileError> {
    let list: Vec<u8> = removed.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
    let path = tree.join(REMOVED);
    files::create_dir_all(path.parent().unwrap_or(tree))?;
    files::write_atomically(&path, &list)
}
