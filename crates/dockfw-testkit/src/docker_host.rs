//! A laboratory that looks like a given Docker host: its bridges, containers and docker-proxies.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use dockfw_lower::docker::binding::{Binding, for_each_binding};
use dockfw_lower::docker::publish;
use dockfw_lower::host::{self, Driver, GatewayMode, Host, Network};
use ipnet::IpNet;

use crate::lab::{Attachment, Bridge, Builder, Container, HOST, Lab, Protocol};

/// The node that is swarm's ingress sandbox.
pub const SANDBOX: &str = "ingress-sbox";

/// Above this many ports a published range gets listeners and proxies at its ends only.
const LONG_RANGE: u16 = 64;

/// Describes the lab of a host: what dockerd does apart from its rules.
///
/// Bridges have their gateway addresses, containers their addresses and default routes.
/// Without the userland proxy, bridge ports are in hairpin mode and bridges have `route_localnet`;
/// swarm's gateway bridge always has it. Swarm's ingress sandbox is a container named [`SANDBOX`].
/// `bridge-nf-call-iptables` is on where dockerd needs it: without the proxy, or with icc off.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/setup_bridgenetfiltering.go`
/// and `setup_device_linux.go`; `daemon/libnetwork/service_linux.go`, `programIngress`.
pub fn lab(host: &Host) -> Builder {
    lab_with(host, |_| Extra::default())
}

/// What a container has beside what dockerd gives it.
#[derive(Debug, Default)]
pub struct Extra {
    /// Addresses on its first interface.
    pub addresses: Vec<IpNet>,
    /// Routes: destination and gateway.
    pub routes: Vec<(IpNet, IpAddr)>,
}

/// Like [`lab()`], with more in containers, by the container's name.
pub fn lab_with(host: &Host, extra: impl Fn(&str) -> Extra) -> Builder {
    let mut builder = Lab::builder();
    let hairpin = !host.daemon.userland_proxy;
    if has_bridge_netfilter(host) {
        for key in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            builder = builder.host_sysctl(&format!("net.bridge.{key}"), "1");
        }
    }
    for (network, device) in bridges(host).filter_map(|of| Some((of, of.bridge.as_ref()?))) {
        builder = builder.bridge(Bridge {
            name: device.to_string(),
            addresses: gateways(network),
            internal: network.internal,
            hairpin,
        });
        if hairpin {
            let key = format!("net/ipv4/conf/{device}/route_localnet");
            builder = builder.host_sysctl(&key, "1");
        }
    }
    if let Some(bridge) = host
        .mesh()
        .and_then(|(_, _, network)| network.bridge.as_ref())
    {
        let key = format!("net/ipv4/conf/{bridge}/route_localnet");
        builder = builder.host_sysctl(&key, "1");
    }
    for container in host.containers.iter().chain(&sandbox(host)) {
        let attachments = container.endpoints.iter().filter_map(|endpoint| {
            let network = host.networks.get(endpoint.network)?;
            let ipv4 = network.ipv4.zip(endpoint.ipv4);
            let ipv6 = network.ipv6.zip(endpoint.ipv6);
            let with_prefix = |address: IpAddr, length| IpNet::new(address, length).ok();
            let ipv4 = ipv4.and_then(|(n, a)| with_prefix(a.into(), n.subnet.prefix_len()));
            let ipv6 = ipv6.and_then(|(n, a)| with_prefix(a.into(), n.subnet.prefix_len()));
            Some(Attachment {
                bridge: network.bridge.as_ref()?.to_string(),
                addresses: ipv4.into_iter().chain(ipv6).collect(),
            })
        });
        let Extra { addresses, routes } = extra(&container.name);
        let mut attachments: Vec<_> = attachments.collect();
        if let Some(first) = attachments.first_mut() {
            first.addresses.extend(addresses);
        }
        builder = builder.container(Container {
            name: container.name.clone(),
            attachments,
            routes,
        });
    }
    builder
}

/// Swarm's ingress sandbox as a container.
pub fn sandbox(host: &Host) -> Option<host::Container> {
    let (ingress, network, _) = host.mesh()?;
    Some(host::Container {
        name: SANDBOX.to_owned(),
        endpoints: vec![host::Endpoint {
            network,
            ipv4: Some(ingress.sandbox),
            ipv6: None,
            gw_priority: 0,
        }],
        ..host::Container::default()
    })
}

/// The published ports of services, on which the sandbox listens.
pub fn service_ports(host: &Host) -> impl Iterator<Item = (Protocol, u16)> {
    let services = host.mesh().into_iter().flat_map(|(of, ..)| &of.publish);
    services.flat_map(|publish| {
        let ports = publish.host_ports.into_iter();
        let ports = ports.flat_map(|ports| ports.first()..=ports.last());
        ports.filter_map(|port| Some((protocol(publish.protocol)?, port)))
    })
}

fn bridges(host: &Host) -> impl Iterator<Item = &Network> {
    let networks = host.networks.iter();
    networks.filter(|network| network.driver == Driver::Bridge)
}

/// Whether dockerd lets rules see the packets that bridges pass from port to port.
pub fn has_bridge_netfilter(host: &Host) -> bool {
    !host.daemon.userland_proxy || bridges(host).any(|network| !network.icc)
}

/// The bridge's addresses: as written, otherwise the first of each subnet; none in a family that
/// is isolated or inhibited.
pub fn gateways(network: &Network) -> Vec<IpNet> {
    let ipv4 = network.ipv4.and_then(|of| {
        if of.gateway_mode == GatewayMode::Isolated || network.inhibit_ipv4 {
            return None;
        }
        let gateway = of.gateway.or_else(|| of.subnet.hosts().next())?;
        IpNet::new(gateway.into(), of.subnet.prefix_len()).ok()
    });
    let ipv6 = network.ipv6.and_then(|of| {
        if of.gateway_mode == GatewayMode::Isolated {
            return None;
        }
        // The first address of an IPv6 subnet is the router anycast address.
        let gateway = of.gateway.or_else(|| of.subnet.hosts().nth(1))?;
        IpNet::new(gateway.into(), of.subnet.prefix_len()).ok()
    });
    ipv4.into_iter().chain(ipv6).collect()
}

/// Starts a listener for every published port in its container, and with the userland proxy a
/// stand-in for docker-proxy on the host; and in swarm's sandbox one for every published port of a
/// service.
///
/// SCTP is left out: this is for kernels without SCTP sockets too.
///
/// # Errors
///
/// When a socket cannot be opened.
pub fn start(lab: &Lab, host: &Host) -> Result<()> {
    for (protocol, port) in service_ports(host) {
        lab.listen(SANDBOX, protocol, port)?;
    }
    let mut bindings = Vec::new();
    for_each_binding(host, |binding| bindings.push(binding));
    let mut listening = Vec::new();
    for binding in bindings {
        let Some(protocol) = protocol(binding.protocol) else {
            continue;
        };
        let container = host
            .containers
            .get(binding.container)
            .context("no such container")?;
        for (host_port, port) in ports(&binding) {
            let listener = (container.name.as_str(), protocol, port);
            if !listening.contains(&listener) {
                lab.listen(&container.name, protocol, port)?;
                listening.push(listener);
            }
            if let (true, Some(host_port)) = (host.daemon.userland_proxy, host_port) {
                let at = SocketAddr::new(binding.host_address, host_port);
                lab.proxy(
                    at,
                    protocol,
                    SocketAddr::new(binding.container_address, port),
                )?;
            }
        }
    }
    Ok(())
}

fn protocol(of: publish::Protocol) -> Option<Protocol> {
    match of {
        publish::Protocol::Tcp => Some(Protocol::Tcp),
        publish::Protocol::Udp => Some(Protocol::Udp),
        publish::Protocol::Sctp => None,
    }
}

/// The ports of a binding that are worth a socket: host port and container port.
fn ports(binding: &Binding) -> Vec<(Option<u16>, u16)> {
    let range = binding.container_ports;
    let first = binding.host_ports.map(publish::PortRange::first);
    let pair = |port: u16| (first.map(|first| first + (port - range.first())), port);
    if range.count() > LONG_RANGE {
        vec![pair(range.first()), pair(range.last())]
    } else {
        (range.first()..=range.last()).map(pair).collect()
    }
}

/// Runs a closure on the host of the lab, where rulesets are committed.
///
/// # Errors
///
/// When the namespace cannot be entered, or the closure fails.
pub fn on_host<T: Send>(lab: &Lab, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    lab.run_in(HOST, f)?
}
