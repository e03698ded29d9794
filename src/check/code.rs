//! The app's own Python code: which file a module is, and which files the app's processes import.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::command::{Invoked, join, parse_command};
use super::facts::{Facts, Process};
use super::loading::{Loading, loading};
use super::module::{Module, parse_module};
use super::servers::is_dotted;
use super::settings_module::{defaults, named_outside};

/// The app's code, parsed as far as somebody has asked.
pub(super) struct Code<'a> {
    facts: &'a Facts,
    parsed: RefCell<BTreeMap<String, Option<Rc<Module>>>>,
    reached: OnceCell<Vec<Reached>>,
}

/// Where a module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A file of the app.
    File(String),
    /// Somewhere in the app, but not as a text: a package without `__init__.py`, a compiled module.
    Opaque,
    /// The app has nothing of its first name.
    Nothing,
    /// The app has its first name, but not the rest; the names that are there.
    Partly(Vec<String>),
}

/// A file that an app's process imports or runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    /// The file.
    pub(super) file: String,
    /// The directories that its imports are looked up in.
    pub(super) roots: Vec<String>,
    /// Its own package, for relative imports.
    pub(super) package: String,
}

impl<'a> Code<'a> {
    /// Looks at an app.
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self { facts, parsed: RefCell::default(), reached: OnceCell::new() }
    }

    /// Parses a file of the app, once.
    pub(super) fn module(&self, file: &str) -> Option<Rc<Module>> {
        if let Some(known) = self.parsed.borrow().get(file) {
            return known.clone();
        }
        let parsed = self.facts.texts.get(file).and_then(|text| parse_module(text)).map(Rc::new);
        self.parsed.borrow_mut().insert(file.to_owned(), parsed.clone());
        parsed
    }

    /// Returns the text of a file of the app; nothing for one that isn't kept.
    pub(super) fn text(&self, file: &str) -> &str {
        self.facts.texts.get(file).map(String::as_str).unwrap_or_default()
    }

    /// Finds a module of the app, by its name with dots.
    pub(super) fn find(&self, module: &str, roots: &[String]) -> Found {
        let mut partly = None;
        for root in roots {
            match self.find_below(module, root) {
                Found::Nothing => {}
                Found::Partly(names) => partly = Some(names),
                found => return found,
            }
        }
        partly.map_or(Found::Nothing, Found::Partly)
    }

    fn find_below(&self, module: &str, root: &str) -> Found {
        let mut path = root.to_owned();
        let parts: Vec<&str> = module.split('.').collect();
        for (index, part) in parts.iter().enumerate() {
            let parent = path.clone();
            path = join(&path, part);
            let is_last = index + 1 == parts.len();
            let file = format!("{path}.py");
            let init = format!("{path}/__init__.py");
            if is_last && self.facts.has_file(&init) {
                return Found::File(init);
            }
            if is_last && self.facts.has_file(&file) {
                return Found::File(file);
            }
            if self.facts.has_dir(&path) {
                // A link may lead anywhere.
                if is_last || self.facts.files.get(&path).is_some_and(|entry| entry.is_link) {
                    return Found::Opaque;
                }
                continue;
            }
            if self.is_compiled(&path) || (!is_last && self.facts.has_file(&file)) {
                return Found::Opaque;
            }
            // A package that extends its own path, or makes its modules by itself.
            let parent_is_open = self
                .facts
                .texts
                .get(&format!("{parent}/__init__.py"))
                .is_some_and(|text| text.contains("__path__") || text.contains("sys.modules"));
            if index > 0 && parent_is_open {
                return Found::Opaque;
            }
            return if index == 0 { Found::Nothing } else { Found::Partly(self.names_in(&parent)) };
        }
        Found::Nothing
    }

    fn is_compiled(&self, path: &str) -> bool {
        let start = format!("{path}.");
        self.facts
            .files
            .range(start.clone()..)
            .take_while(|(name, _)| name.starts_with(&start))
            .any(|(name, _)| [".so", ".pyc", ".pyd", ".pyx"].iter().any(|end| name.ends_with(end)))
    }

    /// Returns the names of the modules in a directory.
    pub(super) fn names_in(&self, dir: &str) -> Vec<String> {
        let start = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let below = self.facts.files.range(start.clone()..).take_while(|(name, _)| name.starts_with(&start));
        let mut names: Vec<String> = below
            .filter_map(|(name, entry)| {
                let rest = &name[start.len()..];
                let rest = if entry.is_dir { rest } else { rest.strip_suffix(".py")? };
                (is_dotted(rest) && !rest.contains(['/', '.']) && !rest.starts_with("__"))
                    .then(|| rest.to_owned())
            })
            .collect();
        names.dedup();
        names
    }

    /// Returns whether a file of the app binds a name at its top level, `None` if that can't be told.
    pub(super) fn binds(&self, file: &str, name: &str, roots: &[String]) -> Option<bool> {
        self.binds_at(file, name, roots, &mut BTreeSet::new())
    }

    fn binds_at(
        &self,
        file: &str,
        name: &str,
        roots: &[String],
        seen: &mut BTreeSet<String>,
    ) -> Option<bool> {
        if !seen.insert(file.to_owned()) {
            return Some(false);
        }
        let module = self.module(file)?;
        // A submodule that somebody has imported is an attribute of its package.
        let dir = file.strip_suffix("/__init__.py");
        let is_submodule = dir.is_some_and(|dir| {
            self.facts.has_file(&format!("{dir}/{name}.py")) || self.facts.has_dir(&format!("{dir}/{name}"))
        });
        if module.names.contains(name) || is_submodule {
            return Some(true);
        }
        if module.is_open {
            return None;
        }
        let package = package_of(file);
        for star in &module.stars {
            let (full, roots) = absolute(star, &package, roots)?;
            match self.find(&full, &roots) {
                Found::File(file) => match self.binds_at(&file, name, &roots, seen) {
                    Some(false) => {}
                    other => return other,
                },
                _ => return None,
            }
        }
        Some(false)
    }

    /// Returns the files that the app's processes run or import for certain, as far as that can be told.
    pub(super) fn reached(&self) -> &[Reached] {
        self.reached.get_or_init(|| self.follow_imports())
    }

    fn follow_imports(&self) -> Vec<Reached> {
        let mut queue: VecDeque<Reached> = VecDeque::new();
        for process in self.facts.processes() {
            for invoked in parse_command(process.command) {
                queue.extend(self.entry(&invoked));
            }
        }
        let mut seen = BTreeSet::new();
        let mut reached = Vec::new();
        while let Some(next) = queue.pop_front() {
            if !seen.insert(next.file.clone()) {
                continue;
            }
            if let Some(module) = self.module(&next.file) {
                queue.extend(self.imported_by(&next, &module));
                queue.extend(self.django_settings(&next, &module));
            }
            reached.push(next);
        }
        reached
    }

    /// Returns the file that a program starts with.
    pub(super) fn entry(&self, invoked: &Invoked) -> Vec<Reached> {
        let roots = roots_of(invoked);
        if let Some(script) = invoked.script() {
            let dir = script.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
            let is_there = self.facts.has_file(&script);
            return is_there
                .then(|| Reached { file: script, roots: vec![dir, String::new()], package: String::new() })
                .into_iter()
                .collect();
        }
        let Some(found) = loading(invoked) else {
            return if invoked.is_module {
                self.started_module(&invoked.program, &roots)
            } else {
                self.started_file(invoked)
            };
        };
        let modules = [&found.module].into_iter().chain(self.more_modules(invoked, &found));
        modules
            .filter(|module| !module.is_empty())
            .flat_map(|module| self.files_on_the_way(module, &roots))
            .collect()
    }

    /// Modules that are imported beside the one with the app: the words of queues.
    fn more_modules<'b>(&self, invoked: &Invoked, found: &'b Loading) -> &'b [String] {
        if ["dramatiq", "taskiq"].contains(&invoked.program.as_str()) { &found.words } else { &[] }
    }

    /// A module of the app that Python runs: `python -m tools.migrate`. Of a package, it is its `__main__`.
    fn started_module(&self, module: &str, roots: &[String]) -> Vec<Reached> {
        if !is_dotted(module) {
            return Vec::new();
        }
        let main = format!("{module}.__main__");
        let mut reached = self.files_on_the_way(module, roots);
        reached.extend(self.files_on_the_way(&main, roots));
        reached
    }

    /// A file that a server is told to run: `fastapi run app/main.py`, `streamlit run app.py`.
    fn started_file(&self, invoked: &Invoked) -> Vec<Reached> {
        let is_server = ["fastapi", "streamlit"].contains(&invoked.program.as_str());
        let mut words = invoked.args.iter().filter(|_| is_server);
        let Some(file) = words.find(|word| word.ends_with(".py")).map(|word| join(&invoked.dir, word)) else {
            return Vec::new();
        };
        if !self.facts.has_file(&file) {
            return Vec::new();
        }
        let package = package_of(&file);
        vec![Reached { roots: vec![package.clone(), invoked.dir.clone(), String::new()], package, file }]
    }

    /// Returns a module's file and those of the packages that it is in: all of them are run.
    fn files_on_the_way(&self, module: &str, roots: &[String]) -> Vec<Reached> {
        let parts: Vec<&str> = module.split('.').collect();
        (1..=parts.len())
            .filter_map(|length| match self.find(&parts[..length].join("."), roots) {
                Found::File(file) => {
                    Some(Reached { package: package_of(&file), file, roots: roots.to_vec() })
                }
                _ => None,
            })
            .collect()
    }

    fn imported_by(&self, from: &Reached, module: &Module) -> Vec<Reached> {
        let mut found = Vec::new();
        for import in module.imports.iter().filter(|import| import.certain) {
            let Some((full, roots)) = absolute(&import.module, &from.package, &from.roots) else { continue };
            found.extend(self.files_on_the_way(&full, &roots));
            for name in &import.names {
                let full = if full.is_empty() { name.clone() } else { format!("{full}.{name}") };
                if let Found::File(file) = self.find(&full, &roots) {
                    found.push(Reached { package: package_of(&file), file, roots: roots.clone() });
                }
            }
        }
        found.into_iter().map(|reached| Reached { roots: from.roots.clone(), ..reached }).collect()
    }

    /// Django imports the module that `DJANGO_SETTINGS_MODULE` names.
    fn django_settings(&self, from: &Reached, module: &Module) -> Vec<Reached> {
        // What isn't code wins over a default.
        let mut named = defaults(module).peekable();
        if named.peek().is_some()
            && let Some(settings) = named_outside(self.facts)
        {
            return self.files_on_the_way(&settings, &from.roots);
        }
        named
            .filter_map(|call| super::module::string_literal(call.args.get(1)?))
            .flat_map(|settings| self.files_on_the_way(&settings, &from.roots))
            .collect()
    }
}

/// Returns the directories that a program imports from, relative to the app. `PYTHONPATH` has the app's own.
pub(super) fn roots_of(invoked: &Invoked) -> Vec<String> {
    let mut roots = Vec::new();
    for option in ["--chdir", "--app-dir", "--pythonpath", "--workdir", "--working-dir", "--path"] {
        roots.extend(
            invoked
                .option(&[option])
                .iter()
                .flat_map(|dirs| dirs.split(','))
                .map(|dir| join(&invoked.dir, dir)),
        );
    }
    roots.push(invoked.dir.clone());
    roots.push(String::new());
    roots.dedup();
    roots
}

/// Returns whether the app has a module or package of this dotted name below one of these directories.
pub(super) fn has_module(facts: &Facts, roots: &[String], module: &str) -> bool {
    let path = module.replace('.', "/");
    roots.iter().any(|root| {
        let path = join(root, &path);
        facts.has_dir(&path) || facts.has_file(&format!("{path}.py"))
    })
}

/// Returns the directory of a file as a package's path.
pub(super) fn package_of(file: &str) -> String {
    file.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned())
}

/// Makes a module's name absolute: the name, and where it is looked up. A relative one is looked up in the
/// directory that its dots lead to.
pub(super) fn absolute(module: &str, package: &str, roots: &[String]) -> Option<(String, Vec<String>)> {
    let rest = module.trim_start_matches('.');
    let dots = module.len() - rest.len();
    if dots == 0 {
        return Some((rest.to_owned(), roots.to_vec()));
    }
    let parts: Vec<&str> = package.split('/').filter(|part| !part.is_empty()).collect();
    let dir = parts.get(..parts.len().checked_sub(dots - 1)?)?.join("/");
    Some((rest.to_owned(), vec![dir]))
}

/// Returns the web process, if there is one.
pub(super) fn web_process(facts: &Facts) -> Option<Process<'_>> {
    facts.processes().into_iter().find(|process| process.name == "web")
}
