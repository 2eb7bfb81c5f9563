//! Match extensions: the tests that each becomes. One file for each that needs more than a few
//! lines.

mod addrtype;
mod connlimit;
mod conntrack;
mod ecn;
mod exthdr;
mod flow;
mod hashlimit;
mod icmp;
mod icmp6;
mod ipsec;
mod limit;
mod owner;
mod ports;
pub(super) mod recent;
mod rpfilter;
mod socket;
mod statistic;
mod time;
mod tos;

use std::fmt::Write as _;

use dockfw_iptables::r#match::iprange::{AddressRange, Iprange};
use dockfw_iptables::r#match::length::Length;
use dockfw_iptables::r#match::pkttype::PacketType;
use dockfw_iptables::r#match::ttl::Comparison;
use dockfw_iptables::{Invertible, Match, Rule};
use dockfw_ir::expr::exthdr::{Ipv6Field, Ipv6Header};
use dockfw_ir::expr::{Ct, Expr, Meta, Payload};
use dockfw_ir::name::SetName;
use dockfw_ir::set::Set;
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::Value;

use super::recent::Lists;
use super::ways::{Ways, masked, range};
use super::{Place, Reason};
use crate::lower::family::Family;

/// The ways in which an extension of a rule matches. Sets that it keeps its state in are added to
/// `sets`, those of the table; `lists` are those of the program.
pub(super) fn ways(
    extension: &Match,
    rule: &Rule,
    place: Place,
    sets: &mut Vec<Set>,
    lists: &Lists,
) -> Result<Ways, Reason> {
    Ok(match extension {
        Match::Addrtype(value) => addrtype::ways(value, place.family),
        Match::Ah(value) => ipsec::ah(*value, place.family)?,
        Match::Comment(_) => Ways::always(),
        Match::Connbytes(value) => flow::connbytes(*value),
        Match::Connlimit(value) => connlimit::ways(*value, place, sets)?,
        Match::Connmark(value) => mark(value.value, Ct::Mark.into()),
        Match::Conntrack(value) => conntrack::ways(value, place),
        Match::Dccp(value) => ports::dccp(*value)?,
        Match::Dscp(value) => {
            let key = match place.family {
                Family::V4 => Payload::IpDscp,
                Family::V6 => Payload::Ip6Dscp,
            };
            equal(key.into(), value.point.is_inverted(), *value.point.value())
        }
        Match::Dst(value) => exthdr::options(
            *value,
            Ipv6Header::Destination,
            Ipv6Field::DestinationLength,
        ),
        Match::Ecn(value) => ecn::ways(*value, place.family),
        Match::Esp(value) => ipsec::esp(*value),
        Match::Frag(value) => exthdr::frag(value)?,
        Match::Hashlimit(value) => hashlimit::ways(value, rule, place, sets)?,
        Match::Hbh(value) => {
            exthdr::options(*value, Ipv6Header::HopByHop, Ipv6Field::HopByHopLength)
        }
        Match::Hl(value) => comparison(value.0, Payload::Ip6Hoplimit),
        Match::Icmp(value) => icmp::ways(*value),
        Match::Icmp6(value) => icmp6::ways(*value),
        Match::Iprange(value) => iprange(value, place.family),
        Match::Length(value) => length(*value),
        Match::Limit(value) => limit::ways(*value)?,
        Match::Mac(value) => {
            let address = Value::new().and_bytes(&value.source.value().0);
            let negated = value.source.is_inverted();
            Ways::one(range(
                Payload::EtherSaddr,
                negated,
                address.clone(),
                address,
            ))
        }
        Match::Mark(value) => mark(value.value, Meta::Mark.into()),
        Match::Multiport(value) => ports::multiport(value),
        Match::Owner(value) => owner::ways(value)?,
        Match::Pkttype(value) => {
            let number = match value.kind.value() {
                PacketType::Unicast => 0,
                PacketType::Broadcast => 1,
                PacketType::Multicast => 2,
            };
            equal(Meta::Pkttype.into(), value.kind.is_inverted(), number)
        }
        Match::Policy(value) => ipsec::policy(*value)?,
        Match::Quota(value) => flow::quota(*value),
        Match::Recent(value) => recent::ways(value, rule, place, sets, lists)?,
        Match::Rpfilter(value) => rpfilter::ways(*value, place.family)?,
        Match::Rt(value) => exthdr::rt(value)?,
        Match::Sctp(value) => ports::sctp(value)?,
        Match::Socket(value) => socket::ways(*value),
        Match::State(value) => conntrack::state(value.state),
        Match::Statistic(value) => statistic::ways(value),
        Match::Tcp(value) => ports::tcp(value),
        Match::Tcpmss(value) => ports::tcpmss(*value),
        Match::Time(value) => time::ways(value)?,
        Match::Tos(value) => tos::ways(value.value, place.family),
        Match::Ttl(value) => comparison(value.0, Payload::IpTtl),
        Match::Udp(value) => ports::ports(value),
    })
}

/// A one-byte field.
fn equal(key: Expr, negated: bool, value: u8) -> Ways {
    let value = Value::new().and_u8(value);
    Ways::one(range(key, negated, value.clone(), value))
}

/// Source: linux v6.12, `net/netfilter/xt_mark.c`, `mark_mt`; `xt_connmark.c`, `connmark_mt`.
fn mark(wanted: Invertible<(u32, u32)>, key: Expr) -> Ways {
    let negated = wanted.is_inverted();
    let (value, mask) = *wanted.value();
    // A value with bits outside of its mask is never equal to a masked mark, and without a mask
    // every mark is equal; that of a connection there must be.
    if value & !mask != 0 || mask == 0 {
        let holds = (value & !mask == 0) != negated;
        return match (holds, key) {
            (true, Expr::Ct(_)) => conntrack::has_entry(),
            (holds, _) => Ways::constant(holds),
        };
    }
    let number = |number| Value::new().and_host_u32(number);
    Ways::one(masked(key, negated, number(mask), number(value)))
}

/// Source: linux v6.12, `net/netfilter/xt_iprange.c`.
fn iprange(value: &Iprange, family: Family) -> Ways {
    let mut ways = Ways::always();
    let sides = [
        (value.source, family.saddr()),
        (value.destination, family.daddr()),
    ];
    for (wanted, key) in sides {
        let Some(wanted) = wanted else { continue };
        let AddressRange { first, last } = *wanted.value();
        let negated = wanted.is_inverted();
        if first > last {
            ways = ways.and(&Ways::constant(negated));
            continue;
        }
        let (first, last) = (Value::new().and_ip(first), Value::new().and_ip(last));
        ways = ways.and(&Ways::one(range(key, negated, first, last)));
    }
    ways
}

/// Source: linux v6.12, `net/netfilter/xt_length.c`, `length_mt`, `length_mt6`: the length of the
/// packet with its header, in both families.
fn length(wanted: Length) -> Ways {
    let (first, last) = *wanted.bytes.value();
    let negated = wanted.bytes.is_inverted();
    if first > last {
        return Ways::constant(negated);
    }
    let number = |bytes: u16| Value::new().and_host_u32(bytes.into());
    Ways::one(range(Meta::Length, negated, number(first), number(last)))
}

/// Source: linux v6.12, `net/netfilter/xt_hl.c`, `ttl_mt`, `hl_mt6`.
fn comparison(wanted: Comparison, key: Payload) -> Ways {
    let value = |number| Value::new().and_u8(number);
    let (operator, number) = match wanted {
        Comparison::Below(0) | Comparison::Above(u8::MAX) => return Ways::never(),
        Comparison::Equal(Invertible::Is(number)) => (Operator::Equal, number),
        Comparison::Equal(Invertible::Not(number)) => (Operator::NotEqual, number),
        Comparison::Below(number) => (Operator::Less, number),
        Comparison::Above(number) => (Operator::Greater, number),
    };
    Ways::one(Statement::compare(key, operator, value(number)))
}

/// Adds a set of the table, unless another rule with the same one did.
fn share(sets: &mut Vec<Set>, set: Set) -> Result<SetName, Reason> {
    let name = set.name.clone();
    match sets.iter().find(|other| other.name == name) {
        Some(other) if *other != set => {
            return Err(Reason::new(
                format!("another rule uses {name} with other keys or another lifetime"),
                "give one of them another name",
            ));
        }
        Some(_) => {}
        None => sets.push(set),
    }
    Ok(name)
}

/// A name for a set: what it is for, the family and words of its own; what nft does not read in a
/// name becomes a dot and two hexadecimal digits.
fn set_name(what: &str, family: Family, own: &str) -> Result<SetName, Reason> {
    let digit = match family {
        Family::V4 => '4',
        Family::V6 => '6',
    };
    let mut name = format!("{what}{digit}-");
    for byte in own.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            name.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(name, ".{byte:02x}");
        }
    }
    SetName::new(&name).map_err(|error| {
        Reason::new(
            format!("the name {own:?} cannot be that of a set: {error}"),
            "give it a shorter name",
        )
    })
}
