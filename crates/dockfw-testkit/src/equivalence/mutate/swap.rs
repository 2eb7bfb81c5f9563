//! Mistakes of place: a chain where another one belongs.

use dockfw_ir::Ruleset;
use dockfw_ir::chain::Rule;

use super::chains;
use crate::equivalence::rng::Rng;

/// Two networks have each other's chain of those whose names begin like this.
pub(super) fn chains_of_two_networks(
    ruleset: &mut Ruleset,
    rng: &mut Rng,
    prefix: &'static str,
) -> bool {
    let places: Vec<usize> = chains(ruleset)
        .enumerate()
        .filter(|(_, chain)| chain.name.as_str().starts_with(prefix))
        .map(|(place, _)| place)
        .collect();
    if places.len() < 2 {
        return false;
    }
    let first = rng.below(places.len() - 1);
    let second = first + 1 + rng.below(places.len() - first - 1);
    let mut take = |at: usize| {
        let chain = chains(ruleset).nth(places[at]).unwrap();
        std::mem::take(&mut chain.rules)
    };
    let (one, other) = (take(first), take(second));
    let statements =
        |rules: &[Rule]| -> Vec<_> { rules.iter().map(|rule| rule.statements.clone()).collect() };
    let changed = statements(&one) != statements(&other);
    chains(ruleset).nth(places[first]).unwrap().rules = other;
    chains(ruleset).nth(places[second]).unwrap().rules = one;
    changed
}

/// Docker's rules come before the operator's.
pub(super) fn operator_last(ruleset: &mut Ruleset, _: &mut Rng) -> bool {
    let Some(forward) = chains(ruleset).find(|chain| chain.name.as_str() == "forward") else {
        return false;
    };
    forward.rules.reverse();
    forward.rules.len() > 1
}
