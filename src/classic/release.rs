//! `bin/release BUILD_DIR`

use std::path::Path;

use crate::error::Result;

/// Prints nothing yet: there are no default process types or config vars, and an empty answer is valid.
pub(super) fn run(_build_dir: &Path) -> Result<()> {
    Ok(())
}
