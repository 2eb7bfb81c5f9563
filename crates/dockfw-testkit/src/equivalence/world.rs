//! The machine around a host: interfaces, addresses and routes, for both evaluators.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::eval as docker;
use dockfw_ir::eval as ours;
use dockfw_lower::host::{Driver, GatewayMode, Host, Network};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::packet::{ICMP, ICMPV6, Packet};

/// The interface to the internet.
pub const EXTERNAL: &str = "eth0";
/// An interface that networks may trust.
pub const TRUSTED: &str = "eth1";
/// The loopback interface.
pub const LOOPBACK: &str = "lo";
/// The interface by which Windows reaches WSL2 in mirrored mode.
pub const MIRRORED: &str = "loopback0";

/// An interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses with their subnets.
    pub addresses: Vec<IpNet>,
}

/// What a host's network looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// The interfaces; bridges in the order of their networks.
    pub interfaces: Vec<Interface>,
    /// Destination and interface of each route besides those of the interfaces' own subnets.
    pub routes: Vec<(IpNet, String)>,
    /// No ICMP: rules compare ports of the conntrack entry of any protocol, or its protocol. The
    /// evaluator of iptables programs knows neither that those of ICMP are type and code, nor the
    /// protocol of the connection that an ICMP error is about.
    pub without_icmp: bool,
}

impl World {
    /// The machine of a host.
    ///
    /// Two network cards, loopback, that of WSL2 where there is one, and the bridges as dockerd makes them: with the gateway's
    /// address, and `fe80::1` where there is IPv6. Default routes lead to the first card.
    /// A bridge whose network lacks a family gets a route of that family all the same, as an
    /// operator may set one by hand; otherwise no packet of the family would ever be sent there.
    pub fn new(host: &Host) -> Self {
        let interface = |name: &str, addresses: &[&str]| Interface {
            name: name.to_owned(),
            addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
        };
        let mut world = Self {
            interfaces: vec![
                interface(LOOPBACK, &["127.0.0.1/8", "::1/128"]),
                interface(
                    EXTERNAL,
                    &["192.0.2.1/24", "2001:db8:ffff::1/64", "fe80::a/64"],
                ),
                interface(TRUSTED, &["198.51.100.1/24", "2001:db8:eeee::1/64"]),
            ],
            routes: vec![
                ("0.0.0.0/0".parse().unwrap(), EXTERNAL.to_owned()),
                ("::/0".parse().unwrap(), EXTERNAL.to_owned()),
            ],
            without_icmp: false,
        };
        if host.wsl2_mirrored {
            world.interfaces.push(interface(MIRRORED, &[]));
        }
        for network in &host.networks {
            let Some(device) = bridge_of(network) else {
                continue;
            };
            world.interfaces.push(Interface {
                name: device.to_owned(),
                addresses: bridge_addresses(network),
            });
            let foreign = foreign_subnet(network);
            world
                .routes
                .extend(foreign.map(|net| (net, device.to_owned())));
        }
        world
    }

    /// Whether there is such an interface.
    pub fn has(&self, name: &str) -> bool {
        self.interfaces.iter().any(|of| of.name == name)
    }

    /// Whether an address is one of the machine's own.
    pub fn is_local(&self, address: IpAddr) -> bool {
        let listed = || self.interfaces.iter().flat_map(|of| &of.addresses);
        address.is_loopback() || listed().any(|net| net.addr() == address)
    }

    /// Whether both evaluators know the way of a packet.
    ///
    /// Not where a link-local address of the machine is the source, or is the destination on
    /// another link: the addrtype match of iptables takes it for local on every link, the fib
    /// expression of nftables does not. And not from the machine to everybody: our evaluator has
    /// no route for that.
    pub fn is_modelled(&self, packet: &Packet) -> bool {
        let is_icmp = matches!(packet.protocol, ICMP | ICMPV6);
        if self.is_own_link_local(packet.source, |_| true) || (is_icmp && self.without_icmp) {
            return false;
        }
        let Some(input) = packet.input() else {
            return match packet.destination {
                IpAddr::V4(to) => !to.is_broadcast() && !to.is_unspecified() && !to.is_multicast(),
                IpAddr::V6(to) => !to.is_multicast(),
            };
        };
        !self.is_own_link_local(packet.destination, |_| true)
            || self.is_own_link_local(packet.destination, |name| name == input)
    }

    /// Whether an address is link-local and that of such an interface.
    fn is_own_link_local(&self, address: IpAddr, wanted: impl Fn(&str) -> bool) -> bool {
        let link_local = matches!(address, IpAddr::V6(of) if of.is_unicast_link_local());
        let is = |net: &IpNet| net.addr() == address || net.network() == address;
        let has = |of: &Interface| of.addresses.iter().any(is);
        let mut interfaces = self.interfaces.iter();
        link_local && interfaces.any(|of| wanted(&of.name) && has(of))
    }

    /// For the evaluator of iptables programs.
    pub fn docker(&self) -> docker::Host {
        let interfaces = self.interfaces.iter().map(|of| docker::Interface {
            name: of.name.clone(),
            addresses: of.addresses.clone(),
        });
        let routes = self.routes.iter().map(|(to, by)| docker::Route {
            destination: *to,
            interface: by.clone(),
        });
        docker::Host {
            interfaces: interfaces.collect(),
            routes: routes.collect(),
        }
    }

    /// For the evaluator of our rulesets.
    pub fn ours(&self) -> ours::Host {
        let interfaces = self.interfaces.iter().map(|of| ours::Interface {
            name: of.name.clone(),
            addresses: of.addresses.clone(),
        });
        let routes = self.routes.iter().map(|(to, by)| ours::Route {
            destination: *to,
            interface: by.clone(),
        });
        ours::Host {
            interfaces: interfaces.collect(),
            routes: routes.collect(),
        }
    }
}

/// The bridge device of a network that has rules on the host.
pub fn bridge_of(network: &Network) -> Option<&str> {
    let device = network.bridge.as_ref()?;
    (network.driver == Driver::Bridge).then_some(device.as_str())
}

/// The subnets of a network.
pub fn subnets(network: &Network) -> impl Iterator<Item = IpNet> {
    let ipv4 = network.ipv4.map(|of| IpNet::V4(of.subnet));
    let ipv6 = network.ipv6.map(|of| IpNet::V6(of.subnet));
    ipv4.into_iter().chain(ipv6)
}

/// The gateway of an IPv4 subnet when none is written.
pub fn first_ipv4(subnet: Ipv4Net) -> Ipv4Addr {
    subnet.hosts().next().unwrap_or(subnet.network())
}

/// The gateway of an IPv6 subnet when none is written; the very first address is that of all
/// routers.
pub fn first_ipv6(subnet: Ipv6Net) -> Ipv6Addr {
    let first = u128::from(subnet.network());
    Ipv6Addr::from(first + 1)
}

fn bridge_addresses(network: &Network) -> Vec<IpNet> {
    let mut addresses = Vec::new();
    if let Some(of) = network.ipv4
        && !network.inhibit_ipv4
        && of.gateway_mode != GatewayMode::Isolated
    {
        let gateway = of.gateway.unwrap_or_else(|| first_ipv4(of.subnet));
        addresses.push(IpNet::new(gateway.into(), of.subnet.prefix_len()).unwrap());
    }
    if let Some(of) = network.ipv6 {
        if of.gateway_mode != GatewayMode::Isolated {
            let gateway = of.gateway.unwrap_or_else(|| first_ipv6(of.subnet));
            addresses.push(IpNet::new(gateway.into(), of.subnet.prefix_len()).unwrap());
        }
        addresses.push("fe80::1/64".parse().unwrap());
    }
    addresses
}

/// A subnet behind the bridge in the family that the network does not have.
fn foreign_subnet(network: &Network) -> Option<IpNet> {
    match (network.ipv4, network.ipv6) {
        (Some(of), None) => {
            let [a, b, c, d] = of.subnet.network().octets();
            let [high, low] = [[a, b], [c, d]].map(u16::from_be_bytes);
            let network = Ipv6Addr::new(0x2001, 0xdb8, 0xf000, high, low, 0, 0, 0);
            Some(IpNet::new(network.into(), 80).unwrap())
        }
        (None, Some(of)) => {
            let segments = of.subnet.network().segments();
            let [_, low] = (segments[1] ^ segments[2] ^ segments[3]).to_be_bytes();
            let network = Ipv4Addr::new(10, 200, low, 0);
            Some(IpNet::new(network.into(), 24).unwrap())
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}
