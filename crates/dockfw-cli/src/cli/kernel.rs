//! What the kernel has of ours, and what a commit would change.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dockfw_ir::diff::{RulesetChanges, rulesets};
use dockfw_ir::name::SetName;
use dockfw_ir::pending::deadline;
use dockfw_ir::table::Family;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Table, Value, Verified};
use dockfw_netlink::read::canonical;
use dockfw_netlink::{
    Executor, QueryError, RuleHandles, TableSnapshot, Unreadable, UnreadableObject,
};

use super::confirm::{self, Pending};
use super::tables::FAMILIES;

/// Lifetimes that are left, by set and key.
type Expirations = BTreeMap<SetName, BTreeMap<Value, Duration>>;

/// Our tables as they were at one generation.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The generation.
    pub(super) generation: u32,
    /// The tables, what of them has words.
    pub(super) tables: Vec<Table>,
    handles: RuleHandles,
    expirations: Vec<Expirations>,
    /// What has no words, by table.
    unreadable: Vec<(Family, Vec<Unreadable>)>,
    /// Tables that are made anew rather than changed.
    replaced: BTreeSet<Family>,
}

impl Kernel {
    /// Reads all our tables.
    pub(super) fn read(executor: &mut Executor) -> Result<Self, QueryError> {
        let name = dockfw_lower::table_name();
        let snapshot = executor.read(FAMILIES.map(|family| (family, &name)))?;
        let mut kernel = Self {
            generation: snapshot.generation,
            tables: Vec::new(),
            handles: RuleHandles::new(),
            expirations: Vec::new(),
            unreadable: Vec::new(),
            replaced: BTreeSet::new(),
        };
        for table in snapshot.tables {
            kernel.add(table);
        }
        Ok(kernel)
    }

    fn add(&mut self, snapshot: TableSnapshot) {
        let TableSnapshot {
            table,
            info,
            rules,
            expirations,
            unreadable,
        } = snapshot;
        for (chain, rules) in rules {
            let handles = rules.iter().map(|rule| rule.handle).collect();
            self.handles.insert(&table, &chain, handles);
        }
        // A rule without words stands in its chain, as one that is never equal to another; what
        // else has none has no place, and what refers to it is not known.
        let is_rule = |of: &Unreadable| matches!(of.object, UnreadableObject::Rule { .. });
        if info.flags != 0 || !unreadable.iter().all(is_rule) {
            self.replaced.insert(table.family);
        }
        self.unreadable.push((table.family, unreadable));
        self.expirations.push(expirations);
        self.tables.push(table);
    }

    /// Has the elements that decide how long a commit is pending differ from all that are wanted, so
    /// that a commit with `--confirm` begins their time anew: what was wanted of an element and what
    /// is left of it are two things, and only the first is compared.
    pub(super) fn renew_pending(&mut self) {
        for table in &mut self.tables {
            let (until, _) = deadline(table.family);
            let sets = table.sets.iter_mut().filter(|set| set.name == until);
            for element in sets.flat_map(|set| &mut set.elements) {
                element.extra = None;
            }
        }
    }

    /// The numbers of the rules.
    pub(super) fn handles(&self) -> &RuleHandles {
        &self.handles
    }

    /// What others have put into our tables and dockfw has no words for, with the table.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = (Family, &Unreadable)> {
        let all = self.unreadable.iter();
        all.flat_map(|(family, of)| of.iter().map(|one| (*family, one)))
    }

    /// Whether elements go away by themselves, some perhaps by now.
    pub(super) fn expires(&self) -> bool {
        self.expirations.iter().any(|of| !of.is_empty())
    }

    /// What makes the tables those of `wanted`, which must be [`as_read`].
    ///
    /// Where one table is made anew all are, so that base chains of one hook and priority end in
    /// the order of the ruleset.
    pub(super) fn changes<'a>(&'a self, wanted: &'a Verified) -> RulesetChanges<'a> {
        let changes = rulesets(&self.tables, wanted);
        if self.replaced.is_empty() {
            return changes;
        }
        changes.replacing(&self.tables, wanted, |_| true)
    }

    /// The tables, each with what is left of the lifetimes in it.
    pub(super) fn into_held(self) -> Vec<Held<'static>> {
        let all = self.tables.into_iter().zip(self.expirations);
        all.map(|(table, expirations)| Held {
            table: Cow::Owned(table),
            expirations: Cow::Owned(expirations),
        })
        .collect()
    }

    /// The tables that two generations share.
    pub(super) fn pending(&self) -> Result<Vec<Pending>, dockfw_ir::pending::Damaged> {
        let all = self.tables.iter().zip(&self.expirations);
        let held: Vec<Held<'_>> = all
            .map(|(table, expirations)| Held {
                table: Cow::Borrowed(table),
                expirations: Cow::Borrowed(expirations),
            })
            .collect();
        confirm::find(&held)
    }
}

/// A table, and what is left of the lifetimes in it.
#[derive(Debug)]
pub(super) struct Held<'a> {
    table: Cow<'a, Table>,
    expirations: Cow<'a, Expirations>,
}

impl confirm::Snapshot for Held<'_> {
    fn table(&self) -> &Table {
        &self.table
    }

    fn expiration(&self, set: &SetName, key: &Value) -> Option<Duration> {
        self.expirations.get(set)?.get(key).copied()
    }
}

/// A ruleset as it reads when it comes back from the kernel, which keeps no more of rules than what
/// they do; only then can the two be compared.
///
/// What has no such form, which would be a mistake of ours, stays as it is, and differs.
pub(super) fn as_read(ruleset: &Verified) -> Verified {
    let form = |table: &Table| {
        let read = canonical(table).ok()?;
        read.unreadable.is_empty().then_some(read.table)
    };
    let tables: Option<Vec<Table>> = ruleset.tables.iter().map(form).collect();
    let read = tables.and_then(|tables| verify(Ruleset { tables }).ok());
    read.unwrap_or_else(|| ruleset.clone())
}
