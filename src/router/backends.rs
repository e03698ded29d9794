//! The web dynos that there are, and which of them gets the next request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::fault::Fault;

/// A web dyno as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its name, such as `web.1`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a web dyno is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It doesn't listen yet. Requests wait for it if no other one is up.
    Starting,
    /// It gets requests.
    Up,
    /// It gets no new requests, and ends those that it has.
    Stopping,
    /// It has ended by itself.
    Crashed,
}

#[derive(Debug)]
struct Entry {
    address: SocketAddr,
    state: State,
    /// Each request has a clone.
    requests: Arc<()>,
}

type Table = BTreeMap<String, Entry>;

/// A request's place at a dyno, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim(#[expect(dead_code, reason = "its count is what matters")] Arc<()>);

/// The web dynos that there are: one table, shared by all clones. The router looks at it at each request.
#[derive(Debug, Clone)]
pub struct Backends(Arc<watch::Sender<Table>>);

impl Default for Backends {
    fn default() -> Self {
        Self::new()
    }
}

impl Backends {
    /// Returns a table without dynos.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Table::new())))
    }

    /// Adds a dyno, or replaces the one of that name.
    pub fn set(&self, backend: Backend, state: State) {
        let Backend { name, address } = backend;
        self.0.send_modify(|table| {
            let known = table.get(&name).filter(|entry| entry.address == address);
            let requests = known.map(|entry| Arc::clone(&entry.requests)).unwrap_or_default();
            table.insert(name, Entry { address, state, requests });
        });
    }

    /// Returns how many requests a dyno has. Once it is [`State::Stopping`], there won't be more: at 0 it can be
    /// stopped, and nothing is lost.
    pub fn in_flight(&self, name: &str) -> usize {
        self.0.borrow().get(name).map_or(0, |entry| Arc::strong_count(&entry.requests) - 1)
    }

    /// Takes a dyno out; one that isn't there is no error. Its requests end as they would have.
    pub fn remove(&self, name: &str) {
        self.0.send_modify(|table| {
            table.remove(name);
        });
    }

    /// Takes a place at a dyno, if it is still up.
    pub(super) fn claim(&self, backend: &Backend) -> Option<Claim> {
        let table = self.0.borrow();
        let entry = table.get(&backend.name)?;
        let is_same = entry.state == State::Up && entry.address == backend.address;
        is_same.then(|| Claim(Arc::clone(&entry.requests)))
    }

    /// Returns the dynos for a request, in the order in which they are to be tried. Waits while there are only
    /// ones that start.
    pub(super) async fn pick(&self, turn: usize, boot: Duration) -> Result<Vec<Backend>, Fault> {
        let mut changes = self.0.subscribe();
        let settled = async {
            loop {
                let outlook = look(&changes.borrow_and_update());
                if outlook != Outlook::Starting || changes.changed().await.is_err() {
                    return outlook;
                }
            }
        };
        match timeout(boot, settled).await {
            Ok(Outlook::Up(mut backends)) => {
                let first = turn % backends.len();
                backends.rotate_left(first);
                Ok(backends)
            }
            Ok(Outlook::Crashed) => Err(Fault::AppCrashed),
            Ok(Outlook::NoneRunning) => Err(Fault::NoWebDynos),
            Ok(Outlook::Starting) | Err(_) => Err(Fault::BootTimeout),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outlook {
    /// At least one.
    Up(Vec<Backend>),
    Starting,
    Crashed,
    NoneRunning,
}

fn look(table: &Table) -> Outlook {
    let up: Vec<Backend> = table
        .iter()
        .filter(|(_, entry)| entry.state == State::Up)
        .map(|(name, entry)| Backend { name: name.clone(), address: entry.address })
        .collect();
    let has = |wanted| table.values().any(|entry| entry.state == wanted);
    if !up.is_empty() {
        Outlook::Up(up)
    } else if has(State::Starting) {
        Outlook::Starting
    } else if has(State::Crashed) {
        Outlook::Crashed
    } else {
        Outlook::NoneRunning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_up_counts_then_who_starts_then_who_has_crashed() {
        use State::{Crashed, Starting, Stopping, Up};
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let up = |names: &[&str]| {
            Outlook::Up(names.iter().map(|name| Backend { name: (*name).to_owned(), address }).collect())
        };
        for (states, expected) in [
            (&[][..], Outlook::NoneRunning),
            (&[Stopping], Outlook::NoneRunning),
            (&[Crashed, Stopping], Outlook::Crashed),
            (&[Crashed, Starting, Stopping], Outlook::Starting),
            (&[Crashed, Up, Starting], up(&["web.2"])),
            (&[Up, Stopping, Up], up(&["web.1", "web.3"])),
        ] {
            let backends = Backends::new();
            for (number, state) in (1..).zip(states) {
                backends.set(Backend { name: format!("web.{number}"), address }, *state);
            }
            assert_eq!(look(&backends.0.borrow()), expected, "{states:?}");
        }
    }

    #[test]
    fn a_clone_is_the_same_table() {
        let backends = Backends::new();
        let backend = Backend { name: "web.1".to_owned(), address: "127.0.0.1:1".parse().unwrap() };
        backends.clone().set(backend.clone(), State::Starting);
        backends.clone().set(backend.clone(), State::Up);
        assert_eq!(look(&backends.0.borrow()), Outlook::Up(vec![backend]));
        backends.clone().remove("web.1");
        backends.remove("web.1");
        assert_eq!(look(&backends.0.borrow()), Outlook::NoneRunning);
    }

    #[test]
    fn a_place_is_only_at_a_dyno_that_is_up_and_counts_until_it_is_left() {
        let backends = Backends::new();
        let backend = |port| Backend { name: "web.1".to_owned(), address: ([127, 0, 0, 1], port).into() };
        assert!(backends.claim(&backend(1)).is_none());
        backends.set(backend(1), State::Up);
        let first = backends.claim(&backend(1)).unwrap();
        let second = backends.claim(&backend(1)).unwrap();
        backends.set(backend(1), State::Stopping);
        assert!(backends.claim(&backend(1)).is_none());
        assert_eq!(backends.in_flight("web.1"), 2);
        drop(first);
        assert_eq!(backends.in_flight("web.1"), 1);
        // Another dyno of the same name.
        backends.set(backend(2), State::Up);
        assert!(backends.claim(&backend(1)).is_none());
        assert_eq!(backends.in_flight("web.1"), 0);
        backends.remove("web.1");
        drop(second);
        assert_eq!(backends.in_flight("web.1"), 0);
    }
}
