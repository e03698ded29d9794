//! A lock file of the app, typed.

use std::collections::BTreeSet;

use toml::Table;

use super::Notice;
use super::expected::applies;
use super::manager::PackageManager;
use crate::error::{ErrorCode, NoticeCode, UserError};
use crate::python::distribution::{MarkerValues, evaluate_marker};
use crate::python::locked::{ExpectedPackage, LockedSet};
use crate::python::pylock::Pylock;
use crate::python::uv_lock::{self, Selection};

/// A lock file, by who made it.
#[derive(Debug, Clone)]
pub(crate) enum Lock {
    /// Pipenv, Poetry or PDM. Pipenv's can be a Pipfile alone.
    Set {
        /// Its packages.
        set: LockedSet,
        /// Whether packages that come from elsewhere than an index have the names that the file gives them.
        names_are_sure: bool,
    },
    /// Anyone, as PEP 751 says.
    Pylock(Pylock),
    /// uv.
    Uv {
        /// The file.
        lock: Table,
        /// The dependency groups that are installed.
        groups: BTreeSet<String>,
    },
}

/// The lock isn't made for what a slug runs on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is only for these environments, and a slug's is none of them: {environments}")]
pub(crate) struct OtherEnvironments {
    file: &'static str,
    environments: String,
}

impl UserError for OtherEnvironments {
    fn code(&self) -> ErrorCode {
        ErrorCode::LockOtherEnvironment
    }
}

impl Lock {
    /// Lists what must be installed afterwards. Nothing, if that can't be told.
    pub(crate) fn expected(&self, values: &MarkerValues) -> Option<Vec<ExpectedPackage>> {
        match self {
            Self::Set { set, names_are_sure } => Some(set.expected(*names_are_sure)),
            Self::Pylock(lock) => Some(lock.expected()),
            Self::Uv { lock, groups } => uv_lock::expected(lock, &Selection { values, groups }),
        }
    }

    /// Returns what markers are evaluated with: the platform, and what of the lock is wanted.
    pub(crate) fn values(&self, platform: MarkerValues) -> MarkerValues {
        match self {
            Self::Pylock(lock) => platform.with_dependency_groups(&lock.default_groups),
            Self::Set { .. } | Self::Uv { .. } => platform,
        }
    }

    /// Checks that the lock is for this platform. If none of its packages is, the user is told.
    pub(crate) fn check_platform(
        &self,
        manager: PackageManager,
        values: &MarkerValues,
    ) -> Result<Option<Notice>, OtherEnvironments> {
        let file = manager.file();
        if let Self::Pylock(Pylock { environments, .. }) = self
            && !environments.is_empty()
            && environments
                .iter()
                .all(|marker| evaluate_marker(marker, values, &BTreeSet::new()) == Some(false))
        {
            return Err(OtherEnvironments { file, environments: environments.join(", ") });
        }
        let listed = match self {
            Self::Set { set, .. } => set.expected(true),
            Self::Pylock(lock) => lock.expected(),
            // uv.lock lists the app itself, which is for all platforms.
            Self::Uv { .. } => Vec::new(),
        };
        let is_for_others =
            !listed.is_empty() && listed.iter().all(|package| applies(package, values) == Some(false));
        Ok(is_for_others.then(|| Notice {
            code: NoticeCode::LockNothingForPlatform.into(),
            text: format!("None of the packages in {file} is for this platform, so none is installed.")
                .into(),
            warning: true,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::pylock::read_pylock;

    // D32, D39.
    #[test]
    fn a_lock_for_other_platforms_is_never_a_silent_success() {
        let values = || MarkerValues::of_linux("3.12.4", "x86_64");
        let package =
            |marker: &str| format!("[[packages]]\nname = 'a'\nversion = '1'\nmarker = \"{marker}\"\n");
        for (text, expected) in [
            (String::new(), "fine"),
            (package("sys_platform == 'linux'"), "fine"),
            (package("sys_platform == 'win32'"), "warning"),
            (package("sys_platform == 'win32'") + &package("os_name == 'posix'"), "fine"),
            (package("'dev' in dependency_groups"), "warning"),
            (format!("default-groups = ['dev']\n{}", package("'dev' in dependency_groups")), "fine"),
            (
                format!("environments = [\"sys_platform == 'win32'\"]\n{}", package("os_name == 'posix'")),
                "error",
            ),
            (
                format!(
                    "environments = ['nonsense', \"os_name == 'nt'\"]\n{}",
                    package("os_name == 'posix'")
                ),
                "fine",
            ),
        ] {
            let lock = Lock::Pylock(read_pylock(text.as_bytes()).unwrap());
            let found = match lock.check_platform(PackageManager::Pylock, &lock.values(values())) {
                Ok(None) => "fine",
                Ok(Some(_)) => "warning",
                Err(_) => "error",
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
