//! Layer keys: everything that decides a layer's content, with names, so that two keys can say how
//! they differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::inputs::Inputs;
use super::local::Local;
use super::manager::{self, PackageManager};
use super::runtime::RuntimeChoice;
use crate::python::version::PythonVersion;

/// Raised by hand when slugc treats the same input in another way: each layer is then made anew.
const RULES: &str = "5";

/// The key of a layer: named parts. Its digest is the layer's name in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerKey {
    parts: BTreeMap<String, String>,
}

impl LayerKey {
    /// Makes a key of named parts. A name fits into the sentence "The … has changed".
    pub(crate) fn new<'a>(parts: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let mut parts: BTreeMap<_, _> =
            parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        parts.insert("slugc layer format".to_owned(), RULES.to_owned());
        Self { parts }
    }

    /// Returns the SHA-256 of all parts, shortened to 32 hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, value) in &self.parts {
            // Lengths first: no two different keys feed the same bytes.
            hasher.update(format!("{}:{name}={}:{value}\n", name.len(), value.len()));
        }
        hex::encode(&hasher.finalize()[..16])
    }

    /// Returns the value of a part.
    pub(crate) fn part(&self, name: &str) -> Option<&str> {
        self.parts.get(name).map(String::as_str)
    }

    /// Says how this key differs from an earlier one, a sentence a part.
    pub(crate) fn differences(&self, earlier: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, value) in &self.parts {
            match earlier.parts.get(name) {
                Some(old) if old == value => {}
                Some(old) if is_short(old) && is_short(value) => {
                    reasons.push(format!("The {name} has changed from {old} to {value}"));
                }
                Some(_) => reasons.push(format!("The {name} has changed")),
                None => reasons.push(format!("The {name} is new")),
            }
        }
        for name in earlier.parts.keys().filter(|name| !self.parts.contains_key(*name)) {
            reasons.push(format!("The {name} is gone"));
        }
        reasons
    }
}

/// Whether a value says something to a reader: not a digest, and not several lines.
fn is_short(value: &str) -> bool {
    let is_digest = value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    !value.is_empty() && value.len() <= 60 && !value.contains('\n') && !is_digest
}

/// Returns the key of the Python runtime.
pub(crate) fn runtime_key(runtime: &RuntimeChoice) -> LayerKey {
    LayerKey::new([
        ("Python version", runtime.version().to_string()),
        ("source of Python", runtime.source_name().to_owned()),
        ("build of Python", runtime.fingerprint().to_owned()),
        ("architecture", runtime.arch().to_owned()),
    ])
}

/// Returns the key of the layer that holds pip (and, for older Pythons, setuptools).
pub(crate) fn pip_key(runtime: &LayerKey, version: PythonVersion) -> LayerKey {
    LayerKey::new([
        ("Python runtime", runtime.digest()),
        ("set of tools", manager::pip_layer_contents(version)),
    ])
}

/// What decides the dependencies.
pub(crate) struct DependencyFacts<'a> {
    /// The runtime's key.
    pub runtime: &'a LayerKey,
    /// Who manages the packages.
    pub package_manager: PackageManager,
    /// What is in site-packages before the packages and counts as installed; empty if nothing does.
    pub installed_before: &'a str,
    /// What says which packages are installed.
    pub inputs: &'a Inputs,
    /// What of them is in the app itself, if that gets a layer of its own.
    pub local: Option<&'a Local>,
    /// The installer's name and version.
    pub installer: &'a str,
    /// pip's settings that change what is installed, without credentials.
    pub pip_settings: String,
    /// Whether the packages for the app's tests are among them.
    pub test: bool,
}

/// Returns the key of the dependencies: every file that decides is a part of it, nested ones included.
pub(crate) fn dependencies_key(facts: &DependencyFacts<'_>) -> LayerKey {
    let DependencyFacts { inputs, local, .. } = facts;
    let mut parts = common_parts(facts);
    for (name, contents) in &inputs.files {
        parts.push((format!("content of {name}"), hex::encode(Sha256::digest(contents))));
    }
    // The reader of the lock file may have learned something new.
    let list = "list of locked packages".to_owned();
    match local {
        Some(Local { others, is_open, needs, .. }) => {
            parts.push((list, others.digest()));
            if *is_open {
                let digest = Sha256::digest(needs.render_overrides() + &needs.render());
                parts.push(("list of what the app's own packages need".to_owned(), hex::encode(digest)));
            }
        }
        None => {
            if let Some(rendered) = &inputs.rendered {
                parts.push((list, hex::encode(Sha256::digest(&rendered.text))));
            }
            if let Some(digest) = &inputs.source_digest {
                parts.push((OWN_SOURCE.to_owned(), digest.clone()));
            }
        }
    }
    LayerKey::new(parts.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

/// Returns the key of what is in the app itself, if that gets a layer of its own.
pub(crate) fn project_key(facts: &DependencyFacts<'_>) -> Option<LayerKey> {
    let local = facts.local?;
    let mut parts = common_parts(facts);
    parts.push(("list of the app's own packages".to_owned(), local.own.digest()));
    parts.push((OWN_SOURCE.to_owned(), local.digest.clone()));
    Some(LayerKey::new(parts.iter().map(|(name, value)| (name.as_str(), value.clone()))))
}

/// As in "The … has changed".
const OWN_SOURCE: &str = "app's own source, which requirements are built from,";

fn common_parts(facts: &DependencyFacts<'_>) -> Vec<(String, String)> {
    let DependencyFacts {
        runtime,
        package_manager,
        installed_before,
        inputs,
        local: _,
        installer,
        pip_settings,
        test,
    } = facts;
    let mut parts = vec![
        ("Python runtime".to_owned(), runtime.digest()),
        ("Python version".to_owned(), runtime.part("Python version").unwrap_or_default().to_owned()),
        ("package manager".to_owned(), package_manager.name().to_owned()),
        ("installer".to_owned(), (*installer).to_owned()),
        ("pip configuration".to_owned(), pip_settings.clone()),
        ("set of tools that are installed before".to_owned(), (*installed_before).to_owned()),
        ("set of groups".to_owned(), if *test { "test" } else { "production" }.to_owned()),
    ];
    for (name, digest) in &inputs.variables {
        parts.push((format!("value of the variable {name}"), digest.clone()));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, &str)]) -> LayerKey {
        LayerKey::new(parts.iter().map(|(name, value)| (*name, (*value).to_owned())))
    }

    #[test]
    fn equal_parts_have_equal_digests_and_other_parts_do_not() {
        let one = key(&[("a", "1"), ("b", "2")]);
        assert_eq!(one.digest(), key(&[("b", "2"), ("a", "1")]).digest());
        for other in [key(&[("a", "1")]), key(&[("a", "1"), ("b", "3")]), key(&[("a", "12"), ("b", "")])] {
            assert_ne!(one.digest(), other.digest(), "{other:?}");
        }
    }

    #[test]
    fn a_key_says_how_it_differs() {
        let digest = "0123456789abcdef0123456789abcdef";
        let old = key(&[("Python version", "3.13.1"), ("content of requirements.txt", digest), ("x", "1")]);
        let new =
            key(&[("Python version", "3.13.2"), ("content of requirements.txt", "f".repeat(32).as_str())]);
        assert_eq!(
            new.differences(&old),
            [
                "The Python version has changed from 3.13.1 to 3.13.2",
                "The content of requirements.txt has changed",
                "The x is gone",
            ]
        );
        assert!(new.differences(&new).is_empty());
    }

    #[test]
    fn everything_that_decides_the_dependencies_is_told() {
        let runtime = key(&[("Python version", "3.13.2")]);
        let inputs = |lock: &str, token: &str| Inputs {
            files: BTreeMap::from([("uv.lock".to_owned(), lock.into())]),
            variables: BTreeMap::from([("TOKEN".to_owned(), token.repeat(32))]),
            ..Inputs::default()
        };
        let made = |inputs: &Inputs, installer: &str, test: bool| {
            let package_manager = PackageManager::Uv;
            let pip_settings = String::new();
            dependencies_key(&DependencyFacts {
                runtime: &runtime,
                package_manager,
                installed_before: "",
                inputs,
                local: inputs.local.as_ref(),
                installer,
                pip_settings,
                test,
            })
        };
        let first = made(&inputs("a", "0"), "uv 1", false);
        for (other, expected) in [
            (made(&inputs("b", "0"), "uv 1", false), "The content of uv.lock has changed"),
            (made(&inputs("a", "1"), "uv 1", false), "The value of the variable TOKEN has changed"),
            (made(&inputs("a", "0"), "uv 2", false), "The installer has changed from uv 1 to uv 2"),
            (made(&inputs("a", "0"), "uv 1", true), "The set of groups has changed from production to test"),
        ] {
            assert_eq!(other.differences(&first), [expected]);
        }
    }
}
