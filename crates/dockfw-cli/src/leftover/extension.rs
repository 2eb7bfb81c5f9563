//! Matches and targets of xtables, from the bytes that the kernel keeps to the words of iptables.
//!
//! Only what Docker's rules have, in every revision that iptables has made of it, and what stands
//! often beside them. Numbers are in host byte order unless said otherwise.
//!
//! Source: uapi `linux/netfilter/xt_*.h`, `linux/netfilter/nf_nat.h` (v6.12).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype, LimitInterface};
use dockfw_iptables::r#match::comment::Comment;
use dockfw_iptables::r#match::conntrack::{Conntrack, States};
use dockfw_iptables::r#match::mark::Mark;
use dockfw_iptables::r#match::sctp::Sctp;
use dockfw_iptables::r#match::tcp::Tcp;
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::target::nat::NatRange;
use dockfw_iptables::{Family, Invertible, Match, PortRange, Target};
use dockfw_lower::import::clean::More;
use dockfw_netlink::xtables::set_name;

/// A match, or what else to call it.
pub(super) fn read_match(name: &str, revision: u8, data: &[u8]) -> Result<Match, More> {
    let read = match (name, revision) {
        ("addrtype", 0) => addrtype(data, true),
        ("addrtype", 1) => addrtype(data, false),
        ("comment", 0) => comment(data),
        ("conntrack", 1..=3) => conntrack(revision, data),
        ("mark", 1) => mark(data),
        ("sctp", 0) => sctp(data),
        ("set", 1..=4) => return Err(set(data).unwrap_or_else(|| More::Match(name.to_owned()))),
        ("tcp", 0) => tcp(data),
        ("udp", 0) => udp(data),
        _ => None,
    };
    read.ok_or_else(|| More::Match(name.to_owned()))
}

/// A target, or what else to call it.
pub(super) fn read_target(
    family: Family,
    name: &str,
    revision: u8,
    data: &[u8],
) -> Result<Target, More> {
    let read = match (name, family, revision) {
        ("CHECKSUM", _, 0) if data.first() == Some(&1) => return Err(More::Checksum),
        ("MASQUERADE", Family::Ipv4, 0) => nat_ipv4(data).filter(is_empty).map(|_| masquerade()),
        ("MASQUERADE", Family::Ipv6, 0) => nat_range(family, data)
            .filter(is_empty)
            .map(|_| masquerade()),
        ("SNAT", Family::Ipv4, 0) => nat_ipv4(data).map(Target::Snat),
        ("SNAT", _, 1 | 2) => nat_range(family, data).map(Target::Snat),
        ("DNAT", Family::Ipv4, 0) => nat_ipv4(data).map(Target::Dnat),
        ("DNAT", _, 1 | 2) => nat_range(family, data).map(Target::Dnat),
        _ => None,
    };
    read.ok_or_else(|| More::Target(name.to_owned()))
}

fn is_empty(range: &NatRange) -> bool {
    *range == NatRange::default()
}

fn masquerade() -> Target {
    Target::Masquerade(Masquerade::default())
}

fn bytes<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    bytes(data, at).map(u16::from_ne_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    bytes(data, at).map(u32::from_ne_bytes)
}

/// `struct xt_addrtype_info` (revision 0) and `xt_addrtype_info_v1`.
fn addrtype(data: &[u8], old: bool) -> Option<Match> {
    let (source, destination) = (u16_at(data, 0)?, u16_at(data, 2)?);
    let flags = if old {
        let is = |at| Some(u32::from(u32_at(data, at)? != 0));
        is(4)? | is(8)? << 1
    } else {
        u32_at(data, 4)?
    };
    let limit = match flags & !3 {
        0 => None,
        4 => Some(LimitInterface::In),
        8 => Some(LimitInterface::Out),
        _ => return None,
    };
    let types = |bits: u16, inverted: bool| match bits {
        0 => Some(None),
        bits => Some(Some(Invertible::new(inverted, address_types(bits)?))),
    };
    Some(Match::Addrtype(Addrtype {
        source: types(source, flags & 1 != 0)?,
        destination: types(destination, flags & 2 != 0)?,
        limit,
    }))
}

fn address_types(bits: u16) -> Option<AddressTypes> {
    const ALL: [AddressTypes; 9] = [
        AddressTypes::UNSPEC,
        AddressTypes::UNICAST,
        AddressTypes::LOCAL,
        AddressTypes::BROADCAST,
        AddressTypes::ANYCAST,
        AddressTypes::MULTICAST,
        AddressTypes::BLACKHOLE,
        AddressTypes::UNREACHABLE,
        AddressTypes::PROHIBIT,
    ];
    if bits >> ALL.len() != 0 {
        return None;
    }
    let set = ALL.into_iter().enumerate();
    set.filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, of)| of)
        .reduce(AddressTypes::or)
}

/// `struct xt_comment_info`
fn comment(data: &[u8]) -> Option<Match> {
    let text = data.split(|byte| *byte == 0).next()?;
    let comment = Comment::new(std::str::from_utf8(text).ok()?).ok()?;
    Some(Match::Comment(comment))
}

/// `struct xt_conntrack_mtinfo1`, `2` and `3` with `--ctstate` and nothing else.
fn conntrack(revision: u8, data: &[u8]) -> Option<Match> {
    const STATE: u16 = 1;
    const BITS: [(u16, States); 7] = [
        (1, States::INVALID),
        (1 << 1, States::ESTABLISHED),
        (1 << 2, States::RELATED),
        (1 << 3, States::NEW),
        (1 << 6, States::SNAT),
        (1 << 7, States::DNAT),
        (1 << 8, States::UNTRACKED),
    ];
    let (flags, inverted) = (u16_at(data, 146)?, u16_at(data, 148)?);
    if flags != STATE || inverted & !STATE != 0 {
        return None;
    }
    let mask = match revision {
        1 => u16::from(*data.get(150)?),
        _ => u16_at(data, 150)?,
    };
    if mask & !BITS.iter().fold(0, |all, (bit, _)| all | bit) != 0 {
        return None;
    }
    let set = BITS.into_iter().filter(|(bit, _)| mask & bit != 0);
    let states = set.map(|(_, state)| state).reduce(States::or)?;
    let mut conntrack = Conntrack::state(states);
    conntrack.state = Some(Invertible::new(inverted != 0, states));
    Some(Match::Conntrack(conntrack))
}

/// `struct xt_mark_mtinfo1`
fn mark(data: &[u8]) -> Option<Match> {
    let value = (u32_at(data, 0)?, u32_at(data, 4)?);
    let value = Invertible::new(*data.get(8)? != 0, value);
    Some(Match::Mark(Mark { value }))
}

/// The range at a place; `None` inside when it has all ports.
#[expect(clippy::option_option, reason = "absent is not the same as unreadable")]
fn ports(data: &[u8], at: usize, inverted: bool) -> Option<Option<Invertible<PortRange>>> {
    let range = PortRange {
        first: u16_at(data, at)?,
        last: u16_at(data, at + 2)?,
    };
    let all = range
        == PortRange {
            first: 0,
            last: u16::MAX,
        };
    Some((!all || inverted).then(|| Invertible::new(inverted, range)))
}

/// `struct xt_tcp` without flags and options.
fn tcp(data: &[u8]) -> Option<Match> {
    let [option, mask, compared, inverted] = bytes(data, 8)?;
    if (option, mask, compared) != (0, 0, 0) || inverted & !3 != 0 {
        return None;
    }
    let ports = Ports {
        source: ports(data, 0, inverted & 1 != 0)?,
        destination: ports(data, 4, inverted & 2 != 0)?,
    };
    Some(Match::Tcp(Tcp::from(ports)))
}

/// `struct xt_udp`
fn udp(data: &[u8]) -> Option<Match> {
    let inverted = *data.get(8)?;
    let ports = Ports {
        source: ports(data, 0, inverted & 1 != 0)?,
        destination: ports(data, 4, inverted & 2 != 0)?,
    };
    Some(Match::Udp(ports))
}

/// `struct xt_sctp_info` without chunks; the destination stands first.
fn sctp(data: &[u8]) -> Option<Match> {
    const SOURCE: u32 = 1;
    const DESTINATION: u32 = 2;
    let (flags, inverted) = (u32_at(data, 284)?, u32_at(data, 288)?);
    if flags & !(SOURCE | DESTINATION) != 0 || inverted & !flags != 0 {
        return None;
    }
    let of = |flag, at| match flags & flag {
        0 => Some(None),
        _ => ports(data, at, inverted & flag != 0),
    };
    let ports = Ports {
        source: of(SOURCE, 4)?,
        destination: of(DESTINATION, 0)?,
    };
    Some(Match::Sctp(Sctp::from(ports)))
}

/// `struct xt_set_info`: `--match-set NAME dst`.
fn set(data: &[u8]) -> Option<More> {
    let (index, dimensions, flags) = (u16_at(data, 0)?, *data.get(2)?, *data.get(3)?);
    if (dimensions, flags) != (1, 0) {
        return None;
    }
    set_name(index).map(More::SetOfDestinations)
}

const MAP_IPS: u32 = 1;
const PROTOCOL_SPECIFIED: u32 = 2;

/// `struct nf_nat_ipv4_multi_range_compat`; addresses and ports are big-endian.
fn nat_ipv4(data: &[u8]) -> Option<NatRange> {
    if u32_at(data, 0)? != 1 {
        return None;
    }
    let address = |at| bytes(data, at).map(|of: [u8; 4]| IpAddr::V4(Ipv4Addr::from(of)));
    range(u32_at(data, 4)?, (address(8)?, address(12)?), data, 16)
}

/// `struct nf_nat_range` and the beginning of `nf_nat_range2`; addresses and ports are big-endian.
fn nat_range(family: Family, data: &[u8]) -> Option<NatRange> {
    let address = |at| match family {
        Family::Ipv4 => bytes(data, at).map(|of: [u8; 4]| IpAddr::V4(Ipv4Addr::from(of))),
        Family::Ipv6 => bytes(data, at).map(|of: [u8; 16]| IpAddr::V6(Ipv6Addr::from(of))),
    };
    range(u32_at(data, 0)?, (address(4)?, address(20)?), data, 36)
}

fn range(flags: u32, addresses: (IpAddr, IpAddr), data: &[u8], at: usize) -> Option<NatRange> {
    if flags & !(MAP_IPS | PROTOCOL_SPECIFIED) != 0 {
        return None;
    }
    let port = |at| bytes(data, at).map(u16::from_be_bytes);
    let ports = PortRange {
        first: port(at)?,
        last: port(at + 2)?,
    };
    Some(NatRange {
        addresses: (flags & MAP_IPS != 0).then_some(addresses),
        ports: (flags & PROTOCOL_SPECIFIED != 0).then_some(ports),
        ..NatRange::default()
    })
}
