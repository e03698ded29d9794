//! Arguments and environment in, exit code out: which door is it?

use std::process::ExitCode;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::env::Env;
use crate::{classic, cli};

/// Runs the program.
///
/// `slugc classic NAME …` is the classic buildpack's `bin/NAME …`; everything else is the command line.
pub fn run(env: Env) -> ExitCode {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let number = usize::try_from(signal).unwrap_or_default();
        // Without a handler the signal ends the program at once, which leaves temporary files behind but no harm.
        let _ = signal_hook::flag::register_usize(signal, env.interrupt.flag(), number);
    }
    match env.args.get(1).and_then(|door| door.to_str()) {
        Some("classic") => classic::run(&env, &env.args[2..]),
        _ => cli::run(&env),
    }
}
