//! Swarm's ingress: published ports of services, which lead into the ingress sandbox. IPv4 only.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/service_linux.go`, `programIngress`.

use std::net::{IpAddr, Ipv4Addr};

use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype};
use dockfw_iptables::r#match::conntrack::{Conntrack, States};
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::target::nat::NatRange;
use dockfw_iptables::{ChainName, Family, InterfacePattern, Rule, TableName, Target};

use super::config::TransportPort;
use super::firewaller::{
    DOCKER_FORWARD, Firewaller, Mode, OUTPUT, POSTROUTING, PREROUTING, Placed, ensure_jump, jump,
    to_local, transport,
};

/// Published ports of services.
const DOCKER_INGRESS: ChainName = ChainName::from_static("DOCKER-INGRESS");

impl Firewaller {
    /// Prepares the host for services: chains, jumps, and a masquerade towards the gateway
    /// bridge.
    pub fn setup_ingress(&mut self, gateway_bridge: InterfacePattern) {
        let Some(program) = self.program_mut(Family::Ipv4) else {
            return;
        };
        for table in [TableName::Nat, TableName::Filter] {
            program.table_mut(table).create_chain(DOCKER_INGRESS);
            let back = Rule::new(Target::Return);
            Placed::tail(table, DOCKER_INGRESS, back).apply(program, Mode::Add);
        }
        let nat = program.table_mut(TableName::Nat);
        for chain in [OUTPUT, PREROUTING] {
            ensure_jump(nat.chain_mut(chain.as_str()), to_local(DOCKER_INGRESS));
        }
        let filter = program.table_mut(TableName::Filter);
        ensure_jump(
            filter.chain_mut(DOCKER_FORWARD.as_str()),
            jump(DOCKER_INGRESS),
        );
        masquerade_host(gateway_bridge).apply(program, Mode::Add);
    }

    /// Opens a port of a service; `endpoint` is the ingress sandbox on the gateway bridge.
    pub fn add_ingress_port(&mut self, endpoint: Ipv4Addr, port: TransportPort) {
        self.ingress_port(endpoint, port, Mode::Add);
    }

    /// Removes what [`add_ingress_port`](Self::add_ingress_port) made.
    pub fn del_ingress_port(&mut self, endpoint: Ipv4Addr, port: TransportPort) {
        self.ingress_port(endpoint, port, Mode::Delete);
    }

    fn ingress_port(&mut self, endpoint: Ipv4Addr, port: TransportPort, mode: Mode) {
        let Some(program) = self.program_mut(Family::Ipv4) else {
            return;
        };
        for placed in [rewrite(endpoint, port), accept_replies(port), accept(port)] {
            placed.apply(program, mode);
        }
    }
}

/// `-I POSTROUTING -o GWIF -m addrtype --src-type LOCAL -j MASQUERADE` in nat.
fn masquerade_host(gateway_bridge: InterfacePattern) -> Placed {
    let rule = Rule::new(Target::Masquerade(Masquerade::default()))
        .out_interface(gateway_bridge)
        .with(Addrtype::source(AddressTypes::LOCAL));
    Placed::head(TableName::Nat, POSTROUTING, rule)
}

/// `-I DOCKER-INGRESS -p PR -m PR --dport PP -j DNAT --to-destination GWEP:PP` in nat.
fn rewrite(endpoint: Ipv4Addr, port: TransportPort) -> Placed {
    let to = NatRange::socket(IpAddr::V4(endpoint), port.port);
    let rule = transport(
        Rule::new(Target::Dnat(to)),
        port.protocol,
        Ports::to(port.port),
    );
    Placed::head(TableName::Nat, DOCKER_INGRESS, rule)
}

/// `-I DOCKER-INGRESS -p PR -m PR --sport PP -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`
/// in filter.
fn accept_replies(port: TransportPort) -> Placed {
    let rule = transport(
        Rule::new(Target::Accept),
        port.protocol,
        Ports::from(port.port),
    )
    .with(Conntrack::state(States::RELATED.or(States::ESTABLISHED)));
    Placed::head(TableName::Filter, DOCKER_INGRESS, rule)
}

/// `-I DOCKER-INGRESS -p PR -m PR --dport PP -j ACCEPT` in filter.
fn accept(port: TransportPort) -> Placed {
    let rule = transport(
        Rule::new(Target::Accept),
        port.protocol,
        Ports::to(port.port),
    );
    Placed::head(TableName::Filter, DOCKER_INGRESS, rule)
}
