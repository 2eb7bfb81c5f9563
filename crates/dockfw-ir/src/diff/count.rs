//! How much changes.

use super::{ChainChange, Changes, RuleEdit, RulesetChanges, SetChange, TableChange};
use crate::chain::Chain;
use crate::set::Set;
use crate::table::Table;

/// Numbers of what changes. What comes and goes with its chain, set or table is counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tables that are new.
    pub tables_added: usize,
    /// Tables that go.
    pub tables_removed: usize,
    /// Tables that are deleted and made anew.
    pub tables_replaced: usize,
    /// Chains that are new.
    pub chains_added: usize,
    /// Chains that go.
    pub chains_removed: usize,
    /// Chains that are deleted and made anew.
    pub chains_replaced: usize,
    /// Policies that change.
    pub policies: usize,
    /// Rules that are new.
    pub rules_added: usize,
    /// Rules that go.
    pub rules_removed: usize,
    /// Rules in whose place comes another.
    pub rules_replaced: usize,
    /// Rules that are made again because of what they refer to.
    pub rules_remade: usize,
    /// Sets and maps that are new.
    pub sets_added: usize,
    /// Sets and maps that go.
    pub sets_removed: usize,
    /// Sets and maps that are deleted and made anew.
    pub sets_swapped: usize,
    /// Elements that are new.
    pub elements_added: usize,
    /// Elements that go.
    pub elements_removed: usize,
    /// Elements that are deleted and added.
    pub elements_changed: usize,
}

impl RulesetChanges<'_> {
    /// How much changes.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in self.tables() {
            match change {
                TableChange::Created(table) => {
                    counts.tables_added += 1;
                    counts.come(table);
                }
                TableChange::Removed(table) => {
                    counts.tables_removed += 1;
                    counts.go(table);
                }
                TableChange::Changed(changes) => counts.add(changes),
            }
        }
        counts
    }
}

impl Changes<'_> {
    /// How much changes.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.add(self);
        counts
    }
}

impl Counts {
    fn come(&mut self, table: &Table) {
        self.chains_added += table.chains.len();
        self.sets_added += table.sets.len();
        self.rules_added += table.chains.iter().map(|of| of.rules.len()).sum::<usize>();
        self.elements_added += table.sets.iter().map(|of| of.elements.len()).sum::<usize>();
    }

    fn go(&mut self, table: &Table) {
        self.chains_removed += table.chains.len();
        self.sets_removed += table.sets.len();
        self.rules_removed += table.chains.iter().map(|of| of.rules.len()).sum::<usize>();
        self.elements_removed += table.sets.iter().map(|of| of.elements.len()).sum::<usize>();
    }

    fn add(&mut self, changes: &Changes<'_>) {
        if changes.replace {
            self.tables_replaced += 1;
            self.go(changes.from);
            self.come(changes.to);
        }
        for chain in &changes.chains {
            self.chain(changes, chain);
        }
        for set in &changes.sets {
            self.set(changes, set);
        }
    }

    fn chain(&mut self, changes: &Changes<'_>, change: &ChainChange) {
        let rules = |table: &Table, place: usize| {
            let chain: Option<&Chain> = table.chains.get(place);
            chain.map_or(0, |chain| chain.rules.len())
        };
        match change {
            ChainChange::Removed { from } => {
                self.chains_removed += 1;
                self.rules_removed += rules(changes.from, *from);
            }
            ChainChange::Added { to } => {
                self.chains_added += 1;
                self.rules_added += rules(changes.to, *to);
            }
            ChainChange::Replaced { from, to } => {
                self.chains_replaced += 1;
                self.rules_removed += rules(changes.from, *from);
                self.rules_added += rules(changes.to, *to);
            }
            ChainChange::Changed { policy, rules, .. } => {
                self.policies += usize::from(*policy);
                for edit in rules {
                    match edit {
                        RuleEdit::Delete { .. } => self.rules_removed += 1,
                        RuleEdit::Replace { .. } => self.rules_replaced += 1,
                        RuleEdit::Remake { .. } => self.rules_remade += 1,
                        RuleEdit::Insert { .. } => self.rules_added += 1,
                    }
                }
            }
        }
    }

    fn set(&mut self, changes: &Changes<'_>, change: &SetChange) {
        let elements = |table: &Table, place: usize| {
            let set: Option<&Set> = table.sets.get(place);
            set.map_or(0, |set| set.elements.len())
        };
        match change {
            SetChange::Removed { from } => {
                self.sets_removed += 1;
                self.elements_removed += elements(changes.from, *from);
            }
            SetChange::Added { to } => {
                self.sets_added += 1;
                self.elements_added += elements(changes.to, *to);
            }
            SetChange::Swapped { from, to, .. } => {
                self.sets_swapped += 1;
                self.elements_removed += elements(changes.from, *from);
                self.elements_added += elements(changes.to, *to);
            }
            SetChange::Changed { elements, .. } => {
                self.elements_removed += elements.removed.len();
                self.elements_added += elements.added.len();
                self.elements_changed += elements.changed.len();
            }
        }
    }
}
