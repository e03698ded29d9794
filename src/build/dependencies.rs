//! The app's dependencies, installed into a tree of their own that is later laid over the runtime.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::python::Python;
use super::tool_env::{tool_environment, with_python};
use super::uv::{Uv, pip_environment};
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::process::{Invocation, RunError, stream};
use crate::host::url;
use crate::output::Output;
use crate::python::pip_config::PipConfig;
use crate::store::Store;

/// The program that installs.
#[derive(Debug, Clone)]
pub(crate) enum Tool<'a> {
    /// uv.
    Uv(&'a Uv),
    /// The pip of the slug; the path is its site-packages.
    Pip(PathBuf),
    /// The pip that is bundled with Python.
    BundledPip,
}

/// What is installed and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InstallTarget<'a> {
    /// The tree that stands for the app's root.
    pub tree: &'a Path,
    /// The interpreter.
    pub python: &'a Python,
    /// The directory that relative paths in the requirements count from.
    pub directory: &'a Path,
    /// The requirements files, or another file that the tool reads in their place.
    pub requirements: &'a [PathBuf],
    /// Requirements, one a line, that take the place of whatever else is said of these packages. For uv only.
    pub overrides: Option<&'a str>,
    /// How they are to be read.
    pub mode: Mode,
    /// Dependency groups of the first file.
    pub groups: &'a [String],
    /// The error that it is when it can't be installed.
    pub failure: ErrorCode,
    /// Whether the tool only speaks when it fails.
    pub quiet: bool,
    /// Whether pip and setuptools are in the tree already, and count as installed.
    pub has_preinstalled: bool,
}

/// How requirements files are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As pip reads them: what they need is found out.
    Requirements,
    /// They list everything there is to install.
    Locked {
        /// Whether a package without a hash is refused.
        hashed: bool,
    },
    /// It is a file of uv's, which is read together with uv's settings.
    Project,
}

/// The installer failed.
#[derive(Debug, thiserror::Error)]
#[error("{}", .cause.describe())]
pub(crate) struct InstallError {
    code: ErrorCode,
    cause: Cause,
    #[source]
    source: RunError,
}

/// Why, as far as the installer's words tell.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    NoSuchPackage(String),
    NoSuchVersion(String),
    NoNetwork,
    Unauthorized(String),
    Conflict,
    BuildFailed(String),
    Hash,
    StaleLock,
    Other,
}

impl Cause {
    fn describe(&self) -> String {
        match self {
            Self::NoSuchPackage(name) => format!(
                "The package index has no package named `{name}`. Check its spelling in the \
                 requirements; if it is a private package, PIP_INDEX_URL or PIP_EXTRA_INDEX_URL \
                 names its index."
            ),
            Self::NoSuchVersion(requirement) => {
                format!("The package index has no version of `{requirement}` that fits this Python.")
            }
            Self::NoNetwork => "The package index can't be reached. Check the network; behind a proxy, set \
                 HTTPS_PROXY, and PIP_CERT if the proxy has a certificate of its own."
                .to_owned(),
            Self::Unauthorized(url) => format!(
                "The package index refuses to give {url}: it wants credentials, or other ones. uv takes \
                 them from UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD, where <NAME> is the \
                 index's; Poetry's are POETRY_HTTP_BASIC_<NAME>_USERNAME and _PASSWORD; elsewhere they \
                 stand in the index's URL, as ${{VARIABLES}}."
            ),
            Self::Conflict => {
                "The requirements contradict each other: no set of versions fits them all.".to_owned()
            }
            Self::BuildFailed(name) => format!(
                "`{name}` has no wheel for this Python and platform, and building it failed. A newer \
                 version may have a wheel; otherwise a compiler or a library is missing here."
            ),
            Self::Hash => "A downloaded file doesn't have the hash that the requirements ask for.".to_owned(),
            Self::StaleLock => {
                "The lock file is out of date: it doesn't fit what pyproject.toml says now. Lock the \
                 dependencies again, and commit the lock file."
                    .to_owned()
            }
            Self::Other => "Installing the requirements failed.".to_owned(),
        }
    }

    fn id(&self) -> &'static str {
        match self {
            Self::NoSuchPackage(_) => "no-such-package",
            Self::NoSuchVersion(_) => "no-such-version",
            Self::NoNetwork => "no-network",
            Self::Unauthorized(_) => "unauthorized",
            Self::Conflict => "conflict",
            Self::BuildFailed(_) => "build-failed",
            Self::Hash => "hash-mismatch",
            Self::StaleLock => "stale-lock",
            Self::Other => "other",
        }
    }
}

impl UserError for InstallError {
    fn code(&self) -> ErrorCode {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.code(),
            _ => self.code,
        }
    }

    fn detail(&self) -> Option<String> {
        Some(self.cause.id().to_owned())
    }

    fn exit_code(&self) -> u8 {
        match (&self.source, &self.cause) {
            (RunError::Interrupted(interrupted), _) => interrupted.exit_code(),
            // Not the app's fault.
            (_, Cause::NoNetwork) => 3,
            _ => self.code().entry().exit_code,
        }
    }
}

/// Runs the installer. What it says goes to the build log, so that its own message comes before our error.
pub(crate) fn install(
    tool: &Tool<'_>,
    target: &InstallTarget<'_>,
    pip: &PipConfig,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<()> {
    let invocation = match tool {
        Tool::Uv(uv) => uv_invocation(uv, target, pip, store, env),
        Tool::Pip(site_packages) => pip_invocation(&["-m".into(), "pip".into()], target, env).env(
            "PYTHONPATH",
            if target.has_preinstalled {
                target.python.site_packages(target.tree)
            } else {
                site_packages.clone()
            },
        ),
        Tool::BundledPip => {
            let Some(bundled) = target.python.bundled_pip() else {
                return Err(NoBundledPip { listing: target.python.list_bundled() }.into());
            };
            pip_invocation(&[bundled], target, env)
        }
    };
    let invocation = with_python(invocation, target.python);
    stream(&invocation, env, output).map(drop).map_err(|source| install_error(target.failure, source).into())
}

/// Finds out from its words why an installer failed.
pub(super) fn install_error(code: ErrorCode, source: RunError) -> InstallError {
    InstallError { code, cause: find_cause(&source.text()), source }
}

/// The runtime lacks ensurepip's wheels.
#[derive(Debug, thiserror::Error)]
#[error("{listing}")]
struct NoBundledPip {
    listing: String,
}

impl UserError for NoBundledPip {
    fn code(&self) -> ErrorCode {
        ErrorCode::BundledPipNotFound
    }
}

fn prefix(target: &InstallTarget<'_>) -> PathBuf {
    target.tree.join(".heroku/python")
}

fn uv_invocation(
    uv: &Uv,
    target: &InstallTarget<'_>,
    pip: &PipConfig,
    store: &Store,
    env: &Env,
) -> Invocation {
    let exists = |path: &str| target.directory.join(path).exists();
    let mut invocation = Invocation::new(&uv.executable)
        .args(["pip", "install", "--no-progress", "--color=never", "--link-mode=hardlink"])
        .arg("--python")
        .arg(&target.python.executable)
        .arg("--prefix")
        .arg(prefix(target))
        .args(pip.uv_arguments(&exists))
        .args(target.groups.iter().flat_map(|group| ["--group", group]))
        .current_dir(target.directory);
    if let Some(overrides) = target.overrides {
        // uv takes a path with blanks for several.
        invocation = invocation.args(["--override", "/dev/stdin"]).stdin(overrides);
    }
    invocation = with_requirements(invocation, target);
    invocation.env = tool_environment(env);
    for (name, value) in pip.uv_environment(&exists) {
        invocation = invocation.env(name, value);
    }
    if target.mode != Mode::Project {
        // pip doesn't read uv's settings, and neither do its requirements files.
        invocation = invocation.env("UV_NO_CONFIG", "1");
    }
    with_uv_settings(invocation, store)
}

/// Adds what uv and pip call by the same names: what is installed, how strictly, how loudly.
fn with_requirements(invocation: Invocation, target: &InstallTarget<'_>) -> Invocation {
    let files = target.requirements.iter();
    let invocation =
        invocation.args(files.flat_map(|file| ["--requirement".into(), file.clone().into_os_string()]));
    let invocation = match target.mode {
        Mode::Locked { hashed: true } => invocation.args(["--no-deps", "--require-hashes"]),
        Mode::Locked { hashed: false } => invocation.arg("--no-deps"),
        Mode::Requirements | Mode::Project => invocation,
    };
    if target.quiet { invocation.arg("--quiet") } else { invocation }
}

/// Sets what every uv gets.
pub(super) fn with_uv_settings(invocation: Invocation, store: &Store) -> Invocation {
    invocation
        .env("UV_CACHE_DIR", store.uv_cache().as_os_str())
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("UV_NO_WRAP", "1")
        // It warns that pylock.toml is new.
        .env("UV_PREVIEW_FEATURES", "pylock")
        // pip trusts the system's certificates as well as its own.
        .env("UV_SYSTEM_CERTS", "1")
}

fn pip_invocation(pip: &[OsString], target: &InstallTarget<'_>, env: &Env) -> Invocation {
    let mut invocation = Invocation::new(&target.python.executable)
        .args(pip.iter().cloned())
        .args(["install", "--no-compile", "--no-input", "--progress-bar=off", "--exists-action=w"])
        // Nothing but what is in the tree counts as installed.
        .args((!target.has_preinstalled).then_some("--ignore-installed"))
        .args(["--no-warn-script-location", "--disable-pip-version-check"])
        .arg("--prefix")
        .arg(prefix(target))
        .arg("--src")
        .arg(prefix(target).join("src"))
        .current_dir(target.directory);
    invocation = with_requirements(invocation, target);
    invocation.env = pip_environment(env);
    invocation
}

/// Reads the installer's words for a cause that a user can do something about.
fn find_cause(text: &str) -> Cause {
    let word_after = |start: &str| -> Option<String> {
        let rest = &text[text.find(start)? + start.len()..];
        let word: String = rest
            .trim_start_matches(['`', '\'', '"'])
            .chars()
            .take_while(|letter| !" `'\",;()\n".contains(*letter))
            .collect();
        (!word.is_empty()).then_some(word)
    };
    let has = |needle: &str| text.contains(needle);
    let offline = [
        "dns error",
        "failed to lookup",
        "Temporary failure in name resolution",
        "Connection refused",
        "Network is unreachable",
        "error sending request",
        "Failed to establish a new connection",
        "tcp connect error",
        "Failed to fetch",
        "Max retries exceeded",
    ];
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(url) = refused_url(&joined) {
        Cause::Unauthorized(url)
    } else if offline.iter().any(|sign| has(sign)) {
        Cause::NoNetwork
    } else if has("Hash mismatch") || has("DO NOT MATCH THE HASHES") {
        Cause::Hash
    } else if joined.contains("needs to be updated, but `--locked` was provided") {
        Cause::StaleLock
    } else if joined.contains("was not found in the package registry") {
        let before = joined.split(" was not found in the package registry").next().unwrap_or_default();
        Cause::NoSuchPackage(
            before.split_whitespace().last().unwrap_or_default().trim_matches('`').to_owned(),
        )
    } else if let Some(name) = word_after("No matching distribution found for ") {
        if has("(from versions: none)") {
            let end = name.find(['=', '<', '>', '!', '~', '[']).unwrap_or(name.len());
            Cause::NoSuchPackage(name[..end].to_owned())
        } else {
            Cause::NoSuchVersion(name)
        }
    } else if let Some(requirement) = joined.split("there is no version of ").nth(1) {
        Cause::NoSuchVersion(
            requirement.split_whitespace().next().unwrap_or_default().trim_end_matches(',').to_owned(),
        )
    } else if let Some(name) = word_after("Failed to build ") {
        Cause::BuildFailed(name)
    } else if has("ResolutionImpossible") || joined.contains("your requirements are unsatisfiable") {
        Cause::Conflict
    } else {
        Cause::Other
    }
}

/// Finds the address to which an index answered that it is only for some.
fn refused_url(joined: &str) -> Option<String> {
    let signs = [
        "(401 Unauthorized) for url (",
        "(403 Forbidden) for url (",
        "401 Error, Credentials not correct for ",
        "403 Client Error: Forbidden for url: ",
    ];
    let rest = signs.iter().find_map(|sign| joined.split_once(sign))?.1;
    rest.split([' ', ')']).next().map(url::redact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_in_the_installers_words() {
        for (text, expected) in [
            (
                "  × No solution found when resolving dependencies:\n  ╰─▶ Because no-such-thing was not found in the package registry and you require\n      no-such-thing, we can conclude that your requirements are unsatisfiable.",
                Cause::NoSuchPackage("no-such-thing".into()),
            ),
            (
                "ERROR: Could not find a version that satisfies the requirement x-y==1 (from versions: none)\nERROR: No matching distribution found for x-y==1",
                Cause::NoSuchPackage("x-y".into()),
            ),
            (
                "  ╰─▶ Because there is no version of flask==99 and you require flask==99, we can\n      conclude that your requirements are unsatisfiable.",
                Cause::NoSuchVersion("flask==99".into()),
            ),
            (
                "error: Failed to fetch: `https://index.test/simple/flask/`\n  Caused by: dns error",
                Cause::NoNetwork,
            ),
            ("  × Failed to build `uwsgi==1`\n", Cause::BuildFailed("uwsgi==1".into())),
            (
                "The lockfile at `uv.lock` needs to be updated, but `--locked` was provided. To update",
                Cause::StaleLock,
            ),
            (
                "  ╰─▶ HTTP status client error (401 Unauthorized) for url (http://u:p@h.test/files/a.whl)",
                Cause::Unauthorized("http://h.test/files/a.whl".into()),
            ),
            (
                "WARNING: 401 Error, Credentials not correct for https://h.test/simple/a/\nERROR: No matching distribution found for a==1",
                Cause::Unauthorized("https://h.test/simple/a/".into()),
            ),
            ("something else", Cause::Other),
        ] {
            assert_eq!(find_cause(text), expected, "{text}");
        }
    }
}
