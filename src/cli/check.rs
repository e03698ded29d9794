//! `slugc check`

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::args::{Check, CheckFormat};
use super::in_dyno::{InDyno, free_port};
use super::{build, dotenv, run as run_command};
use crate::build::check::{Known, facts_of_source, find_script_errors};
use crate::build::context::Context;
use crate::build::record::Record;
use crate::build::slug::build_slug;
use crate::check::boot::{Boot, finding, last_words, place_in_traceback, wait_for_port, watch};
use crate::check::confirm::{Confirmed, Request, confirm as confirm_loading, factories, profile_ended};
use crate::check::facts::Facts;
use crate::check::finding::Finding;
use crate::check::gather::read_slug;
use crate::check::report::{Counts, render_github, render_json, render_sarif, render_text};
use crate::check::{Accepted, FindingCode, Severity, accept, check, sort};
use crate::dyno::ended_by;
use crate::env::{Env, Interrupt};
use crate::error::Result;
use crate::host::files;
use crate::host::process::{RunError, watch as watch_process};
use crate::host::scratch::ScratchDir;
use crate::output::Output;
use crate::slug::assemble::Layout;

/// How many of a process's last lines are shown.
const LAST_LINES: usize = 12;

/// Checks a directory or a slug, and says what was found.
pub(super) fn run(arguments: &Check, color: bool, env: &Env, output: &Output) -> Result<u8> {
    let path = env.absolute(&arguments.app.dir);
    // What is only used to boot is looked at, too: else a wrong name would go by without a word.
    let has_config_vars = !run_command::config_vars(&arguments.config_vars, env)?.is_empty();
    dotenv::tell_unread(&arguments.config_vars, env, output);
    let mut failure = None;
    // Dropped at the end, when the slug has been tried.
    let mut scratch = None;
    let mut syntax_errors = Vec::new();
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
            syntax_errors = known.syntax_errors;
            (known.facts, None)
        }
    };
    facts.stack.clone_from(&arguments.stack);
    facts.config_vars = run_command::config_vars(&arguments.config_vars, env)?;
    let mut findings = check(&facts);
    findings.extend(syntax_errors);
    findings.extend(find_script_errors(&facts, env, output)?);
    match slug.filter(|_| !arguments.r#static) {
        Some(slug) => confirm(&mut findings, &slug, &facts, (arguments, has_config_vars), env, output)?,
        None => tell_uncalled(&facts, output),
    }
    drop(scratch);
    sort(&mut findings);
    let (findings, accepted) = accept(findings, &facts);
    let width = Env::width(env.stdout_columns) - 1;
    report(&findings, &accepted, arguments, &facts, (color, width), output)?;
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
    let context = Context { store: &store, env, output: &silent, record: &Record::default() };
    let known = facts_of_source(&request, context)?;
    if known.facts.installed.is_none() && known.failure.is_none() {
        output.detail(
            "Not built yet, so the installed packages are unknown: after `slugc build`, the check goes deeper.",
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
    build_slug(&request, Context { store: &store, env, output: &silent, record: &Record::default() })?;
    let slug = request.output;
    Ok((scratch, slug))
}

/// Loads what the process types start, and boots the web process if that is asked for.
fn confirm(
    findings: &mut Vec<Finding>,
    slug: &Path,
    facts: &Facts,
    (arguments, has_config_vars): (&Check, bool),
    env: &Env,
    output: &Output,
) -> Result<()> {
    // `slugc run` gives up later than this: else its giving up would be found, and not the reason.
    let patience = (arguments.boot_timeout + 60).to_string();
    let options = vec!["--no-diagnosis".into(), "--boot-timeout".into(), patience.into()];
    let dyno = InDyno { slug, config_vars: &arguments.config_vars, options, env };
    let request = Request { facts, process: None, has_config_vars };
    let mut confirmed = confirm_loading(&request, &|command, limit| dyno.run(command, limit))?;
    confirmed.retain(|found| !is_told(&found.finding, findings));
    if !arguments.boot {
        findings.extend(confirmed.into_iter().map(|found| found.finding));
        return Ok(());
    }
    let processes = facts.processes();
    let (web, others): (Vec<&str>, Vec<&str>) =
        processes.iter().map(|process| process.name).partition(|name| *name == "web");
    if !others.is_empty() {
        output.detail(format!(
            "Only the process type `web` is booted. {} only loaded, and not run.",
            match others.as_slice() {
                [one] => format!("What `{one}` runs was"),
                several => {
                    let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
                    format!("What {} run was", names.join(", "))
                }
            }
        ));
    }
    let booted = if web.is_empty() { None } else { Some(boot(&dyno, facts, arguments, output)?) };
    let is_web = |found: &Confirmed| found.process.as_deref().is_none_or(|process| process == "web");
    match booted {
        // The server has loaded its app, and the app has answered.
        Some((Boot::Listens(_), _)) => confirmed.retain(|found| !(found.is_served && is_web(found))),
        // It may have been in doubt as long as config vars could be all that is missing.
        Some((Boot::Ended | Boot::EndedAfterListening(_), _)) => {
            let proven = confirmed.iter_mut().filter(|found| is_web(found));
            proven.for_each(|found| found.finding.severity = Severity::Error);
        }
        _ => {}
    }
    findings.extend(confirmed.into_iter().map(|found| found.finding));
    if let Some((boot, found)) = booted {
        settle(findings, boot, found);
    }
    Ok(())
}

/// Whether reading the files has shown the same already, at a better place.
fn is_told(finding: &Finding, told: &[Finding]) -> bool {
    let place = |finding: &Finding| finding.place.as_ref().map(|place| (place.file.clone(), place.line));
    let is_missing_module = finding.code == FindingCode::AppImportFailed
        && ["ModuleNotFoundError", "No module named"].iter().any(|words| finding.message.contains(words));
    let explains = [
        FindingCode::AppModuleNotFound,
        FindingCode::ImportNotInstalled,
        FindingCode::SourceNeededFileLeftOut,
        FindingCode::CommandInvalid,
    ];
    let is_same = |told: &Finding| {
        let is_explained = explains.contains(&told.code);
        let is_here = place(told) == place(finding);
        let is_command = told.code == FindingCode::CommandInvalid;
        let is_same_code = told.code == finding.code
            || (finding.code == FindingCode::AppModuleNotFound && is_explained)
            || (finding.code == FindingCode::CommandBroken && is_command);
        // A command explains what its own process lacks, and not what another's does.
        let is_its_own = !is_command || is_here || finding.place.is_none();
        (is_same_code && is_here) || (is_missing_module && is_explained && is_its_own)
    };
    told.iter().any(is_same)
}

/// Tells which apps are made by a call that wasn't made: what it raises isn't known.
fn tell_uncalled(facts: &Facts, output: &Output) {
    let words = factories(facts);
    if !words.is_empty() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        output.detail(format!(
            "{} wasn't called, so what it raises isn't known: `slugc check --boot` calls it.",
            words.join(", ")
        ));
    }
}

/// Drops what the boot has disproved, and tells one cause once.
fn settle(findings: &mut Vec<Finding>, boot: Boot, found: Option<Finding>) {
    const DISPROVED: &[FindingCode] = &[
        FindingCode::CommandNoPort,
        FindingCode::CommandFixedPort,
        FindingCode::CommandLoopback,
        FindingCode::CommandNotInstalled,
        FindingCode::CommandFileNotFound,
        FindingCode::CommandNotExecutable,
        FindingCode::CommandBroken,
        FindingCode::CommandInvalid,
        FindingCode::CommandInBackground,
        FindingCode::AppModuleNotFound,
        FindingCode::SourceNeededFileLeftOut,
        FindingCode::AppAttributeNotFound,
        FindingCode::AppFactoryArguments,
        FindingCode::AppNotCallable,
    ];
    // It listened to PORT for everybody, and lives. Of other process types than web, nothing was seen.
    if matches!(boot, Boot::Listens(_) | Boot::Fails(_) | Boot::Silent(_) | Boot::Hangs) {
        findings.retain(|finding| !DISPROVED.contains(&finding.code) || !is_of_web(finding));
    }
    let Some(mut found) = found else { return };
    let is_known = |finding: &Finding| match finding.code {
        FindingCode::BootProfileEnded => true,
        FindingCode::AppFactoryArguments => is_of_web(finding),
        _ => false,
    };
    if found.code == FindingCode::BootFailed && findings.iter().any(is_known) {
        return;
    }
    // The boot's finding has the last words, and the same exception as its last line.
    let is_same = |finding: &Finding| match (found.code, finding.code) {
        (FindingCode::BootFailed, FindingCode::AppImportFailed | FindingCode::CommandBroken) => {
            finding.message.lines().last() == found.message.lines().last()
        }
        (new, old) => new == old,
    };
    let place = findings.iter().find(|finding| is_same(finding)).and_then(|finding| finding.place.clone());
    findings.retain(|finding| !is_same(finding));
    found.place = found.place.or(place);
    findings.push(found);
}

/// Whether a finding is about what the web process runs: it points at that line of the Procfile, or at a file.
fn is_of_web(finding: &Finding) -> bool {
    finding.place.as_ref().is_none_or(|place| {
        place.file != "Procfile" || place.text.split(':').next().is_some_and(|name| name.trim() == "web")
    })
}

/// Boots the web process.
fn boot(
    dyno: &InDyno<'_>,
    facts: &Facts,
    arguments: &Check,
    output: &Output,
) -> Result<(Boot, Option<Finding>)> {
    let (env, limit) = (dyno.env, Duration::from_secs(arguments.boot_timeout));
    let port = free_port()?;
    let invocation = dyno.invocation(Some("web"), &[], port)?;
    let stop = Interrupt::default();
    let inner = Env { interrupt: stop.clone(), ..env.clone() };
    let (running, ended) = mpsc::channel::<()>();
    let mut written = Vec::new();
    let (boot, outcome) = std::thread::scope(|scope| {
        let written = &mut written;
        let child = scope.spawn(move || {
            let outcome = watch_process(&invocation, &inner, written);
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
    if let Ok(Err(error @ RunError::Start { .. })) = outcome {
        return Err(error.into());
    }
    let output = String::from_utf8_lossy(&written);
    if let Some(script) = ended_by(&output) {
        return Ok((boot, Some(profile_ended(script, facts, true))));
    }
    let found = finding(boot, port, limit, &last_words(&output, LAST_LINES));
    // A traceback is the reason of a failure, and otherwise only something that was logged.
    let is_failure = matches!(boot, Boot::Ended | Boot::EndedAfterListening(_) | Boot::Fails(_));
    let place = is_failure.then(|| place_in_traceback(&output, facts)).flatten();
    Ok((boot, found.map(|found| found.at(place))))
}

fn report(
    findings: &[Finding],
    accepted: &[Accepted],
    arguments: &Check,
    facts: &Facts,
    (color, width): (bool, usize),
    output: &Output,
) -> Result<()> {
    let checked = arguments.app.dir.display().to_string();
    let text = match arguments.format {
        CheckFormat::Text => render_text(findings, color, width),
        CheckFormat::Json => render_json(findings, accepted, &checked),
        CheckFormat::Sarif => render_sarif(findings),
        CheckFormat::Github => render_github(findings),
    };
    match arguments.format {
        // The colours, and the commands to GitHub, are meant.
        CheckFormat::Text | CheckFormat::Github => super::write_stdout(&text)?,
        CheckFormat::Json | CheckFormat::Sarif => super::print_result(&text)?,
    }
    let files = facts.files.values().filter(|file| !file.is_dir).count();
    let accepted = match accepted.len() {
        0 => String::new(),
        count => format!(" {count} accepted, each with a reason."),
    };
    output.detail(format!("{} in {files} files.{accepted}", Counts::of(findings).describe()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Snippet;

    fn at(code: FindingCode, file: &str, line: usize, text: &str) -> Finding {
        let (file, text) = (file.to_owned(), text.to_owned());
        Finding::new(code, "KeyError: 'KEY'").at(Some(Snippet {
            file,
            line,
            text,
            span: 0..1,
            label: String::new(),
        }))
    }

    // C04, C17
    #[test]
    fn what_the_boot_has_shown_decides() {
        use FindingCode as Code;
        let up = Boot::Listens(Duration::ZERO);
        let web = |code| at(code, "Procfile", 1, "web: gunicorn wsgi:app");
        for (found, boot, new, expected) in [
            // What the web process disproves.
            (vec![web(Code::CommandNoPort), web(Code::CommandLoopback)], up, None, vec![]),
            (
                vec![web(Code::CommandBroken)],
                Boot::Fails(500),
                Some(Code::BootServerError),
                vec![Code::BootServerError],
            ),
            (vec![web(Code::AppAttributeNotFound)], Boot::Silent(Duration::ZERO), None, vec![]),
            (vec![web(Code::CommandInvalid), web(Code::CommandInBackground)], up, None, vec![]),
            // What it says nothing about.
            (
                vec![web(Code::CommandNoPort)],
                Boot::TimedOut,
                Some(Code::BootTimeout),
                vec![Code::CommandNoPort, Code::BootTimeout],
            ),
            (
                vec![at(Code::AppModuleNotFound, "Procfile", 2, "worker: celery -A work worker")],
                up,
                None,
                vec![Code::AppModuleNotFound],
            ),
            (vec![at(Code::AppSyntaxError, "work.py", 1, "def f(:")], up, None, vec![Code::AppSyntaxError]),
            // One cause is told once.
            (
                vec![at(Code::AppImportFailed, "wsgi.py", 2, "x")],
                Boot::Ended,
                Some(Code::BootFailed),
                vec![Code::BootFailed],
            ),
            (
                vec![web(Code::BootProfileEnded)],
                Boot::Ended,
                Some(Code::BootFailed),
                vec![Code::BootProfileEnded],
            ),
            (
                vec![web(Code::BootProfileEnded)],
                Boot::Ended,
                Some(Code::BootProfileEnded),
                vec![Code::BootProfileEnded],
            ),
        ] {
            let message = format!("{found:?} {boot:?}");
            let mut findings = found;
            settle(&mut findings, boot, new.map(|code| Finding::new(code, "It ended.\nKeyError: 'KEY'")));
            assert_eq!(findings.iter().map(|found| found.code).collect::<Vec<_>>(), expected, "{message}");
        }
    }

    // C33, C35
    #[test]
    fn what_the_files_have_shown_is_not_told_again() {
        use FindingCode as Code;
        let missing = |place: Option<usize>| {
            let finding = Finding::new(
                Code::AppImportFailed,
                "It ends with:\nModuleNotFoundError: No module named 'x'",
            );
            place.map_or(finding.clone(), |line| Finding {
                place: at(Code::AppImportFailed, "a.py", line, "x").place,
                ..finding
            })
        };
        let told = [
            at(Code::ImportNotInstalled, "a.py", 1, "import x"),
            at(Code::AppNoWorkerApp, "Procfile", 2, "w: x"),
            at(Code::CommandInvalid, "Procfile", 4, "v: x"),
        ];
        for (finding, expected) in [
            (missing(Some(1)), true),
            (missing(None), true),
            (at(Code::AppImportFailed, "a.py", 1, "import x"), false),
            (at(Code::AppNoWorkerApp, "Procfile", 2, "w: x"), true),
            (at(Code::AppNoWorkerApp, "Procfile", 3, "w: x"), false),
            (at(Code::AppSyntaxError, "a.py", 1, "import x"), false),
            (at(Code::AppModuleNotFound, "Procfile", 4, "v: x"), true),
            (at(Code::CommandBroken, "Procfile", 4, "v: x"), true),
            (at(Code::CommandBroken, "Procfile", 3, "w: x"), false),
        ] {
            assert_eq!(is_told(&finding, &told), expected, "{finding:?}");
        }
        assert!(!is_told(&missing(None), &told[1..2]));
        assert!(is_told(&missing(None), &told[2..]));
        assert!(!is_told(&missing(Some(1)), &told[2..]));
    }
}
