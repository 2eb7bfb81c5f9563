//! Which of a container's networks carries its traffic to the outside, and its published ports.

use std::cmp::Reverse;

use crate::host::{Container, DOCKER_GWBRIDGE, Driver, Endpoint, Host, Network};

/// The endpoints that provide a container's default routes.
///
/// The numbers are indexes into [`Container::endpoints`]; both name the same endpoint when it has
/// a gateway in both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GatewayEndpoints {
    /// The endpoint of the IPv4 default route; ports in gateway mode `nat` are mapped there.
    pub ipv4: Option<usize>,
    /// The endpoint of the IPv6 default route.
    pub ipv6: Option<usize>,
}

/// Selects the endpoints that provide a container's default routes.
///
/// Endpoints are ordered by `gw-priority` (highest first), `docker_gwbridge` last, internal
/// networks last, more address families with a gateway first, network name.
/// The first with an IPv4 gateway is the IPv4 choice, the first with an IPv6 gateway the IPv6 one.
/// Networks of the drivers ipvlan and macvlan take part: when one of them wins, nothing of that
/// family is mapped on the host.
/// An endpoint whose network does not exist is left out.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/sandbox.go` (`Endpoint.Less`) and
/// `default_gateway.go` (`Sandbox.getGatewayEndpoint`).
pub fn gateway_endpoints(host: &Host, container: &Container) -> GatewayEndpoints {
    let mut best = GatewayEndpoints::default();
    // The usual container has one endpoint; it needs no order.
    if let [endpoint] = container.endpoints.as_slice() {
        if let Some(network) = host.networks.get(endpoint.network) {
            let (ipv4, ipv6) = has_gateway(network, endpoint);
            best.ipv4 = ipv4.then_some(0);
            best.ipv6 = ipv6.then_some(0);
        }
        return best;
    }
    let order = |index: usize, endpoint: &Endpoint| {
        let network = host.networks.get(endpoint.network)?;
        let (ipv4, ipv6) = has_gateway(network, endpoint);
        let families = u8::from(ipv4) + u8::from(ipv6);
        let name = network.name.as_str();
        let rank = (
            Reverse(endpoint.gw_priority),
            name == DOCKER_GWBRIDGE,
            network.internal,
            Reverse(families),
            name,
        );
        Some((rank, index, ipv4, ipv6))
    };
    let mut ranked: Vec<_> = container
        .endpoints
        .iter()
        .enumerate()
        .filter_map(|(i, e)| order(i, e))
        .collect();
    ranked.sort_unstable();
    for (_, index, ipv4, ipv6) in ranked {
        if ipv4 && best.ipv4.is_none() {
            best.ipv4 = Some(index);
        }
        if ipv6 && best.ipv6.is_none() {
            best.ipv6 = Some(index);
        }
    }
    best
}

/// Whether an endpoint has a default route by IPv4 and by IPv6.
///
/// Internal networks give none. A bridge endpoint has one per family in which it has an address;
/// for ipvlan and macvlan, whose addresses need not be written down, one per family of the network
/// unless addresses are given.
fn has_gateway(network: &Network, endpoint: &Endpoint) -> (bool, bool) {
    let unknown = endpoint.ipv4.is_none() && endpoint.ipv6.is_none();
    let assumed = match network.driver {
        Driver::Bridge => false,
        Driver::Ipvlan | Driver::Macvlan => unknown,
        Driver::Overlay | Driver::Host | Driver::None => return (false, false),
    };
    if network.internal {
        return (false, false);
    }
    (
        network.ipv4.is_some() && (endpoint.ipv4.is_some() || assumed),
        network.ipv6.is_some() && (endpoint.ipv6.is_some() || assumed),
    )
}

#[cfg(test)]
mod tests;
