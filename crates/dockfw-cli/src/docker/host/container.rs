//! A container of the daemon as one of the host model.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_lower::host::{Container, Driver, Endpoint, Exposed};

use super::publish::{container_port, publishes, ranges};
use super::{Index, Known, LeftOut};
use crate::docker::state;

/// Converts a container, without its links.
///
/// `index` is that of the host that it is for. Connections to networks that are not in the host
/// are left out.
///
/// # Errors
///
/// Why it is not understood, and has to be left out.
pub fn container(live: &state::Container, index: &Index) -> Result<Container, LeftOut> {
    convert(live, index).map_err(|why| LeftOut {
        name: format!("container {}", live.name),
        why,
        clash: false,
    })
}

fn convert(live: &state::Container, index: &Index) -> Result<Container, String> {
    let mut container = Container {
        name: live.name.clone(),
        ..Container::default()
    };
    let mut networks = Vec::new();
    for endpoint in &live.endpoints {
        let Some(known) = index.networks.get(&endpoint.network_id) else {
            continue;
        };
        let mut earlier = container.endpoints.iter();
        if earlier.any(|of: &Endpoint| of.network == known.network) {
            return Err(format!("it is in network {} twice", endpoint.network_name));
        }
        let ipv4 = address::<Ipv4Addr>(&endpoint.ipv4)?;
        let ipv6 = address::<Ipv6Addr>(&endpoint.ipv6)?;
        // One that is being connected; there is nothing to be reached.
        if known.driver == Driver::Bridge && ipv4.is_none() && ipv6.is_none() {
            continue;
        }
        networks.push(*known);
        container.endpoints.push(Endpoint {
            network: known.network,
            ipv4,
            ipv6,
            gw_priority: endpoint.gw_priority,
        });
    }
    if index.prefers_both_families {
        prefer_both_families(&mut container.endpoints, &networks);
    }
    let is_usable = |of: &&Known| of.driver == Driver::Bridge && !of.internal;
    let mut usable = networks.iter().filter(is_usable).peekable();
    // Without one of them nothing is mapped by the kernel.
    if usable.peek().is_some() {
        let binds_all = usable.all(|of| of.binds_all);
        container.publish = publishes(&live.ports, binds_all)?;
    }
    if networks.iter().any(|of| of.is_default) {
        container.expose = exposed(live, &container)?;
    }
    Ok(container)
}

/// Makes the endpoint with a gateway in both families, the first one if there are more, the choice
/// for both, as if it had been given the highest priority of all.
///
/// The network of each endpoint stands at its place in `networks`.
fn prefer_both_families(endpoints: &mut [Endpoint], networks: &[Known]) {
    let has_gateway = |known: &Known| match known.driver {
        Driver::Bridge | Driver::Ipvlan | Driver::Macvlan => !known.internal,
        Driver::Overlay | Driver::Host | Driver::None => false,
    };
    let gateways =
        |(endpoint, known): (&Endpoint, &Known)| has_gateway(known).then_some(endpoint.gw_priority);
    let highest = endpoints.iter().zip(networks).filter_map(gateways).max();
    let both = endpoints
        .iter_mut()
        .zip(networks)
        .filter(|(of, known)| has_gateway(known) && of.ipv4.is_some() && of.ipv6.is_some())
        .map(|(of, _)| of);
    // They are in the order of names, the last key of Docker's order.
    let first = both.reduce(|best, of| {
        if of.gw_priority > best.gw_priority {
            of
        } else {
            best
        }
    });
    if let (Some(first), Some(highest)) = (first, highest) {
        first.gw_priority = highest;
    }
}

/// An address; `None` when there is none.
fn address<A: std::str::FromStr + Into<IpAddr>>(text: &str) -> Result<Option<A>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<A>();
    parsed
        .map(Some)
        .map_err(|_error| format!("{text:?} is not an address of its family"))
}

/// What a linked container may reach, beyond the published ports.
fn exposed(live: &state::Container, container: &Container) -> Result<Vec<Exposed>, String> {
    let mut ports = Vec::new();
    for text in &live.exposed {
        let (port, protocol) = container_port(text)?;
        let is_published = container.publish.iter().any(|publish| {
            let range = publish.container_ports;
            publish.protocol == protocol && (range.first()..=range.last()).contains(&port)
        });
        if !is_published {
            ports.push((protocol, port));
        }
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ranges(&ports)
        .map(|(protocol, ports)| Exposed { protocol, ports })
        .collect())
}
