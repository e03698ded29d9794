//! `requires-python`: which version of Python a range of versions leads to.

use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifiers};

use super::supported;
use super::version::{PythonVersion, RequestedVersion};
use crate::error::{Door, ErrorCode, UserError};

/// The versions of Python that a project supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedPythons {
    specifiers: VersionSpecifiers,
    /// As it is written in the file.
    written: String,
    /// What says it there.
    key: &'static str,
}

/// No version can be taken from the range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequiresPythonError {
    /// It isn't a version specifier.
    #[error("`requires-python` in pyproject.toml is `{0}`, which isn't a range of versions.")]
    Invalid(String),
    /// No supported version is in it.
    #[error(
        "{key} in pyproject.toml is `{range}`, and none of the supported versions of Python fits: {supported}.{}",
        nearest(*.is_too_old)
    )]
    NothingFits {
        /// What says it.
        key: &'static str,
        /// As it is written.
        range: String,
        /// What there is.
        supported: String,
        /// Whether only versions that are no longer supported fit.
        is_too_old: bool,
    },
    /// It names the first patch version of a minor version, and most likely means all.
    #[error(
        "{key} in pyproject.toml is `{range}`. That means {minor}.0 alone, as a version without its last number has a \
         zero there (PEP 440). Every {minor} is `=={minor}.*`."
    )]
    OnlyFirstPatch {
        /// What says it.
        key: &'static str,
        /// As it is written.
        range: String,
        /// The minor version.
        minor: String,
    },
}

const STANDARD_KEY: &str = "`requires-python`";
const POETRYS_KEY: &str = "`python` in `tool.poetry.dependencies`";

fn nearest(is_too_old: bool) -> String {
    let oldest = supported::supported().first().map(|row| row.newest.minor_version());
    oldest.filter(|_| is_too_old).map(|oldest| format!(" The nearest is {oldest}.")).unwrap_or_default()
}

impl UserError for RequiresPythonError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::RequiresPythonInvalid,
            Self::NothingFits { .. } | Self::OnlyFirstPatch { .. } => ErrorCode::RequiresPythonUnsupported,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Invalid(range) | Self::NothingFits { range, .. } | Self::OnlyFirstPatch { range, .. } => {
                Some(range.clone())
            }
        }
    }

    fn fix(&self, _door: Door) -> Option<String> {
        let Self::OnlyFirstPatch { key, minor, .. } = self else { return None };
        Some(match *key {
            POETRYS_KEY => format!("Write `python = \"{minor}.*\"`, and run `poetry lock`."),
            _ => format!("Write `requires-python = \"=={minor}.*\"`, and lock the dependencies again."),
        })
    }
}

impl SupportedPythons {
    /// Reads a version specifier, such as `>=3.11,<3.14`.
    pub fn parse(text: &str) -> Result<Self, RequiresPythonError> {
        let specifiers =
            VersionSpecifiers::from_str(text).map_err(|_| RequiresPythonError::Invalid(text.to_owned()))?;
        Ok(Self { specifiers, written: text.to_owned(), key: STANDARD_KEY })
    }

    /// Notes that the range stands for what Poetry has in its own words.
    pub(crate) fn written_by_poetry(self, written: Option<&str>) -> Self {
        match written {
            Some(written) => Self { written: written.to_owned(), key: POETRYS_KEY, ..self },
            None => self,
        }
    }

    /// Returns the range as it is written.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// Returns whether a version is in the range.
    pub fn contains(&self, version: PythonVersion) -> bool {
        let PythonVersion { major, minor, patch } = version;
        self.specifiers.contains(&Version::new([major, minor, patch]))
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
        if let Some(exact) = self.exact_version() {
            return Ok(exact);
        }
        let (key, range) = (self.key, self.written.clone());
        if let Some(minor) = self.first_patch_alone() {
            return Err(RequiresPythonError::OnlyFirstPatch { key, range, minor });
        }
        let mut minors: Vec<_> = newest.map(|version| version.minor_version()).collect();
        minors.reverse();
        let oldest = supported::supported().first().map_or(0, |row| row.newest.minor);
        let is_too_old = (0..oldest).any(|minor| {
            self.contains(PythonVersion { major: 3, minor, patch: 0 })
                || self.contains(PythonVersion { major: 3, minor, patch: 99 })
        });
        Err(RequiresPythonError::NothingFits { key, range, supported: minors.join(", "), is_too_old })
    }

    /// The minor version that `==3.12` or `===3.12` names, if it is a supported one.
    fn first_patch_alone(&self) -> Option<String> {
        self.specifiers
            .iter()
            .filter(|specifier| matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual))
            .find_map(|specifier| match specifier.version().release() {
                [major, minor] => supported::newest(*major, *minor),
                _ => None,
            })
            .map(|version| version.minor_version())
    }

    /// A patch version that is named by `==`, or that is the last one by `<=`.
    fn exact_version(&self) -> Option<RequestedVersion> {
        self.specifiers
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

    // D10, D19
    #[test]
    fn what_fits_nothing_is_told_with_the_key_that_says_it_and_the_nearest() {
        for (range, poetrys, expected) in [
            ("==3.12", None, "`requires-python` in pyproject.toml is `==3.12`. That means 3.12.0 alone"),
            ("===3.13", None, "That means 3.13.0 alone"),
            (
                "==3.12",
                Some("3.12"),
                "`python` in `tool.poetry.dependencies` in pyproject.toml is `3.12`. That",
            ),
            (">=3.8,<3.10", Some(">=3.8 <3.10"), "is `>=3.8 <3.10`, and none of the supported"),
            ("<3.10", None, "The nearest is 3.10."),
            ("==3.9.1", None, "none of the supported versions of Python fits"),
            (">=3.99", None, "3.14."),
        ] {
            let range = SupportedPythons::parse(range).unwrap().written_by_poetry(poetrys);
            let error = range.choose().unwrap_err();
            assert!(error.to_string().contains(expected), "{range:?}: {error}");
            assert_eq!(
                error.fix(Door::CommandLine).is_some_and(|fix| fix.contains(".*")),
                error.to_string().contains("alone"),
                "{range:?}"
            );
        }
    }
}
