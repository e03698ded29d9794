//! Django's settings: the file that counts, and what it sets last. A module may take over another one's names
//! (`from .base import *`), change them, and choose among them.

use std::collections::BTreeSet;

use super::code::{Code, Found, absolute, package_of};
use super::command::parse_command;
use super::facts::Facts;
use super::module::{Assignment, Module, string_literal};
use super::settings_module::{NAME, defaults, named_outside};

/// What a name is set to when all of the settings have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    /// Nothing sets it.
    Missing,
    /// One assignment decides.
    Is(Set),
    /// It is set under a condition only.
    Sometimes(Set),
    /// The text doesn't show it.
    Unknown,
}

/// An assignment that counts, and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    /// The file.
    pub(super) file: String,
    /// The assignment.
    pub(super) assignment: Assignment,
}

/// The settings of a process.
pub(super) struct Settings<'a> {
    code: &'a Code<'a>,
    /// The file that `DJANGO_SETTINGS_MODULE` names.
    pub(super) file: String,
    roots: Vec<String>,
}

impl<'a> Settings<'a> {
    /// Returns the settings of the web process; without one, those of the other processes.
    pub(super) fn of_app(facts: &'a Facts, code: &'a Code<'a>) -> Vec<Self> {
        let roots = vec![String::new()];
        if let Some(named) = named_outside(facts) {
            return Self::find(code, &named, &roots).into_iter().collect();
        }
        let processes = facts.processes();
        let (web, others): (Vec<_>, Vec<_>) =
            processes.into_iter().partition(|process| process.name == "web");
        for processes in [web, others] {
            let commands = processes.iter().flat_map(|process| parse_command(process.command));
            let entries: Vec<_> = commands.flat_map(|invoked| code.entry(&invoked)).collect();
            let mut found: Vec<Self> = Vec::new();
            for entry in entries {
                let Some(module) = code.module(&entry.file) else { continue };
                for named in named_in(&module) {
                    let settings = Self::find(code, &named, &entry.roots);
                    found.extend(settings.filter(|one| found.iter().all(|other| other.file != one.file)));
                }
            }
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// Returns the settings that `manage.py` takes.
    pub(super) fn of_manage_py(facts: &'a Facts, code: &'a Code<'a>, manage_py: &str) -> Option<Self> {
        let dir = package_of(manage_py);
        let roots = vec![dir, String::new()];
        let named = named_outside(facts).or_else(|| named_in(&*code.module(manage_py)?).pop())?;
        Self::find(code, &named, &roots)
    }

    fn find(code: &'a Code<'a>, module: &str, roots: &[String]) -> Option<Self> {
        match code.find(module, roots) {
            Found::File(file) => Some(Self { code, file, roots: roots.to_vec() }),
            _ => None,
        }
    }

    /// Returns what a name is set to in the end.
    pub(super) fn setting(&self, name: &str) -> Setting {
        self.setting_in(&self.file, name, &mut BTreeSet::new())
    }

    fn setting_in(&self, file: &str, name: &str, seen: &mut BTreeSet<String>) -> Setting {
        let Some(module) = self.code.module(file).filter(|module| !module.is_open) else {
            return Setting::Unknown;
        };
        if !seen.insert(file.to_owned()) || changes_itself(&module, name) {
            return Setting::Unknown;
        }
        let mut events: Vec<(usize, Setting)> = Vec::new();
        for assignment in &module.assignments {
            let set = Set { file: file.to_owned(), assignment: assignment.clone() };
            let line = assignment.place.line;
            let targets: Vec<&str> = assignment.target.split([',', '=']).map(str::trim).collect();
            if assignment.target == name {
                let is = if assignment.certain { Setting::Is(set) } else { Setting::Sometimes(set) };
                events.push((line, is));
            } else if assignment.target.starts_with(&format!("{name}[")) || targets.contains(&name) {
                events.push((line, Setting::Unknown));
            }
        }
        for import in &module.imports {
            let is_star = import.names.is_empty() && module.stars.contains(&import.module);
            if !is_star && !import.names.iter().any(|imported| imported == name) {
                continue;
            }
            let found = self.imported(file, &import.module, name, &mut seen.clone());
            let found = match found {
                Setting::Is(set) if !import.certain => Setting::Sometimes(set),
                Setting::Missing if is_star => continue,
                found => found,
            };
            events.push((import.place.line, found));
        }
        events.sort_by_key(|(line, _)| *line);
        let mut result = Setting::Missing;
        for (_, event) in events {
            result = match (result, event) {
                // One of two.
                (Setting::Missing, event) => event,
                (_, Setting::Sometimes(_)) => Setting::Unknown,
                (_, event) => event,
            };
        }
        result
    }

    fn imported(&self, from: &str, module: &str, name: &str, seen: &mut BTreeSet<String>) -> Setting {
        let Some((full, roots)) = absolute(module, &package_of(from), &self.roots) else {
            return Setting::Unknown;
        };
        match self.code.find(&full, &roots) {
            Found::File(file) => self.setting_in(&file, name, seen),
            _ => Setting::Unknown,
        }
    }

    /// Returns the files that make the settings: the one that counts, and those whose names it takes over.
    pub(super) fn family(&self) -> BTreeSet<String> {
        let mut family = BTreeSet::new();
        let mut pending = vec![self.file.clone()];
        while let Some(file) = pending.pop() {
            let Some(module) = self.code.module(&file).filter(|_| family.insert(file.clone())) else {
                continue;
            };
            for star in &module.stars {
                let found = absolute(star, &package_of(&file), &self.roots)
                    .map(|(full, roots)| self.code.find(&full, &roots));
                if let Some(Found::File(next)) = found {
                    pending.push(next);
                }
            }
        }
        family
    }

    /// Returns whether a file of the settings has any of some words.
    pub(super) fn mentions(&self, facts: &Facts, words: &[&str]) -> bool {
        let family = self.family();
        let mut texts = family.iter().filter_map(|file| facts.texts.get(file));
        texts.any(|text| words.iter().any(|word| text.contains(word)))
    }
}

/// Whether settings may be changed in ways that no assignment shows.
fn changes_itself(module: &Module, name: &str) -> bool {
    module.calls.iter().any(|call| {
        ["locals", "globals", "vars", "exec"].contains(&call.callee.as_str())
            || call.callee.starts_with(&format!("{name}["))
            || call.callee.starts_with(&format!("{name}."))
    }) || module.imports.iter().any(|import| {
        ["configurations", "dynaconf", "split_settings"]
            .iter()
            .any(|package| import.module.starts_with(package))
    })
}

/// Returns the settings that a file names: `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x")`.
fn named_in(module: &Module) -> Vec<String> {
    let set = module
        .assignments
        .iter()
        .filter(|assignment| assignment.target.contains("environ[") && assignment.target.contains(NAME));
    let set: Vec<String> = set.filter_map(|assignment| assignment.string.clone()).collect();
    if !set.is_empty() {
        return set;
    }
    defaults(module).filter_map(|call| string_literal(call.args.get(1)?)).collect()
}
