//! The facts that the checks decide on: values, however they were gathered.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::app::meant_line::MeantLine;
use crate::app::procfile::{Procfile, lines_of};
use crate::app::source::Gitlink;
use crate::python::requirements::{RequirementKind, Requirements, normalised_name};

/// What is known about an app.
#[derive(Debug, Default)]
pub struct Facts {
    /// The Procfile and its text.
    pub procfile: Option<(Procfile, String)>,
    /// The app's own files, without what a build adds, by their paths relative to the app.
    pub files: BTreeMap<String, FileFacts>,
    /// The text of those that checks may want to read.
    pub texts: BTreeMap<String, String>,
    /// pip's requirements, if they are pip's and can be read.
    pub requirements: Option<Requirements>,
    /// What is installed; unknown before the first build.
    pub installed: Option<Installed>,
    /// Scripts and modules that are in the app's directory, but not in the slug; each with what leaves it out.
    pub left_out: BTreeMap<String, String>,
    /// Files that decide about a build, are there, and are ignored; each with what leaves it out.
    pub ignored_deciders: Vec<(String, String)>,
    /// Files that decide about a build and can't be read, each with the reason.
    pub unusable: Vec<(&'static str, &'static str)>,
    /// Files of the app that are slugs.
    pub slugs: Vec<String>,
    /// The submodules that git has for the app.
    pub gitlinks: Vec<Gitlink>,
    /// The config vars of this call.
    pub config_vars: BTreeMap<String, String>,
    /// Whether it was built: then its own steps have run.
    pub is_built: bool,
    /// The stack that the slug is for.
    pub stack: String,
}

/// What is known about a file of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Its size in bytes.
    pub size: u64,
    /// Whether it can be executed.
    pub executable: bool,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Whether it is a symbolic link, whose target isn't looked at.
    pub is_link: bool,
}

/// What a build has installed below `.heroku/python`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The minor version of Python, as in `3.13`.
    pub python: Option<String>,
    /// The names in Python's `bin`.
    pub programs: BTreeSet<String>,
    /// The top level names that can be imported, Python's own included.
    pub modules: BTreeSet<String>,
    /// Whether a `.pth` file may lead to more.
    pub leads_elsewhere: bool,
    /// Files of site-packages that import `pkg_resources` for certain when they are imported.
    pub pkg_resources_users: BTreeSet<String>,
    /// The distributions.
    pub distributions: Vec<InstalledDistribution>,
    /// Programs and shared libraries that need others.
    pub objects: Vec<ObjectFacts>,
    /// The names of all files that look like shared libraries.
    pub libraries: BTreeSet<String>,
}

/// What is known about an installed distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledDistribution {
    /// Its name, as it writes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it requires, as its metadata has it.
    pub requires: Vec<String>,
    /// The top level names that it brings.
    pub modules: BTreeSet<String>,
}

/// What is known about a program or shared library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFacts {
    /// Its path, relative to the app.
    pub path: String,
    /// The libraries that it needs.
    pub needed: Vec<String>,
    /// The newest version of glibc that it needs, as in 2.38.
    pub glibc: Option<(u32, u32)>,
}

impl Facts {
    /// Returns whether anything sets where Python looks for modules: a command, a boot script or another script, app.json or
    /// a config var.
    pub(super) fn sets_python_path(&self) -> bool {
        const NAME: &str = "PYTHONPATH";
        let is_script = |path: &str| {
            path.starts_with(".profile")
                || path.starts_with("bin/")
                || path.ends_with(".sh")
                || path == "app.json"
                || path == ".env"
        };
        self.config_vars.contains_key(NAME)
            || self.procfile.iter().any(|(_, text)| text.contains(NAME))
            || self.texts.iter().any(|(path, text)| {
                // The buildpack's own sets it to the app's directory.
                is_script(path) && path != ".profile.d/python.sh" && text.contains(NAME)
            })
    }

    /// Returns whether the app has a regular file of this path, or a link that may be one.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|file| !file.is_dir)
    }

    /// Returns whether the app has a directory of this path, or a link that may be one.
    pub fn has_dir(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|file| file.is_dir || file.is_link)
    }

    /// Returns whether a package is surely there in a major version, or a newer one: by what is installed, or a pin.
    pub fn has_version_of(&self, package: &str, major: u32) -> bool {
        let is_new = |version: &str| {
            version
                .split('.')
                .next()
                .and_then(|first| first.parse().ok())
                .is_some_and(|first: u32| first >= major)
        };
        if let Some(installed) = &self.installed {
            let mut found =
                installed.distributions.iter().filter(|found| normalised_name(&found.name) == package);
            return found.next().is_some_and(|found| is_new(&found.version));
        }
        let entries = self.requirements.iter().flat_map(|requirements| &requirements.entries);
        let mut pins = entries.filter_map(|entry| match &entry.kind {
            RequirementKind::Named { name, text, .. } if name == package => text.split_once("=="),
            _ => None,
        });
        pins.next().is_some_and(|(_, version)| is_new(version.trim()))
    }

    /// Returns the process types and their commands with the number of the line of each. Those that nobody meant, as
    /// their lines aren't what they should be, aren't among them.
    pub fn processes(&self) -> Vec<Process<'_>> {
        let Some((procfile, text)) = &self.procfile else { return Vec::new() };
        let lines = lines_of(text);
        procfile
            .processes
            .iter()
            .map(|(name, command)| (name, command, procfile.lines.get(name).copied().unwrap_or(1)))
            .filter(|(name, command, line)| {
                let is_it = |meant: &MeantLine| meant.name == **name && meant.command == command.trim();
                procfile.meant.get(line).is_none_or(is_it)
            })
            .map(|(name, command, line)| {
                let text = lines.get(line - 1).map_or("", |text| text.trim_end());
                Process { name, command, line, text }
            })
            .collect()
    }
}

/// A process type.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its command.
    pub command: &'a str,
    /// The number of the Procfile's line, from 1.
    pub line: usize,
    /// That line.
    pub text: &'a str,
}
