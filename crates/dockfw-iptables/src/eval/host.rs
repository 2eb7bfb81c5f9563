//! The modelled host: interfaces, addresses, routes.
//!
//! Forwarding is on, and so is `route_localnet`; martian checks, `rp_filter` and neighbours are
//! not modelled. What the rules decide is therefore never hidden behind a sysctl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The name of the loopback interface, which every host has.
pub(super) const LOOPBACK: &str = "lo";

/// A host: 127.0.0.0/8 and ::1 are its own without being listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// The interfaces, in the order of their indices.
    pub interfaces: Vec<Interface>,
    /// Routes besides the subnets of the interfaces.
    pub routes: Vec<Route>,
}

/// An interface that IP uses: not the port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name, at most 15 bytes.
    pub name: String,
    /// The addresses with their subnets, first one first.
    pub addresses: Vec<IpNet>,
}

/// A route; the next hop does not matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destinations.
    pub destination: IpNet,
    /// The interface that leads there.
    pub interface: String,
}

/// What the host's routing thinks of an address.
///
/// Source: uapi linux/rtnetlink.h, `RTN_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressKind {
    /// Somebody else's.
    Unicast,
    /// The host's own.
    Local,
    /// An IPv4 broadcast address of one of the subnets, or 255.255.255.255, or 0.0.0.0.
    Broadcast,
    /// A group.
    Multicast,
    /// The router address of an IPv6 subnet; the host listens to it because it forwards.
    Anycast,
}

/// Where the input side of the IP layer sends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way<'h> {
    /// Up to the host.
    Host,
    /// Out through an interface.
    Out(&'h str),
    /// Nowhere.
    None,
}

impl Host {
    /// What an address is to this host.
    ///
    /// Source: linux v6.12, `net/ipv4/fib_frontend.c`, `__inet_dev_addr_type` and
    /// `fib_add_ifaddr` (the lowest address of a subnet is not a broadcast address since 5.14);
    /// `net/ipv6/anycast.c` and `addrconf.c`, `addrconf_join_anycast`.
    pub fn kind(&self, address: IpAddr) -> AddressKind {
        self.kind_and_interface(address).0
    }

    /// What an address is, and the interface on which it is the host's.
    pub(super) fn kind_and_interface(&self, address: IpAddr) -> (AddressKind, Option<&str>) {
        if address.is_multicast() {
            return (AddressKind::Multicast, None);
        }
        if let IpAddr::V4(Ipv4Addr::BROADCAST | Ipv4Addr::UNSPECIFIED) = address {
            return (AddressKind::Broadcast, None);
        }
        for kind in [
            AddressKind::Local,
            AddressKind::Broadcast,
            AddressKind::Anycast,
        ] {
            if let Some(name) = self.interface_with(address, kind) {
                return (kind, Some(name));
            }
        }
        match address {
            IpAddr::V4(v4) if v4.to_bits() == 0x7fff_ffff => {
                (AddressKind::Broadcast, Some(LOOPBACK))
            }
            IpAddr::V4(_) | IpAddr::V6(_) if address.is_loopback() => {
                (AddressKind::Local, Some(LOOPBACK))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => (AddressKind::Unicast, None),
        }
    }

    /// The interface to which an address belongs in one of the ways it can.
    fn interface_with(&self, address: IpAddr, kind: AddressKind) -> Option<&str> {
        let found = self.interfaces.iter().find(|interface| {
            let is = |net: &IpNet| belongs(&interface.name, net, address, kind);
            interface.addresses.iter().any(is)
        });
        found.map(|interface| interface.name.as_str())
    }

    /// Whether an interface has an address.
    pub(super) fn has(&self, interface: &str, address: IpAddr) -> bool {
        let listed = self
            .interfaces
            .iter()
            .filter(|other| other.name == interface)
            .flat_map(|other| &other.addresses)
            .any(|net| net.addr() == address);
        listed || (interface == LOOPBACK && address.is_loopback())
    }

    /// The interface towards an address by longest prefix; a subnet of the host wins over a
    /// route of the same length. The local table is not asked.
    ///
    /// An IPv6 link-local destination is looked for on the interface of arrival only, or on that
    /// which the host's own socket names.
    ///
    /// Source: linux v6.12, `include/net/ip6_route.h`, `rt6_need_strict`.
    pub(super) fn route(&self, destination: IpAddr, arrival: &str) -> Option<&str> {
        let connected = self.interfaces.iter().flat_map(|interface| {
            let name = interface.name.as_str();
            interface.addresses.iter().map(move |net| (net, name))
        });
        let routes = self.routes.iter();
        let routes = routes.map(|route| (&route.destination, route.interface.as_str()));
        let strict = is_link_local(destination) && !arrival.is_empty();
        let mut best: Option<(u8, &str)> = None;
        for (net, name) in connected.chain(routes) {
            let rank = net.prefix_len();
            if best.is_none_or(|(other, _)| rank > other)
                && net.contains(&destination)
                && (!strict || name == arrival)
            {
                best = Some((rank, name));
            }
        }
        best.map(|(_, name)| name)
    }

    /// Where a received packet goes. Groups are taken to be joined, and are not routed.
    ///
    /// Source: linux v6.12, `net/ipv4/route.c`, `ip_route_input_slow`.
    pub(super) fn input(&self, destination: IpAddr, arrival: &str) -> Way<'_> {
        let mut kind = self.kind(destination);
        if kind == AddressKind::Local
            && is_link_local(destination)
            && !self.has(arrival, destination)
        {
            // A link-local address is the host's on its own interface only.
            kind = AddressKind::Unicast;
        }
        match kind {
            AddressKind::Unicast => self.route(destination, arrival).map_or(Way::None, Way::Out),
            AddressKind::Local
            | AddressKind::Broadcast
            | AddressKind::Multicast
            | AddressKind::Anycast => Way::Host,
        }
    }

    /// The interface through which the host sends to an address: its own through lo. A link-local
    /// destination is looked for on the interface `link` only, unless that is empty.
    ///
    /// Source: linux v6.12, `net/ipv4/route.c`, `ip_route_output_key_hash_rcu`;
    /// `net/ipv6/route.c`, `ip6_route_output_flags_noref`.
    pub(super) fn output(&self, destination: IpAddr, link: &str) -> Option<&str> {
        if is_link_local(destination) && !link.is_empty() && !self.has(link, destination) {
            return self.route(destination, link);
        }
        match self.kind_and_interface(destination) {
            (AddressKind::Local | AddressKind::Anycast, _) => Some(LOOPBACK),
            (AddressKind::Broadcast, Some(name)) => Some(name),
            (AddressKind::Broadcast | AddressKind::Multicast | AddressKind::Unicast, _) => {
                self.route(destination, link)
            }
        }
    }
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Whether an address is of a kind because of one address of an interface.
fn belongs(interface: &str, net: &IpNet, address: IpAddr, kind: AddressKind) -> bool {
    match kind {
        AddressKind::Local => {
            // A subnet on lo is local as a whole.
            let on_loopback = interface == LOOPBACK && net.addr().is_ipv4();
            net.addr() == address
                || (on_loopback && net.contains(&address) && !is_last(net, address))
        }
        AddressKind::Broadcast => is_last(net, address),
        AddressKind::Anycast => {
            let router = matches!(net, IpNet::V6(net) if net.prefix_len() < 127
                && net.network() != Ipv6Addr::UNSPECIFIED);
            router && net.network() == address
        }
        AddressKind::Unicast | AddressKind::Multicast => false,
    }
}

/// Whether an address is the broadcast address of an IPv4 subnet that has one.
fn is_last(net: &IpNet, address: IpAddr) -> bool {
    matches!(net, IpNet::V4(v4) if v4.prefix_len() < 31) && net.broadcast() == address
}
