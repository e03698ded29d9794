//! Where a dyno listens, seen from outside: its sockets in the kernel's tables. Nobody connects to the app for it,
//! as the app would see that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state LISTEN in the kernel's tables.
const LISTEN: &str = "0A";

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

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
    }
}

/// Returns the addresses that these processes listen on.
pub(super) fn listening(pids: &[i32]) -> BTreeSet<SocketAddr> {
    let mut listeners = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        listeners.extend(text.lines().filter_map(parse_listener));
    }
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

/// Parses a line of `/proc/net/tcp` or `/proc/net/tcp6`: the inode of a socket that listens, and its address.
fn parse_listener(line: &str) -> Option<(u64, SocketAddr)> {
    let mut fields = line.split_ascii_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    let inode = fields.nth(5)?.parse().ok()?;
    let (address, port) = local.split_once(':')?;
    let address = parse_address(address)?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == LISTEN).then(|| (inode, SocketAddr::new(address, port)))
}

/// The kernel prints an address as words of 32 bits in this machine's byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for start in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    Some(Ipv6Addr::from(bytes).into())
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
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let tail =
            "00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0";
        for (line, expected) in [
            (format!("   0: 0100007F:1388 {tail}"), Some((4711, "127.0.0.1:5000"))),
            (format!("   1: 00000000:1F40 {tail}"), Some((4711, "0.0.0.0:8000"))),
            (format!("   0: 00000000000000000000000001000000:1388 {tail}"), Some((4711, "[::1]:5000"))),
            (format!("   1: 00000000:1F40 {}", tail.replace(" 0A ", " 01 ")), None),
            ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt".into(), None),
            (String::new(), None),
        ] {
            let expected = expected.map(|(inode, address)| (inode, address.parse().unwrap()));
            assert_eq!(parse_listener(&line), expected, "{line}");
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
