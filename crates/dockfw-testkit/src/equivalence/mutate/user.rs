//! Mistakes in what operators' rules are compiled and folded to.

use dockfw_ir::Ruleset;
use dockfw_ir::chain::Rule;
use dockfw_ir::set::{ElementData, Set};
use dockfw_ir::statement::{Operator, Statement, Test, Verdict};
use dockfw_ir::value::Value;

use super::{Mutation, next, remove_element, stretch};
use crate::equivalence::rng::Rng;

/// All of them.
#[rustfmt::skip]
pub const ALL: &[Mutation] = &[
    Mutation { name: "a rule of the operator less", apply: |r, g| remove_rule(r, g, |_, _| true) },
    Mutation { name: "one alternative way of a rule less", apply: |r, g| remove_rule(r, g, |rule, next| rule.comment.is_none() && next.is_some_and(|next| ends_alike(rule, next))) },
    Mutation { name: "two rules of the operator swapped", apply: swap_rules },
    Mutation { name: "a folded element less", apply: |r, g| remove_element(r, g, is_users_set) },
    Mutation { name: "a folded range one longer", apply: |r, g| stretch(r, g, is_users_set, true) },
    Mutation { name: "a folded range one shorter", apply: |r, g| stretch(r, g, is_users_set, false) },
    Mutation { name: "a folded element with the action of another", apply: other_action },
    Mutation { name: "a list of a rule one shorter", apply: |r, g| change(r, g, shorten_list) },
    Mutation { name: "a range of a rule one longer", apply: |r, g| change(r, g, lengthen_range) },
    Mutation { name: "a negation lost", apply: |r, g| change(r, g, lose_negation) },
    Mutation { name: "a negation more", apply: |r, g| change(r, g, add_negation) },
    Mutation { name: "a mask lost", apply: |r, g| change(r, g, lose_mask) },
    Mutation { name: "a test of the operator left out", apply: |r, g| change(r, g, lose_test) },
    Mutation { name: "goto for jump", apply: |r, g| change(r, g, |of| verdict(of, |of| if let Verdict::Jump(to) = of { Some(Verdict::Goto(to)) } else { None })) },
    Mutation { name: "jump for goto", apply: |r, g| change(r, g, |of| verdict(of, |of| if let Verdict::Goto(to) = of { Some(Verdict::Jump(to)) } else { None })) },
    Mutation { name: "RETURN as ACCEPT", apply: |r, g| change(r, g, |of| verdict(of, |of| (of == Verdict::Return).then_some(Verdict::Accept))) },
    Mutation { name: "Docker's rules before the operator's", apply: super::swap::operator_last },
    Mutation { name: "ACCEPT as RETURN", apply: |r, g| change(r, g, |of| verdict(of, |of| (of == Verdict::Accept).then_some(Verdict::Return))) },
];

/// Whether a chain has rules of an operator; the sets of folded rules begin with its name.
fn is_users(name: &str) -> bool {
    ["4", "6"].iter().any(|digit| {
        let stems = ["USER", "DOCKER-USER", "FORWARD", "DOCKER-FORWARD"];
        let mut names = stems.iter().map(|stem| format!("{stem}{digit}"));
        names.any(|stem| name.starts_with(&stem))
    })
}

fn is_users_set(set: &Set) -> bool {
    is_users(set.name.as_str())
}

/// The rules of the operator's chains, chain by chain.
fn lists(ruleset: &mut Ruleset) -> Vec<&mut Vec<Rule>> {
    super::chains(ruleset)
        .filter(|chain| is_users(chain.name.as_str()))
        .map(|chain| &mut chain.rules)
        .collect()
}

/// Whether two rules do the same.
fn ends_alike(one: &Rule, other: &Rule) -> bool {
    let is_test = |of: &&Statement| matches!(of, Statement::Match(_));
    let end = |rule: &Rule| -> Vec<Statement> {
        let actions = rule.statements.iter().filter(|of| !is_test(of));
        actions.cloned().collect()
    };
    one.comment == other.comment && end(one) == end(other)
}

fn remove_rule(
    ruleset: &mut Ruleset,
    rng: &mut Rng,
    wanted: fn(&Rule, Option<&Rule>) -> bool,
) -> bool {
    let mut lists = lists(ruleset);
    let mut places = Vec::new();
    for (at, rules) in lists.iter().enumerate() {
        for (index, rule) in rules.iter().enumerate() {
            if wanted(rule, rules.get(index + 1)) {
                places.push((at, index));
            }
        }
    }
    if places.is_empty() {
        return false;
    }
    let (at, index) = *rng.pick(&places);
    lists[at].remove(index);
    true
}

fn swap_rules(ruleset: &mut Ruleset, rng: &mut Rng) -> bool {
    let mut long: Vec<_> = lists(ruleset);
    long.retain(|rules| rules.len() > 1);
    if long.is_empty() {
        return false;
    }
    let at = rng.below(long.len());
    let first = rng.below(long[at].len() - 1);
    long[at].swap(first, first + 1);
    true
}

fn other_action(ruleset: &mut Ruleset, rng: &mut Rng) -> bool {
    let mut maps: Vec<&mut Set> = super::sets(ruleset)
        .filter(|set| is_users_set(set) && set.elements.len() > 1)
        .filter(|set| matches!(set.elements[0].data, ElementData::Verdict(_)))
        .collect();
    if maps.is_empty() {
        return false;
    }
    let at = rng.below(maps.len());
    let elements = &mut maps[at].elements;
    let first = rng.below(elements.len() - 1);
    let changed = elements[first].data != elements[first + 1].data;
    elements[first].data = elements[first + 1].data.clone();
    changed
}

/// Changes one of the operator's statements that can be changed so.
fn change(ruleset: &mut Ruleset, rng: &mut Rng, one: fn(&mut Statement) -> bool) -> bool {
    let statements = lists(ruleset).into_iter().flatten();
    let statements = statements.flat_map(|rule| &mut rule.statements);
    let mut fitting: Vec<&mut Statement> =
        statements.filter(|of| one(&mut (**of).clone())).collect();
    if fitting.is_empty() {
        return false;
    }
    let at = rng.below(fitting.len());
    one(fitting[at])
}

fn test(statement: &mut Statement) -> Option<&mut Test> {
    if let Statement::Match(of) = statement {
        Some(&mut of.test)
    } else {
        None
    }
}

fn shorten_list(statement: &mut Statement) -> bool {
    let Some(Test::OneOf { elements, .. }) = test(statement) else {
        return false;
    };
    elements.len() > 1 && elements.pop().is_some()
}

fn lengthen_range(statement: &mut Statement) -> bool {
    let Some(Test::Range { high, .. }) = test(statement) else {
        return false;
    };
    let Some(longer) = next(high, true) else {
        return false;
    };
    *high = longer;
    true
}

fn negate(statement: &mut Statement, lost: bool) -> bool {
    match test(statement) {
        Some(Test::Compare { operator, .. }) => {
            let (from, to) = if lost {
                (Operator::NotEqual, Operator::Equal)
            } else {
                (Operator::Equal, Operator::NotEqual)
            };
            let fits = *operator == from;
            if fits {
                *operator = to;
            }
            fits
        }
        Some(
            Test::Range { negated, .. }
            | Test::Prefix { negated, .. }
            | Test::Set { negated, .. }
            | Test::OneOf { negated, .. },
        ) => {
            let fits = *negated == lost;
            *negated = !lost;
            fits
        }
        None => false,
    }
}

fn lose_negation(statement: &mut Statement) -> bool {
    negate(statement, true)
}

fn add_negation(statement: &mut Statement) -> bool {
    negate(statement, false)
}

fn lose_mask(statement: &mut Statement) -> bool {
    let Some(Test::Compare { mask, .. }) = test(statement) else {
        return false;
    };
    mask.take().is_some()
}

/// A range of everything in the place of a test.
fn lose_test(statement: &mut Statement) -> bool {
    let Some(Test::Compare { mask, value, .. }) = test(statement) else {
        return false;
    };
    let zero = Value::from_registers(&vec![0; value.as_bytes().len()]);
    let changed = mask.as_ref() != Some(&zero);
    if let Statement::Match(of) = statement {
        of.test = Test::Compare {
            mask: Some(zero.clone()),
            operator: Operator::Equal,
            value: zero,
        };
    }
    changed
}

fn verdict(statement: &mut Statement, other: fn(Verdict) -> Option<Verdict>) -> bool {
    let Statement::Verdict(verdict) = statement else {
        return false;
    };
    let Some(changed) = other(verdict.clone()) else {
        return false;
    };
    *verdict = changed;
    true
}
