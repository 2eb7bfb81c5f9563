//! Two generations become one table.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names;
use super::rename::Rename;
use super::{PendingError, select};
use crate::chain::{BaseChain, Chain, Policy, Rule};
use crate::name::{ChainName, Comment};
use crate::statement::{Statement, Verdict};
use crate::table::{Family, Table};

const PENDING: Rename<PendingError> = Rename {
    chain: names::chain,
    set: names::set,
};

const BOTH: &str = "while pending: the new rules; then those that follow";
const ONLY_OLD: &str = "while pending: as if this chain was not there";
const ONLY_NEW: &str = "while pending: the new rules; then as if this chain was not there";

pub(super) fn merge(
    old: Option<&Table>,
    new: Option<&Table>,
    timeout: Duration,
) -> Result<Table, PendingError> {
    if timeout.is_zero() || !timeout.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(PendingError::Timeout(timeout));
    }
    let first = old.or(new).ok_or(PendingError::Nothing)?;
    for table in [old, new].into_iter().flatten() {
        check_names(table)?;
        if (table.family, &table.name) != (first.family, &first.name) {
            return Err(PendingError::OtherTable {
                old: (first.family, first.name.clone()),
                new: (table.family, table.name.clone()),
            });
        }
    }
    let mut combined = Table {
        family: first.family,
        name: first.name.clone(),
        comment: first.comment.clone(),
        sets: Vec::new(),
        chains: Vec::new(),
    };
    if let Some(old) = old {
        combined.sets.extend(old.sets.iter().cloned());
    }
    combined.sets.push(select::until(first.family, timeout));
    if let Some(new) = new {
        for set in &new.sets {
            combined.sets.push(PENDING.set(set)?);
        }
    }
    let halves = front(old, new, &mut combined)?;
    for (table, is_new) in [(old, false), (new, true)] {
        if let Some(table) = table {
            combined.chains.push(marker(table.comment.as_ref(), is_new));
        }
    }
    for chain in new.into_iter().flat_map(|new| &new.chains) {
        let body = PENDING.body(chain)?;
        if let (Some(base), Some(half)) = (chain.base, halves.get(&chain.name)) {
            combined
                .chains
                .push(half_chain(half.clone(), &body, base.policy));
        }
        combined.chains.push(body);
    }
    Ok(combined)
}

fn check_names(table: &Table) -> Result<(), PendingError> {
    let sets = table.sets.iter().map(|set| set.name.as_str());
    let chains = table.chains.iter().map(|chain| chain.name.as_str());
    match sets.chain(chains).find(|name| names::is_reserved(name)) {
        Some(name) => Err(PendingError::Reserved {
            name: name.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Writes the chains of the old generation and all base chains; gives for each base chain of the
/// new generation the name of the chain in which its half begins.
///
/// Of base chains with one hook and priority the last one runs first. So the order of base chains
/// in both generations is kept: one is shared only where that is possible.
fn front(
    old: Option<&Table>,
    new: Option<&Table>,
    combined: &mut Table,
) -> Result<BTreeMap<ChainName, ChainName>, PendingError> {
    let family = combined.family;
    let before: &[Chain] = old.map_or(&[], |old| &old.chains);
    let mut halves = BTreeMap::new();
    let mut next = 0;
    for chain in new.into_iter().flat_map(|new| &new.chains) {
        let Some(base) = chain.base else {
            continue;
        };
        let rest = before.get(next..).unwrap_or_default();
        if let Some(offset) = rest.iter().position(|other| is_same_hook(other, chain)) {
            let half = names::half(&chain.name, true)?;
            for other in rest.iter().take(offset) {
                combined.chains.push(only_old(family, other));
            }
            if let Some(shared) = rest.get(offset) {
                let to = Verdict::Goto(half.clone());
                combined
                    .chains
                    .push(led_by(shared, select::rule(family, to, BOTH)));
            }
            next += offset + 1;
            halves.insert(chain.name.clone(), half);
        } else {
            let half = names::half(&chain.name, false)?;
            let is_taken = before.iter().any(|other| other.name == chain.name);
            let name = if is_taken {
                names::hook(&chain.name)?
            } else {
                chain.name.clone()
            };
            let to = Verdict::Goto(half.clone());
            combined.chains.push(Chain {
                name,
                base: Some(BaseChain {
                    policy: Policy::Accept,
                    ..base
                }),
                rules: vec![select::rule(family, to, ONLY_NEW)],
                comment: chain.comment.clone(),
            });
            halves.insert(chain.name.clone(), half);
        }
    }
    for other in before.get(next..).unwrap_or_default() {
        combined.chains.push(only_old(family, other));
    }
    Ok(halves)
}

/// Whether a base chain can serve both generations.
fn is_same_hook(old: &Chain, new: &Chain) -> bool {
    let place = |base: BaseChain| (base.kind, base.hook, base.priority);
    old.name == new.name && old.base.is_some() && old.base.map(place) == new.base.map(place)
}

/// A chain that the old generation has for itself. For a regular chain there is nothing to do:
/// only the old generation leads there.
fn only_old(family: Family, chain: &Chain) -> Chain {
    match chain.base {
        Some(_) => led_by(chain, select::rule(family, Verdict::Accept, ONLY_OLD)),
        None => chain.clone(),
    }
}

fn led_by(chain: &Chain, rule: Rule) -> Chain {
    let mut rules = Vec::with_capacity(chain.rules.len() + 1);
    rules.push(rule);
    rules.extend(chain.rules.iter().cloned());
    Chain {
        name: chain.name.clone(),
        base: chain.base,
        rules,
        comment: chain.comment.clone(),
    }
}

/// `jump BODY; POLICY`
fn half_chain(name: ChainName, body: &Chain, policy: Policy) -> Chain {
    let policy = match policy {
        Policy::Accept => Verdict::Accept,
        Policy::Drop => Verdict::Drop,
    };
    let rule = |verdict, comment| Rule {
        statements: vec![Statement::Verdict(verdict)],
        comment,
    };
    Chain {
        name,
        base: None,
        rules: vec![
            rule(Verdict::Jump(body.name.clone()), None),
            rule(policy, Comment::lossy("the policy that is pending")),
        ],
        comment: None,
    }
}

/// A chain to which nothing leads.
fn marker(comment: Option<&Comment>, is_new: bool) -> Chain {
    Chain {
        name: names::marker(is_new),
        base: None,
        rules: Vec::new(),
        comment: comment.cloned(),
    }
}
