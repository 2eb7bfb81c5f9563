//! Legacy links: which containers of the default bridge may talk although it has no icc.

use std::net::Ipv4Addr;

use crate::host::{Container, DEFAULT_BRIDGE, Exposed, Host, Network};

/// A way from a client to a server's exposed ports, and back. IPv4 only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Index into [`Host::containers`]: the one of the two that is started last.
    pub started: usize,
    /// Index into [`Host::networks`]: the default bridge.
    pub network: usize,
    /// The client, which was started with `--link`.
    pub parent: Ipv4Addr,
    /// The server.
    pub child: Ipv4Addr,
    /// The ports that the server exposes or publishes, sorted, each once.
    pub ports: Vec<Exposed>,
}

/// The links that open something, in the order in which dockerd makes them: by the container of
/// the two that is started last, there first as the server, then as the client.
///
/// With icc on, and on other networks than the default bridge, a link opens nothing: it is a name
/// for the resolver only.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/bridge_linux.go`, `driver.link`.
pub fn links(host: &Host) -> Vec<Link> {
    let is_closed = |of: &Network| of.name == DEFAULT_BRIDGE && !of.icc;
    let Some(network) = host.networks.iter().position(is_closed) else {
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for (client, container) in host.containers.iter().enumerate() {
        for server in &container.links {
            pairs.push((client.max(*server), client > *server, client, *server));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let open = |(started, _, client, server)| {
        let server: &Container = host.containers.get(server)?;
        Some(Link {
            started,
            network,
            parent: address(host.containers.get(client)?, network)?,
            child: address(server, network)?,
            ports: exposed(server),
        })
    };
    pairs.into_iter().filter_map(open).collect()
}

fn address(container: &Container, network: usize) -> Option<Ipv4Addr> {
    let mut endpoints = container.endpoints.iter();
    endpoints.find(|of| of.network == network)?.ipv4
}

/// The ports that a container exposes, those that it publishes included.
pub fn exposed(container: &Container) -> Vec<Exposed> {
    let published = container.publish.iter().map(|publish| Exposed {
        protocol: publish.protocol,
        ports: publish.container_ports,
    });
    let mut all: Vec<_> = container.expose.iter().copied().chain(published).collect();
    all.sort_unstable();
    all.dedup();
    all
}
