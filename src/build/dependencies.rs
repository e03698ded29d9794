//! The app's dependencies, installed into a tree of their own that is later laid over the runtime.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::install_error::{Hints, InstallError};
use super::python::Python;
use super::tool_env::{has_build_settings, tool_environment, with_python};
use super::uv::{Uv, pip_environment};
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files;
use crate::host::process::{Invocation, stream};
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
#[derive(Clone, Copy)]
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
    /// Whether it comes from directories on this machine's disk, whose files may be others than the last time.
    pub has_places: bool,
    /// What a failure is explained with.
    pub hints: Hints<'a>,
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
    let is_uv = matches!(tool, Tool::Uv(_));
    let hints = Hints {
        program: (!is_uv).then_some("pip"),
        can_use_pip: is_uv && target.hints.can_use_pip,
        ..target.hints
    };
    stream(&invocation, env, output).map_err(|source| InstallError::new(target.failure, source, &hints))?;
    Ok(files::remove_dir_all(&own_uv_cache(target.tree))?)
}

/// Returns a cache for this installation alone, beside its tree: on the same file system, so that files can be linked.
pub(super) fn own_uv_cache(tree: &Path) -> PathBuf {
    tree.with_file_name("uv-cache")
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
        // It would take what it has unpacked for what is there now.
        .args(target.has_places.then_some("--refresh"))
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
    with_uv_settings(invocation, target.tree, store)
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
pub(super) fn with_uv_settings(invocation: Invocation, tree: &Path, store: &Store) -> Invocation {
    // uv reuses what it has built without asking by which settings.
    let cache = if has_build_settings(&invocation.env) { own_uv_cache(tree) } else { store.uv_cache() };
    invocation
        .env("UV_CACHE_DIR", cache.as_os_str())
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
    if has_build_settings(&invocation.env) || target.has_places {
        // As uv, it reuses what it has built without asking by which settings, or from which file of that name.
        invocation = invocation.env("PIP_NO_CACHE_DIR", "1");
    }
    invocation
}
