//! Known causes in the words of an installer that failed: a hint before the error itself.

use crate::build::install_error::Ended;
use crate::build::record::Record;
use crate::error::{ErrorCode, Failure, NoticeCode};

/// A cause that has a better answer than the installer's own words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KnownCause {
    /// The words that it is known by: the report's `failure_detail`.
    pub(super) sign: &'static str,
    /// The catalogue's entry of the hint.
    pub(super) code: NoticeCode,
    /// What to do.
    pub(super) text: &'static str,
}

const KNOWN: &[KnownCause] = &[
    KnownCause {
        sign: "Could not find gdal-config",
        code: NoticeCode::InstallDependenciesGdal,
        text: "The GDAL library is needed to build a package, and isn't part of the stack.\n\n\
               Add the buildpack for geospatial libraries before this one:\n\
               \x20 heroku buildpacks:add --index 1 https://github.com/heroku/heroku-geo-buildpack",
    },
    KnownCause {
        sign: "sqlite3.h: No such file or directory",
        code: NoticeCode::InstallDependenciesSqliteHeaders,
        text: "A package is built against SQLite, whose headers aren't part of the stack.\n\n\
               Python brings its own sqlite3 module: use that. If the package is pysqlite3, its \
               versions from 0.6.0 on have wheels, and nothing need be built.",
    },
    KnownCause {
        sign: "Please use pip<24.1 if you need to use this version",
        code: NoticeCode::InstallDependenciesInvalidMetadata,
        text: "A package has metadata that the standard doesn't allow, as old versions of Celery \
               have.\n\n\
               Ask for a newer version of that package: its name is in the log above.",
    },
];

/// Notes for the report why a build failed, and returns the known cause if there is one.
pub(super) fn note_failure(failure: &Failure, record: &Record) -> Option<&'static KnownCause> {
    const LONGEST: usize = 100;
    record.set("failure_reason", failure.code().entry().id);
    let known = find_known_cause(failure);
    if let Some(detail) = known.map(|cause| cause.sign.to_owned()).or_else(|| failure.error().detail()) {
        record.set("failure_detail", detail.chars().take(LONGEST).collect::<String>());
    }
    known
}

/// Returns the known cause of a failed installation.
fn find_known_cause(failure: &Failure) -> Option<&'static KnownCause> {
    if !is_installation(failure.code()) {
        return None;
    }
    let mut source = failure.error().source();
    while let Some(error) = source {
        if let Some(ended) = error.downcast_ref::<Ended>() {
            return find_in(&ended.error.text());
        }
        source = error.source();
    }
    None
}

fn is_installation(code: ErrorCode) -> bool {
    code.entry().id.starts_with("install-dependencies::")
}

fn find_in(text: &str) -> Option<&'static KnownCause> {
    let text = text.to_lowercase();
    KNOWN.iter().find(|cause| text.contains(&cause.sign.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_sign_counts() {
        for (text, expected) in [
            ("x\ncould not find GDAL-config\nPlease use pip<24.1 if you need to use this version", Some(0)),
            ("fatal error: sqlite3.h: No such file or directory", Some(1)),
            ("hint: Please use pip<24.1 if you need to use this version", Some(2)),
            ("error: no such package", None),
        ] {
            assert_eq!(find_in(text), expected.map(|index: usize| &KNOWN[index]), "{text}");
        }
    }
}
