//! The forms of Docker's rules, with those that only cleaning has to know.

use std::net::IpAddr;

use dockfw_iptables::{Family, Invertible, Match, Rule, TableName, Target};

use super::{Found, FoundChain, FoundRule, More};
use crate::docker::publish::Protocol;
use crate::import::template::{Bridge, Fact, Parts, fact, is_established};
use Invertible::{Is, Not};

/// What a rule of Docker's form says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// What [`import`](fn@crate::import::import) knows.
    Fact(Fact),
    /// `FORWARD -i BR -j ACCEPT`, which stood there in 28.0 only.
    Outgoing { bridge: Bridge },
    /// `PREROUTING -d EP ! -i BR … --dport CP -j DROP` in raw, of 28.0 and 28.1.
    DirectPort { bridge: Bridge },
    /// `POSTROUTING -p sctp … --sport CP -j CHECKSUM` in mangle, up to 27.
    Checksum { port: u16 },
    /// `FORWARD -m set --match-set docker-ext-bridges-v4 dst …`, of 28.0.
    Sets,
    /// `-j DOCKER-ISOLATION`, and what is in that chain, of 17.
    OldIsolation,
}

impl Shape {
    pub(super) fn is_sets(&self) -> bool {
        matches!(self, Self::Sets)
    }
}

/// The forms of all rules of a table, by chain.
pub(super) fn shapes(of: &Found) -> Vec<Vec<Option<Shape>>> {
    of.chains.iter().map(|chain| of_chain(of, chain)).collect()
}

fn of_chain(of: &Found, chain: &FoundChain) -> Vec<Option<Shape>> {
    let mut leading = true;
    let mut shapes = Vec::with_capacity(chain.rules.len());
    for rule in &chain.rules {
        let mut shape = shape(of.family, of.table, &chain.name, rule);
        // Docker has one rule for marked packets, in front of its jumps.
        let is_marked = matches!(shape, Some(Shape::Fact(Fact::Marked(_))));
        if is_marked && !leading {
            shape = None;
        }
        leading &= is_marked || rule.leads_to() == Some("DOCKER-INGRESS");
        shapes.push(shape);
    }
    shapes
}

/// What a rule says if it has the form of one that Docker makes in this chain.
fn shape(family: Family, table: TableName, chain: &str, found: &FoundRule) -> Option<Shape> {
    let rule = &found.rule;
    match found.more.as_slice() {
        [] => fact(family, table, chain, rule)
            .map(|fact| match fact {
                Fact::Outgoing { bridge } if chain == "FORWARD" && rule.out_interface.is_none() => {
                    Shape::Outgoing { bridge }
                }
                fact => Shape::Fact(fact),
            })
            .or_else(|| direct_port(table, chain, rule))
            .or_else(|| old_isolation(table, chain, rule)),
        [More::Checksum] if table == TableName::Mangle && chain == "POSTROUTING" => checksum(rule),
        [More::SetOfDestinations(name)] if table == TableName::Filter && chain == "FORWARD" => {
            let is_dockers = match family {
                Family::Ipv4 => name == "docker-ext-bridges-v4",
                Family::Ipv6 => name == "docker-ext-bridges-v6",
            };
            (is_dockers && is_of_sets(rule)).then_some(Shape::Sets)
        }
        _ => None,
    }
}

fn direct_port(table: TableName, chain: &str, rule: &Rule) -> Option<Shape> {
    if (table, chain) != (TableName::Raw, "PREROUTING") {
        return None;
    }
    let parts = Parts::new(rule)?;
    let (Some(Is(_)), Some(Not(bridge))) = (rule.destination, rule.in_interface) else {
        return None;
    };
    let is_rest = rule.source.is_none()
        && rule.out_interface.is_none()
        && rule.target == Some(Target::Drop)
        && parts.destination_port().is_some();
    is_rest.then_some(Shape::DirectPort { bridge })
}

fn old_isolation(table: TableName, chain: &str, rule: &Rule) -> Option<Shape> {
    let is_bare = |target: &Target| *rule == Rule::new(target.clone());
    let is = match (table, chain, rule.target.as_ref()?) {
        (TableName::Filter, "FORWARD", target @ Target::Jump(to)) => {
            to.as_str() == "DOCKER-ISOLATION" && is_bare(target)
        }
        (TableName::Filter, "DOCKER-ISOLATION", target @ Target::Return) => is_bare(target),
        (TableName::Filter, "DOCKER-ISOLATION", Target::Drop) => {
            let (Some(Is(input)), Some(Is(output))) = (rule.in_interface, rule.out_interface)
            else {
                return None;
            };
            *rule
                == Rule::new(Target::Drop)
                    .in_interface(input)
                    .out_interface(output)
        }
        _ => false,
    };
    is.then_some(Shape::OldIsolation)
}

fn checksum(rule: &Rule) -> Option<Shape> {
    let with_target = Rule {
        target: Some(Target::Accept),
        ..rule.clone()
    };
    let parts = Parts::new(&with_target)?;
    let is_alone = rule.source.is_none()
        && rule.destination.is_none()
        && rule.in_interface.is_none()
        && rule.out_interface.is_none()
        && rule.target.is_none();
    match parts.transport()? {
        (Protocol::Sctp, Some(port), None) if is_alone => Some(Shape::Checksum { port }),
        _ => None,
    }
}

fn is_of_sets(rule: &Rule) -> bool {
    let is_alone = rule.source.is_none()
        && rule.destination.is_none()
        && rule.in_interface.is_none()
        && rule.out_interface.is_none()
        && rule.protocol.is_none();
    is_alone
        && match (&rule.target, rule.matches.as_slice()) {
            (Some(Target::Jump(to)), []) => to.as_str() == "DOCKER",
            (Some(Target::Accept), [Match::Conntrack(state)]) => is_established(state),
            _ => false,
        }
}

/// The address that a form is about, of those that name no bridge.
pub(super) fn address_of(fact: &Fact) -> Option<IpAddr> {
    match fact {
        Fact::MasqueradeSelf { address, .. } | Fact::Trusted { address, .. } => Some(*address),
        _ => None,
    }
}
