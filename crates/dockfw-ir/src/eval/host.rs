//! The modelled host: interfaces, addresses and routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The name of the loopback interface.
pub(super) const LOOPBACK: &str = "lo";

/// What the host's network looks like.
///
/// Loopback need not be listed: 127.0.0.0/8 and ::1 are always local.
/// The model has one routing table, forwards both families, and does not look at sources, as with
/// `rp_filter` 0 and `route_localnet` 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Interfaces; of several addresses of one family the first is the primary one.
    pub interfaces: Vec<Interface>,
    /// Routes other than those to the interfaces' own subnets; `0.0.0.0/0` is the default route.
    pub routes: Vec<Route>,
}

/// An interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// At most 15 bytes.
    pub name: String,
    /// Its addresses, each with the length of its subnet.
    pub addresses: Vec<IpNet>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// The interface that leads there.
    pub interface: String,
}

/// What the routing tables say about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'h> {
    /// An address of this interface.
    Local(&'h str),
    /// The broadcast address of a subnet of this interface, or of every network.
    Broadcast(Option<&'h str>),
    /// A group; the interface is that of the route to it.
    Multicast(Option<&'h str>),
    /// The address of all routers of an IPv6 subnet of this interface.
    Anycast(&'h str),
    /// Leaves by this interface.
    Unicast(&'h str),
    /// There is no route.
    Unreachable,
}

impl Host {
    /// Looks an address up; `link` is the interface that link-local addresses belong to.
    ///
    /// Source: `net/ipv4/fib_frontend.c`, `__inet_dev_addr_type`, `fib_add_ifaddr`;
    /// `net/ipv6/route.c`, `ip6_pol_route` (v6.12).
    pub(super) fn resolve(&self, address: IpAddr, link: Option<&str>) -> Target<'_> {
        match address {
            IpAddr::V4(v4) => self.resolve4(v4),
            IpAddr::V6(v6) => self.resolve6(v6, link.filter(|_| v6.is_unicast_link_local())),
        }
    }

    fn resolve4(&self, address: Ipv4Addr) -> Target<'_> {
        let any = IpAddr::V4(address);
        if address.is_broadcast() || address.is_unspecified() {
            return Target::Broadcast(None);
        }
        if address.is_multicast() {
            return Target::Multicast(self.longest(any, None));
        }
        if address == Ipv4Addr::new(127, 255, 255, 255) {
            return Target::Broadcast(Some(LOOPBACK));
        }
        if address.is_loopback() {
            return Target::Local(LOOPBACK);
        }
        let mut broadcast = None;
        for (name, own) in self.addresses() {
            if own.addr() == any {
                return Target::Local(name);
            }
            if own.prefix_len() < 31 && own.broadcast() == any {
                broadcast = broadcast.or(Some(name));
            }
        }
        if broadcast.is_some() {
            return Target::Broadcast(broadcast);
        }
        self.longest(any, None)
            .map_or(Target::Unreachable, Target::Unicast)
    }

    fn resolve6(&self, address: Ipv6Addr, link: Option<&str>) -> Target<'_> {
        let any = IpAddr::V6(address);
        if address.is_multicast() {
            return Target::Multicast(self.longest(any, None));
        }
        if address == Ipv6Addr::LOCALHOST {
            return Target::Local(LOOPBACK);
        }
        let mut anycast = None;
        for (name, own) in self.addresses() {
            if link.is_some_and(|link| link != name) {
                continue;
            }
            if own.addr() == any {
                return Target::Local(name);
            }
            // `ipv6_anycast_destination`: the first address of a subnet means its routers.
            if own.prefix_len() < 127 && own.network() == any {
                anycast = anycast.or(Some(name));
            }
        }
        if let Some(name) = anycast {
            return Target::Anycast(name);
        }
        self.longest(any, link)
            .map_or(Target::Unreachable, Target::Unicast)
    }

    /// Every address with the name of its interface.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&str, &IpNet)> {
        self.interfaces.iter().flat_map(|interface| {
            interface
                .addresses
                .iter()
                .map(|own| (&*interface.name, own))
        })
    }

    /// The interface of the route with the longest prefix; of equal ones, the first, and a
    /// connected subnet before a route.
    fn longest(&self, address: IpAddr, link: Option<&str>) -> Option<&str> {
        let routes = self.routes.iter();
        let routes = routes.map(|route| (route.interface.as_str(), &route.destination));
        let mut best: Option<(&str, u8)> = None;
        for (name, prefix) in self.addresses().chain(routes) {
            if prefix.contains(&address)
                && link.is_none_or(|link| link == name)
                && best.is_none_or(|(_, length)| length < prefix.prefix_len())
            {
                best = Some((name, prefix.prefix_len()));
            }
        }
        best.map(|(name, _)| name)
    }
}
