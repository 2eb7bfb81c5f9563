//! Published ports from rewritten and accepted ones; consecutive ports become ranges.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::container::Address;
use crate::docker::publish::{PortRange, Protocol, Publish};
use crate::host::{GatewayMode, Network};

/// Ports that can be one range: same host address, same protocol.
type Group = (Option<IpAddr>, Protocol);

/// The published ports of an address.
pub(super) fn published(
    address: IpAddr,
    of: &Address,
    network: Option<&Network>,
    claimed: &BTreeSet<(Protocol, u16)>,
    paired: bool,
) -> Vec<Publish> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut groups: BTreeMap<Group, Vec<(u16, u16)>> = BTreeMap::new();
    for rewrite in &of.rewrites {
        let is_claimed = claimed.contains(&(rewrite.protocol, rewrite.host_port));
        let host = match rewrite.host {
            None if !paired && (address.is_ipv6() || is_claimed) => Some(any),
            host => host,
        };
        let ports = (rewrite.host_port, rewrite.port);
        groups
            .entry((host, rewrite.protocol))
            .or_default()
            .push(ports);
    }
    let mut all = Vec::new();
    for ((host, protocol), mut ports) in groups {
        ports.sort_unstable();
        ports.dedup();
        let ports = ports.into_iter().map(|(from, to)| (protocol, from, to));
        all.extend(runs(ports).map(|(protocol, from, to)| publish(host, Some(from), to, protocol)));
    }
    let is_routed = |is_ipv4: bool| {
        let mode = network.and_then(|network| {
            if is_ipv4 {
                network.ipv4.map(|family| family.gateway_mode)
            } else {
                network.ipv6.map(|family| family.gateway_mode)
            }
        });
        mode.map(|mode| mode == GatewayMode::Routed)
    };
    if is_routed(address.is_ipv4()) == Some(true) {
        let rewritten: BTreeSet<_> = of
            .rewrites
            .iter()
            .map(|rewrite| (rewrite.protocol, rewrite.port))
            .collect();
        // The other family would need a host port.
        let host = (is_routed(address.is_ipv6()) == Some(false)).then_some(any);
        let opened = of.opened.difference(&rewritten);
        let opened = opened.map(|(protocol, port)| (*protocol, *port, *port));
        all.extend(runs(opened).map(|(protocol, _, to)| publish(host, None, to, protocol)));
    }
    all
}

/// A published port or range.
pub(super) fn publish(
    host: Option<IpAddr>,
    host_ports: Option<PortRange>,
    container_ports: PortRange,
    protocol: Protocol,
) -> Publish {
    Publish {
        host,
        host_ports,
        container_ports,
        protocol,
    }
}

/// Ports that follow each other on both sides, as ranges. Port 0 is left out.
pub(super) fn runs(
    ports: impl Iterator<Item = (Protocol, u16, u16)>,
) -> impl Iterator<Item = (Protocol, PortRange, PortRange)> {
    let mut runs: Vec<(Protocol, PortRange, PortRange)> = Vec::new();
    for (protocol, host, container) in ports {
        if let Some((of, from, to)) = runs.last_mut()
            && *of == protocol
            && from.last().checked_add(1) == Some(host)
            && to.last().checked_add(1) == Some(container)
            && let (Some(longer), Some(further)) = (
                PortRange::new(from.first(), host),
                PortRange::new(to.first(), container),
            )
        {
            (*from, *to) = (longer, further);
            continue;
        }
        if let (Some(from), Some(to)) = (
            PortRange::new(host, host),
            PortRange::new(container, container),
        ) {
            runs.push((protocol, from, to));
        }
    }
    runs.into_iter()
}
