//! What matches on parts of a packet's headers mean.

use super::{Seen, test};
use crate::r#match::connbytes::{Connbytes, Direction, Mode};
use crate::r#match::ecn::Ecn;
use crate::r#match::frag::Frag;
use crate::r#match::icmp::{Icmp, IcmpType};
use crate::r#match::icmp6::Icmp6;
use crate::r#match::multiport::{Multiport, Side};
use crate::r#match::owner::Owner;
use crate::r#match::policy::{Element, Policy, Wanted};
use crate::r#match::rpfilter::Rpfilter;
use crate::r#match::rt::Rt;
use crate::r#match::sctp::{Scope, Sctp};
use crate::r#match::tcp::Tcp;
use crate::value::Invertible;

/// Source: linux v6.12, `net/netfilter/xt_tcpudp.c`, `tcp_mt`.
pub(super) fn tcp(wanted: &Tcp, seen: &Seen<'_>) -> bool {
    let details = &seen.packet.details;
    let flags = wanted.flags.is_none_or(|wanted| {
        let flags = details.tcp_flags;
        flags.is_some_and(|flags| test(&wanted, |(mask, set)| flags & mask.bits() == set.bits()))
    });
    let has = |option: &u8| details.tcp_options.contains(option);
    flags && wanted.option.is_none_or(|wanted| test(&wanted, has))
}

/// Source: linux v6.12, `net/netfilter/xt_ecn.c`.
pub(super) fn ecn(wanted: Ecn, seen: &Seen<'_>) -> bool {
    const ECE: u8 = 0x40;
    const CWR: u8 = 0x80;
    let flags = seen.packet.details.tcp_flags;
    let flag = |wanted: Option<Invertible<()>>, bit: u8| {
        wanted.is_none_or(|wanted| flags.is_some_and(|flags| test(&wanted, |()| flags & bit != 0)))
    };
    flag(wanted.ece, ECE)
        && flag(wanted.cwr, CWR)
        && wanted.codepoint.is_none_or(|wanted| {
            seen.tos
                .is_some_and(|tos| test(&wanted, |wanted| tos & 3 == *wanted))
        })
}

/// Source: linux v6.12, `net/netfilter/xt_sctp.c`, `match_packet`.
pub(super) fn chunks(wanted: &Sctp, seen: &Seen<'_>) -> bool {
    let found = &seen.packet.details.chunks;
    wanted.chunks.as_ref().is_none_or(|wanted| {
        test(wanted, |wanted| {
            let mut types = wanted.types.iter();
            match wanted.scope {
                Scope::All => types.all(|kind| found.contains(kind)),
                Scope::Any => types.any(|kind| found.contains(kind)),
                Scope::Only => found.iter().all(|kind| wanted.types.contains(kind)),
            }
        })
    })
}

/// Source: linux v6.12, `net/netfilter/xt_multiport.c`, `ports_match_v1`.
pub(super) fn multiport(wanted: &Multiport, ports: Option<(u16, u16)>) -> bool {
    let Some((source, destination)) = ports else {
        return false;
    };
    test(&wanted.ports, |ranges| {
        ranges.iter().any(|range| {
            let has = |port| (range.first..=range.last).contains(&port);
            match wanted.side {
                Side::Source => has(source),
                Side::Destination => has(destination),
                Side::Either => has(source) || has(destination),
            }
        })
    })
}

/// Source: linux v6.12, `net/ipv4/netfilter/ip_tables.c`, `icmp_type_code_match`.
pub(super) fn icmp(wanted: Icmp, seen: &Seen<'_>) -> bool {
    let any = wanted.kind.value().kind == Icmp::ANY;
    icmp_type(wanted.kind.map(|kind| (kind, any)), seen)
}

/// Source: linux v6.12, `net/ipv6/netfilter/ip6_tables.c`, `icmp6_type_code_match`.
pub(super) fn icmp6(wanted: Icmp6, seen: &Seen<'_>) -> bool {
    icmp_type(wanted.kind.map(|kind| (kind, false)), seen)
}

fn icmp_type(wanted: Invertible<(IcmpType, bool)>, seen: &Seen<'_>) -> bool {
    seen.packet.icmp.is_some_and(|(kind, code)| {
        test(&wanted, |(wanted, any)| {
            *any || (wanted.kind == kind && wanted.code.is_none_or(|wanted| wanted == code))
        })
    })
}

/// A packet without a socket has no owner, so it matches when no part of the rule asks for one.
///
/// Source: linux v6.12, `net/netfilter/xt_owner.c`, `owner_mt`.
pub(super) fn owner(wanted: &Owner, seen: &Seen<'_>) -> bool {
    let details = &seen.packet.details;
    let exists = details.uid.is_some() || details.gid.is_some();
    if !exists {
        let refuses = |asked: bool, inverted: bool| !asked || inverted;
        return refuses(
            wanted.socket.is_some(),
            wanted.socket.is_some_and(|socket| socket.is_inverted()),
        ) && refuses(
            wanted.uid.is_some(),
            wanted.uid.is_some_and(|uid| uid.is_inverted()),
        ) && refuses(
            wanted.gid.is_some(),
            wanted.gid.is_some_and(|gid| gid.is_inverted()),
        );
    }
    let within = |wanted: Option<Invertible<(u32, u32)>>, id: Option<u32>| {
        wanted.is_none_or(|wanted| {
            test(&wanted, |(first, last)| {
                id.is_some_and(|id| (*first..=*last).contains(&id))
            })
        })
    };
    wanted.socket.is_none_or(|socket| !socket.is_inverted())
        && within(wanted.uid, details.uid)
        && within(wanted.gid, details.gid)
}

/// Whether the route to the source leads back, loosely: through any interface.
///
/// Source: linux v6.12, `net/ipv4/netfilter/ipt_rpfilter.c`, `rpfilter_mt`.
pub(super) fn rpfilter(wanted: Rpfilter, seen: &Seen<'_>) -> bool {
    use crate::eval::host::{AddressKind, LOOPBACK};
    if seen.input == LOOPBACK {
        return !wanted.invert;
    }
    let found = match seen.host.kind(seen.source) {
        AddressKind::Local => wanted.accept_local,
        AddressKind::Unicast => {
            let back = seen.host.route(seen.source, "");
            back.is_some_and(|back| wanted.loose || back == seen.input)
        }
        AddressKind::Broadcast | AddressKind::Multicast | AddressKind::Anycast => false,
    };
    found != wanted.invert
}

/// Source: linux v6.12, `net/netfilter/xt_connbytes.c`, `connbytes_mt`.
pub(super) fn connbytes(wanted: Connbytes, seen: &Seen<'_>) -> bool {
    let [original, reply] = seen.packet.details.counters;
    let (packets, bytes) = match wanted.direction {
        Direction::Original => original,
        Direction::Reply => reply,
        Direction::Both => (
            original.0.saturating_add(reply.0),
            original.1.saturating_add(reply.1),
        ),
    };
    let number = match wanted.mode {
        Mode::Packets => packets,
        Mode::Bytes => bytes,
        Mode::Average => bytes.checked_div(packets).unwrap_or(0),
    };
    test(&wanted.range, |(first, last)| {
        (*first..=*last).contains(&number)
    })
}

/// What a transformation is like is not modelled: asked for more than IPsec, nothing matches.
///
/// Source: linux v6.12, `net/netfilter/xt_policy.c`, `policy_mt`.
pub(super) fn policy(wanted: Policy, seen: &Seen<'_>) -> bool {
    let details = &seen.packet.details;
    let ipsec = if wanted.out {
        details.route_ipsec
    } else {
        details.ipsec
    };
    match wanted.wanted {
        Wanted::None => !ipsec,
        Wanted::Ipsec { strict, element } => ipsec && !strict && element == Element::default(),
    }
}

/// Source: linux v6.12, `net/netfilter/xt_esp.c`, `esp_mt`; `net/ipv4/netfilter/ipt_ah.c`, `ah_mt`.
pub(super) fn spi(wanted: Option<Invertible<(u32, u32)>>, seen: &Seen<'_>) -> bool {
    let spi = seen.packet.details.spi;
    spi.is_some_and(|spi| within(wanted, spi))
}

fn within(wanted: Option<Invertible<(u32, u32)>>, number: u32) -> bool {
    wanted.is_none_or(|wanted| test(&wanted, |(first, last)| (*first..=*last).contains(&number)))
}

/// The reserved field is not modelled: asked for it, nothing matches.
///
/// Source: linux v6.12, `net/ipv6/netfilter/ip6t_rt.c`, `rt_mt6`.
pub(super) fn rt(wanted: Rt, seen: &Seen<'_>) -> bool {
    let Some((kind, segments, bytes)) = seen.packet.details.headers.routing else {
        return false;
    };
    !wanted.reserved
        && within(wanted.segments, segments.into())
        && length(wanted.length, Some(bytes))
        && wanted
            .kind
            .is_none_or(|wanted| test(&wanted, |wanted| *wanted == kind.into()))
}

/// Source: linux v6.12, `net/ipv6/netfilter/ip6t_hbh.c`, `hbh_mt6`.
pub(super) fn length(wanted: Option<Invertible<u32>>, bytes: Option<u32>) -> bool {
    bytes.is_some_and(|bytes| wanted.is_none_or(|wanted| test(&wanted, |wanted| *wanted == bytes)))
}

/// Only the identification is modelled: asked for more, nothing matches.
///
/// Source: linux v6.12, `net/ipv6/netfilter/ip6t_frag.c`, `frag_mt6`.
pub(super) fn frag(wanted: Frag, seen: &Seen<'_>) -> bool {
    let id = seen.packet.details.headers.fragment;
    let more = wanted.reserved || wanted.first || wanted.more || wanted.last;
    id.is_some_and(|id| !more && within(wanted.id, id))
}
