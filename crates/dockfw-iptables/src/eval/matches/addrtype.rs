//! What `-m addrtype` means.

use std::net::{IpAddr, Ipv6Addr};

use super::{Seen, test};
use crate::eval::host::AddressKind;
use crate::r#match::addrtype::{AddressTypes, Addrtype, LimitInterface};

/// Whether source and destination have the wanted types.
///
/// A limit to an interface that the hook does not have is none (the kernel takes `limit` only
/// where the interface is there).
///
/// Source: linux v6.12, `net/netfilter/xt_addrtype.c`, `addrtype_mt_v1` and `addrtype_mt6`.
pub(super) fn matches(wanted: &Addrtype, seen: &Seen<'_>) -> bool {
    let interface = match wanted.limit {
        Some(LimitInterface::In) => seen.input,
        Some(LimitInterface::Out) => seen.output,
        None => "",
    };
    let interface = (!interface.is_empty()).then_some(interface);
    let is = |types: AddressTypes, address| match address {
        IpAddr::V4(_) => types.contains(ipv4(seen, interface, address)),
        IpAddr::V6(v6) => ipv6(seen, interface, v6, types),
    };
    let source = wanted
        .source
        .is_none_or(|wanted| test(&wanted, |types| is(*types, seen.source)));
    source
        && wanted
            .destination
            .is_none_or(|wanted| test(&wanted, |types| is(*types, seen.destination)))
}

/// The one type an IPv4 address has. What is the host's on another interface than the asked one
/// is unicast. Only the local table is asked, so nothing is unreachable or prohibited.
fn ipv4(seen: &Seen<'_>, interface: Option<&str>, address: IpAddr) -> AddressTypes {
    let (kind, owner) = seen.host.kind_and_interface(address);
    if let (Some(asked), Some(owner)) = (interface, owner)
        && asked != owner
    {
        return AddressTypes::UNICAST;
    }
    match kind {
        AddressKind::Unicast => AddressTypes::UNICAST,
        AddressKind::Local => AddressTypes::LOCAL,
        AddressKind::Broadcast => AddressTypes::BROADCAST,
        AddressKind::Multicast => AddressTypes::MULTICAST,
        AddressKind::Anycast => AddressTypes::ANYCAST,
    }
}

/// For IPv6, types of the address itself must all hold, and one of those that routing knows.
///
/// Source: linux v6.12, `net/netfilter/xt_addrtype.c`, `match_type6`.
fn ipv6(seen: &Seen<'_>, interface: Option<&str>, address: Ipv6Addr, types: AddressTypes) -> bool {
    let wants = |kind| types.contains(kind);
    if wants(AddressTypes::MULTICAST) && !address.is_multicast()
        || wants(AddressTypes::UNICAST) && !is_unicast(address)
        || wants(AddressTypes::UNSPEC) && !address.is_unspecified()
    {
        return false;
    }
    let routed = [
        AddressTypes::LOCAL,
        AddressTypes::ANYCAST,
        AddressTypes::UNREACHABLE,
        AddressTypes::PROHIBIT,
    ];
    if !routed.into_iter().any(wants) {
        return true;
    }
    routes(seen, interface, address, types)
}

/// Whether routing gives the address one of the types.
///
/// Source: linux v6.12, `net/netfilter/xt_addrtype.c`, `match_lookup_rt6`.
fn routes(
    seen: &Seen<'_>,
    interface: Option<&str>,
    address: Ipv6Addr,
    types: AddressTypes,
) -> bool {
    let address = IpAddr::V6(address);
    let wants = |kind| types.contains(kind);
    let kind = seen.host.kind(address);
    match (kind, interface) {
        (AddressKind::Local, Some(interface)) => {
            wants(AddressTypes::LOCAL) && seen.host.has(interface, address)
        }
        (AddressKind::Local, None) => wants(AddressTypes::LOCAL),
        (AddressKind::Anycast, _) => wants(AddressTypes::ANYCAST),
        (AddressKind::Unicast, _) => {
            wants(AddressTypes::UNREACHABLE) && seen.host.route(address, "").is_none()
        }
        (AddressKind::Multicast | AddressKind::Broadcast, _) => false,
    }
}

/// Source: linux v6.12, `net/ipv6/addrconf_core.c`, `__ipv6_addr_type`.
fn is_unicast(address: Ipv6Addr) -> bool {
    !address.is_multicast()
        && !address.is_unspecified()
        && !matches!(address.segments(), [0, 0, 0, 0, 0, 0xffff, ..])
}
