//! Swarm's routing mesh and legacy links of random hosts.

use std::net::Ipv4Addr;

use dockfw_lower::docker::publish::{Protocol, Publish};
use dockfw_lower::host::{
    DEFAULT_BRIDGE, DOCKER_GWBRIDGE, Driver, Exposed, GatewayMode, Host, Ingress, Network,
};

use super::{PORTS, address4, range};
use crate::equivalence::rng::Rng;

/// Makes networks that Docker itself makes more like the ones it makes.
pub(super) fn settle(rng: &mut Rng, network: &mut Network) {
    if network.driver != Driver::Bridge {
        return;
    }
    match network.name.as_str() {
        DEFAULT_BRIDGE if rng.chance(70) => {
            network.internal = rng.chance(5);
            network.icc = rng.chance(25);
        }
        DOCKER_GWBRIDGE => {
            network.internal = false;
            network.icc = rng.chance(30);
        }
        _ => {}
    }
    if !network.internal {
        // What was drawn for an internal network.
        for mode in [
            network.ipv4.as_mut().map(|of| &mut of.gateway_mode),
            network.ipv6.as_mut().map(|of| &mut of.gateway_mode),
        ] {
            if let Some(mode) = mode.filter(|mode| **mode == GatewayMode::Isolated) {
                *mode = GatewayMode::Nat;
            }
        }
    }
}

/// A routing mesh; `None` where there is no network for its sandbox.
pub(super) fn ingress(rng: &mut Rng, host: &Host) -> Option<Ingress> {
    let network = host.networks.iter().find(|of| of.name == DOCKER_GWBRIDGE)?;
    let sandbox = address4(rng, network.ipv4?.subnet);
    let mut publish = Vec::new();
    for _ in 0..=rng.below(4) {
        let length = *rng.weighted(&[(80, 1), (15, 2), (5, 16)]);
        let first = |rng: &mut Rng| (*rng.pick(&PORTS)).min(u16::MAX - (length - 1));
        publish.push(Publish {
            host: None,
            host_ports: Some(range(first(rng), length)),
            container_ports: range(first(rng), length),
            protocol: protocol(rng),
        });
    }
    Some(Ingress { sandbox, publish })
}

/// A port or two that a container exposes.
pub(super) fn exposed(rng: &mut Rng) -> Vec<Exposed> {
    let count = *rng.weighted(&[(50, 0), (30, 1), (20, 2)]);
    let one = |_| {
        let length = *rng.weighted(&[(75, 1), (20, 2), (5, 16)]);
        let first = (*rng.pick(&PORTS)).min(u16::MAX - (length - 1));
        Exposed {
            protocol: protocol(rng),
            ports: range(first, length),
        }
    };
    (0..count).map(one).collect()
}

/// Which containers could be linked: those of the default bridge with an IPv4 address, by index.
pub(super) fn linkable(host: &Host) -> Vec<(usize, Ipv4Addr)> {
    let Some(bridge) = host
        .networks
        .iter()
        .position(|of| of.name == DEFAULT_BRIDGE)
    else {
        return Vec::new();
    };
    let containers = host.containers.iter().enumerate();
    let on_bridge = containers.filter_map(|(index, container)| {
        let mut endpoints = container.endpoints.iter();
        let endpoint = endpoints.find(|endpoint| endpoint.network == bridge)?;
        Some((index, endpoint.ipv4?))
    });
    on_bridge.collect()
}

fn protocol(rng: &mut Rng) -> Protocol {
    let protocols = [
        (60, Protocol::Tcp),
        (30, Protocol::Udp),
        (10, Protocol::Sctp),
    ];
    *rng.weighted(&protocols)
}
