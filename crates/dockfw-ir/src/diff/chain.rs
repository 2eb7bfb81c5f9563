//! Chains: which stay, which go, and what becomes of their rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChainChange, Going, script};
use crate::chain::{Chain, Hook};
use crate::name::ChainName;
use crate::table::Table;

/// What becomes of a chain as a whole, by its places.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Removed { from: usize },
    Added { to: usize },
    Replaced { from: usize, to: usize },
    Stays { from: usize, to: usize },
}

impl Fate {
    /// The name, if the chain of `from` goes.
    pub(super) fn going<'a>(&self, from: &'a Table) -> Option<&'a ChainName> {
        match *self {
            Self::Removed { from: place } | Self::Replaced { from: place, .. } => {
                from.chains.get(place).map(|chain| &chain.name)
            }
            Self::Added { .. } | Self::Stays { .. } => None,
        }
    }
}

/// What becomes of each chain: those that go first.
pub(super) fn fates(from: &Table, to: &Table) -> Vec<Fate> {
    let places = |table: &Table| -> BTreeMap<ChainName, usize> {
        let named = table.chains.iter().enumerate();
        named
            .map(|(place, chain)| (chain.name.clone(), place))
            .collect()
    };
    let (old_places, new_places) = (places(from), places(to));
    let out_of_order = out_of_order(from, to, &old_places);
    let removed = from
        .chains
        .iter()
        .enumerate()
        .filter(|(_, old)| !new_places.contains_key(&old.name))
        .map(|(from, _)| Fate::Removed { from });
    let others = to.chains.iter().enumerate().map(|(to, new)| {
        let Some((&place, old)) = found(from, &old_places, new) else {
            return Fate::Added { to };
        };
        if stays(old, new) && !out_of_order.contains(&new.name) {
            Fate::Stays { from: place, to }
        } else {
            Fate::Replaced { from: place, to }
        }
    });
    removed.chain(others).collect()
}

fn found<'a>(
    from: &'a Table,
    places: &'a BTreeMap<ChainName, usize>,
    new: &Chain,
) -> Option<(&'a usize, &'a Chain)> {
    let place = places.get(&new.name)?;
    Some((place, from.chains.get(*place)?))
}

/// Whether a chain can become the other in place.
fn stays(old: &Chain, new: &Chain) -> bool {
    let hook = |chain: &Chain| chain.base.map(|base| (base.kind, base.hook, base.priority));
    hook(old) == hook(new) && old.comment == new.comment
}

/// Base chains on the same hook with the same priority run in the order in which they were made.
/// Where those that stay and those that are new would be in another order than the wanted one,
/// all from the first wrong one on are made anew.
fn out_of_order<'t>(
    from: &Table,
    to: &'t Table,
    places: &BTreeMap<ChainName, usize>,
) -> BTreeSet<&'t ChainName> {
    let mut groups: Vec<((Hook, i32), Vec<&Chain>)> = Vec::new();
    for chain in &to.chains {
        let Some(base) = chain.base else { continue };
        let key = (base.hook, base.priority);
        match groups.iter_mut().find(|(of, _)| *of == key) {
            Some((_, group)) => group.push(chain),
            None => groups.push((key, vec![chain])),
        }
    }
    let mut wrong = BTreeSet::new();
    for (_, group) in groups {
        let mut last = None;
        let mut is_wrong = false;
        for new in group {
            let kept = found(from, places, new).filter(|(_, old)| stays(old, new));
            match kept {
                Some((place, _)) if !is_wrong && last.is_none_or(|last| last < place) => {
                    last = Some(place);
                }
                // This one is made in this transaction, so whatever follows is made after it.
                Some(_) | None => {
                    is_wrong = true;
                    wrong.insert(&new.name);
                }
            }
        }
    }
    wrong
}

/// The changes of chains of these fates.
pub(super) fn changes(
    old: &Table,
    new: &Table,
    fates: Vec<Fate>,
    going: &Going<'_>,
) -> Vec<ChainChange> {
    let change = |fate| match fate {
        Fate::Removed { from } => Some(ChainChange::Removed { from }),
        Fate::Added { to } => Some(ChainChange::Added { to }),
        Fate::Replaced { from, to } => Some(ChainChange::Replaced { from, to }),
        Fate::Stays { from, to } => {
            let (old, new) = (old.chains.get(from)?, new.chains.get(to)?);
            let policy = |chain: &Chain| chain.base.map(|base| base.policy);
            let policy = policy(old) != policy(new);
            let rules = script::edits(&old.rules, &new.rules, going);
            (policy || !rules.is_empty()).then_some(ChainChange::Changed {
                from,
                to,
                policy,
                rules,
            })
        }
    };
    fates.into_iter().filter_map(change).collect()
}
