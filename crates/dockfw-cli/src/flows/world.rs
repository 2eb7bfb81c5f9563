//! The host that flows pass: what the kernel routes by, as the packet evaluator has it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dockfw_ir::eval::{Host, Interface, Route};
use dockfw_netlink::Network;
use dockfw_netlink::route::Prefix;
use ipnet::IpNet;

use crate::cli::session::LOOPBACK;

/// The host at one time.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Interfaces, addresses and routes.
    pub(super) host: Host,
    /// The names of bridges.
    bridges: BTreeSet<String>,
    /// The addresses of the host.
    own: BTreeSet<IpAddr>,
    /// By which interface a network is reached; the best first.
    ways: Vec<(IpNet, String)>,
    /// Seconds since 1970.
    pub(super) now: Option<u64>,
}

impl World {
    /// The host as the kernel has it; `now`, in seconds since 1970 in UTC, is for rules that match
    /// the time.
    pub fn new(network: &Network, now: Option<u64>) -> Self {
        let links: BTreeMap<u32, &str> = network
            .links
            .iter()
            .map(|link| (link.index, link.name.as_str()))
            .collect();
        let is_bridge = |kind: &Option<String>| kind.as_deref() == Some("bridge");
        let mut interfaces: Vec<Interface> = Vec::new();
        let mut routes: Vec<(u32, Route)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for of in &network.addresses {
            let Some(name) = links.get(&of.link) else {
                continue;
            };
            let place = *places.entry(name).or_insert_with(|| {
                interfaces.push(Interface {
                    name: (*name).to_owned(),
                    addresses: Vec::new(),
                });
                interfaces.len() - 1
            });
            let peer = of.network.address != of.address;
            let length = if peer {
                bits(of.address)
            } else {
                of.network.length
            };
            let own = IpNet::new(of.address, length).ok();
            if let Some(interface) = interfaces.get_mut(place) {
                interface.addresses.extend(own);
            }
            if peer {
                let destination = prefix(of.network);
                routes.extend(destination.map(|destination| (0, route(destination, name))));
            }
        }
        for of in &network.routes {
            let way = prefix(of.destination).zip(links.get(&of.link));
            routes.extend(way.map(|(destination, name)| (of.metric, route(destination, name))));
        }
        // Of routes to one destination the evaluator takes the first.
        routes.sort_by_key(|(metric, _)| *metric);
        let host = Host {
            interfaces,
            routes: routes.into_iter().map(|(_, route)| route).collect(),
        };
        Self {
            bridges: network
                .links
                .iter()
                .filter(|link| is_bridge(&link.kind))
                .map(|link| link.name.clone())
                .collect(),
            ..Self::of_host(host, now)
        }
    }

    /// A host without bridges.
    fn of_host(host: Host, now: Option<u64>) -> Self {
        let addresses = host.interfaces.iter().flat_map(|interface| {
            let all = interface.addresses.iter();
            all.map(|address| (*address, interface.name.clone()))
        });
        let routes = host.routes.iter();
        let routes = routes.map(|route| (route.destination, route.interface.clone()));
        let mut ways: Vec<(IpNet, String)> = addresses.clone().chain(routes).collect();
        ways.sort_by_key(|(network, _)| Reverse(network.prefix_len()));
        Self {
            own: addresses.map(|(address, _)| address.addr()).collect(),
            ways,
            bridges: BTreeSet::new(),
            host,
            now,
        }
    }

    /// Whether an address is one of the host.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.own.contains(&address)
    }

    /// Whether an interface is a bridge.
    pub(super) fn is_bridge(&self, interface: &str) -> bool {
        self.bridges.contains(interface)
    }

    /// The interface by which an address is reached; `None` where no route says so, and for a
    /// link-local address, which does not tell its link.
    pub(crate) fn interface_to(&self, address: IpAddr) -> Option<&str> {
        if self.is_own(address) {
            return Some(LOOPBACK);
        }
        if let IpAddr::V6(address) = address
            && address.is_unicast_link_local()
        {
            return None;
        }
        let mut ways = self.ways.iter();
        let way = ways.find(|(network, _)| network.contains(&address));
        way.map(|(_, name)| name.as_str())
    }
}

fn route(destination: IpNet, interface: &str) -> Route {
    Route {
        destination,
        interface: interface.to_owned(),
    }
}

fn prefix(of: Prefix) -> Option<IpNet> {
    IpNet::new(of.address, of.length).ok()
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
