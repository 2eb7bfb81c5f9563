//! The difference of two tables, as small as it can be committed.
//!
//! [`diff`] compares the table that is there with the one that is wanted, and [`rulesets`] does so
//! for all tables. What is equal is in no change: its rules keep their handles and counters, its
//! elements their lifetimes.
//!
//! Some things nf_tables cannot change in place. They are taken away and made anew, and so is in
//! the same transaction whatever refers to them, because nothing can be deleted that is in use:
//!
//! - The comment of a table: the table is replaced ([`Changes::replace`]).
//! - Hook, priority and type of a base chain, the comment of a chain: the chain is replaced, and
//!   rules and elements that lead to it are made again. The policy is changed in place.
//! - Types, flags, default lifetime and comment of a set, and a set in which the wanted elements
//!   have no room: the set is swapped, and rules that name it are made again.
//! - The datum, verdict, lifetime or comment of an element: it is deleted and added.
//!
//! Two choices of ours. A set whose `size` is another one stays as long as the wanted elements have
//! room in it: too large costs memory only. It is not made larger in place: the kernel keeps the
//! number of buckets that the set was made with, which nobody can read, and its chains would grow
//! with each time. And elements that the kernel's set has and ours does not are left alone in
//! dynamic sets, where packets put them.
//!
//! Lifetimes count as equal when they are less than 10 ms apart: the kernel keeps them in ticks.
//!
//! Of base chains with one hook and priority the one that was made last runs first. Where a new one
//! would come behind one of a later table, [`rulesets`] has that table made anew.
//!
//! A rule without statements is equal to none, itself included: that is how a rule stands in a
//! table that the IR has no words for.

mod chain;
mod count;
mod order;
mod refer;
mod script;
mod set;

use std::collections::BTreeSet;

pub use count::Counts;

use crate::name::{ChainName, SetName};
use crate::table::{Ruleset, Table};
use crate::verify::Verified;

/// The changes that make one table of another. Numbers are places in the lists of `from` and `to`.
#[derive(Debug, Clone)]
pub struct Changes<'a> {
    /// What is there.
    pub from: &'a Table,
    /// What is wanted.
    pub to: &'a Table,
    /// The table must be deleted and made anew; there are no other changes then.
    pub replace: bool,
    /// Chains that go, in the order of `from`, then all others that change, in the order of `to`.
    /// A chain that changes is there once.
    pub chains: Vec<ChainChange>,
    /// Sets and maps, likewise.
    pub sets: Vec<SetChange>,
}

/// A change of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainChange {
    /// It goes, with its rules.
    Removed {
        /// Its place.
        from: usize,
    },
    /// It is new, with its rules.
    Added {
        /// Its place.
        to: usize,
    },
    /// It is deleted and made anew, with its rules.
    Replaced {
        /// Its place.
        from: usize,
        /// Its place.
        to: usize,
    },
    /// It stays.
    Changed {
        /// Its place.
        from: usize,
        /// Its place.
        to: usize,
        /// Whether the policy of a base chain changes.
        policy: bool,
        /// What becomes of its rules; all others stay.
        rules: Vec<RuleEdit>,
    },
}

/// A change of a rule in a chain that stays, in the order of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleEdit {
    /// It goes.
    Delete {
        /// Its place.
        from: usize,
    },
    /// Another one takes its place.
    Replace {
        /// Its place.
        from: usize,
        /// The place of the other.
        to: usize,
    },
    /// It is deleted and inserted as it is, because of what it refers to.
    Remake {
        /// Its place.
        from: usize,
        /// Its place.
        to: usize,
        /// The next rule that stays; `None` is the end of the chain.
        before: Option<usize>,
    },
    /// It is new. Of several that go before the same rule the first comes first.
    Insert {
        /// Its place.
        to: usize,
        /// The next rule that stays, by its place in `from`; `None` is the end of the chain.
        before: Option<usize>,
    },
}

/// A change of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetChange {
    /// It goes, with its elements.
    Removed {
        /// Its place.
        from: usize,
    },
    /// It is new, with its elements.
    Added {
        /// Its place.
        to: usize,
    },
    /// It is deleted and made anew, with its elements.
    Swapped {
        /// Its place.
        from: usize,
        /// Its place.
        to: usize,
        /// Why.
        why: Swap,
    },
    /// It stays.
    Changed {
        /// Its place.
        from: usize,
        /// Its place.
        to: usize,
        /// What becomes of its elements.
        elements: ElementChanges,
    },
}

/// Why a set is swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The types of key or data, or set against map.
    Type,
    /// `interval`, `dynamic`, `counter`, `timeout` and the default lifetime, or whether there is a size.
    Flags,
    /// The comment.
    Comment,
    /// The wanted elements have no room.
    Size,
}

/// Changes of the elements of a set that stays. A key is in one of the lists at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ElementChanges {
    /// Places in `from` of those that go.
    pub removed: Vec<usize>,
    /// Places in `to` of those that are new.
    pub added: Vec<usize>,
    /// Places in `from` and `to` of those that are deleted and added.
    pub changed: Vec<(usize, usize)>,
}

impl ElementChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.changed.is_empty()
    }
}

/// Objects that go or are made anew: nothing of `from` may refer to them when they are deleted.
#[derive(Debug, Default)]
struct Going<'a> {
    sets: BTreeSet<&'a SetName>,
    chains: BTreeSet<&'a ChainName>,
}

/// The changes that make `to` of `from`.
///
/// Pure and deterministic. Time and memory are about linear in rules and elements; of chains that
/// repeat the same rules thousands of times more may be made again than must be.
///
/// Both must have the family and the name in common; otherwise [`Changes::replace`] is set.
///
/// # Examples
///
/// ```
/// use dockfw_ir::diff::diff;
/// use dockfw_ir::name::TableName;
/// use dockfw_ir::table::{Family, Table};
///
/// let table = Table {
///     family: Family::Inet,
///     name: TableName::new("dockfw")?,
///     comment: None,
///     sets: vec![],
///     chains: vec![],
/// };
/// assert!(diff(&table, &table.clone()).is_empty());
/// # Ok::<(), dockfw_ir::name::NameError>(())
/// ```
pub fn diff<'a>(from: &'a Table, to: &'a Table) -> Changes<'a> {
    let mut changes = Changes {
        from,
        to,
        replace: (from.family, &from.name, &from.comment) != (to.family, &to.name, &to.comment),
        chains: Vec::new(),
        sets: Vec::new(),
    };
    if changes.replace {
        return changes;
    }
    let chains = chain::fates(from, to);
    let sets = set::fates(from, to);
    let going = Going {
        sets: sets.iter().filter_map(|fate| fate.going(from)).collect(),
        chains: chains.iter().filter_map(|fate| fate.going(from)).collect(),
    };
    changes.sets = set::changes(from, to, sets, &going);
    changes.chains = chain::changes(from, to, chains, &going);
    changes
}

impl<'a> Changes<'a> {
    /// The replacement of a table by another of its name.
    pub fn replacement(from: &'a Table, to: &'a Table) -> Self {
        Self {
            from,
            to,
            replace: true,
            chains: Vec::new(),
            sets: Vec::new(),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.replace && self.chains.is_empty() && self.sets.is_empty()
    }
}

/// A table and what becomes of it.
#[derive(Debug, Clone)]
pub enum TableChange<'a> {
    /// It is new.
    Created(&'a Table),
    /// It goes.
    Removed(&'a Table),
    /// It changes.
    Changed(Changes<'a>),
}

/// The changes that make the tables that are there those of a verified ruleset.
///
/// Made by [`rulesets`] only, so that what is committed is verified.
#[derive(Debug, Clone)]
pub struct RulesetChanges<'a> {
    tables: Vec<TableChange<'a>>,
}

/// The changes that make `to` of `from`, which are all tables of ours that are there.
///
/// Tables that go come first; a table that stays as it is is not among the changes.
pub fn rulesets<'a>(from: &'a [Table], to: &'a Verified) -> RulesetChanges<'a> {
    let to: &Ruleset = to;
    let is = |a: &Table, b: &Table| (a.family, &a.name) == (b.family, &b.name);
    let removed = from
        .iter()
        .filter(|old| !to.tables.iter().any(|new| is(old, new)))
        .map(TableChange::Removed);
    let others = to.tables.iter().map(|new| {
        let Some(old) = from.iter().find(|old| is(old, new)) else {
            return Some(TableChange::Created(new));
        };
        let changes = diff(old, new);
        (!changes.is_empty()).then_some(TableChange::Changed(changes))
    });
    let mut others: Vec<_> = others.collect();
    order::mend(from, &to.tables, &mut others);
    RulesetChanges {
        tables: removed.chain(others.into_iter().flatten()).collect(),
    }
}

impl<'a> RulesetChanges<'a> {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// What becomes of the tables.
    pub fn tables(&self) -> &[TableChange<'a>] {
        &self.tables
    }

    /// Has the tables for which `must` holds, given as they are there, deleted and made anew,
    /// instead of changed: those with flags, or with objects that could not be read.
    #[must_use]
    pub fn replacing(
        mut self,
        from: &'a [Table],
        to: &'a Verified,
        must: impl Fn(&Table) -> bool,
    ) -> Self {
        for old in from.iter().filter(|table| must(table)) {
            let same = |table: &Table| (table.family, &table.name) == (old.family, &old.name);
            let Some(new) = to.tables.iter().find(|table| same(table)) else {
                continue;
            };
            let replacement = TableChange::Changed(Changes::replacement(old, new));
            let is_same = |change: &TableChange<'_>| matches!(change, TableChange::Changed(of) if same(of.to));
            match self.tables.iter_mut().find(|change| is_same(change)) {
                Some(change) => *change = replacement,
                None => self.tables.push(replacement),
            }
        }
        // Tables are made in the order of the ruleset.
        self.tables.sort_by_key(|change| {
            let of = match change {
                TableChange::Removed(_) => return None,
                TableChange::Created(table) => *table,
                TableChange::Changed(changes) => changes.to,
            };
            let mut all = to.tables.iter();
            all.position(|table| (table.family, &table.name) == (of.family, &of.name))
        });
        self
    }
}
