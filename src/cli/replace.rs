//! Files that a command writes where the user says: what slugc didn't make stays.

use std::io;
use std::path::Path;

use crate::error::Result;
use crate::host::files::{FileContext, check_writable, read_small_file};
pub(super) use crate::inspect::made::Written;
use crate::slug::replace::{NotOurs, is_placeholder};

/// Fails if the file can't be written, or if it would replace one that slugc didn't make.
pub(super) fn check_replaceable(file: &Path, written: Written) -> Result<()> {
    let contents = read_small_file(file);
    if contents.as_ref().is_ok_and(|contents| !written.is_ours(contents)) && !is_placeholder(file) {
        return Err(NotOurs { path: file.to_owned(), kind: written.kind() }.into());
    }
    // By writing a file beside it: not where this is refused anyway.
    check_writable(file)?;
    match contents {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        contents => Ok(contents.map(drop).doing("reading", file)?),
    }
}
