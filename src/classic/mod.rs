//! The classic Heroku buildpack: `bin/detect`, `bin/compile`, `bin/release`, `bin/report`,
//! `bin/test-compile` and `bin/test`.
//!
//! The build log goes to standard output, errors too: build systems and test harnesses read it there.

mod cache;
mod causes;
mod checks;
mod compile;
mod detect;
mod place;
mod release;
mod report;
mod site;
mod stack;
mod test;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::build::config_vars::ConfigVars;
use crate::build::record::Record;
use crate::env::Env;
use crate::error::{Door, ErrorCode, Failure, Result};
use crate::output::{ColorChoice, Format, Output, OutputOptions, Stream};
use compile::Places;

/// Runs one of the buildpack's programs, with its arguments.
pub(crate) fn run(env: &Env, words: &[OsString]) -> ExitCode {
    let Some((name, arguments)) = words.split_first() else {
        return usage("a program: detect, compile, release, report, test-compile or test");
    };
    let paths: Vec<PathBuf> = arguments.iter().map(|argument| env.absolute(argument)).collect();
    let output = output(Stream::Stdout, env);
    // As in Heroku's buildpack: the real environment counts, config vars don't.
    if env.text("BUILDPACK_XTRACE") == Some("1") {
        output.trace_programs();
    }
    let places = |build_dir: &PathBuf, cache_dir: &PathBuf, rest: &[PathBuf]| Places {
        build_dir: build_dir.clone(),
        cache_dir: cache_dir.clone(),
        env_dir: rest.first().cloned(),
    };
    match (name.to_str(), paths.as_slice()) {
        (Some("detect"), [build_dir, ..]) => detect::run(build_dir, env, &self::output(Stream::Stderr, env)),
        (Some("compile"), [build_dir, cache_dir, rest @ ..]) => {
            finish(compile::run(&places(build_dir, cache_dir, rest), env, &output), &output)
        }
        (Some("test-compile"), [build_dir, cache_dir, rest @ ..]) => {
            let env = test_environment(env);
            finish(compile::run(&places(build_dir, cache_dir, rest), &env, &output), &output)
        }
        (Some("test"), [build_dir, rest @ ..]) => {
            finish(run_tests(build_dir, rest.first().map(PathBuf::as_path), env, &output), &output)
        }
        (Some("release"), [build_dir, ..]) => print(release::run(build_dir)),
        (Some("report"), [_, cache_dir, ..]) => print(&report::run(cache_dir)),
        (Some("detect" | "release"), []) => usage("BUILD_DIR"),
        (Some("report"), _) => usage("BUILD_DIR CACHE_DIR"),
        (Some("test"), []) => usage("BUILD_DIR [ENV_DIR]"),
        (Some("compile" | "test-compile"), _) => usage("BUILD_DIR CACHE_DIR [ENV_DIR]"),
        _ => usage("a program: detect, compile, release, report, test-compile or test"),
    }
}

fn output(stream: Stream, env: &Env) -> Output {
    let options = OutputOptions {
        format: Format::Text,
        color: ColorChoice::Auto,
        quiet: false,
        verbose: false,
        stream,
        door: Door::Buildpack,
    };
    Output::new(options, env)
}

/// Tells of a fault of slugc's own that ends the program, in the log and in the report of the build.
pub(crate) fn answer_internal_error(env: &Env, failure: &Failure) -> u8 {
    let door = env.args.get(2).and_then(|name| name.to_str());
    // What these print on standard output is for programs.
    let is_data = matches!(door, Some("detect" | "release" | "report"));
    let stream = if is_data { Stream::Stderr } else { Stream::Stdout };
    output(stream, env).error(failure);
    if let (Some("compile" | "test-compile"), Some(cache_dir)) = (door, env.args.get(4)) {
        let record = Record::default();
        causes::note_failure(failure, &record);
        // There is nobody left to tell if this fails.
        let _ = report::write(&env.absolute(cache_dir), &record);
    }
    FAILED
}

/// The buildpack API knows success and failure only.
const FAILED: u8 = 1;

/// What is different in a build for tests.
fn test_environment(env: &Env) -> Env {
    let mut env = env.clone();
    for (name, value) in
        [("LC_ALL", "C.UTF-8"), ("LANG", "C.UTF-8"), ("DISABLE_COLLECTSTATIC", "1"), ("INSTALL_TEST", "1")]
    {
        env.vars.insert(name.into(), value.into());
    }
    env
}

fn run_tests(build_dir: &Path, env_dir: Option<&Path>, env: &Env, output: &Output) -> Result<()> {
    test::run(build_dir, &ConfigVars::read(env_dir)?, env, output)
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    // A reader that has gone away has no use for an error either.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
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
        // As the programs that run tests have it.
        let is_of_tests = failure.code() == ErrorCode::NoTests;
        ExitCode::from(if is_of_tests { failure.exit_code() } else { FAILED })
    };
    result.map_or_else(failed, |()| ExitCode::SUCCESS)
}
