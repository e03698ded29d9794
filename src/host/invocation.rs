//! A program to run, described.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::url::redact;

/// A program to run: a value that a test can look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The directory it starts in.
    pub current_dir: PathBuf,
    /// Its whole environment: nothing else is inherited.
    pub env: BTreeMap<OsString, OsString>,
    /// What it reads from standard input; nothing if empty.
    pub stdin: Vec<u8>,
    /// What is started in its place, and starts it where it can reach less.
    pub carrier: Option<Box<Invocation>>,
}

impl Invocation {
    /// Describes a program with an empty environment, in the directory `/`.
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            current_dir: PathBuf::from("/"),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            carrier: None,
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the directory it starts in.
    pub(crate) fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.current_dir = dir.into();
        self
    }

    /// Sets what it reads from standard input.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Returns the command line as it can be shown: addresses are without credentials and queries. The environment,
    /// by which programs get config vars, isn't part of it.
    pub(crate) fn command_line(&self) -> String {
        let words = [self.program.as_os_str()].into_iter().chain(self.args.iter().map(OsString::as_os_str));
        words.map(|word| quoted(&shown(&word.to_string_lossy()))).collect::<Vec<_>>().join(" ")
    }

    /// Returns the program's file name.
    pub(crate) fn name(&self) -> String {
        self.program.file_name().unwrap_or(OsStr::new("program")).to_string_lossy().into_owned()
    }
}

fn shown(argument: &str) -> String {
    let words = argument.split(' ');
    let words = words.map(|word| if word.contains("://") { redact(word) } else { word.to_owned() });
    words.collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell, if it needs that; line breaks are shown as `\n`.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "@%+=:,./-_".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_shown_without_secrets() {
        let invocation = Invocation::new("/usr/bin/uv")
            .args(["pip", "install", "--index-url=https://me:hush@index.test/simple?token=hush", ""])
            .args(["https://hush@a.test/x https://b.test", "it's", "import sys\nsys.exit()"])
            .env("TOKEN", "hush");
        assert_eq!(
            invocation.command_line(),
            "/usr/bin/uv pip install --index-url=https://index.test/simple '' 'https://a.test/x https://b.test' \
             'it'\\''s' 'import sys\\nsys.exit()'"
        );
    }
}
