//! The reference: the iptables rules that Docker itself would make for a host.
//!
//! A [`Firewaller`] replays dockerd's iptables backend operation by operation on values;
//! [`reference()`] drives it for a [`Host`] in dockerd's order.
//! It is the other side of every comparison with our nftables rules, so it shares nothing with
//! their lowering but the host model and the port bindings.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/internal/iptabler/`.

mod config;
mod endpoint;
mod firewaller;
mod link;
mod network;
mod port;
mod swarm;
mod user;

use dockfw_iptables::{Family, InterfacePattern, Program};
use ipnet::IpNet;

pub use config::{Config, FamilyConfig, NetworkConfig, PortBinding, TransportPort};
pub use firewaller::Firewaller;

use crate::docker::binding::{Binding, for_each_binding};
use crate::docker::link::links;
use crate::docker::publish::PortRange;
use dockfw_ir::name::IfName;

use crate::host::{Daemon, Driver, Exposed, GatewayMode, Host, Net, Network, NetworkFamily};

/// What dockerd would have programmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// For iptables.
    pub ipv4: Program,
    /// For ip6tables.
    pub ipv6: Program,
}

/// The rules that dockerd makes for a host: daemon start, networks in order, then container by
/// container its endpoints, its links and its ports, then swarm's routing mesh, and `DOCKER-USER`,
/// which stays empty.
///
/// The daemon modelled is one that enabled forwarding itself, so the policy of `FORWARD` is drop
/// unless `ip-forward` is off or `ip-forward-no-drop` is on: for IPv4 once there is a network with
/// IPv4, for IPv6 once there is one with IPv6.
/// It has `iptables` and `ip6tables` on, and firewalld is absent.
///
/// A network whose bridge has no name that iptables takes has no rules; nor have endpoints of
/// networks that do not exist. [`check`](crate::docker::check) refuses such hosts.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/controller.go` (`New`),
/// `daemon/libnetwork/drivers/bridge/bridge_linux.go` and `port_mapping_linux.go`.
pub fn reference(host: &Host) -> Reference {
    let mut firewaller = Firewaller::new(config(host));
    let networks: Vec<_> = host
        .networks
        .iter()
        .map(|network| network_config(&host.daemon, network))
        .collect();
    for network in networks.iter().flatten() {
        firewaller.new_network(network);
        if host.daemon.ip_forward && !host.daemon.ip_forward_no_drop {
            for family in [Family::Ipv4, Family::Ipv6] {
                if network.family(family).is_some() {
                    firewaller.filter_forward_drop(family);
                }
            }
        }
    }
    let config_of = |index: usize| networks.get(index).and_then(Option::as_ref);
    let mesh = host
        .mesh()
        .and_then(|(ingress, index, _)| Some((ingress, config_of(index)?)));
    if let Some((ingress, network)) = mesh {
        firewaller.add_endpoint(network, Some(ingress.sandbox), None);
    }
    let mut links = links(host).into_iter().peekable();
    let mut ports = ports_by_container(host).into_iter().peekable();
    for (index, container) in host.containers.iter().enumerate() {
        for endpoint in &container.endpoints {
            if let Some(network) = config_of(endpoint.network) {
                firewaller.add_endpoint(network, endpoint.ipv4, endpoint.ipv6);
            }
        }
        while let Some(link) = links.next_if(|link| link.started == index) {
            if let Some(network) = config_of(link.network) {
                let ports: Vec<_> = link
                    .ports
                    .iter()
                    .copied()
                    .flat_map(transport_ports)
                    .collect();
                firewaller.add_link(network, link.parent, link.child, &ports);
            }
        }
        while let Some(batch) = ports.next_if(|batch| batch.container == index) {
            if let Some(network) = config_of(batch.network) {
                firewaller.add_ports(network, &batch.bindings);
            }
        }
    }
    if let Some((ingress, network)) = mesh {
        firewaller.setup_ingress(network.interface);
        for publish in &ingress.publish {
            for port in publish.host_ports.iter().flat_map(|ports| each(*ports)) {
                let port = TransportPort {
                    protocol: publish.protocol,
                    port,
                };
                firewaller.add_ingress_port(ingress.sandbox, port);
            }
        }
    }
    firewaller.setup_user_chain();
    let (mut ipv4, mut ipv6) = firewaller.into_programs();
    if let Some(user) = &host.user {
        user::add(user, &mut ipv4);
        user::add(user, &mut ipv6);
    }
    Reference { ipv4, ipv6 }
}

/// What dockerd tells its firewaller about itself.
fn config(host: &Host) -> Config {
    let daemon = &host.daemon;
    Config {
        ipv4: true,
        ipv6: true,
        hairpin: !daemon.userland_proxy,
        allow_direct_routing: daemon.allow_direct_routing,
        wsl2_mirrored: host.wsl2_mirrored,
        skip_raw: false,
    }
}

/// What dockerd tells its firewaller about a network; `None` for other drivers than bridge.
///
/// Source: moby docker-v29.0.0, `bridge_linux.go`, `bridgeNetwork.newFirewallerNetwork`.
fn network_config(daemon: &Daemon, network: &Network) -> Option<NetworkConfig> {
    if network.driver != Driver::Bridge {
        return None;
    }
    let pattern = |name: &IfName| InterfacePattern::new(name.as_str()).ok();
    Some(NetworkConfig {
        interface: pattern(network.bridge.as_ref()?)?,
        internal: network.internal,
        icc: network.icc,
        masquerade: network.masquerade,
        trusted_host_interfaces: network
            .trusted_host_interfaces
            .iter()
            .filter_map(pattern)
            .collect(),
        accept_fwmark: daemon.bridge_accept_fwmark,
        config4: network.ipv4.as_ref().map(family_config),
        config6: network.ipv6.as_ref().map(family_config),
    })
}

/// One family of a network for the firewaller.
fn family_config<N: Net + Into<IpNet>>(family: &NetworkFamily<N>) -> FamilyConfig {
    FamilyConfig {
        host_ip: family.host_address.map(Into::into),
        prefix: family.subnet.into(),
        routed: family.gateway_mode == GatewayMode::Routed,
        unprotected: family.gateway_mode == GatewayMode::NatUnprotected,
    }
}

/// The ports that a container publishes through one endpoint.
struct Batch {
    container: usize,
    endpoint: usize,
    network: usize,
    bindings: Vec<PortBinding>,
}

/// The ports of every container, by container and endpoint, each in the order in which dockerd
/// maps them.
fn ports_by_container(host: &Host) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for_each_binding(host, |binding| {
        let ports = single_ports(&binding);
        match batches.last_mut() {
            Some(last)
                if last.container == binding.container && last.endpoint == binding.endpoint =>
            {
                last.bindings.extend(ports);
            }
            _ => batches.push(Batch {
                container: binding.container,
                endpoint: binding.endpoint,
                network: binding.network,
                bindings: ports.collect(),
            }),
        }
    });
    for batch in &mut batches {
        batch.bindings.sort_by_key(docker_order);
    }
    batches
}

/// The key by which dockerd sorts a container's bindings: mapper (`nat` before `routed`),
/// container port, protocol, host port, host address.
///
/// Bindings that leave the choice of the host port to dockerd come after the exact ones there;
/// they are not known here.
///
/// Source: moby docker-v29.0.0, `port_mapping_linux.go`, `portBindingReq.compare`.
fn docker_order(binding: &PortBinding) -> impl Ord + use<> {
    let routed = binding.host_port == 0;
    let (port, protocol) = (binding.port, binding.protocol.number());
    (
        routed,
        port,
        protocol,
        binding.host_port,
        binding.host_ip,
        binding.ip,
    )
}

/// A binding with a range as one binding per port, because Docker has one rule per port.
fn single_ports(binding: &Binding) -> impl Iterator<Item = PortBinding> + use<> {
    let Binding {
        protocol,
        container_address: ip,
        host_address: host_ip,
        ..
    } = *binding;
    let host_ports = binding.host_ports.map(each);
    let mut host_ports = host_ports.into_iter().flatten();
    each(binding.container_ports).map(move |port| PortBinding {
        protocol,
        ip,
        port,
        host_ip,
        host_port: host_ports.next().unwrap_or(0),
    })
}

/// The ports that a container exposes, one by one.
fn transport_ports(exposed: Exposed) -> impl Iterator<Item = TransportPort> + use<> {
    let protocol = exposed.protocol;
    each(exposed.ports).map(move |port| TransportPort { protocol, port })
}

fn each(range: PortRange) -> std::ops::RangeInclusive<u16> {
    range.first()..=range.last()
}
