//! From the API's types to our own.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerInspectResponse, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum,
    Ipam, LocalNodeState, NetworkInspect, Service, SystemInfo,
};

use super::GATEWAY_BRIDGE;
use crate::docker::daemon::{Daemon, Found, Swarm};
use crate::docker::{Container, Endpoint, Network, Port, ServicePort, Subnet};

/// The label of networks that stand for those of each node.
const PREDEFINED: &str = "com.docker.swarm.predefined";

/// The member of [`GATEWAY_BRIDGE`] that is the ingress sandbox.
const SANDBOX: &str = "ingress-sbox";

/// A name without the slash that the API puts before it.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

/// What `docker info` tells.
pub(super) fn info(info: &SystemInfo, daemon: &mut Daemon) {
    daemon.live_restore = info.live_restore_enabled;
    let mut security = info.security_options.iter().flatten();
    daemon.rootless = security.any(|option| option == "name=rootless");
    if let Some(swarm) = &info.swarm {
        daemon.swarm = match swarm.local_node_state {
            Some(LocalNodeState::ACTIVE) if swarm.control_available == Some(true) => Swarm::Manager,
            Some(LocalNodeState::ACTIVE) => Swarm::Worker,
            Some(
                LocalNodeState::EMPTY
                | LocalNodeState::INACTIVE
                | LocalNodeState::PENDING
                | LocalNodeState::ERROR
                | LocalNodeState::LOCKED,
            )
            | None => Swarm::Inactive,
        };
    }
    let pairs = info.firewall_backend.iter().flat_map(|of| &of.info);
    for pair in pairs.flatten() {
        if let [name, value] = pair.as_slice()
            && name == "EnableUserlandProxy"
            && let Ok(value) = value.parse::<bool>()
        {
            let place = "docker info".to_owned();
            daemon.settings.userland_proxy = Some(Found { value, place });
        }
    }
}

/// A network of the list.
pub(super) fn network(of: bollard::models::Network) -> Network {
    Network {
        name: of.name.unwrap_or_default(),
        id: of.id.unwrap_or_default(),
        driver: of.driver.unwrap_or_default(),
        ipv4: of.enable_ipv4.unwrap_or(true),
        ipv6: of.enable_ipv6.unwrap_or(false),
        internal: of.internal.unwrap_or(false),
        config_only: of.config_only.unwrap_or(false),
        subnets: subnets(of.ipam),
        options: options(of.options),
    }
}

/// A network that was asked about; `None` for swarm's `bridge` and `host`, which stand for those of
/// each node, under ids of their own. dockerd tells of them in events, but leaves them out of lists.
///
/// Source: moby v20.10.24, `daemon/cluster/networks.go`, `Cluster.getNetworks`.
pub(super) fn inspected_network(of: NetworkInspect) -> Option<Network> {
    let labels = of.labels.as_ref();
    if labels.is_some_and(|labels| labels.get(PREDEFINED).is_some_and(|is| is == "true")) {
        return None;
    }
    Some(Network {
        name: of.name.unwrap_or_default(),
        id: of.id.unwrap_or_default(),
        driver: of.driver.unwrap_or_default(),
        ipv4: of.enable_ipv4.unwrap_or(true),
        ipv6: of.enable_ipv6.unwrap_or(false),
        internal: of.internal.unwrap_or(false),
        config_only: of.config_only.unwrap_or(false),
        subnets: subnets(of.ipam),
        options: options(of.options),
    })
}

fn options(options: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    options.unwrap_or_default().into_iter().collect()
}

fn subnets(ipam: Option<Ipam>) -> Vec<Subnet> {
    let pools = ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let pool = |subnet, gateway: Option<String>| Subnet {
        subnet,
        gateway: gateway.unwrap_or_default(),
    };
    let pools = pools.into_iter();
    let mut pools: Vec<Subnet> = pools
        .filter_map(|of| Some(pool(of.subnet?, of.gateway)))
        .filter(|of| !of.subnet.is_empty())
        .collect();
    // dockerd has them in no particular order of the families.
    pools.sort_by_key(|of| of.subnet.contains(':'));
    pools
}

/// A container; `None` when it does not run.
pub(super) fn container(of: ContainerInspectResponse) -> Option<Container> {
    let state = of.state?;
    // One that waits to be restarted counts as running, but has no network.
    if state.running != Some(true) || state.restarting == Some(true) {
        return None;
    }
    let settings = of.network_settings.unwrap_or_default();
    let mut ports = Vec::new();
    let bound: BTreeMap<_, _> = settings.ports.unwrap_or_default().into_iter().collect();
    for (container, bound) in bound {
        for binding in bound.unwrap_or_default() {
            ports.push(Port {
                container: container.clone(),
                host_ip: binding.host_ip.unwrap_or_default(),
                host_port: binding.host_port.unwrap_or_default(),
            });
        }
    }
    ports.sort_unstable();
    // Two endpoints, one of them routed, may bind the same.
    ports.dedup();
    let networks = settings.networks.unwrap_or_default().into_iter();
    let mut endpoints: Vec<Endpoint> = networks
        .map(|(network_name, of)| Endpoint {
            network_name,
            network_id: of.network_id.unwrap_or_default(),
            ipv4: of.ip_address.unwrap_or_default(),
            ipv6: of.global_ipv6_address.unwrap_or_default(),
            gw_priority: of.gw_priority.unwrap_or(0),
        })
        .collect();
    endpoints.sort_by(|a, b| a.network_name.cmp(&b.network_name));
    let mut exposed = of.config.and_then(|config| config.exposed_ports);
    let exposed = exposed.as_mut().map(std::mem::take);
    let mut exposed = exposed.unwrap_or_default();
    exposed.sort_unstable();
    let links = of.host_config.and_then(|config| config.links);
    let links = links.unwrap_or_default();
    // `/server:/client/alias`
    let mut links: Vec<String> = links
        .iter()
        .filter_map(|link| Some(bare(link.split_once(':')?.0).to_owned()))
        .collect();
    links.sort_unstable();
    links.dedup();
    Some(Container {
        name: bare(&of.name.unwrap_or_default()).to_owned(),
        id: of.id.unwrap_or_default(),
        endpoints,
        ports,
        exposed,
        links,
    })
}

/// Who is in the network of swarm's traffic to the outside.
///
/// The containers do not say that they are in it: dockerd connects those with overlay networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::docker) struct Members {
    network_id: String,
    /// The address of the ingress sandbox.
    pub(in crate::docker) sandbox: Option<String>,
    /// Addresses by the ids of containers.
    containers: BTreeMap<String, (String, String)>,
}

/// The members of [`GATEWAY_BRIDGE`].
pub(super) fn members(of: NetworkInspect) -> Members {
    let mut members = Members {
        network_id: of.id.unwrap_or_default(),
        ..Members::default()
    };
    let containers: BTreeMap<_, _> = of.containers.unwrap_or_default().into_iter().collect();
    for (id, endpoint) in containers {
        let address = |text: Option<String>| {
            let text = text.unwrap_or_default();
            let bare = text.split_once('/').map(|(address, _)| address.to_owned());
            bare.unwrap_or(text)
        };
        let (ipv4, ipv6) = (
            address(endpoint.ipv4_address),
            address(endpoint.ipv6_address),
        );
        if id == SANDBOX {
            members.sandbox = Some(ipv4);
        } else {
            members.containers.insert(id, (ipv4, ipv6));
        }
    }
    members
}

impl Members {
    /// Adds the endpoint that a container does not speak of.
    pub(in crate::docker) fn complete(&self, container: &mut Container) {
        let Some((ipv4, ipv6)) = self.containers.get(&container.id) else {
            return;
        };
        let mut known = container.endpoints.iter();
        if known.any(|of| of.network_name == GATEWAY_BRIDGE) {
            return;
        }
        container.endpoints.push(Endpoint {
            network_name: GATEWAY_BRIDGE.to_owned(),
            network_id: self.network_id.clone(),
            ipv4: ipv4.clone(),
            ipv6: ipv6.clone(),
            gw_priority: 0,
        });
        let endpoints = &mut container.endpoints;
        endpoints.sort_by(|a, b| a.network_name.cmp(&b.network_name));
    }
}

/// Ports of services that the routing mesh publishes, as swarm chose them.
pub(super) fn services(services: &[Service]) -> Vec<ServicePort> {
    let ports = services
        .iter()
        .filter_map(|service| service.endpoint.as_ref()?.ports.as_ref());
    let mut found: Vec<ServicePort> = ports
        .flatten()
        .filter(|port| port.publish_mode != Some(EndpointPortConfigPublishModeEnum::HOST))
        .filter_map(|port| {
            let protocol = match port.protocol {
                Some(EndpointPortConfigProtocolEnum::UDP) => "udp",
                Some(EndpointPortConfigProtocolEnum::SCTP) => "sctp",
                Some(
                    EndpointPortConfigProtocolEnum::TCP | EndpointPortConfigProtocolEnum::EMPTY,
                )
                | None => "tcp",
            };
            Some(ServicePort {
                published: u16::try_from(port.published_port?).ok()?,
                target: u16::try_from(port.target_port?).ok()?,
                protocol: protocol.to_owned(),
            })
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
