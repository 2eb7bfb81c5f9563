//! Legacy links, `docker run --link`: a way through the default bridge without ICC.
//!
//! Source: moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/iptabler/link.go`.

use std::net::Ipv4Addr;

use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::{Family, Rule, TableName, Target};

use super::config::{NetworkConfig, TransportPort};
use super::firewaller::{DOCKER, Firewaller, Mode, Placed, transport};

impl Firewaller {
    /// Opens ports of a server, the child, to a client, the parent. IPv4 only.
    ///
    /// Source: moby docker-v29.0.0, `link.go`, `AddLink`.
    pub fn add_link(
        &mut self,
        network: &NetworkConfig,
        parent: Ipv4Addr,
        child: Ipv4Addr,
        ports: &[TransportPort],
    ) {
        self.link_rules(network, parent, child, ports, Mode::Add);
    }

    /// Removes what [`add_link`](Self::add_link) made.
    ///
    /// Source: moby docker-v29.0.0, `link.go`, `DelLink`.
    pub fn del_link(
        &mut self,
        network: &NetworkConfig,
        parent: Ipv4Addr,
        child: Ipv4Addr,
        ports: &[TransportPort],
    ) {
        self.link_rules(network, parent, child, ports, Mode::Delete);
    }

    fn link_rules(
        &mut self,
        network: &NetworkConfig,
        parent: Ipv4Addr,
        child: Ipv4Addr,
        ports: &[TransportPort],
        mode: Mode,
    ) {
        let Some(program) = self.program_mut(Family::Ipv4) else {
            return;
        };
        for port in ports {
            to_child(network, parent, child, *port).apply(program, mode);
            to_parent(network, parent, child, *port).apply(program, mode);
        }
    }
}

/// `-A DOCKER -s PARENT -d CHILD -i BR -o BR -p PR -m PR --dport P -j ACCEPT`.
fn to_child(
    network: &NetworkConfig,
    parent: Ipv4Addr,
    child: Ipv4Addr,
    port: TransportPort,
) -> Placed {
    let rule = between(network, parent, child);
    let rule = transport(rule, port.protocol, Ports::to(port.port));
    Placed::tail(TableName::Filter, DOCKER, rule)
}

/// `-A DOCKER -s CHILD -d PARENT -i BR -o BR -p PR -m PR --sport P -j ACCEPT`.
fn to_parent(
    network: &NetworkConfig,
    parent: Ipv4Addr,
    child: Ipv4Addr,
    port: TransportPort,
) -> Placed {
    let rule = between(network, child, parent);
    let rule = transport(rule, port.protocol, Ports::from(port.port));
    Placed::tail(TableName::Filter, DOCKER, rule)
}

/// `-s FROM -d TO -i BR -o BR -j ACCEPT`.
fn between(network: &NetworkConfig, from: Ipv4Addr, to: Ipv4Addr) -> Rule {
    Rule::new(Target::Accept)
        .source(std::net::IpAddr::V4(from))
        .destination(std::net::IpAddr::V4(to))
        .in_interface(network.interface)
        .out_interface(network.interface)
}
