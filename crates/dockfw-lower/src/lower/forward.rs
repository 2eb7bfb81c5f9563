//! `forward`: what may pass through the host.
//!
//! `DOCKER-USER` comes first and its `accept` is final, as with iptables. Then `DOCKER-FORWARD`
//! decides in Docker's order: marked packets, answers, internal networks, published ports, and
//! last what a bridge sends. What nobody decided meets the policy.

use dockfw_ir::Table;
use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::ct::state;
use dockfw_ir::expr::{Ct, Expr, Meta};
use dockfw_ir::name::SetName;
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::{Operator, Statement, Verdict};
use dockfw_ir::value::{DataType, Value};

use super::family::{Family, FamilyView, in_prefix};
use super::make::{accept, and_port, chain, comment, dispatch, drop, exact_set};
use super::make::{from_interface, if_value, jump, key, rule, to_interface};
use super::ports::{ContainerRun, PortKeys};
use super::{BridgeNetwork, bridge_networks};
use super::{ingress, link, names};
use crate::host::{Daemon, Fwmark, GatewayMode, Host};

pub(super) fn add(table: &mut Table, host: &Host, open_ports: &[ContainerRun]) {
    let networks = bridge_networks(host);
    let (internal, open): (Vec<_>, Vec<_>) = networks
        .iter()
        .copied()
        .partition(|network| network.internal);

    add_bridges(table, &open);
    link::add(table, host, &open);
    let dispatches = [
        Dispatch {
            map: names::set("docker-internal"),
            why: "by bridge of an internal network: what must stay inside",
            chains: internal
                .iter()
                .map(|network| (*network, internal_chain(*network)))
                .collect(),
        },
        Dispatch {
            map: names::set("docker-in"),
            why: "by bridge that a packet goes to: published ports",
            chains: open
                .iter()
                .map(|network| (*network, published_chain(*network)))
                .collect(),
        },
        Dispatch {
            map: names::set("docker-out"),
            why: "by bridge that a packet comes from: icc and the way out",
            chains: networks
                .iter()
                .map(|network| (*network, out_chain(*network, link::rules(*network))))
                .collect(),
        },
    ];
    let [internal, published, out] = dispatches.map(|dispatch| dispatch.add(table));
    for family in Family::ALL {
        add_container_ports(table, open_ports, family);
    }

    let docker_user = names::chain("DOCKER-USER");
    let docker_forward = names::chain("DOCKER-FORWARD");
    let mut rules = Vec::new();
    // A value with bits outside of its mask is never equal to a masked mark.
    let fwmark = host.daemon.bridge_accept_fwmark;
    if let Some(fwmark) = fwmark.filter(|of| of.mark & !of.mask == 0) {
        rules.push(accept_marked(fwmark));
    }
    rules.push(accept_established());
    let vmap = Statement::vmap;
    rules.push(dispatch(
        vec![vmap(Meta::Iifname, &internal)],
        "internal networks: no way out",
    ));
    rules.push(dispatch(
        vec![vmap(Meta::Oifname, &internal)],
        "internal networks: no way in",
    ));
    rules.extend(ingress::to_sandbox(host));
    rules.push(dispatch(
        vec![vmap(Meta::Oifname, &published)],
        "published ports",
    ));
    rules.push(dispatch(
        vec![vmap(Meta::Iifname, &out)],
        "icc, and the way out",
    ));
    let mut user_rules = Vec::new();
    let mut base_rules = Vec::new();
    if let Some(user) = &host.user {
        table.sets.extend(user.sets.iter().cloned());
        table.chains.extend(user.chains.iter().cloned());
        for of in user.families() {
            let to = of.docker_user.as_ref();
            user_rules.extend(to.map(|to| of.goto(to, "the operator's rules of this family")));
            let to = of.forward.as_ref();
            base_rules.extend(to.map(|to| of.goto(to, "the operator's rules around Docker's")));
        }
    }
    let why = "the operator's own rules; an accept here is final";
    table
        .chains
        .push(chain(docker_user.clone(), user_rules, why));
    let why = "what Docker lets pass through the host";
    table.chains.push(chain(docker_forward.clone(), rules, why));
    base_rules.extend([
        dispatch(vec![jump(&docker_user)], "the operator's rules come first"),
        dispatch(vec![jump(&docker_forward)], "then Docker's"),
    ]);
    table.chains.push(Chain {
        name: names::chain("forward"),
        base: Some(BaseChain {
            kind: ChainKind::Filter,
            hook: Hook::Forward,
            priority: 0,
            policy: policy(&host.daemon),
        }),
        rules: base_rules,
        comment: None,
    });
}

/// Drop, as Docker sets it when it enables forwarding itself.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/setup_ip_forwarding.go`.
fn policy(daemon: &Daemon) -> Policy {
    if daemon.ip_forward && !daemon.ip_forward_no_drop {
        Policy::Drop
    } else {
        Policy::Accept
    }
}

/// `docker-bridges`: the bridges that packets may be sent to at all, by family.
fn add_bridges(table: &mut Table, open: &[BridgeNetwork<'_>]) {
    let mut elements = Vec::new();
    for network in open {
        for view in FamilyView::all(network) {
            let key = if_value(network.device).and_u8(view.family.nfproto());
            elements.push(Element::member(key).with_comment(comment(&network.name)));
        }
    }
    table.sets.push(exact_set(
        names::set("docker-bridges"),
        vec![DataType::IfName, DataType::NfProto],
        SetKind::Set,
        elements,
        "bridges of networks that are not internal, and their families",
    ));
}

/// A verdict map from bridge names to a chain for each network.
struct Dispatch<'a> {
    map: SetName,
    why: &'static str,
    chains: Vec<(BridgeNetwork<'a>, Chain)>,
}

impl Dispatch<'_> {
    fn add(self, table: &mut Table) -> SetName {
        let elements = self.chains.iter().map(|(network, chain)| {
            let jump = Verdict::Jump(chain.name.clone());
            Element::verdict(if_value(network.device), jump).with_comment(comment(&network.name))
        });
        table.sets.push(exact_set(
            self.map.clone(),
            vec![DataType::IfName],
            SetKind::VerdictMap,
            elements.collect(),
            self.why,
        ));
        table
            .chains
            .extend(self.chains.into_iter().map(|(_, chain)| chain));
        self.map
    }
}

/// `oifname . meta nfproto`
fn towards_bridges() -> Statement {
    let fields: [Expr; 2] = [Meta::Oifname.into(), Meta::Nfproto.into()];
    Statement::in_set(key(fields), &names::set("docker-bridges"))
}

/// `oifname . meta nfproto @docker-bridges meta mark & MASK == MARK counter accept`
fn accept_marked(fwmark: Fwmark) -> Rule {
    let value = Value::new().and_host_u32(fwmark.mark);
    let test = if fwmark.mask == u32::MAX {
        Statement::equal(Meta::Mark, value)
    } else {
        let bits = Value::new().and_host_u32(fwmark.mask);
        Statement::masked(Meta::Mark, bits, Operator::Equal, value)
    };
    rule(
        [towards_bridges(), test],
        accept(),
        "ALLOW FW MARK: bridge-accept-fwmark",
    )
}

/// `oifname . meta nfproto @docker-bridges ct state established,related counter accept`
fn accept_established() -> Rule {
    let answers = Value::new().and_host_u32(state::ESTABLISHED | state::RELATED);
    let zero = Value::new().and_host_u32(0);
    rule(
        [
            towards_bridges(),
            Statement::masked(Ct::State, answers, Operator::NotEqual, zero),
        ],
        accept(),
        "DOCKER-CT: answers to containers",
    )
}

/// An internal network is closed by interface, and besides by address, as Docker has it.
fn internal_chain(network: BridgeNetwork<'_>) -> Chain {
    let bridge = network.device;
    let mut rules = vec![
        rule(
            [to_interface(bridge, Operator::NotEqual)],
            drop(),
            "INTERNAL NETWORK EGRESS: nothing leaves the bridge",
        ),
        rule(
            [from_interface(bridge, Operator::NotEqual)],
            drop(),
            "INTERNAL NETWORK INGRESS: nothing enters the bridge",
        ),
    ];
    // Bridged IPv6 needs link-local and multicast addresses, so only IPv4 is held to its subnet.
    for view in FamilyView::all(&network).filter(|view| view.family == Family::V4) {
        for field in [view.family.daddr(), view.family.saddr()] {
            rules.push(rule(
                [in_prefix(field, view.subnet, Operator::NotEqual)],
                drop(),
                "INTERNAL NETWORK: addresses of its subnet only",
            ));
        }
    }
    chain(
        names::network_chain("DOCKER-INTERNAL", network),
        rules,
        &network.name,
    )
}

/// What may be sent to a bridge from elsewhere. Entered with the bridge as output interface.
fn published_chain(network: BridgeNetwork<'_>) -> Chain {
    let mut rules = Vec::new();
    for view in FamilyView::all(&network).filter(|v| v.gateway_mode == GatewayMode::Routed) {
        let icmp = Value::new().and_u8(view.family.icmp());
        rules.push(rule(
            [view.family.only(), Statement::equal(Meta::L4proto, icmp)],
            accept(),
            "ICMP: gateway mode routed",
        ));
    }
    rules.push(dispatch(
        vec![
            from_interface(network.device, Operator::Equal),
            Statement::Verdict(Verdict::Return),
        ],
        "inside the bridge icc decides",
    ));
    for view in FamilyView::all(&network) {
        if view.gateway_mode == GatewayMode::NatUnprotected {
            rules.push(rule(
                [view.family.only()],
                accept(),
                "UNPROTECTED: nat-unprotected",
            ));
            continue;
        }
        for suffix in ["", "-range"] {
            rules.push(rule(
                [
                    in_prefix(view.family.daddr(), view.subnet, Operator::Equal),
                    Statement::in_set(
                        and_port([view.family.daddr().into()]),
                        &names::family_set("container-ports", view.family, suffix),
                    ),
                ],
                accept(),
                "published ports",
            ));
        }
    }
    rules.push(rule([], drop(), "UNPUBLISHED PORT DROP"));
    chain(
        names::network_chain("DOCKER", network),
        rules,
        &network.name,
    )
}

/// What a bridge sends. Entered with the bridge as input interface. `links` come before icc.
fn out_chain(network: BridgeNetwork<'_>, links: Vec<Rule>) -> Chain {
    let within = to_interface(network.device, Operator::Equal);
    let mut rules = links;
    if !network.icc {
        rules.push(rule(
            [within.clone()],
            drop(),
            "ICC: containers of this network do not talk",
        ));
    }
    let families: Vec<_> = FamilyView::all(&network).map(|view| view.family).collect();
    // Nothing is said about a family that the network does not have.
    let only = match families.as_slice() {
        [family] => Some(family.only()),
        _ => None,
    };
    if network.internal {
        if network.icc {
            rules.push(rule([within].into_iter().chain(only), accept(), "ICC"));
        }
    } else {
        rules.push(rule(only, accept(), "OUTGOING"));
    }
    chain(
        names::network_chain("DOCKER-ISOLATION", network),
        rules,
        &network.name,
    )
}

/// The open ports of containers: single ports, and ranges.
fn add_container_ports(table: &mut Table, runs: &[ContainerRun], family: Family) {
    let runs = || {
        runs.iter()
            .filter(|run| Family::of(run.container) == family)
    };
    let mut keys = PortKeys::default();
    keys.exact.reserve(runs().count());
    for run in runs() {
        let container = Value::new().and_ip(run.container);
        keys.push(container, run.protocol, run.first, run.last);
    }
    table.sets.extend(keys.into_sets(
        "container-ports",
        family,
        [
            "published ports, by container address and container port",
            "ranges of published ports, by container address and container port",
        ],
    ));
}
