//! `slugc run`

use std::collections::BTreeMap;
use std::time::Duration;

use super::args::{Arguments, ConfigVarArguments, Run};
use super::build;
use crate::app::procfile::Procfile;
use crate::dyno::{DynoCommand, DynoSpec, SharedLog, Timing, run_dyno};
use crate::env::Env;
use crate::error::Result;
use crate::host::cell::Restored;
use crate::output::Output;

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
        has_router: run.router || (!run.formation.is_empty() && run.port.is_some()),
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
    };
    // However the dyno ends, the terminal is as it was.
    let _restored = Restored::remember();
    run_dyno(&spec, env, output, &|contents| Ok(Procfile::parse(contents)?.process_types()))
}

/// Reads the config vars as text: `--set` wins over `--env-file`, which wins over `--env-dir`.
pub(super) fn config_vars(arguments: &ConfigVarArguments, env: &Env) -> Result<BTreeMap<String, String>> {
    let ConfigVarArguments { env_file, env_dir, set } = arguments;
    let read = build::config_vars(env_dir.as_deref(), env_file.as_deref(), env)?;
    let text = |name: &str| read.get(name).unwrap_or_default().to_string_lossy().into_owned();
    let mut vars: BTreeMap<String, String> = read.names().map(|name| (name.to_owned(), text(name))).collect();
    vars.extend(set.iter().cloned());
    Ok(vars)
}
