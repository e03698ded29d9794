//! `slugc check`

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::args::{Check, CheckFormat, ConfigVarArguments};
use super::{build, run as run_command};
use crate::build::check::{Known, facts_of_source};
use crate::build::execute::Workshop;
use crate::build::record::Record;
use crate::build::slug::build_slug;
use crate::check::boot::{Boot, finding, last_words, wait_for_port, watch};
use crate::check::confirm::confirm_imports;
use crate::check::facts::Facts;
use crate::check::finding::Finding;
use crate::check::gather::read_slug;
use crate::check::report::{Counts, render_github, render_json, render_sarif, render_text};
use crate::check::{FindingCode, Severity, check, sort};
use crate::env::{Env, Interrupt};
use crate::error::Result;
use crate::host::files;
use crate::host::process::{Invocation, RunError, capture};
use crate::host::scratch::ScratchDir;
use crate::output::Output;
use crate::slug::assemble::Layout;

/// How many of a process's last lines are shown.
const LAST_LINES: usize = 12;

/// Checks a directory or a slug, and says what was found.
pub(super) fn run(arguments: &Check, color: bool, env: &Env, output: &Output) -> Result<u8> {
    let path = env.absolute(&arguments.app.dir);
    // What is only used to boot is looked at, too: else a wrong name would go by without a word.
    run_command::config_vars(&arguments.config_vars, env)?;
    let mut failure = None;
    // Dropped at the end, when the slug has been tried.
    let mut scratch = None;
    let (mut facts, slug) = if path.is_file() {
        (read_slug(&path, env)?, Some(path))
    } else {
        let known = read_directory(arguments, env, output)?;
        failure = known.failure;
        if arguments.boot && failure.is_none() {
            let (dir, slug) = build_in_scratch(arguments, env, output)?;
            scratch = Some(dir);
            (read_slug(&slug, env)?, Some(slug))
        } else {
            (known.facts, None)
        }
    };
    facts.stack.clone_from(&arguments.stack);
    let mut findings = check(&facts);
    if let Some(slug) = slug.filter(|_| !arguments.r#static) {
        confirm(&mut findings, &slug, &facts, arguments, env, output)?;
    }
    drop(scratch);
    sort(&mut findings);
    let width = Env::width(env.stdout_columns) - 1;
    report(&findings, arguments, &facts, (color, width), output)?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok(exit_code(&findings, arguments)),
    }
}

fn exit_code(findings: &[Finding], arguments: &Check) -> u8 {
    let Counts { errors, warnings, .. } = Counts::of(findings);
    u8::from(errors > 0 || (arguments.deny_warnings && warnings > 0))
}

fn read_directory(arguments: &Check, env: &Env, output: &Output) -> Result<Known> {
    let store = super::open_store(arguments.app.cache_dir.as_deref(), env)?;
    let request = build::request(&arguments.app, Layout::App, env);
    // What the survey says on its way is said by builds.
    let silent = Output::silent();
    let shop = Workshop { store: &store, env, output: &silent, record: &Record::default(), cell: None };
    let known = facts_of_source(&request, shop)?;
    if known.facts.installed.is_none() && known.failure.is_none() {
        output.detail(
            "This app wasn't built here before, so what it installs isn't known: `slugc build` first finds more.",
        );
    }
    Ok(known)
}

/// Builds a slug that is only to be tried.
fn build_in_scratch(arguments: &Check, env: &Env, output: &Output) -> Result<(ScratchDir, PathBuf)> {
    let store = super::open_store(arguments.app.cache_dir.as_deref(), env)?;
    let scratch = files::temp_dir(None)?;
    let mut request = build::request(&arguments.app, Layout::App, env);
    request.output = scratch.path().join("slug.tgz");
    request.settings.config_vars = build::config_vars(&arguments.config_vars, env)?;
    let silent = Output::silent();
    output.detail("Building a slug to boot it");
    build_slug(
        &request,
        Workshop { store: &store, env, output: &silent, record: &Record::default(), cell: None },
    )?;
    let slug = request.output;
    Ok((scratch, slug))
}

/// Imports the app, and boots it if that is asked for.
fn confirm(
    findings: &mut Vec<Finding>,
    slug: &Path,
    facts: &Facts,
    arguments: &Check,
    env: &Env,
    output: &Output,
) -> Result<()> {
    let vars = run_command::config_vars(&arguments.config_vars, env)?;
    let silent = Output::silent();
    // What the text has shown already has a better place there.
    let told: Vec<FindingCode> = findings.iter().map(|finding| finding.code).collect();
    let explains = [
        FindingCode::AppModuleNotFound,
        FindingCode::ImportNotInstalled,
        FindingCode::SourceNeededFileLeftOut,
    ];
    for finding in confirm_imports(slug, facts, &vars, env, &silent)? {
        let is_told = told.contains(&finding.code) || explains.iter().any(|code| told.contains(code));
        if !is_told {
            findings.push(finding);
        }
    }
    let has_web =
        facts.procfile.as_ref().is_some_and(|(procfile, _)| procfile.process_types().contains_key("web"));
    if arguments.boot && has_web {
        let (boot, found) = boot(slug, arguments, env, output)?;
        settle(findings, boot);
        findings.extend(found);
    }
    Ok(())
}

/// What the boot has disproved isn't said, and what it has proven isn't doubted.
fn settle(findings: &mut Vec<Finding>, boot: Boot) {
    const DISPROVED: &[FindingCode] = &[
        FindingCode::CommandNoPort,
        FindingCode::CommandFixedPort,
        FindingCode::CommandLoopback,
        FindingCode::CommandNotInstalled,
        FindingCode::CommandFileNotFound,
        FindingCode::CommandNotExecutable,
        FindingCode::AppModuleNotFound,
        FindingCode::SourceNeededFileLeftOut,
    ];
    match boot {
        // It listened to PORT for everybody, and lives. Of other process types than web, nothing was seen.
        Boot::Listens(_) | Boot::Fails(_) | Boot::Silent(_) | Boot::Hangs => {
            findings.retain(|finding| !DISPROVED.contains(&finding.code) || !is_of_web(finding));
        }
        Boot::Ended | Boot::EndedAfterListening(_) => {
            let failed = |finding: &&mut Finding| finding.code == FindingCode::AppImportFailed;
            findings.iter_mut().filter(failed).for_each(|finding| finding.severity = Severity::Error);
        }
        Boot::ListensOnLoopback | Boot::TimedOut => {}
    }
}

/// Whether a finding is about the web process: it points at that line of the Procfile, or at a file.
fn is_of_web(finding: &Finding) -> bool {
    finding.place.as_ref().is_none_or(|place| {
        place.file != "Procfile" || place.text.split(':').next().is_some_and(|name| name.trim() == "web")
    })
}

/// Boots the web process as `slugc run` does, in a process of its own: what it writes is kept apart that way, and
/// however it ends, this one goes on.
fn boot(slug: &Path, arguments: &Check, env: &Env, output: &Output) -> Result<(Boot, Option<Finding>)> {
    let limit = Duration::from_secs(arguments.boot_timeout);
    let port = free_port()?;
    let invocation = run_invocation(slug, port, arguments, env)?;
    let stop = Interrupt::default();
    let inner = Env { interrupt: stop.clone(), ..env.clone() };
    let (running, ended) = mpsc::channel::<()>();
    let silent = Output::silent();
    let (boot, outcome) = std::thread::scope(|scope| {
        let child = scope.spawn(|| {
            let outcome = capture(&invocation, &inner, &silent);
            drop(running);
            outcome
        });
        let boot = wait_for_port(port, limit, &ended, env).and_then(|boot| {
            if let Boot::Listens(after) = boot {
                output.detail(format!(
                    "The web process listens on PORT after {:.1} seconds.",
                    after.as_secs_f32()
                ));
                return watch(boot, port, limit, &ended, env);
            }
            Ok(boot)
        });
        const TERM: usize = 15;
        stop.set(TERM);
        (boot, child.join())
    });
    let boot = boot?;
    let last_words = match outcome {
        Ok(Ok(captured)) => words(&[captured.stdout, captured.stderr].concat()),
        Ok(Err(error @ RunError::Start { .. })) => return Err(error.into()),
        Ok(Err(error)) => words(error.text().as_bytes()),
        Err(_) => String::new(),
    };
    Ok((boot, finding(boot, port, limit, &last_words)))
}

fn run_invocation(slug: &Path, port: u16, arguments: &Check, env: &Env) -> Result<Invocation> {
    use crate::host::files::FileContext;
    let program = std::env::current_exe().doing("finding", Path::new("slugc"))?;
    let mut args: Vec<OsString> =
        vec!["run".into(), slug.into(), "web".into(), "--port".into(), port.to_string().into()];
    // Who waits is told to give up later than we do: else it would be its end that is found, and not the reason.
    let patience = arguments.boot_timeout + 60;
    args.extend(["--boot-timeout".into(), patience.to_string().into()]);
    let ConfigVarArguments { env_file, env_dir, set } = &arguments.config_vars;
    for (option, path) in [("--env-file", env_file), ("--env-dir", env_dir)] {
        if let Some(path) = path {
            args.extend([option.into(), env.absolute(path).into()]);
        }
    }
    for (name, value) in set {
        args.extend(["--set".into(), format!("{name}={value}").into()]);
    }
    let mut invocation = Invocation::new(program).args(args).current_dir(&env.current_dir);
    invocation.env.clone_from(&env.vars);
    Ok(invocation)
}

fn free_port() -> Result<u16> {
    use crate::host::files::FileContext;
    let listener = TcpListener::bind("0.0.0.0:0").and_then(|listener| listener.local_addr());
    Ok(listener.doing("looking for a free port on", Path::new("0.0.0.0"))?.port())
}

fn words(bytes: &[u8]) -> String {
    last_words(&String::from_utf8_lossy(bytes), LAST_LINES)
}

fn report(
    findings: &[Finding],
    arguments: &Check,
    facts: &Facts,
    (color, width): (bool, usize),
    output: &Output,
) -> Result<()> {
    let checked = arguments.app.dir.display().to_string();
    let text = match arguments.format {
        CheckFormat::Text => render_text(findings, color, width),
        CheckFormat::Json => render_json(findings, &checked),
        CheckFormat::Sarif => render_sarif(findings),
        CheckFormat::Github => render_github(findings),
    };
    match arguments.format {
        // The colours, and the commands to GitHub, are meant.
        CheckFormat::Text | CheckFormat::Github => super::write_stdout(&text)?,
        CheckFormat::Json | CheckFormat::Sarif => super::print_result(&text)?,
    }
    let files = facts.files.values().filter(|file| !file.is_dir).count();
    output.detail(format!("{} in {files} files.", Counts::of(findings).describe()));
    Ok(())
}
