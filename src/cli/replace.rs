//! Files that a command writes where the user says: what slugc didn't make stays.

use std::io;
use std::path::Path;

use crate::error::Result;
use crate::host::files::{FileContext, check_writable, read_small_file};
pub(super) use crate::inspect::made::Written;
use crate::slug::replace::NotOurs;

/// Fails if the file can't be written, or if it would replace one that slugc didn't make.
pub(super) fn check_replaceable(file: &Path, written: Written) -> Result<()> {
    check_writable(file)?;
    let contents = match read_small_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        contents => contents.doing("reading", file)?,
    };
    if contents.is_empty() || written.is_ours(&contents) {
        return Ok(());
    }
    Err(NotOurs { path: file.to_owned(), kind: written.kind() }.into())
}
