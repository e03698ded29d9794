//! What the process was started with, read once in `main` and passed on as a value.

#![expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]

mod interrupt;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::PathBuf;

pub(crate) use interrupt::{Interrupt, Interrupted};

/// The arguments, environment variables and circumstances of this process.
#[derive(Debug, Clone)]
pub struct Env {
    /// The command line, program name first.
    pub args: Vec<OsString>,
    /// This program's file, unless it has been deleted since it was started.
    pub program: Option<PathBuf>,
    /// Every environment variable of the process.
    pub vars: BTreeMap<OsString, OsString>,
    /// The directory that relative paths on the command line start from.
    pub current_dir: PathBuf,
    /// The number of threads that can run at once.
    pub cores: usize,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// How many columns the terminal has that standard output is.
    pub stdout_columns: Option<u16>,
    /// How many columns the terminal has that standard error is.
    pub stderr_columns: Option<u16>,
    /// Becomes set when the user asks the program to stop.
    pub interrupt: Interrupt,
    /// The variables whose values no log may show.
    pub hidden: BTreeSet<OsString>,
    /// The permissions that the user's own files aren't to have. What goes into slugs doesn't depend on it.
    pub umask: u32,
    /// The variables that the app's requirements name: installers get them, whatever they are called.
    pub named: BTreeSet<OsString>,
}

impl Env {
    /// Reads the environment of this process.
    pub fn capture() -> Self {
        Self {
            args: std::env::args_os().collect(),
            program: std::env::current_exe().ok().filter(|file| file.is_file()),
            vars: std::env::vars_os().collect(),
            // A deleted working directory only matters to relative paths: those fail later, with a name.
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            stdout_columns: columns(std::io::stdout()),
            stderr_columns: columns(std::io::stderr()),
            interrupt: Interrupt::default(),
            hidden: BTreeSet::new(),
            umask: 0o022,
            named: BTreeSet::new(),
        }
    }

    /// Makes an environment with just these variables, for tests.
    pub fn for_tests(vars: &[(&str, &str)]) -> Self {
        Self {
            args: vec!["slugc".into()],
            program: None,
            vars: vars.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            current_dir: std::env::temp_dir(),
            cores: 2,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            stdout_columns: None,
            stderr_columns: None,
            interrupt: Interrupt::default(),
            hidden: BTreeSet::new(),
            umask: 0o022,
            named: BTreeSet::new(),
        }
    }

    /// How wide lines of prose are where there is no terminal.
    pub const WIDTH: usize = 80;

    /// Returns how wide lines of prose may be on a terminal of so many columns. Very long ones are hard to read.
    pub fn width(columns: Option<u16>) -> usize {
        columns.map_or(Self::WIDTH, |columns| usize::from(columns).clamp(20, 100))
    }

    /// Returns the permissions of a file that is written for the user, as if any other program had made it.
    pub fn file_mode(&self) -> u32 {
        0o666 & !self.umask
    }

    /// Returns the value of a variable; an empty value counts as none, as in a shell's `${NAME:-value}`.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Returns the value of a variable as text; a value that isn't UTF-8 counts as none.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.var(name).and_then(OsStr::to_str)
    }

    /// Returns how this program is called: the launcher in `bin` says how it was.
    pub fn own_command(&self) -> &str {
        self.text("SLUGC_COMMAND").unwrap_or("slugc")
    }

    /// Returns whether a switch variable is on: set, not empty, and neither `0`, `false` nor `no`.
    pub fn is_on(&self, name: &str) -> bool {
        self.var(name)
            .is_some_and(|value| !["0", "false", "no"].iter().any(|off| value.eq_ignore_ascii_case(off)))
    }

    /// Returns the user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.var("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
    }

    /// Returns the directories of `PATH`; relative ones are left out, as they would depend on the app.
    pub fn path_dirs(&self) -> Vec<PathBuf> {
        let path = self.var("PATH").unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
        std::env::split_paths(path).filter(|dir| dir.is_absolute()).collect()
    }

    /// Makes a path from the command line absolute, without touching the disk.
    pub fn absolute(&self, path: impl Into<PathBuf>) -> PathBuf {
        let path = path.into();
        if path.is_absolute() { path } else { self.current_dir.join(path) }
    }
}

/// Returns how many columns a terminal has. Some say 0, as they don't know.
fn columns(stream: impl std::os::fd::AsFd) -> Option<u16> {
    rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let env = Env::for_tests(&[("A", ""), ("B", "0"), ("C", "1")]);
        assert_eq!(env.var("A"), None);
        assert!(!env.is_on("B"));
        assert!(env.is_on("C"));
    }

    #[test]
    fn relative_path_entries_are_left_out() {
        let env = Env::for_tests(&[("PATH", "bin:/usr/bin:.:/bin")]);
        assert_eq!(env.path_dirs(), [PathBuf::from("/usr/bin"), PathBuf::from("/bin")]);
    }
}
