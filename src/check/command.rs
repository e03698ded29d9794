//! Reads the commands of a Procfile: which programs they run, which app a server serves, and where it listens.
//! Whatever a shell would have to decide is left open.

use super::shell::{End, Simple, Word, read_commands};

/// One program that a command runs, with what it is told. The program is empty where variables are set and nothing
/// is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Invoked {
    /// The directory that it runs in, relative to the app; empty for the app's own.
    pub(super) dir: String,
    /// Variables that are set for it alone.
    pub(super) variables: Vec<(String, String)>,
    /// Variables that earlier commands of the line have exported.
    pub(super) exported: Vec<(String, String)>,
    /// Programs that run it: `poetry run`, `newrelic-admin run-program`.
    pub(super) wrappers: Vec<String>,
    /// The program as it is written; `gunicorn` for `python -m gunicorn`, too.
    pub(super) program: String,
    /// Whether it is a module that Python runs by `-m`.
    pub(super) is_module: bool,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// The program's word, with what a shell does with it.
    pub(super) word: Word,
    /// The words of the arguments.
    pub(super) words: Vec<Word>,
    /// The files that its output goes to.
    pub(super) outputs: Vec<Word>,
    /// What follows it.
    pub(super) end: End,
    /// Whether something decides if it is run.
    pub(super) is_conditional: bool,
    /// The number of its line in a script, from 1.
    pub(super) line: usize,
}

/// Programs that run another one, and the words that stand between.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("poetry", &["run"]),
    ("pipenv", &["run"]),
    ("uv", &["run"]),
    ("pdm", &["run"]),
    ("newrelic-admin", &["run-program"]),
    ("ddtrace-run", &[]),
    ("opentelemetry-instrument", &[]),
    ("exec", &[]),
    ("env", &[]),
    ("nohup", &[]),
    ("time", &[]),
];

/// Options of wrappers that have no value.
const WRAPPER_FLAGS: &[&str] =
    &["--no-sync", "--frozen", "--locked", "--no-dev", "--offline", "--quiet", "-q", "--"];

/// Package managers whose `run` a slug doesn't have.
pub(super) const PACKAGE_MANAGERS: &[&str] = &["poetry", "pipenv", "uv", "pdm"];

/// Programs that run a script, or a line that is given to them by `-c`.
const SHELLS: &[&str] = &["bash", "sh", "dash", "/bin/bash", "/bin/sh", "/usr/bin/bash"];

/// How deep lines are in lines: `bash -c "sh -c …"`.
const MAX_NESTING: usize = 3;

/// Reads a command, or a script. What a shell doesn't take gives nothing, and neither does what runs in a directory
/// that only the shell knows.
pub(super) fn parse_command(command: &str) -> Vec<Invoked> {
    let mut reader = Reader { invoked: Vec::new(), nesting: 0 };
    reader.read(command, &Scope { dir: Some(String::new()), exported: Vec::new() });
    reader.invoked
}

/// What a shell knows where a command is run.
#[derive(Debug, Clone)]
struct Scope {
    /// The directory, relative to the app; none if only the shell knows.
    dir: Option<String>,
    exported: Vec<(String, String)>,
}

struct Reader {
    invoked: Vec<Invoked>,
    nesting: usize,
}

impl Reader {
    fn read(&mut self, command: &str, scope: &Scope) {
        let mut scopes: Vec<(usize, Scope)> = vec![(0, scope.clone())];
        let mut commands = read_commands(command).unwrap_or_default().into_iter().peekable();
        while let Some(simple) = commands.next() {
            let shared = scopes.iter().skip(1).zip(&simple.subshells).take_while(|(a, b)| a.0 == **b).count();
            scopes.truncate(shared + 1);
            for subshell in &simple.subshells[shared..] {
                let inner = scopes.last().map_or(scope, |(_, outer)| outer).clone();
                scopes.push((*subshell, inner));
            }
            if let Some((_, scope)) = scopes.last_mut() {
                let may_stay = may_stay(&simple, commands.peek());
                self.simple(simple, scope);
                if may_stay {
                    scope.dir = None;
                }
            }
        }
    }

    fn simple(&mut self, simple: Simple, scope: &mut Scope) {
        let Simple { words, outputs, end, is_conditional, line, .. } = simple;
        let Some(dir) = scope.dir.clone() else { return };
        let mut one = Invoked {
            outputs,
            end,
            is_conditional,
            line,
            exported: scope.exported.clone(),
            ..parse_simple(&words, &dir)
        };
        if one.program == "cd" && !is_conditional {
            scope.dir = one.words.first().map_or(Some(String::new()), |target| own_dir(&dir, target));
        }
        if !is_conditional {
            scope.exported.extend(one.exports());
        }
        match one.command_line().filter(|_| self.nesting < MAX_NESTING) {
            Some(line) => {
                let first = self.invoked.len();
                self.nesting += 1;
                let mut exported = one.exported.clone();
                exported.append(&mut one.variables);
                self.read(&line, &Scope { dir: Some(dir), exported });
                self.nesting -= 1;
                for inner in &mut self.invoked[first..] {
                    inner.is_conditional |= is_conditional;
                }
                if let Some(last) = self.invoked[first..].last_mut().filter(|last| last.end == End::Line) {
                    last.end = end;
                }
            }
            None => self.invoked.push(one),
        }
    }
}

/// Whether a shell may stay where it is: its `cd` may fail, and the line foresees that. `cd build 2>/dev/null; …`,
/// `cd build || true; …`
fn may_stay(simple: &Simple, next: Option<&Simple>) -> bool {
    let first = |simple: &Simple| simple.words.first().map(|word| word.text.clone()).unwrap_or_default();
    let ends = next.is_some_and(|next| ["exit", "false", "return"].contains(&first(next).as_str()));
    let is_quiet = simple.outputs.iter().any(|output| output.text == "/dev/null");
    let is_caught = simple.end == End::Or && !ends || simple.end == End::Line && is_quiet;
    first(simple) == "cd" && !simple.is_conditional && is_caught
}

/// Returns a path below the app's directory, which is the home directory of a dyno, if it is written so.
pub(super) fn below_home(path: &str) -> Option<&str> {
    ["/app/", "$HOME/", "${HOME}/", "~/"].iter().find_map(|home| path.strip_prefix(home))
}

/// Returns the directory that `cd` leads to, relative to the app, if it is the app's.
fn own_dir(dir: &str, target: &Word) -> Option<String> {
    let text = target.text.as_str();
    let own = ["/app", "$HOME", "${HOME}", "~"]
        .iter()
        .find_map(|home| text.strip_prefix(home).filter(|rest| rest.is_empty() || rest.starts_with('/')));
    match own {
        Some(rest) => Some(join("", rest)),
        None if text.starts_with(['/', '-']) || text.contains(['$', '`', '*', '~']) => None,
        None => Some(join(dir, text)),
    }
}

fn parse_simple(words: &[Word], dir: &str) -> Invoked {
    let mut invoked = Invoked { dir: dir.to_owned(), ..Invoked::default() };
    let mut words = words;
    loop {
        let Some((first, rest)) = words.split_first() else { return invoked };
        if let Some((name, value)) = assignment(&first.text) {
            invoked.variables.push((name.to_owned(), value.to_owned()));
            words = rest;
            continue;
        }
        let wrapper = WRAPPERS.iter().find(|(name, between)| {
            *name == first.text
                && rest.len() >= between.len()
                && between.iter().zip(rest).all(|(word, given)| *word == given.text)
        });
        let Some((name, between)) = wrapper else { break };
        let mut rest = &rest[between.len()..];
        while let Some((flag, behind)) = rest.split_first()
            && WRAPPER_FLAGS.contains(&flag.text.as_str())
        {
            rest = behind;
        }
        // Other options of the wrapper itself could take values: what follows is then anybody's guess.
        if rest.first().is_some_and(|word| word.text.starts_with('-')) {
            invoked.wrappers.push((*name).to_owned());
            return invoked;
        }
        if !["exec", "env", "nohup", "time"].contains(name) {
            invoked.wrappers.push((*name).to_owned());
        }
        words = rest;
    }
    let Some((program, mut args)) = words.split_first() else { return invoked };
    invoked.program.clone_from(&program.text);
    invoked.word = program.clone();
    if is_python(&program.text) {
        while let Some((first, rest)) = args.split_first() {
            match first.text.as_str() {
                "-m" => {
                    let Some((module, rest)) = rest.split_first() else { break };
                    invoked.program.clone_from(&module.text);
                    invoked.is_module = true;
                    args = rest;
                    break;
                }
                "-W" | "-X" => args = rest.get(1..).unwrap_or_default(),
                flag if flag.starts_with('-') && !flag.starts_with("-c") && flag.len() > 1 => args = rest,
                _ => break,
            }
        }
    }
    invoked.args = args.iter().map(|word| word.text.clone()).collect();
    invoked.words = args.to_vec();
    invoked
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then_some((name, value))
}

/// Returns whether a program is a Python interpreter.
pub(super) fn is_python(program: &str) -> bool {
    program
        .strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '.'))
}

/// Joins two relative paths; what leads out of the app stays as it is.
pub(super) fn join(dir: &str, path: &str) -> String {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && !parts.is_empty() {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

impl Invoked {
    /// Returns the values of an option, by any of its names: `--port 80`, `--port=80`, `-p 80`, `-p80`.
    pub(super) fn option(&self, names: &[&str]) -> Vec<&str> {
        let mut values = Vec::new();
        for (index, word) in self.args.iter().enumerate() {
            for name in names {
                if word == name {
                    values.extend(self.args.get(index + 1).map(String::as_str));
                } else if let Some(rest) = word.strip_prefix(name) {
                    if let Some(value) = rest.strip_prefix('=') {
                        values.push(value);
                    } else if !name.starts_with("--") && name.len() == 2 && !word.starts_with("--") {
                        values.push(rest);
                    }
                }
            }
        }
        values
    }

    /// Returns whether an option without a value is there.
    pub(super) fn has_flag(&self, names: &[&str]) -> bool {
        self.args.iter().any(|word| names.contains(&word.as_str()))
    }

    /// Returns the value of a variable that the line sets for the program.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let all = self.exported.iter().chain(&self.variables);
        all.rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the command line that a shell is given by `-c`.
    fn command_line(&self) -> Option<String> {
        let (flag, line) = (self.args.first()?, self.args.get(1)?);
        let is_given = flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('c');
        (SHELLS.contains(&self.program.as_str()) && is_given && self.args.len() == 2).then(|| line.clone())
    }

    /// Returns the variables that it sets for what comes after it in the same shell. PORT is in every dyno's
    /// environment, so a plain assignment reaches programs, too.
    fn exports(&self) -> Vec<(String, String)> {
        match self.program.as_str() {
            "export" => self
                .args
                .iter()
                .filter_map(|word| assignment(word))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            "" if self.wrappers.is_empty() => {
                self.variables.iter().filter(|(name, _)| name == "PORT").cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the script of the app's that a shell runs or reads: `./x.sh`, `bash x.sh`, `. x.sh`.
    pub(super) fn shell_script(&self) -> Option<String> {
        let word = match self.program.as_str() {
            "." | "source" => self.args.first()?,
            program if SHELLS.contains(&program) => {
                self.args.iter().find(|word| !word.starts_with(['-', '+']))?
            }
            program if program.contains('/') && !self.is_module => &self.program,
            _ => return None,
        };
        match below_home(word) {
            Some(path) => Some(join("", path)),
            None if word.starts_with('/') || word.contains(['$', '`', '*', '~']) => None,
            None => Some(join(&self.dir, word)),
        }
    }

    /// Returns the script that Python runs, relative to the app.
    pub(super) fn script(&self) -> Option<String> {
        let first = self.args.first()?;
        let is_script = is_python(&self.program) && !self.is_module && !first.starts_with(['-', '$', '/']);
        is_script.then(|| join(&self.dir, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(command: &str) -> Vec<String> {
        let invoked = parse_command(command).into_iter().map(|invoked| invoked.program);
        invoked.filter(|program| !program.is_empty() && program != "cd").collect()
    }

    #[test]
    fn programs_are_found_behind_what_a_shell_puts_before_them() {
        for (command, expected) in [
            ("gunicorn app:app", &["gunicorn"][..]),
            ("exec gunicorn app:app", &["gunicorn"]),
            ("A=1 B='x y' gunicorn app:app", &["gunicorn"]),
            ("env A=1 gunicorn app:app", &["gunicorn"]),
            ("python -m gunicorn app:app", &["gunicorn"]),
            ("python3.13 -u -m uvicorn app:app", &["uvicorn"]),
            ("poetry run gunicorn app:app", &["gunicorn"]),
            ("newrelic-admin run-program gunicorn app:app", &["gunicorn"]),
            ("python manage.py migrate && gunicorn app:app", &["python", "gunicorn"]),
            ("a;b|c||d & e", &["a", "b", "c", "d", "e"]),
            ("a 'x;y' 2>&1", &["a"]),
            ("python -c 'import x; y'", &["python"]),
            ("cd src && gunicorn app:app", &["gunicorn"]),
            ("gunicorn 'unbalanced", &[]),
            ("", &[]),
            ("bash -c 'python manage.py migrate && gunicorn app:app'", &["python", "gunicorn"]),
            ("sh -lc \"exec gunicorn app:app\"", &["gunicorn"]),
            ("(cd src && a); b", &["a", "b"]),
            ("if [ -f x ]; then gunicorn app:app; fi", &["gunicorn"]),
            ("A=1; gunicorn app:app", &["gunicorn"]),
            ("uv run --no-sync gunicorn app:app", &["gunicorn"]),
            ("uv run --with x gunicorn app:app", &[]),
        ] {
            assert_eq!(programs(command), expected, "{command}");
        }
    }

    #[test]
    fn options_have_values_however_they_are_written() {
        let command = "gunicorn -w4 --bind=0.0.0.0:80 -b :$PORT --timeout 30 app:app --preload";
        let invoked = &parse_command(command)[0];
        assert_eq!(invoked.option(&["-b", "--bind"]), ["0.0.0.0:80", ":$PORT"]);
        assert_eq!(invoked.option(&["-w", "--workers"]), ["4"]);
        assert_eq!(invoked.option(&["--timeout"]), ["30"]);
        assert!(invoked.has_flag(&["--preload"]) && !invoked.has_flag(&["--reload"]));
        for (command, dir) in [
            ("cd /app/src && a", Some("src")),
            ("cd \"$HOME/src\" && a", Some("src")),
            ("cd ~ && a", Some("")),
            ("cd && a", Some("")),
            ("(cd src && true); a", Some("")),
            ("cd src; cd lib; a", Some("src/lib")),
            ("cd src && bash -c 'cd lib && a'", Some("src/lib")),
            ("cd /opt/x && a", None),
            ("cd $DIR && a", None),
        ] {
            let last = parse_command(command).pop().filter(|invoked| invoked.program == "a");
            assert_eq!(last.map(|invoked| invoked.dir).as_deref(), dir, "{command}");
        }
        for (command, value) in [
            ("export A=1; a", Some("1")),
            ("export A=1 B=2 && A=3 a", Some("3")),
            ("(export A=1); a", None),
            ("A=1; a", None),
            ("[ x ] && export A=1; a", None),
            ("export A=1; bash -c a", Some("1")),
            ("A=1 bash -c a", Some("1")),
        ] {
            assert_eq!(parse_command(command).pop().unwrap().variable("A"), value, "{command}");
        }
        let invoked = parse_command("cd src/x/.. && python run.py").pop().unwrap();
        assert_eq!(invoked.script().as_deref(), Some("src/run.py"));
        for (command, script) in [
            ("sh setup.sh", Some("setup.sh")),
            ("bash -x ./bin/setup.sh", Some("bin/setup.sh")),
            (". ./env.sh", Some("env.sh")),
            ("cd src && ./run.sh", Some("src/run.sh")),
            ("/app/run.sh", Some("run.sh")),
            ("/usr/bin/env", None),
            ("gunicorn app:app", None),
        ] {
            let invoked = parse_command(command).pop().unwrap();
            assert_eq!(invoked.shell_script().as_deref(), script, "{command}");
        }
    }
}
