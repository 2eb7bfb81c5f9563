//! `guard-prerouting`: what must not come in at all.
//!
//! It runs after conntrack and before DNAT, so that it sees the address the sender wrote and can
//! let answers pass: dockerd's own stateless drops break `enable_ip_masquerade=false`
//! (`docs/divergences.md`).

use dockfw_ir::Table;
use dockfw_ir::chain::{ChainKind, Hook, Rule};
use dockfw_ir::expr::ct::state;
use dockfw_ir::expr::{Ct, Meta};
use dockfw_ir::name::IfName;
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::{DataType, Value};

use super::bridge_networks;
use super::family::{Family, FamilyView};
use super::make::{and_port, base_chain, comment, drop, exact_set, if_value};
use super::make::{key, rule};
use super::names;
use super::ports::{Ports, loopback_ports};
use crate::host::Host;

/// How `docker network inspect` calls swarm's ingress sandbox.
pub(crate) const INGRESS_SANDBOX: &str = "ingress-sbox";

/// Between conntrack (−200) and DNAT (−100).
const PRIORITY: i32 = -150;

pub(super) fn add(table: &mut Table, host: &Host, ports: &Ports) {
    let mut rules = Vec::new();
    for family in Family::ALL {
        add_endpoints(table, host, family);
        rules.push(drop_direct_access(family));
        let loopback = loopback_ports(&ports.host, family);
        table.sets.extend(loopback.into_sets(
            "loopback-ports",
            family,
            [
                "ports published on a loopback address",
                "port ranges published on a loopback address",
            ],
        ));
        // Docker lets nothing but IPv4 come from Windows.
        let mirrored = host.wsl2_mirrored && family == Family::V4;
        rules.push(drop_remote_loopback(family, "", mirrored));
        rules.push(drop_remote_loopback(family, "-range", mirrored));
    }
    table.chains.push(base_chain(
        names::chain("guard-prerouting"),
        ChainKind::Filter,
        Hook::Prerouting,
        PRIORITY,
        rules,
    ));
}

/// The addresses of containers that are closed to direct access, and the interfaces from which
/// each may be reached all the same: its bridge and the trusted interfaces.
fn add_endpoints(table: &mut Table, host: &Host, family: Family) {
    let mut endpoints = Vec::new();
    let mut access = Vec::new();
    if !host.daemon.allow_direct_routing {
        for network in bridge_networks(host)
            .into_iter()
            .filter(|network| !network.internal)
        {
            let protected =
                FamilyView::all(&network).any(|view| view.family == family && view.is_protected());
            if !protected {
                continue;
            }
            let sandbox = host
                .mesh()
                .filter(|(_, _, of)| family == Family::V4 && of.name == network.name)
                .map(|(ingress, _, _)| (INGRESS_SANDBOX, ingress.sandbox.into()));
            for (container, address) in addresses(host, &network.name, family).chain(sandbox) {
                let address = Value::new().and_ip(address);
                for interface in
                    std::iter::once(network.device).chain(&network.trusted_host_interfaces)
                {
                    let name = if_value(interface);
                    access.push(Element::member(address.clone().and_bytes(name.as_bytes())));
                }
                endpoints.push(Element::member(address).with_comment(comment(container)));
            }
        }
    }
    for elements in [&mut endpoints, &mut access] {
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        elements.dedup_by(|a, b| a.key == b.key);
    }
    table.sets.push(exact_set(
        names::family_set("endpoints", family, ""),
        vec![family.address_type()],
        SetKind::Set,
        endpoints,
        "addresses of containers that are not to be reached directly",
    ));
    table.sets.push(exact_set(
        names::family_set("endpoint-access", family, ""),
        vec![family.address_type(), DataType::IfName],
        SetKind::Set,
        access,
        "interfaces from which such an address may be reached: its bridge, trusted interfaces",
    ));
}

/// The containers with an address in a network: name and address.
pub(super) fn addresses<'a>(
    host: &'a Host,
    network: &'a str,
    family: Family,
) -> impl Iterator<Item = (&'a str, std::net::IpAddr)> {
    host.containers.iter().flat_map(move |container| {
        container
            .endpoints
            .iter()
            .filter(move |endpoint| {
                host.networks
                    .get(endpoint.network)
                    .is_some_and(|of| of.name == network)
            })
            .filter_map(move |endpoint| {
                let address = match family {
                    Family::V4 => endpoint.ipv4.map(Into::into),
                    Family::V6 => endpoint.ipv6.map(Into::into),
                };
                Some((container.name.as_str(), address?))
            })
    })
}

/// `ct state invalid,new,untracked ip daddr @endpoints4 ip daddr . iifname != @endpoint-access4
/// counter drop`
fn drop_direct_access(family: Family) -> Rule {
    let not_an_answer = state::INVALID | state::NEW | state::UNTRACKED;
    rule(
        [
            Statement::masked(
                Ct::State,
                Value::new().and_host_u32(not_an_answer),
                Operator::NotEqual,
                Value::new().and_host_u32(0),
            ),
            Statement::in_set(family.daddr(), &names::family_set("endpoints", family, "")),
            Statement::not_in_set(
                key([family.daddr().into(), Meta::Iifname.into()]),
                &names::family_set("endpoint-access", family, ""),
            ),
        ],
        drop(),
        "DIRECT ACCESS: only its own bridge reaches a container's address",
    )
}

/// `ip daddr 127.0.0.0/8 iifname != "lo" ip daddr . meta l4proto . th dport @loopback-ports4
/// counter drop`
///
/// `mirrored` excepts the interface `loopback0` as well.
fn drop_remote_loopback(family: Family, suffix: &'static str, mirrored: bool) -> Rule {
    let elsewhere = |name: &IfName| Statement::not_equal(Meta::Iifname, if_value(name));
    let mut tests = vec![family.to_loopback(), elsewhere(&names::loopback())];
    if mirrored {
        tests.push(elsewhere(&names::loopback0()));
    }
    tests.push(Statement::in_set(
        and_port([family.daddr().into()]),
        &names::family_set("loopback-ports", family, suffix),
    ));
    rule(
        tests,
        drop(),
        "REMOTE LOOPBACK: a port published on loopback is for this host only",
    )
}
