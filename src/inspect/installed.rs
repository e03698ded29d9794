//! The distributions that files belong to: found by their metadata, wherever that is.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::python::distribution::{
    DirectUrl, Distribution, InfoDir, InfoKind, RecordEntry, Wheel, installed_path, parse_direct_url,
    parse_metadata, parse_record, parse_wheel, split_site_packages,
};

/// Where slugc puts the list of components.
pub(crate) const SBOM_PATH: &str = ".heroku/sbom.cdx.json";

/// A distribution that is installed somewhere in a slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What its METADATA says.
    pub distribution: Distribution,
    /// The directory that its files are relative to.
    pub site_packages: String,
    /// The directory or file of its metadata.
    pub info: String,
    /// What WHEEL says.
    pub wheel: Option<Wheel>,
    /// The program that installed it.
    pub installer: Option<String>,
    /// Where it comes from, if that isn't an index.
    pub direct_url: Option<DirectUrl>,
    /// The list of its files.
    pub record: Option<Record>,
    /// The lists of components that it brings itself (PEP 770), by path.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// The modules that an egg says it has.
    pub top_level: Vec<String>,
}

/// RECORD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its path.
    pub path: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The paths of its files that are in the slug.
    pub files: Vec<String>,
}

/// Tells whether a file says what others are, and so is kept.
pub(super) fn is_metadata(path: &str) -> bool {
    if ["Procfile", SBOM_PATH].contains(&path) || path.ends_with("/patchlevel.h") {
        return true;
    }
    // Asked for every file of every build: most are done with here.
    if !path.contains("-info") {
        return false;
    }
    let Some((_, inside)) = split_site_packages(path) else { return false };
    let Some((directory, file)) = inside.split_once('/') else {
        return InfoDir::parse(inside).is_some_and(|info| info.kind == InfoKind::EggInfo);
    };
    match InfoDir::parse(directory).map(|info| info.kind) {
        Some(InfoKind::DistInfo) => {
            ["METADATA", "RECORD", "WHEEL", "INSTALLER", "direct_url.json"].contains(&file)
                || file.starts_with("sboms/")
        }
        Some(InfoKind::EggInfo) => ["PKG-INFO", "top_level.txt"].contains(&file),
        None => false,
    }
}

/// Finds the distributions by the files that `is_metadata` names. Sorted by name.
pub fn find_installed(metadata: &BTreeMap<String, Vec<u8>>) -> Vec<Installed> {
    let mut installed: Vec<Installed> =
        metadata.iter().filter_map(|(path, contents)| find_one(path, contents, metadata)).collect();
    installed.sort_by_cached_key(|found| (found.distribution.key(), found.info.clone()));
    installed
}

fn find_one(path: &str, contents: &[u8], metadata: &BTreeMap<String, Vec<u8>>) -> Option<Installed> {
    let (site_packages, inside) = split_site_packages(path)?;
    let (directory, is_file) = match inside.split_once('/') {
        Some((directory, "METADATA" | "PKG-INFO")) => (directory, false),
        Some(_) => return None,
        None => (inside, true),
    };
    let named = InfoDir::parse(directory)?;
    if is_file && named.kind != InfoKind::EggInfo {
        return None;
    }
    let mut distribution = parse_metadata(contents)?;
    if distribution.version.is_empty() {
        distribution.version = named.version.unwrap_or_default();
    }
    let info = format!("{site_packages}/{directory}");
    let beside = |name: &str| metadata.get(&format!("{info}/{name}")).filter(|_| !is_file);
    let text = |name: &str| beside(name).map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let sboms = format!("{info}/sboms/");
    let documents = metadata
        .range(sboms.clone()..)
        .take_while(|(path, _)| path.starts_with(&sboms))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect();
    Some(Installed {
        distribution,
        site_packages: site_packages.to_owned(),
        wheel: beside("WHEEL").map(|bytes| parse_wheel(bytes)),
        installer: text("INSTALLER").filter(|name| !name.is_empty()),
        direct_url: beside("direct_url.json").and_then(|bytes| parse_direct_url(bytes)),
        record: beside("RECORD").map(|bytes| record(site_packages, &info, bytes)),
        documents,
        top_level: text("top_level.txt")
            .map_or_else(Vec::new, |text| text.lines().map(str::to_owned).collect()),
        info,
    })
}

fn record(site_packages: &str, info: &str, bytes: &[u8]) -> Record {
    let files = parse_record(bytes);
    let place = |RecordEntry { path, .. }: &RecordEntry| installed_path(site_packages, path);
    Record {
        path: format!("{info}/RECORD"),
        sha256: hex::encode(Sha256::digest(bytes)),
        files: files.iter().filter_map(place).collect(),
    }
}

/// Reads the version of Python that a slug has out of `patchlevel.h`, which comes with every Python.
pub(super) fn find_python(metadata: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let versions =
        metadata.iter().filter(|(path, _)| path.contains("include/python")).filter_map(|(_, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().find_map(|line| line.strip_prefix("#define PY_VERSION "))?;
            let version = line.trim().trim_matches('"').trim_end_matches('+');
            version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
        });
    versions.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(rows: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        rows.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn distributions_are_found_wherever_they_are() {
        let found = find_installed(&files(&[
            ("lib/site-packages/b-2.dist-info/METADATA", "Name: B\nVersion: 2\n"),
            ("lib/site-packages/b-2.dist-info/RECORD", "b.py,,\n../../bin/b,,\n/etc/x,,\n"),
            ("lib/site-packages/b-2.dist-info/INSTALLER", "uv\n"),
            ("lib/site-packages/b-2.dist-info/sboms/x.cdx.json", "{}"),
            ("lib/site-packages/a-1-py3.9.egg-info/PKG-INFO", "Name: a\nVersion: 1\n"),
            ("lib/site-packages/a-1-py3.9.egg-info/top_level.txt", "a\n_a\n"),
            ("usr/lib/python3/dist-packages/c-3.egg-info", "Name: c\n"),
            ("lib/site-packages/broken-1.dist-info/METADATA", "nothing"),
            ("docs/d-1.dist-info/METADATA", "Name: d\n"),
        ]));
        let facts: Vec<_> = found
            .iter()
            .map(|found| {
                let Distribution { name, version, .. } = &found.distribution;
                (name.as_str(), version.as_str(), found.site_packages.as_str())
            })
            .collect();
        assert_eq!(
            facts,
            [
                ("a", "1", "lib/site-packages"),
                ("B", "2", "lib/site-packages"),
                ("c", "3", "usr/lib/python3/dist-packages")
            ]
        );
        assert_eq!(found[0].top_level, ["a", "_a"]);
        let record = found[1].record.as_ref().unwrap();
        assert_eq!(record.files, ["lib/site-packages/b.py", "bin/b"]);
        assert_eq!(found[1].installer.as_deref(), Some("uv"));
        assert_eq!(found[1].documents.len(), 1);
    }

    #[test]
    fn the_version_of_python_is_in_its_header() {
        let path = ".heroku/python/include/python3.14/patchlevel.h";
        let text = "/* x */\n#define PY_VERSION              \"3.14.2\"\n";
        assert_eq!(find_python(&files(&[(path, text)])).as_deref(), Some("3.14.2"));
        assert_eq!(find_python(&files(&[(path, "#define PY_VERSION x")])), None);
        assert_eq!(find_python(&files(&[("src/patchlevel.h", text)])), None);
    }
}
