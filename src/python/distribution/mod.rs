//! An installed distribution as its `*.dist-info` directory describes it: METADATA, RECORD, WHEEL, direct_url.json.
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>
//!
//! What is read here comes out of slugs of anybody: whatever it is, it is read leniently and never trusted.

mod dependency;
mod info_dir;
mod licence;
mod marker;
mod needs;
mod record;
mod wheel;

use std::collections::BTreeSet;

pub(crate) use dependency::Dependency;
pub(crate) use info_dir::InfoKind;
pub use info_dir::{InfoDir, split_site_packages};
pub(crate) use licence::{Licence, LicenceFacts};
pub use marker::MarkerValues;
pub(crate) use marker::evaluate as evaluate_marker;
pub use needs::needs;
pub(crate) use record::{RecordEntry, base64_url};
pub use record::{installed_path, parse_record};
pub(crate) use wheel::{DirectUrl, Wheel};
pub use wheel::{parse_direct_url, parse_wheel};

use super::requirements::normalised_name;

/// What METADATA says about a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    /// Its name as its authors write it.
    pub name: String,
    /// Its version; empty if there is none.
    pub version: String,
    /// What it is, in a sentence.
    pub summary: Option<String>,
    /// Who made it: the first of author, maintainer, and what stands before their addresses.
    pub author: Option<String>,
    /// Its labelled addresses; the home page is labelled `Homepage`.
    pub urls: Vec<(String, String)>,
    /// What it says about its licence.
    pub licence: LicenceFacts,
    /// The versions of Python that it runs on.
    pub requires_python: Option<String>,
    /// What it requires, whatever the markers say.
    pub requires: Vec<Dependency>,
    /// The normalised names of its extras.
    pub extras: BTreeSet<String>,
    /// The modules that it says it has (PEP 794).
    pub import_names: Vec<String>,
}

impl Distribution {
    /// Returns the normalised name, by which distributions are told apart.
    pub fn key(&self) -> String {
        normalised_name(&self.name)
    }
}

/// Parses METADATA, or the PKG-INFO of an egg. There is no distribution without a name.
pub fn parse_metadata(contents: &[u8]) -> Option<Distribution> {
    let mut distribution = Distribution::default();
    let mut maintainer = None;
    for (name, value) in parse_headers(contents) {
        let known = value != "UNKNOWN" && !value.is_empty();
        match name.as_str() {
            "name" if distribution.name.is_empty() => distribution.name = value,
            "version" if distribution.version.is_empty() => distribution.version = value,
            "summary" if known => distribution.summary = Some(first_line(&value)),
            "author" if known => distribution.author = Some(first_line(&value)),
            "author-email" if known => {
                distribution.author = distribution.author.or_else(|| name_before_address(&value));
            }
            "maintainer" if known => maintainer = Some(first_line(&value)),
            "maintainer-email" if known => maintainer = maintainer.or_else(|| name_before_address(&value)),
            "home-page" if known => distribution.urls.push(("Homepage".to_owned(), value)),
            "project-url" => {
                if let Some((label, url)) = value.split_once(',') {
                    distribution.urls.push((label.trim().to_owned(), url.trim().to_owned()));
                }
            }
            "license-expression" if known => distribution.licence.expression = Some(value),
            "license" if known => distribution.licence.text = Some(value),
            "license-file" => distribution.licence.files.push(value),
            "classifier" if value.starts_with("License ::") => distribution.licence.classifiers.push(value),
            "requires-python" if known => distribution.requires_python = Some(value),
            "requires-dist" => distribution.requires.extend(Dependency::parse(&value)),
            "provides-extra" => {
                distribution.extras.insert(normalised_name(&value));
            }
            "import-name" if known => {
                let name = value.split(';').next().unwrap_or_default().trim();
                distribution.import_names.push(name.to_owned());
            }
            _ => {}
        }
    }
    distribution.author = distribution.author.or(maintainer);
    Some(distribution).filter(|distribution| !distribution.name.is_empty())
}

/// Reads the headers before the first empty line, as in mails: names in lower case, folded lines joined by line
/// breaks.
fn parse_headers(contents: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(contents);
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push('\n');
                // Older tools mark the lines of a longer text by a bar.
                let line = line.trim_start();
                value.push_str(line.strip_prefix('|').unwrap_or(line));
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim_end().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    headers
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Returns `A. Person` of `"A. Person" <a@example.org>, …`; addresses themselves are nobody's business.
fn name_before_address(text: &str) -> Option<String> {
    let (name, _) = text.split_once('<')?;
    let name = name.trim().trim_matches('"').trim();
    (!name.is_empty() && !name.contains('@')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_field_by_field() {
        let parsed = parse_metadata(
            b"Metadata-Version: 2.4\nName: Zope.Interface\nVersion: 1.0\nSummary: What it is\n\
              Home-page: https://example.org/\nAuthor-email: \"A. Person\" <a@example.org>\n\
              Maintainer: Somebody Else\nLicense-Expression: MIT OR Apache-2.0\nLicense-File: LICENSE\n\
              License-File: COPYING\nClassifier: License :: OSI Approved :: MIT License\n\
              Classifier: Topic :: Internet\nProject-URL: Source, https://example.org/src\n\
              Requires-Python: >=3.9\nRequires-Dist: six>=1.0\nRequires-Dist: Foo_Bar[x]; extra == 'test'\n\
              Provides-Extra: Test_Extra\nImport-Name: zope.interface ; private\n\nName: not this one\n",
        )
        .unwrap();
        assert_eq!((parsed.name.as_str(), parsed.version.as_str()), ("Zope.Interface", "1.0"));
        assert_eq!(parsed.key(), "zope-interface");
        assert_eq!(parsed.summary.as_deref(), Some("What it is"));
        assert_eq!(parsed.author.as_deref(), Some("A. Person"));
        let urls = [("Homepage", "https://example.org/"), ("Source", "https://example.org/src")];
        assert_eq!(parsed.urls, urls.map(|(label, url)| (label.to_owned(), url.to_owned())));
        assert_eq!(parsed.licence.expression.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(parsed.licence.files, ["LICENSE", "COPYING"]);
        assert_eq!(parsed.licence.classifiers, ["License :: OSI Approved :: MIT License"]);
        assert_eq!(parsed.requires_python.as_deref(), Some(">=3.9"));
        let names: Vec<_> = parsed.requires.iter().map(|requirement| requirement.name.as_str()).collect();
        assert_eq!(names, ["six", "foo-bar"]);
        assert_eq!(parsed.extras, BTreeSet::from(["test-extra".to_owned()]));
        assert_eq!(parsed.import_names, ["zope.interface"]);
    }

    #[test]
    fn folded_lines_are_one_value_and_oddities_do_no_harm() {
        let parsed = parse_metadata(
            b"\xef\xbb\xbfname: x\r\nVERSION: 2\r\nLicense: First\r\n        |second\r\n\tthird\r\nSummary: UNKNOWN\r\n\
              no colon here\r\nAuthor-email: only@example.org\r\n\r\nbody",
        )
        .unwrap();
        assert_eq!((parsed.name.as_str(), parsed.version.as_str()), ("x", "2"));
        assert_eq!(parsed.licence.text.as_deref(), Some("First\nsecond\nthird"));
        assert_eq!((parsed.summary, parsed.author), (None, None));
        for contents in [&b""[..], b"Version: 1\n", b"\n\nName: x", b" Name: x", b"\xff\xfe\x00"] {
            assert_eq!(parse_metadata(contents), None, "{}", contents.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_metadata_makes_it_panic(
            lines in proptest::collection::vec("(Name|Version|License|Author-email|Requires-Dist|Provides-Extra|Project-URL|Import-Name|[ a-z]{0,3}):?[ -~é\t]{0,30}", 0..12),
            noise in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
        ) {
            let contents = [lines.join("\n").into_bytes(), noise].concat();
            if let Some(distribution) = parse_metadata(&contents) {
                let _ = (distribution.key(), distribution.licence.licences());
            }
            let _ = (parse_wheel(&contents), parse_direct_url(&contents));
        }
    }
}
