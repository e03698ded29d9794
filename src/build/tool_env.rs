//! The environment of the programs that a build runs: the user's own, less what would change the result.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::python::Python;
use crate::env::Env;
use crate::host::process::Invocation;

/// When files inside wheels that are built here were made, in seconds since 1970: one second after
/// the first moment that a zip file can hold.
pub(crate) const BUILD_EPOCH: &str = "315532801";

/// Variables with these beginnings would change what is installed or where; pip's are mapped instead.
const WITHHELD_PREFIXES: &[&str] = &["PYTHON", "PIP_", "UV_", "VIRTUAL_ENV", "CONDA_", "SLUGC_", "__PYVENV"];
const WITHHELD: &[&str] =
    &["LD_PRELOAD", "LD_LIBRARY_PATH", "PYENV_VERSION", "PWD", "OLDPWD", "SOURCE_DATE_EPOCH"];
/// uv's variables that only say how to reach an index.
const PASSED_UV: &[&str] =
    &["UV_INDEX_", "UV_HTTP_", "UV_CONCURRENT_", "UV_OFFLINE", "UV_SSL", "UV_NETRC", "UV_KEYRING"];

/// Returns the environment for installers and build back ends.
pub(crate) fn tool_environment(env: &Env) -> BTreeMap<OsString, OsString> {
    let mut vars: BTreeMap<_, _> = env
        .vars
        .iter()
        .filter(|(name, _)| is_passed(name.as_bytes()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in [
        ("PYTHONHASHSEED", "0"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
        ("SOURCE_DATE_EPOCH", BUILD_EPOCH),
        // Build back ends sort and decode by it.
        ("LC_ALL", "C.UTF-8"),
    ] {
        vars.insert(name.into(), value.into());
    }
    vars.entry("PATH".into()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".into());
    vars
}

/// Lets whatever compiles find Python's programs, headers, library and pkg-config files where they are now: Python's own
/// settings (LIBDIR, LIBPL, INCLUDEPY, LIBPC) name where they are in a dyno. Heroku's buildpack sets the same variables.
pub(super) fn with_python(invocation: Invocation, python: &Python) -> Invocation {
    let (lib, include) = (python.prefix.join("lib"), python.prefix.join("include"));
    let of_version = include.join(format!("python{}", python.version.minor_version()));
    let headers = vec![of_version, include];
    [
        ("PATH", vec![python.prefix.join("bin")]),
        ("C_INCLUDE_PATH", headers.clone()),
        ("CPLUS_INCLUDE_PATH", headers),
        ("LIBRARY_PATH", vec![lib.clone()]),
        ("LD_LIBRARY_PATH", vec![lib.clone()]),
        ("PKG_CONFIG_PATH", vec![lib.join("pkgconfig")]),
    ]
    .into_iter()
    .fold(invocation, |invocation, (name, first)| {
        let theirs = invocation.env.get(OsStr::new(name)).filter(|value| !value.is_empty());
        let value = search_path(&first, theirs.map(OsString::as_os_str));
        invocation.env(name, value)
    })
}

/// Joins directories to a search path, before what is in it already.
fn search_path(first: &[PathBuf], theirs: Option<&OsStr>) -> OsString {
    let mut path = OsString::new();
    for part in first.iter().map(|dir| dir.as_os_str()).chain(theirs) {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(part);
    }
    path
}

/// Returns the environment for running the app's own interpreter: nothing of the user's.
pub(crate) fn interpreter_environment() -> BTreeMap<OsString, OsString> {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("PYTHONHASHSEED", "0"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.into()))
    .collect()
}

fn is_passed(name: &[u8]) -> bool {
    let starts = |prefix: &&str| name.starts_with(prefix.as_bytes());
    PASSED_UV.iter().any(starts)
        || !(WITHHELD.iter().any(|withheld| name == withheld.as_bytes())
            || WITHHELD_PREFIXES.iter().any(starts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_result_is_withheld() {
        for (name, expected) in [
            ("HOME", true),
            ("HTTPS_PROXY", true),
            ("SSL_CERT_FILE", true),
            ("CFLAGS", true),
            ("UV_INDEX_PRIVATE_PASSWORD", true),
            ("UV_HTTP_TIMEOUT", true),
            ("UV_PYTHON", false),
            ("PYTHONPATH", false),
            ("PIP_INDEX_URL", false),
            ("VIRTUAL_ENV", false),
            ("LD_PRELOAD", false),
        ] {
            assert_eq!(is_passed(name.as_bytes()), expected, "{name}");
        }
    }

    // D42
    #[test]
    fn builds_find_python_where_it_is_first_and_then_what_the_user_names() {
        let python = Python {
            executable: "/t/bin/python3.12".into(),
            prefix: "/t".into(),
            version: "3.12.1".parse().unwrap(),
            layer: None,
        };
        for (name, theirs, expected) in [
            ("LIBRARY_PATH", None, "/t/lib"),
            ("LIBRARY_PATH", Some(""), "/t/lib"),
            ("LIBRARY_PATH", Some("/opt/lib"), "/t/lib:/opt/lib"),
            ("LD_LIBRARY_PATH", None, "/t/lib"),
            ("C_INCLUDE_PATH", Some("/opt/h"), "/t/include/python3.12:/t/include:/opt/h"),
            ("CPLUS_INCLUDE_PATH", None, "/t/include/python3.12:/t/include"),
            ("PKG_CONFIG_PATH", Some("/a:/b"), "/t/lib/pkgconfig:/a:/b"),
            ("PATH", Some("/usr/bin:/bin"), "/t/bin:/usr/bin:/bin"),
        ] {
            let invocation = Invocation::new("/uv");
            let invocation = match theirs {
                Some(value) => invocation.env(name, value),
                None => invocation,
            };
            let invocation = with_python(invocation, &python);
            assert_eq!(invocation.env[OsStr::new(name)], expected, "{name} {theirs:?}");
        }
    }
}
