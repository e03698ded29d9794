//! The package index that this machine uses: lock files name it, and the fixtures don't.

use std::fs;
use std::sync::OnceLock;

use crate::real_tools::{PROJECT, locked_app};
use crate::support::skip;

/// What stands in lock files for the placeholders of the fixtures.
pub(crate) struct Index {
    /// `@INDEX@`: the URL of the index.
    pub(crate) simple: String,
    /// `@FILES@`: where it has its files.
    pub(crate) files: String,
}

/// Returns what uv writes into a lock file here; none if this machine can't make one.
pub(crate) fn index() -> Option<&'static Index> {
    static INDEX: OnceLock<Option<Index>> = OnceLock::new();
    INDEX.get_or_init(find).as_ref()
}

fn find() -> Option<Index> {
    let app = locked_app(&[("pyproject.toml", PROJECT)], "uv lock --quiet")?;
    let lock = fs::read_to_string(app.dir.join("uv.lock")).unwrap();
    let between = |start, end| lock.split(start).nth(1)?.split(end).next().map(str::to_owned);
    let index = between("registry = \"", "\"").zip(between("url = \"", "/packages/"));
    if index.is_none() {
        skip("this machine's package index has no paths as the fixtures' lock files have");
    }
    index.map(|(simple, files)| Index { simple, files })
}
