//! Where things are in a scenario: names, addresses, routes and listeners.

mod way;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use dockfw_lower::docker::binding::for_each_binding;
use dockfw_lower::docker::publish;
use dockfw_lower::host::{Container, Driver, Host, Network};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub(super) use way::Way;

use super::table::Setup;
use crate::docker_host::{SANDBOX, gateways, has_bridge_netfilter, sandbox, service_ports};
use crate::lab::{HOST, Protocol, Remote};

/// The node on the other side of eth0.
pub const REMOTE: &str = "remote";
/// The interface towards it.
pub const UPLINK: &str = "eth0";
/// The node behind WSL2's interface `loopback0`, in mirrored mode.
pub const WINDOWS: &str = "windows";

/// A scenario's network.
#[derive(Debug)]
pub struct Place<'s> {
    host: &'s Host,
    setup: &'s Setup,
    /// The containers, and swarm's sandbox.
    nodes: Vec<Container>,
    /// Machines on other links of the host.
    remotes: Vec<Remote>,
}

impl<'s> Place<'s> {
    /// The place of a policy and a setup.
    pub fn new(host: &'s Host, setup: &'s Setup) -> Self {
        let mut nodes = host.containers.clone();
        nodes.extend(sandbox(host));
        Self {
            host,
            setup,
            nodes,
            remotes: remotes(host, setup),
        }
    }

    /// The link-local addresses behind a name: `host` on the uplink, `gw-NETWORK` on the bridge, a
    /// remote or a container.
    pub(super) fn link_local(&self, name: &str) -> Result<Vec<IpAddr>> {
        let interface = match name.strip_prefix("gw-") {
            Some(network) => {
                let network = self.host.networks.iter().find(|of| of.name == network);
                let bridge = network.context("no such network")?.bridge.as_ref();
                Some(bridge.context("no bridge")?.to_string())
            }
            None => (name == HOST).then(|| UPLINK.to_owned()),
        };
        let own: Vec<IpNet> = if let Some(interface) = interface {
            let all = self.interfaces().into_iter();
            all.filter(|(of, _)| *of == interface)
                .flat_map(|(_, own)| own)
                .collect()
        } else if let Some(remote) = self.remote(name) {
            remote.addresses.clone()
        } else {
            let container = self.container(name).context("no such container")?;
            self.endpoints(container).map(|(.., net)| net).collect()
        };
        let own = own.iter().map(IpNet::addr).filter(is_link_local);
        let own: Vec<IpAddr> = own.collect();
        ensure!(!own.is_empty(), "{name} is given no link-local address");
        Ok(own)
    }

    /// The addresses behind a name, IPv4 before IPv6: `host` and `remote` on their link,
    /// `gw-NETWORK`, a container, or a container in one of its networks: `CONTAINER@NETWORK`.
    /// Link-local ones only where they are those of the network.
    pub(super) fn addresses(&self, name: &str) -> Result<Vec<IpAddr>> {
        let plain = |nets: &[IpNet]| nets.iter().map(IpNet::addr).collect();
        if name == HOST {
            let uplink = self.remotes.first().context("no uplink")?;
            return Ok(plain(&uplink.host_addresses));
        }
        let extra = self.setup.link_local(name);
        if let Some(remote) = self.remote(name) {
            let all = remote.addresses.iter();
            return Ok(all
                .filter(|net| !extra.contains(net))
                .map(IpNet::addr)
                .collect());
        }
        if let Some(network) = name.strip_prefix("gw-") {
            let network = self.host.networks.iter().find(|of| of.name == network);
            return Ok(plain(&gateways(network.context("no such network")?)));
        }
        let (name, network) = match name.split_once('@') {
            Some((name, network)) => (name, Some(network)),
            None => (name, None),
        };
        let container = self.container(name).context("no such container")?;
        let all = self.endpoints(container);
        let all = all.filter(|(_, of, net)| {
            network.is_none_or(|name| name == of.name) && !extra.contains(net)
        });
        Ok(all.map(|(.., net)| net.addr()).collect())
    }

    fn container(&self, name: &str) -> Option<&Container> {
        self.nodes.iter().find(|of| of.name == name)
    }

    fn remote(&self, name: &str) -> Option<&Remote> {
        self.remotes.iter().find(|of| of.name == name)
    }

    /// A container's interfaces with their networks and addresses there.
    fn endpoints<'a>(
        &self,
        of: &'a Container,
    ) -> impl Iterator<Item = (String, &'s Network, IpNet)> + use<'a, 's> {
        let networks = &self.host.networks;
        let setup = self.setup;
        of.endpoints
            .iter()
            .enumerate()
            .flat_map(move |(number, endpoint)| {
                let network = networks.get(endpoint.network);
                let extra = setup.link_local(&of.name).into_iter();
                let extra = extra.filter(move |_| number == 0);
                let extra = extra.filter_map(move |net| Some((network?, net)));
                let ipv4 = network.and_then(|network| {
                    let length = network.ipv4?.subnet.prefix_len();
                    let net = IpNet::new(endpoint.ipv4?.into(), length).ok()?;
                    Some((network, net))
                });
                let ipv6 = network.and_then(|network| {
                    let length = network.ipv6?.subnet.prefix_len();
                    let net = IpNet::new(endpoint.ipv6?.into(), length).ok()?;
                    Some((network, net))
                });
                let all = ipv4.into_iter().chain(ipv6).chain(extra);
                all.map(move |(network, net)| (format!("eth{number}"), network, net))
            })
    }

    /// The host's interfaces with their addresses, without lo.
    pub(super) fn interfaces(&self) -> Vec<(String, Vec<IpNet>)> {
        let own = |of: &Remote| (of.host_interface.clone(), of.host_addresses.clone());
        let mut all: Vec<_> = self.remotes.iter().map(own).collect();
        for network in &self.host.networks {
            if let (Driver::Bridge, Some(bridge)) = (network.driver, &network.bridge) {
                all.push((bridge.to_string(), gateways(network)));
            }
        }
        for (interface, addresses) in &self.setup.addresses {
            match all.iter_mut().find(|(name, _)| name == interface) {
                Some((_, own)) => own.extend(addresses),
                None => all.push((interface.clone(), addresses.clone())),
            }
        }
        all
    }

    /// Default routes that a container has against the nature of its network.
    pub(super) fn extra_routes(&self, name: &str) -> Vec<(IpNet, IpAddr)> {
        if !self.setup.default_route.iter().any(|of| of == name) {
            return Vec::new();
        }
        let networks = self.container(name).into_iter().flat_map(|container| {
            let numbers = container.endpoints.iter().map(|of| of.network);
            numbers.filter_map(|number| self.host.networks.get(number))
        });
        networks
            .flat_map(gateways)
            .map(|gateway| {
                let everywhere = match gateway {
                    IpNet::V4(_) => Ipv4Net::default().into(),
                    IpNet::V6(_) => Ipv6Net::default().into(),
                };
                (everywhere, gateway.addr())
            })
            .collect()
    }

    /// Whether rules see what bridges pass from port to port.
    pub(super) fn has_bridge_netfilter(&self) -> bool {
        self.setup.bridge_netfilter || has_bridge_netfilter(self.host)
    }

    /// The node that has an address behind an interface of the host.
    pub(super) fn neighbour(&self, interface: &str, address: IpAddr) -> Option<&str> {
        let mut remotes = self.remotes.iter();
        if let Some(remote) = remotes.find(|of| of.host_interface == interface) {
            let mut addresses = remote.addresses.iter();
            let is_there = addresses.any(|net| net.addr() == address);
            return is_there.then_some(remote.name.as_str());
        }
        let mut containers = self.nodes.iter();
        let found = containers.find(|container| {
            self.endpoints(container).any(|(_, network, own)| {
                let bridge = network.bridge.as_ref();
                own.addr() == address && bridge.is_some_and(|of| of.as_str() == interface)
            })
        });
        found.map(|container| container.name.as_str())
    }

    /// Whether a server runs there.
    pub(super) fn listens(&self, node: &str, protocol: Protocol, port: u16) -> bool {
        let extra = self.setup.listeners().unwrap_or_default();
        let mut found = extra.contains(&(node, protocol, port));
        found |= node == SANDBOX
            && service_ports(self.host).any(|(of, published)| of == protocol && published == port);
        for_each_binding(self.host, |binding| {
            let container = self.host.containers.get(binding.container);
            let ports = binding.container_ports;
            found |= container.is_some_and(|of| of.name == node)
                && protocol == of_binding(binding.protocol)
                && (ports.first()..=ports.last()).contains(&port);
        });
        found
    }

    /// Where docker-proxy sends what arrives at an address of the host.
    pub(super) fn relay(&self, protocol: Protocol, at: SocketAddr) -> Option<SocketAddr> {
        let is_at = |ip: IpAddr| {
            let any = [
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ];
            ip == at.ip() || (any.contains(&ip) && ip.is_ipv4() == at.ip().is_ipv4())
        };
        let extra = self.setup.relay.iter();
        let mut extra = extra
            .filter(|(front, _)| protocol == Protocol::Tcp && *front == at)
            .map(|(_, target)| *target);
        let mut found = extra.next();
        if !self.host.daemon.userland_proxy {
            return found;
        }
        for_each_binding(self.host, |binding| {
            if let Some(ports) = binding.host_ports
                && protocol == of_binding(binding.protocol)
                && (ports.first()..=ports.last()).contains(&at.port())
                && is_at(binding.host_address)
            {
                let port = binding.container_ports.first() + (at.port() - ports.first());
                found = Some(SocketAddr::new(binding.container_address, port));
            }
        });
        found
    }

    /// The mark of packets that come in by an interface.
    pub(super) fn mark(&self, interface: &str) -> u32 {
        let mark = self.setup.mark.filter(|_| interface == UPLINK);
        mark.unwrap_or_default()
    }
}

/// The machine on the uplink, and Windows where it is mirrored.
pub(super) fn remotes(host: &Host, setup: &Setup) -> Vec<Remote> {
    let windows = Remote::new(
        WINDOWS,
        "loopback0",
        &["169.254.73.1/24"],
        &["169.254.73.152/24"],
    );
    let mut all = vec![Remote::default()];
    all.extend(host.wsl2_mirrored.then_some(windows));
    for remote in &mut all {
        remote.addresses.extend(setup.link_local(&remote.name));
    }
    all
}

fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn of_binding(protocol: publish::Protocol) -> Protocol {
    match protocol {
        publish::Protocol::Udp => Protocol::Udp,
        // Nothing here publishes SCTP.
        publish::Protocol::Tcp | publish::Protocol::Sctp => Protocol::Tcp,
    }
}
