//! Whether a web process listens in time: watches the port of one that somebody else has started.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::catalogue::FindingCode;
use super::finding::Finding;
use crate::env::Env;
use crate::error::Result;
use crate::host::clock::Stopwatch;

/// How the web process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
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
pub fn wait_for_port(port: u16, limit: Duration, ended: &Receiver<()>, env: &Env) -> Result<Boot> {
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
pub fn finding(boot: Boot, port: u16, limit: Duration, last_words: &str) -> Option<Finding> {
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
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let found = tables.iter().filter_map(|table| std::fs::read_to_string(table).ok());
    found.map(|table| listener_in(&table, port)).max().unwrap_or(Listener::Nobody)
}

/// Reads one of the kernel's tables of sockets.
fn listener_in(table: &str, port: u16) -> Listener {
    const LISTEN: &str = "0A";
    let mut found = Listener::Nobody;
    for line in table.lines().skip(1) {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(local), Some(_), Some(state)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let Some((address, local_port)) = local.split_once(':') else { continue };
        if state != LISTEN || u16::from_str_radix(local_port, 16) != Ok(port) {
            continue;
        }
        // Words of 32 bits, in the order of this machine's bytes: 127.x.x.x ends with 7F.
        let is_loopback = match address.len() {
            8 => address.ends_with("7F"),
            _ => {
                address == "00000000000000000000000001000000"
                    || (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"))
            }
        };
        found = found.max(if is_loopback { Listener::Loopback } else { Listener::Everybody });
    }
    found
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
