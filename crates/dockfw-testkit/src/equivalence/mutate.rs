//! Mistakes in a lowered ruleset, each of which the comparison with Docker's rules must find.
//!
//! A mutation changes one thing, where there are several at a place that the generator chooses,
//! and says whether it found what it changes.

use dockfw_ir::Ruleset;
use dockfw_ir::chain::{Chain, Policy, Rule};
use dockfw_ir::set::{Element, ElementData, Set};
use dockfw_ir::statement::nat::NatTarget;
use dockfw_ir::statement::{Masquerade, Operator, Statement, Test, Verdict};
use dockfw_ir::value::Value;

use super::rng::Rng;

mod feature;
mod swap;
pub mod user;

/// A mutation.
pub struct Mutation {
    /// What it does, in a few words.
    pub name: &'static str,
    /// Does it; false when the ruleset has nothing for it.
    pub apply: fn(&mut Ruleset, &mut Rng) -> bool,
}

/// All of them.
#[rustfmt::skip]
pub const ALL: &[Mutation] = &[
    Mutation { name: "drop one rule that accepts", apply: |r, g| remove_rule(r, g, |_, rule| verdict(rule) == Some(&Verdict::Accept)) },
    Mutation { name: "drop one rule that drops", apply: |r, g| remove_rule(r, g, |_, rule| verdict(rule) == Some(&Verdict::Drop)) },
    Mutation { name: "drop any one rule", apply: |r, g| remove_rule(r, g, |_, rule| !jumps_to(rule, "DOCKER-USER")) },
    Mutation { name: "lose the accept of answers", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("DOCKER-CT")) },
    Mutation { name: "lose the accept of marked packets", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("ALLOW FW MARK")) },
    Mutation { name: "lose ICMP of gateway mode routed", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("ICMP")) },
    Mutation { name: "lose nat-unprotected", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("UNPROTECTED")) },
    Mutation { name: "lose the drop of unpublished ports", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("UNPUBLISHED")) },
    Mutation { name: "lose the drop of icc", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("ICC: ")) },
    Mutation { name: "lose the way out", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule) == "OUTGOING") },
    Mutation { name: "lose a drop of an internal network", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("INTERNAL NETWORK")) },
    Mutation { name: "lose the drop of direct access", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("DIRECT ACCESS")) },
    Mutation { name: "lose the drop of remote loopback", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("REMOTE LOOPBACK")) },
    Mutation { name: "lose the loopback exception of nat-output", apply: |r, g| remove_rule(r, g, |chain, rule| chain == "nat-output" && comment(rule).contains("loopback")) },
    Mutation { name: "lose the exception for link-local clients", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("link-local")) },
    Mutation { name: "lose the dispatch to DOCKER-PROXY", apply: |r, g| remove_rule(r, g, |_, rule| jumps_to(rule, "DOCKER-PROXY")) },
    Mutation { name: "lose a jump to DOCKER-NAT", apply: |r, g| remove_rule(r, g, |_, rule| jumps_to(rule, "DOCKER-NAT")) },
    Mutation { name: "lose the jump to DOCKER-FORWARD", apply: |r, g| remove_rule(r, g, |_, rule| jumps_to(rule, "DOCKER-FORWARD")) },
    Mutation { name: "lose a DNAT map", apply: |r, g| remove_rule(r, g, |chain, rule| chain == "DOCKER-NAT" && comment(rule).contains("published on")) },
    Mutation { name: "lose a masquerade", apply: |r, g| remove_rule(r, g, |chain, rule| chain.starts_with("MASQUERADE") && !rule.statements.is_empty()) },
    Mutation { name: "lose the hairpin masquerade", apply: |r, g| remove_rule(r, g, |chain, _| chain.starts_with("HAIRPIN")) },
    Mutation { name: "lose the masquerade to a container's own port", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("MASQ TO OWN")) },
    Mutation { name: "lose the return of a bridge to itself", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("inside the bridge")) },
    Mutation { name: "an element less in any set of single keys", apply: |r, g| remove_element(r, g, |set| !set.interval) },
    Mutation { name: "a range less in any set of ranges", apply: |r, g| remove_element(r, g, |set| set.interval) },
    Mutation { name: "a host port less", apply: |r, g| remove_element(r, g, |set| named(set, "host-ports")) },
    Mutation { name: "a container port less", apply: |r, g| remove_element(r, g, |set| named(set, "container-ports")) },
    Mutation { name: "a guarded address less", apply: |r, g| remove_element(r, g, |set| named(set, "endpoints")) },
    Mutation { name: "an interface with access less", apply: |r, g| remove_element(r, g, |set| named(set, "endpoint-access")) },
    Mutation { name: "a loopback port less", apply: |r, g| remove_element(r, g, |set| named(set, "loopback-ports")) },
    Mutation { name: "a proxied port less", apply: |r, g| remove_element(r, g, |set| named(set, "proxied-ports")) },
    Mutation { name: "a subnet less", apply: |r, g| remove_element(r, g, |set| named(set, "docker-subnets")) },
    Mutation { name: "a bridge and family less", apply: |r, g| remove_element(r, g, |set| named(set, "docker-bridges")) },
    Mutation { name: "a bridge less in a dispatch", apply: |r, g| remove_element(r, g, |set| ["docker-internal", "docker-in", "docker-out", "docker-hairpin"].contains(&set.name.as_str())) },
    Mutation { name: "a container less that may meet itself", apply: |r, g| remove_element(r, g, |set| named(set, "endpoint-self")) },
    Mutation { name: "a range one port longer", apply: |r, g| stretch(r, g, |set| !named(set, "docker-subnets"), true) },
    Mutation { name: "a range one port shorter", apply: |r, g| stretch(r, g, |set| !named(set, "docker-subnets"), false) },
    Mutation { name: "a subnet one address longer", apply: |r, g| stretch(r, g, |set| named(set, "docker-subnets"), true) },
    Mutation { name: "another container port behind a host port", apply: wrong_nat_port },
    Mutation { name: "IPv6 forgotten in a set", apply: |r, g| empty_set(r, g, '6') },
    Mutation { name: "IPv4 forgotten in a set", apply: |r, g| empty_set(r, g, '4') },
    Mutation { name: "two rules of one chain swapped", apply: swap_rules },
    Mutation { name: "a comparison negated", apply: |r, g| change(r, g, negate_compare) },
    Mutation { name: "a set test negated", apply: |r, g| change(r, g, negate_set) },
    Mutation { name: "a test left out", apply: |r, g| change(r, g, drop_test) },
    Mutation { name: "accept and drop swapped", apply: |r, g| change(r, g, swap_verdict) },
    Mutation { name: "SNAT made a masquerade", apply: |r, g| change(r, g, masquerade_instead) },
    Mutation { name: "the policy of forward the other way", apply: other_policy },
    Mutation { name: "direct access guarded in every ct state", apply: guard_every_state },
    Mutation { name: "direct access guarded in ct state new only", apply: guard_new_only },
    Mutation { name: "a dispatch leads to another network", apply: other_network },
    Mutation { name: "the ports of two networks swapped", apply: |r, g| swap::chains_of_two_networks(r, g, "DOCKER__") },
    Mutation { name: "the ways out of two networks swapped", apply: |r, g| swap::chains_of_two_networks(r, g, "DOCKER-ISOLATION__") },
    Mutation { name: "the masquerading of two networks swapped", apply: |r, g| swap::chains_of_two_networks(r, g, "MASQUERADE__") },
    Mutation { name: "lose the accept of what linked clients send", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("LINK: to")) },
    Mutation { name: "lose the accept of what linked servers answer", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("LINK: back")) },
    Mutation { name: "links and their answers swapped", apply: feature::swap_link_directions },
    Mutation { name: "a linked port less", apply: |r, g| remove_element(r, g, |set| set.name.as_str() == "links") },
    Mutation { name: "an answering port less", apply: |r, g| remove_element(r, g, |set| set.name.as_str() == "link-answers") },
    Mutation { name: "lose the masquerade to services", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("MASQUERADE FROM HOST: to swarm")) },
    Mutation { name: "lose the accept of services", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("DOCKER-INGRESS: ")) },
    Mutation { name: "services accepted at any address of their bridge", apply: feature::ignore_sandbox },
    Mutation { name: "services accepted by any bridge", apply: feature::ignore_gateway_bridge },
    Mutation { name: "lose a jump to the services' ports", apply: |r, g| remove_rule(r, g, |_, rule| jumps_to(rule, "DOCKER-INGRESS-NAT")) },
    Mutation { name: "services after docker-proxy and published ports", apply: feature::services_last },
    Mutation { name: "a service's port less", apply: |r, g| remove_element(r, g, |set| named(set, "ingress-ports")) },
    Mutation { name: "the sandbox open to direct access", apply: feature::expose_sandbox },
    Mutation { name: "lose what Windows may send to loopback", apply: feature::forget_windows },
    Mutation { name: "lose docker-proxy for Windows", apply: |r, g| remove_rule(r, g, |_, rule| comment(rule).starts_with("WSL2: ")) },
];

fn comment(rule: &Rule) -> &str {
    rule.comment.as_ref().map_or("", |of| of.as_str())
}

fn verdict(rule: &Rule) -> Option<&Verdict> {
    match rule.statements.last() {
        Some(Statement::Verdict(verdict)) => Some(verdict),
        _ => None,
    }
}

fn jumps_to(rule: &Rule, name: &str) -> bool {
    matches!(verdict(rule), Some(Verdict::Jump(to)) if to.as_str() == name)
}

fn named(set: &Set, stem: &str) -> bool {
    set.name.as_str().starts_with(stem)
}

fn chains(ruleset: &mut Ruleset) -> impl Iterator<Item = &mut Chain> {
    ruleset
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.chains)
}

fn sets(ruleset: &mut Ruleset) -> impl Iterator<Item = &mut Set> {
    ruleset.tables.iter_mut().flat_map(|table| &mut table.sets)
}

fn remove_rule(ruleset: &mut Ruleset, rng: &mut Rng, wanted: fn(&str, &Rule) -> bool) -> bool {
    let mut places = Vec::new();
    for (at, chain) in chains(ruleset).enumerate() {
        for (index, rule) in chain.rules.iter().enumerate() {
            if wanted(chain.name.as_str(), rule) {
                places.push((at, index));
            }
        }
    }
    if places.is_empty() {
        return false;
    }
    let (at, index) = *rng.pick(&places);
    chains(ruleset).nth(at).unwrap().rules.remove(index);
    true
}

fn remove_element(ruleset: &mut Ruleset, rng: &mut Rng, wanted: fn(&Set) -> bool) -> bool {
    let mut full: Vec<&mut Set> = sets(ruleset)
        .filter(|set| wanted(set) && !set.elements.is_empty())
        .collect();
    if full.is_empty() {
        return false;
    }
    let at = rng.below(full.len());
    let elements = &mut full[at].elements;
    elements.remove(rng.below(elements.len()));
    true
}

/// The bytes of a value with one more or less in its last field: a port, or an address.
fn next(value: &Value, longer: bool) -> Option<Value> {
    let mut bytes = value.as_bytes().to_vec();
    // A port is two bytes and two of padding; a single address has none.
    let last = bytes.len()
        - if bytes.len().is_multiple_of(16) || bytes.len() == 4 {
            0
        } else {
            2
        };
    let number = u16::from_be_bytes([bytes[last - 2], bytes[last - 1]]);
    let number = if longer {
        number.checked_add(1)?
    } else {
        number.checked_sub(1)?
    };
    bytes[last - 2..last].copy_from_slice(&number.to_be_bytes());
    Some(Value::from_registers(&bytes))
}

fn stretch(ruleset: &mut Ruleset, rng: &mut Rng, wanted: fn(&Set) -> bool, longer: bool) -> bool {
    let mut ends: Vec<&mut Box<Value>> = sets(ruleset)
        .filter(|set| wanted(set))
        .flat_map(|set| &mut set.elements)
        .filter_map(|element: &mut Element| element.key_end.as_mut())
        .collect();
    if ends.is_empty() {
        return false;
    }
    let at = rng.below(ends.len());
    let Some(end) = next(ends[at], longer) else {
        return false;
    };
    **ends[at] = end;
    true
}

fn wrong_nat_port(ruleset: &mut Ruleset, rng: &mut Rng) -> bool {
    let mut data: Vec<&mut Value> = sets(ruleset)
        .filter(|set| named(set, "host-ports") && !set.interval)
        .flat_map(|set| &mut set.elements)
        .filter_map(|element| match &mut element.data {
            ElementData::Value(value) => Some(value),
            ElementData::None | ElementData::Verdict(_) => None,
        })
        .collect();
    if data.is_empty() {
        return false;
    }
    let at = rng.below(data.len());
    let mut bytes = data[at].as_bytes().to_vec();
    let low = bytes.len() - 3;
    bytes[low] ^= 1;
    *data[at] = Value::from_registers(&bytes);
    true
}

fn empty_set(ruleset: &mut Ruleset, rng: &mut Rng, digit: char) -> bool {
    let mut full: Vec<&mut Set> = sets(ruleset)
        .filter(|set| set.name.as_str().contains(digit) && !set.elements.is_empty())
        .collect();
    if full.is_empty() {
        return false;
    }
    let at = rng.below(full.len());
    full[at].elements.clear();
    true
}

fn swap_rules(ruleset: &mut Ruleset, rng: &mut Rng) -> bool {
    let mut long: Vec<&mut Chain> = chains(ruleset).filter(|of| of.rules.len() > 1).collect();
    let at = rng.below(long.len());
    let rules = &mut long[at].rules;
    let first = rng.below(rules.len() - 1);
    let second = first + 1 + rng.below(rules.len() - first - 1);
    rules.swap(first, second);
    true
}

/// Changes one statement of all those that a change is for.
///
/// `one` says how many ways there are to change a rule, and takes one of them.
fn change(ruleset: &mut Ruleset, rng: &mut Rng, one: fn(&mut Rule, usize) -> bool) -> bool {
    let mut places = Vec::new();
    for (at, chain) in chains(ruleset).enumerate() {
        for (index, rule) in chain.rules.iter().enumerate() {
            for statement in 0..rule.statements.len() {
                if one(&mut rule.clone(), statement) {
                    places.push((at, index, statement));
                }
            }
        }
    }
    if places.is_empty() {
        return false;
    }
    let (at, index, statement) = *rng.pick(&places);
    let chain = chains(ruleset).nth(at).unwrap();
    one(&mut chain.rules[index], statement)
}

fn negate_compare(rule: &mut Rule, at: usize) -> bool {
    let Statement::Match(of) = &mut rule.statements[at] else {
        return false;
    };
    let Test::Compare { operator, .. } = &mut of.test else {
        return false;
    };
    *operator = match operator {
        Operator::Equal => Operator::NotEqual,
        Operator::NotEqual => Operator::Equal,
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            return false;
        }
    };
    true
}

fn negate_set(rule: &mut Rule, at: usize) -> bool {
    let Statement::Match(of) = &mut rule.statements[at] else {
        return false;
    };
    let Test::Set { negated, .. } = &mut of.test else {
        return false;
    };
    *negated = !*negated;
    true
}

fn drop_test(rule: &mut Rule, at: usize) -> bool {
    let is_test = matches!(rule.statements[at], Statement::Match(_));
    if is_test {
        rule.statements.remove(at);
    }
    is_test
}

fn swap_verdict(rule: &mut Rule, at: usize) -> bool {
    let Statement::Verdict(verdict) = &mut rule.statements[at] else {
        return false;
    };
    *verdict = match verdict {
        Verdict::Accept => Verdict::Drop,
        Verdict::Drop => Verdict::Accept,
        Verdict::Continue | Verdict::Return | Verdict::Jump(_) | Verdict::Goto(_) => return false,
    };
    true
}

fn masquerade_instead(rule: &mut Rule, at: usize) -> bool {
    let Statement::Nat(nat) = &rule.statements[at] else {
        return false;
    };
    if matches!(nat.target, NatTarget::Map { .. }) {
        return false;
    }
    rule.statements[at] = Statement::Masquerade(Masquerade::default());
    true
}

fn other_policy(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let chain = chains(ruleset).find(|of| of.name.as_str() == "forward");
    let base = chain.and_then(|of| of.base.as_mut()).unwrap();
    base.policy = match base.policy {
        Policy::Accept => Policy::Drop,
        Policy::Drop => Policy::Accept,
    };
    true
}

fn guards(ruleset: &mut Ruleset) -> impl Iterator<Item = &mut Rule> {
    let rules = chains(ruleset).flat_map(|of| &mut of.rules);
    rules.filter(|rule| comment(rule).starts_with("DIRECT ACCESS"))
}

fn guard_every_state(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    guards(ruleset).for_each(|rule| drop(rule.statements.remove(0)));
    true
}

fn guard_new_only(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let new = Value::new().and_host_u32(dockfw_ir::expr::ct::state::NEW);
    for rule in guards(ruleset) {
        if let Statement::Match(of) = &mut rule.statements[0]
            && let Test::Compare { mask, .. } = &mut of.test
        {
            *mask = Some(new.clone());
        }
    }
    true
}

fn other_network(ruleset: &mut Ruleset, rng: &mut Rng) -> bool {
    let mut maps: Vec<&mut Set> = sets(ruleset)
        .filter(|set| set.elements.len() > 1)
        .filter(|set| matches!(set.elements[0].data, ElementData::Verdict(_)))
        .collect();
    if maps.is_empty() {
        return false;
    }
    let at = rng.below(maps.len());
    let elements = &mut maps[at].elements;
    let first = rng.below(elements.len() - 1);
    elements[first].data = elements[first + 1].data.clone();
    true
}
