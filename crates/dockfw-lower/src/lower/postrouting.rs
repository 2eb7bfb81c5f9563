//! `nat-postrouting`: which source address a packet leaves with.

use dockfw_ir::Table;
use dockfw_ir::chain::{Chain, ChainKind, Hook, Rule};
use dockfw_ir::expr::fib::addrtype;
use dockfw_ir::expr::{Expr, Fib, Meta};
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::nat::{NatFlags, NatKind};
use dockfw_ir::statement::{Masquerade, Nat, Operator, Statement, Verdict};
use dockfw_ir::value::{DataType, Value};

use super::family::{Family, FamilyView};
use super::guard::addresses;
use super::make::{and_port, base_chain, chain, comment, dispatch, exact_set, if_value};
use super::make::{interval_set, key, rule, to_interface};
use super::{BridgeNetwork, bridge_networks};
use super::{ingress, names};
use crate::host::{GatewayMode, Host};

/// `srcnat`
const PRIORITY: i32 = 100;

pub(super) fn add(table: &mut Table, host: &Host) {
    let networks: Vec<_> = bridge_networks(host)
        .into_iter()
        .filter(|network| !network.internal)
        .collect();
    let mut rules = Vec::new();
    rules.extend(ingress::masquerade(host));
    if !host.daemon.userland_proxy {
        add_hairpin(table, &networks);
        rules.push(dispatch(
            vec![Statement::vmap(
                Meta::Oifname,
                &names::set("docker-hairpin"),
            )],
            "hairpin: from this host to a published port",
        ));
        for family in Family::ALL {
            add_self(table, host, &networks, family);
        }
    }
    add_masquerade(table, &networks);
    for family in Family::ALL {
        rules.push(dispatch(
            vec![Statement::vmap(
                family.saddr(),
                &names::family_set("docker-subnets", family, ""),
            )],
            "from a container to elsewhere",
        ));
    }
    // Docker appends these and inserts the others before them.
    if !host.daemon.userland_proxy {
        for family in Family::ALL {
            rules.push(masquerade_self(family, ""));
            rules.push(masquerade_self(family, "-range"));
        }
    }
    let name = names::chain("nat-postrouting");
    table.chains.push(base_chain(
        name,
        ChainKind::Nat,
        Hook::Postrouting,
        PRIORITY,
        rules,
    ));
}

/// `masquerade` or `snat ip to ADDRESS`, one rule for each family that has a different source.
///
/// `tests` come before the family test.
fn source_rules(views: &[FamilyView], tests: &[Statement], why: &str) -> Vec<Rule> {
    let masquerade = Statement::Masquerade(Masquerade::default());
    let both = matches!(views, [a, b] if a.host_address.is_none() && b.host_address.is_none());
    if both {
        return vec![rule(tests.iter().cloned(), masquerade, why)];
    }
    let rule_of = |view: &FamilyView| {
        let action = match view.host_address {
            None => masquerade.clone(),
            Some(address) => Statement::Nat(Nat {
                kind: NatKind::Snat,
                target: FamilyView::address_target(address),
                flags: NatFlags::default(),
            }),
        };
        rule(
            [view.family.only()]
                .into_iter()
                .chain(tests.iter().cloned()),
            action,
            why,
        )
    };
    views.iter().map(rule_of).collect()
}

/// Masquerading: by source subnet to a chain for each network.
///
/// Gateway mode `routed` and `enable_ip_masquerade=false` leave the source as it is.
fn add_masquerade(table: &mut Table, networks: &[BridgeNetwork<'_>]) {
    let mut elements = [Vec::new(), Vec::new()];
    for network in networks.iter().filter(|network| network.masquerade) {
        let views: Vec<_> = FamilyView::all(network)
            .filter(|view| view.gateway_mode != GatewayMode::Routed)
            .collect();
        if views.is_empty() {
            continue;
        }
        let leaves = to_interface(network.device, Operator::NotEqual);
        let rules = source_rules(&views, &[leaves], "MASQUERADE: leaves the bridge");
        let chain = chain(
            names::network_chain("MASQUERADE", *network),
            rules,
            &network.name,
        );
        for view in &views {
            let [v4, v6] = &mut elements;
            let to = match view.family {
                Family::V4 => v4,
                Family::V6 => v6,
            };
            let first = Value::new().and_ip(view.subnet.network());
            let last = Value::new().and_ip(view.subnet.broadcast());
            let jump = Verdict::Jump(chain.name.clone());
            to.push(
                Element::verdict(first, jump)
                    .until(last)
                    .with_comment(comment(&network.name)),
            );
        }
        table.chains.push(chain);
    }
    for (family, mut elements) in Family::ALL.into_iter().zip(elements) {
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        table.sets.push(interval_set(
            names::family_set("docker-subnets", family, ""),
            vec![family.address_type()],
            SetKind::VerdictMap,
            elements,
            "by subnet of a network: its source address outside",
        ));
    }
}

/// Without the userland proxy: what the host itself sends to a bridge gets the bridge's address,
/// so that the container's answer comes back through the host.
fn add_hairpin(table: &mut Table, networks: &[BridgeNetwork<'_>]) {
    let mut elements = Vec::new();
    for network in networks {
        let chain = hairpin_chain(*network);
        let jump = Verdict::Jump(chain.name.clone());
        elements.push(
            Element::verdict(if_value(network.device), jump).with_comment(comment(&network.name)),
        );
        table.chains.push(chain);
    }
    table.sets.push(exact_set(
        names::set("docker-hairpin"),
        vec![DataType::IfName],
        SetKind::VerdictMap,
        elements,
        "by bridge that a packet goes to: packets of this host",
    ));
}

/// `fib saddr type local counter masquerade`
fn hairpin_chain(network: BridgeNetwork<'_>) -> Chain {
    let views: Vec<_> = FamilyView::all(&network).collect();
    let local = Value::new().and_host_u32(addrtype::LOCAL);
    let from_host = Statement::equal(Fib::saddr_type(), local);
    let rules = source_rules(&views, &[from_host], "MASQUERADE FROM HOST");
    chain(
        names::network_chain("HAIRPIN", network),
        rules,
        &network.name,
    )
}

/// The addresses of containers that may meet themselves through a published port.
fn add_self(table: &mut Table, host: &Host, networks: &[BridgeNetwork<'_>], family: Family) {
    let mut elements = Vec::new();
    for network in networks {
        let rewrites = FamilyView::all(network)
            .any(|view| view.family == family && view.gateway_mode != GatewayMode::Routed);
        if !rewrites {
            continue;
        }
        for (container, address) in addresses(host, &network.name, family) {
            let key = Value::new().and_ip(address).and_ip(address);
            elements.push(Element::member(key).with_comment(comment(container)));
        }
    }
    elements.sort_by(|a, b| a.key.cmp(&b.key));
    elements.dedup_by(|a, b| a.key == b.key);
    table.sets.push(exact_set(
        names::family_set("endpoint-self", family, ""),
        vec![family.address_type(), family.address_type()],
        SetKind::Set,
        elements,
        "containers that may come back to themselves",
    ));
}

/// `ip saddr . ip daddr @endpoint-self4 ip daddr . meta l4proto . th dport @container-ports4
/// counter masquerade`
fn masquerade_self(family: Family, suffix: &'static str) -> Rule {
    let pair: [Expr; 2] = [family.saddr().into(), family.daddr().into()];
    rule(
        [
            Statement::in_set(key(pair), &names::family_set("endpoint-self", family, "")),
            Statement::in_set(
                and_port([family.daddr().into()]),
                &names::family_set("container-ports", family, suffix),
            ),
        ],
        Statement::Masquerade(Masquerade::default()),
        "MASQ TO OWN PORT: a container's own published port",
    )
}
