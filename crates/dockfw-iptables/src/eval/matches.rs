//! Whether a rule matches: the tests of the IP header, then the extensions.

mod addrtype;
mod conntrack;
mod header;

use std::net::IpAddr;

use super::host::Host;
use super::packet::{Packet, State, Status, Tuple};
use crate::address::AddressMask;
use crate::r#match::Match;
use crate::r#match::hl::Hl;
use crate::r#match::iprange::AddressRange;
use crate::r#match::transport::Ports;
use crate::r#match::ttl::Ttl;
use crate::name::InterfacePattern;
use crate::rule::Rule;
use crate::value::{Invertible, PortRange, Protocol};

/// What a rule can see of a packet at one hook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) host: &'a Host,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) ports: Option<(u16, u16)>,
    pub(super) packet: &'a Packet,
    /// What matches answer that depend on earlier packets.
    pub(super) limits: bool,
    pub(super) mark: u32,
    pub(super) connection_mark: u32,
    pub(super) tos: Option<u8>,
    pub(super) ttl: Option<u8>,
    /// The tuples of the connection; `None` while there is no entry.
    pub(super) original: Option<Tuple>,
    pub(super) reply: Option<Tuple>,
    /// The empty name where the hook has no input interface, as in the kernel.
    pub(super) input: &'a str,
    /// Likewise.
    pub(super) output: &'a str,
    /// `Invalid` also while conntrack has not looked at the packet.
    pub(super) state: State,
    /// No bits while there is no entry.
    pub(super) status: Status,
}

impl Seen<'_> {
    /// Whether the packet has an entry that rules see.
    pub(super) fn has_entry(&self) -> bool {
        matches!(self.state, State::New | State::Established | State::Related)
    }
}

/// Whether a rule matches.
///
/// Source: linux v6.12, `net/ipv4/netfilter/ip_tables.c`, `ip_packet_match` and `ipt_do_table`;
/// `net/ipv6/netfilter/ip6_tables.c`, `ip6_packet_match`.
pub(super) fn matches(rule: &Rule, seen: &Seen<'_>) -> bool {
    address(rule.source.as_ref(), seen.source)
        && address(rule.destination.as_ref(), seen.destination)
        && interface(rule.in_interface.as_ref(), seen.input)
        && interface(rule.out_interface.as_ref(), seen.output)
        && protocol(rule.protocol, seen.protocol)
        && rule
            .fragment
            .is_none_or(|wanted| test(&wanted, |()| seen.packet.details.fragment))
        && rule
            .matches
            .iter()
            .all(|one| extension(one, rule.protocol, seen))
}

fn address(wanted: Option<&Invertible<AddressMask>>, address: IpAddr) -> bool {
    wanted.is_none_or(|wanted| test(wanted, |mask| mask.contains(address)))
}

fn interface(wanted: Option<&Invertible<InterfacePattern>>, name: &str) -> bool {
    wanted.is_none_or(|wanted| test(wanted, |pattern| pattern.matches(name)))
}

/// Protocol 0 is every protocol, negated or not: the kernel does not look at the negation then.
fn protocol(wanted: Option<Invertible<Protocol>>, number: u8) -> bool {
    wanted.is_none_or(|wanted| {
        wanted.value().0 == 0 || test(&wanted, |Protocol(wanted)| *wanted == number)
    })
}

/// Whether an extension matches.
///
/// Source: linux v6.12, `net/netfilter/xt_*.c`, the files of the extensions' names.
fn extension(extension: &Match, rule: Option<Invertible<Protocol>>, seen: &Seen<'_>) -> bool {
    let only = |protocols: &[Protocol]| match rule {
        Some(Invertible::Is(protocol)) => protocols.contains(&protocol),
        Some(Invertible::Not(_)) | None => false,
    };
    match extension {
        Match::Addrtype(value) => addrtype::matches(value, seen),
        Match::Comment(_) => true,
        Match::Conntrack(value) => conntrack::matches(value, seen),
        Match::State(value) => test(&value.state, |states| conntrack::in_state(*states, seen)),
        Match::Mark(value) => mark(&value.value, seen.mark),
        Match::Connmark(value) => seen.has_entry() && mark(&value.value, seen.connection_mark),
        Match::Sctp(value) => {
            only(&[Protocol::SCTP])
                && ports(&value.ports, seen.ports)
                && header::chunks(value, seen)
        }
        Match::Tcp(value) => {
            only(&[Protocol::TCP]) && ports(&value.ports, seen.ports) && header::tcp(value, seen)
        }
        Match::Multiport(value) => header::multiport(value, seen.ports),
        Match::Icmp(value) => only(&[Protocol::ICMP]) && header::icmp(*value, seen),
        Match::Icmp6(value) => only(&[Protocol::ICMPV6]) && header::icmp6(*value, seen),
        Match::Iprange(value) => {
            let within = |wanted: Option<Invertible<AddressRange>>, address| {
                wanted.is_none_or(|wanted| test(&wanted, |range| range.contains(address)))
            };
            within(value.source, seen.source) && within(value.destination, seen.destination)
        }
        Match::Length(value) => test(&value.bytes, |(first, last)| {
            (u32::from(*first)..=u32::from(*last)).contains(&seen.packet.length)
        }),
        Match::Ttl(Ttl(value)) | Match::Hl(Hl(value)) => {
            seen.ttl.is_some_and(|ttl| value.holds(ttl))
        }
        Match::Dscp(value) => seen
            .tos
            .is_some_and(|tos| test(&value.point, |point| tos >> 2 == *point)),
        Match::Tos(value) => seen
            .tos
            .is_some_and(|tos| test(&value.value, |(value, mask)| tos & mask == *value)),
        Match::Ecn(value) => header::ecn(*value, seen),
        Match::Tcpmss(value) => {
            let size = seen.packet.details.max_segment;
            test(&value.bytes, |(first, last)| {
                size.is_some_and(|size| (*first..=*last).contains(&size))
            })
        }
        Match::Mac(value) => {
            let mac = seen.packet.details.mac;
            mac.is_some_and(|mac| test(&value.source, |wanted| wanted.0 == mac))
        }
        Match::Pkttype(value) => {
            let frame = seen.packet.details.frame;
            frame.is_some_and(|frame| test(&value.kind, |wanted| *wanted == frame))
        }
        Match::Owner(value) => header::owner(value, seen),
        Match::Rpfilter(value) => header::rpfilter(*value, seen),
        Match::Socket(_) => seen.packet.details.socket,
        Match::Time(value) => seen.packet.details.time.is_some_and(|now| value.holds(now)),
        Match::Connbytes(value) => seen.has_entry() && header::connbytes(*value, seen),
        Match::Policy(value) => header::policy(*value, seen),
        Match::Esp(value) => only(&[Protocol(50)]) && header::spi(value.range, seen),
        Match::Ah(value) => header::spi(value.range, seen),
        Match::Dccp(value) => {
            // The type of a packet and its options are not modelled.
            only(&[Protocol(33)])
                && ports(&value.ports, seen.ports)
                && value.types.is_none()
                && value.option.is_none()
        }
        Match::Rt(value) => header::rt(*value, seen),
        Match::Hbh(value) => header::length(value.length, seen.packet.details.headers.hop_by_hop),
        Match::Dst(value) => header::length(value.length, seen.packet.details.headers.destination),
        Match::Frag(value) => header::frag(*value, seen),
        Match::Connlimit(_)
        | Match::Hashlimit(_)
        | Match::Limit(_)
        | Match::Quota(_)
        | Match::Recent(_)
        | Match::Statistic(_) => seen.limits,
        Match::Udp(value) => only(&[Protocol::UDP, Protocol(136)]) && ports(value, seen.ports),
    }
}

/// Source: linux v6.12, `net/netfilter/xt_mark.c`, `mark_mt`.
fn mark(wanted: &Invertible<(u32, u32)>, mark: u32) -> bool {
    test(wanted, |(value, mask)| mark & mask == *value)
}

/// Whether ports match; a packet without ports never does (the kernel drops what is too short
/// for the transport header, and callers do not make such packets).
///
/// The kernel takes a transport match only in a rule with its `-p`; elsewhere it never matches
/// here.
///
/// Source: linux v6.12, `net/netfilter/xt_tcpudp.c`, `port_match`; `xt_sctp.c`, `sctp_mt`.
fn ports(wanted: &Ports, ports: Option<(u16, u16)>) -> bool {
    let within = |range: Option<Invertible<PortRange>>, port: u16| {
        range.is_none_or(|range| test(&range, |range| (range.first..=range.last).contains(&port)))
    };
    ports.is_some_and(|(source, destination)| {
        within(wanted.source, source) && within(wanted.destination, destination)
    })
}

/// A condition or its opposite.
pub(super) fn test<T>(wanted: &Invertible<T>, is: impl FnOnce(&T) -> bool) -> bool {
    is(wanted.value()) != wanted.is_inverted()
}
