//! From published ports to firewall bindings: which host address and port leads to which
//! container address, family by family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::docker::gateway::{GatewayEndpoints, gateway_endpoints};
use crate::docker::publish::{PortRange, Protocol, Publish};
use crate::host::{Container, Driver, GatewayMode, Host, Network};

/// One published port or range on one address family, as dockerd hands it to its firewaller.
///
/// Ranges stay ranges: the n-th host port leads to the n-th container port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// Index into [`Host::containers`].
    pub container: usize,
    /// Index into [`Container::publish`].
    pub publish: usize,
    /// Index into [`Container::endpoints`].
    pub endpoint: usize,
    /// Index into [`Host::networks`]; always a bridge network that is not internal.
    pub network: usize,
    /// The container's address in that network.
    pub container_address: IpAddr,
    /// The host address, of the same family as `container_address`; unspecified means every
    /// local address of the family. Always unspecified when `host_ports` is `None`.
    pub host_address: IpAddr,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The host ports, as many as `container_ports`; `None` in gateway mode `routed`, where the
    /// container's own address is opened and nothing is rewritten.
    pub host_ports: Option<PortRange>,
    /// The container ports.
    pub container_ports: PortRange,
}

/// A request that one family of one network turns into a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Index into [`Container::endpoints`].
    pub(crate) endpoint: usize,
    /// Index into [`Host::networks`].
    pub(crate) network: usize,
    /// The container's address.
    pub(crate) container_address: IpAddr,
    /// The host address; unspecified when routed.
    pub(crate) host_address: IpAddr,
    /// How packets get from one to the other.
    pub(crate) kind: MappingKind,
}

/// How packets get from a host address to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MappingKind {
    /// The kernel rewrites the destination.
    Nat,
    /// The sender routes to the container's address; the host only lets it pass.
    Routed,
    /// docker-proxy relays from an IPv6 host address to an IPv4-only container: no rule, but the
    /// host port is taken.
    Proxied,
}

/// Every firewall binding of a host: by container, endpoint, publish, then IPv4 before IPv6.
///
/// Left out, because they lead to no rule: publishes on internal networks and on networks of
/// drivers other than bridge, IPv6 host addresses of an IPv4-only container (docker-proxy carries
/// those), and publishes in a nat mode whose host port only dockerd knows.
/// [`check`](mod@crate::docker::check) reports the last kind.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/port_mapping_linux.go`
/// (`sortAndNormPBs`); its own order differs, because there the host ports are yet to be chosen.
pub fn bindings(host: &Host) -> Vec<Binding> {
    let mut all = Vec::new();
    for_each_binding(host, |binding| all.push(binding));
    all
}

/// Calls `each` for every firewall binding of a host, in the order of [`bindings`], without
/// keeping them.
pub fn for_each_binding(host: &Host, mut each: impl FnMut(Binding)) {
    for (container_index, container) in host.containers.iter().enumerate() {
        for_each_mapping(host, container, |publish_index, publish, mapping| {
            let host_ports = match (mapping.kind, publish.definite_host_ports()) {
                (MappingKind::Nat, Some(ports)) => Some(ports),
                (MappingKind::Routed, _) => None,
                (MappingKind::Nat, None) | (MappingKind::Proxied, _) => return,
            };
            each(Binding {
                container: container_index,
                publish: publish_index,
                endpoint: mapping.endpoint,
                network: mapping.network,
                container_address: mapping.container_address,
                host_address: mapping.host_address,
                protocol: publish.protocol,
                host_ports,
                container_ports: publish.container_ports,
            });
        });
    }
}

/// Calls `each` for every (publish, endpoint, family) of a container that dockerd would map,
/// whether or not the host port is known.
pub(crate) fn for_each_mapping(
    host: &Host,
    container: &Container,
    mut each: impl FnMut(usize, &Publish, Mapping),
) {
    if container.publish.is_empty() {
        return;
    }
    let gateways = gateway_endpoints(host, container);
    for (endpoint_index, endpoint) in container.endpoints.iter().enumerate() {
        let Some(network) = host.networks.get(endpoint.network) else {
            continue;
        };
        if network.driver != Driver::Bridge || network.internal {
            continue;
        }
        let families = Families::new(network, endpoint_index, gateways);
        let ipv4 = endpoint.ipv4.filter(|_| families.ipv4);
        let ipv6 = endpoint.ipv6.filter(|_| families.ipv6);
        let proxied = endpoint
            .ipv4
            .filter(|_| families.proxied && endpoint.ipv6.is_none() && host.daemon.userland_proxy);
        for (publish_index, publish) in container.publish.iter().enumerate() {
            let mut emit = |container_address, host_address: IpAddr, kind| {
                let any = match host_address {
                    IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                };
                let mapping = Mapping {
                    endpoint: endpoint_index,
                    network: endpoint.network,
                    container_address,
                    host_address: if kind == MappingKind::Routed {
                        any
                    } else {
                        host_address
                    },
                    kind,
                };
                each(publish_index, publish, mapping);
            };
            if let (Some(address), Some(wanted)) = (ipv4, host_ipv4(publish, network)) {
                emit(address.into(), wanted.into(), families.ipv4_kind);
            }
            if let Some(wanted) = host_ipv6(publish, network) {
                if let Some(address) = ipv6 {
                    emit(address.into(), wanted.into(), families.ipv6_kind);
                } else if let Some(address) = proxied {
                    emit(address.into(), wanted.into(), MappingKind::Proxied);
                }
            }
        }
    }
}

/// Which families of an endpoint carry the container's published ports, and how.
struct Families {
    ipv4: bool,
    ipv6: bool,
    /// IPv6 host addresses are docker-proxy's, if the endpoint has no IPv6 address.
    proxied: bool,
    ipv4_kind: MappingKind,
    ipv6_kind: MappingKind,
}

impl Families {
    /// A family carries them when the endpoint is the container's gateway endpoint for it, or
    /// when it is routed, which needs no gateway.
    fn new(network: &Network, endpoint: usize, gateways: GatewayEndpoints) -> Self {
        let kind = |mode: Option<GatewayMode>| match mode {
            Some(GatewayMode::Routed) => MappingKind::Routed,
            Some(GatewayMode::Nat | GatewayMode::NatUnprotected | GatewayMode::Isolated) | None => {
                MappingKind::Nat
            }
        };
        let ipv4_kind = kind(network.ipv4.map(|family| family.gateway_mode));
        let ipv6_kind = kind(network.ipv6.map(|family| family.gateway_mode));
        let is_ipv4_gateway = gateways.ipv4 == Some(endpoint);
        let is_ipv6_gateway = gateways.ipv6 == Some(endpoint);
        Self {
            ipv4: ipv4_kind == MappingKind::Routed || is_ipv4_gateway,
            ipv6: ipv6_kind == MappingKind::Routed || is_ipv6_gateway,
            proxied: is_ipv4_gateway && (is_ipv6_gateway || gateways.ipv6.is_none()),
            ipv4_kind,
            ipv6_kind,
        }
    }
}

/// The IPv4 host address of a publish on a network, if it has an IPv4 side at all.
pub(crate) fn host_ipv4(publish: &Publish, network: &Network) -> Option<Ipv4Addr> {
    match publish.host.unwrap_or(network.host_binding) {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The IPv6 host address of a publish on a network, if it has an IPv6 side at all.
///
/// A publish without an address also listens on `::` when the network's default is `0.0.0.0`.
pub(crate) fn host_ipv6(publish: &Publish, network: &Network) -> Option<Ipv6Addr> {
    match (publish.host, network.host_binding) {
        (Some(IpAddr::V6(address)), _) | (None, IpAddr::V6(address)) => Some(address),
        (None, IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Some(Ipv6Addr::UNSPECIFIED),
        (Some(IpAddr::V4(_)), _) | (None, IpAddr::V4(_)) => None,
    }
}

#[cfg(test)]
mod tests;
