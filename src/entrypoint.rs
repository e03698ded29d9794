//! Arguments and environment in, exit code out: which door is it?

use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use crate::env::Env;
use crate::error::{ErrorCode, Failure, UserError};
use crate::{classic, cli};

/// Something that can't happen has happened: a bug.
#[derive(Debug, thiserror::Error)]
#[error("slugc {}, {place}: {message}", env!("CARGO_PKG_VERSION"))]
struct InternalError {
    place: String,
    message: String,
}

impl UserError for InternalError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InternalAbort
    }

    fn detail(&self) -> Option<String> {
        Some(format!("{} ({})", self.message, self.place))
    }
}

impl InternalError {
    fn of(panic: &PanicHookInfo<'_>) -> Self {
        let place = panic.location().map_or_else(|| "somewhere".to_owned(), ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message").to_owned();
        Self { place, message }
    }
}

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    // What whoever started us has left open is for nobody whom we start.
    close_fds::set_fds_cloexec(3, &[]);
    // A slug is the same whatever this process may be told to keep from others. Who may write is the caller's to say:
    // groups share stores.
    let given = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::umask(given & rustix::fs::Mode::from_raw_mode(0o022));
    let env = Env { umask: given.bits(), ..Env::capture() };
    answer_panics(&env);
    run(env)
}

/// Has a bug answered as any other error is: with an id, what to report, and an exit code. In whichever thread it is
/// met, the program ends.
pub fn answer_panics(env: &Env) {
    let env = env.clone();
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if env.is_on("RUST_BACKTRACE") {
            default(panic);
        }
        let failure = Failure::from(InternalError::of(panic));
        let code = match env.args.get(1).and_then(|door| door.to_str()) {
            Some("classic") => classic::answer_internal_error(&env, &failure),
            _ => cli::answer_internal_error(&env, &failure),
        };
        std::process::exit(code.into());
    }));
}

/// Runs the program.
///
/// `slugc classic NAME …` is the classic buildpack's `bin/NAME …`; everything else is the command line.
fn run(env: Env) -> ExitCode {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        let number = usize::try_from(signal).unwrap_or_default();
        // Without a handler the signal ends the program at once, which leaves temporary files behind but no harm.
        let _ = signal_hook::flag::register_usize(signal, env.interrupt.flag(), number);
    }
    // A file that grows beyond a limit would end the program without a word; with a handler, the write fails.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    match env.args.get(1).and_then(|door| door.to_str()) {
        Some("classic") => classic::run(&env, &env.args[2..]),
        _ => cli::run(&env),
    }
}
