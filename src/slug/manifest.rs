//! The manifest, `slug.tgz.json`: what is in a slug, for those who publish, compare or run it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::assemble::{Layout, Part, Slug};
use super::error::SlugError;
use crate::host::files::{FileContext, FileError, prepare_file, read_small_file};

/// The version of the manifest's form.
const SCHEMA: u32 = 1;

/// How many parts are listed.
const PARTS: usize = 10;

/// The manifest of a slug. The fields' names are a promise to scripts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form.
    pub schema: u32,
    /// The SHA-256 of the slug, as `SHA256:` and hexadecimal digits.
    pub checksum: String,
    /// The SHA-256 of the tar file inside, in the same form: the lasting identity.
    pub tar_checksum: String,
    /// The length of the slug in bytes.
    pub size: u64,
    /// The length of the tar file in bytes.
    pub uncompressed_size: u64,
    /// How many files and links are in it.
    pub files: u64,
    /// The stack that it runs on.
    pub stack: String,
    /// The processor that it runs on.
    pub arch: String,
    /// The commands of the process types.
    pub process_types: BTreeMap<String, String>,
    /// Those of them that the buildpack added.
    pub default_process_types: BTreeMap<String, String>,
    /// The add-ons that the buildpack asks for.
    pub addons: Vec<String>,
    /// The config vars that the buildpack sets; never the app's own.
    pub config_vars: BTreeMap<String, String>,
    /// What made it.
    pub buildpacks: Vec<BuildpackInfo>,
    /// The commit it was made from.
    pub commit: Option<String>,
    /// The time that its entries bear.
    pub built_at: String,
    /// Its Python.
    pub python: Option<PythonInfo>,
    /// Where in the tar file the app is.
    pub layout: Layout,
    /// What was left out.
    pub slugignore: SlugignoreInfo,
    /// What takes the most room, the biggest first.
    pub parts: Vec<Part>,
}

/// A buildpack that took part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BuildpackInfo {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub url: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it says of the app.
    pub description: Option<String>,
}

/// The Python in a slug.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PythonInfo {
    /// Its full version.
    pub version: String,
    /// Where it comes from.
    pub source: String,
}

/// What `.slugignore` did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SlugignoreInfo {
    /// The patterns, in their order.
    pub patterns: Vec<String>,
    /// How many paths matched.
    pub removed: u64,
}

impl Manifest {
    /// Fills in what the slug itself says; the rest is empty.
    pub fn of(slug: &Slug, mtime: u64, layout: Layout) -> Self {
        Self {
            schema: SCHEMA,
            checksum: format!("SHA256:{}", slug.sha256),
            tar_checksum: format!("SHA256:{}", slug.tar_sha256),
            size: slug.size,
            uncompressed_size: slug.uncompressed_size,
            files: slug.files,
            built_at: rfc3339(mtime),
            layout,
            parts: slug.parts.iter().take(PARTS).cloned().collect(),
            ..Self::default()
        }
    }
}

/// Returns where the manifest of a slug is: `app.tgz.json` beside `app.tgz`. The whole name of the slug is in it, so that
/// no file of an app (`app.json`) and no other slug's manifest has the same.
pub(crate) fn manifest_path(slug: &Path) -> PathBuf {
    let mut path = slug.as_os_str().to_owned();
    path.push(".json");
    path.into()
}

/// Returns where slugc 0.1 put it: `slug.json` for `slug.tgz`. Whatever is there may be another program's.
fn earlier_manifest_path(slug: &Path) -> PathBuf {
    let stem = slug.with_extension("");
    let is_tar_gz = slug.extension().is_some_and(|extension| extension == "gz")
        && stem.extension().is_some_and(|extension| extension == "tar");
    if is_tar_gz { stem.with_extension("json") } else { slug.with_extension("json") }
}

/// Returns where the manifest of a slug can be: where it is put now, and where slugc 0.1 put it.
pub(crate) fn manifest_paths(slug: &Path) -> [PathBuf; 2] {
    [manifest_path(slug), earlier_manifest_path(slug)]
}

/// Returns whether a file is the manifest of a slug of this size. The slug itself isn't read.
pub(crate) fn is_manifest_of(path: &Path, slug: &Path) -> bool {
    let size = fs::metadata(slug).map(|metadata| metadata.len()).ok();
    let Ok(bytes) = read_small_file(path) else { return false };
    checksum_in(&bytes).is_some()
        && serde_json::from_slice::<Manifest>(&bytes).is_ok_and(|manifest| Some(manifest.size) == size)
}

/// A file beside a slug that is, or may be, its manifest.
pub(crate) struct BesideSlug {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is where only this slug's manifest can be. At the earlier place, only a right checksum tells.
    pub(crate) is_certain: bool,
}

impl BesideSlug {
    /// Reads the manifest of a slug, or what is at the earlier place.
    pub(crate) fn read(slug: &Path) -> Result<Option<Self>, FileError> {
        for (path, is_certain) in manifest_paths(slug).into_iter().zip([true, false]) {
            match read_small_file(&path) {
                _ if path == slug => {}
                Ok(bytes) => return Ok(Some(Self { path, bytes, is_certain })),
                Err(error) if is_certain && error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).doing("reading", &path);
                }
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Returns the file's name.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Returns the checksum that a manifest of slugc's names, or nothing if the text is something else.
pub(super) fn checksum_in(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Marks {
        #[serde(rename = "schema")]
        _schema: u32,
        checksum: String,
        tar_checksum: String,
    }
    let marks: Marks = serde_json::from_slice(bytes).ok()?;
    let is_checksum = |text: &str| text.strip_prefix("SHA256:").is_some_and(|digest| digest.len() == 64);
    (is_checksum(&marks.checksum) && is_checksum(&marks.tar_checksum)).then_some(marks.checksum)
}

/// Writes the manifest beside its place.
pub(super) fn write_aside(manifest: &Manifest, path: &Path, mode: u32) -> Result<NamedTempFile, SlugError> {
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| failed(path, error.into()))?;
    text.push(b'\n');
    prepare_file(path, &text, mode).map_err(|error| failed(path, error.source))
}

pub(super) fn failed(path: &Path, source: io::Error) -> SlugError {
    SlugError::Write { path: path.to_owned(), source }
}

/// Renders a time in UTC, as in `1980-01-01T00:00:00Z`.
pub(crate) fn rfc3339(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Howard Hinnant's civil_from_days: years that begin in March, eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::super::merge::Excluded;
    use super::*;
    use crate::error::{ErrorCode, UserError};

    fn slug() -> Slug {
        let part =
            |number: u64| Part { name: format!("p{number}"), compressed: 100 - number, size: 200, files: 1 };
        Slug {
            sha256: "aa".repeat(32),
            tar_sha256: "bb".repeat(32),
            size: 10,
            uncompressed_size: 20,
            files: 3,
            excluded: Excluded::default(),
            parts: (0..12).map(part).collect(),
        }
    }

    #[test]
    fn a_time_is_a_date_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (315_532_800, "1980-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_800, "10000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), expected, "{seconds}");
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    // B01
    #[test]
    fn no_two_names_of_slugs_have_one_manifest_and_no_file_of_an_app_is_one() {
        for (slug, now, earlier) in [
            ("a/slug.tgz", "a/slug.tgz.json", "a/slug.json"),
            ("app.tgz", "app.tgz.json", "app.json"),
            ("slug.tar.gz", "slug.tar.gz.json", "slug.json"),
            ("v1.2.tgz", "v1.2.tgz.json", "v1.2.json"),
            ("slug", "slug.json", "slug.json"),
        ] {
            assert_eq!(manifest_paths(Path::new(slug)), [now, earlier].map(PathBuf::from), "{slug}");
        }
        let digest = "a".repeat(64);
        for (text, is_ours) in [
            (
                format!(
                    r#"{{"schema": 1, "checksum": "SHA256:{digest}", "tar_checksum": "SHA256:{digest}"}}"#
                ),
                true,
            ),
            (format!(r#"{{"schema": 1, "checksum": "SHA256:{digest}"}}"#), false),
            (r#"{"schema": 1, "checksum": "abc", "tar_checksum": "SHA256:x"}"#.to_owned(), false),
            (r#"{"name": "app", "scripts": {}}"#.to_owned(), false),
            ("[]".to_owned(), false),
            ("text".to_owned(), false),
        ] {
            assert_eq!(checksum_in(text.as_bytes()).is_some(), is_ours, "{text}");
        }
    }

    #[test]
    fn the_manifest_has_the_fields_that_scripts_know() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slug.json");
        let manifest = Manifest {
            stack: "heroku-24".into(),
            process_types: [("worker", "b"), ("web", "a")]
                .map(|(name, command)| (name.into(), command.into()))
                .into(),
            python: Some(PythonInfo { version: "3.14.1".into(), source: "catalogue".into() }),
            ..Manifest::of(&slug(), 315_532_800, Layout::App)
        };
        write_aside(&manifest, &path, 0o644).unwrap().persist(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("{\n  \"schema\": 1,\n  \"checksum\": \"SHA256:aaaa") && text.ends_with("}\n"),
            "{text}"
        );
        assert!(text.find("\"web\"") < text.find("\"worker\""), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields.join(" "),
            "schema checksum tar_checksum size uncompressed_size files stack arch process_types default_process_types \
             addons config_vars buildpacks commit built_at python layout slugignore parts"
        );
        assert_eq!(value["built_at"], "1980-01-01T00:00:00Z");
        assert_eq!(value["layout"], "app");
        assert_eq!(value["parts"].as_array().unwrap().len(), 10);
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    }

    #[test]
    fn a_manifest_that_cannot_be_written_is_an_error_of_the_slug() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_aside(&Manifest::default(), &dir.path().join("gone/slug.json"), 0o644).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SlugWrite);
    }
}
