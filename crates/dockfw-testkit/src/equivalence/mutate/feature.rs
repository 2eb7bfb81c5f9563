//! Mistakes in the rules for swarm's routing mesh, legacy links and WSL2.

use dockfw_ir::Ruleset;
use dockfw_ir::chain::Rule;
use dockfw_ir::expr::{Key, Meta, Payload};
use dockfw_ir::name::IfName;
use dockfw_ir::statement::{Match, Statement, Test};
use dockfw_ir::value::Value;

use super::{chains, comment, jumps_to, sets};
use crate::equivalence::rng::Rng;
use crate::equivalence::world::MIRRORED;

/// What clients may send is what servers may answer, and the other way round.
pub(super) fn swap_link_directions(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let place = |ruleset: &mut Ruleset, name| sets(ruleset).position(|of| of.name.as_str() == name);
    let requests = place(ruleset, "links");
    let Some((first, second)) = requests.zip(place(ruleset, "link-answers")) else {
        return false;
    };
    let mut take = |place: usize| std::mem::take(&mut sets(ruleset).nth(place).unwrap().elements);
    let (requests, answers) = (take(first), take(second));
    let changed = requests != answers;
    sets(ruleset).nth(first).unwrap().elements = answers;
    sets(ruleset).nth(second).unwrap().elements = requests;
    changed
}

/// Whatever goes to a service's port by the gateway bridge is for the sandbox.
pub(super) fn ignore_sandbox(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    strip(ruleset, "DOCKER-INGRESS: ", |of| {
        of.key == Key::from(Payload::IpDaddr)
    })
}

/// Whatever bridge leads to the sandbox's address is the gateway bridge.
pub(super) fn ignore_gateway_bridge(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    strip(ruleset, "DOCKER-INGRESS: ", |of| {
        of.key == Key::from(Meta::Oifname)
    })
}

/// Windows is as remote as everybody else.
pub(super) fn forget_windows(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let name = IfName::new(MIRRORED).unwrap();
    let mirrored = Value::new().and_ifname(&name);
    strip(ruleset, "REMOTE LOOPBACK: ", |of| match &of.test {
        Test::Compare { value, .. } => *value == mirrored,
        Test::Range { .. } | Test::Prefix { .. } | Test::Set { .. } | Test::OneOf { .. } => false,
    })
}

/// The sandbox's own address is open to everybody.
pub(super) fn expose_sandbox(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let mut endpoints = sets(ruleset).filter(|set| set.name.as_str() == "endpoints4");
    let Some(set) = endpoints.next() else {
        return false;
    };
    let before = set.elements.len();
    set.elements.retain(|element| {
        let comment = element.comment();
        comment.is_none_or(|comment| comment.as_str() != "ingress-sbox")
    });
    set.elements.len() < before
}

/// Services get what nobody else took.
pub(super) fn services_last(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let mut moved = false;
    for chain in chains(ruleset) {
        let is_jump = |rule: &Rule| jumps_to(rule, "DOCKER-INGRESS-NAT");
        if let Some(place) = chain.rules.iter().position(is_jump) {
            let rule = chain.rules.remove(place);
            chain.rules.push(rule);
            moved = true;
        }
    }
    moved
}

/// Takes a test out of the rules with such a comment.
fn strip(ruleset: &mut Ruleset, of_comment: &str, wanted: impl Fn(&Match) -> bool) -> bool {
    let mut stripped = false;
    let rules = chains(ruleset).flat_map(|of| &mut of.rules);
    for rule in rules.filter(|rule| comment(rule).starts_with(of_comment)) {
        let before = rule.statements.len();
        rule.statements
            .retain(|statement| !matches!(statement, Statement::Match(of) if wanted(of)));
        stripped |= rule.statements.len() < before;
    }
    stripped
}
