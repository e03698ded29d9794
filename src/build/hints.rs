//! What a failed installation is explained with, beside the installer's words.

use std::fs;
use std::path::Path;

use super::context::Context;
use super::dependencies::{Tool, with_uv_settings};
use super::install_error::Withheld;
use super::own_package::{OwnPackages, project_name};
use super::python::Python;
use super::survey::Survey;
use super::tool_env::tool_environment;
use super::uv::pip_environment;
use crate::host::files;
use crate::host::process::{Invocation, capture};
use crate::plan::PackageManager;
use crate::python::requirements::{GlobalOption, RequirementKind, file_url_path, normalised_name};
use crate::python::supported;
use crate::python::version::VersionOrigin;

impl Survey {
    /// Lists the variables that installers don't get.
    pub(super) fn withheld(&self) -> Vec<Withheld> {
        let passed = tool_environment(&self.installer_env);
        let is_withheld =
            |name: &str| !name.starts_with("PIP_") && !passed.contains_key(std::ffi::OsStr::new(name));
        let config_vars: Vec<&str> = self.settings.config_vars.names().collect();
        let of_app = config_vars.iter().copied().filter(|name| is_withheld(name));
        let set = self.installer_env.vars.keys().filter_map(|name| name.to_str());
        let others = set.filter(|name| is_withheld(name) && !config_vars.contains(name));
        of_app
            .map(|name| Withheld { name: name.to_owned(), is_config_var: true })
            .chain(others.map(|name| Withheld { name: name.to_owned(), is_config_var: false }))
            .collect()
    }

    /// Says which packages are the app's own, and how it says that it is none.
    pub(super) fn own_packages(&self) -> OwnPackages {
        let name_in = |place: &str| {
            let text = self.app.read_file(&format!("{place}/pyproject.toml")).ok()?;
            project_name(&String::from_utf8_lossy(&text))
        };
        let places = self.inputs.local.iter().flat_map(|local| local.places.keys());
        OwnPackages {
            root: name_in("."),
            others: places.filter(|place| *place != ".").filter_map(|place| name_in(place)).collect(),
            way_out: match self.package_manager {
                PackageManager::Poetry => Some("`package-mode = false` below [tool.poetry]"),
                PackageManager::Uv | PackageManager::Pyproject => Some("`package = false` below [tool.uv]"),
                PackageManager::Pdm => Some("`distribution = false` below [tool.pdm]"),
                _ => None,
            },
        }
    }

    /// Lists the names of the packages in the directories that installers look into.
    pub(super) fn known_names(&self) -> Vec<String> {
        let links = self.links();
        let directories = links.iter().filter_map(|link| match file_url_path(link) {
            Some(path) => Some(path),
            None => (!link.contains("://")).then(|| link.clone()),
        });
        let mut names: Vec<String> = directories
            .filter_map(|path| fs::read_dir(self.app.root.join(path)).ok())
            .flatten()
            .flatten()
            .filter_map(|entry| Some(normalised_name(entry.file_name().to_str()?.split_once('-')?.0)))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn links(&self) -> Vec<String> {
        let entries = self.inputs.requirements.iter().flat_map(|requirements| &requirements.entries);
        let in_files = entries.filter_map(|entry| match &entry.kind {
            RequirementKind::Option(GlobalOption::FindLinks(link)) => Some(link.clone()),
            _ => None,
        });
        in_files.chain(self.pip.find_links.iter().cloned()).collect()
    }

    /// Says for which other Pythons there are wheels of `NAME==VERSION`, asking the installer: it knows every way to an
    /// index.
    pub(super) fn other_pythons(
        &self,
        pinned: &str,
        tool: &Tool<'_>,
        python: &Python,
        work: &Path,
        context: Context<'_>,
    ) -> Option<String> {
        let asked = work.join("asked.txt");
        files::write_atomically(&asked, self.render_question(pinned).as_bytes()).ok()?;
        let mut minors = Vec::new();
        for row in supported::supported() {
            let minor = row.newest.minor_version();
            if minor == python.version.minor_version() {
                continue;
            }
            let invocation = self.question(tool, python, &asked, &minor, work, context)?;
            if capture(&invocation, context.env, context.output).is_ok() {
                minors.push(minor);
            }
        }
        describe_pythons(pinned, &minors, self.version.origin, &python.version.minor_version())
    }

    fn render_question(&self, pinned: &str) -> String {
        let mut text = String::new();
        for entry in self.inputs.requirements.iter().flat_map(|requirements| &requirements.entries) {
            let RequirementKind::Option(option) = &entry.kind else { continue };
            match option {
                GlobalOption::IndexUrl(url) => text.push_str(&format!("--index-url {url}\n")),
                GlobalOption::ExtraIndexUrl(url) => text.push_str(&format!("--extra-index-url {url}\n")),
                GlobalOption::NoIndex => text.push_str("--no-index\n"),
                GlobalOption::FindLinks(link) if link.contains("://") => {
                    text.push_str(&format!("--find-links {link}\n"));
                }
                GlobalOption::FindLinks(link) => {
                    text.push_str(&format!("--find-links {}\n", self.app.root.join(link).display()));
                }
                _ => {}
            }
        }
        text + pinned + "\n"
    }

    fn question(
        &self,
        tool: &Tool<'_>,
        python: &Python,
        asked: &Path,
        minor: &str,
        work: &Path,
        context: Context<'_>,
    ) -> Option<Invocation> {
        const COMMON: [&str; 6] =
            ["pip", "install", "--dry-run", "--no-deps", "--only-binary=:all:", "--quiet"];
        let place = work.join("elsewhere");
        let exists = |path: &str| self.app.root.join(path).exists();
        let (mut invocation, env) = match tool {
            Tool::Uv(uv) => {
                let invocation = Invocation::new(&uv.executable)
                    .args(COMMON)
                    .arg("--python")
                    .arg(&python.executable)
                    .args(self.pip.uv_arguments(&exists));
                (invocation, tool_environment(&self.installer_env))
            }
            Tool::Pip(site_packages) => {
                let mut env = pip_environment(&self.installer_env);
                env.insert("PYTHONPATH".into(), site_packages.clone().into());
                (Invocation::new(&python.executable).arg("-m").args(COMMON), env)
            }
            Tool::BundledPip => return None,
        };
        invocation = invocation
            .arg(format!("--python-version={minor}"))
            .arg("--target")
            .arg(&place)
            .arg("--requirement")
            .arg(asked)
            .current_dir(&self.app.root);
        invocation.env = env;
        if matches!(tool, Tool::Uv(_)) {
            for (name, value) in self.pip.uv_environment(&exists) {
                invocation = invocation.env(name, value);
            }
            invocation = with_uv_settings(invocation.env("UV_NO_CONFIG", "1"), &place, context.store);
        }
        Some(invocation)
    }
}

/// Says what the answers come to.
fn describe_pythons(pinned: &str, minors: &[String], origin: VersionOrigin, used: &str) -> Option<String> {
    let (newest, others) = minors.split_last()?;
    let listed = match others {
        [] => newest.clone(),
        others => format!("{} and {newest}", others.join(", ")),
    };
    let chosen = match origin {
        VersionOrigin::Default | VersionOrigin::Cached => {
            format!("The app names no Python, so Python {used} was taken. ")
        }
        _ => String::new(),
    };
    let place = match origin {
        VersionOrigin::PipfileLock => "[requires] of the Pipfile, and lock again",
        _ => ".python-version",
    };
    Some(format!("{chosen}`{pinned}` has wheels for Python {listed}: write {newest} into {place}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    // D13
    #[test]
    fn wheels_for_other_pythons_are_told_with_the_newest_and_its_file() {
        for (minors, origin, expected) in [
            (&[][..], VersionOrigin::PythonVersionFile, None),
            (
                &["3.11"],
                VersionOrigin::PythonVersionFile,
                Some("`x==1` has wheels for Python 3.11: write 3.11 into .python-version."),
            ),
            (
                &["3.10", "3.11", "3.12"],
                VersionOrigin::Default,
                Some(
                    "The app names no Python, so Python 3.14 was taken. `x==1` has wheels for Python 3.10, 3.11 and \
                     3.12: write 3.12 into .python-version.",
                ),
            ),
            (
                &["3.10", "3.11"],
                VersionOrigin::PipfileLock,
                Some(
                    "`x==1` has wheels for Python 3.10 and 3.11: write 3.11 into [requires] of the Pipfile, and lock \
                     again.",
                ),
            ),
        ] {
            let minors: Vec<String> = minors.iter().map(|minor| (*minor).to_owned()).collect();
            assert_eq!(describe_pythons("x==1", &minors, origin, "3.14").as_deref(), expected, "{minors:?}");
        }
    }
}
