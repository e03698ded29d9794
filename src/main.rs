//! The street: arguments and environment in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    let env = slugc::env::Env::capture();
    slugc::answer_panics(&env);
    slugc::run(env)
}
