//! The command line: arguments become requests, results become text and exit codes.

mod args;
mod build;
mod cache;
mod check;
mod completions;
mod diff;
mod dotenv;
mod explain;
mod in_dyno;
mod inspect;
mod inventory;
mod man;
mod package;
mod paths;
mod plan;
mod replace;
mod run;
mod run_advice;
mod sbom;
mod usage;
mod version;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::env::Env;
use crate::error::escape::escape_lines;
use crate::error::{Door, ErrorCode, Failure, Result, UserError};
use crate::host::files::FileContext;
use crate::output::{ColorChoice, Event, Format, Output, OutputOptions, Stream};
use args::{Arguments, Command};

pub use args::command_line;

/// Runs the command that the arguments name.
pub(crate) fn run(env: &Env) -> ExitCode {
    let arguments = match Arguments::try_parse_from(&env.args) {
        Ok(arguments) => arguments,
        // clap answers `--version` before it reads what else there is.
        Err(error)
            if error.kind() == ErrorKind::DisplayVersion && env.args.iter().any(|arg| arg == "--verbose") =>
        {
            let _ = print_result(&version::render(false));
            return ExitCode::SUCCESS;
        }
        Err(error) => return explain_usage(&error, env),
    };
    match &arguments.command {
        Command::Build(build) => {
            let output = output(&arguments, build.format, env);
            output.event(Event::started("build"));
            exit_code(build::run(build, env, &output), &output)
        }
        Command::Plan(plan) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(plan::run(plan, env, &output), &output)
        }
        Command::Run(run) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(run::run(run, &arguments, env, &output), &output)
        }
        Command::Inspect(inspect) => {
            let output = output(&arguments, Format::Text, env);
            let color = arguments.color.is_on(env.stdout_is_terminal, env);
            exit_code(inspect::run(inspect, color, env, &output), &output)
        }
        Command::Cache(cache) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(cache::run(cache, env, &output), &output)
        }
        Command::Diff(diff) => {
            let color = arguments.color.is_on(env.stdout_is_terminal, env);
            ExitCode::from(diff::run(diff, color, env, &output(&arguments, Format::Text, env)))
        }
        Command::Sbom(sbom) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(sbom::run(sbom, env, &output), &output)
        }
        Command::DynoInit { file } => crate::host::cell::run_inside(file, env),
        Command::Session { words } => crate::host::session::run_in_session(words),
        Command::Check(check) => {
            let output = output(&arguments, Format::Text, env);
            let color = arguments.color.is_on(env.stdout_is_terminal, env);
            exit_code(check::run(check, color, env, &output), &output)
        }
        Command::Explain(explain) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(explain::run(explain), &output)
        }
        Command::Completions(completions) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(completions::run(completions), &output)
        }
        Command::Man(man) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(man::run(man, env, &output), &output)
        }
        Command::Inventory(inventory) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(inventory::run(inventory, env), &output)
        }
        Command::Package(package) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(package::run(package, env, &output), &output)
        }
        Command::Version(version) => {
            let output = output(&arguments, Format::Text, env);
            exit_code(version::run(version), &output)
        }
    }
}

fn output(arguments: &Arguments, format: Format, env: &Env) -> Output {
    let options = OutputOptions {
        format,
        color: arguments.color,
        quiet: arguments.quiet,
        verbose: arguments.verbose,
        stream: Stream::Stderr,
        door: Door::CommandLine,
    };
    Output::new(options, env)
}

fn exit_code(result: Result<u8>, output: &Output) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output.error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Tells of a fault of slugc's own that ends the program. Returns the exit code.
pub(crate) fn answer_internal_error(env: &Env, failure: &Failure) -> u8 {
    let arguments = Arguments::try_parse_from(&env.args);
    let format = match arguments.map(|arguments| arguments.command) {
        Ok(Command::Build(build)) => build.format,
        _ => Format::Text,
    };
    let options = OutputOptions {
        format,
        color: ColorChoice::Auto,
        quiet: false,
        verbose: false,
        stream: Stream::Stderr,
        door: Door::CommandLine,
    };
    Output::new(options, env).error(failure);
    failure.exit_code()
}

/// Prints clap's own message: help and version to standard output, mistakes to standard error.
fn explain_usage(error: &clap::Error, env: &Env) -> ExitCode {
    // A reader that has gone away has no use for an error either.
    let _ = match usage::command_without_dashes(error, env) {
        Some(text) => std::io::stderr().write_all(escape_lines(&text).as_bytes()),
        None => error.print(),
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// There is no directory for the store.
#[derive(Debug, thiserror::Error)]
#[error("There is no home directory to keep the store in. Set HOME, or SLUGC_CACHE_DIR.")]
struct NoStoreDirectory;

impl UserError for NoStoreDirectory {
    fn code(&self) -> ErrorCode {
        ErrorCode::StoreUnusable
    }
}

/// Opens the store that the arguments or the environment name.
fn open_store(cache_dir: Option<&Path>, env: &Env) -> Result<crate::store::Store> {
    Ok(crate::store::Store::open(&store_root(cache_dir, env)?)?)
}

fn store_root(cache_dir: Option<&Path>, env: &Env) -> Result<PathBuf> {
    Ok(match cache_dir {
        Some(dir) => env.absolute(dir),
        None => crate::store::Store::default_root(env).ok_or(NoStoreDirectory)?,
    })
}

/// Returns where a page goes, if there is to be one and it can be written. It may not take the place of a slug that it
/// is about.
fn page_file(html: Option<&Path>, slugs: &[&Path], env: &Env) -> Result<Option<PathBuf>> {
    let Some(file) = html.map(|file| env.absolute(file)) else { return Ok(None) };
    if slugs.iter().any(|slug| is_same_file(&env.absolute(slug), &file)) {
        Err(std::io::Error::other("it is the slug itself")).doing("writing", &file)?;
    }
    replace::check_replaceable(&file, replace::Written::Page)?;
    Ok(Some(file))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Writes a result to standard output. What somebody else wrote does nothing there.
fn print_result(text: &str) -> Result<()> {
    write_stdout(&escape_lines(text))
}

/// Writes to standard output what is harmless already; a reader that has gone away is no error.
fn write_stdout(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(PrintError { source: error }.into())
        }
        _ => Ok(()),
    }
}

/// Renders a report as JSON.
fn to_json(value: &impl serde::Serialize) -> String {
    // Only maps with keys that aren't text can't be written.
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

/// Standard output can't be written.
#[derive(Debug, thiserror::Error)]
#[error("Standard output can't be written.")]
struct PrintError {
    source: std::io::Error,
}

impl UserError for PrintError {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileSystem
    }
}

impl clap::ValueEnum for ColorChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }))
    }
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::Text => "text",
            Self::Json => "json",
        }))
    }
}

/// Turns a failure into the text that clap shows for a bad value.
fn as_text(failure: impl Into<Failure>) -> String {
    failure.into().to_string()
}
