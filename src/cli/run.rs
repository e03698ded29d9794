//! `slugc run`

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::{Arguments, ConfigVarArguments, Run};
use super::in_dyno::InDyno;
use super::run_advice::advise;
use super::{build, dotenv};
use crate::build::config_vars::is_variable_name;
use crate::check::boot::{last_words, place_in_traceback};
use crate::check::confirm::{Request, confirm};
use crate::check::finding::Finding;
use crate::check::gather::read_slug;
use crate::check::{Severity, check, missing_procfile};
use crate::dyno::{Diagnose, DynoCommand, DynoSpec, SharedLog, Timing, run_dyno};
use crate::env::Env;
use crate::error::{Door, ErrorCode, Failure, Result, Snippet, UserError, render_snippet};
use crate::host::cell::Restored;
use crate::output::{Output, shell_quote};

/// Runs a process type, a formation or a command, and returns its exit code.
pub(super) fn run(run: &Run, arguments: &Arguments, env: &Env, output: &Output) -> Result<u8> {
    let command = match (run.command_line.as_slice(), run.formation.as_slice()) {
        ([], []) => DynoCommand::ProcessType(run.process_type.clone()),
        ([], formation) => DynoCommand::Formation(formation.to_vec()),
        (words, _) => DynoCommand::Command(words.to_vec()),
    };
    let color = arguments.color.is_on(env.stdout_is_terminal, env);
    let spec = DynoSpec {
        slug: env.absolute(&run.slug),
        command,
        port: run.port,
        has_router: run.router
            || run.https
            || run.host.is_some()
            || (!run.formation.is_empty() && run.port.is_some()),
        router_host: run.host.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        claims_https: run.https,
        config_vars: config_vars(&run.config_vars, env)?,
        size: run.size.0,
        // Whoever has deleted the program since it was started gets a plain directory.
        isolate_by: env.program.clone().filter(|_| !run.no_isolate),
        timing: Timing {
            boot_timeout: Duration::from_secs(run.boot_timeout),
            stop_timeout: Duration::from_secs(run.stop_timeout),
            restart: run.restart.then(|| Duration::from_secs(run.restart_delay)),
        },
        release_first: run.release,
        log: SharedLog::new(std::io::stdout(), color, arguments.quiet),
        diagnose: (!run.no_diagnosis).then(|| diagnose(run, env)),
    };
    dotenv::tell_unread(&run.config_vars, env, output);
    // However the dyno ends, the terminal is as it was.
    let _restored = Restored::remember();
    let result = run_dyno(&spec, env, output);
    result.map_err(|failure| match failure.code() {
        ErrorCode::RunNoSuchType => with_suggestion(failure, &spec.slug, run, env),
        _ => advise(failure, run, env),
    })
}

/// The slug has no process type of this name, and none at all.
#[derive(Debug, thiserror::Error)]
#[error("{failure} {suggestion}")]
struct NothingToRun {
    failure: Failure,
    suggestion: String,
    /// As the user has named it.
    slug: String,
}

impl UserError for NothingToRun {
    fn code(&self) -> ErrorCode {
        self.failure.code()
    }

    fn detail(&self) -> Option<String> {
        self.failure.error().detail()
    }

    fn fix(&self, _door: Door) -> Option<String> {
        Some(format!(
            "Then build the slug again. A command can be run in this one as it is:\n  slugc run {} -- COMMAND",
            self.slug
        ))
    }

    fn exit_code(&self) -> u8 {
        self.failure.exit_code()
    }
}

/// Says what a Procfile for this app would be, if the slug has none.
fn with_suggestion(failure: Failure, slug: &Path, run: &Run, env: &Env) -> Failure {
    match read_slug(slug, env).ok().and_then(|facts| missing_procfile(&facts)) {
        Some(finding) => {
            let slug = shell_quote(&run.slug);
            NothingToRun { failure, suggestion: finding.message, slug }.into()
        }
        None => advise(failure, run, env),
    }
}

/// Finds out why a process type has crashed, as `slugc check` would: by reading the slug, and if that says nothing, by
/// loading what the process loads in another dyno of the same kind.
fn diagnose(run: &Run, env: &Env) -> Diagnose {
    let (slug, given, env) = (env.absolute(&run.slug), run.config_vars.clone(), env.clone());
    let options: Vec<OsString> = if run.no_isolate { vec!["--no-isolate".into()] } else { Vec::new() };
    Arc::new(move |process, output| {
        let mut facts = read_slug(&slug, &env).ok()?;
        // What another process type runs explains nothing.
        if let Some((procfile, _)) = &mut facts.procfile {
            procfile.processes.retain(|(name, _)| name == process);
        }
        let declared = facts.processes().into_iter().find(|declared| declared.name == process)?.line;
        // What is wrong with this process, or with a file of the app.
        let is_reason = |finding: &Finding| {
            let place = finding.place.as_ref();
            let is_here = place.is_none_or(|place| place.file != "Procfile" || place.line == declared);
            finding.severity == Severity::Error && is_here && finding.code.ends_process()
        };
        let mut found: Vec<Finding> = check(&facts).into_iter().filter(is_reason).collect();
        if found.is_empty() {
            let vars = config_vars(&given, &env).ok()?;
            let dyno = InDyno { slug: &slug, config_vars: &given, options: options.clone(), env: &env };
            let request =
                Request { facts: &facts, process: Some(process), has_config_vars: !vars.is_empty() };
            let confirmed = confirm(&request, &|command, limit| dyno.run(command, limit)).ok()?;
            found = confirmed.into_iter().map(|found| found.finding).collect();
        }
        // What a script raises is known from what it wrote.
        let raised = || place_in_traceback(output, &facts).map(|place| describe_raised(&place, output));
        found.first().map(describe).or_else(raised)
    })
}

/// Says what a process has raised last, and where in the app.
fn describe_raised(place: &Snippet, output: &str) -> String {
    const LINES: usize = 12;
    let words = last_words(output, LINES);
    let raised = words.lines().last().unwrap_or_default();
    // `os.environ["NAME"]`
    let variable = raised.strip_prefix("KeyError: ").map(|name| name.trim_matches(['\'', '"']));
    let fix = match variable.filter(|name| place.text.contains("environ") && is_variable_name(name)) {
        Some(name) => format!("Give it the config var: `--set {name}=VALUE`, or `--env-file FILE`."),
        None => "If it needs config vars, give them with `--env-file`, `--env-dir` or `--set`.".to_owned(),
    };
    format!("It raised {raised}\n{}\n{fix}", render_snippet(place))
}

/// Describes a finding in the log.
fn describe(finding: &Finding) -> String {
    let entry = finding.code.entry();
    let place = finding.place.as_ref().map(render_snippet);
    let parts = [entry.title, finding.message.trim_end()].into_iter().chain(place.as_deref());
    let id = format!("Finding id: {}", entry.id);
    parts.chain([finding.fix().trim_end(), &id]).collect::<Vec<_>>().join("\n")
}

/// Reads the config vars as text: `--set` wins over `--env-file`, which wins over `--env-dir`.
pub(super) fn config_vars(arguments: &ConfigVarArguments, env: &Env) -> Result<BTreeMap<String, String>> {
    let read = build::config_vars(arguments, env)?;
    let text = |name: &str| read.get(name).unwrap_or_default().to_string_lossy().into_owned();
    let vars: BTreeMap<String, String> = read.names().map(|name| (name.to_owned(), text(name))).collect();
    Ok(vars)
}
