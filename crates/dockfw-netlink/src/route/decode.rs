//! Links, addresses, routes and neighbours as the kernel sends them: a header, then attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::neighbour::Neighbour;
use super::{Address, INET, INET6, Link, Prefix, Route};
use crate::sys::route::{
    IFA_ADDRESS, IFA_LOCAL, IFADDRMSG, IFINFOMSG, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO,
    NDA_DST, NDMSG, RT_TABLE_MAIN, RTA_DST, RTA_MULTIPATH, RTA_OIF, RTA_PRIORITY, RTA_TABLE,
    RTM_F_CLONED, RTMSG, RTN_UNICAST,
};
use crate::wire::{Attribute, Attributes};

/// `struct ifinfomsg`: family, padding, type (2), index (4), flags (4), change (4).
pub(super) fn link(payload: &[u8]) -> Option<Link> {
    let attributes = Attributes::new(payload.get(IFINFOMSG..)?);
    let kind = attributes.get(IFLA_LINKINFO).and_then(|of| {
        let kind = of.attributes().get(IFLA_INFO_KIND)?;
        kind.text().map(str::to_owned)
    });
    Some(Link {
        index: number(payload.get(4..)?)?,
        name: attributes.get(IFLA_IFNAME)?.text()?.to_owned(),
        kind,
    })
}

/// `struct ifaddrmsg`: family, length of the prefix, flags, scope, index (4).
pub(super) fn address(payload: &[u8]) -> Option<Address> {
    let &[family, length, _flags, _scope] = payload.first_chunk::<4>()?;
    let attributes = Attributes::new(payload.get(IFADDRMSG..)?);
    let of = |kind| ip(family, attributes.get(kind)?.payload);
    let network = of(IFA_ADDRESS).or_else(|| of(IFA_LOCAL))?;
    Some(Address {
        link: number(payload.get(4..)?)?,
        address: of(IFA_LOCAL).unwrap_or(network),
        network: Prefix {
            address: network,
            length,
        },
    })
}

/// `struct rtmsg`: family, lengths of destination and source, service, table, protocol, scope, type,
/// flags (4).
pub(super) fn route(payload: &[u8]) -> Option<Route> {
    let &[family, length, source, _tos, table, _protocol, _scope, kind] =
        payload.first_chunk::<8>()?;
    let flags = number(payload.get(8..)?)?;
    let attributes = Attributes::new(payload.get(RTMSG..)?);
    let of = |kind| attributes.get(kind).and_then(|of| number(of.payload));
    let table = of(RTA_TABLE).unwrap_or_else(|| table.into());
    if table != RT_TABLE_MAIN || kind != RTN_UNICAST || source != 0 || flags & RTM_F_CLONED != 0 {
        return None;
    }
    let address = match (attributes.get(RTA_DST), family) {
        (Some(destination), _) => ip(family, destination.payload)?,
        (None, INET) => Ipv4Addr::UNSPECIFIED.into(),
        (None, INET6) => Ipv6Addr::UNSPECIFIED.into(),
        (None, _) => return None,
    };
    Some(Route {
        destination: Prefix { address, length },
        link: of(RTA_OIF).or_else(|| first_hop(attributes.get(RTA_MULTIPATH)?))?,
        metric: of(RTA_PRIORITY).unwrap_or(0),
    })
}

/// `struct ndmsg`: family, padding (3), index (4), state (2), flags, type.
pub(super) fn neighbour(payload: &[u8]) -> Option<Neighbour> {
    let attributes = Attributes::new(payload.get(NDMSG..)?);
    Some(Neighbour {
        link: number(payload.get(4..)?)?,
        state: u16::from_ne_bytes(*payload.get(8..)?.first_chunk::<2>()?),
        address: ip(*payload.first()?, attributes.get(NDA_DST)?.payload)?,
    })
}

/// The link of the first `struct rtnexthop`: length (2), flags, hops, index (4).
fn first_hop(hops: Attribute<'_>) -> Option<u32> {
    number(hops.payload.get(4..)?)
}

fn ip(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        INET => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        INET6 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// A number of 32 bits in host byte order.
fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.first_chunk::<4>()?))
}
