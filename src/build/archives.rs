//! Archives in the app whose hashes a lock file has: one that was changed is refused, as Poetry and PDM do.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256, Sha384, Sha512};
use toml::Table;

use crate::app::source::AppSource;
use crate::error::{Door, ErrorCode, UserError};
use crate::plan::PackageManager;
use crate::python::locked::{LockedSet, LockedSource, archive_hashes};

/// An archive isn't the one that was locked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} doesn't have the hash that {file} has for it: it is another file than when it was locked.", file = .manager.file())]
pub(super) struct ChangedArchive {
    manager: PackageManager,
    path: String,
}

impl UserError for ChangedArchive {
    fn code(&self) -> ErrorCode {
        self.manager.install_error()
    }

    fn detail(&self) -> Option<String> {
        Some("hash-mismatch".to_owned())
    }

    fn fix(&self, _door: Door) -> Option<String> {
        let command = if self.manager == PackageManager::Pdm { "pdm lock" } else { "poetry lock" };
        Some(format!(
            "Put the file back that was locked. If the new one is meant, run\n`{command}`, and commit {}.",
            self.manager.file()
        ))
    }
}

/// Compares the archives that are installed with the lock. One that isn't there is for the installer to tell.
pub(super) fn check_archives(
    manager: PackageManager,
    lock: &[u8],
    set: &LockedSet,
    app: &AppSource,
) -> Result<(), ChangedArchive> {
    let lock: Table = String::from_utf8_lossy(lock).parse().unwrap_or_default();
    let known: BTreeMap<String, Vec<String>> = archive_hashes(&lock);
    for package in &set.packages {
        let LockedSource::Path { path, .. } = &package.source else { continue };
        let Some(hashes) = known.get(path) else { continue };
        let Ok(contents) = app.read_file(path) else { continue };
        if is_another(&contents, hashes) {
            return Err(ChangedArchive { manager, path: path.clone() });
        }
    }
    Ok(())
}

/// Whether a file surely isn't one of those. Hashes that can't be made here tell nothing.
fn is_another(contents: &[u8], hashes: &[String]) -> bool {
    let mut is_known = false;
    for hash in hashes {
        let Some((kind, digest)) = hash.split_once(':') else { continue };
        let found = match kind {
            "sha256" => hex::encode(Sha256::digest(contents)),
            "sha384" => hex::encode(Sha384::digest(contents)),
            "sha512" => hex::encode(Sha512::digest(contents)),
            _ => continue,
        };
        if found.eq_ignore_ascii_case(digest) {
            return false;
        }
        is_known = true;
    }
    is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    // D38
    #[test]
    fn a_file_is_one_of_those_that_were_locked_or_it_is_refused() {
        let sha256 = |text: &str| format!("sha256:{}", hex::encode(Sha256::digest(text)));
        let sha512 = |text: &str| format!("sha512:{}", hex::encode(Sha512::digest(text)));
        for (hashes, expected) in [
            (vec![sha256("a")], false),
            (vec![sha256("a").to_uppercase().replace("SHA", "sha")], false),
            (vec![sha256("b"), sha256("a")], false),
            (vec![sha256("b")], true),
            (vec![sha512("b")], true),
            (vec![sha512("a"), sha256("b")], false),
            (vec!["md5:00".to_owned()], false),
            (vec![], false),
        ] {
            assert_eq!(is_another(b"a", &hashes), expected, "{hashes:?}");
        }
    }
}
