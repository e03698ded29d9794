//! The environment of the programs that a build runs. Of the user's own, installers and build back ends get what has no
//! influence on the result (how programs, networks and credentials are found), and the settings that steer compilers and
//! build back ends, which are in the keys of layers. Nothing else.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::python::Python;
use crate::env::Env;
use crate::host::process::Invocation;

/// When files inside wheels that are built here were made, in seconds since 1970: one second after
/// the first moment that a zip file can hold.
pub(crate) const BUILD_EPOCH: &str = "315532801";

/// Variables without influence on what is installed.
const PASSED: &[&str] = &[
    // Programs, their user, and where they may write.
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TEMP",
    "TMP",
    "TERM",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    // Networks.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    // Credentials.
    "NETRC",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "DBUS_SESSION_BUS_ADDRESS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_TERMINAL_PROMPT",
    "GIT_EXEC_PATH",
    "PIPENV_PYPI_MIRROR",
    // How much is done at once.
    "MAX_JOBS",
    "NUM_JOBS",
    "CMAKE_BUILD_PARALLEL_LEVEL",
];
const PASSED_BEGINNINGS: &[&str] = &[
    "GIT_SSL_",
    "GIT_HTTP_",
    // Rewritten addresses and credentials, as CI systems pass them.
    "GIT_CONFIG_",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "POETRY_CERTIFICATES_",
    "POETRY_HTTP_BASIC_",
    "POETRY_REPOSITORIES_",
    "PDM_PYPI_",
    "UV_HTTP_",
    "UV_CONCURRENT_",
    "UV_OFFLINE",
    "UV_SSL",
    "UV_NETRC",
    "UV_KEYRING",
];
/// What programs for keyrings read, which installers ask for credentials if the user says so.
const FOR_KEYRINGS: &[&str] =
    &["AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "ARTIFACTS_", "VSS_NUGET_", "KEYRING_"];

/// Settings of compilers and build back ends: each is in the keys of the layers that are installed.
const SETTINGS: &[&str] = &[
    "CC",
    "CXX",
    "CPP",
    "FC",
    "F77",
    "F90",
    "LD",
    "AR",
    "AS",
    "NM",
    "RANLIB",
    "STRIP",
    "LDSHARED",
    "LDCXXSHARED",
    "BLDSHARED",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "LIBRARY_PATH",
    "LLVM_CONFIG",
    "PG_CONFIG",
    "PBR_VERSION",
    "CUDA_HOME",
    "CUDA_PATH",
    "JAVA_HOME",
    "RUSTC",
    "RUSTUP_TOOLCHAIN",
];
const SETTINGS_BEGINNINGS: &[&str] = &[
    "CMAKE_",
    "MESON",
    "NINJA",
    "PKG_CONFIG",
    "SETUPTOOLS_",
    "DISTUTILS_",
    "SKBUILD_",
    "HATCH_",
    "FLIT_",
    "PDM_BUILD_",
    "POETRY_DYNAMIC_VERSIONING",
    "MATURIN_",
    "CARGO_",
    "RUSTC_",
    "CYTHON",
    "NPY_",
    "OPENSSL_",
    "GRPC_PYTHON_",
    "MYSQLCLIENT_",
];
const SETTINGS_ENDINGS: &[&str] = &["FLAGS"];
/// `SETUPTOOLS_SCM_PRETEND_VERSION_FOR_X`, `VERSIONINGIT_PRETEND_VERSION`.
const SETTINGS_PARTS: &[&str] = &["_PRETEND_VERSION"];

/// What no file of the app can ask for: it would change the programs themselves.
const NEVER: &[&str] = &["PYTHON", "LD_", "UV_", "VIRTUAL_ENV", "CONDA_", "SLUGC_", "__PYVENV"];

/// Returns the environment for installers and build back ends.
pub(crate) fn tool_environment(env: &Env) -> BTreeMap<OsString, OsString> {
    let has_keyring =
        ["PIP_KEYRING_PROVIDER", "UV_KEYRING_PROVIDER"].iter().any(|name| env.var(name).is_some());
    let is_wanted = |name: &OsStr| {
        let text = name.to_string_lossy();
        is_passed(&text)
            || is_setting(&text)
            || (env.named.contains(name) && !starts_with_any(&text, NEVER))
            || (has_keyring && starts_with_any(&text, FOR_KEYRINGS))
    };
    let mut vars: BTreeMap<_, _> = env
        .vars
        .iter()
        .filter(|(name, _)| is_wanted(name))
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

/// Returns the settings of compilers and build back ends that are set, with digests of their values: one may hold a
/// secret. What is in the app, whose directory may be another one each time, counts by its place in there.
pub(crate) fn build_settings(env: &Env, app: &Path) -> BTreeMap<String, String> {
    env.vars
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value)))
        .filter(|(name, _)| !is_passed(name) && is_setting(name))
        .map(|(name, value)| {
            let value = value.to_string_lossy().replace(app.to_string_lossy().as_ref(), "$APP");
            (name, digest_of_value(OsStr::new(&value)))
        })
        .collect()
}

/// Tells whether an environment has settings of compilers and build back ends.
pub(crate) fn has_build_settings(vars: &BTreeMap<OsString, OsString>) -> bool {
    let mut names =
        vars.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.to_string_lossy());
    names.any(|name| !is_passed(&name) && is_setting(&name))
}

/// Returns a digest of a variable's value, for keys.
pub(crate) fn digest_of_value(value: &OsStr) -> String {
    hex::encode(&Sha256::digest(value.as_encoded_bytes())[..16])
}

fn is_passed(name: &str) -> bool {
    // Those of networks are read in lower case, too.
    let upper = name.to_ascii_uppercase();
    PASSED.contains(&name)
        || (upper.ends_with("_PROXY") && PASSED.contains(&upper.as_str()))
        || starts_with_any(name, PASSED_BEGINNINGS)
        || is_index_credential(name)
}

/// uv's variables for the credentials of an index, but not those that name another index.
fn is_index_credential(name: &str) -> bool {
    name.strip_prefix("UV_INDEX_")
        .is_some_and(|rest| rest.ends_with("_USERNAME") || rest.ends_with("_PASSWORD"))
}

fn is_setting(name: &str) -> bool {
    SETTINGS.contains(&name)
        || starts_with_any(name, SETTINGS_BEGINNINGS)
        || SETTINGS_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || SETTINGS_PARTS.iter().any(|part| name.contains(part))
}

fn starts_with_any(name: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    // D09, D35
    #[test]
    fn a_variable_has_no_influence_or_is_in_the_key_or_is_withheld() {
        const ANY: &str = "x";
        for (name, passed, in_key) in [
            ("HOME", true, false),
            ("HTTPS_PROXY", true, false),
            ("no_proxy", true, false),
            ("SSL_CERT_FILE", true, false),
            ("GIT_CONFIG_KEY_0", true, false),
            ("UV_INDEX_PRIVATE_PASSWORD", true, false),
            ("UV_HTTP_TIMEOUT", true, false),
            ("CMAKE_BUILD_PARALLEL_LEVEL", true, false),
            ("CARGO_HOME", true, false),
            ("CFLAGS", true, true),
            ("LDFLAGS", true, true),
            ("RUSTFLAGS", true, true),
            ("CC", true, true),
            ("CMAKE_ARGS", true, true),
            ("SETUPTOOLS_SCM_PRETEND_VERSION", true, true),
            ("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_A", true, true),
            ("VERSIONINGIT_PRETEND_VERSION", true, true),
            ("SETUPTOOLS_USE_DISTUTILS", true, true),
            ("PKG_CONFIG_PATH", true, true),
            ("PDM_BUILD_SCM_VERSION", true, true),
            ("CARGO_BUILD_TARGET", true, true),
            ("UV_INDEX_URL", false, false),
            ("UV_INDEX", false, false),
            ("UV_INDEX_STRATEGY", false, false),
            ("UV_PYTHON", false, false),
            ("PYTHONPATH", false, false),
            ("PIP_INDEX_URL", false, false),
            ("VIRTUAL_ENV", false, false),
            ("LD_PRELOAD", false, false),
            ("GIT_DIR", false, false),
            ("AWS_SECRET_ACCESS_KEY", false, false),
            ("MY_BACKEND_MODE", false, false),
        ] {
            let env = Env::for_tests(&[(name, ANY)]);
            assert_eq!(tool_environment(&env).contains_key(OsStr::new(name)), passed, "{name}");
            assert_eq!(build_settings(&env, Path::new("/b")).contains_key(name), in_key, "{name}");
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

    #[test]
    fn what_requirements_name_is_passed_and_so_is_what_a_keyring_needs() {
        let mut env =
            Env::for_tests(&[("TOKEN", "x"), ("AWS_PROFILE", "x"), ("PIP_KEYRING_PROVIDER", "subprocess")]);
        let passed = |env: &Env, name: &str| tool_environment(env).contains_key(OsStr::new(name));
        assert!(!passed(&env, "TOKEN") && passed(&env, "AWS_PROFILE"));
        env.named.insert("TOKEN".into());
        assert!(passed(&env, "TOKEN"));
        env.vars.insert("LD_PRELOAD".into(), "x".into());
        env.named.insert("LD_PRELOAD".into());
        assert!(!passed(&env, "LD_PRELOAD"));
    }

    #[test]
    fn a_setting_without_a_value_is_none_and_no_value_is_in_a_key() {
        let read = |name: &str, value: &str, app: &str| {
            build_settings(&Env::for_tests(&[(name, value)]), Path::new(app)).remove(name)
        };
        assert_eq!(read("CFLAGS", "", "/b"), None);
        let settings = read("CMAKE_ARGS", "-DTOKEN=hush", "/b");
        assert!(!format!("{settings:?}").contains("hush"));
        // As other buildpacks set them.
        let path = |dir: &str| read("PKG_CONFIG_PATH", &format!("{dir}/.apt/usr/lib"), dir);
        assert_eq!(path("/tmp/build_1"), path("/tmp/build_2"));
        assert_ne!(path("/tmp/build_1"), read("PKG_CONFIG_PATH", "/opt/lib", "/tmp/build_1"));
    }
}
