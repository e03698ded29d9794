//! The components: Python and the installed distributions, as CycloneDX has them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::documents;
use crate::inspect::installed::Installed;
use crate::python::distribution::{DirectUrl, Licence};
use crate::python::url::without_credentials;

/// The type of what programs run on.
pub(super) const PLATFORM: &str = "platform";

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) author: Option<String>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<LicenceChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(rename = "externalReferences", skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) components: Vec<Self>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<Evidence>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Hash {
    pub(super) alg: &'static str,
    pub(super) content: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LicenceChoice {
    License(NamedLicence),
    #[serde(untagged)]
    Expression {
        expression: String,
        acknowledgement: &'static str,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct NamedLicence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) acknowledgement: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Reference {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Evidence {
    occurrences: Vec<Occurrence>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Occurrence {
    location: String,
}

/// What the authors say, which nobody has checked.
const DECLARED: &str = "declared";

impl Hash {
    /// Makes a hash, if CycloneDX has the algorithm and the digest can be one of it.
    pub(super) fn new(algorithm: &str, digest: &str) -> Option<Self> {
        let (alg, length) = match algorithm.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "md5" => ("MD5", 32),
            "sha1" => ("SHA-1", 40),
            "sha256" => ("SHA-256", 64),
            "sha384" => ("SHA-384", 96),
            "sha512" => ("SHA-512", 128),
            _ => return None,
        };
        let is_digest = digest.len() == length && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| Self { alg, content: digest.to_ascii_lowercase() })
    }
}

impl Component {
    pub(super) fn named(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), name: name.to_owned(), ..Self::default() }
    }

    /// Makes the component of Python itself.
    pub(super) fn python(version: &str) -> Self {
        let purl = format!("pkg:generic/{}@{}", super::PYTHON, percent_encoded(version));
        Self {
            reference: Some(purl.clone()),
            version: Some(version.to_owned()),
            licenses: vec![choice(Licence::Id("PSF-2.0"))],
            // A character that means something in there would mean something else.
            cpe: version
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
                .then(|| format!("cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*")),
            purl: Some(purl),
            ..Self::named(PLATFORM, super::PYTHON)
        }
    }

    fn of_distribution(found: &Installed) -> Self {
        let distribution = &found.distribution;
        let mut references: Vec<Reference> =
            distribution.urls.iter().filter_map(|(label, url)| website(label, url)).collect();
        references.extend(found.direct_url.as_ref().and_then(origin));
        references.extend(documents::references(found));
        references.dedup();
        Self {
            reference: None,
            author: distribution.author.clone(),
            version: Some(distribution.version.clone()),
            description: distribution.summary.clone(),
            licenses: distribution.licence.licences().into_iter().map(choice).collect(),
            purl: Some(purl(found)),
            references,
            components: found
                .record
                .iter()
                .map(|record| Self {
                    hashes: Hash::new("sha256", &record.sha256).into_iter().collect(),
                    ..Self::named("file", &record.path)
                })
                .collect(),
            evidence: Some(Evidence { occurrences: vec![Occurrence { location: found.info.clone() }] }),
            ..Self::named("library", &distribution.name)
        }
    }
}

/// Makes the components of the distributions, in the same order, each with a name of its own in the document.
pub(super) fn of_distributions(installed: &[Installed]) -> Vec<Component> {
    let mut taken = BTreeSet::new();
    let component = |found: &Installed| {
        let mut component = Component::of_distribution(found);
        let mut reference = component.purl.clone().unwrap_or_default();
        if !taken.insert(reference.clone()) {
            // The same distribution in another place.
            reference = format!("{reference}#{}", found.info);
            taken.insert(reference.clone());
        }
        component.components.extend(documents::components(found, &reference));
        component.reference = Some(reference);
        component
    };
    installed.iter().map(component).collect()
}

fn choice(licence: Licence) -> LicenceChoice {
    let (id, name) = match licence {
        Licence::Expression(expression) => {
            return LicenceChoice::Expression { expression, acknowledgement: DECLARED };
        }
        Licence::Id(id) => (Some(id), None),
        Licence::Named(name) => (None, Some(name)),
    };
    LicenceChoice::License(NamedLicence { id, name, acknowledgement: DECLARED })
}

/// Returns the package URL. What comes from a directory of the app is none of an index's packages.
/// <https://github.com/package-url/purl-spec>
fn purl(found: &Installed) -> String {
    let version = percent_encoded(&found.distribution.version);
    let name = percent_encoded(&found.distribution.name.to_lowercase().replace('_', "-"));
    let (kind, qualifier) = match &found.direct_url {
        None => ("pypi", String::new()),
        Some(DirectUrl::Directory { .. }) => ("generic", String::new()),
        Some(DirectUrl::Repository { url, vcs, commit }) => {
            ("pypi", format!("?vcs_url={}", percent_encoded(&format!("{vcs}+{url}@{commit}"))))
        }
        Some(DirectUrl::Archive { url, .. }) if is_web_address(url) => {
            ("pypi", format!("?download_url={}", percent_encoded(url)))
        }
        Some(DirectUrl::Archive { .. }) => ("pypi", String::new()),
    };
    let version = if version.is_empty() { version } else { format!("@{version}") };
    format!("pkg:{kind}/{name}{version}{qualifier}")
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Makes the reference to a labelled address; other labels have no type of their own.
fn website(label: &str, url: &str) -> Option<Reference> {
    let label: String = label.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let kind = match label.as_str() {
        "homepage" | "home" | "website" => "website",
        "source" | "sourcecode" | "repository" | "code" | "github" | "gitlab" => "vcs",
        "documentation" | "docs" => "documentation",
        "issues" | "issuetracker" | "bugtracker" | "bugs" | "tracker" | "bugreports" => "issue-tracker",
        "changelog" | "changes" | "releasenotes" | "whatsnew" | "history" => "release-notes",
        _ => return None,
    };
    let url = is_web_address(url).then(|| without_credentials(url))?;
    Some(Reference { kind, url, comment: None, hashes: Vec::new() })
}

/// Says where a distribution comes from that isn't from an index.
fn origin(direct: &DirectUrl) -> Option<Reference> {
    let url = direct.url().to_owned();
    if !is_web_address(&url) {
        return None;
    }
    match direct {
        DirectUrl::Archive { hashes, .. } => {
            let hashes =
                hashes.iter().filter_map(|(algorithm, digest)| Hash::new(algorithm, digest)).collect();
            Some(Reference { kind: "distribution", url, comment: None, hashes })
        }
        DirectUrl::Repository { commit, .. } => {
            let comment = Some(format!("installed from the commit {commit}"));
            Some(Reference { kind: "vcs", url, comment, hashes: Vec::new() })
        }
        DirectUrl::Directory { .. } => None,
    }
}

/// Whether a text is an address that every validator accepts.
fn is_web_address(url: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"{}|\\^`[]".contains(&byte);
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_plain) && !has_stray_percent(rest))
}

fn has_stray_percent(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .any(|after| !after.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)))
}

/// Makes an address, relative to the app's root, of a path.
pub(super) fn relative_address(path: &str) -> String {
    path.split('/').map(percent_encoded).collect::<Vec<_>>().join("/")
}
