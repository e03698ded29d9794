//! Files and directories that commands name, and that aren't there. Where a hook, a boot script or an earlier command
//! could make them, nothing is said.

use super::absent::left_out_file;
use super::catalogue::FindingCode;
use super::code::{has_module, roots_of};
use super::command::{Invoked, below_home, join};
use super::facts::Process;
use super::finding::{Finding, point_at};
use super::options::options_of;
use super::process_line::{Command, Line};
use super::programs::meant;
use super::servers::is_dotted;
use super::shell::End;
use super::standard::is_standard;
use super::target::is_surely_nowhere;
use super::weight::unless_hook_makes;

impl Command<'_> {
    /// Returns the first file or directory that is named and isn't there.
    pub(super) fn missing(&self) -> Option<Finding> {
        let found = self.missing_file().or_else(|| self.missing_dir()).or_else(|| self.unwritable())?;
        Some(unless_hook_makes(self.line.facts, found))
    }

    fn missing_file(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let process = line.process.name;
        let named =
            options_of(&invoked.program).map(|options| invoked.option(options.files)).unwrap_or_default();
        let named = named.into_iter().filter(|file| !file.starts_with("python:"));
        let mut named: Vec<&str> = named.map(|file| file.trim_start_matches("file:")).collect();
        // `. venv/bin/activate && …`: what comes after isn't run.
        let is_read = [".", "source"].contains(&invoked.program.as_str()) && invoked.end == End::And;
        let is_shell = ["bash", "sh", "dash"].contains(&invoked.program.as_str());
        if is_read || is_shell {
            named.extend(
                invoked.args.first().map(String::as_str).filter(|word| !word.starts_with(['-', '+'])),
            );
        }
        let by_place = [("streamlit", ".py"), ("fastapi", ".py"), ("pserve", ".ini"), ("circusd", ".ini")];
        if let Some((_, end)) = by_place.iter().find(|(program, _)| *program == invoked.program) {
            named.extend(free_args(invoked).find(|word| word.ends_with(end)));
        }
        if let Some(module) = self.missing_settings_module() {
            return Some(module);
        }
        let file = named.into_iter().find(|file| self.is_absent(file, false))?;
        if let Some(left_out) = left_out_file(line.facts, &join(&invoked.dir, file)) {
            let need = format!("The process type `{process}` needs the file {file}");
            let Process { line, text, .. } = *line.process;
            return Some(left_out.finding(&need).at(Some(point_at(
                "Procfile",
                line,
                text,
                file,
                "isn't in the slug",
            ))));
        }
        let meant = meant(line.facts, &join(&invoked.dir, file));
        let message =
            format!("The process type `{process}` needs the file {file}, which the app doesn't have.{meant}");
        Some(line.finding(FindingCode::CommandFileNotFound, message, file, "isn't there"))
    }

    /// `gunicorn -c python:settings`, where there is no such module.
    fn missing_settings_module(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        if !["gunicorn", "hypercorn"].contains(&invoked.program.as_str()) {
            return None;
        }
        let named = invoked.option(&["-c", "--config"]);
        let module = named.last()?.strip_prefix("python:").filter(|module| is_dotted(module))?;
        let facts = line.facts;
        let path = module.replace('.', "/");
        let (top, _) = module.split_once('.').unwrap_or((module, ""));
        let has_init = facts.has_file(&format!("{}/__init__.py", join(&invoked.dir, top)));
        if has_module(facts, &roots_of(invoked), module)
            || is_standard(top)
            || !(has_init || is_surely_nowhere(facts, top))
            || !self.is_surely_absent(&format!("{path}.py"), false)
            || facts.files.keys().any(|name| name.starts_with(&format!("{path}.")))
        {
            return None;
        }
        let meant = meant(facts, &format!("{path}.py"));
        let message = format!(
            "{} takes its settings from the module `{module}`, which the app doesn't have.{meant}",
            invoked.program
        );
        Some(
            line.finding(FindingCode::CommandFileNotFound, message, module, "isn't there")
                .with_fix("Name a module or a file that the app has, or leave the option away."),
        )
    }

    fn missing_dir(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let named = match invoked.program.as_str() {
            "cd" => invoked.args.first().map(String::as_str).into_iter().collect(),
            program => invoked.option(options_of(program)?.dirs),
        };
        let dir = named.into_iter().find(|dir| self.is_absent(dir, true))?;
        let message = format!(
            "The process type `{}` changes to the directory {dir}, which the app doesn't have.",
            line.process.name
        );
        Some(line.finding(FindingCode::CommandFileNotFound, message, dir, "isn't there"))
    }

    /// Files that are written into directories which aren't there.
    fn unwritable(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let named =
            options_of(&invoked.program).map(|options| invoked.option(options.written)).unwrap_or_default();
        let named = named.into_iter().chain(invoked.outputs.iter().map(|word| word.text.as_str()));
        let file = named.into_iter().find(|file| {
            file.rsplit_once('/').is_some_and(|(dir, _)| !dir.is_empty() && self.is_absent(dir, true))
        })?;
        let message = format!(
            "`{file}` can't be written: its directory isn't in the slug, as git keeps no empty ones."
        );
        Some(line.finding(FindingCode::CommandFileNotFound, message, file, "no such directory").with_fix(
            "Write to standard output instead (`-` for most servers): the platform keeps\n\
                 the logs, and files are gone when the dyno restarts.",
        ))
    }

    /// Whether the app surely doesn't have a file or directory, and nothing makes it.
    fn is_absent(&self, path: &str, is_dir: bool) -> bool {
        let path = match below_home(path) {
            Some(path) => path.to_owned(),
            None if path.starts_with(['/', '-', '~']) || path.contains("..") => return false,
            None => join(&self.invoked.dir, path),
        };
        // Other buildpacks keep theirs in directories like these.
        let is_built =
            path.starts_with('.') || ["vendor", "node_modules"].iter().any(|dir| path.starts_with(dir));
        !is_built && self.is_surely_absent(&path, is_dir)
    }

    /// As [`Self::is_absent`] for a path that counts from the app's top, and that no buildpack makes.
    pub(super) fn is_surely_absent(&self, path: &str, is_dir: bool) -> bool {
        let Self { line: Line { facts, .. }, before, .. } = *self;
        if path.is_empty() || path.contains(['$', '`', '*', '{']) {
            return false;
        }
        let is_there = if is_dir { facts.has_dir(path) } else { facts.has_file(path) };
        let below_link = path
            .match_indices('/')
            .any(|(at, _)| facts.files.get(&path[..at]).is_some_and(|entry| entry.is_link));
        let first = path.split('/').next().unwrap_or(path);
        let is_made = |text: &str| text.contains(first) || text.contains(path);
        let scripts = facts.texts.iter().filter(|(name, _)| {
            name.starts_with(".profile") || (name.starts_with("bin/") && name.ends_with("_compile"))
        });
        let may_be_made =
            before.iter().any(|earlier| !["cd", "export", "echo", ""].contains(&earlier.program.as_str()))
                || scripts.map(|(_, text)| text).any(|text| is_made(text));
        !is_there && !below_link && !may_be_made
    }
}

fn free_args(invoked: &Invoked) -> impl Iterator<Item = &str> {
    let before = |index: usize| index.checked_sub(1).and_then(|index| invoked.args.get(index));
    let is_free = move |index: usize| before(index).is_none_or(|before| !before.starts_with('-'));
    let args = invoked.args.iter().enumerate();
    args.filter(move |(index, word)| !word.starts_with('-') && is_free(*index)).map(|(_, word)| word.as_str())
}
