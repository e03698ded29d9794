//! The sockets that listen on this machine, in the kernel's tables. Whoever is looked at doesn't notice.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state LISTEN in the kernel's tables.
const LISTEN: &str = "0A";

/// Returns the addresses that are listened on, by the inodes of the sockets. None where the kernel has no tables.
pub(crate) fn listeners() -> BTreeMap<u64, SocketAddr> {
    let mut listeners = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        listeners.extend(text.lines().filter_map(parse_listener));
    }
    listeners
}

/// Returns whether only this machine reaches an address.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
    }
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
    use super::*;

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
}
