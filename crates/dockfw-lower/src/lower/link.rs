//! Legacy links: on the default bridge without icc, a client reaches the exposed ports of the
//! servers it is linked to. IPv4 only, as in Docker.
//!
//! The rules stand there as soon as that bridge has no icc, so that a container with a link
//! changes elements only.

use dockfw_ir::Table;
use dockfw_ir::chain::Rule;
use dockfw_ir::expr::{Key, Meta, Payload};
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::{DataType, Value};

use super::BridgeNetwork;
use super::make::{accept, and_port_types, exact_set, rule, to_interface};
use super::names;
use crate::docker::link::links;
use crate::host::{DEFAULT_BRIDGE, Host};

/// Whether a network is the one whose containers may be linked.
pub(super) fn has_links(network: &BridgeNetwork<'_>) -> bool {
    network.name == DEFAULT_BRIDGE && !network.icc && network.ipv4.is_some()
}

/// The sets of links: what a client sends, and what a server answers.
pub(super) fn add(table: &mut Table, host: &Host, open: &[BridgeNetwork<'_>]) {
    if !open.iter().any(has_links) {
        return;
    }
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    for link in links(host) {
        for exposed in &link.ports {
            for port in exposed.ports.first()..=exposed.ports.last() {
                let from = |a, b| {
                    let key = Value::new().and_ipv4(a).and_ipv4(b);
                    let key = key.and_u8(exposed.protocol.number()).and_port(port);
                    Element::member(key)
                };
                requests.push(from(link.parent, link.child));
                answers.push(from(link.child, link.parent));
            }
        }
    }
    let sets = [
        (
            "links",
            requests,
            "legacy links: client, server, exposed port of the server",
        ),
        (
            "link-answers",
            answers,
            "legacy links: server, client, exposed port of the server",
        ),
    ];
    for (name, mut elements, why) in sets {
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        elements.dedup_by(|a, b| a.key == b.key);
        let key = and_port_types(&[DataType::Ipv4Addr, DataType::Ipv4Addr]);
        let name = names::set(name);
        table
            .sets
            .push(exact_set(name, key, SetKind::Set, elements, why));
    }
}

/// `oifname "docker0" ip saddr . ip daddr . meta l4proto . th dport @links counter accept`, and
/// the same with the source port for answers.
pub(super) fn rules(network: BridgeNetwork<'_>) -> Vec<Rule> {
    if network.internal || !has_links(&network) {
        return Vec::new();
    }
    let sides = [
        ("links", Payload::ThDport, "LINK: to a linked server"),
        ("link-answers", Payload::ThSport, "LINK: back to the client"),
    ];
    let rule_of = |(set, port, why): (&'static str, Payload, &str)| {
        let key = Key(vec![
            Payload::IpSaddr.into(),
            Payload::IpDaddr.into(),
            Meta::L4proto.into(),
            port.into(),
        ]);
        let within = to_interface(network.device, Operator::Equal);
        let tests = [within, Statement::in_set(key, &names::set(set))];
        rule(tests, accept(), why)
    };
    sides.into_iter().map(rule_of).collect()
}
