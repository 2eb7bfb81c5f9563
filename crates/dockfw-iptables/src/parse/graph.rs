//! Which chains lead to which, and what the kernel checks along those ways.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ErrorKind, ParseError};
use super::loaded::Loaded;
use super::place;
use crate::eval::Hook;
use crate::name::ChainName;
use crate::program::Table;
use crate::target::Target;

/// What the kernel checks when it gets the tables: loops, and rules in places where their
/// matches and targets cannot work.
pub(super) fn check(loaded: &Loaded) -> Vec<ParseError> {
    let mut errors = Vec::new();
    for table in loaded.program.tables() {
        let hooks = reached(table);
        for chain in table.chains() {
            let none = BTreeSet::new();
            let hooks = hooks.get(chain.name()).unwrap_or(&none);
            for (index, rule) in chain.rules().enumerate() {
                let at = loaded.origin(table.name(), chain.name().as_str(), index);
                let at = at.unwrap_or_default();
                errors.extend(place::check(rule, table.name(), hooks, at));
                if let Some(Target::Jump(to) | Target::Goto(to)) = &rule.target
                    && leads(table, to, chain.name())
                {
                    errors.push(ParseError::new(
                        at,
                        ErrorKind::Chain,
                        format!("{to} leads back to {}", chain.name()),
                        "take one of the jumps out: chains cannot go round in a circle",
                    ));
                }
            }
        }
    }
    errors
}

fn targets<'t>(table: &'t Table, chain: &str) -> impl Iterator<Item = &'t ChainName> {
    let chain = table.chain(chain).into_iter();
    chain
        .flat_map(crate::chain::Chain::rules)
        .filter_map(|rule| match &rule.target {
            Some(Target::Jump(to) | Target::Goto(to)) => Some(to),
            _ => None,
        })
}

/// The chains that can be reached from one, itself included.
fn closure<'t>(table: &'t Table, from: &'t ChainName) -> BTreeSet<&'t ChainName> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(chain) = open.pop() {
        for to in targets(table, chain.as_str()) {
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    seen
}

fn leads(table: &Table, from: &ChainName, to: &ChainName) -> bool {
    table
        .chain(to.as_str())
        .is_some_and(|to| to.policy().is_none())
        && closure(table, from).contains(to)
}

/// The hooks from which each chain is reached.
pub(crate) fn reached(table: &Table) -> BTreeMap<ChainName, BTreeSet<Hook>> {
    let mut reached: BTreeMap<ChainName, BTreeSet<Hook>> = BTreeMap::new();
    for hook in Hook::ALL {
        let Some(entry) = table.chain(hook.as_str()) else {
            continue;
        };
        for chain in closure(table, entry.name()) {
            reached.entry(chain.clone()).or_default().insert(hook);
        }
    }
    reached
}
