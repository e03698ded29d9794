//! What may stand in a lock file's texts: they are put into a requirements file, where a blank, a quote or a
//! line's end could mean something else.

use super::{LockedIndex, LockedPackage, LockedSource};
use crate::python::requirements::{is_marker, normalised_name};
use crate::python::url::without_credentials;

/// A package, or an index, that a lock file describes in a way that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{package}: {reason}.")]
pub struct PackageFault {
    /// The name, as far as it can be shown.
    pub package: String,
    /// What is wrong, without a full stop.
    pub reason: String,
    /// Whether nothing is wrong, and the package manager's own tool can do what a requirements file can't say.
    pub needs_tool: bool,
}

impl PackageFault {
    /// Makes a fault whose name can be shown, whatever is in it.
    pub(in crate::python) fn new(package: &str, reason: impl Into<String>) -> Self {
        let shown: String = package.chars().take(100).flat_map(char::escape_debug).collect();
        Self { package: shown, reason: reason.into(), needs_tool: false }
    }

    /// Makes a fault of what only the package manager's own tool can install.
    pub(in crate::python) fn beyond_requirements(package: &str, reason: impl Into<String>) -> Self {
        Self { needs_tool: true, ..Self::new(package, reason) }
    }
}

/// Checks a package, and brings what is the same into the same form.
pub(super) fn checked_package(package: LockedPackage) -> Result<LockedPackage, PackageFault> {
    let LockedPackage { name, version, mut extras, marker, mut hashes, source } = package;
    let fault = |what: &str, found: &str| {
        let shown: String =
            without_credentials(found).chars().take(200).flat_map(char::escape_debug).collect();
        Err(PackageFault::new(&name, format!("{what}: {shown}")))
    };
    let beyond = |what: &str, found: &str| {
        fault(what, found).map_err(|fault| PackageFault { needs_tool: true, ..fault })
    };
    if !is_name(&name) {
        return fault("this isn't the name of a package", &name);
    }
    if let Some(version) = version.as_ref().filter(|version| !is_version_or_specifier(version)) {
        return fault("this isn't a version", version);
    }
    if let Some(extra) = extras.iter().find(|extra| !is_name(extra)) {
        return fault("this isn't the name of an extra", extra);
    }
    if let Some(marker) = marker.as_ref().filter(|marker| !is_usable_marker(marker)) {
        return match is_one_line(marker) && is_marker(marker.trim()) {
            true => beyond("a requirements file can't hold this marker", marker),
            false => fault("this isn't a marker", marker),
        };
    }
    if let Some(hash) = hashes.iter().find(|hash| !is_hash(hash)) {
        return match is_other_hash(hash) {
            true => beyond("pip and uv don't know this kind of hash", hash),
            false => fault("this isn't the hash of a file", hash),
        };
    }
    let source = match checked_source(source) {
        Ok(source) => source,
        Err((what, found)) if what == ODD_PATH && is_one_line(&found) => return beyond(what, &found),
        Err((what, found)) => return fault(what, &found),
    };
    extras.sort();
    extras.dedup();
    hashes.sort();
    hashes.dedup();
    let marker = marker.map(|marker| marker.trim().to_owned());
    Ok(LockedPackage { name: normalised_name(&name), version, extras, marker, hashes, source })
}

/// Checks an index.
pub(super) fn checked_index(index: LockedIndex) -> Result<LockedIndex, PackageFault> {
    let usable = index.url.is_empty()
        || has_no_traps(&index.url)
            && ["https://", "http://", "file://", "${"].iter().any(|start| index.url.starts_with(start));
    if usable {
        return Ok(index);
    }
    let shown: String = without_credentials(&index.url).chars().flat_map(char::escape_debug).collect();
    Err(PackageFault::new(&index.name, format!("this isn't the URL of a package index: {shown}")))
}

/// Checks a source. A fault is what is wrong, and the text that is.
fn checked_source(source: LockedSource) -> Result<LockedSource, (&'static str, String)> {
    Ok(match source {
        LockedSource::Registry { index } => LockedSource::Registry { index },
        LockedSource::Path { path, editable } => {
            LockedSource::Path { path: path_in_app(&path).map_err(|reason| (reason, path))?, editable }
        }
        LockedSource::Git { url, rev, subdirectory, editable } => {
            let url = git_url(&url).ok_or(("this isn't an https or ssh URL of a git repository", url))?;
            let rev = match rev {
                Some(rev) if !is_revision(&rev) => return Err(("this isn't a revision of git", rev)),
                rev => rev,
            };
            let subdirectory = match subdirectory {
                Some(path) => match path_in_app(&path) {
                    Ok(path) => Some(path).filter(|path| path != "."),
                    Err(reason) => return Err((reason, path)),
                },
                None => None,
            };
            LockedSource::Git { url, rev, subdirectory, editable }
        }
        LockedSource::Url { url } => {
            let usable = super::is_http_url(&url) && has_no_traps(&url);
            if !usable {
                return Err((
                    "only archives with an http or https URL can be used, or paths in the app",
                    url,
                ));
            }
            LockedSource::Url { url }
        }
    })
}

/// Tells names of packages and extras, as PEP 508 does.
fn is_name(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().next_back())
}

fn is_version_or_specifier(text: &str) -> bool {
    let is_version = |text: &str| {
        !text.is_empty()
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".!+-_*".contains(letter))
    };
    let is_clause = |clause: &str| {
        ["===", "==", "~=", "!=", "<=", ">=", "<", ">"]
            .iter()
            .find_map(|operator| clause.strip_prefix(operator))
            .is_some_and(is_version)
    };
    let begins_plainly = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins_plainly { is_version(text) && !text.contains('*') } else { text.split(',').all(is_clause) }
}

/// Beyond what pip asks of a marker, there may be nothing in its quoted texts that ends the requirement.
fn is_usable_marker(marker: &str) -> bool {
    let plain = marker.chars().all(|letter| matches!(letter, ' '..='~') && !"#\\$`;".contains(letter));
    plain && !marker.contains(" -") && is_marker(marker.trim())
}

fn is_hash(text: &str) -> bool {
    let digits = |algorithm: &str| match algorithm {
        "sha256" => Some(64),
        "sha384" => Some(96),
        "sha512" => Some(128),
        _ => None,
    };
    text.split_once(':').is_some_and(|(algorithm, value)| {
        digits(algorithm) == Some(value.len()) && value.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Tells hashes by other algorithms, which some tools know.
fn is_other_hash(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, value)| {
        let is_known = ["md5", "sha1", "sha256", "sha384", "sha512"].contains(&algorithm);
        let is_word = algorithm.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        !is_known && is_word && value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

const ODD_PATH: &str = "a requirements file can't hold the characters of this path";

/// Returns a path relative to the app without needless parts, unless it leads out of the app. Any character may be in
/// it but those that end lines.
pub(crate) fn place_in_app(path: &str) -> Result<String, &'static str> {
    if path.is_empty() || !is_one_line(path) || path.starts_with(['/', '~']) || is_address(path) {
        return Err("this isn't a path in the app, and only what is in the app can be built");
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("this path leads out of the app, and only what is in the app can be built");
    }
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// Does the same, for a path that a requirements file can hold.
pub(in crate::python) fn path_in_app(path: &str) -> Result<String, &'static str> {
    let place = if is_one_line(path) { place_in_app(path)? } else { return Err(ODD_PATH) };
    let plain = |letter: char| {
        letter.is_alphanumeric()
            || letter.is_ascii_punctuation() && !"#$`\\\"';&|<>()[]{}*?!%,@:".contains(letter)
    };
    if !path.chars().all(plain) {
        return Err(ODD_PATH);
    }
    Ok(place)
}

/// Tells whether something is the URL of a git repository.
pub(in crate::python) fn is_git_url(url: &str) -> bool {
    git_url(url).is_some()
}

/// Tells what installers would take for an address, such as `file:/etc` or `ext::sh -c x`.
fn is_address(path: &str) -> bool {
    let scheme = path.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.len() > 1
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    })
}

/// Returns a URL that can be put after `git+`, also for the short form of ssh: `git@host:path`.
fn git_url(url: &str) -> Option<String> {
    let url = url.strip_prefix("git+").unwrap_or(url);
    if !has_no_traps(url) || url.contains('#') {
        return None;
    }
    if let Some((scheme, rest)) = url.split_once("://") {
        let known = ["https", "http", "ssh", "git", "file"].contains(&scheme);
        return (known && !rest.is_empty()).then(|| url.to_owned());
    }
    let (host, path) = url.split_once(':')?;
    let remote =
        host.contains('@') && !host.contains('/') && !host.starts_with('-') && !path.starts_with('/');
    (remote && !path.is_empty()).then(|| format!("ssh://{host}/{path}"))
}

fn is_revision(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_./+".contains(letter);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(inner)
}

/// Tells whether a URL is one word that no shell, and no requirements file, reads otherwise. `$` is for
/// variables, `#` and `&` for fragments.
fn has_no_traps(url: &str) -> bool {
    let dollar_is_variable = url.split('$').skip(1).all(|rest| rest.starts_with('{') && rest.contains('}'));
    dollar_is_variable
        && url.chars().all(|letter| matches!(letter, '!'..='~') && !"\\\"'`<>|;".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(source: LockedSource) -> LockedPackage {
        LockedPackage {
            name: "Foo_Bar".into(),
            version: Some("1.0".into()),
            extras: vec![],
            marker: None,
            hashes: vec![],
            source,
        }
    }

    #[test]
    fn tricks_are_refused_and_the_package_is_named() {
        let registry = || package(LockedSource::Registry { index: None });
        let path = |path: &str| package(LockedSource::Path { path: path.into(), editable: false });
        let git = |url: &str, rev: &str, subdirectory: &str| {
            package(LockedSource::Git {
                url: url.into(),
                rev: Some(rev.into()),
                subdirectory: Some(subdirectory.into()),
                editable: false,
            })
        };
        let url = |url: &str| package(LockedSource::Url { url: url.into() });
        for wrong in [
            LockedPackage { version: Some("1.0\n--index-url x".into()), ..registry() },
            LockedPackage { version: Some("1.0 ; x".into()), ..registry() },
            LockedPackage { version: Some(String::new()), ..registry() },
            LockedPackage { version: Some("1.*".into()), ..registry() },
            LockedPackage { version: Some(">=1,".into()), ..registry() },
            LockedPackage { version: Some("=1".into()), ..registry() },
            LockedPackage { version: Some("@ ./x".into()), ..registry() },
            LockedPackage { extras: vec!["a]".into()], ..registry() },
            LockedPackage { extras: vec![String::new()], ..registry() },
            LockedPackage { marker: Some("os_name == 'x'\n-e .".into()), ..registry() },
            LockedPackage { marker: Some("os_name == 'x --hash=y'".into()), ..registry() },
            LockedPackage { marker: Some("os_name == 'x # y'".into()), ..registry() },
            LockedPackage { marker: Some("nonsense".into()), ..registry() },
            LockedPackage { hashes: vec!["sha256:00".into()], ..registry() },
            LockedPackage { hashes: vec![format!("sha256:{}", "g".repeat(64))], ..registry() },
            path("/etc"),
            path("../x"),
            path("a/../../x"),
            path("a/.."),
            path("~/x"),
            path(""),
            path("a b"),
            path("a\n-e b"),
            path("$HOME"),
            path("a;b"),
            path("file:///etc"),
            path("file:/etc"),
            path("ext::sh -c x"),
            git("https://h/r.git", "-x", "a"),
            git("https://h/r.git", "v1 x", "a"),
            git("https://h/r.git", "v1", "../a"),
            git("https://h/r.git", "v1", "/a"),
            git("https://h/r.git#egg=x", "v1", "a"),
            git("https://h/r .git", "v1", "a"),
            git("ext::sh -c x", "v1", "a"),
            git("ext://x", "v1", "a"),
            git("/etc/r.git", "v1", "a"),
            git("-x@h:y", "v1", "a"),
            url("file:///etc/passwd"),
            url("ftp://h/x"),
            url("./x"),
            url("https://h/x y"),
            url("https://h/$(x)"),
        ] {
            let fault = checked_package(wrong.clone()).expect_err(&format!("{wrong:?}"));
            assert!(fault.to_string().starts_with("Foo_Bar: "), "{fault}");
            assert!(!fault.to_string().contains('\n'), "{fault}");
        }
        for name in ["", "-a", "a b", "a;b", "$(x)", "a\nb", "a/b", "é"] {
            let fault = checked_package(LockedPackage { name: name.into(), ..registry() }).unwrap_err();
            assert_eq!(fault.package, name.escape_debug().to_string());
        }
    }

    #[test]
    fn what_only_a_requirements_file_cannot_say_is_for_the_tool() {
        let registry = || package(LockedSource::Registry { index: None });
        let path = |path: &str| package(LockedSource::Path { path: path.into(), editable: false });
        let blake = format!("blake2b:{}", "a".repeat(128));
        for (package, expected) in [
            (path("my libs/a"), true),
            (path("libs\n/a"), false),
            (path("../my libs"), false),
            (path("a:b"), true),
            (path("my libs:b"), true),
            (path("file:///my libs"), false),
            (path("ext::sh -c x"), false),
            (path("/my libs"), false),
            (LockedPackage { marker: Some("os_name == 'a#b'".into()), ..registry() }, true),
            (LockedPackage { marker: Some("nonsense".into()), ..registry() }, false),
            (LockedPackage { hashes: vec![blake], ..registry() }, true),
            (LockedPackage { hashes: vec!["sha256:00".into()], ..registry() }, false),
            (LockedPackage { hashes: vec![format!("md5:{}", "a".repeat(32))], ..registry() }, false),
            (LockedPackage { version: Some("1 2".into()), ..registry() }, false),
        ] {
            let fault = checked_package(package.clone()).expect_err(&format!("{package:?}"));
            assert_eq!(fault.needs_tool, expected, "{fault}");
        }
    }

    #[test]
    fn what_is_the_same_comes_into_the_same_form() {
        let git = |url: &str| {
            package(LockedSource::Git { url: url.into(), rev: None, subdirectory: None, editable: false })
        };
        for (given, expected) in [
            ("git@h:a/b.git", "ssh://git@h/a/b.git"),
            ("git+https://h/b.git", "https://h/b.git"),
            ("ssh://git@h/a", "ssh://git@h/a"),
            ("https://${USER}:${PASSWORD}@h/b.git", "https://${USER}:${PASSWORD}@h/b.git"),
            ("https://$USER@h/b.git", ""),
        ] {
            let found = checked_package(git(given)).ok().map(|package| package.source);
            assert_eq!(found, (!expected.is_empty()).then(|| git(expected).source), "{given}");
        }
        for (given, expected) in
            [("./lib", "lib"), (".", "."), ("./", "."), ("a//b/", "a/b"), ("lib-1.0.whl", "lib-1.0.whl")]
        {
            assert_eq!(path_in_app(given).as_deref(), Ok(expected), "{given}");
        }
    }

    #[test]
    fn secrets_are_not_in_a_fault() {
        let source = LockedSource::Url { url: "https://me:secret@h/x y".into() };
        assert!(!checked_package(package(source)).unwrap_err().to_string().contains("secret"));
        let index = LockedIndex {
            name: "i".into(),
            url: "ftp://me:secret@h/".into(),
            verify_ssl: true,
            explicit: false,
        };
        let fault = checked_index(index).unwrap_err().to_string();
        assert_eq!(fault, "i: this isn't the URL of a package index: ftp://h/.");
    }
}
