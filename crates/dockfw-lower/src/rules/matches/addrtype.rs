//! `-m addrtype`: what the host's routing thinks of an address.

use std::net::{IpAddr, Ipv6Addr};

use dockfw_iptables::Invertible;
use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype, LimitInterface};
use dockfw_ir::expr::fib::{FibAddress, FibResult, addrtype};
use dockfw_ir::expr::{Expr, Fib};
use dockfw_ir::value::Value;

use crate::lower::family::Family;
use crate::rules::ways::{Ways, masked, one_of};

/// Source: linux v6.12, `net/netfilter/xt_addrtype.c`.
pub(super) fn ways(value: &Addrtype, family: Family) -> Ways {
    let (iif, oif) = match value.limit {
        Some(LimitInterface::In) => (true, false),
        Some(LimitInterface::Out) => (false, true),
        None => (false, false),
    };
    let fib = |address| Fib {
        address,
        iif,
        oif,
        mark: false,
        result: FibResult::Type,
    };
    let sides = [
        (value.source, FibAddress::Saddr, family.saddr()),
        (value.destination, FibAddress::Daddr, family.daddr()),
    ];
    let mut ways = Ways::always();
    for (types, side, address) in sides {
        let Some(types) = types else { continue };
        let of = match family {
            Family::V4 => routed(fib(side), types.is_inverted(), numbers(*types.value())),
            Family::V6 => ipv6(types, fib(side), &address.into()),
        };
        ways = ways.and(&of);
    }
    ways
}

/// `fib saddr type { local, broadcast }`
fn routed(fib: Fib, negated: bool, numbers: Vec<u32>) -> Ways {
    if numbers.is_empty() {
        return Ways::constant(negated);
    }
    let number = |number| {
        let value = Value::new().and_host_u32(number);
        (value.clone(), value)
    };
    let numbers = numbers.into_iter().map(number).collect();
    Ways::one(one_of(Expr::from(fib), negated, numbers))
}

/// The route types of a set.
fn numbers(types: AddressTypes) -> Vec<u32> {
    let all = [
        (AddressTypes::UNSPEC, addrtype::UNSPEC),
        (AddressTypes::UNICAST, addrtype::UNICAST),
        (AddressTypes::LOCAL, addrtype::LOCAL),
        (AddressTypes::BROADCAST, addrtype::BROADCAST),
        (AddressTypes::ANYCAST, addrtype::ANYCAST),
        (AddressTypes::MULTICAST, addrtype::MULTICAST),
        (AddressTypes::BLACKHOLE, addrtype::BLACKHOLE),
        (AddressTypes::UNREACHABLE, addrtype::UNREACHABLE),
        (AddressTypes::PROHIBIT, addrtype::PROHIBIT),
    ];
    let named = all.into_iter().filter(|(one, _)| types.contains(*one));
    named.map(|(_, number)| number).collect()
}

/// Of IPv6 the types of the address itself must all hold, and one of those that routing knows.
///
/// Source: linux v6.12, `net/netfilter/xt_addrtype.c`, `match_type6`; `net/ipv6/addrconf_core.c`,
/// `__ipv6_addr_type`.
fn ipv6(types: Invertible<AddressTypes>, fib: Fib, address: &Expr) -> Ways {
    let wanted = *types.value();
    let in_prefix = |network: Ipv6Addr, length: u32, is: bool| {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or_default();
        let value = |bits| Value::new().and_ip(IpAddr::V6(Ipv6Addr::from_bits(bits)));
        Ways::one(masked(
            address.clone(),
            !is,
            value(mask),
            value(network.to_bits()),
        ))
    };
    let multicast = |is| in_prefix(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, is);
    let unspecified = |is| in_prefix(Ipv6Addr::UNSPECIFIED, 128, is);
    let mapped = |is| in_prefix(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, is);
    // Each with its opposite.
    let mut tests: Vec<(Ways, Ways)> = Vec::new();
    if wanted.contains(AddressTypes::MULTICAST) {
        tests.push((multicast(true), multicast(false)));
    }
    if wanted.contains(AddressTypes::UNICAST) {
        tests.push((multicast(false), multicast(true)));
        tests.push((unspecified(false), unspecified(true)));
        tests.push((mapped(false), mapped(true)));
    }
    if wanted.contains(AddressTypes::UNSPEC) {
        tests.push((unspecified(true), unspecified(false)));
    }
    let known = [
        (AddressTypes::LOCAL, &[addrtype::LOCAL][..]),
        (AddressTypes::ANYCAST, &[addrtype::ANYCAST]),
        // Every route that refuses counts as unreachable.
        (
            AddressTypes::UNREACHABLE,
            &[
                addrtype::BLACKHOLE,
                addrtype::UNREACHABLE,
                addrtype::PROHIBIT,
            ],
        ),
    ];
    let known = known.iter().filter(|(one, _)| wanted.contains(*one));
    let known: Vec<u32> = known.flat_map(|(_, all)| *all).copied().collect();
    if !known.is_empty() {
        tests.push((routed(fib, false, known.clone()), routed(fib, true, known)));
    }
    if !types.is_inverted() {
        return tests
            .iter()
            .fold(Ways::always(), |all, (is, _)| all.and(is));
    }
    // The first test that does not hold tells the ways apart.
    let (mut before, mut ways) = (Ways::always(), Ways::never());
    for (is, is_not) in &tests {
        ways = ways.or(before.clone().and(is_not));
        before = before.and(is);
    }
    ways
}
