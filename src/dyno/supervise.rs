//! One dyno from its start to its end, looked at again and again: is it up, does it use too much memory, has it
//! ended, and is nobody left behind?

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;

use super::family::{Family, Process, send};
use super::log::{Listening, ProcessLog};
use super::memory::{Gauge, Verdict};
use super::ports::{Binding, judge, listening};
use super::scratch::Scratch;
use crate::error::NoticeCode;
use crate::host::cell::Joined;
use crate::host::clock::Stopwatch;

/// How often the table of processes is read while all is well: it takes a few milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// And while something is waited for.
const LOOK_OFTEN: Duration = Duration::from_millis(50);
/// How long what is left over may take after its main process has ended by itself.
pub(super) const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long SIGKILL may take: a process that the kernel holds can't be waited for.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit code of a web process that didn't bind to its port in time.
pub(crate) const BOOT_TIMEOUT_CODE: u8 = 110;
/// The exit code of a dyno that had to be killed as it didn't end on SIGTERM.
pub(crate) const EXIT_TIMEOUT_CODE: u8 = 112;
/// The exit code of a dyno that used far too much memory.
pub(crate) const MEMORY_CODE: u8 = 115;

/// How a dyno is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How long its processes may take after SIGTERM.
    pub(super) stop_timeout: Duration,
    /// How long a web process may take to bind to its port, and the port.
    pub(super) boot: Option<(Duration, u16)>,
    /// Whether it is a command that runs once: there is no talk of states then.
    pub(super) is_once: bool,
    /// Whether its main process only holds the dyno together, and is told nothing.
    pub(super) is_wrapped: bool,
}

/// What a dyno that was started is made of.
pub(super) struct Parts {
    pub(super) child: Child,
    pub(super) family: Family,
    pub(super) rules: Rules,
    pub(super) process_log: ProcessLog,
    pub(super) listening: Listening,
    pub(super) gauge: Option<Gauge>,
    pub(super) scratch: Scratch,
    /// A locked file: the dyno ends when it is closed.
    pub(super) alive: Option<File>,
    /// What joins its terminal to the user's, if that isn't done by its first process.
    pub(super) terminal: Option<Joined>,
}

/// How a dyno has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// Its exit code, or what stands for it.
    pub(super) code: u8,
    /// Whether it was asked to.
    pub(super) was_asked: bool,
    /// Whether it ended by itself, and not well; what it was killed for has a code of its own (R10, R15).
    pub(super) has_crashed: bool,
    /// Whether it had been up: a web process had listened on its port.
    pub(super) was_up: bool,
    /// How long it had been up.
    pub(super) up_for: Duration,
    /// The last of what it had written.
    pub(super) last_output: String,
}

/// A dyno that runs.
pub(super) struct Dyno {
    parts: Parts,
    phase: Phase,
    started: Stopwatch,
    up: Option<Stopwatch>,
    looked: Stopwatch,
    ended: Option<u8>,
    was_asked: bool,
    /// The exit code that stands for what it was killed for.
    killed_for: Option<u8>,
    warned_of_loopback: bool,
}

enum Phase {
    Running,
    Stopping { since: Stopwatch, timeout: Duration, told: BTreeSet<i32>, tell: bool },
    Killing { since: Stopwatch },
}

impl Dyno {
    /// Begins to watch.
    pub(super) fn new(parts: Parts) -> Self {
        let mut dyno = Self {
            parts,
            phase: Phase::Running,
            started: Stopwatch::start(),
            up: None,
            looked: Stopwatch::start(),
            ended: None,
            was_asked: false,
            killed_for: None,
            warned_of_loopback: false,
        };
        if dyno.parts.rules.boot.is_none() {
            dyno.come_up();
        }
        dyno
    }

    /// Returns whether it is up: a web process listens on its port.
    pub(super) fn is_up(&self) -> bool {
        self.up.is_some() && matches!(self.phase, Phase::Running)
    }

    /// Returns whether it was asked to end, or has begun to.
    pub(super) fn is_stopping(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    /// Asks each of its processes to end.
    pub(super) fn stop(&mut self) {
        self.was_asked = true;
        if matches!(self.phase, Phase::Running) {
            self.parts.process_log.say("Stopping all processes with SIGTERM");
            self.phase = stopping(self.parts.rules.stop_timeout);
        }
    }

    /// Ends all of its processes at once.
    pub(super) fn kill(&mut self) {
        self.was_asked = true;
        if !matches!(self.phase, Phase::Killing { .. }) {
            self.parts.process_log.say("Stopping all processes with SIGKILL");
            self.phase = Phase::Killing { since: Stopwatch::start() };
        }
    }

    /// Looks at it. When it has ended with all of its processes, this is said, and returned.
    pub(super) fn tick(&mut self) -> io::Result<Option<Ending>> {
        self.look_for_end()?;
        let living = match &mut self.phase {
            Phase::Running => {
                self.watch();
                true
            }
            Phase::Stopping { since, timeout, .. } => {
                if since.elapsed() > *timeout {
                    self.run_out_of_time();
                }
                self.tell()
            }
            Phase::Killing { since } => {
                let is_over = since.elapsed() > KILL_TIMEOUT;
                self.parts.family.kill();
                let _ = self.parts.child.kill();
                !is_over && !self.parts.family.look().is_empty()
            }
        };
        match (self.ended, &self.phase) {
            (Some(code), _) if !living => Ok(Some(self.end(code))),
            (None, Phase::Killing { since }) if since.elapsed() > KILL_TIMEOUT => Ok(Some(self.end(128 + 9))),
            _ => Ok(None),
        }
    }

    fn look_for_end(&mut self) -> io::Result<()> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.ended = self.parts.child.try_wait()?.map(exit_code);
        if self.ended.is_none() {
            return Ok(());
        }
        let by_kernel = self.parts.gauge.as_ref().and_then(Gauge::killed_by_kernel);
        if let Some(line) = by_kernel.filter(|_| self.killed_for.is_none()) {
            self.exceed_vastly(&line);
        }
        // Nobody else has a reason to stay.
        match &mut self.phase {
            Phase::Running => self.phase = stopping(LEFTOVERS_TIMEOUT.min(self.parts.rules.stop_timeout)),
            Phase::Stopping { tell, .. } => *tell = true,
            Phase::Killing { .. } => {}
        }
        Ok(())
    }

    /// Sends SIGTERM to who is there now: what they start meanwhile may be there to end well.
    fn tell(&mut self) -> bool {
        let Parts { family, rules, .. } = &mut self.parts;
        let Phase::Stopping { told, tell, .. } = &mut self.phase else { return true };
        let is_due = std::mem::take(tell);
        if !is_due && self.looked.elapsed() < LOOK_OFTEN {
            return true;
        }
        let living = family.look();
        self.looked = Stopwatch::start();
        if is_due {
            let main = family.main();
            let is_told = |process: &&Process| !(rules.is_wrapped && process.pid == main);
            for process in living.iter().filter(is_told).filter(|process| told.insert(process.pid)) {
                send(*process, Signal::TERM);
            }
            if living.is_empty() && self.ended.is_none() {
                // There is no /proc here: the group is all that is known.
                family.terminate_group();
            }
        }
        !living.is_empty()
    }

    fn watch(&mut self) {
        let is_booting = self.up.is_none();
        if self.looked.elapsed() < if is_booting { LOOK_OFTEN } else { LOOK_EVERY } {
            return;
        }
        let pids: Vec<i32> = self.parts.family.look().iter().map(|process| process.pid).collect();
        self.looked = Stopwatch::start();
        match self.parts.gauge.as_mut().map(|gauge| gauge.look(&pids)) {
            None | Some(Verdict::Fine) => {}
            Some(Verdict::Exceeded(line)) => {
                self.parts.process_log.say(&line);
                self.parts.process_log.warn(
                    NoticeCode::RunMemoryQuotaExceeded,
                    "Error R14 (Memory quota exceeded)",
                    "The dyno goes on, but on Heroku it swaps, and is slow. Use fewer processes \
                     (WEB_CONCURRENCY), find what holds the memory, or use a bigger --size.",
                );
            }
            Some(Verdict::VastlyExceeded(line)) => return self.exceed_vastly(&line),
        }
        if let (true, Some((timeout, port))) = (is_booting, self.parts.rules.boot) {
            self.watch_boot(&pids, timeout, port);
        }
    }

    fn watch_boot(&mut self, pids: &[i32], timeout: Duration, port: u16) {
        let binding = judge(port, &listening(pids));
        if binding == Binding::Open {
            return self.come_up();
        }
        if let Binding::Loopback(address) = binding
            && !std::mem::replace(&mut self.warned_of_loopback, true)
        {
            self.parts.process_log.warn(
                NoticeCode::RunBoundToLoopback,
                &format!("The web process listens on {address}, which only this machine reaches."),
                &format!(
                    "Heroku's router comes from another one, and finds nobody: error R10. Bind to 0.0.0.0, \
                     for example with gunicorn --bind 0.0.0.0:$PORT (PORT is {port} here)."
                ),
            );
        }
        if self.started.elapsed() > timeout {
            let line = format!(
                "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {} seconds of launch",
                timeout.as_secs_f32()
            );
            self.parts.process_log.warn(NoticeCode::RunBootTimeout, &line, &advice(port, &binding));
            self.kill_for(BOOT_TIMEOUT_CODE, "Stopping process with SIGKILL");
        }
    }

    fn come_up(&mut self) {
        self.up = Some(Stopwatch::start());
        self.say_state("starting", "up");
    }

    fn run_out_of_time(&mut self) {
        let Phase::Stopping { timeout, .. } = self.phase else { return };
        let line = format!(
            "Error R12 (Exit timeout) -> At least one process failed to exit within {} seconds of SIGTERM",
            timeout.as_secs_f32()
        );
        self.parts.process_log.warn(
            NoticeCode::RunExitTimeout,
            &line,
            "It loses what it was doing on Heroku, too. Handle SIGTERM, finish what is being done, and exit.",
        );
        // What is left over from a process that has ended by itself takes nothing away from its exit code.
        let code = self.ended.filter(|_| !self.was_asked).unwrap_or(EXIT_TIMEOUT_CODE);
        self.kill_for(code, "Stopping remaining processes with SIGKILL");
    }

    fn exceed_vastly(&mut self, line: &str) {
        self.parts.process_log.say(line);
        self.parts.process_log.warn(
            NoticeCode::RunMemoryQuotaVastlyExceeded,
            "Error R15 (Memory quota vastly exceeded)",
            "Use fewer processes (WEB_CONCURRENCY), find what holds the memory, or use a bigger --size.",
        );
        self.kill_for(MEMORY_CODE, "Stopping process with SIGKILL");
    }

    fn kill_for(&mut self, code: u8, line: &str) {
        self.parts.process_log.say(line);
        self.killed_for = Some(code);
        self.phase = Phase::Killing { since: Stopwatch::start() };
    }

    fn end(&mut self, code: u8) -> Ending {
        self.parts.listening.drain();
        self.parts.terminal = None;
        if !self.parts.rules.is_once {
            self.parts.process_log.say(&format!("Process exited with status {code}"));
        }
        // A web process has no end that is right.
        let is_well = self.was_asked || (code == 0 && self.parts.rules.boot.is_none());
        let is_well = is_well && self.killed_for.is_none();
        let from = if self.up.is_some() { "up" } else { "starting" };
        self.say_state(from, if is_well { "complete" } else { "crashed" });
        Ending {
            code: self.killed_for.unwrap_or(code),
            was_asked: self.was_asked,
            has_crashed: !is_well && self.killed_for.is_none(),
            was_up: self.up.is_some(),
            up_for: self.up.map_or(Duration::ZERO, |since| since.elapsed()),
            last_output: self.parts.listening.last_output(),
        }
    }

    fn say_state(&self, from: &str, to: &str) {
        if !self.parts.rules.is_once {
            self.parts.process_log.say(&format!("State changed from {from} to {to}"));
        }
    }
}

impl Drop for Dyno {
    fn drop(&mut self) {
        // Only a dyno that was lost from sight still has processes.
        if self.ended.is_none() {
            self.parts.family.kill();
            let _ = self.parts.child.kill();
            let _ = self.parts.child.wait();
        }
        self.parts.alive = None;
        self.parts.gauge = None;
        self.parts.scratch.remove();
    }
}

fn stopping(timeout: Duration) -> Phase {
    Phase::Stopping { since: Stopwatch::start(), timeout, told: BTreeSet::new(), tell: true }
}

fn advice(port: u16, binding: &Binding) -> String {
    let found = match binding {
        Binding::Open => String::new(),
        Binding::Loopback(address) => format!(
            "It listens on {address}, which only this machine reaches, and not Heroku's router. Bind to \
             0.0.0.0."
        ),
        Binding::Elsewhere(addresses) if addresses.is_empty() => {
            "It doesn't listen anywhere. See what it wrote last: it may wait for a database or another service."
                .to_owned()
        }
        Binding::Elsewhere(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("It listens on {} instead.", addresses.join(", "))
        }
    };
    format!("{found} PORT is {port} here: use it, for example by gunicorn --bind 0.0.0.0:$PORT.")
}

/// Returns the exit code as a shell has it: 128 and its number for a signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
