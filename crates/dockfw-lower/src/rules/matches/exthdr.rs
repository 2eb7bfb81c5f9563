//! `-m rt`, `-m hbh`, `-m dst`, `-m frag`: extension headers of IPv6.
//!
//! A field that is read is there only where the header is; without one the header must exist. A
//! header that is longer than the packet never matches in iptables; here what it says is compared.
//!
//! Source: linux v6.12, `net/ipv6/netfilter/ip6t_rt.c`, `ip6t_hbh.c`, `ip6t_frag.c`;
//! `net/netfilter/nft_exthdr.c`, `nft_exthdr_ipv6_eval`.

use dockfw_iptables::Invertible;
use dockfw_iptables::r#match::frag::Frag;
use dockfw_iptables::r#match::options::Options;
use dockfw_iptables::r#match::rt::Rt;
use dockfw_ir::expr::exthdr::{Exthdr, Ipv6Field, Ipv6Header};
use dockfw_ir::value::Value;

use super::equal;
use super::ipsec::numbers;
use crate::rules::Reason;
use crate::rules::ways::{Ways, range};

fn exists(header: Ipv6Header) -> Ways {
    equal(Exthdr::Ipv6(header).into(), false, 1)
}

/// One byte of a header from a first to a last value.
fn byte(field: Ipv6Field, wanted: Invertible<(u32, u32)>) -> Ways {
    let negated = wanted.is_inverted();
    let (first, last) = *wanted.value();
    let there = |holds| {
        if holds {
            exists(field.header())
        } else {
            Ways::never()
        }
    };
    let Some(first) = u8::try_from(first).ok().filter(|_| first <= last) else {
        return there(negated);
    };
    let last = u8::try_from(last).unwrap_or(u8::MAX);
    if (first, last) == (0, u8::MAX) {
        return there(!negated);
    }
    let number = |number| Value::new().and_u8(number);
    let key = Exthdr::Ipv6Field(field);
    Ways::one(range(key, negated, number(first), number(last)))
}

/// The length of a header, which is kept in units of 8 bytes without the first ones.
fn length(field: Ipv6Field, wanted: Invertible<u32>) -> Ways {
    let units = |bytes: u32| {
        let units = (bytes / 8).checked_sub(1)?;
        (bytes.is_multiple_of(8) && units <= 255).then_some(units)
    };
    // A length that no header has is above all of them.
    let units = wanted.map(|bytes| units(bytes).unwrap_or(u32::MAX));
    byte(field, units.map(|units| (units, units)))
}

pub(super) fn rt(value: &Rt) -> Result<Ways, Reason> {
    if value.reserved {
        return Err(Reason::new(
            "rt --rt-0-res looks at a field that nftables does not read",
            "write the rule without --rt-0-res",
        ));
    }
    let mut ways = exists(Ipv6Header::Routing);
    let mut tests = Vec::new();
    if let Some(kind) = value.kind {
        tests.push(byte(Ipv6Field::RoutingType, kind.map(|kind| (kind, kind))));
    }
    if let Some(segments) = value.segments {
        tests.push(byte(Ipv6Field::RoutingSegments, segments));
    }
    if let Some(bytes) = value.length {
        tests.push(length(Ipv6Field::RoutingLength, bytes));
    }
    if !tests.is_empty() {
        ways = tests.iter().fold(Ways::always(), Ways::and);
    }
    Ok(ways)
}

pub(super) fn options(value: Options, header: Ipv6Header, field: Ipv6Field) -> Ways {
    match value.length {
        None => exists(header),
        Some(bytes) => length(field, bytes),
    }
}

pub(super) fn frag(value: &Frag) -> Result<Ways, Reason> {
    if value.reserved || value.first || value.more || value.last || value.length.is_some() {
        return Err(Reason::new(
            "of a fragment header only the identification is compared",
            "write --fragid, or nothing, behind -m frag",
        ));
    }
    Ok(exists(Ipv6Header::Fragment).and(&numbers(
        value.id,
        Exthdr::Ipv6Field(Ipv6Field::FragmentId).into(),
    )))
}
