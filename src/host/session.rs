//! A session of its own for a program that runs beside the user's own: it has no controlling terminal then, or one of its
//! own, and can't type into the user's shell.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::termios::isatty;

use super::file_system::explain_start;
use super::invocation::Invocation;
use crate::env::Env;

/// The command by which this program starts another one in a session of its own.
pub(crate) const SESSION_COMMAND: &str = "session";

/// The exit code if a program isn't there, as of a shell.
const NOT_FOUND: u8 = 127;

/// Returns whether this process has a controlling terminal, which what it starts could open.
pub(super) fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Describes the start of a program in a session of its own. Where this program's file isn't known, it is started as it
/// is.
pub(crate) fn in_session(program: Invocation, env: &Env) -> Invocation {
    let Some(own) = &env.program else { return program };
    let Invocation { program, args, current_dir, env, stdin, carrier: _ } = program;
    let wrapped = Invocation::new(own).args([SESSION_COMMAND, "--"]).arg(program).args(args);
    Invocation { current_dir, env, stdin, ..wrapped }
}

/// Begins a session, whose terminal is standard input if that is one, and becomes the program.
pub(crate) fn run_in_session(words: &[OsString]) -> ExitCode {
    let Some((program, args)) = words.split_first() else { return ExitCode::from(NOT_FOUND) };
    // Who leads a session or a group already has been started so.
    if setsid().is_ok() && isatty(io::stdin()) {
        // Another session's terminal stays that one's.
        let _ = ioctl_tiocsctty(io::stdin());
    }
    let error = explain_start(Path::new(program), Command::new(program).args(args).exec());
    eprintln!("{} couldn't be started: {error}", program.display());
    ExitCode::from(NOT_FOUND)
}
