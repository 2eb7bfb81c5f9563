//! Containers from their addresses, published ports and links.
//!
//! A dump has no names: every address is a container of its own, and an IPv4 and an IPv6 address
//! of one network are one container when the same host ports lead to both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::{Family, TableName};

use super::gather::Dump;
use super::network::Found;
use super::order::merge;
use super::publish::{publish, published, runs};
use super::template::{Bridge, Fact, Rewrite};
use crate::docker::publish::{PortRange, Protocol, Publish};
use crate::host::{Container, Endpoint, Exposed, Ingress, Network};

/// What is known of an address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) bridge: Bridge,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) opened: BTreeSet<(Protocol, u16)>,
    /// The rule that showed it first.
    origin: String,
}

/// The addresses of containers.
pub(super) type Addresses = BTreeMap<IpAddr, Address>;

/// The published ports of services, and the address they lead to.
pub(super) fn ingress(dump: &Dump<'_>) -> Option<Ingress> {
    let mut services: Vec<(Protocol, u16)> = Vec::new();
    let mut found = None;
    for fact in dump
        .facts(Family::Ipv4, TableName::Nat, "DOCKER-INGRESS")
        .rev()
    {
        if let Fact::Service {
            protocol,
            port,
            sandbox: IpAddr::V4(sandbox),
        } = fact
        {
            found.get_or_insert(sandbox);
            services.push((protocol, port));
        }
    }
    if found.is_none() && is_swarm(dump) {
        // The sandbox is the first to be connected.
        let facts = dump.facts(Family::Ipv4, TableName::Raw, "PREROUTING");
        found = facts.into_iter().find_map(|fact| match fact {
            Fact::Direct {
                address: IpAddr::V4(address),
                bridge,
            } if bridge.as_str() == crate::host::DOCKER_GWBRIDGE => Some(address),
            _ => None,
        });
    }
    let ports = services
        .into_iter()
        .map(|(protocol, port)| (protocol, port, port));
    Some(Ingress {
        sandbox: found?,
        publish: runs(ports)
            .map(|(protocol, host, container)| publish(None, Some(host), container, protocol))
            .collect(),
    })
}

fn is_swarm(dump: &Dump<'_>) -> bool {
    let program = dump.program(Family::Ipv4);
    program.is_some_and(|of| of.chain(TableName::Nat, "DOCKER-INGRESS").is_some())
}

/// Every address that a rule shows, but not the sandbox of swarm.
pub(super) fn addresses(
    dump: &Dump<'_>,
    networks: &[Found],
    sandbox: Option<Ipv4Addr>,
) -> Addresses {
    let mut all = Addresses::new();
    let mut homeless = Vec::new();
    for entry in &dump.entries {
        let (address, bridge) = match entry.fact {
            Some(
                Fact::Direct { address, bridge }
                | Fact::Published {
                    address, bridge, ..
                },
            ) => (address, Some(bridge)),
            Some(Fact::Rewrite(rewrite)) => (rewrite.address, rewrite.bridge),
            Some(Fact::Link { from, bridge, .. }) => (from, Some(bridge)),
            _ => continue,
        };
        if sandbox.is_some_and(|sandbox| address == sandbox) {
            continue;
        }
        match bridge {
            Some(bridge) => {
                all.entry(address).or_insert_with(|| Address {
                    bridge,
                    rewrites: Vec::new(),
                    opened: BTreeSet::new(),
                    origin: format!("-A {}{}", entry.chain, entry.rule),
                });
            }
            None => homeless.push((address, format!("-A {}{}", entry.chain, entry.rule))),
        }
    }
    for (address, origin) in homeless {
        let inside = |of: &&Found| {
            [of.ipv4.subnet, of.ipv6.subnet]
                .into_iter()
                .flatten()
                .any(|subnet| subnet.contains(&address))
        };
        // Only in mode `nat-unprotected` no other rule names the bridge.
        let possible = |of: &&Found| {
            let side = match address {
                IpAddr::V4(_) => &of.ipv4,
                IpAddr::V6(_) => &of.ipv6,
            };
            side.unprotected && side.subnet.is_none()
        };
        let home = networks.iter().find(inside);
        if let Some(home) = home.or_else(|| networks.iter().find(possible)) {
            all.entry(address).or_insert_with(|| Address {
                bridge: home.bridge,
                rewrites: Vec::new(),
                opened: BTreeSet::new(),
                origin,
            });
        }
    }
    for fact in dump.entries.iter().filter_map(|of| of.fact) {
        match fact {
            Fact::Rewrite(rewrite) => {
                if let Some(of) = all.get_mut(&rewrite.address) {
                    of.rewrites.push(rewrite);
                }
            }
            Fact::Published {
                address,
                protocol,
                port,
                ..
            } => {
                if let Some(of) = all.get_mut(&address) {
                    of.opened.insert((protocol, port));
                }
            }
            _ => {}
        }
    }
    all
}

/// The containers of the host model and where each was found.
pub(super) fn containers(
    dump: &Dump<'_>,
    networks: &[Network],
    found: &[Found],
    addresses: &Addresses,
) -> (Vec<Container>, Vec<String>) {
    let partner = partners(addresses);
    // An IPv4 address stands for both.
    let by_ipv6: BTreeMap<IpAddr, IpAddr> = partner.iter().map(|(a, b)| (*b, *a)).collect();
    let node = |address: IpAddr| by_ipv6.get(&address).copied().unwrap_or(address);
    let order: Vec<IpAddr> = merge(&sequences(dump, addresses, node));
    let claimed: BTreeSet<(Protocol, u16)> = addresses
        .iter()
        .filter(|(address, _)| address.is_ipv6())
        .flat_map(|(_, of)| &of.rewrites)
        .filter(|rewrite| rewrite.host.is_none())
        .map(|rewrite| (rewrite.protocol, rewrite.host_port))
        .collect();
    let index_of: BTreeMap<IpAddr, usize> = order
        .iter()
        .enumerate()
        .flat_map(|(index, address)| {
            let ipv6 = partner.get(address).copied();
            [Some(*address), ipv6]
                .into_iter()
                .flatten()
                .map(move |of| (of, index))
        })
        .collect();
    let mut containers = Vec::with_capacity(order.len());
    let mut origins = Vec::with_capacity(order.len());
    for address in &order {
        let Some(of) = addresses.get(address) else {
            continue;
        };
        let Some(index) = found.iter().position(|network| network.bridge == of.bridge) else {
            continue;
        };
        let ipv6 = partner.get(address);
        let endpoint = Endpoint {
            network: index,
            ipv4: ipv4_of(*address),
            ipv6: ipv6_of(*address).or_else(|| ipv6_of(*ipv6?)),
            gw_priority: 0,
        };
        let mut publish = published(*address, of, networks.get(index), &claimed, ipv6.is_some());
        if let Some((ipv6, other)) = ipv6.and_then(|ipv6| Some((ipv6, addresses.get(ipv6)?))) {
            let more = published(*ipv6, other, networks.get(index), &claimed, true);
            // What is published on every address has both families already.
            publish.extend(more.into_iter().filter(|of| of.host.is_some()));
        }
        containers.push(Container {
            name: format!("c-{}", address.to_string().replace(':', "-")),
            endpoints: vec![endpoint],
            publish,
            ..Container::default()
        });
        origins.push(of.origin.clone());
    }
    link(dump, &index_of, &mut containers);
    (containers, origins)
}

fn ipv4_of(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn ipv6_of(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

/// IPv4 addresses with the IPv6 address to which the same host ports lead on every address.
fn partners(addresses: &Addresses) -> BTreeMap<IpAddr, IpAddr> {
    type Key = (Bridge, Vec<(Protocol, u16, u16)>);
    let key = |of: &Address| -> Option<Key> {
        let mut ports: Vec<_> = of
            .rewrites
            .iter()
            .filter(|rewrite| rewrite.host.is_none())
            .map(|rewrite| (rewrite.protocol, rewrite.host_port, rewrite.port))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        (!ports.is_empty()).then_some((of.bridge, ports))
    };
    let mut ipv6: BTreeMap<Key, IpAddr> = BTreeMap::new();
    for (address, of) in addresses.iter().filter(|(address, _)| address.is_ipv6()) {
        if let Some(key) = key(of) {
            ipv6.entry(key).or_insert(*address);
        }
    }
    let mut partners = BTreeMap::new();
    for (address, of) in addresses.iter().filter(|(address, _)| address.is_ipv4()) {
        if let Some(other) = key(of).and_then(|key| ipv6.remove(&key)) {
            partners.insert(*address, other);
        }
    }
    partners
}

/// The orders in which the chains name the addresses, oldest first.
fn sequences(
    dump: &Dump<'_>,
    addresses: &Addresses,
    node: impl Fn(IpAddr) -> IpAddr,
) -> Vec<Vec<IpAddr>> {
    let mut bound: BTreeMap<(IpAddr, Protocol, u16), IpAddr> = BTreeMap::new();
    for rewrite in addresses.values().flat_map(|of| &of.rewrites) {
        if let Some(host) = rewrite.host {
            let key = (host, rewrite.protocol, rewrite.host_port);
            bound.insert(key, rewrite.address);
        }
    }
    let address_of = |fact: Fact| match fact {
        Fact::Loopback {
            host,
            protocol,
            port,
            ..
        } => bound.get(&(host, protocol, port)).copied(),
        Fact::Direct { address, .. } | Fact::Published { address, .. } => Some(address),
        Fact::Rewrite(rewrite) => Some(rewrite.address),
        _ => None,
    };
    let mut sequences = Vec::new();
    for program in &dump.programs {
        let family = program.family();
        let list = |facts: &mut dyn Iterator<Item = Fact>| {
            facts
                .filter_map(&address_of)
                .filter(|address| addresses.contains_key(address))
                .map(&node)
                .collect::<Vec<_>>()
        };
        sequences.push(list(&mut dump.facts(family, TableName::Raw, "PREROUTING")));
        sequences.push(list(&mut dump.facts(family, TableName::Nat, "DOCKER")));
        // Docker inserts these at the head.
        let mut accepted = dump.facts(family, TableName::Filter, "DOCKER").rev();
        sequences.push(list(&mut accepted));
    }
    sequences.extend(addresses.keys().map(|address| vec![node(*address)]));
    sequences
}

/// Links: the client may speak to ports of the server, which exposes them.
fn link(dump: &Dump<'_>, index_of: &BTreeMap<IpAddr, usize>, containers: &mut [Container]) {
    for fact in dump.facts(Family::Ipv4, TableName::Filter, "DOCKER") {
        let Fact::Link {
            from,
            to,
            protocol,
            port,
            reply: false,
            ..
        } = fact
        else {
            continue;
        };
        let (Some(client), Some(server)) = (index_of.get(&from), index_of.get(&to)) else {
            continue;
        };
        if let Some(client) = containers.get_mut(*client)
            && !client.links.contains(server)
        {
            client.links.push(*server);
        }
        let (Some(server), Some(ports)) = (containers.get_mut(*server), PortRange::new(port, port))
        else {
            continue;
        };
        let is_published = |of: &Publish| {
            let ports = of.container_ports;
            of.protocol == protocol && (ports.first()..=ports.last()).contains(&port)
        };
        let exposed = Exposed { protocol, ports };
        if !server.publish.iter().any(is_published) && !server.expose.contains(&exposed) {
            server.expose.push(exposed);
        }
    }
}
