//! Versions of Python: requested, resolved, and where a request came from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A full version, such as 3.14.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PythonVersion {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
}

/// A version as an app asks for it, with or without its patch version: 3.14 or 3.14.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RequestedVersion {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number, if it was given.
    pub patch: Option<u64>,
}

/// Where a requested version came from. Displayed as what a user would edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VersionOrigin {
    /// The deprecated `runtime.txt`.
    RuntimeTxt,
    /// `.python-version`.
    PythonVersionFile,
    /// `_meta.requires` of `Pipfile.lock`.
    PipfileLock,
    /// `requires-python` of `pyproject.toml`.
    RequiresPython,
    /// No request: the version of the last build.
    Cached,
    /// No request and no last build.
    Default,
}

/// A text that isn't a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` isn't a Python version.")]
pub struct ParseVersionError(pub String);

impl PythonVersion {
    /// Returns the version without its patch version, such as `3.14`.
    pub fn minor_version(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl RequestedVersion {
    /// Returns the version without its patch version, such as `3.14`.
    pub fn minor_version(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl From<PythonVersion> for RequestedVersion {
    fn from(PythonVersion { major, minor, patch }: PythonVersion) -> Self {
        Self { major, minor, patch: Some(patch) }
    }
}

impl VersionOrigin {
    /// Returns the name that `bin/report` gives the origin, which is Heroku's.
    pub(crate) fn reported_name(self) -> &'static str {
        match self {
            Self::RuntimeTxt => "runtime.txt",
            Self::PythonVersionFile => ".python-version",
            Self::PipfileLock => "Pipfile.lock",
            Self::RequiresPython => "pyproject.toml",
            Self::Cached => "cached",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for RequestedVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(formatter, ".{patch}"))
    }
}

impl fmt::Display for VersionOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cached => "the last build",
            Self::Default => "slugc's default",
            file => file.reported_name(),
        })
    }
}

impl FromStr for RequestedVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Option<Vec<u64>> = text.split('.').map(parse_number).collect();
        match numbers.as_deref() {
            Some(&[major, minor]) => Ok(Self { major, minor, patch: None }),
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch: Some(patch) }),
            _ => Err(ParseVersionError(text.to_owned())),
        }
    }
}

impl FromStr for PythonVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            RequestedVersion { major, minor, patch: Some(patch) } => Ok(Self { major, minor, patch }),
            RequestedVersion { patch: None, .. } => Err(ParseVersionError(text.to_owned())),
        }
    }
}

/// Parses `0|[1-9][0-9]*`. A number that is too large becomes the largest: it must stay an unknown version,
/// and never wrap round to a known one.
fn parse_number(text: &str) -> Option<u64> {
    let well_formed = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    well_formed.then(|| text.parse().unwrap_or(u64::MAX))
}

macro_rules! serialized_as_text {
    ($($version:ty),*) => {$(
        impl From<$version> for String {
            fn from(version: $version) -> Self {
                version.to_string()
            }
        }

        impl TryFrom<String> for $version {
            type Error = ParseVersionError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )*};
}

serialized_as_text!(PythonVersion, RequestedVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_two_or_three_plain_numbers() {
        for (text, expected) in [
            ("3.13", Some((3, 13, None))),
            ("3.13.1", Some((3, 13, Some(1)))),
            ("3.13.0", Some((3, 13, Some(0)))),
            ("0.0", Some((0, 0, None))),
            ("18446744073709551619.10", Some((u64::MAX, 10, None))),
            ("3.99999999999999999999", Some((3, u64::MAX, None))),
            ("", None),
            ("3", None),
            ("3.", None),
            (".3", None),
            ("3.09", None),
            ("03.13", None),
            ("3.00", None),
            ("3.13.", None),
            ("3.13.1.2", None),
            ("+3.13", None),
            ("-3.13", None),
            (" 3.13", None),
            ("3.1３", None),
        ] {
            let expected = expected.map(|(major, minor, patch)| RequestedVersion { major, minor, patch });
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_full_version_needs_its_patch_version() {
        assert!("3.14".parse::<PythonVersion>().is_err());
        let version: PythonVersion = "3.14.7".parse().unwrap();
        assert_eq!((version.to_string(), version.minor_version()), ("3.14.7".into(), "3.14".into()));
    }

    #[test]
    fn full_versions_are_ordered_by_their_numbers() {
        let mut versions: Vec<PythonVersion> =
            ["3.10.2", "3.9.18", "3.10.10"].map(|text| text.parse().unwrap()).into();
        versions.sort();
        assert_eq!(
            versions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["3.9.18", "3.10.2", "3.10.10"]
        );
    }

    #[test]
    fn versions_are_serialized_as_text() {
        let version: PythonVersion = "3.14.7".parse().unwrap();
        assert_eq!(serde_json::to_string(&version).unwrap(), "\"3.14.7\"");
        assert_eq!(serde_json::from_str::<PythonVersion>("\"3.14.7\"").unwrap(), version);
        assert!(serde_json::from_str::<PythonVersion>("\"3.14\"").is_err());
        let request: RequestedVersion = serde_json::from_str("\"3.14\"").unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), "\"3.14\"");
        assert_eq!(
            serde_json::to_string(&VersionOrigin::PythonVersionFile).unwrap(),
            "\"python-version-file\""
        );
    }

    #[test]
    fn an_origin_is_shown_as_what_to_edit() {
        for (origin, shown, reported) in [
            (VersionOrigin::RuntimeTxt, "runtime.txt", "runtime.txt"),
            (VersionOrigin::PythonVersionFile, ".python-version", ".python-version"),
            (VersionOrigin::PipfileLock, "Pipfile.lock", "Pipfile.lock"),
            (VersionOrigin::RequiresPython, "pyproject.toml", "pyproject.toml"),
            (VersionOrigin::Cached, "the last build", "cached"),
            (VersionOrigin::Default, "slugc's default", "default"),
        ] {
            assert_eq!((origin.to_string().as_str(), origin.reported_name()), (shown, reported));
        }
    }
}
