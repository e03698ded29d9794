//! `slugc run`

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::args::{Arguments, Run};
use crate::app::env_file::parse_env_file;
use crate::app::procfile::Procfile;
use crate::dyno::{DynoCommand, DynoSpec, SharedLog, Timing, run_dyno};
use crate::env::Env;
use crate::error::Result;
use crate::host::files::FileContext;
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
        config_vars: config_vars(run.env_dir.as_deref(), run.env_file.as_deref(), &run.set, env)?,
        size: run.size.0,
        // Whoever has deleted the program since it was started gets a plain directory.
        isolate_by: std::env::current_exe().ok().filter(|_| !run.no_isolate),
        timing: Timing {
            boot_timeout: Duration::from_secs(run.boot_timeout),
            stop_timeout: Duration::from_secs(run.stop_timeout),
            restart: run.restart.then(|| Duration::from_secs(run.restart_delay)),
        },
        release_first: run.release,
        log: SharedLog::new(std::io::stdout(), color, arguments.quiet),
    };
    run_dyno(&spec, env, output, &|contents| Ok(Procfile::parse(contents)?.process_types()))
}

/// Reads the config vars: `--set` wins over `--env-file`, which wins over `--env-dir`.
pub(super) fn config_vars(
    env_dir: Option<&Path>,
    env_file: Option<&Path>,
    set: &[(String, String)],
    env: &Env,
) -> Result<BTreeMap<String, String>> {
    let mut vars = match env_dir {
        Some(dir) => read_env_dir(&env.absolute(dir))?,
        None => BTreeMap::new(),
    };
    if let Some(file) = env_file {
        let path = env.absolute(file);
        let parsed = parse_env_file(&fs::read(&path).doing("reading", &path)?);
        vars.extend(parsed.map_err(|error| error.in_file(file.display().to_string()))?);
    }
    vars.extend(set.iter().cloned());
    Ok(vars)
}

/// Reads a directory with one file a config var. Names that no shell could set are left out.
fn read_env_dir(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut vars = BTreeMap::new();
    for entry in fs::read_dir(dir).doing("reading", dir)?.flatten() {
        let path = entry.path();
        if let Some(name) = entry.file_name().to_str().filter(|name| is_variable_name(name))
            && path.is_file()
        {
            let value = fs::read(&path).doing("reading", &path)?;
            vars.insert(name.to_owned(), String::from_utf8_lossy(&value).trim_end_matches('\n').to_owned());
        }
    }
    Ok(vars)
}

fn is_variable_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
