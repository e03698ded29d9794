//! Reads the commands of a Procfile: which programs they run, which app a server serves, and where it listens.
//! Whatever a shell would have to decide is left open.

/// One program that a command runs, with what it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Invoked {
    /// The directory that it runs in, relative to the app; empty for the app's own.
    pub(super) dir: String,
    /// Variables that are set for it alone.
    pub(super) variables: Vec<(String, String)>,
    /// Programs that run it: `poetry run`, `newrelic-admin run-program`.
    pub(super) wrappers: Vec<String>,
    /// The program as it is written; `gunicorn` for `python -m gunicorn`, too.
    pub(super) program: String,
    /// Whether it is a module that Python runs by `-m`.
    pub(super) is_module: bool,
    /// Its arguments.
    pub(super) args: Vec<String>,
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

/// Package managers whose `run` a slug doesn't have.
pub(super) const PACKAGE_MANAGERS: &[&str] = &["poetry", "pipenv", "uv", "pdm"];

/// Reads a command. What can't be split into words as a shell does gives nothing.
pub(super) fn parse_command(command: &str) -> Vec<Invoked> {
    let Some(words) = shlex::split(&spaced_operators(command)) else { return Vec::new() };
    let mut invoked = Vec::new();
    let mut dir = String::new();
    for words in words.split(|word| ["&&", "||", ";", "|", "&"].contains(&word.as_str())) {
        match words {
            [cd, target] if cd == "cd" => dir = join(&dir, target),
            [] => {}
            words => invoked.extend(parse_simple(words, &dir)),
        }
    }
    invoked
}

/// Puts spaces around the operators that stand outside of quotes.
fn spaced_operators(command: &str) -> String {
    let mut spaced = String::with_capacity(command.len() + 8);
    let mut quote = None;
    let mut before = ' ';
    let mut letters = command.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '\'' | '"') if before != '\\' => quote = Some(letter),
            (Some(open), letter) if open == letter && before != '\\' => quote = None,
            // `2>&1` isn't an end.
            (None, ';' | '|' | '&') if before != '\\' && before != '>' && letters.peek() != Some(&'>') => {
                let double = letters.next_if_eq(&letter).is_some();
                spaced.push_str(&format!(
                    " {letter}{} ",
                    if double { letter.to_string() } else { String::new() }
                ));
                before = ' ';
                continue;
            }
            _ => {}
        }
        spaced.push(letter);
        before = letter;
    }
    spaced
}

fn parse_simple(words: &[String], dir: &str) -> Option<Invoked> {
    let mut invoked = Invoked { dir: dir.to_owned(), ..Invoked::default() };
    let mut words = words;
    loop {
        let (first, rest) = words.split_first()?;
        if let Some((name, value)) = assignment(first) {
            invoked.variables.push((name.to_owned(), value.to_owned()));
            words = rest;
            continue;
        }
        let wrapper = WRAPPERS.iter().find(|(name, between)| {
            name == first && rest.len() >= between.len() && between.iter().zip(rest).all(|(a, b)| a == b)
        });
        let Some((name, between)) = wrapper else { break };
        // Options of the wrapper itself could take values: what follows is then anybody's guess.
        let rest = &rest[between.len()..];
        if rest.first().is_some_and(|word| word.starts_with('-')) {
            invoked.wrappers.push((*name).to_owned());
            return Some(invoked);
        }
        if !["exec", "env", "nohup", "time"].contains(name) {
            invoked.wrappers.push((*name).to_owned());
        }
        words = rest;
    }
    let (program, mut args) = words.split_first()?;
    invoked.program.clone_from(program);
    if is_python(program) {
        while let Some((first, rest)) = args.split_first() {
            match first.as_str() {
                "-m" => {
                    let (module, rest) = rest.split_first()?;
                    invoked.program.clone_from(module);
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
    invoked.args = args.to_vec();
    Some(invoked)
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

    /// Returns the value of a variable that is set for the program alone.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
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
        parse_command(command).into_iter().map(|invoked| invoked.program).collect()
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
        assert_eq!(parse_command("cd src/x/.. && python run.py")[0].script().as_deref(), Some("src/run.py"));
    }
}
