//! The package managers' own tools: Pipenv, Poetry and PDM. Each is fetched into a layer of the store, for itself
//! and never for a slug, and installs into the tree of the dependencies as into a virtual environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::install_error::{Hints, InstallError};
use super::layers::{Layer, provide_layer};
use super::pip_layer::{PinnedTools, install_pinned};
use super::python::Python;
use super::sync::network_settings;
use super::tool_env::{tool_environment, with_python};
use super::uv::{Uv, pip_environment};
use super::venv::Venv;
use crate::env::Env;
use crate::error::{ErrorCode, Failure, Result, UserError};
use crate::host::files::{self, FileError};
use crate::host::process::{Invocation, stream};
use crate::plan::{LayerPlan, NativeTool, PackageManager};
use crate::python::pip_config::PipConfig;

/// Variables of the tools that say where packages come from, or that are in the key. The others could change what is
/// installed, and nobody else would have them.
const PASSED: &[&str] = &[
    "PIPENV_PYPI_MIRROR",
    "POETRY_CERTIFICATES_",
    "POETRY_HTTP_BASIC_",
    "POETRY_REPOSITORIES_",
    "PDM_PYPI_",
    // Of build back ends, in the key of the layer.
    "PDM_BUILD_",
    "POETRY_DYNAMIC_VERSIONING",
];
const OF_TOOLS: &[&str] = &["PIPENV_", "POETRY_", "PDM_", "VIRTUALENV_"];

/// The tool couldn't be fetched.
#[derive(Debug, thiserror::Error)]
#[error("{} is needed, and couldn't be fetched: {}", .tool.describe(), .failure)]
struct FetchError {
    tool: NativeTool,
    failure: Failure,
}

impl UserError for FetchError {
    fn code(&self) -> ErrorCode {
        match self.tool {
            NativeTool::Pipenv => ErrorCode::FetchPipenv,
            NativeTool::Poetry => ErrorCode::FetchPoetry,
            NativeTool::Pdm => ErrorCode::FetchPdm,
        }
    }
}

/// Gives the layer with a tool: what it is run from. Every app shares it.
pub(crate) fn provide_tool(
    tool: NativeTool,
    plan: &LayerPlan,
    python: &Python,
    uv: Option<&Uv>,
    pip: &PipConfig,
    context: Context<'_>,
) -> Result<Layer> {
    let Context { store, env, output, .. } = context;
    provide_layer(plan, "tools", store, env, output, |tree| {
        output.step(format!("Installing {}", plan.contents));
        let tools = PinnedTools { requirements: tool.requirements(), tree, python, uv, pip };
        install_pinned(&tools, context).map_err(|failure| match failure.code() {
            ErrorCode::InstallPip => FetchError { tool, failure }.into(),
            _ => failure,
        })
    })
}

/// What is installed and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NativeTarget<'a> {
    /// The tree that stands for the app's root.
    pub tree: &'a Path,
    /// The interpreter.
    pub python: &'a Python,
    /// The project's directory: a copy, since the tools write into it.
    pub directory: &'a Path,
    /// Who manages the packages: its command is run.
    pub manager: PackageManager,
    /// Whether the groups for development are installed, too.
    pub test: bool,
}

/// Installs what the lock file says. Returns the prefix that console scripts name.
pub(crate) fn install_natively(
    tool: NativeTool,
    layer: &Layer,
    target: &NativeTarget<'_>,
    pip: &PipConfig,
    hints: &Hints<'_>,
    context: Context<'_>,
) -> Result<PathBuf> {
    let Context { store, env, output, .. } = context;
    let work = store.scratch()?;
    let NativeTarget { tree, python, .. } = *target;
    let of_tool = python.site_packages(&layer.tree());
    let own = Venv::make(&work.path().join("tool"), python, Some(&of_tool))?;
    let prefix = tree.join(".heroku/python");
    let venv = Venv::make(&prefix, python, None)?;
    let mut invocation = invocation(tool, &own, target);
    invocation.env = environment(tool, &prefix, work.path(), pip, env);
    stream(&with_python(invocation, python), env, output)
        .map_err(|source| InstallError::new(target.manager.install_error(), source, hints))?;
    venv.take_away()?;
    remove_leftovers(target)?;
    Ok(prefix)
}

fn invocation(tool: NativeTool, own: &Venv, target: &NativeTarget<'_>) -> Invocation {
    let command = target.manager.command(target.test, false);
    let quiet: &[&str] = match tool {
        NativeTool::Poetry => &["--no-ansi", "--no-interaction"],
        NativeTool::Pipenv | NativeTool::Pdm => &[],
    };
    Invocation::new(&own.executable)
        .arg("-m")
        .args(command.split(' '))
        .args(quiet.iter().copied())
        .current_dir(target.directory)
}

/// The environment of a tool: nothing of its user's own settings, but where packages come from and how that is
/// reached. What it would keep for the next time goes away with `work`: credentials may be in it.
fn environment(
    tool: NativeTool,
    prefix: &Path,
    work: &Path,
    pip: &PipConfig,
    env: &Env,
) -> BTreeMap<OsString, OsString> {
    let mut vars = match tool {
        NativeTool::Pipenv => pip_environment(env),
        NativeTool::Poetry | NativeTool::Pdm => tool_environment(env),
    };
    let starts = |name: &OsString, prefixes: &[&str]| {
        let name = name.to_string_lossy();
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    vars.retain(|name, _| !starts(name, OF_TOOLS) || starts(name, PASSED));
    vars.extend(network_settings(pip));
    if let Some(certificates) = vars.get(&OsString::from("SSL_CERT_FILE")).cloned() {
        vars.insert("REQUESTS_CA_BUNDLE".into(), certificates);
    }
    let mut set = |name: &str, value: OsString| vars.insert(name.into(), value);
    set("VIRTUAL_ENV", prefix.into());
    set("VIRTUALENV_OVERRIDE_APP_DATA", work.join("virtualenv").into());
    // It would ask for passwords, or wait for a desktop that isn't there.
    set("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring".into());
    let place = |name: &str| work.join(name).into_os_string();
    match tool {
        NativeTool::Pipenv => {
            set("PIPENV_NOSPIN", "1".into());
            set("PIPENV_VERBOSITY", "-1".into());
            set("PIPENV_CACHE_DIR", place("cache"));
            set("PIP_SRC", prefix.join("src").into());
            // This one means what its name denies: 0 is not to compile.
            set("PIP_NO_COMPILE", "0".into());
        }
        NativeTool::Poetry => {
            set("POETRY_CONFIG_DIR", place("config"));
            set("POETRY_DATA_DIR", place("data"));
            set("POETRY_CACHE_DIR", place("cache"));
        }
        NativeTool::Pdm => {
            set("PDM_CONFIG_FILE", place("config.toml"));
            set("PDM_CACHE_DIR", place("cache"));
            set("PDM_LOG_DIR", place("log"));
            set("PDM_IGNORE_SAVED_PYTHON", "1".into());
            set("PDM_CHECK_UPDATE", "0".into());
            set("PDM_NON_INTERACTIVE", "1".into());
            set("PDM_USE_VENV", "1".into());
        }
    }
    set_default_index(tool, pip, &mut vars);
    vars
}

/// An index that takes the default one's place for pip does so for these, too. Poetry has no setting for that.
fn set_default_index(tool: NativeTool, pip: &PipConfig, vars: &mut BTreeMap<OsString, OsString>) {
    let name = match tool {
        NativeTool::Pipenv => "PIPENV_PYPI_MIRROR",
        NativeTool::Pdm => "PDM_PYPI_URL",
        NativeTool::Poetry => return,
    };
    if let Some(url) = pip.index_url.as_ref().filter(|_| !pip.no_index) {
        vars.entry(name.into()).or_insert_with(|| url.into());
    }
}

/// Takes away what the tools leave for themselves, beside the packages.
fn remove_leftovers(target: &NativeTarget<'_>) -> std::result::Result<(), FileError> {
    let NativeTarget { tree, python, directory, .. } = *target;
    let prefix = tree.join(".heroku/python");
    let site_packages = python.site_packages(tree);
    for path in [prefix.join(".project"), directory.join(".pdm-python")] {
        files::remove_file(&path)?;
    }
    files::remove_dir_all(&directory.join(".poetry"))?;
    // Poetry keeps the repositories that it has built packages from.
    let sources = prefix.join("src");
    if !is_named_in(&site_packages, &sources) {
        files::remove_dir_all(&sources)?;
    }
    Ok(())
}

/// Returns whether a package is installed in place below this directory: what leads Python there is at the top of
/// site-packages.
fn is_named_in(site_packages: &Path, directory: &Path) -> bool {
    let name = directory.display().to_string();
    let entries = fs::read_dir(site_packages).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| ["pth", "py", "egg-link"].iter().any(|known| extension == *known))
        })
        .any(|path| fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&name)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::plan::manager::{PDM_VERSION, PIPENV_VERSION, POETRY_VERSION};

    #[test]
    fn the_inventory_pins_the_versions_that_the_plan_names_and_everything_has_a_hash() {
        for (tool, version) in [
            (NativeTool::Pipenv, PIPENV_VERSION),
            (NativeTool::Poetry, POETRY_VERSION),
            (NativeTool::Pdm, PDM_VERSION),
        ] {
            let text = tool.requirements();
            assert!(text.contains(&format!("\n{}=={version} \\\n", tool.command())), "{tool:?}");
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            for pair in lines.windows(2).filter(|pair| !pair[0].starts_with(' ')) {
                assert!(pair[0].contains("==") && pair[1].starts_with("    --hash=sha256:"), "{pair:?}");
            }
        }
    }

    #[test]
    fn a_tool_gets_credentials_and_none_of_its_users_settings() {
        let env = Env::for_tests(&[
            ("POETRY_HTTP_BASIC_A_PASSWORD", "x"),
            ("POETRY_REPOSITORIES_A_URL", "x"),
            ("POETRY_VIRTUALENVS_CREATE", "false"),
            ("POETRY_CONFIG_DIR", "/h/config"),
            ("PIPENV_SYSTEM", "1"),
            ("PDM_PYPI_PASSWORD", "x"),
            ("PDM_USE_VENV", "0"),
            ("VIRTUAL_ENV", "/h/venv"),
            ("PIP_INDEX_URL", "https://i.test/simple"),
            ("PYTHONPATH", "/h"),
            ("CFLAGS", "-O2"),
            ("SETUPTOOLS_SCM_PRETEND_VERSION", "1"),
            ("UV_INDEX_URL", "https://i.test"),
            ("MY_MODE", "x"),
        ]);
        let vars = [("PIP_INDEX_URL", "https://i.test/simple"), ("PIP_CERT", "/c.pem")];
        let pip = PipConfig::parse(&[], &vars.map(|(name, value)| (name.into(), value.into())).into());
        let of = |tool| environment(tool, Path::new("/p"), Path::new("/w"), &pip, &env);
        let poetry = of(NativeTool::Poetry);
        let value = |vars: &BTreeMap<OsString, OsString>, name: &str| {
            vars.get(OsStr::new(name)).map(|value| value.to_str().unwrap().to_owned())
        };
        for (name, expected) in [
            ("POETRY_HTTP_BASIC_A_PASSWORD", Some("x")),
            ("POETRY_REPOSITORIES_A_URL", Some("x")),
            ("POETRY_VIRTUALENVS_CREATE", None),
            ("POETRY_CONFIG_DIR", Some("/w/config")),
            ("VIRTUAL_ENV", Some("/p")),
            ("PIP_INDEX_URL", None),
            ("PYTHONPATH", None),
            ("REQUESTS_CA_BUNDLE", Some("/c.pem")),
        ] {
            assert_eq!(value(&poetry, name).as_deref(), expected, "{name}");
        }
        // D09, D35
        for tool in NativeTool::ALL {
            for (name, is_passed) in [
                ("CFLAGS", true),
                ("SETUPTOOLS_SCM_PRETEND_VERSION", true),
                ("UV_INDEX_URL", false),
                ("MY_MODE", false),
            ] {
                assert_eq!(value(&of(tool), name).is_some(), is_passed, "{tool:?}: {name}");
            }
        }
        let pipenv = of(NativeTool::Pipenv);
        assert_eq!(value(&pipenv, "PIPENV_SYSTEM"), None);
        assert_eq!(value(&pipenv, "PIPENV_PYPI_MIRROR").as_deref(), Some("https://i.test/simple"));
        let pdm = of(NativeTool::Pdm);
        assert_eq!(value(&pdm, "PDM_USE_VENV").as_deref(), Some("1"));
        assert_eq!(value(&pdm, "PDM_PYPI_URL").as_deref(), Some("https://i.test/simple"));
        assert_eq!(value(&pdm, "PDM_PYPI_PASSWORD").as_deref(), Some("x"));
    }
}
