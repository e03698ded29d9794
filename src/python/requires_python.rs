//! `requires-python`: which version of Python a range of versions leads to.

use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifiers};

use super::supported;
use super::version::{PythonVersion, RequestedVersion};
use crate::error::{ErrorCode, UserError};

/// The versions of Python that a project supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedPythons(VersionSpecifiers);

/// No version can be taken from the range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequiresPythonError {
    /// It isn't a version specifier.
    #[error("`requires-python` in pyproject.toml is `{0}`, which isn't a range of versions.")]
    Invalid(String),
    /// No supported version is in it.
    #[error(
        "`requires-python` in pyproject.toml is `{range}`, and none of the supported versions of Python fits: \
         {supported}."
    )]
    NothingFits {
        /// As it is written.
        range: String,
        /// What there is.
        supported: String,
    },
}

impl UserError for RequiresPythonError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::RequiresPythonInvalid,
            Self::NothingFits { .. } => ErrorCode::RequiresPythonUnsupported,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Invalid(range) | Self::NothingFits { range, .. } => Some(range.clone()),
        }
    }
}

impl SupportedPythons {
    /// Reads a version specifier, such as `>=3.11,<3.14`.
    pub fn parse(text: &str) -> Result<Self, RequiresPythonError> {
        VersionSpecifiers::from_str(text).map(Self).map_err(|_| RequiresPythonError::Invalid(text.to_owned()))
    }

    /// Returns whether a version is in the range.
    pub fn contains(&self, version: PythonVersion) -> bool {
        let PythonVersion { major, minor, patch } = version;
        self.0.contains(&Version::new([major, minor, patch]))
    }

    /// Chooses the newest supported version that fits. Only its minor version is asked for, so that each build has
    /// the newest patch version, unless the range names one patch version alone.
    pub fn choose(&self) -> Result<RequestedVersion, RequiresPythonError> {
        let newest = supported::supported().iter().rev().map(|row| row.newest);
        if let Some(PythonVersion { major, minor, .. }) =
            newest.clone().find(|version| self.contains(*version))
        {
            return Ok(RequestedVersion { major, minor, patch: None });
        }
        self.exact_version().ok_or_else(|| {
            let mut minors: Vec<_> = newest.map(|version| version.minor_version()).collect();
            minors.reverse();
            RequiresPythonError::NothingFits { range: self.0.to_string(), supported: minors.join(", ") }
        })
    }

    /// A patch version that is named by `==`, or that is the last one by `<=`.
    fn exact_version(&self) -> Option<RequestedVersion> {
        self.0
            .iter()
            .filter(|specifier| matches!(specifier.operator(), Operator::Equal | Operator::LessThanEqual))
            .filter_map(|specifier| match specifier.version().release() {
                [major, minor, patch] => Some(PythonVersion { major: *major, minor: *minor, patch: *patch }),
                _ => None,
            })
            .filter(|version| {
                self.contains(*version) && supported::newest(version.major, version.minor).is_some()
            })
            .max()
            .map(RequestedVersion::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_supported_version_that_fits_is_taken() {
        for (range, expected) in [
            (">=3.10", Some("3.14")),
            ("", Some("3.14")),
            (">=3.10,<3.13", Some("3.12")),
            ("~=3.11", Some("3.14")),
            ("~=3.11.0", Some("3.11")),
            ("==3.12.*", Some("3.12")),
            ("!=3.14.*,>=3.9", Some("3.13")),
            ("==3.13.2", Some("3.13.2")),
            ("<=3.12.4,>=3.12", Some("3.12.4")),
            ("<3.10", None),
            (">=3.99", None),
            (">=4,<3", None),
            ("==3.9.1", None),
        ] {
            let chosen = SupportedPythons::parse(range).unwrap().choose();
            assert_eq!(chosen.ok().map(|version| version.to_string()).as_deref(), expected, "{range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_by_name() {
        for text in ["3.11", "^3.11", "python", ">=3.11 <4"] {
            assert_eq!(SupportedPythons::parse(text), Err(RequiresPythonError::Invalid(text.to_owned())));
        }
    }
}
