//! Several dynos at once, or one: they are started, looked at, restarted and ended together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::SIGUSR1;

use super::boot;
use super::launch::{Launcher, Order, Prepared};
use super::log::Voice;
use super::scale::{expand, free_port, line_of, orders_of, single};
use super::supervise::{Dyno, EXIT_TIMEOUT_CODE, Ending};
use super::{DynoCommand, DynoError};
use crate::env::Env;
use crate::error::Result;
use crate::host::clock::Stopwatch;

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
        launcher.output.notice("The slug has no process type \"release\": there is nothing to run first.");
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
    let voice = Voice::single(launcher.output);
    let mut run = Run::of(launcher, vec![Slot::new(order, voice)], true);
    let code = run.finish(prepared)?;
    match code {
        code if run.was_stopped => Ok(Released::Stopped(code)),
        0 => Ok(Released::Done),
        code => Err(DynoError::ReleaseFailed { code }.into()),
    }
}

/// Runs what the command line asks for to its end, and returns the exit code.
pub(super) fn run(launcher: &Launcher<'_>, prepared: Prepared) -> Result<u8> {
    let slots = match &launcher.spec.command {
        DynoCommand::Formation(formation) => {
            let process_types = launcher.process_types(&prepared)?;
            let orders = orders_of(&expand(formation, &process_types)?, launcher);
            orders.into_iter().map(|(order, voice)| Slot::new(order, voice)).collect()
        }
        command => vec![Slot::new(single(launcher, command, &prepared)?, Voice::single(launcher.output))],
    };
    let is_single = !matches!(launcher.spec.command, DynoCommand::Formation(_));
    Run::of(launcher, slots, is_single).finish(prepared)
}

/// The place of one dyno in the formation: the dyno itself comes and goes.
struct Slot {
    order: Order,
    voice: Voice,
    dyno: Option<Dyno>,
    /// A new dyno that will take over when it is up.
    successor: Option<(Dyno, u16)>,
    crashes: usize,
    /// When the next dyno is to be started.
    due: Option<(Stopwatch, Duration)>,
    /// Whether the end of the dyno is only the first half of a restart.
    restarts: bool,
}

impl Slot {
    fn new(order: Order, voice: Voice) -> Self {
        let due = Some((Stopwatch::start(), Duration::ZERO));
        Self { order, voice, dyno: None, successor: None, crashes: 0, due, restarts: false }
    }

    fn dynos(&mut self) -> impl Iterator<Item = &mut Dyno> {
        self.dyno.iter_mut().chain(self.successor.iter_mut().map(|(dyno, _)| dyno))
    }
}

/// All dynos, until none is left.
struct Run<'a> {
    launcher: &'a Launcher<'a>,
    slots: Vec<Slot>,
    is_single: bool,
    /// Dynos that have been replaced, and finish what they do.
    retired: Vec<Dyno>,
    /// Slots that wait for their restart.
    rolling: VecDeque<usize>,
    reload: Arc<AtomicBool>,
    /// Since when all are being stopped.
    stopping: Option<Stopwatch>,
    was_stopped: bool,
    codes: Vec<u8>,
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
            rolling: VecDeque::new(),
            reload,
            stopping: None,
            was_stopped: false,
            codes: Vec::new(),
        }
    }

    /// Starts the dynos and watches over them until none is left. The first one gets what is unpacked already.
    fn finish(&mut self, prepared: Prepared) -> Result<u8> {
        let mut prepared = Some(prepared);
        loop {
            self.heed_signals();
            self.start_due(&mut prepared)?;
            self.roll();
            self.look()?;
            let is_empty = self.slots.iter().all(|slot| slot.dyno.is_none() && slot.due.is_none());
            if is_empty && self.retired.is_empty() {
                return Ok(self.exit_code());
            }
            std::thread::sleep(TICK);
        }
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
    }

    fn every_dyno(&mut self) -> impl Iterator<Item = &mut Dyno> {
        self.slots.iter_mut().flat_map(Slot::dynos).chain(self.retired.iter_mut())
    }

    fn start_due(&mut self, prepared: &mut Option<Prepared>) -> Result<()> {
        for slot in &mut self.slots {
            if slot.due.as_ref().is_some_and(|(since, delay)| since.elapsed() >= *delay) {
                if slot.crashes > 0 {
                    slot.voice.say("State changed from crashed to starting");
                }
                let started = match prepared.take() {
                    Some(ready) => self.launcher.launch(ready, &slot.order, slot.voice.clone()),
                    None => self.launcher.relaunch(&mut slot.order, slot.voice.clone()),
                };
                match started {
                    Ok(dyno) => (slot.dyno, slot.due) = (Some(dyno), None),
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
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
                if let Some((successor, port)) = slot.successor.take() {
                    (slot.order.port, slot.order.asked_port) = (Some(port), Some(port));
                    if let Some(mut old) = slot.dyno.replace(successor) {
                        old.stop();
                        self.retired.push(old);
                    }
                }
                self.rolling.pop_front();
            }
            Some(_) => {}
            None => match self.launcher.succeed(&mut slot.order, slot.voice.clone()) {
                Ok(successor) => slot.successor = Some(successor),
                Err(failure) => {
                    slot.voice.warn(
                        "run::restart-failed",
                        "The restart failed: the old dyno stays.",
                        &failure.to_string(),
                    );
                    self.rolling.clear();
                }
            },
        }
    }

    fn look(&mut self) -> Result<()> {
        let wait = |source| DynoError::Wait { source };
        let mut still = Vec::new();
        for mut dyno in std::mem::take(&mut self.retired) {
            if dyno.tick().map_err(wait)?.is_none() {
                still.push(dyno);
            }
        }
        self.retired = still;
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if let Some((successor, _)) = &mut slot.successor
                && successor.tick().map_err(wait)?.is_some()
            {
                slot.successor = None;
                if self.stopping.is_none() {
                    slot.voice.warn("run::restart-failed", "The restart failed: the old dyno stays.", "");
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
            let delay = first * BACK_OFF[slot.crashes.min(BACK_OFF.len() - 1)];
            slot.crashes += 1;
            if !delay.is_zero() {
                slot.voice.say(&format!("Restarting in {} seconds", delay.as_secs_f32()));
            }
            slot.due = Some((Stopwatch::start(), delay));
            return;
        }
        self.codes.push(ending.code);
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
    fn succeed(&self, order: &mut Order, voice: Voice) -> Result<(Dyno, u16)> {
        let port = free_port().ok_or(DynoError::NoPort)?;
        let old = (order.port.replace(port), order.asked_port.replace(port));
        let started = self.relaunch(order, voice);
        (order.port, order.asked_port) = old;
        Ok((started?, port))
    }

    /// Starts a dyno again, from what the slug's file is now: it may have been built anew.
    fn relaunch(&self, order: &mut Order, voice: Voice) -> Result<Dyno> {
        let prepared = self.prepare()?;
        if let Some(name) = &order.process_type {
            order.line = line_of(name, &self.process_types(&prepared)?)?;
        }
        self.launch(prepared, order, voice)
    }
}

/// Takes the signal, so that the next one shows.
fn take_signal(env: &Env) -> Option<usize> {
    Some(env.interrupt.flag().swap(0, Ordering::SeqCst)).filter(|signal| *signal != 0)
}
