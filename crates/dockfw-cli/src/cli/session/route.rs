//! By which interface a client is reached: the main routing tables, as proc(5) has them.
//!
//! Packets of a client are taken to come in by the interface by which answers go out.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name of the loopback interface.
pub const LOOPBACK: &str = "lo";

/// `RTF_UP`: the route is in use. Source: uapi `linux/route.h`.
const UP: u32 = 1;
/// `RTF_REJECT`: there is no way.
const REJECT: u32 = 0x200;

/// The interface by which an address is reached from this network namespace; `None` when that is
/// not known.
pub fn interface_to(address: IpAddr) -> Option<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/net/{name}")).ok();
    if address.is_loopback() {
        return Some(LOOPBACK.to_owned());
    }
    match address {
        IpAddr::V4(address) => {
            let own = read("fib_trie").is_some_and(|trie| is_own_ipv4(address, &trie));
            if own {
                return Some(LOOPBACK.to_owned());
            }
            ipv4(address, &read("route")?)
        }
        IpAddr::V6(address) => ipv6(address, &read("ipv6_route")?),
    }
}

/// All interfaces of this network namespace but loopback.
pub fn interfaces() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let names = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    let names = names.map(|(name, _)| name.trim().to_owned());
    names.filter(|name| name != LOOPBACK).collect()
}

/// Whether an address is one of this machine: `/32 host LOCAL` under it in the trie.
pub(super) fn is_own_ipv4(address: Ipv4Addr, trie: &str) -> bool {
    let leaf = format!("|-- {address}");
    let mut lines = trie.lines().skip_while(|line| line.trim_start() != leaf);
    lines.next().is_some()
        && lines
            .take_while(|line| line.trim_start().starts_with('/'))
            .any(|line| line.contains("/32 host LOCAL"))
}

/// A route to an address: the length of its prefix, its metric and its interface.
type Route<'t> = (u32, u32, &'t str);

/// The longest prefix, and of those the lowest metric.
fn best<'t>(routes: impl Iterator<Item = Route<'t>>) -> Option<String> {
    let best = routes.reduce(|best, route| {
        let is_better = route.0 > best.0 || (route.0 == best.0 && route.1 < best.1);
        if is_better { route } else { best }
    })?;
    Some(best.2.to_owned())
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`; addresses are numbers in the byte
/// order of the machine, printed in hexadecimal.
pub(super) fn ipv4(address: Ipv4Addr, table: &str) -> Option<String> {
    let route = |line: &'_ str| -> Option<(u32, u32, usize)> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let hex = |place: usize| u32::from_str_radix(words.get(place)?, 16).ok();
        let (to, flags, mask) = (hex(1)?, hex(3)?, hex(7)?);
        let metric = words.get(6)?.parse().ok()?;
        let wanted = u32::from_ne_bytes(address.octets());
        let is_usable = flags & UP != 0 && flags & REJECT == 0 && wanted & mask == to;
        is_usable.then(|| {
            (
                mask.count_ones(),
                metric,
                words.first().map_or(0, |of| of.len()),
            )
        })
    };
    best(table.lines().skip(1).filter_map(|line| {
        let (length, metric, name) = route(line)?;
        Some((length, metric, line.get(..name)?))
    }))
}

/// `DESTINATION LENGTH SOURCE LENGTH GATEWAY METRIC REFCNT USE FLAGS IFACE`, all in hexadecimal; own
/// addresses are routes by `lo`.
pub(super) fn ipv6(address: Ipv6Addr, table: &str) -> Option<String> {
    best(table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let hex = |place: usize| u32::from_str_radix(words.get(place)?, 16).ok();
        let to = u128::from_str_radix(words.first()?, 16).ok()?;
        let (length, metric, flags) = (hex(1)?, hex(5)?, hex(8)?);
        let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?);
        let is_usable =
            flags & UP != 0 && flags & REJECT == 0 && u128::from(address) & mask.unwrap_or(0) == to;
        let name = line.split_ascii_whitespace().last()?;
        is_usable.then_some((length, metric, name))
    }))
}
