//! The choice of the Python version, and of where Python comes from.

use std::path::PathBuf;

use serde::Serialize;

use super::Notice;
use crate::error::{ErrorCode, NoticeCode, NoticeText, UserError};
use crate::python::requires_python::SupportedPythons;
use crate::python::version::{PythonVersion, RequestedVersion, VersionOrigin};

/// Where the user lets Python come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum PythonSource {
    /// The store, then the catalogue, then this machine.
    #[default]
    Auto,
    /// The archives of the catalogue.
    Catalogue,
    /// An interpreter of this machine, copied.
    Host,
    /// Archives that somebody prepared, in a directory or behind a URL.
    Prepared(String),
}

/// A value of `--python-source` that means nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither auto, catalogue, host, a directory nor a URL.")]
pub(crate) struct InvalidSource(String);

impl UserError for InvalidSource {
    fn code(&self) -> ErrorCode {
        ErrorCode::PythonSourceInvalid
    }
}

/// Reads a value of `--python-source`.
pub(crate) fn parse_python_source(text: &str) -> Result<PythonSource, InvalidSource> {
    match text {
        "auto" => Ok(PythonSource::Auto),
        "catalogue" | "catalog" => Ok(PythonSource::Catalogue),
        "host" => Ok(PythonSource::Host),
        _ if text.contains("://") => match text.split_once("://") {
            Some(("http" | "https" | "file", rest)) if !rest.is_empty() => {
                Ok(PythonSource::Prepared(text.to_owned()))
            }
            _ => Err(InvalidSource(text.to_owned())),
        },
        // A bare word would more likely be a misspelling than a directory.
        _ if text.contains('/') || text.starts_with('.') => Ok(PythonSource::Prepared(text.to_owned())),
        _ => Err(InvalidSource(text.to_owned())),
    }
}

/// The Python version, and where it came from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VersionDecision {
    /// What was asked for.
    #[serde(serialize_with = "as_text")]
    pub requested: RequestedVersion,
    /// Who asked for it.
    pub origin: VersionOrigin,
    /// The full version.
    pub version: PythonVersion,
    /// The range that it was chosen from, if it was asked for by one.
    #[serde(skip)]
    pub range: Option<SupportedPythons>,
    /// What there is to say about it.
    #[serde(skip)]
    pub notices: Vec<Notice>,
}

fn as_text<S: serde::Serializer>(version: &RequestedVersion, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(version)
}

impl VersionDecision {
    /// Says the decision in a step of the build log.
    pub(crate) fn describe(&self) -> String {
        let Self { requested, origin, .. } = self;
        match origin {
            VersionOrigin::Default => {
                format!("No Python version was specified. Using the default: Python {requested}")
            }
            VersionOrigin::Cached => {
                format!(
                    "No Python version was specified. Using the same major version as the last build: Python {requested}"
                )
            }
            _ => match &self.range {
                // A range allows, and names nothing.
                Some(range) if requested.patch.is_none() => format!(
                    "Using Python {requested}, the newest that {origin} allows (`{}`)",
                    range.written()
                ),
                _ => format!("Using Python {requested} specified in {origin}"),
            },
        }
    }

    /// Returns whether an interpreter of this version may stand in when the exact one can't be had: the same
    /// minor version if no patch was asked for; any if nothing was asked for at all; any in the range if a range
    /// was asked for.
    pub(crate) fn accepts(&self, version: PythonVersion) -> bool {
        if version == self.version {
            return true;
        }
        match (self.origin, self.requested.patch) {
            (_, Some(_)) => false,
            (VersionOrigin::RequiresPython, None) if self.range.is_some() => {
                self.range.as_ref().is_some_and(|range| range.contains(version))
            }
            (VersionOrigin::Default, None) => true,
            (_, None) => (version.major, version.minor) == (self.version.major, self.version.minor),
        }
    }
}

/// Where Python comes from, decided.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub(crate) enum RuntimeChoice {
    /// An archive of the catalogue.
    Catalogue {
        /// The full version.
        version: PythonVersion,
        /// The archive's checksum.
        sha256: String,
        /// The architecture, as in `uname -m`.
        arch: String,
        /// Whether an interpreter of this machine stands in if the archive can't be had.
        fallback: bool,
    },
    /// An interpreter of this machine.
    Host {
        /// The full version.
        version: PythonVersion,
        /// Its file.
        executable: PathBuf,
        /// Changes when it changes.
        fingerprint: String,
        /// The architecture.
        arch: String,
        /// What it stands in for.
        #[serde(skip_serializing_if = "Option::is_none")]
        instead_of: Option<PythonVersion>,
        /// Whether the user asked for one of this machine.
        #[serde(skip)]
        asked_for: bool,
    },
    /// A prepared archive.
    Prepared {
        /// The full version.
        version: PythonVersion,
        /// The archive's file name.
        name: String,
        /// Its checksum.
        sha256: String,
        /// The architecture.
        arch: String,
    },
}

impl RuntimeChoice {
    /// Returns the full version.
    pub(crate) fn version(&self) -> PythonVersion {
        match self {
            Self::Catalogue { version, .. } | Self::Host { version, .. } | Self::Prepared { version, .. } => {
                *version
            }
        }
    }

    /// Returns what changes when the runtime changes.
    pub(crate) fn fingerprint(&self) -> &str {
        match self {
            Self::Catalogue { sha256, .. } | Self::Prepared { sha256, .. } => sha256,
            Self::Host { fingerprint, .. } => fingerprint,
        }
    }

    /// Returns the architecture.
    pub(crate) fn arch(&self) -> &str {
        match self {
            Self::Catalogue { arch, .. } | Self::Host { arch, .. } | Self::Prepared { arch, .. } => arch,
        }
    }

    /// Returns the kind of source, as in `--python-source`.
    pub(crate) fn source_name(&self) -> &'static str {
        match self {
            Self::Catalogue { .. } => "catalogue",
            Self::Host { .. } => "host",
            Self::Prepared { .. } => "prepared",
        }
    }

    /// Says it in one line.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Catalogue { version, fallback: true, .. } => {
                format!("Python {version} from the catalogue, else from this machine")
            }
            Self::Catalogue { version, .. } => format!("Python {version} from the catalogue"),
            Self::Host { version, executable, .. } => {
                format!("Python {version}, a copy of {}", executable.display())
            }
            Self::Prepared { version, name, .. } => format!("Python {version} from {name}"),
        }
    }

    /// Tells the user what was used instead of what.
    pub(crate) fn notice(&self) -> Option<Notice> {
        let Self::Host { version, executable, instead_of: Some(wanted), asked_for, .. } = self else {
            return None;
        };
        let executable = executable.display();
        if *asked_for {
            // Nothing was tried. Of a minor version, a copy is whatever patch version the machine has.
            let warning = (version.major, version.minor) != (wanted.major, wanted.minor);
            let mut text = format!(
                "The slug has a copy of this machine's Python {version} ({executable}), as \
                 `--python-source host` asks for."
            );
            // An older one is nothing to point at.
            if warning || wanted > version {
                text.push_str(&format!(" From the catalogue it would be Python {wanted}."));
            }
            return Some(Notice { code: NoticeCode::PythonRuntimeHost.into(), text: text.into(), warning });
        }
        Some(Notice {
            code: NoticeCode::PythonRuntimeHostFallback.into(),
            text: NoticeText::from(format!(
                "Python {wanted} couldn't be downloaded, so the slug has a copy of this machine's \
                 Python {version} ({executable}) instead."
            ))
            .with_more(
                "`--python-source catalogue` makes this an error; `--python-source host` says that it is meant.",
            ),
            warning: wanted != version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_sources_are_words_directories_or_urls() {
        let prepared = |text: &str| Ok(PythonSource::Prepared(text.to_owned()));
        for (text, expected) in [
            ("auto", Ok(PythonSource::Auto)),
            ("catalogue", Ok(PythonSource::Catalogue)),
            ("host", Ok(PythonSource::Host)),
            ("./pythons", prepared("./pythons")),
            ("/srv/pythons", prepared("/srv/pythons")),
            ("https://mirror.test/p", prepared("https://mirror.test/p")),
            ("file:///srv", prepared("file:///srv")),
            ("ftp://mirror.test", Err(InvalidSource("ftp://mirror.test".into()))),
            ("hots", Err(InvalidSource("hots".into()))),
            ("", Err(InvalidSource(String::new()))),
        ] {
            assert_eq!(parse_python_source(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_a_download_that_was_tried_is_said_to_have_failed() {
        let version = |minor, patch| PythonVersion { major: 3, minor, patch };
        for (wanted, asked_for, id, warning) in [
            (version(13, 15), false, "python-runtime::host-fallback", true),
            (version(13, 0), false, "python-runtime::host-fallback", false),
            (version(13, 15), true, "python-runtime::host", false),
            (version(14, 2), true, "python-runtime::host", true),
        ] {
            let choice = RuntimeChoice::Host {
                version: version(13, 0),
                executable: "/usr/bin/python3".into(),
                fingerprint: String::new(),
                arch: String::new(),
                instead_of: Some(wanted),
                asked_for,
            };
            let notice = choice.notice().unwrap();
            assert_eq!((notice.code.id(), notice.warning), (id, warning), "{wanted} {asked_for}");
            assert_eq!(notice.text.told().contains("couldn't be downloaded"), !asked_for, "{}", notice.text);
        }
    }

    // B27
    #[test]
    fn an_older_version_of_the_catalogue_is_not_pointed_at() {
        let version = |minor, patch| PythonVersion { major: 3, minor, patch };
        for (copied, wanted, is_told) in [
            (version(13, 0), version(13, 15), true),
            (version(13, 15), version(13, 15), false),
            (version(14, 8), version(14, 7), false),
            (version(13, 16), version(13, 15), false),
            // Another minor version is another Python.
            (version(14, 0), version(13, 15), true),
            (version(12, 9), version(13, 1), true),
        ] {
            let choice = RuntimeChoice::Host {
                version: copied,
                executable: "/usr/bin/python3".into(),
                fingerprint: String::new(),
                arch: String::new(),
                instead_of: Some(wanted),
                asked_for: true,
            };
            let text = choice.notice().unwrap().text.to_string();
            let told = text.contains(&format!("From the catalogue it would be Python {wanted}."));
            assert_eq!(told, is_told, "{copied} {wanted}: {text}");
        }
    }

    #[test]
    fn only_what_was_not_asked_for_may_differ() {
        let wanted = PythonVersion { major: 3, minor: 13, patch: 15 };
        let other = |minor, patch| PythonVersion { major: 3, minor, patch };
        for (origin, patch, found, expected) in [
            (VersionOrigin::PythonVersionFile, None, other(13, 0), true),
            (VersionOrigin::PythonVersionFile, None, other(12, 1), false),
            (VersionOrigin::PythonVersionFile, Some(15), other(13, 0), false),
            (VersionOrigin::PythonVersionFile, Some(15), wanted, true),
            (VersionOrigin::Default, None, other(11, 7), true),
            (VersionOrigin::RequiresPython, None, other(12, 1), true),
            (VersionOrigin::RequiresPython, None, other(11, 7), false),
        ] {
            let requested = RequestedVersion { major: 3, minor: 13, patch };
            let range =
                (origin == VersionOrigin::RequiresPython).then(|| SupportedPythons::parse(">=3.12").unwrap());
            let decision = VersionDecision { requested, origin, version: wanted, range, notices: vec![] };
            assert_eq!(decision.accepts(found), expected, "{origin} {patch:?} {found}");
        }
    }
}
