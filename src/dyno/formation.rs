//! Several dynos at once, or one: they are started, looked at, restarted and ended together.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::SIGUSR1;

use super::boot;
use super::crash::Crash;
use super::formation_router::FormationRouter;
use super::launch::{Launcher, Order, Prepared};
use super::log::ProcessLog;
use super::scale::{expand, line_of, orders_of, single};
use super::slot::{Retired, Slot};
use super::supervise::{Dyno, EXIT_TIMEOUT_CODE, Ending};
use super::{DynoCommand, DynoError};
use crate::env::Env;
use crate::error::{ErrorCode, Failure, NoticeCode, Result};
use crate::host::clock::Stopwatch;
use crate::router::State;

const TICK: Duration = Duration::from_millis(20);
/// A wrapper that passes on what the terminal has sent as well makes two signals out of one Ctrl-C.
const ONE_SIGNAL: Duration = Duration::from_millis(200);
const SIGINT: usize = 2;
const TERMINATED: u8 = 128 + 15;

/// How often the first delay a dyno waits that has crashed again and again. The first restart comes at once.
const BACK_OFF: [u32; 7] = [0, 1, 2, 3, 6, 12, 16];

/// How the release phase has ended, if not with an error.
pub(super) enum Released {
    /// The rest can be started.
    Done,
    /// The user has stopped it.
    Stopped(u8),
}

/// Runs the process type `release` to its end.
pub(super) fn run_release(launcher: &Launcher<'_>, prepared: Prepared) -> Result<Released> {
    let mut process_types = launcher.process_types(&prepared)?;
    let Some(command) = process_types.remove("release") else {
        launcher.output.notice(
            NoticeCode::RunNoRelease,
            "The slug has no process type \"release\": there is nothing to run first.",
        );
        return Ok(Released::Done);
    };
    let name = boot::dyno_name(&DynoCommand::ProcessType("release".into()), std::process::id());
    let order = Order {
        name,
        process_type: None,
        line: command.into(),
        asked_port: None,
        port: None,
        is_web: false,
        is_once: false,
    };
    let process_log = ProcessLog::single(launcher.output);
    let mut run = Run::of(launcher, vec![Slot::new(order, process_log)], true);
    let code = run.finish(prepared)?;
    match code {
        code if run.was_stopped => Ok(Released::Stopped(code)),
        0 => Ok(Released::Done),
        code => Err(DynoError::ReleaseFailed { code }.into()),
    }
}

/// Runs what the command line asks for to its end, and returns the exit code.
pub(super) fn run(launcher: &Launcher<'_>, prepared: Prepared) -> Result<u8> {
    let (orders, router) = match &launcher.spec.command {
        DynoCommand::Formation(formation) => {
            let process_types = launcher.process_types(&prepared)?;
            orders_of(&expand(formation, &process_types)?, launcher)
        }
        command => {
            let order = single(launcher, command, &prepared)?;
            (vec![(order, ProcessLog::single(launcher.output))], ProcessLog::single(launcher.output))
        }
    };
    let is_single = !matches!(launcher.spec.command, DynoCommand::Formation(_));
    let has_web = orders.iter().any(|(order, _)| order.is_web);
    let formation_router = match launcher.spec.router_port() {
        Some(port) if has_web => {
            let listen = SocketAddr::from((launcher.spec.router_host, port));
            Some(FormationRouter::open(listen, launcher.spec.claims_https, router)?)
        }
        _ => None,
    };
    let slots = orders.into_iter().map(|(order, process_log)| Slot::new(order, process_log)).collect();
    Run { formation_router, ..Run::of(launcher, slots, is_single) }.finish(prepared)
}

/// All dynos, until none is left.
struct Run<'a> {
    launcher: &'a Launcher<'a>,
    slots: Vec<Slot>,
    is_single: bool,
    retired: Vec<Retired>,
    formation_router: Option<FormationRouter>,
    /// Slots that wait for their restart.
    rolling: VecDeque<usize>,
    reload: Arc<AtomicBool>,
    /// Since when all are being stopped.
    stopping: Option<Stopwatch>,
    was_stopped: bool,
    /// Why a dyno couldn't be started: all others are stopped then.
    failure: Option<Failure>,
    codes: Vec<u8>,
    /// The first dyno that has crashed: when all have ended, the reason is looked for.
    crash: Option<Crash>,
}

impl<'a> Run<'a> {
    fn of(launcher: &'a Launcher<'a>, slots: Vec<Slot>, is_single: bool) -> Self {
        let reload = Arc::new(AtomicBool::new(false));
        // Without a handler, which nothing forbids, the signal would end us.
        let _ = signal_hook::flag::register(SIGUSR1, Arc::clone(&reload));
        Self {
            launcher,
            slots,
            is_single,
            retired: Vec::new(),
            formation_router: None,
            rolling: VecDeque::new(),
            reload,
            stopping: None,
            was_stopped: false,
            failure: None,
            codes: Vec::new(),
            crash: None,
        }
    }

    /// Starts the dynos and watches over them until none is left. The first one gets what is unpacked already.
    fn finish(&mut self, prepared: Prepared) -> Result<u8> {
        let mut prepared = Some(prepared);
        loop {
            self.heed_signals();
            self.tell_gate();
            self.start_due(&mut prepared);
            self.roll();
            self.look()?;
            self.tell_gate();
            if self.is_empty() {
                if let Some(crash) = self.crash.take().filter(|_| !self.was_stopped) {
                    crash.tell(self.launcher.spec, false);
                }
                return self.failure.take().map_or_else(|| Ok(self.exit_code()), Err);
            }
            std::thread::sleep(TICK);
        }
    }

    fn is_empty(&self) -> bool {
        let is_idle = |slot: &Slot| slot.dyno.is_none() && slot.successor.is_none() && slot.due.is_none();
        self.slots.iter().all(is_idle) && self.retired.is_empty()
    }

    fn heed_signals(&mut self) {
        let signal = take_signal(self.launcher.env);
        // The program decides what Ctrl-C means to it: a Python prompt or a shell goes on.
        let is_theirs = signal == Some(SIGINT) && self.is_foreground();
        match (signal, &self.stopping) {
            (None, _) => {}
            (Some(_), None) if is_theirs => {}
            (Some(_), None) => {
                self.was_stopped = true;
                self.stop_all();
            }
            (Some(_), Some(since)) if since.elapsed() > ONE_SIGNAL => {
                self.every_dyno().for_each(Dyno::kill);
            }
            (Some(_), Some(_)) => {}
        }
        if self.reload.swap(false, Ordering::SeqCst) && self.stopping.is_none() && self.rolling.is_empty() {
            self.rolling = (0..self.slots.len()).collect();
        }
    }

    fn is_foreground(&self) -> bool {
        use std::io::IsTerminal;
        self.is_single && self.slots.iter().all(|slot| slot.order.is_once) && std::io::stdin().is_terminal()
    }

    fn stop_all(&mut self) {
        self.stopping = Some(Stopwatch::start());
        self.rolling.clear();
        self.slots.iter_mut().for_each(|slot| slot.due = None);
        self.every_dyno().for_each(Dyno::stop);
        self.tell_gate();
    }

    fn tell_gate(&mut self) {
        let Some(formation_router) = &mut self.formation_router else { return };
        for slot in self.slots.iter().filter(|slot| slot.order.is_web) {
            if let Some(port) = slot.order.port {
                formation_router.tell(&slot.name_at_gate(), port, slot.state());
            }
        }
    }

    fn every_dyno(&mut self) -> impl Iterator<Item = &mut Dyno> {
        self.slots
            .iter_mut()
            .flat_map(Slot::dynos)
            .chain(self.retired.iter_mut().map(|retired| &mut retired.dyno))
    }

    fn start_due(&mut self, prepared: &mut Option<Prepared>) {
        for slot in &mut self.slots {
            if slot.due.as_ref().is_none_or(|(since, delay)| since.elapsed() < *delay) {
                continue;
            }
            if slot.crashes > 0 {
                slot.process_log.say("State changed from crashed to starting");
            }
            let started = match prepared.take() {
                Some(ready) => self.launcher.launch(ready, &slot.order, slot.process_log.clone()),
                None => self.launcher.relaunch(&mut slot.order, slot.process_log.clone()),
            };
            slot.due = None;
            match started {
                Ok(dyno) => slot.dyno = Some(dyno),
                Err(failure) => return self.give_up(failure),
            }
        }
    }

    /// Ends the other dynos in good order, and then the run with this failure. If it is only that the user has stopped
    /// us while there are dynos, the signal is heeded in the next round.
    fn give_up(&mut self, failure: Failure) {
        if failure.code() != ErrorCode::Interrupted || self.every_dyno().next().is_none() {
            self.failure = Some(failure);
            self.stop_all();
        }
    }

    /// Takes the next step of a rolling restart. A web dyno goes when its successor is up; others go first, as two
    /// schedulers at once could do harm.
    fn roll(&mut self) {
        let Some(index) = self.rolling.front().copied() else { return };
        let slot = &mut self.slots[index];
        let Some(dyno) = &mut slot.dyno else {
            // It has crashed or ended meanwhile, and starts again by itself if at all.
            if slot.due.is_none() {
                self.rolling.pop_front();
            }
            return;
        };
        if slot.restarts {
            return;
        }
        if !slot.order.is_web {
            slot.restarts = true;
            dyno.stop();
            return;
        }
        match &slot.successor {
            Some((successor, _)) if successor.is_up() => {
                self.take_over(index);
                self.rolling.pop_front();
            }
            Some(_) => {}
            None => match self.launcher.succeed(&mut slot.order, slot.process_log.clone()) {
                Ok(successor) => slot.successor = Some(successor),
                Err(failure) => {
                    slot.process_log.warn(
                        NoticeCode::RunRestartFailed,
                        "The restart failed: the old dyno stays.",
                        &failure.to_string(),
                    );
                    self.rolling.clear();
                }
            },
        }
    }

    /// Lets the successor have the requests; the old dyno keeps those that it has.
    fn take_over(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some((successor, port)) = slot.successor.take() else { return };
        let (name, old_port) = (slot.name_at_gate(), slot.order.port.replace(port));
        slot.order.asked_port = Some(port);
        slot.generation += 1;
        if let Some(formation_router) = &mut self.formation_router {
            formation_router.tell(&slot.name_at_gate(), port, State::Up);
            formation_router.tell(&name, old_port.unwrap_or_default(), State::Stopping);
        }
        if let Some(dyno) = slot.dyno.replace(successor) {
            self.retired.push(Retired { dyno, name, since: Stopwatch::start() });
        }
    }

    /// Ends the dynos that have been replaced, when they have no requests left.
    fn look_at_retired(&mut self) -> std::result::Result<(), DynoError> {
        let patience = self.launcher.spec.timing.stop_timeout;
        for mut retired in std::mem::take(&mut self.retired) {
            let in_flight = self
                .formation_router
                .as_ref()
                .map_or(0, |formation_router| formation_router.in_flight(&retired.name));
            if !retired.dyno.is_stopping() && (in_flight == 0 || retired.since.elapsed() > patience) {
                retired.dyno.stop();
            }
            if retired.dyno.tick().map_err(|source| DynoError::Wait { source })?.is_none() {
                self.retired.push(retired);
            } else if let Some(formation_router) = &mut self.formation_router {
                formation_router.forget(&retired.name);
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let wait = |source| DynoError::Wait { source };
        self.look_at_retired()?;
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if let Some((successor, _)) = &mut slot.successor
                && successor.tick().map_err(wait)?.is_some()
            {
                slot.successor = None;
                if self.stopping.is_none() {
                    slot.process_log.warn(
                        NoticeCode::RunRestartFailed,
                        "The restart failed: the old dyno stays.",
                        "",
                    );
                }
                self.rolling.clear();
            }
            let slot = &mut self.slots[index];
            if let Some(dyno) = &mut slot.dyno
                && let Some(ending) = dyno.tick().map_err(wait)?
            {
                slot.dyno = None;
                self.after(index, ending);
            }
        }
        Ok(())
    }

    /// Decides what comes after the end of a dyno.
    fn after(&mut self, index: usize, ending: Ending) {
        let slot = &mut self.slots[index];
        let at_once = Some((Stopwatch::start(), Duration::ZERO));
        if std::mem::take(&mut slot.restarts) && self.stopping.is_none() {
            slot.due = at_once;
            self.rolling.pop_front();
            return;
        }
        let delay = self.launcher.spec.timing.restart.filter(|_| self.stopping.is_none());
        if let Some(first) = delay {
            // A dyno that has run well for long starts afresh.
            slot.crashes = if ending.up_for > first { 0 } else { slot.crashes };
            if let Some(crash) =
                Crash::of(&slot.order, &ending, &slot.process_log).filter(|_| slot.crashes == 0)
            {
                crash.tell(self.launcher.spec, true);
            }
            let delay = first * BACK_OFF[slot.crashes.min(BACK_OFF.len() - 1)];
            slot.crashes += 1;
            if !delay.is_zero() {
                slot.process_log.say(&format!("Restarting in {} seconds", delay.as_secs_f32()));
            }
            slot.due = Some((Stopwatch::start(), delay));
            return;
        }
        self.codes.push(ending.code);
        if self.crash.is_none() && self.stopping.is_none() {
            self.crash = Crash::of(&slot.order, &ending, &slot.process_log);
        }
        if self.stopping.is_none() {
            self.stop_all();
        }
    }

    /// Of one dyno it is its own; of several, that of the one that ended by itself, or else the worst.
    fn exit_code(&self) -> u8 {
        let first = self.codes.first().copied().unwrap_or_default();
        if self.is_single || !self.was_stopped {
            return first;
        }
        let is_bad = |code: &&u8| ![0, TERMINATED].contains(code);
        let killed = self.codes.iter().find(|code| **code == EXIT_TIMEOUT_CODE);
        killed.or_else(|| self.codes.iter().find(is_bad)).copied().unwrap_or_default()
    }
}

impl Launcher<'_> {
    /// Starts another dyno beside one that runs, on a port of its own.
    fn succeed(&self, order: &mut Order, process_log: ProcessLog) -> Result<(Dyno, u16)> {
        let port = boot::free_or(0);
        let old = (order.port.replace(port), order.asked_port.replace(port));
        let started = self.relaunch(order, process_log);
        (order.port, order.asked_port) = old;
        Ok((started?, port))
    }

    /// Starts a dyno again, from what the slug's file is now: it may have been built anew.
    fn relaunch(&self, order: &mut Order, process_log: ProcessLog) -> Result<Dyno> {
        let prepared = self.prepare()?;
        if let Some(name) = &order.process_type {
            order.line = line_of(name, &self.process_types(&prepared)?)?;
        }
        self.launch(prepared, order, process_log)
    }
}

/// Takes the signal, so that the next one shows.
fn take_signal(env: &Env) -> Option<usize> {
    Some(env.interrupt.flag().swap(0, Ordering::SeqCst)).filter(|signal| *signal != 0)
}
