//! Commands in a dyno of a slug, by `slugc run` in a process of its own: what it writes is kept apart that way, and
//! however it ends, this one goes on.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use super::args::ConfigVarArguments;
use crate::check::confirm::Ran;
use crate::dyno::ended_by;
use crate::env::Env;
use crate::error::Result;
use crate::host::files::FileContext;
use crate::host::process::{Invocation, RunError, capture_within};
use crate::output::Output;

/// How `slugc run` is called for a slug.
pub(super) struct InDyno<'a> {
    pub(super) slug: &'a Path,
    pub(super) config_vars: &'a ConfigVarArguments,
    /// Options of `slugc run` beside the port and the config vars.
    pub(super) options: Vec<OsString>,
    pub(super) env: &'a Env,
}

impl InDyno<'_> {
    /// Describes `slugc run` of a process type, or of a command.
    pub(super) fn invocation(
        &self,
        process_type: Option<&str>,
        command: &[String],
        port: u16,
    ) -> Result<Invocation> {
        let program = std::env::current_exe().doing("finding", Path::new("slugc"))?;
        let mut args: Vec<OsString> = vec!["run".into(), self.slug.into()];
        args.extend(process_type.map(OsString::from));
        args.extend(["--port".into(), port.to_string().into()]);
        args.extend(self.options.iter().cloned());
        let ConfigVarArguments { env_file, env_dir, set } = self.config_vars;
        for (option, path) in [("--env-file", env_file), ("--env-dir", env_dir)] {
            if let Some(path) = path {
                args.extend([option.into(), self.env.absolute(path).into()]);
            }
        }
        for (name, value) in set {
            args.extend(["--set".into(), format!("{name}={value}").into()]);
        }
        if !command.is_empty() {
            args.push("--".into());
            args.extend(command.iter().map(OsString::from));
        }
        let mut invocation = Invocation::new(program).args(args).current_dir(&self.env.current_dir);
        invocation.env.clone_from(&self.env.vars);
        Ok(invocation)
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, command: &[String], limit: Duration) -> Result<Ran> {
        let invocation = self.invocation(None, command, free_port()?)?;
        let ran = |captured: &crate::host::process::Captured| {
            let stderr = String::from_utf8_lossy(&captured.stderr).into_owned();
            let ended_by = ended_by(&stderr).map(str::to_owned);
            Ran { stdout: captured.stdout.clone(), stderr, ended_by, took_too_long: false }
        };
        match capture_within(limit, &invocation, self.env, &Output::silent()) {
            Ok(captured) => Ok(ran(&captured)),
            Err(RunError::Failed { captured, .. }) => Ok(ran(&captured)),
            Err(RunError::TookTooLong { .. }) => Ok(Ran { took_too_long: true, ..Ran::default() }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns a port that is free.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("0.0.0.0:0").and_then(|listener| listener.local_addr());
    Ok(listener.doing("looking for a free port on", Path::new("0.0.0.0"))?.port())
}
