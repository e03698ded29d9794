//! The router before the web dynos of a run, and what it is told of them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::log::ProcessLog;
use crate::router::{Backend, Backends, Router, RouterError, RouterLimits, State};

/// How long responses may take once no dyno is left to send them.
const GRACE: Duration = Duration::from_secs(1);

/// A router and its table of dynos.
pub(super) struct FormationRouter {
    router: Option<Router>,
    backends: Backends,
    /// What the table says, so that it is changed only when something has changed.
    told: BTreeMap<String, State>,
}

impl FormationRouter {
    /// Starts a router. What it says goes through the voice.
    pub(super) fn open(
        listen: SocketAddr,
        claims_https: bool,
        process_log: ProcessLog,
    ) -> Result<Self, RouterError> {
        let backends = Backends::new();
        let its_log = process_log.clone();
        let limits = RouterLimits { claims_https, ..RouterLimits::default() };
        let router = Router::start(listen, backends.clone(), limits, move |line| its_log.say(line))?;
        let address = router.address();
        let place = match address.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => format!("localhost:{}", address.port()),
            _ => address.to_string(),
        };
        process_log.say(&format!("The router's address is http://{place}"));
        Ok(Self { router: Some(router), backends, told: BTreeMap::new() })
    }

    /// Says what a dyno is doing.
    pub(super) fn tell(&mut self, name: &str, port: u16, state: State) {
        if self.told.get(name) != Some(&state) {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            self.backends.set(Backend { name: name.to_owned(), address }, state);
            self.told.insert(name.to_owned(), state);
        }
    }

    /// Says that a dyno is gone, and won't come back.
    pub(super) fn forget(&mut self, name: &str) {
        self.backends.remove(name);
        self.told.remove(name);
    }

    /// Returns how many requests a dyno has.
    pub(super) fn in_flight(&self, name: &str) -> usize {
        self.backends.in_flight(name)
    }
}

impl Drop for FormationRouter {
    fn drop(&mut self) {
        if let Some(router) = self.router.take() {
            router.stop(GRACE);
        }
    }
}
