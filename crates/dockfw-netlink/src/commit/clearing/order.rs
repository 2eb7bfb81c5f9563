//! Whether base chains of one hook and priority end in the order of the ruleset when those that are
//! in the kernel stay.
//!
//! Source: `net/netfilter/core.c`, `nf_hook_entries_grow` (v6.12); tried on 6.18.

use dockfw_ir::table::Family;

use crate::batch::{BaseHead, TableHead};
use crate::dump::Inside;

/// A table of the batch, and what the kernel has of it.
pub(super) type Pair<'b> = (&'b TableHead, Option<Inside>);

/// A base chain of the batch.
#[derive(Clone, Copy)]
struct Place<'b> {
    family: Family,
    base: &'b BaseHead,
    /// When it was made, compared with the others: by its table, and by its place there. `None` is
    /// in this transaction, after all that are there, in the order of the batch.
    made: Option<(u64, usize)>,
}

/// Whether all that stay and all that are new are made in the order of the batch where they meet.
///
/// Nobody says when a chain was made compared with one of another table: it is taken to be as old
/// as its table. A chain is added to a table that stays only where this holds for the tables of
/// the same batch, so it is wrong only after commits of one of the tables alone.
pub(super) fn stays(tables: &[Pair<'_>]) -> bool {
    let mut before: Vec<Place<'_>> = Vec::new();
    for (head, inside) in tables {
        for base in &head.bases {
            let place = Place {
                family: head.family,
                base,
                made: inside.as_ref().and_then(|inside| made(base, inside)),
            };
            let in_order = |other: &Place<'_>| match (other.made, place.made) {
                (Some(other), Some(this)) => other < this,
                (None, Some(_)) => false,
                (Some(_) | None, None) => true,
            };
            if !before.iter().filter(|of| of.meets(place)).all(in_order) {
                return false;
            }
            before.push(place);
        }
    }
    true
}

fn made(base: &BaseHead, inside: &Inside) -> Option<(u64, usize)> {
    let mut chains = inside.chains.iter();
    let place = chains.position(|chain| chain.hook.is_some() && chain.name == base.name)?;
    Some((inside.table.handle, place))
}

impl Place<'_> {
    /// Whether some packet meets both, in the order in which they were made: nat chains have hooks
    /// of their own.
    fn meets(&self, other: Self) -> bool {
        let is_nat = |of: &BaseHead| of.kind == "nat";
        let families = self.family == other.family
            || self.family == Family::Inet
            || other.family == Family::Inet;
        families
            && (self.base.hook, self.base.priority) == (other.base.hook, other.base.priority)
            && is_nat(self.base) == is_nat(other.base)
    }
}
