//! The order of base chains of different tables: of one hook and priority, the one that was made
//! last runs first, whichever table it is in.

use super::{ChainChange, Changes, TableChange};
use crate::chain::{BaseChain, Chain, ChainKind};
use crate::table::{Family, Table};

/// Has the tables made anew that would otherwise keep a base chain which an earlier table's new one
/// then comes behind.
///
/// `changes` has one place for each table of `to`; `None` is a table that stays as it is. What stays
/// is taken to be in order already.
pub(super) fn mend<'a>(
    from: &'a [Table],
    to: &'a [Table],
    changes: &mut [Option<TableChange<'a>>],
) {
    for (place, table) in to.iter().enumerate() {
        let (earlier, rest) = changes.split_at_mut(place);
        let Some(change) = rest.first_mut() else {
            return;
        };
        let is_behind = |(other, made): (&Table, &Option<TableChange<'_>>)| {
            let new = bases(other).filter(|(at, _)| is_made(made.as_ref(), *at));
            let mut new = new.map(|(_, base)| base);
            new.any(|new| {
                bases(table).any(|(at, base)| {
                    !is_made(change.as_ref(), at) && meet((other.family, new), (table.family, base))
                })
            })
        };
        if !to.iter().zip(&*earlier).any(is_behind) {
            continue;
        }
        let same = |old: &&Table| (old.family, &old.name) == (table.family, &table.name);
        if let Some(old) = from.iter().find(same) {
            *change = Some(TableChange::Changed(Changes::replacement(old, table)));
        }
    }
}

/// The base chains of a table, with their places.
fn bases(table: &Table) -> impl Iterator<Item = (usize, BaseChain)> {
    let chains = table.chains.iter().enumerate();
    chains.filter_map(|(at, chain): (usize, &Chain)| Some((at, chain.base?)))
}

/// Whether the chain at a place of the wanted table is made by the change.
fn is_made(change: Option<&TableChange<'_>>, at: usize) -> bool {
    match change {
        None | Some(TableChange::Removed(_)) => false,
        Some(TableChange::Created(_)) => true,
        Some(TableChange::Changed(changes)) => {
            changes.replace
                || changes.chains.iter().any(|chain| match chain {
                    ChainChange::Added { to } | ChainChange::Replaced { to, .. } => *to == at,
                    ChainChange::Removed { .. } | ChainChange::Changed { .. } => false,
                })
        }
    }
}

/// Whether some packet meets both in the order in which they were made; nat chains have an order of
/// their own.
fn meet((family, one): (Family, BaseChain), (other_family, other): (Family, BaseChain)) -> bool {
    let is_nat = |of: BaseChain| of.kind == ChainKind::Nat;
    (family == other_family || family == Family::Inet || other_family == Family::Inet)
        && (one.hook, one.priority) == (other.hook, other.priority)
        && is_nat(one) == is_nat(other)
}
