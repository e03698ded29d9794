//! Layer keys: everything that decides a layer's content, in typed parts, so that two keys can say how they differ.
//! Digests are made of the parts' tags and values, and never of a message's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::inputs::Inputs;
use super::local::Local;
use super::manager::{self, PackageManager};
use super::runtime::RuntimeChoice;
use super::target::Target;
use crate::python::version::PythonVersion;

/// Raised by hand when slugc treats the same input in another way: each layer is then made again.
const RULES: &str = "7";

/// The key of a layer: what decides its content. Its digest is the layer's name in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerKey {
    parts: BTreeMap<KeyPart, String>,
}

/// Something that decides a layer's content. Keys go by its tag, which never changes; messages by its noun, which may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum KeyPart {
    /// A part that there is once.
    One(Single),
    /// A file of the app that says what is installed.
    File(String),
    /// A directory or file that installers look into.
    Place(String),
    /// A variable that the app's requirements name, or that steers builds.
    Variable(String),
    /// A layer below.
    Layer(String),
}

macro_rules! singles {
    ($($name:ident => $tag:literal, $noun:literal;)*) => {
        /// A part of a key that there is once.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Single { $(#[doc = $noun] $name),* }

        impl Single {
            const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns what keys go by. It never changes.
            fn tag(self) -> &'static str {
                match self { $(Self::$name => $tag),* }
            }

            /// Returns what fits into the sentence "The … has changed".
            fn noun(self) -> &'static str {
                match self { $(Self::$name => $noun),* }
            }
        }
    };
}

singles! {
    Rules => "rules", "slugc layer format";
    PythonVersion => "python-version", "Python version";
    PythonSource => "python-source", "source of Python";
    PythonBuild => "python-build", "build of Python";
    Arch => "arch", "architecture";
    Runtime => "runtime", "Python runtime";
    Target => "target", "platform";
    Tools => "tools", "set of tools";
    ToolVersions => "tool-versions", "list of their versions";
    Preinstalled => "preinstalled", "set of tools that are installed before";
    Manager => "manager", "package manager";
    Installer => "installer", "installer";
    PipConfig => "pip-config", "pip configuration";
    Groups => "groups", "set of groups";
    Locked => "locked", "list of locked packages";
    Needs => "needs", "list of what the app's own packages need";
    Own => "own", "list of the app's own packages";
    OwnSource => "own-source", "app's own source, which requirements are built from,";
    App => "app", "content of the app";
    ConfigVars => "config-vars", "set of config vars";
    BootScripts => "boot-scripts", "set of boot scripts";
    Steps => "steps", "list of steps";
    Commit => "commit", "commit";
    Isolation => "isolation", "isolation of steps";
    NltkPackages => "nltk-packages", "list of NLTK packages";
    NltkVersion => "nltk-version", "NLTK version";
    Lineage => "lineage", "app that the layer is for";
}

impl KeyPart {
    fn tag(&self) -> String {
        match self {
            Self::One(one) => one.tag().to_owned(),
            Self::File(name) => format!("file:{name}"),
            Self::Place(path) => format!("place:{path}"),
            Self::Variable(name) => format!("variable:{name}"),
            Self::Layer(name) => format!("layer:{name}"),
        }
    }

    fn noun(&self) -> String {
        match self {
            Self::One(one) => one.noun().to_owned(),
            Self::File(name) => format!("content of {name}"),
            Self::Place(path) => format!("content of {path}"),
            Self::Variable(name) => format!("value of the variable {name}"),
            Self::Layer(name) => format!("{name} layer"),
        }
    }
}

impl From<Single> for KeyPart {
    fn from(one: Single) -> Self {
        Self::One(one)
    }
}

impl From<KeyPart> for String {
    fn from(part: KeyPart) -> Self {
        part.tag()
    }
}

/// A part that another version of slugc has put into a key.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` isn't a part of a key.")]
pub(crate) struct UnknownPart(String);

impl TryFrom<String> for KeyPart {
    type Error = UnknownPart;

    fn try_from(tag: String) -> Result<Self, UnknownPart> {
        if let Some(one) = Single::ALL.iter().find(|one| one.tag() == tag) {
            return Ok(Self::One(*one));
        }
        match tag.split_once(':').map(|(kind, name)| (kind, name.to_owned())) {
            Some(("file", name)) => Ok(Self::File(name)),
            Some(("place", path)) => Ok(Self::Place(path)),
            Some(("variable", name)) => Ok(Self::Variable(name)),
            Some(("layer", name)) => Ok(Self::Layer(name)),
            _ => Err(UnknownPart(tag)),
        }
    }
}

impl LayerKey {
    /// Makes a key.
    pub(crate) fn new<P: Into<KeyPart>>(parts: impl IntoIterator<Item = (P, String)>) -> Self {
        let mut parts: BTreeMap<KeyPart, _> =
            parts.into_iter().map(|(part, value)| (part.into(), value)).collect();
        parts.insert(Single::Rules.into(), RULES.to_owned());
        Self { parts }
    }

    /// Returns the SHA-256 of all parts, shortened to 32 hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        // By their tags: the order of the variants is nobody's business.
        let parts: BTreeMap<String, &String> =
            self.parts.iter().map(|(part, value)| (part.tag(), value)).collect();
        let mut hasher = Sha256::new();
        for (tag, value) in parts {
            // Lengths first: no two different keys feed the same bytes.
            hasher.update(format!("{}:{tag}={}:{value}\n", tag.len(), value.len()));
        }
        hex::encode(&hasher.finalize()[..16])
    }

    /// Returns the value of a part.
    pub(crate) fn part(&self, part: Single) -> Option<&str> {
        self.parts.get(&part.into()).map(String::as_str)
    }

    /// Says how this key differs from an earlier one, a sentence a part.
    pub(crate) fn differences(&self, earlier: &Self) -> Vec<String> {
        self.changes(earlier).into_iter().map(|(_, sentence)| sentence).collect()
    }

    /// Says how this key differs from an earlier one, with the part that each sentence is about.
    pub(crate) fn changes(&self, earlier: &Self) -> Vec<(KeyPart, String)> {
        let mut changes = Vec::new();
        for (part, value) in &self.parts {
            let noun = part.noun();
            let sentence = match earlier.parts.get(part) {
                Some(old) if old == value => continue,
                Some(old) if is_short(old) && is_short(value) => {
                    format!("The {noun} has changed from {old} to {value}")
                }
                Some(_) => format!("The {noun} has changed"),
                None => format!("The {noun} is new"),
            };
            changes.push((part.clone(), sentence));
        }
        for part in earlier.parts.keys().filter(|part| !self.parts.contains_key(*part)) {
            changes.push((part.clone(), format!("The {} is gone", part.noun())));
        }
        changes
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
        (Single::PythonVersion, runtime.version().to_string()),
        (Single::PythonSource, runtime.source_name().to_owned()),
        (Single::PythonBuild, runtime.fingerprint().to_owned()),
        (Single::Arch, runtime.arch().to_owned()),
    ])
}

/// Returns the key of the layer that holds pip (and, for older Pythons, setuptools).
pub(crate) fn pip_key(runtime: &LayerKey, version: PythonVersion) -> LayerKey {
    LayerKey::new([
        (Single::Runtime, runtime.digest()),
        (Single::Tools, manager::pip_layer_versions(version)),
    ])
}

/// What decides the dependencies.
pub(crate) struct DependencyFacts<'a> {
    /// The runtime's key.
    pub runtime: &'a LayerKey,
    /// What they are installed for.
    pub target: &'a Target,
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
        parts.push((KeyPart::File(name.clone()), hex::encode(Sha256::digest(contents))));
    }
    // The reader of the lock file may have learned something new.
    match local {
        Some(Local { others, is_open, needs, .. }) => {
            parts.push((Single::Locked.into(), others.digest()));
            if *is_open {
                let digest = Sha256::digest(needs.render_overrides() + &needs.render());
                parts.push((Single::Needs.into(), hex::encode(digest)));
            }
        }
        None => {
            if let Some(rendered) = &inputs.rendered {
                parts.push((Single::Locked.into(), hex::encode(Sha256::digest(&rendered.text))));
            }
            if let Some(digest) = &inputs.source_digest {
                parts.push((Single::OwnSource.into(), digest.clone()));
            }
        }
    }
    LayerKey::new(parts)
}

/// Returns the key of what is in the app itself, if that gets a layer of its own.
pub(crate) fn project_key(facts: &DependencyFacts<'_>) -> Option<LayerKey> {
    let local = facts.local?;
    let mut parts = common_parts(facts);
    parts.push((Single::Own.into(), local.own.digest()));
    parts.push((Single::OwnSource.into(), local.digest.clone()));
    Some(LayerKey::new(parts))
}

fn common_parts(facts: &DependencyFacts<'_>) -> Vec<(KeyPart, String)> {
    let DependencyFacts {
        runtime,
        target,
        package_manager,
        installed_before,
        inputs,
        local: _,
        installer,
        pip_settings,
        test,
    } = facts;
    let mut parts = vec![
        (Single::Runtime.into(), runtime.digest()),
        (Single::PythonVersion.into(), runtime.part(Single::PythonVersion).unwrap_or_default().to_owned()),
        (Single::Target.into(), target.to_string()),
        (Single::Manager.into(), package_manager.name().to_owned()),
        (Single::Installer.into(), (*installer).to_owned()),
        (Single::PipConfig.into(), pip_settings.clone()),
        (Single::Preinstalled.into(), (*installed_before).to_owned()),
        (Single::Groups.into(), if *test { "test" } else { "production" }.to_owned()),
    ];
    for (name, digest) in inputs.variables.iter().chain(&inputs.settings) {
        parts.push((KeyPart::Variable(name.clone()), digest.clone()));
    }
    for (path, digest) in &inputs.places {
        parts.push((KeyPart::Place(path.clone()), digest.clone()));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, &str)]) -> LayerKey {
        let part = |tag: &str| KeyPart::try_from(tag.to_owned()).unwrap();
        LayerKey::new(parts.iter().map(|(tag, value)| (part(tag), (*value).to_owned())))
    }

    fn target(libc: &str) -> Target {
        Target { os: "linux", arch: "x86_64".into(), libc: libc.into() }
    }

    #[test]
    fn equal_parts_have_equal_digests_and_other_parts_do_not() {
        let one = key(&[("file:a", "1"), ("file:b", "2")]);
        assert_eq!(one.digest(), key(&[("file:b", "2"), ("file:a", "1")]).digest());
        for other in [
            key(&[("file:a", "1")]),
            key(&[("file:a", "1"), ("file:b", "3")]),
            key(&[("file:a", "12"), ("file:b", "")]),
            key(&[("place:a", "1"), ("file:b", "2")]),
        ] {
            assert_ne!(one.digest(), other.digest(), "{other:?}");
        }
    }

    #[test]
    fn a_key_says_how_it_differs() {
        let digest = "0123456789abcdef0123456789abcdef";
        let old = key(&[("python-version", "3.13.1"), ("file:requirements.txt", digest), ("steps", "1")]);
        let new = key(&[("python-version", "3.13.2"), ("file:requirements.txt", "f".repeat(32).as_str())]);
        assert_eq!(
            new.differences(&old),
            [
                "The Python version has changed from 3.13.1 to 3.13.2",
                "The content of requirements.txt has changed",
                "The list of steps is gone",
            ]
        );
        assert!(new.differences(&new).is_empty());
    }

    #[test]
    fn everything_that_decides_the_dependencies_is_told() {
        let runtime = key(&[("python-version", "3.13.2")]);
        let inputs = |lock: &str, token: &str| Inputs {
            files: BTreeMap::from([("uv.lock".to_owned(), lock.into())]),
            variables: BTreeMap::from([("TOKEN".to_owned(), token.repeat(32))]),
            ..Inputs::default()
        };
        let places = |digest: &str| Inputs {
            places: BTreeMap::from([("vendor".to_owned(), digest.repeat(32))]),
            ..inputs("a", "0")
        };
        let settings = |digest: &str| Inputs {
            settings: BTreeMap::from([("CFLAGS".to_owned(), digest.repeat(32))]),
            ..inputs("a", "0")
        };
        let made_for = |libc: &str, inputs: &Inputs, installer: &str, test: bool| {
            let package_manager = PackageManager::Uv;
            let pip_settings = String::new();
            dependencies_key(&DependencyFacts {
                runtime: &runtime,
                target: &target(libc),
                package_manager,
                installed_before: "",
                inputs,
                local: inputs.local.as_ref(),
                installer,
                pip_settings,
                test,
            })
        };
        let made =
            |inputs: &Inputs, installer: &str, test: bool| made_for("glibc-2.36", inputs, installer, test);
        let first = made(&inputs("a", "0"), "uv 1", false);
        for (other, expected) in [
            (made(&inputs("b", "0"), "uv 1", false), "The content of uv.lock has changed"),
            (made(&inputs("a", "1"), "uv 1", false), "The value of the variable TOKEN has changed"),
            (made(&inputs("a", "0"), "uv 2", false), "The installer has changed from uv 1 to uv 2"),
            (made(&inputs("a", "0"), "uv 1", true), "The set of groups has changed from production to test"),
            // D28
            (
                made_for("glibc-2.31", &inputs("a", "0"), "uv 1", false),
                "The platform has changed from linux-x86_64-glibc-2.36 to linux-x86_64-glibc-2.31",
            ),
            // D09, D34
            (made(&settings("1"), "uv 1", false), "The value of the variable CFLAGS is new"),
            (made(&places("1"), "uv 1", false), "The content of vendor is new"),
        ] {
            assert_eq!(other.differences(&first), [expected]);
        }
        let changed = made(&places("2"), "uv 1", false).differences(&made(&places("1"), "uv 1", false));
        assert_eq!(changed, ["The content of vendor has changed"]);
    }

    // D28: what a key is made of outlives the words of messages.
    #[test]
    fn a_digest_is_made_of_tags_and_values() {
        let parts =
            [("python-version", "3.13.2"), ("file:requirements.txt", "00"), ("variable:CFLAGS", "11")];
        assert_eq!(key(&parts).digest(), "a79d7f6e345e2fd28a66c5fb115799ae");
        let tags: Vec<&str> = Single::ALL.iter().map(|one| one.tag()).collect();
        let mut unique = tags.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), tags.len());
        for part in Single::ALL.iter().map(|one| KeyPart::from(*one)).chain([KeyPart::Place("a:b".into())]) {
            assert_eq!(KeyPart::try_from(String::from(part.clone())).unwrap(), part);
        }
        // A store of an earlier version.
        serde_json::from_str::<LayerKey>(r#"{"parts":{"Python version":"3.13.2"}}"#).unwrap_err();
    }
}
