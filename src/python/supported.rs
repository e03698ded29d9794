//! The versions of Python that can be asked for: a dated table, so that messages age well.

use std::fmt;

use super::version::{PythonVersion, RequestedVersion, VersionOrigin};
use crate::error::{ErrorCode, NoticeCode, NoticeText, UserError};

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    /// The year.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SupportedMinor {
    /// The newest version that is known.
    pub newest: PythonVersion,
    /// When upstream stops fixing security problems.
    pub end_of_life: Date,
    /// When slugc stops offering it: with the first releases of the year after.
    pub support_removed: Date,
}

/// What an app gets that asks for nothing.
pub(crate) const DEFAULT: RequestedVersion = RequestedVersion { major: 3, minor: 14, patch: None };

const SUPPORTED: &[SupportedMinor] = &[
    row(10, 21, date(2026, 10, 31), date(2027, 1, 6)),
    row(11, 16, date(2027, 10, 31), date(2028, 1, 6)),
    row(12, 14, date(2028, 10, 31), date(2029, 1, 6)),
    row(13, 15, date(2029, 10, 31), date(2030, 1, 6)),
    row(14, 7, date(2030, 10, 31), date(2031, 1, 6)),
];

/// Major version, minor version and last day of what is gone.
const GONE: &[(u64, u64, Date)] = &[
    (2, 6, date(2013, 10, 29)),
    (2, 7, date(2020, 1, 1)),
    (3, 0, date(2009, 6, 27)),
    (3, 1, date(2012, 4, 9)),
    (3, 2, date(2016, 2, 20)),
    (3, 3, date(2017, 9, 29)),
    (3, 4, date(2019, 3, 18)),
    (3, 5, date(2020, 9, 30)),
    (3, 6, date(2021, 12, 23)),
    (3, 7, date(2023, 6, 27)),
    (3, 8, date(2024, 10, 7)),
    (3, 9, date(2025, 10, 31)),
];

const DAY: u64 = 24 * 60 * 60;
const YEAR: u64 = 365 * DAY;

/// Why a request can't be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// It is older than the oldest supported version.
    #[error("{}", end_of_life_message(.requested, *.origin))]
    EndOfLife {
        /// What was asked for.
        requested: RequestedVersion,
        /// By whom.
        origin: VersionOrigin,
    },
    /// It is newer than the newest supported version.
    #[error("{}", unknown_major_message(.requested, *.origin))]
    UnknownMajor {
        /// What was asked for.
        requested: RequestedVersion,
        /// By whom.
        origin: VersionOrigin,
    },
}

/// Something about the version that a user should know, though the build goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionNotice {
    /// The catalogue's entry.
    pub code: NoticeCode,
    /// What to know and to do, in sentences.
    pub text: NoticeText,
}

/// Returns the table, oldest first.
pub(crate) fn supported() -> &'static [SupportedMinor] {
    SUPPORTED
}

/// Returns the newest known version of `major.minor`, if it is supported.
pub(crate) fn newest(major: u64, minor: u64) -> Option<PythonVersion> {
    find_row(major, minor).map(|row| row.newest)
}

/// Finds a version of Python in a text that isn't quite one, and returns what to write instead: the same minor version, or
/// the nearest that is supported.
pub(crate) fn nearest_to(text: &str) -> RequestedVersion {
    let numbers = text.split(|letter: char| !(letter.is_ascii_digit() || letter == '.'));
    let found = numbers.into_iter().find_map(|word| {
        let mut numbers = word.split('.').filter(|number| !number.is_empty()).map(str::parse::<u64>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    match found {
        Some((major @ (2 | 3), minor)) => {
            let row = find_row(major, minor).or_else(|| match (major, minor) < oldest_supported() {
                true => SUPPORTED.first(),
                false => SUPPORTED.last(),
            });
            row.map_or(DEFAULT, |row| RequestedVersion { patch: None, ..row.newest.into() })
        }
        _ => DEFAULT,
    }
}

/// Chooses the full version. A requested patch version is taken as it is: only a runtime's source knows
/// whether it exists.
pub(crate) fn resolve_version(
    requested: &RequestedVersion,
    origin: VersionOrigin,
) -> Result<PythonVersion, ResolveError> {
    let RequestedVersion { major, minor, patch } = *requested;
    match (newest(major, minor), patch) {
        (Some(newest), None) => Ok(newest),
        (Some(_), Some(patch)) => Ok(PythonVersion { major, minor, patch }),
        (None, _) if (major, minor) < oldest_supported() => {
            Err(ResolveError::EndOfLife { requested: *requested, origin })
        }
        (None, _) => Err(ResolveError::UnknownMajor { requested: *requested, origin }),
    }
}

/// Lists what a user should know about the version on the given day.
pub(crate) fn notices(
    version: PythonVersion,
    origin: VersionOrigin,
    today_unix_seconds: u64,
) -> Vec<VersionNotice> {
    [
        origin_notice(version, origin),
        deprecation_notice(version, origin, today_unix_seconds),
        newer_patch_notice(version, origin),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn origin_notice(version: PythonVersion, origin: VersionOrigin) -> Option<VersionNotice> {
    let minor = version.minor_version();
    let how = format!(
        "Create the file .python-version in the app's top level directory (a dot first, no file name extension), \
         with this line in it, without quotes or `python-` in front:\n{minor}\n\
         Without a patch version, the app gets security fixes by itself."
    );
    let (code, text) = match origin {
        VersionOrigin::RuntimeTxt => (
            NoticeCode::RuntimeTxtDeprecated,
            NoticeText::from(format!(
                "runtime.txt is deprecated, and will be an error one day: write {minor} into .python-version instead."
            ))
            .with_more(how),
        ),
        VersionOrigin::Default | VersionOrigin::Cached => {
            let chosen = match origin {
                VersionOrigin::Cached => "the version of the last build was chosen",
                _ => "the default was chosen",
            };
            let text = format!(
                "The app doesn't say which version of Python it needs: {chosen}. Write {minor} into .python-version \
                 to keep it."
            );
            let more = format!(
                "The default changes without notice, and one day a missing version will be an error. {how}\n\
                 If there is such a file, check that it has the right spelling, isn't left out by .gitignore or \
                 .slugignore, and is committed to git."
            );
            (NoticeCode::PythonVersionNotSpecified, NoticeText::from(text).with_more(more))
        }
        VersionOrigin::PythonVersionFile | VersionOrigin::PipfileLock | VersionOrigin::RequiresPython => {
            return None;
        }
    };
    Some(VersionNotice { code, text })
}

fn deprecation_notice(version: PythonVersion, origin: VersionOrigin, today: u64) -> Option<VersionNotice> {
    let row = find_row(version.major, version.minor)?;
    let (end_of_life, removed) = (row.end_of_life.unix_seconds(), row.support_removed.unix_seconds());
    if today < end_of_life && today.saturating_add(YEAR) < removed {
        return None;
    }
    let tense = if today < end_of_life + DAY { "reaches" } else { "reached" };
    let removal = if today < removed {
        format!("slugc supports it until {}", row.support_removed)
    } else {
        "a newer slugc may not support it any more".into()
    };
    let text = format!(
        "Python {} {tense} its end of life on {}, and gets no security fixes after that; {removal}.",
        version.minor_version(),
        row.end_of_life,
    );
    let text = NoticeText::from(text).with_more(format!("{}, soon.", ask_for_newer(origin)));
    Some(VersionNotice { code: NoticeCode::PythonVersionDeprecated, text })
}

fn newer_patch_notice(version: PythonVersion, origin: VersionOrigin) -> Option<VersionNotice> {
    let newest = newest(version.major, version.minor).filter(|newest| version < *newest)?;
    let minor = version.minor_version();
    let how = match origin {
        VersionOrigin::Cached | VersionOrigin::Default => format!("Write {minor} into .python-version"),
        // It is deprecated, and its format has `python-` in front.
        VersionOrigin::RuntimeTxt => format!("Write {minor} into .python-version, delete runtime.txt"),
        VersionOrigin::PythonVersionFile => {
            format!("Write {minor} instead of {version} into .python-version")
        }
        VersionOrigin::PipfileLock => format!(
            "Write python_version = \"{minor}\" into Pipfile, without python_full_version, run `pipenv lock`"
        ),
        VersionOrigin::RequiresPython => {
            format!("Ask for `=={minor}.*` in pyproject.toml, lock the dependencies again")
        }
    };
    let text =
        NoticeText::from(format!("Python {newest} is out, and the app uses {version}.")).with_more(format!(
            "Newer patch versions fix bugs and security problems. {how}, and each build takes the newest."
        ));
    Some(VersionNotice { code: NoticeCode::PythonVersionNewerPatch, text })
}

fn ask_for_newer(origin: VersionOrigin) -> String {
    match origin {
        VersionOrigin::Cached | VersionOrigin::Default => {
            format!("Ask for a newer version in .python-version, such as {DEFAULT}")
        }
        VersionOrigin::RuntimeTxt => {
            format!("Write a newer version into .python-version, such as {DEFAULT}, and delete runtime.txt")
        }
        VersionOrigin::PipfileLock => {
            format!("Change the version in Pipfile to a newer one, such as {DEFAULT}, and run `pipenv lock`")
        }
        origin => format!("Change the version in {origin} to a newer one, such as {DEFAULT}"),
    }
}

fn end_of_life_message(requested: &RequestedVersion, origin: VersionOrigin) -> String {
    let (major, minor) = (requested.major, requested.minor);
    let when = GONE
        .iter()
        .find(|(gone_major, gone_minor, _)| (*gone_major, *gone_minor) == (major, minor))
        .map(|(_, _, date)| format!(" on {date}"))
        .unwrap_or_default();
    let minor = requested.minor_version();
    match origin {
        VersionOrigin::Cached => format!(
            "The app doesn't say which version of Python it needs. The last build used Python {minor}, which \
             reached its end of life{when}."
        ),
        origin => format!(
            "Python {requested} is requested in {origin}. Python {minor} reached its end of life{when}."
        ),
    }
}

fn unknown_major_message(requested: &RequestedVersion, origin: VersionOrigin) -> String {
    let newest = SUPPORTED.last().map(|row| row.newest.minor_version()).unwrap_or_default();
    match origin {
        VersionOrigin::Cached => format!(
            "The last build used Python {requested}, and the newest that this slugc knows is {newest}. \
             Was it built by a newer slugc or buildpack? Then go back to that one."
        ),
        origin => format!(
            "Python {requested} is requested in {origin}, and the newest that this slugc knows is {newest}."
        ),
    }
}

fn find_row(major: u64, minor: u64) -> Option<&'static SupportedMinor> {
    SUPPORTED.iter().find(|row| (row.newest.major, row.newest.minor) == (major, minor))
}

fn oldest_supported() -> (u64, u64) {
    SUPPORTED.first().map_or((3, 0), |row| (row.newest.major, row.newest.minor))
}

const fn row(minor: u64, patch: u64, end_of_life: Date, support_removed: Date) -> SupportedMinor {
    SupportedMinor { newest: PythonVersion { major: 3, minor, patch }, end_of_life, support_removed }
}

const fn date(year: u16, month: u8, day: u8) -> Date {
    Date { year, month, day }
}

impl Date {
    /// Parses `2027-01-31`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next();
        let (year, month, day) = (part()?.parse().ok()?, part()?.parse().ok()?, part()?.parse().ok()?);
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self { year, month, day })
    }

    /// Returns the start of the day in UTC, as seconds since 1970.
    pub(crate) fn unix_seconds(&self) -> u64 {
        // Years that begin in March put the leap day last. From Howard Hinnant's `days_from_civil`.
        let (year, month) = (u64::from(self.year), u64::from(self.month));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
        let days =
            year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + u64::from(self.day);
        days.saturating_sub(719_469) * DAY
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let month = MONTHS.get(usize::from(self.month).wrapping_sub(1)).copied().unwrap_or_default();
        write!(formatter, "{} {month} {}", self.day, self.year)
    }
}

impl UserError for ResolveError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::EndOfLife { .. } => ErrorCode::PythonEndOfLife,
            Self::UnknownMajor { .. } => ErrorCode::PythonUnknownMajor,
        }
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::EndOfLife { requested, .. } | Self::UnknownMajor { requested, .. } => {
                requested.minor_version()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::catalogue::Catalogue;

    const TODAY: Date = date(2026, 8, 21);

    fn ids(version: &str, origin: VersionOrigin, today: Date) -> Vec<&'static str> {
        notices(version.parse().unwrap(), origin, today.unix_seconds())
            .iter()
            .map(|notice| notice.code.entry().id)
            .collect()
    }

    #[test]
    fn a_request_is_resolved_by_the_table() {
        for (requested, expected) in [
            ("3.10", Ok("3.10.21")),
            ("3.11", Ok("3.11.16")),
            ("3.12", Ok("3.12.14")),
            ("3.13", Ok("3.13.15")),
            ("3.14", Ok("3.14.7")),
            ("3.13.1", Ok("3.13.1")),
            ("3.13.99", Ok("3.13.99")),
            ("0.9", Err(("python-version::eol", "0.9"))),
            ("2.7.18", Err(("python-version::eol", "2.7"))),
            ("3.9", Err(("python-version::eol", "3.9"))),
            ("3.9.25", Err(("python-version::eol", "3.9"))),
            ("3.15", Err(("python-version::unknown-major", "3.15"))),
            ("3.15.0", Err(("python-version::unknown-major", "3.15"))),
            ("4.0", Err(("python-version::unknown-major", "4.0"))),
            ("18446744073709551619.10", Err(("python-version::unknown-major", "18446744073709551615.10"))),
        ] {
            let result = resolve_version(&requested.parse().unwrap(), VersionOrigin::PythonVersionFile);
            let result = result.map(|version| version.to_string());
            let result = result.map_err(|error| (error.code().entry().id, error.detail().unwrap()));
            let expected = expected.map(str::to_owned).map_err(|(id, detail)| (id, detail.to_owned()));
            assert_eq!(result, expected, "{requested}");
        }
    }

    #[test]
    fn the_default_is_supported() {
        assert!(resolve_version(&DEFAULT, VersionOrigin::Default).is_ok());
    }

    #[test]
    fn the_tables_newest_versions_are_the_catalogues() {
        let catalogue = Catalogue::embedded();
        for row in supported() {
            let newest = catalogue
                .versions()
                .filter(|version| version.minor_version() == row.newest.minor_version())
                .max();
            assert_eq!(newest, Some(row.newest));
        }
    }

    #[test]
    fn a_message_names_the_day_and_the_place() {
        let message =
            |text: &str, origin| resolve_version(&text.parse().unwrap(), origin).unwrap_err().to_string();
        assert_eq!(
            message("3.9.1", VersionOrigin::RuntimeTxt),
            "Python 3.9.1 is requested in runtime.txt. Python 3.9 reached its end of life on 31 October 2025."
        );
        assert_eq!(
            message("3.8", VersionOrigin::Cached),
            "The app doesn't say which version of Python it needs. The last build used Python 3.8, which reached \
             its end of life on 7 October 2024."
        );
        assert_eq!(
            message("1.5", VersionOrigin::PythonVersionFile),
            "Python 1.5 is requested in .python-version. Python 1.5 reached its end of life."
        );
        assert_eq!(
            message("3.15", VersionOrigin::PipfileLock),
            "Python 3.15 is requested in Pipfile.lock, and the newest that this slugc knows is 3.14."
        );
        assert!(message("3.15", VersionOrigin::Cached).starts_with("The last build used Python 3.15,"));
    }

    #[test]
    fn a_notice_is_given_where_there_is_something_to_do() {
        use VersionOrigin::{Cached, Default, PipfileLock, PythonVersionFile, RequiresPython, RuntimeTxt};
        const DEPRECATED: &str = "python-version::deprecated";
        const NEWER_PATCH: &str = "python-version::newer-patch";
        const NOT_SPECIFIED: &str = "python-version::not-specified";
        const RUNTIME_TXT: &str = "runtime-txt::deprecated";
        for (version, origin, today, expected) in [
            ("3.14.7", PythonVersionFile, TODAY, vec![]),
            ("3.14.7", PipfileLock, TODAY, vec![]),
            ("3.14.7", RequiresPython, TODAY, vec![]),
            ("3.14.8", PythonVersionFile, TODAY, vec![]),
            ("3.14.6", PythonVersionFile, TODAY, vec![NEWER_PATCH]),
            ("3.14.7", Default, TODAY, vec![NOT_SPECIFIED]),
            ("3.14.7", Cached, TODAY, vec![NOT_SPECIFIED]),
            ("3.14.7", RuntimeTxt, TODAY, vec![RUNTIME_TXT]),
            ("3.10.2", RuntimeTxt, TODAY, vec![RUNTIME_TXT, DEPRECATED, NEWER_PATCH]),
            ("3.10.21", PythonVersionFile, date(2026, 1, 5), vec![]),
            ("3.10.21", PythonVersionFile, date(2026, 1, 6), vec![DEPRECATED]),
            ("3.10.21", PythonVersionFile, date(2035, 1, 1), vec![DEPRECATED]),
            ("3.11.16", PythonVersionFile, date(2027, 1, 5), vec![]),
            ("3.11.16", PythonVersionFile, date(2027, 1, 6), vec![DEPRECATED]),
        ] {
            assert_eq!(ids(version, origin, today), expected, "{version} {origin} {today}");
        }
        assert_eq!(notices("3.10.21".parse().unwrap(), PythonVersionFile, u64::MAX).len(), 1);
    }

    // What is advised has to be taken by whatever reads the file.
    #[test]
    fn a_version_without_its_patch_is_advised_where_it_works() {
        for (version, origin, code, expected) in [
            (
                "3.11.9",
                VersionOrigin::RuntimeTxt,
                NoticeCode::PythonVersionNewerPatch,
                "Write 3.11 into .python-version, delete runtime.txt,",
            ),
            (
                "3.10.21",
                VersionOrigin::RuntimeTxt,
                NoticeCode::PythonVersionDeprecated,
                "Write a newer version into .python-version, such as 3.14, and delete runtime.txt, soon.",
            ),
            (
                "3.11.9",
                VersionOrigin::PythonVersionFile,
                NoticeCode::PythonVersionNewerPatch,
                "Write 3.11 instead of 3.11.9 into .python-version,",
            ),
            (
                "3.11.9",
                VersionOrigin::PipfileLock,
                NoticeCode::PythonVersionNewerPatch,
                "Write python_version = \"3.11\" into Pipfile, without python_full_version, run `pipenv lock`,",
            ),
            (
                "3.10.21",
                VersionOrigin::PipfileLock,
                NoticeCode::PythonVersionDeprecated,
                "Change the version in Pipfile to a newer one, such as 3.14, and run `pipenv lock`, soon.",
            ),
            (
                "3.11.9",
                VersionOrigin::RequiresPython,
                NoticeCode::PythonVersionNewerPatch,
                "Ask for `==3.11.*` in pyproject.toml,",
            ),
            (
                "3.11.9",
                VersionOrigin::Cached,
                NoticeCode::PythonVersionNewerPatch,
                "Write 3.11 into .python-version,",
            ),
        ] {
            let notices = notices(version.parse().unwrap(), origin, TODAY.unix_seconds());
            let notice = notices.iter().find(|notice| notice.code == code);
            let text = notice.map(|notice| notice.text.to_string()).unwrap_or_default();
            assert!(text.contains(expected), "{version} {origin}: {text}");
        }
    }

    #[test]
    fn a_deprecation_is_told_in_the_right_tense() {
        let text = |today: Date| {
            notices("3.10.21".parse().unwrap(), VersionOrigin::PythonVersionFile, today.unix_seconds())[0]
                .text
                .to_string()
        };
        assert_eq!(
            text(TODAY),
            "Python 3.10 reaches its end of life on 31 October 2026, and gets no security fixes after that; slugc \
             supports it until 6 January 2027.\n\nChange the version in .python-version to a newer one, such as \
             3.14, soon."
        );
        assert!(
            text(date(2026, 11, 1)).starts_with("Python 3.10 reached its end of life on 31 October 2026")
        );
        assert!(text(date(2027, 1, 6)).contains("a newer slugc may not support it any more"));
    }

    #[test]
    fn a_date_is_written_with_hyphens() {
        for (text, expected) in [
            ("2027-01-31", Some(date(2027, 1, 31))),
            ("2027-1-6", Some(date(2027, 1, 6))),
            ("2027-13-01", None),
            ("2027-01-32", None),
            ("2027-01", None),
            ("2027-01-01-01", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(Date::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_date_is_counted_from_1970() {
        for (date, expected) in [
            (date(1970, 1, 1), 0),
            (date(2000, 2, 29), 951_782_400),
            (date(2000, 3, 1), 951_868_800),
            (date(2026, 10, 31), 1_793_404_800),
            (date(2027, 1, 6), 1_799_193_600),
        ] {
            assert_eq!(date.unix_seconds(), expected, "{date}");
        }
    }

    // D18, D19
    #[test]
    fn the_version_that_was_meant_is_the_example_or_the_nearest_that_is_supported() {
        for (text, expected) in [
            ("python-3.13", "3.13"),
            ("\"3.12\"", "3.12"),
            ("3.11.4 # comment", "3.11"),
            ("3.13.*", "3.13"),
            ("v3.12", "3.12"),
            (">=3.12", "3.12"),
            ("cpython@3.11", "3.11"),
            ("3.13-dev", "3.13"),
            ("python-3.8.10", "3.10"),
            ("python-2.7", "3.10"),
            ("3.99.x", "3.14"),
            ("3", "3.14"),
            ("system", "3.14"),
            ("", "3.14"),
        ] {
            assert_eq!(nearest_to(text).to_string(), expected, "{text:?}");
        }
    }
}
