//! Watching a dyno from its start to its end: signals in, exit code out, and nobody left behind.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Signal;

use super::family::{Family, send};
use crate::env::Env;
use crate::host::clock::Stopwatch;
use crate::output::Output;

const TICK: Duration = Duration::from_millis(20);
/// The table of processes takes a few milliseconds to read.
const STOPPING_TICK: Duration = Duration::from_millis(50);
/// How often it is read while all is well.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long what is left over may take after its main process has ended by itself.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long SIGKILL may take: a process that the kernel holds can't be waited for.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// A wrapper that passes on what the terminal has sent as well makes two signals out of one Ctrl-C.
const ONE_SIGNAL: Duration = Duration::from_millis(200);

const SIGINT: usize = 2;
const KILLED: u8 = 128 + 9;

/// How a dyno is ended.
pub(super) struct StopRules {
    /// How long its processes may take after SIGTERM.
    pub(super) timeout: Duration,
    /// Whether it is in the foreground of a terminal, with us: it gets the terminal's Ctrl-C itself.
    pub(super) is_foreground: bool,
}

enum Phase {
    Running { looked: Stopwatch },
    Stopping { since: Stopwatch, timeout: Duration, told: BTreeSet<i32>, tell: bool },
    Killing { since: Stopwatch },
}

impl Phase {
    fn stopping(timeout: Duration) -> Self {
        Self::Stopping { since: Stopwatch::start(), timeout, told: BTreeSet::new(), tell: true }
    }

    fn killing() -> Self {
        Self::Killing { since: Stopwatch::start() }
    }
}

/// Waits for the end of a dyno and returns its exit code. SIGINT and SIGTERM to us become SIGTERM to each of its
/// processes, as on Heroku, and SIGKILL when their time is over or the signal comes again.
pub(super) fn supervise(
    child: &mut Child,
    family: &mut Family,
    rules: &StopRules,
    env: &Env,
    output: &Output,
) -> io::Result<u8> {
    let mut ended = None;
    let mut phase = Phase::Running { looked: Stopwatch::start() };
    loop {
        if ended.is_none() {
            ended = child.try_wait()?.map(exit_code);
            if ended.is_some() {
                phase = after_end(phase, rules);
            }
        }
        phase = react(phase, take_signal(env), rules, output);
        let living = match &mut phase {
            Phase::Running { looked } => {
                if looked.elapsed() > LOOK_EVERY {
                    family.look();
                    *looked = Stopwatch::start();
                }
                true
            }
            Phase::Stopping { told, tell, .. } => {
                let living = family.look();
                // Only who is there now: what they start meanwhile may be there to end well.
                if std::mem::take(tell) {
                    for process in living.iter().filter(|process| told.insert(process.pid)) {
                        send(*process, Signal::TERM);
                    }
                    if living.is_empty() && ended.is_none() {
                        // There is no /proc here: the group is all that is known.
                        family.terminate_group();
                    }
                }
                !living.is_empty()
            }
            Phase::Killing { since } => {
                family.kill();
                let _ = child.kill();
                let living = !family.look().is_empty();
                if since.elapsed() > KILL_TIMEOUT {
                    return Ok(ended.unwrap_or(KILLED));
                }
                living
            }
        };
        match (ended, &phase) {
            (Some(code), _) if !living => return Ok(code),
            (None, Phase::Running { .. }) => std::thread::sleep(TICK),
            _ => std::thread::sleep(STOPPING_TICK),
        }
    }
}

/// Decides what comes next, now that the main process has ended: nobody else has a reason to stay.
fn after_end(phase: Phase, rules: &StopRules) -> Phase {
    match phase {
        Phase::Running { .. } => Phase::stopping(LEFTOVERS_TIMEOUT.min(rules.timeout)),
        Phase::Stopping { since, timeout, told, tell: _ } => {
            Phase::Stopping { since, timeout, told, tell: true }
        }
        Phase::Killing { since } => Phase::Killing { since },
    }
}

/// Decides what comes next, after a signal or when time is over.
fn react(phase: Phase, signal: Option<usize>, rules: &StopRules, output: &Output) -> Phase {
    match (phase, signal) {
        // The program decides what Ctrl-C means to it: a Python prompt or a shell goes on.
        (phase @ Phase::Running { .. }, Some(SIGINT)) if rules.is_foreground => phase,
        (Phase::Running { .. }, Some(_)) => {
            output.step("Stopping all processes with SIGTERM");
            Phase::stopping(rules.timeout)
        }
        (Phase::Stopping { since, .. }, Some(_)) if since.elapsed() > ONE_SIGNAL => {
            output.step("Stopping all processes with SIGKILL");
            Phase::killing()
        }
        (Phase::Stopping { since, timeout, .. }, _) if since.elapsed() > timeout => {
            output.warning(
                "run::exit-timeout",
                format!(
                    "At least one process didn't exit within {} seconds of SIGTERM, and was killed.\n\n\
                     On Heroku this is error R12.",
                    timeout.as_secs_f32()
                ),
            );
            Phase::killing()
        }
        (phase, _) => phase,
    }
}

/// Takes the signal, so that the next one shows.
fn take_signal(env: &Env) -> Option<usize> {
    Some(env.interrupt.flag().swap(0, Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// Returns the exit code as a shell has it: 128 and its number for a signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
