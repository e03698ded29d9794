//! Messages about a process that has crashed: what Heroku calls it, the reason if one is found, and where to read more.

use std::time::Duration;

use super::DynoSpec;
use super::launch::Order;
use super::log::ProcessLog;
use super::supervise::Ending;
use crate::error::NoticeCode;

/// A process that has crashed.
pub(super) struct Crash {
    process: String,
    line: String,
    /// Whether it ended at boot, when what it loads is the likely reason.
    is_at_boot: bool,
    /// The id that `slugc explain` has more about.
    explained_by: &'static str,
    process_log: ProcessLog,
    /// The last of what the process wrote.
    output: String,
}

/// How long a process may have run to have ended at boot: servers that listen first load the app later.
const BOOT: Duration = Duration::from_secs(60);

impl Crash {
    /// Says that a dyno has crashed, in the words of Heroku's log; nothing if it hasn't.
    pub(super) fn of(order: &Order, ending: &Ending, process_log: &ProcessLog) -> Option<Self> {
        if !ending.has_crashed || order.is_once {
            return None;
        }
        let process = order.name.split('.').next().unwrap_or_default().to_owned();
        let status = status(ending.code);
        let line = match (order.is_web, ending.was_up) {
            (true, false) => {
                format!(
                    "Error H10 (App crashed) -> The web process ended with {status} before it listened on its port"
                )
            }
            (true, true) => format!("Error H10 (App crashed) -> The web process ended with {status}"),
            (false, _) => format!("App crashed -> The process `{process}` ended with {status}"),
        };
        // Only the router has a code for it.
        let explained_by = if order.is_web { "H10" } else { NoticeCode::RunCrashed.entry().id };
        let is_at_boot = !ending.was_up || ending.up_for < BOOT;
        Some(Self {
            process,
            line,
            is_at_boot,
            explained_by,
            process_log: process_log.clone(),
            output: ending.last_output.clone(),
        })
    }

    /// Says it, and what is found about it.
    pub(super) fn tell(&self, spec: &DynoSpec, is_restarted: bool) {
        let found = match &spec.diagnose {
            // Looking for the reason takes time, and the other dynos have to be watched.
            Some(diagnose) if self.is_at_boot && !is_restarted => diagnose(&self.process, &self.output),
            _ => None,
        };
        // What a script raises is known to those who run it only.
        let is_open = found.is_none() && spec.diagnose.is_some() && self.process == "web";
        let boot = is_open.then(|| "`slugc check SLUG --boot` looks for the reason.".to_owned());
        let more = format!("`slugc explain {}` says more.", self.explained_by);
        let advice = found.into_iter().chain(boot).chain([more]).collect::<Vec<_>>().join("\n");
        self.process_log.warn(NoticeCode::RunCrashed, &self.line, &advice);
    }
}

fn status(code: u8) -> String {
    match code {
        126 => "status 126 (a program can't be executed)".to_owned(),
        127 => "status 127 (a program wasn't found)".to_owned(),
        129..=192 => format!("status {code} (signal {})", code - 128),
        _ => format!("status {code}"),
    }
}
