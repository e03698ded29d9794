//! The places of a formation, in which dynos come and go.

use std::time::Duration;

use super::launch::Order;
use super::log::ProcessLog;
use super::supervise::Dyno;
use crate::host::clock::Stopwatch;
use crate::router::State;

/// The place of one dyno in the formation: the dyno itself comes and goes.
pub(super) struct Slot {
    pub(super) order: Order,
    pub(super) process_log: ProcessLog,
    pub(super) dyno: Option<Dyno>,
    /// A new dyno that will take over when it is up.
    pub(super) successor: Option<(Dyno, u16)>,
    /// How often a successor has taken over.
    pub(super) generation: u32,
    pub(super) crashes: usize,
    /// When the next dyno is to be started.
    pub(super) due: Option<(Stopwatch, Duration)>,
    /// Whether the end of the dyno is only the first half of a restart.
    pub(super) restarts: bool,
}

impl Slot {
    /// Begins with a dyno that is to be started at once.
    pub(super) fn new(order: Order, process_log: ProcessLog) -> Self {
        let due = Some((Stopwatch::start(), Duration::ZERO));
        Self {
            order,
            process_log,
            dyno: None,
            successor: None,
            generation: 0,
            crashes: 0,
            due,
            restarts: false,
        }
    }

    /// What the router calls the dyno: `web.1`, and `web.1-2` if it is the second there, as both are known for a while.
    pub(super) fn name_at_gate(&self) -> String {
        match self.generation {
            0 => self.order.name.clone(),
            earlier => format!("{}-{}", self.order.name, earlier + 1),
        }
    }

    /// What the dyno is doing, in the router's eyes.
    pub(super) fn state(&self) -> State {
        match &self.dyno {
            Some(dyno) if dyno.is_stopping() => State::Stopping,
            Some(dyno) if dyno.is_up() => State::Up,
            Some(_) => State::Starting,
            None if self.due.is_some() && self.crashes == 0 => State::Starting,
            None => State::Crashed,
        }
    }

    /// Returns the dynos that there are.
    pub(super) fn dynos(&mut self) -> impl Iterator<Item = &mut Dyno> {
        self.dyno.iter_mut().chain(self.successor.iter_mut().map(|(dyno, _)| dyno))
    }
}

/// A dyno that has been replaced, and finishes what it does.
pub(super) struct Retired {
    pub(super) dyno: Dyno,
    pub(super) name: String,
    pub(super) since: Stopwatch,
}
