//! Whether a web process listens in time: watches the port of one that somebody else has started.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::catalogue::FindingCode;
use super::finding::Finding;
use crate::env::Env;
use crate::error::Result;
use crate::host::clock::Stopwatch;
use crate::host::sockets::{self, is_loopback};

/// How the web process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// It listens, after so long.
    Listens(Duration),
    /// It listens, but for this machine only.
    ListensOnLoopback,
    /// It didn't listen in time.
    TimedOut,
    /// It has ended.
    Ended,
}

/// Who may reach a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Listener {
    Nobody,
    Loopback,
    Everybody,
}

/// Waits until somebody listens on a port. `ended` is closed when the process has ended.
pub(crate) fn wait_for_port(port: u16, limit: Duration, ended: &Receiver<()>, env: &Env) -> Result<Boot> {
    const STEP: Duration = Duration::from_millis(50);
    // A server may listen for its own machine first, and for everybody next.
    const SETTLE: Duration = Duration::from_secs(2);
    let watch = Stopwatch::start();
    let mut loopback_since = None;
    loop {
        env.interrupt.check()?;
        match listener(port) {
            Listener::Everybody => return Ok(Boot::Listens(watch.elapsed())),
            Listener::Loopback => {
                let since = *loopback_since.get_or_insert_with(|| watch.elapsed());
                if watch.elapsed() > since + SETTLE {
                    return Ok(Boot::ListensOnLoopback);
                }
            }
            Listener::Nobody => loopback_since = None,
        }
        if watch.elapsed() > limit {
            return Ok(Boot::TimedOut);
        }
        if ended.recv_timeout(STEP) == Err(RecvTimeoutError::Disconnected) {
            return Ok(Boot::Ended);
        }
    }
}

/// Says what is wrong with a boot; `last_words` is what the process wrote last.
pub(crate) fn finding(boot: Boot, port: u16, limit: Duration, last_words: &str) -> Option<Finding> {
    let words = if last_words.is_empty() { String::new() } else { format!("\n{last_words}") };
    match boot {
        Boot::Listens(_) => None,
        Boot::ListensOnLoopback => {
            let message = format!("It listens on 127.0.0.1:{port}, where Heroku's router can't reach it.");
            Some(Finding::new(FindingCode::BootLoopback, message))
        }
        Boot::TimedOut => {
            let message = format!(
                "Nothing listens on the port in PORT ({port}) after {} seconds.{words}",
                limit.as_secs()
            );
            Some(Finding::new(FindingCode::BootTimeout, message))
        }
        Boot::Ended => {
            Some(Finding::new(FindingCode::BootFailed, format!("It ended before it listened.{words}")))
        }
    }
}

fn listener(port: u16) -> Listener {
    let addresses = sockets::listeners().into_values().filter(|address| address.port() == port);
    let reach = |address: SocketAddr| {
        if is_loopback(address.ip()) { Listener::Loopback } else { Listener::Everybody }
    };
    addresses.map(reach).max().unwrap_or(Listener::Nobody)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernel_tells_who_listens_and_for_whom() {
        for (address, expected) in [
            ("127.0.0.1:0", Listener::Loopback),
            ("0.0.0.0:0", Listener::Everybody),
            ("[::1]:0", Listener::Loopback),
            ("[::]:0", Listener::Everybody),
        ] {
            let Ok(socket) = TcpListener::bind(address) else {
                eprintln!("SKIPPED: {address} can't be listened on here");
                continue;
            };
            assert_eq!(listener(socket.local_addr().unwrap().port()), expected, "{address}");
        }
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        assert_eq!(listener(port), Listener::Nobody);
    }
}
