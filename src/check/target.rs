//! Whether the app that a server is told to serve is there: `module:name`, without importing it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::absent::left_out_module;
use super::catalogue::FindingCode;
use super::code::{Code, Found, roots_of};
use super::command::{Invoked, is_python, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::loading::{Loading, is_factory, loading};
use super::meant::{MeantName, meant_module, meant_name};
use super::module::Import;
use super::servers::server_of;
use super::standard::is_standard;
use crate::plan::steps::HOOKS;
use crate::python::requirements::RequirementKind;

/// A program that a process type starts, and the app that it serves or works for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Target {
    /// The process type.
    #[serde(skip)]
    pub process: String,
    /// The word of the command that names the app, or else the program.
    #[serde(skip)]
    pub word: String,
    /// The program.
    pub program: String,
    /// Whether it is known what it loads.
    pub loads: bool,
    /// The module, with dots.
    pub module: String,
    /// What is looked up in it, or called.
    pub name: Option<String>,
    /// Whether the program calls what it finds.
    pub calls: bool,
    /// What else the program is told.
    pub words: Vec<String>,
    /// Where it runs, relative to the app.
    pub dir: String,
    /// The directories that the module is looked up in, relative to the app.
    pub roots: Vec<String>,
    /// Variables that are set for it alone.
    pub env: BTreeMap<String, String>,
}

impl Target {
    /// Returns whether loading the app means to call something of it.
    pub(crate) fn is_factory(&self) -> bool {
        is_factory(self.calls, self.name.as_deref())
    }
}

/// Returns what the process types start of what is installed, and the apps that it is for. What a shell would decide
/// first (`. ./env.sh && gunicorn wsgi`) isn't among it.
pub(crate) fn targets(facts: &Facts) -> Vec<Target> {
    let mut targets = Vec::new();
    for process in facts.processes() {
        let mut exported = BTreeMap::new();
        for invoked in parse_command(process.command) {
            match invoked.program.as_str() {
                "." | "source" | "eval" | "set" => break,
                "export" => exported.extend(assignments(&invoked.args)),
                _ => targets.extend(target_of(facts, &process, &invoked, &exported)),
            }
        }
    }
    targets
}

fn assignments(words: &[String]) -> impl Iterator<Item = (String, String)> {
    words
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn target_of(
    facts: &Facts,
    process: &Process<'_>,
    invoked: &Invoked,
    exported: &BTreeMap<String, String>,
) -> Option<Target> {
    let found = loading(invoked);
    let is_installed =
        facts.installed.as_ref().is_some_and(|installed| installed.programs.contains(&invoked.program));
    if found.is_none() && !is_installed {
        return None;
    }
    let mut env = exported.clone();
    env.extend(invoked.variables.iter().cloned());
    // More than a variable's plain value needs a shell.
    let needs_shell =
        |value: &String| value.contains(['`', '(']) || value.contains("${") && value.contains([':', '-']);
    let loads = found.is_some() && !env.values().any(needs_shell) && !invoked.dir.contains(['$', '~']);
    let Loading { word, module, name, calls, words } = found.unwrap_or_default();
    Some(Target {
        process: process.name.to_owned(),
        word: if word.is_empty() { invoked.program.clone() } else { word },
        program: invoked.program.clone(),
        loads,
        module,
        name,
        calls,
        words,
        dir: invoked.dir.clone(),
        roots: roots_of(invoked),
        env,
    })
}

/// Checks the apps of all process types.
pub(super) fn check_targets(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in facts.processes() {
        let commands = parse_command(process.command);
        for (index, invoked) in commands.iter().enumerate() {
            let Some(found) = loading(invoked).filter(|found| !found.module.is_empty()) else { continue };
            let finding = check_target(facts, code, &process, invoked, &found);
            findings.extend(finding.filter(|finding| {
                finding.code != FindingCode::AppModuleNotFound
                    || !(facts.sets_python_path() || may_be_made(facts, &commands[..index], &found.module))
            }));
        }
    }
    findings
}

/// Whether a hook, or what runs before in the same line, may make a module.
fn may_be_made(facts: &Facts, before: &[Invoked], module: &str) -> bool {
    const MAKERS: &[&str] = &[
        "aws", "cp", "curl", "git", "gsutil", "invoke", "just", "ln", "make", "mv", "node", "npm", "patch",
        "rsync", "tar", "task", "unzip", "wget", "yarn",
    ];
    let top = module.split('.').next().unwrap_or(module);
    let names = |path: &str| facts.texts.get(path).is_none_or(|text| text.contains(top));
    let makes = |earlier: &Invoked| {
        let script = earlier.shell_script().or_else(|| {
            let first = earlier.args.first().filter(|word| word.ends_with(".py"))?;
            is_python(&earlier.program).then(|| join(&earlier.dir, first))
        });
        MAKERS.contains(&earlier.program.as_str())
            || script.is_some_and(|path| !path.ends_with("manage.py") && names(&path))
    };
    let has_hook = |path: &&str| facts.texts.get(*path).is_some_and(|text| text.contains(top));
    before.iter().any(makes) || (!facts.is_built && HOOKS.iter().any(has_hook))
}

fn check_target(
    facts: &Facts,
    code: &Code<'_>,
    process: &Process<'_>,
    invoked: &Invoked,
    loading: &Loading,
) -> Option<Finding> {
    let Loading { word, module, .. } = loading;
    let (name, roots) = (loading.first_name(), roots_of(invoked));
    let roots = roots.as_slice();
    let is_celery = invoked.program == "celery";
    let point = |words: &str, label: &str| {
        Some(point_at(
            "Procfile",
            process.line,
            process.text,
            if words.is_empty() { word } else { words },
            label,
        ))
    };
    match code.find(module, roots) {
        Found::Opaque if is_celery => None,
        Found::Opaque => {
            let (file, parent, rest) = file_as_package(facts, code, module, roots)?;
            let mut message = format!(
                "`{word}` asks for the module `{module}`, but `{parent}` is a file, {file}, and no package."
            );
            let mut fix = format!("Write `{parent}:NAME`, with the name of the app in {file}.");
            // `wsgi.app` for `wsgi:app`.
            if !rest.contains('.') && code.binds(&file, rest, roots) == Some(true) {
                message.push_str(&format!(" It does define `{rest}`."));
                fix = format!("Write `{parent}:{rest}`: a colon is between the module and the name.");
            } else if let Some(MeantName { name, .. }) = meant_name(code, &file, rest) {
                fix = format!("Write `{parent}:{name}`: a colon is between the module and the name.");
            }
            Some(
                Finding::new(FindingCode::AppModuleNotFound, message)
                    .with_fix(fix)
                    .at(point(module, "no such module")),
            )
        }
        Found::File(file) => {
            let Some(name) = name else {
                return check_celery(code, module, &file, roots, is_celery)
                    .map(|finding| finding.at(point("", "no Celery app")));
            };
            if code.binds(&file, name, roots) != Some(false) {
                return None;
            }
            let mut message = format!("`{word}` asks for `{name}`, and {file} has nothing of that name.");
            let meant = meant_name(code, &file, name);
            if let Some(MeantName { name: other, is_app }) = &meant {
                message.push_str(&match is_app {
                    true => format!(" It does define `{other}`: write `{module}:{other}`."),
                    false => format!(" Is `{other}` meant?"),
                });
            }
            let words = if word.contains(':') { format!(":{name}") } else { word.to_owned() };
            let finding = Finding::new(FindingCode::AppAttributeNotFound, message)
                .at(point(&words, "no such name in the module"));
            Some(match meant.filter(|_| word.contains(':')) {
                Some(MeantName { name, is_app }) => finding.with_fix(format!(
                    "Write `{module}:{name}{}`, or define what the command asks for in {file}.",
                    if word.ends_with("()") && !is_app { "()" } else { "" }
                )),
                // What the catalogue says is about servers.
                None if server_of(invoked).is_none() => {
                    finding.with_fix(format!("Define `{name}` in {file}, or name what it defines."))
                }
                None => finding,
            })
        }
        // The last part may be a name in the module before it.
        Found::Partly(_) if is_celery && may_be_attribute(code, module, roots) => None,
        found => {
            if let Some(left_out) = left_out_module(facts, module, roots) {
                let need = format!("`{word}` asks for the module `{module}`");
                return Some(left_out.finding(&need).at(point(module, "isn't in the slug")));
            }
            let (top, _) = module.split_once('.').unwrap_or((module, ""));
            if found == Found::Nothing && !is_surely_nowhere(facts, top) {
                return None;
            }
            if matches!(found, Found::Partly(_))
                && is_installed(facts, top)
                && !is_own_package(code, top, roots)
            {
                return None;
            }
            let mut message = format!("`{word}` asks for the module `{module}`, which the app doesn't have.");
            let finding = |message| {
                Finding::new(FindingCode::AppModuleNotFound, message).at(point(module, "no such module"))
            };
            let Some(meant) = meant_module(code, module, roots) else { return Some(finding(message)) };
            message.push_str(&format!(" Is `{meant}` meant?"));
            let fix = format!("Write `{}`, if that is meant.", word.replacen(module.as_str(), &meant, 1));
            Some(finding(message).with_fix(fix))
        }
    }
}

/// Whether a module surely makes no Celery app: nothing in it, nor in its `celery` module, has anything to do with Celery,
/// and nothing comes from elsewhere in the app.
fn check_celery(
    code: &Code<'_>,
    module: &str,
    file: &str,
    roots: &[String],
    is_celery: bool,
) -> Option<Finding> {
    if !is_celery {
        return None;
    }
    let mut files = vec![file.to_owned()];
    if file.ends_with("/__init__.py") {
        match code.find(&format!("{module}.celery"), roots) {
            Found::File(file) => files.push(file),
            Found::Opaque => return None,
            Found::Nothing | Found::Partly(_) => {}
        }
    }
    if !files.iter().all(|file| has_no_celery(code, file)) {
        return None;
    }
    let makes = match files.as_slice() {
        [one] => format!("{one} makes none"),
        files => format!("neither {} makes one", files.join(" nor ")),
    };
    let message = format!("celery looks for its app in `{module}`, and {makes}.");
    Some(Finding::new(FindingCode::AppNoWorkerApp, message))
}

fn has_no_celery(code: &Code<'_>, file: &str) -> bool {
    let Some(found) = code.module(file) else { return false };
    let standard = |module: &str| is_standard(module.split('.').next().unwrap_or_default());
    let is_plain = |import: &Import| !import.module.starts_with('.') && standard(&import.module);
    !found.is_open
        && found.stars.is_empty()
        && found.imports.iter().filter(|import| !import.names.is_empty()).all(is_plain)
        && !code.text(file).to_lowercase().contains("celery")
        && !found.names.contains("app")
}

/// Whether the last part of a dotted name may be a name in the module before it.
fn may_be_attribute(code: &Code<'_>, module: &str, roots: &[String]) -> bool {
    let Some((parent, last)) = module.rsplit_once('.') else { return false };
    match code.find(parent, roots) {
        Found::File(file) => code.binds(&file, last, roots) != Some(false),
        Found::Opaque => true,
        Found::Nothing | Found::Partly(_) => false,
    }
}

fn is_installed(facts: &Facts, top: &str) -> bool {
    facts
        .installed
        .as_ref()
        .is_none_or(|installed| installed.leads_elsewhere || installed.modules.contains(top))
}

/// Whether a module's first name is a package of the app's own, with an `__init__.py`: it wins over what is installed.
fn is_own_package(code: &Code<'_>, top: &str, roots: &[String]) -> bool {
    matches!(code.find(top, roots), Found::File(file) if file.ends_with("/__init__.py"))
}

/// Finds a file that is taken for a package: its path, its name as a module, and what follows that.
fn file_as_package<'a>(
    facts: &Facts,
    code: &Code<'_>,
    module: &'a str,
    roots: &[String],
) -> Option<(String, &'a str, &'a str)> {
    module.match_indices('.').find_map(|(at, _)| {
        let (parent, rest) = (&module[..at], &module[at + 1..]);
        let Found::File(file) = code.find(parent, roots) else { return None };
        let dir = file.strip_suffix(".py").filter(|_| !file.ends_with("__init__.py"))?;
        // A module may make others, or a package of itself.
        let is_plain =
            !["__path__", "sys.modules", "import_module"].iter().any(|sign| code.text(&file).contains(sign));
        (is_plain && rest != "py" && !facts.has_dir(dir)).then(|| (file.clone(), parent, rest))
    })
}

/// Whether a module's first name surely is neither installed nor going to be.
pub(super) fn is_surely_nowhere(facts: &Facts, top: &str) -> bool {
    if facts.sets_python_path() {
        return false;
    }
    match (&facts.installed, &facts.requirements) {
        (Some(_), _) => !is_installed(facts, top),
        // Only packages with names, and none whose name is anything like it.
        (None, Some(requirements)) => requirements.entries.iter().all(|entry| match &entry.kind {
            RequirementKind::Named { name, .. } => {
                let (name, top) = (name.replace('-', ""), top.replace('_', "").to_lowercase());
                !name.contains(&top) && !top.contains(&name)
            }
            RequirementKind::Option(_) => true,
            _ => false,
        }),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::assert_one;

    // C33: Python finds modules where PYTHONPATH says, and those that something has made before.
    #[test]
    fn modules_that_may_be_found_or_made_are_not_missed() {
        let all = ("requirements.txt", "celery==5.4.0\ngunicorn==23.0.0\nuvicorn==0.34.0\n");
        let package = &[all, ("src/pkg/__init__.py", ""), ("src/pkg/wsgi.py", "app = object()\n")][..];
        let generated = &[
            all,
            ("gen.py", "open('made.py', 'w')\n"),
            ("manage.py", ""),
            ("setup.sh", "cp a made.py\n"),
        ][..];
        const MISSED: Option<(&str, &str)> = Some(("app::module-not-found", "module"));
        for (procfile, more, expected) in [
            ("web: PYTHONPATH=src gunicorn pkg.wsgi:app\n", package, None),
            ("web: PYTHONPATH=./src:$PYTHONPATH gunicorn pkg.wsgi:app\n", package, None),
            ("web: export PYTHONPATH=src && gunicorn pkg.wsgi:app\n", package, None),
            ("web: env PYTHONPATH=$PWD/src gunicorn pkg.wsgi:app\n", package, None),
            ("web: bash -c \"PYTHONPATH=src gunicorn pkg.wsgi:app\"\n", package, None),
            ("web: gunicorn wsgi:app\nworker: PYTHONPATH=src celery -A pkg.tasks worker\n", package, None),
            ("web: gunicorn pkg.wsgi:app\n", package, MISSED),
            ("web: python gen.py && gunicorn made:app\n", generated, None),
            ("web: bash setup.sh && gunicorn made:app\n", generated, None),
            ("web: make build && gunicorn made:app\n", generated, None),
            ("web: curl -sO https://h.test/made.py && gunicorn made:app\n", generated, None),
            ("web: python gen.py && gunicorn other:app\n", generated, MISSED),
            ("web: python manage.py migrate && gunicorn made:app\n", generated, MISSED),
            ("web: cd . && gunicorn made:app\n", generated, MISSED),
        ] {
            assert_one(procfile, more, expected);
        }
        for script in [".profile", ".profile.d/path.sh", "bin/post_compile", "bin/pre_compile"] {
            let text = "export PYTHONPATH=$HOME/src\ncp -r src/pkg pkg\n";
            assert_one("web: gunicorn pkg.wsgi:app\n", &[package, &[(script, text)]].concat(), None);
        }
    }
}
