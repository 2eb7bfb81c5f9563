//! Address translation: what a target chooses, and what an entry has on record.
//!
//! The modelled host has no other connections, so a chosen address and port are never in use
//! already. Where the kernel picks one of several (by hash or at random), the first is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::host::Host;
use super::outcome::Hook;
use super::packet::{Conntrack, Direction, Status, Tuple};
use super::source;
use crate::target::Target;
use crate::target::masquerade::Masquerade;
use crate::target::nat::NatRange;
use crate::value::PortRange;

/// Which end of the packet a hook may rewrite.
///
/// Source: linux v6.12, `net/netfilter/nf_nat_core.c`, `HOOK2MANIP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manip {
    Source,
    Destination,
}

impl Manip {
    pub(super) fn of(hook: Hook) -> Option<Self> {
        match hook {
            Hook::Prerouting | Hook::Output => Some(Self::Destination),
            Hook::Postrouting | Hook::Input => Some(Self::Source),
            Hook::Forward => None,
        }
    }
}

/// An address and a port if there is one.
pub(super) type End = (IpAddr, Option<u16>);

/// What a target makes of the end it rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This becomes the end.
    Bind(End),
    /// The target leaves the packet alone, and so does the rest of the table.
    Keep,
    /// The target has no address to give and drops.
    Drop,
}

/// What a target of nat chooses for a packet that leaves through `output`.
///
/// Source: linux v6.12, `net/netfilter/nf_nat_core.c`, `get_unique_tuple`;
/// `net/netfilter/nf_nat_masquerade.c`.
pub(super) fn choose(
    target: &Target,
    manip: Manip,
    host: &Host,
    (input, output): (&str, &str),
    packet: &Tuple,
) -> Choice {
    match target {
        Target::Dnat(range) => {
            let (address, port) = packet.destination_end();
            let address = match range.addresses {
                Some((first, _)) => first,
                None => address,
            };
            Choice::Bind((address, port.map(|port| choose_port(range.ports, port))))
        }
        Target::Snat(range) => Choice::Bind(snat(range, packet.source_end())),
        Target::Masquerade(masquerade) => masquerade_as(*masquerade, host, output, packet),
        Target::Redirect(redirect) => match redirect_to(host, input, packet.destination) {
            Some(address) => {
                let (_, port) = packet.destination_end();
                Choice::Bind((address, port.map(|port| choose_port(redirect.ports, port))))
            }
            None => Choice::Drop,
        },
        Target::Netmap(netmap) => Choice::Bind(match manip {
            Manip::Source => (netmap.map(packet.source), packet.source_end().1),
            Manip::Destination => (netmap.map(packet.destination), packet.destination_end().1),
        }),
        Target::Accept
        | Target::Drop
        | Target::Return
        | Target::Jump(_)
        | Target::Goto(_)
        | Target::Reject(_)
        | Target::Log(_)
        | Target::Nflog(_)
        | Target::Mark(_)
        | Target::Connmark(_)
        | Target::Notrack(_)
        | Target::Tcpmss(_)
        | Target::Zone(_)
        | Target::Classify(_)
        | Target::Dscp(_)
        | Target::Tos(_)
        | Target::Ttl(_)
        | Target::Hl(_)
        | Target::Tee(_)
        | Target::Tproxy(_)
        | Target::Nfqueue(_) => Choice::Keep,
    }
}

/// The host's own address for packets from an interface; the loopback address for its own
/// packets, which have no input interface.
///
/// Source: linux v6.12, `net/netfilter/nf_nat_redirect.c`.
fn redirect_to(host: &Host, input: &str, destination: IpAddr) -> Option<IpAddr> {
    if input.is_empty() {
        return Some(match destination {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    let named = host.interfaces.iter();
    let mut addresses = named
        .filter(|interface| interface.name == input)
        .flat_map(|interface| &interface.addresses)
        .map(IpNet::addr);
    addresses.find(|address| address.is_ipv4() == destination.is_ipv4())
}

/// A source that is in the range already stays.
fn snat(range: &NatRange, (address, port): End) -> End {
    let address = match range.addresses {
        Some((first, last)) if (first..=last).contains(&address) => address,
        Some((first, _)) => first,
        None => address,
    };
    (address, port.map(|port| choose_port(range.ports, port)))
}

/// IPv4 packets from 0.0.0.0 are left alone.
fn masquerade_as(value: Masquerade, host: &Host, output: &str, packet: &Tuple) -> Choice {
    let (source, port) = packet.source_end();
    if source.is_ipv4() && source.is_unspecified() {
        return Choice::Keep;
    }
    match source::select(host, output, packet.destination) {
        Some(address) => Choice::Bind((address, port.map(|port| choose_port(value.ports, port)))),
        None => Choice::Drop,
    }
}

/// A port that is in the range already stays; else it is the first one (for SNAT the kernel
/// begins its search at a random one).
///
/// Source: linux v6.12, `net/netfilter/nf_nat_core.c`, `nf_nat_l4proto_unique_tuple`.
fn choose_port(range: Option<PortRange>, port: u16) -> u16 {
    match range {
        Some(range) if !(range.first..=range.last).contains(&port) => range.first,
        Some(_) | None => port,
    }
}

/// What an entry has on record for an end of one of its packets; `None` when it stays.
///
/// The packet gets what the other direction's tuple expects of its inverse. In the reply
/// direction the source is rewritten when the entry has its destination rewritten.
///
/// Source: linux v6.12, `net/netfilter/nf_nat_core.c`, `nf_nat_packet`.
pub(super) fn recorded(ct: &Conntrack, status: Status, manip: Manip) -> Option<End> {
    let (bit, other) = match (ct.direction, manip) {
        (Direction::Original, Manip::Source) => (status.snat, ct.reply),
        (Direction::Original, Manip::Destination) => (status.dnat, ct.reply),
        (Direction::Reply, Manip::Source) => (status.dnat, ct.original),
        (Direction::Reply, Manip::Destination) => (status.snat, ct.original),
    };
    let target = other.filter(|_| bit)?.inverse();
    Some(match manip {
        Manip::Source => target.source_end(),
        Manip::Destination => target.destination_end(),
    })
}
