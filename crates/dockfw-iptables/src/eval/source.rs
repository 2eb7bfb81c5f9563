//! Which of its addresses the host masquerades with.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::host::Host;

/// The source address that MASQUERADE chooses; `None` makes it drop the packet.
///
/// IPv4: the first address of the interface whose subnet has the destination in it, else the
/// interface's first, else the first of any other interface; never one of 127.0.0.0/8. (The
/// kernel compares subnets with the next hop, which the model does not have.)
///
/// IPv6: best scope, then an address of the interface, then equal label, then the longest
/// common prefix, then the first.
///
/// Source: linux v6.12, `net/netfilter/nf_nat_masquerade.c`; `net/ipv4/devinet.c`,
/// `inet_select_addr`; `net/ipv6/addrconf.c`, `ipv6_dev_get_saddr`.
pub(super) fn select(host: &Host, interface: &str, destination: IpAddr) -> Option<IpAddr> {
    match destination {
        IpAddr::V4(destination) => ipv4(host, interface, destination).map(IpAddr::V4),
        IpAddr::V6(destination) => ipv6(host, interface, destination).map(IpAddr::V6),
    }
}

fn ipv4(host: &Host, interface: &str, destination: Ipv4Addr) -> Option<Ipv4Addr> {
    let candidates = || {
        let nets = host.interfaces.iter().flat_map(|other| {
            let mine = other.name == interface;
            other.addresses.iter().map(move |net| (mine, net))
        });
        nets.filter_map(|(mine, net)| match net {
            IpNet::V4(net) if !net.addr().is_loopback() => Some((mine, net)),
            IpNet::V4(_) | IpNet::V6(_) => None,
        })
    };
    let mine = || candidates().filter(|(mine, _)| *mine);
    let near = mine().find(|(_, net)| net.contains(&destination));
    let chosen = near.or_else(|| mine().next());
    let chosen = chosen.or_else(|| candidates().next());
    chosen.map(|(_, net)| net.addr())
}

/// Distance of the scopes, on the interface, equal label, length of the common prefix; the greatest
/// wins.
type Rank = (Reverse<u8>, bool, bool, u32);

fn ipv6(host: &Host, interface: &str, destination: Ipv6Addr) -> Option<Ipv6Addr> {
    let wanted_scope = scope(destination);
    let on_link = wanted_scope <= 2 || destination.is_multicast();
    let mut best: Option<(Rank, Ipv6Addr)> = None;
    for other in &host.interfaces {
        let mine = other.name == interface;
        if on_link && !mine {
            continue;
        }
        for net in &other.addresses {
            let IpNet::V6(net) = net else { continue };
            let address = net.addr();
            let own_scope = scope(address);
            // A scope that is too narrow is worse than any that is too wide.
            let distance = if own_scope >= wanted_scope {
                own_scope - wanted_scope
            } else {
                128 - own_scope
            };
            let common = (address.to_bits() ^ destination.to_bits()).leading_zeros();
            let rank: Rank = (
                Reverse(distance),
                mine,
                label(address) == label(destination),
                common.min(u32::from(net.prefix_len())),
            );
            if best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, address));
            }
        }
    }
    best.map(|(_, address)| address)
}

/// The scope as RFC 4291 §2.7 numbers it.
fn scope(address: Ipv6Addr) -> u8 {
    if address.is_multicast() {
        return address.octets().get(1).map_or(0, |byte| byte & 0xf);
    }
    if address.is_loopback() || address.is_unicast_link_local() {
        return 2;
    }
    match address.segments() {
        [first, ..] if first & 0xffc0 == 0xfec0 => 5,
        _ => 14,
    }
}

/// The label of RFC 6724 §2.1, for the prefixes that hosts use.
///
/// Source: linux v6.12, `net/ipv6/addrlabel.c`, `ip6addrlbl_init_table`.
fn label(address: Ipv6Addr) -> u8 {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => 0,
        [0, 0, 0, 0, 0, 0xffff, ..] => 4,
        [0, 0, 0, 0, 0, 0, ..] => 3,
        [0x2002, ..] => 2,
        [0x2001, 0, ..] => 6,
        [0x2001, second, ..] if second & 0xfff0 == 0x10 => 7,
        [0x3ffe, ..] => 12,
        [first, ..] if first & 0xfe00 == 0xfc00 => 5,
        [first, ..] if first & 0xffc0 == 0xfec0 => 11,
        _ => 1,
    }
}
