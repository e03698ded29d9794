//! Virtual environments that a command activates or names, and that no slug has: the packages are installed for the
//! app's own Python. The advice is the line without that part.

use std::sync::LazyLock;

use regex::Regex;

use super::catalogue::{FindingCode, Severity};
use super::command::{below_home, is_python, join};
use super::finding::Finding;
use super::known_programs::package_of_program;
use super::paste::line_to_paste;
use super::process_line::Command;
use super::shell::End;

/// The part of a line that activates an environment, with what separates it from the next command.
static PART: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x) (^|[\s'"(;&])
        (?: (?:(?:source|\.|call)\s+)? (?:(?:conda|mamba|micromamba|pyenv)\s+)? ["']?[^\s'"]*activate(?:\.\w+)?["']? (?:\s+[\w./-]+)*
          | workon\s+\S+ | pyenv\s+shell\s+\S+ | (?:poetry|pipenv|hatch)\s+shell )
        \s*(?:&&|;)\s*"#,
    )
    .ok()
});

/// `venv/bin/` before a program.
static OWN_PROGRAM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:\./|\$HOME/|/app/)?(?:[\w-]+/)*(?:\.?v?env|\.?virtualenv|env)/(?:bin|Scripts)/([\w.-]+?)(?:\.exe)?$").ok()
});

/// Returns whether a program is one of a virtual environment, by its path, or the script that activates it.
pub(super) fn is_of_environment(path: &str) -> bool {
    is_activation(path)
        || on_another_machine(path).is_some()
        || OWN_PROGRAM.as_ref().is_some_and(|pattern| pattern.is_match(path))
}

impl Command<'_> {
    /// `source venv/bin/activate && …`, `conda activate x && …`, `venv/bin/gunicorn …`
    pub(super) fn environment(&self) -> Option<Finding> {
        self.own_program().or_else(|| self.activation())
    }

    fn activation(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let program = invoked.program.as_str();
        let first = invoked.args.first().map(String::as_str);
        let (words, what, code) = match (program, first) {
            ("." | "source" | "call", Some("activate")) if invoked.args.len() > 1 => {
                (format!("{program} activate"), self.tool("conda")?, FindingCode::CommandFileNotFound)
            }
            ("." | "source" | "call", Some(path)) if is_activation(path) => (
                format!("{program} {path}"),
                self.absent_environment(path)?,
                FindingCode::CommandFileNotFound,
            ),
            ("conda" | "mamba" | "micromamba" | "pyenv", Some("activate")) | ("pyenv", Some("shell")) => (
                format!("{program} {}", first.unwrap_or_default()),
                self.tool(program)?,
                FindingCode::CommandNotInstalled,
            ),
            ("poetry" | "pipenv" | "hatch", Some("shell"))
                if !self
                    .line
                    .facts
                    .texts
                    .values()
                    .any(|text| text.contains(program) && text.contains("install")) =>
            {
                (format!("{program} shell"), self.tool(program)?, FindingCode::CommandNotInstalled)
            }
            ("workon", Some(_)) => {
                ("workon".to_owned(), self.tool("virtualenvwrapper")?, FindingCode::CommandNotInstalled)
            }
            (path, _) if is_activation(path) => {
                (path.to_owned(), self.absent_environment(path)?, FindingCode::CommandFileNotFound)
            }
            _ => return None,
        };
        let (effect, severity) = match invoked.end {
            End::And => ("so nothing behind it is run", Severity::Error),
            // bash goes on with the next command.
            End::Line if line.process.command.contains(';') => {
                ("so it does nothing but write an error", Severity::Note)
            }
            End::Line => ("so the process ends at once", Severity::Error),
            _ => return None,
        };
        let message = format!("`{words}` fails in a dyno, {effect}: {what}.");
        let place = if line.process.text.contains(&words) { words.as_str() } else { program };
        Some(
            line.finding(code, message, place, "isn't in the slug")
                .with_severity(severity)
                .with_fix(self.without_part()),
        )
    }

    fn without_part(&self) -> String {
        let process = self.line.process;
        let cut = PART.as_ref().map(|part| part.replace(process.command, "${1}"));
        match cut.filter(|cut| cut != process.command) {
            Some(rest) => format!(
                "Leave that part out: the packages are installed for the app's own Python. \
                 The line is then:\n{}",
                line_to_paste(process.name, &rest)
            ),
            None => "Leave that part out: the packages are installed for the app's own Python.".to_owned(),
        }
    }

    /// Says why a tool isn't there, unless a script of the app or another buildpack may bring it.
    fn tool(&self, tool: &str) -> Option<String> {
        const NAMES: &[&str] = &["app.json", ".buildpacks", "Aptfile"];
        let Self { line, before, .. } = *self;
        let is_script =
            |path: &str| path.starts_with(".profile") || path.starts_with("bin/") || NAMES.contains(&path);
        let word = if tool == "virtualenvwrapper" { "workon" } else { tool };
        let is_named = line
            .facts
            .texts
            .iter()
            .any(|(path, text)| is_script(path) && (text.contains(tool) || text.contains(word)));
        let is_there =
            line.facts.installed.as_ref().is_some_and(|installed| installed.programs.contains(tool));
        let is_conda = tool == "conda" && line.facts.has_file("conda-requirements.txt");
        let is_open =
            before.iter().any(|earlier| !["cd", "export", "echo", ""].contains(&earlier.program.as_str()));
        (!is_named && !is_there && !is_conda && !is_open)
            .then(|| format!("a slug has no {tool}, and no environment of its own"))
    }

    fn absent_environment(&self, path: &str) -> Option<String> {
        let dir = environment_of(path);
        let text = format!("the slug has no virtual environment `{dir}`");
        let is_elsewhere = path.starts_with("/home/")
            || path.starts_with("/Users/")
            || path.contains('\\')
            || !path.contains('/');
        (is_elsewhere || self.lacks(path.strip_prefix("./").unwrap_or(path))).then_some(text)
    }

    fn own_program(&self) -> Option<Finding> {
        let Self { line, invoked, .. } = *self;
        let path = invoked.program.as_str();
        let name = OWN_PROGRAM
            .as_ref()
            .and_then(|pattern| pattern.captures(path))
            .and_then(|found| found.get(1))
            .map(|name| name.as_str())
            .or_else(|| on_another_machine(path))?;
        if is_activation(path) {
            return None;
        }
        if path.starts_with("/usr/") || path.ends_with(".exe") {
            let process = line.process;
            let message = format!(
                "The process type `{}` runs `{path}`, which no dyno has: programs of packages are on the PATH.",
                process.name
            );
            let rest = process.command.replacen(path, name, 1);
            let finding = line.finding(FindingCode::CommandFileNotFound, message, path, "isn't there");
            return Some(finding.with_fix(format!("Write:\n{}", line_to_paste(process.name, &rest))));
        }
        if !self.lacks(below_home(path).unwrap_or(path)) {
            return None;
        }
        let process = line.process;
        let message = format!(
            "The process type `{}` runs `{path}`, and the slug has no virtual environment: its programs are on the PATH.",
            process.name
        );
        let rest = process.command.replacen(path, name, 1);
        Some(
            line.finding(FindingCode::CommandFileNotFound, message, path, "isn't there")
                .with_fix(format!("Write:\n{}", line_to_paste(process.name, &rest))),
        )
    }

    /// Whether the app surely doesn't have a file, whatever its directory is called.
    fn lacks(&self, path: &str) -> bool {
        if path.starts_with("/home/") || path.starts_with("/Users/") {
            return true;
        }
        if path.starts_with(['/', '~', '-']) {
            return below_home(path).is_some_and(|path| self.is_surely_absent(path, false));
        }
        let path = join(&self.invoked.dir, path);
        !path.contains("..") && self.is_surely_absent(&path, false)
    }
}

/// Returns the name of a Python program that is written with the path, or the ending, of another machine.
fn on_another_machine(path: &str) -> Option<&str> {
    let places = ["/usr/bin/", "/usr/local/bin/"];
    let in_system = places.iter().find_map(|dir| path.strip_prefix(dir)).filter(|name| !is_python(name));
    let at_home = || {
        let is_there = path.starts_with("/home/") || path.starts_with("/Users/");
        path.rsplit_once('/').map(|(_, name)| name).filter(|_| is_there)
    };
    let for_windows = || path.strip_suffix(".exe").filter(|name| !name.contains(['/', '\\']));
    let name = in_system.or_else(at_home).or_else(for_windows)?;
    (package_of_program(name).is_some() || is_python(name)).then_some(name)
}

/// Whether a path is the script of a virtual environment; a shell takes the backslashes of Windows away.
fn is_activation(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    let is_script = ["activate", "activate.sh", "activate.bat", "activate.ps1"].contains(&name.as_str());
    (is_script && path.contains(['/', '\\']))
        || name.ends_with("scriptsactivate")
        || name.ends_with("scriptsactivate.bat")
}

fn environment_of(path: &str) -> &str {
    ["/bin/", "/Scripts/", "Scriptsactivate", "Scriptsactivate.bat"]
        .iter()
        .find_map(|middle| path.rsplit_once(middle))
        .map_or(path, |(dir, _)| dir)
}

#[cfg(test)]
mod tests {
    use crate::check::finding::Finding;
    use crate::check::line_tests::found;

    const NOT_FOUND: &str = "command::file-not-found";
    const NOT_INSTALLED: &str = "command::not-installed";

    // C16
    #[test]
    fn an_environment_that_is_activated_is_left_out_of_the_line() {
        for (command, id, rest) in [
            ("source venv/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            (". venv/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            (". ./.venv/bin/activate && exec gunicorn wsgi:app", NOT_FOUND, "\nweb: exec gunicorn wsgi:app"),
            ("source ~/venv/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            ("source /app/env/bin/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            (
                "source /home/me/site/venv/bin/activate && gunicorn wsgi:app",
                NOT_FOUND,
                "\nweb: gunicorn wsgi:app",
            ),
            (". venv/bin/activate; gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            (".venv/Scripts/activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            ("venv\\Scripts\\activate && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            ("venv/Scripts/activate.bat && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            (
                "bash -c 'source venv/bin/activate && gunicorn wsgi:app'",
                NOT_FOUND,
                "\nweb: bash -c 'gunicorn wsgi:app'",
            ),
            (
                "source venv/bin/activate && gunicorn -b 0.0.0.0:8000 wsgi:app",
                NOT_FOUND,
                "\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
            ),
            ("source activate x && gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            ("conda activate x && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
            ("pyenv activate x && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
            ("workon x && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
            ("pipenv shell && gunicorn wsgi:app", NOT_INSTALLED, "\nweb: gunicorn wsgi:app"),
            ("venv/bin/gunicorn wsgi:app", NOT_FOUND, "\nweb: gunicorn wsgi:app"),
            (
                ".venv/bin/gunicorn -b 127.0.0.1:8000 wsgi:app",
                NOT_FOUND,
                "\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app",
            ),
            ("./venv/bin/python -m gunicorn wsgi:app", NOT_FOUND, "\nweb: python -m gunicorn wsgi:app"),
        ] {
            let found = found(&format!("web: {command}\n"), &[]);
            let errors: Vec<&Finding> =
                found.iter().filter(|finding| finding.code.entry().id != "command::fixed-port").collect();
            let [error] = errors.as_slice() else { panic!("{command}: {found:#?}") };
            assert_eq!(error.code.entry().id, id, "{command}");
            assert!(error.fix().contains(rest), "{command}: {}", error.fix());
        }
        for (command, more) in [
            ("source venv/bin/activate && gunicorn wsgi:app", &[("venv/bin/activate", "")][..]),
            (". venv/bin/activate && gunicorn wsgi:app", &[("bin/post_compile", "python -m venv venv\n")]),
            (
                "conda activate x && gunicorn wsgi:app",
                &[(".profile", ". miniconda/etc/profile.d/conda.sh\n")],
            ),
            (
                "conda activate x && gunicorn wsgi:app",
                &[("app.json", "{\"buildpacks\": [{\"url\": \"x/conda\"}]}")],
            ),
            ("source ./activate-settings.sh && gunicorn wsgi:app", &[("activate-settings.sh", "")]),
            ("source $VENV/bin/activate && gunicorn wsgi:app", &[]),
            ("source venv/bin/activate || true; gunicorn wsgi:app", &[]),
            ("[ -d venv ] && . venv/bin/activate; gunicorn wsgi:app", &[]),
            ("python -m venv venv && . venv/bin/activate && gunicorn wsgi:app", &[]),
            (
                "venv/bin/gunicorn wsgi:app",
                &[("venv/bin/gunicorn.sh", ""), ("bin/post_compile", "python -m venv venv")],
            ),
        ] {
            let found = found(&format!("web: {command}\n"), more);
            assert!(found.is_empty(), "{command} {found:#?}");
        }
    }
}
