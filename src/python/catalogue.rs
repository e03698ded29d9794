//! The catalogue of ready-made Python runtimes: which archive holds a version, where it is, what it hashes to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::version::PythonVersion;
use crate::error::{ErrorCode, UserError};

const INVENTORY: &str = include_str!("../../inventory/runtimes.toml");

/// The catalogue, read from an inventory file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Catalogue {
    schema: u64,
    base: String,
    mirror: String,
    arches: Vec<String>,
    #[serde(default)]
    install_only_stripped: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    install_only: BTreeMap<String, Vec<String>>,
}

/// An archive that holds a Python runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// The version in it.
    pub version: PythonVersion,
    /// The name as it is fetched, with `%2B` for the plus sign.
    pub file_name: String,
    /// Where to fetch it from: try them in this order.
    pub urls: Vec<String>,
    /// What its bytes hash to, in hexadecimal.
    pub sha256: String,
    /// The release of the builds, a date: one version can be built more than once.
    pub build: String,
}

/// Why an inventory can't be read or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    /// The inventory isn't TOML of the right form.
    #[error("The inventory of runtimes can't be read.")]
    Inventory(#[from] toml::de::Error),
    /// The inventory is of another schema.
    #[error("The inventory of runtimes has schema {0}, and 1 is known.")]
    Schema(u64),
    /// The download metadata isn't JSON of the right form.
    #[error("The download metadata can't be read.")]
    Metadata(#[from] serde_json::Error),
    /// An archive isn't where the inventory's rule would look for it.
    #[error("The archive of {key} is at {url}, and not at {expected}.")]
    UnexpectedUrl {
        /// The metadata's name of the archive.
        key: String,
        /// The metadata's URL.
        url: String,
        /// The URL by the inventory's rule.
        expected: String,
    },
}

/// The kinds of archive, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flavor {
    InstallOnlyStripped,
    InstallOnly,
}

/// What the download metadata knows of one archive, as far as it matters here.
#[derive(Deserialize)]
struct Download {
    name: String,
    arch: Arch,
    os: String,
    libc: String,
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    url: String,
    sha256: Option<String>,
    variant: Option<String>,
    build: String,
}

#[derive(Deserialize)]
struct Arch {
    family: String,
    variant: Option<String>,
}

impl UserError for CatalogueError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InventoryInvalid
    }
}

impl Flavor {
    const ALL: [Self; 2] = [Self::InstallOnlyStripped, Self::InstallOnly];

    fn name(self) -> &'static str {
        match self {
            Self::InstallOnlyStripped => "install_only_stripped",
            Self::InstallOnly => "install_only",
        }
    }

    /// Older archives of other flavours are laid out in another way.
    fn of(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavor| url.ends_with(&format!("-{}.tar.gz", flavor.name())))
    }
}

impl Catalogue {
    /// Returns the catalogue that slugc was built with.
    pub(crate) fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::parse(INVENTORY).expect("the inventory is part of the source, and tested")
        });
        &EMBEDDED
    }

    /// Parses an inventory.
    pub(crate) fn parse(inventory: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(inventory)?;
        match catalogue.schema {
            1 => Ok(catalogue),
            other => Err(CatalogueError::Schema(other)),
        }
    }

    /// Finds the archive of a version for an architecture such as `x86_64`.
    pub(crate) fn archive(&self, version: PythonVersion, arch: &str) -> Option<Archive> {
        self.find(version, arch, &[&self.mirror, &self.base])
    }

    /// Finds the archive of a version below a mirror that is laid out as the original: `<mirror>/<build>/<file>`.
    pub(crate) fn archive_from(&self, version: PythonVersion, arch: &str, mirror: &str) -> Option<Archive> {
        self.find(version, arch, &[mirror.trim_end_matches('/')])
    }

    /// Lists the released versions for which there is an archive for any architecture.
    pub(crate) fn versions(&self) -> impl Iterator<Item = PythonVersion> {
        self.install_only_stripped.keys().chain(self.install_only.keys()).filter_map(|key| key.parse().ok())
    }

    /// Returns the date of the newest archive, as `YYYYMMDD`.
    pub(crate) fn newest_build(&self) -> Option<&str> {
        let rows = self.install_only_stripped.values().chain(self.install_only.values());
        rows.filter_map(|row| row.first().map(String::as_str)).max()
    }

    fn find(&self, version: PythonVersion, arch: &str, prefixes: &[&str]) -> Option<Archive> {
        let key = version.to_string();
        let column = 1 + self.arches.iter().position(|known| known == arch)?;
        Flavor::ALL.into_iter().find_map(|flavor| {
            let row = self.rows(flavor).get(&key)?;
            let (build, sha256) = (row.first()?, row.get(column).filter(|sha256| !sha256.is_empty())?);
            let file_name = file_name(&key, build, arch, flavor);
            Some(Archive {
                version,
                urls: prefixes.iter().map(|prefix| format!("{prefix}/{build}/{file_name}")).collect(),
                file_name,
                sha256: sha256.clone(),
                build: build.clone(),
            })
        })
    }

    fn rows(&self, flavor: Flavor) -> &BTreeMap<String, Vec<String>> {
        match flavor {
            Flavor::InstallOnlyStripped => &self.install_only_stripped,
            Flavor::InstallOnly => &self.install_only,
        }
    }
}

/// Renders `inventory/runtimes.toml` anew from uv's `download-metadata.json`. What stands above the tables is kept.
pub(crate) fn render_inventory(download_metadata_json: &str) -> Result<String, CatalogueError> {
    let Catalogue { base, arches, .. } = Catalogue::embedded();
    let downloads: BTreeMap<String, Download> = serde_json::from_str(download_metadata_json)?;
    let mut rows: BTreeMap<Reverse<SortedVersion>, Row> = BTreeMap::new();
    for (key, download) in &downloads {
        let Some(flavor) = Flavor::of(&download.url) else { continue };
        let (Some(column), Some(sha256)) = (download.column(arches), &download.sha256) else { continue };
        let version = download.version();
        let row = Row { flavor, build: download.build.clone(), sha256: vec![String::new(); arches.len()] };
        let file_name = file_name(&version, &row.build, &arches[column], flavor);
        let expected = format!("{base}/{}/{file_name}", row.build);
        if download.url != expected {
            return Err(CatalogueError::UnexpectedUrl {
                key: key.clone(),
                url: download.url.clone(),
                expected,
            });
        }
        let known = rows.entry(Reverse(download.sorted_version())).or_insert_with(|| row.clone());
        if row.is_better_than(known) {
            *known = row.clone();
        }
        // One row is one build: an architecture that only an older build has is left out.
        if (row.flavor, &row.build) == (known.flavor, &known.build) {
            known.sha256[column].clone_from(sha256);
        }
    }
    Ok(render_rows(&rows))
}

/// Ordered as versions are: a release is newer than its candidates, those than betas, those than alphas.
type SortedVersion = (u64, u64, u64, bool, String, u64, String);

#[derive(Clone)]
struct Row {
    flavor: Flavor,
    build: String,
    sha256: Vec<String>,
}

impl Row {
    fn is_better_than(&self, other: &Self) -> bool {
        (Reverse(self.flavor), &self.build) > (Reverse(other.flavor), &other.build)
    }
}

fn render_rows(rows: &BTreeMap<Reverse<SortedVersion>, Row>) -> String {
    let mut text = INVENTORY.split("\n[install").next().unwrap_or_default().to_owned();
    for flavor in Flavor::ALL {
        text.push_str(&format!("\n[{}]\n", flavor.name()));
        for (Reverse((.., version)), row) in rows.iter().filter(|(_, row)| row.flavor == flavor) {
            let values: Vec<String> =
                std::iter::once(&row.build).chain(&row.sha256).map(|value| format!("\"{value}\"")).collect();
            text.push_str(&format!("\"{version}\" = [{}]\n", values.join(", ")));
        }
    }
    text
}

impl Download {
    /// Returns the number of the architecture's column, or none if the archive isn't wanted.
    fn column(&self, arches: &[String]) -> Option<usize> {
        let wanted = self.name == "cpython"
            && self.os == "linux"
            && self.libc == "gnu"
            && self.variant.is_none()
            && self.arch.variant.is_none();
        wanted.then(|| arches.iter().position(|arch| *arch == self.arch.family)).flatten()
    }

    fn version(&self) -> String {
        format!("{}.{}.{}{}", self.major, self.minor, self.patch, self.prerelease)
    }

    fn sorted_version(&self) -> SortedVersion {
        let kind = self.prerelease.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let number = self.prerelease[kind.len()..].parse().unwrap_or(0);
        let released = self.prerelease.is_empty();
        (self.major, self.minor, self.patch, released, kind.to_owned(), number, self.version())
    }
}

/// Names an archive as its URL does.
fn file_name(version: &str, build: &str, arch: &str, flavor: Flavor) -> String {
    format!("cpython-{version}%2B{build}-{arch}-unknown-linux-gnu-{}.tar.gz", flavor.name())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn version(text: &str) -> PythonVersion {
        text.parse().unwrap()
    }

    /// Rebuilds the metadata that the inventory was made from.
    fn metadata() -> serde_json::Map<String, Value> {
        let catalogue = Catalogue::embedded();
        let pattern = regex::Regex::new(r"^(\d+)\.(\d+)\.(\d+)(.*)$").unwrap();
        let mut metadata = serde_json::Map::new();
        for flavor in Flavor::ALL {
            for (version, row) in catalogue.rows(flavor) {
                let parts = pattern.captures(version).unwrap();
                let number = |index: usize| parts[index].parse::<u64>().unwrap();
                for (arch, sha256) in
                    catalogue.arches.iter().zip(&row[1..]).filter(|(_, sha256)| !sha256.is_empty())
                {
                    let file_name = file_name(version, &row[0], arch, flavor);
                    let download = json!({
                        "name": "cpython", "arch": {"family": arch, "variant": null}, "os": "linux", "libc": "gnu",
                        "major": number(1), "minor": number(2), "patch": number(3), "prerelease": &parts[4],
                        "url": format!("{}/{}/{file_name}", catalogue.base, row[0]), "sha256": sha256,
                        "variant": null, "build": row[0],
                    });
                    metadata.insert(format!("cpython-{version}-linux-{arch}-gnu"), download);
                }
            }
        }
        metadata
    }

    #[test]
    fn an_archive_is_at_the_mirror_first() {
        let catalogue = Catalogue::embedded();
        let archive = catalogue.archive(version("3.13.15"), "x86_64").unwrap();
        let name = "cpython-3.13.15%2B20260814-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz";
        assert_eq!(archive.file_name, name);
        assert_eq!(archive.urls.len(), 2);
        assert_eq!(archive.urls[0], format!("{}/20260814/{name}", catalogue.mirror));
        assert_eq!(archive.urls[1], format!("{}/20260814/{name}", catalogue.base));
        assert!(archive.urls.iter().all(|url| url.starts_with("https://")));
        assert_eq!(archive.sha256, "aaca2af2ab4d7b68a712660d1334c0cfd5ec13c0312ccd30c29122d8d0342320");
        assert_eq!((archive.version, archive.build.as_str()), (version("3.13.15"), "20260814"));
    }

    #[test]
    fn a_mirror_of_ones_own_is_the_only_place() {
        for mirror in ["file:///srv/python", "file:///srv/python/"] {
            let archive = Catalogue::embedded().archive_from(version("3.12.3"), "aarch64", mirror).unwrap();
            let expected = "file:///srv/python/20240415/cpython-3.12.3%2B20240415-aarch64-unknown-linux-gnu-install_only.tar.gz";
            assert_eq!(archive.urls, [expected]);
        }
    }

    #[test]
    fn what_is_not_listed_is_not_found() {
        for (text, arch, found) in [
            ("3.8.12", "x86_64", true),
            ("3.8.12", "aarch64", false),
            ("3.13.99", "x86_64", false),
            ("3.13.15", "riscv64", false),
            ("3.11.2", "x86_64", false),
        ] {
            assert_eq!(Catalogue::embedded().archive(version(text), arch).is_some(), found, "{text} {arch}");
        }
    }

    #[test]
    fn the_embedded_inventory_is_whole() {
        let catalogue = Catalogue::embedded();
        let rows: Vec<_> = Flavor::ALL.iter().flat_map(|flavor| catalogue.rows(*flavor)).collect();
        assert_eq!(rows.len(), 126);
        for (version, row) in rows {
            assert_eq!(row.len(), 1 + catalogue.arches.len(), "{version}");
            assert!(row[0].len() == 8 && row[0].bytes().all(|byte| byte.is_ascii_digit()), "{version}");
            for sha256 in &row[1..] {
                let hexadecimal = sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                assert!((sha256.is_empty() || sha256.len() == 64) && hexadecimal, "{version}");
            }
        }
        assert!(catalogue.versions().all(|version| version.major == 3));
    }

    #[test]
    fn the_inventory_can_be_made_anew_from_metadata() {
        let metadata = Value::Object(metadata()).to_string();
        assert_eq!(render_inventory(&metadata).unwrap(), INVENTORY);
    }

    #[test]
    fn only_plain_glibc_builds_get_into_the_inventory() {
        let all = metadata();
        let wanted = all["cpython-3.14.7-linux-x86_64-gnu"].clone();
        let mut few = serde_json::Map::from_iter([("wanted".to_owned(), wanted.clone())]);
        for (field, value) in [
            ("/name", json!("pypy")),
            ("/os", json!("darwin")),
            ("/libc", json!("musl")),
            ("/variant", json!("freethreaded")),
            ("/arch/variant", json!("v3")),
            ("/arch/family", json!("riscv64")),
            ("/sha256", Value::Null),
            ("/url", json!("https://localhost/cpython-3.14.7-pgo+lto-full.tar.zst")),
        ] {
            let mut unwanted = wanted.clone();
            *unwanted.pointer_mut(field).unwrap() = value;
            unwanted["patch"] = json!(8);
            few.insert(field.to_owned(), unwanted);
        }
        let rendered = render_inventory(&Value::Object(few).to_string()).unwrap();
        let catalogue = Catalogue::parse(&rendered).unwrap();
        assert_eq!(catalogue.versions().collect::<Vec<_>>(), [version("3.14.7")]);
        assert!(catalogue.archive(version("3.14.7"), "x86_64").is_some());
        assert!(catalogue.archive(version("3.14.7"), "aarch64").is_none());
    }

    #[test]
    fn a_url_that_the_inventory_cannot_express_is_an_error() {
        let mut download = metadata()["cpython-3.14.7-linux-x86_64-gnu"].clone();
        download["url"] = json!("https://localhost/elsewhere-install_only.tar.gz");
        let error = render_inventory(&json!({"odd": download}).to_string()).unwrap_err();
        assert!(error.to_string().starts_with("The archive of odd is at https://localhost/"), "{error}");
        assert!(matches!(render_inventory("[]"), Err(CatalogueError::Metadata(_))));
    }

    #[test]
    fn an_inventory_of_another_schema_is_refused() {
        let changed = INVENTORY.replace("schema = 1", "schema = 2");
        assert!(matches!(Catalogue::parse(&changed), Err(CatalogueError::Schema(2))));
        assert!(matches!(Catalogue::parse("schema = 1"), Err(CatalogueError::Inventory(_))));
    }
}
