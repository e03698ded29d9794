//! Where a dyno listens, seen from outside: its sockets in the kernel's tables. Nobody connects to the app for it,
//! as the app would see that.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use crate::host::sockets::{self, is_loopback};

/// Where a web process stands with its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// It listens where the router finds it.
    Open,
    /// It listens on the port, but only for this machine.
    Loopback(SocketAddr),
    /// It doesn't listen on the port, but maybe elsewhere.
    Elsewhere(Vec<SocketAddr>),
}

/// Decides how a web process stands, by all the addresses that its processes listen on.
pub(super) fn judge(port: u16, addresses: &BTreeSet<SocketAddr>) -> Binding {
    let on_port: Vec<&SocketAddr> = addresses.iter().filter(|address| address.port() == port).collect();
    if on_port.iter().any(|address| !is_loopback(address.ip())) {
        return Binding::Open;
    }
    match on_port.first() {
        Some(address) => Binding::Loopback(**address),
        None => Binding::Elsewhere(addresses.iter().copied().collect()),
    }
}

/// Returns the addresses that these processes listen on.
pub(super) fn listening(pids: &[i32]) -> BTreeSet<SocketAddr> {
    let listeners = sockets::listeners();
    if listeners.is_empty() {
        return BTreeSet::new();
    }
    let inodes = pids.iter().flat_map(|pid| socket_inodes(*pid));
    inodes.filter_map(|inode| listeners.get(&inode).copied()).collect()
}

fn socket_inodes(pid: i32) -> impl Iterator<Item = u64> {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter_map(|fd| {
        let target = fs::read_link(fd.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn addresses(texts: &[&str]) -> BTreeSet<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_port_is_open_unless_only_this_machine_reaches_it() {
        for (listening, expected) in [
            (&["0.0.0.0:5000"][..], Binding::Open),
            (&["[::]:5000"], Binding::Open),
            (&["127.0.0.1:5000", "10.0.0.7:5000"], Binding::Open),
            (&["127.0.0.1:5000"], Binding::Loopback("127.0.0.1:5000".parse().unwrap())),
            (&["[::1]:5000"], Binding::Loopback("[::1]:5000".parse().unwrap())),
            (&["[::ffff:127.0.0.1]:5000"], Binding::Loopback("[::ffff:127.0.0.1]:5000".parse().unwrap())),
            (&["0.0.0.0:8000"], Binding::Elsewhere(vec!["0.0.0.0:8000".parse().unwrap()])),
            (&[], Binding::Elsewhere(vec![])),
        ] {
            assert_eq!(judge(5000, &addresses(listening)), expected, "{listening:?}");
        }
    }

    #[test]
    fn the_sockets_of_a_process_are_found() {
        let own = i32::try_from(std::process::id()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(listening(&[own]).contains(&address));
        assert!(!listening(&[1_000_000_000]).contains(&address), "it is another process's");
        drop(listener);
        assert!(!listening(&[own]).contains(&address));
    }
}
