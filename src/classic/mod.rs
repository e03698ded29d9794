//! The classic Heroku buildpack: `bin/detect`, `bin/compile`, `bin/release`.
//!
//! The build log goes to standard output, errors too: build systems and test harnesses read it there.

mod compile;
mod detect;
mod release;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::env::Env;
use crate::error::{Failure, Result};
use crate::output::{ColorChoice, Format, Output, OutputOptions, Stream};

/// Runs one of the buildpack's programs, with its arguments.
pub fn run(env: &Env, words: &[OsString]) -> ExitCode {
    let Some((name, arguments)) = words.split_first() else {
        return usage("a program: detect, compile or release");
    };
    let paths: Vec<PathBuf> = arguments.iter().map(|argument| env.absolute(argument)).collect();
    let options = OutputOptions {
        format: Format::Text,
        color: ColorChoice::Auto,
        quiet: false,
        stream: Stream::Stdout,
    };
    let output = Output::new(options, env);
    match (name.to_str(), paths.as_slice()) {
        (Some("detect"), [build_dir, ..]) => detect::run(build_dir, env),
        (Some("compile"), [build_dir, cache_dir, rest @ ..]) => finish(
            compile::run(build_dir, cache_dir, rest.first().map(PathBuf::as_path), env, &output),
            &output,
        ),
        (Some("release"), [build_dir, ..]) => finish(release::run(build_dir), &output),
        (Some("detect" | "release"), []) => usage("BUILD_DIR"),
        (Some("compile"), _) => usage("BUILD_DIR CACHE_DIR [ENV_DIR]"),
        _ => usage("a program: detect, compile or release"),
    }
}

fn usage(what: &str) -> ExitCode {
    use std::io::Write;
    // There is nobody left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "Give {what}.");
    ExitCode::from(2)
}

fn finish(result: Result<()>, output: &Output) -> ExitCode {
    let failed = |failure: Failure| {
        output.error(&failure);
        // The buildpack API knows success and failure only.
        ExitCode::from(1)
    };
    result.map_or_else(failed, |()| ExitCode::SUCCESS)
}
