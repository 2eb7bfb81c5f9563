//! What rules have put into sets, taken over from the ruleset before into the one after.
//!
//! A compiled ruleset has its dynamic sets empty, in the kernel they keep what is in them. Without
//! this, a flow that was let through because its sender is remembered would look forbidden now.

use std::borrow::Cow;

use dockfw_ir::set::Set;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Table, Verified};

use super::Change;

/// Two rulesets to be compared.
pub(super) struct Rulesets<'a> {
    pub(super) old: Cow<'a, Verified>,
    pub(super) new: Cow<'a, Verified>,
}

/// The rulesets of a change; `None` only if the verifier refused the empty one.
pub(super) fn rulesets<'a>(change: &Change<'a>) -> Option<Rulesets<'a>> {
    let new = match change.old.and_then(|old| carried(old, change.new)) {
        Some(new) => Cow::Owned(new),
        None => Cow::Borrowed(change.new),
    };
    let old = match change.old {
        Some(old) => Cow::Borrowed(old),
        None => Cow::Owned(verify(Ruleset::default()).ok()?),
    };
    Some(Rulesets { old, new })
}

/// The ruleset with the elements; `None` when there are none, or when they do not fit.
fn carried(old: &Verified, new: &Verified) -> Option<Verified> {
    let kept = |table: &Table, set: &Set| -> Option<Set> {
        let is = |of: &&Table| (of.family, &of.name) == (table.family, &table.name);
        let before = old.tables.iter().find(is)?;
        let before = before.sets.iter().find(|of| of.name == set.name)?;
        let fits = before.dynamic && (&before.key, &before.kind) == (&set.key, &set.kind);
        (fits && before.elements != set.elements).then(|| before.clone())
    };
    let is_dynamic = |table: &Table| {
        let mut sets = table.sets.iter().filter(|set| set.dynamic);
        sets.any(|set| kept(table, set).is_some())
    };
    if !new.tables.iter().any(is_dynamic) {
        return None;
    }
    let mut tables = new.tables.clone();
    for table in &mut tables {
        let sets = table.sets.iter().enumerate();
        let sets = sets.filter(|(_, set)| set.dynamic);
        let kept: Vec<(usize, Set)> = sets
            .filter_map(|(place, set)| Some((place, kept(table, set)?)))
            .collect();
        for (place, before) in kept {
            if let Some(set) = table.sets.get_mut(place) {
                set.elements = before.elements;
                set.size = before.size.max(set.size);
            }
        }
    }
    verify(Ruleset { tables }).ok()
}
