//! Swarm's routing mesh: published ports of services lead to the ingress sandbox, which balances
//! them over the nodes. IPv4 only, as in Docker.
//!
//! Docker accepts every forwarded packet with a service's port, wherever it goes; here only what
//! goes to the sandbox is accepted, and nothing from internal networks (`docs/divergences.md`).
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/service_linux.go`, `programIngress`.

use dockfw_ir::Table;
use dockfw_ir::chain::Rule;
use dockfw_ir::expr::Fib;
use dockfw_ir::expr::fib::addrtype;
use dockfw_ir::name::IfName;
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::nat::{NatFlags, NatKind};
use dockfw_ir::statement::{Masquerade, Nat, Operator, Statement};
use dockfw_ir::value::Value;

use super::family::{Family, FamilyView};
use super::make::{accept, and_port, and_port_types, chain, exact_set, jump, rule, to_interface};
use super::names;
use crate::host::{Host, Ingress};

/// The mesh and the bridge that its sandbox is on.
fn mesh(host: &Host) -> Option<(&Ingress, &IfName)> {
    let (ingress, _, network) = host.mesh()?;
    Some((ingress, network.bridge.as_ref()?))
}

/// `meta l4proto . th dport @ingress-ports`
fn to_service() -> Statement {
    Statement::in_set(and_port([]), &names::set("ingress-ports"))
}

/// The set of ports, and the chain that rewrites packets to them.
pub(super) fn add(table: &mut Table, host: &Host) {
    let Some((ingress, _)) = mesh(host) else {
        return;
    };
    let mut ports = Vec::new();
    for publish in &ingress.publish {
        let Some(range) = publish.definite_host_ports() else {
            continue;
        };
        for port in range.first()..=range.last() {
            let key = Value::new()
                .and_u8(publish.protocol.number())
                .and_port(port);
            ports.push(Element::member(key));
        }
    }
    ports.sort_by(|a, b| a.key.cmp(&b.key));
    ports.dedup_by(|a, b| a.key == b.key);
    table.sets.push(exact_set(
        names::set("ingress-ports"),
        and_port_types(&[]),
        SetKind::Set,
        ports,
        "published ports of swarm services",
    ));
    let to_sandbox = Statement::Nat(Nat {
        kind: NatKind::Dnat,
        target: FamilyView::address_target(ingress.sandbox.into()),
        flags: NatFlags::default(),
    });
    let dnat = rule(
        [Family::V4.only(), to_service()],
        to_sandbox,
        "to the ingress sandbox, which balances over the nodes",
    );
    table.chains.push(chain(
        names::chain("DOCKER-INGRESS-NAT"),
        vec![dnat],
        "published ports of swarm services",
    ));
}

/// `fib daddr type local counter jump DOCKER-INGRESS-NAT`
pub(super) fn services(host: &Host) -> Option<Rule> {
    mesh(host)?;
    let local = Value::new().and_host_u32(addrtype::LOCAL);
    Some(rule(
        [Statement::equal(Fib::daddr_type(), local)],
        jump(&names::chain("DOCKER-INGRESS-NAT")),
        "to an address of this host: swarm services come first",
    ))
}

/// `oifname "docker_gwbridge" ip daddr SANDBOX meta l4proto . th dport @ingress-ports counter
/// accept`
pub(super) fn to_sandbox(host: &Host) -> Option<Rule> {
    let (ingress, bridge) = mesh(host)?;
    let sandbox = Value::new().and_ipv4(ingress.sandbox);
    Some(rule(
        [
            to_interface(bridge, Operator::Equal),
            Statement::equal(Family::V4.daddr(), sandbox),
            to_service(),
        ],
        accept(),
        "DOCKER-INGRESS: published ports of swarm services",
    ))
}

/// `oifname "docker_gwbridge" meta nfproto ipv4 fib saddr type local counter masquerade`
///
/// The sandbox's answer has to come back through the host.
pub(super) fn masquerade(host: &Host) -> Option<Rule> {
    let (_, bridge) = mesh(host)?;
    let local = Value::new().and_host_u32(addrtype::LOCAL);
    Some(rule(
        [
            to_interface(bridge, Operator::Equal),
            Family::V4.only(),
            Statement::equal(Fib::saddr_type(), local),
        ],
        Statement::Masquerade(Masquerade::default()),
        "MASQUERADE FROM HOST: to swarm services",
    ))
}
