//! WHEEL and direct_url.json: how a distribution came to be where it is.
//! <https://packaging.python.org/en/latest/specifications/direct-url/>

use std::collections::BTreeMap;

use serde::Deserialize;

use super::parse_headers;
use crate::python::url::without_credentials;

/// What WHEEL says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wheel {
    /// The program that made the wheel.
    pub generator: Option<String>,
    /// Whether nothing in it depends on the machine.
    pub is_pure: bool,
    /// What it runs on, such as `cp314-cp314-manylinux_2_28_x86_64`.
    pub tags: Vec<String>,
}

/// Parses WHEEL.
pub fn parse_wheel(contents: &[u8]) -> Wheel {
    let mut wheel = Wheel::default();
    for (name, value) in parse_headers(contents) {
        match name.as_str() {
            "generator" => wheel.generator = Some(value),
            "root-is-purelib" => wheel.is_pure = value.eq_ignore_ascii_case("true"),
            "tag" => wheel.tags.push(value),
            _ => {}
        }
    }
    wheel
}

/// Where a distribution comes from that isn't from an index. Addresses are without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectUrl {
    /// A wheel or a source archive.
    Archive {
        /// Where it was.
        url: String,
        /// Its hashes, by algorithm, in hexadecimal.
        hashes: BTreeMap<String, String>,
    },
    /// A repository.
    Repository {
        /// Where it was.
        url: String,
        /// `git` or another program.
        vcs: String,
        /// The commit that was installed.
        commit: String,
    },
    /// A directory of the app.
    Directory {
        /// Where it was.
        url: String,
        /// Whether it is used in place.
        editable: bool,
    },
}

impl DirectUrl {
    /// Returns the address.
    pub fn url(&self) -> &str {
        match self {
            Self::Archive { url, .. } | Self::Repository { url, .. } | Self::Directory { url, .. } => url,
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    url: String,
    archive_info: Option<RawArchive>,
    vcs_info: Option<RawRepository>,
    dir_info: Option<RawDirectory>,
}

#[derive(Deserialize)]
struct RawArchive {
    hash: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawRepository {
    vcs: String,
    commit_id: String,
}

#[derive(Deserialize)]
struct RawDirectory {
    #[serde(default)]
    editable: bool,
}

/// Parses direct_url.json; what can't be read counts as none.
pub fn parse_direct_url(contents: &[u8]) -> Option<DirectUrl> {
    let Raw { url, archive_info, vcs_info, dir_info } = serde_json::from_slice(contents).ok()?;
    let url = without_credentials(&url);
    if let Some(RawRepository { vcs, commit_id }) = vcs_info {
        return Some(DirectUrl::Repository { url, vcs, commit: commit_id });
    }
    if let Some(RawDirectory { editable }) = dir_info {
        return Some(DirectUrl::Directory { url, editable });
    }
    let RawArchive { hash, mut hashes } = archive_info?;
    if let Some((algorithm, digest)) = hash.as_deref().and_then(|hash| hash.split_once('=')) {
        hashes.entry(algorithm.to_owned()).or_insert_with(|| digest.to_owned());
    }
    Some(DirectUrl::Archive { url, hashes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_says_what_it_runs_on() {
        let wheel = parse_wheel(
            b"Wheel-Version: 1.0\nGenerator: maturin (1.9)\nRoot-Is-Purelib: false\n\
              Tag: cp314-cp314-manylinux_2_17_x86_64\nTag: cp314-cp314-manylinux2014_x86_64\n",
        );
        assert_eq!(wheel.generator.as_deref(), Some("maturin (1.9)"));
        assert_eq!((wheel.is_pure, wheel.tags.len()), (false, 2));
        assert!(parse_wheel(b"Root-Is-Purelib: True").is_pure);
    }

    #[test]
    fn a_direct_url_is_an_archive_a_repository_or_a_directory() {
        let hashes = BTreeMap::from([("sha256".to_owned(), "00ff".to_owned())]);
        for (text, expected) in [
            (
                r#"{"url":"https://u:p@x.test/a.whl","archive_info":{"hash":"sha256=00ff"}}"#,
                Some(DirectUrl::Archive { url: "https://x.test/a.whl".into(), hashes: hashes.clone() }),
            ),
            (
                r#"{"url":"https://x.test/a.whl","archive_info":{"hashes":{"sha256":"00ff"}}}"#,
                Some(DirectUrl::Archive { url: "https://x.test/a.whl".into(), hashes }),
            ),
            (
                r#"{"url":"https://x.test/r","vcs_info":{"vcs":"git","commit_id":"abc","requested_revision":"v1"}}"#,
                Some(DirectUrl::Repository {
                    url: "https://x.test/r".into(),
                    vcs: "git".into(),
                    commit: "abc".into(),
                }),
            ),
            (
                r#"{"url":"file:///app/lib","dir_info":{"editable":true}}"#,
                Some(DirectUrl::Directory { url: "file:///app/lib".into(), editable: true }),
            ),
            (
                r#"{"url":"file:///app/lib","dir_info":{}}"#,
                Some(DirectUrl::Directory { url: "file:///app/lib".into(), editable: false }),
            ),
            (r#"{"url":"x"}"#, None),
            ("{", None),
        ] {
            assert_eq!(parse_direct_url(text.as_bytes()), expected, "{text}");
        }
    }
}
