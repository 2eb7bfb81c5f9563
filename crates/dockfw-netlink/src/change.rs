//! The smallest commit: a transaction that changes what differs and leaves the rest alone.
//!
//! What is deleted goes first, since nothing can be deleted that is in use, and a name is free only
//! when what had it is gone: elements, then rules, sets and chains. What is new follows in the order
//! in which it is referred to: sets and chains, elements, rules. The kernel looks at the messages
//! one by one and at their sum in the end, so a packet meets the old ruleset or the new one whatever
//! the order is.
//!
//! A rule that takes another's place does so in one message (`NLM_F_REPLACE`). One that is inserted
//! names the next rule that stays (`NFTA_RULE_POSITION`, without `NLM_F_APPEND`: before it), or none
//! at the end of the chain. So no message refers to a rule that the same transaction makes.
//!
//! An interval set of one field has an element in front of its first range that says where it
//! begins; changes leave that alone, since the kernel does without.

mod element;
mod rule;

use std::collections::BTreeMap;

use dockfw_ir::chain::Chain;
use dockfw_ir::diff::{
    ChainChange, Changes, ElementChanges, RulesetChanges, SetChange, TableChange,
};
use dockfw_ir::name::{ChainName, TableName};
use dockfw_ir::set::Set;
use dockfw_ir::table::{Family, Table};

use crate::batch::{Batch, BatchBuilder, Contents, Purpose};
use crate::sys::nf_tables::{
    NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWSET, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_TABLE,
    NFTA_SET_NAME, NFTA_SET_TABLE,
};
use crate::wire::{CREATE, EXCLUSIVE, EncodeError};
use crate::{chain, set, table};

/// The kernel's numbers for the rules of a reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleHandles {
    chains: BTreeMap<(Family, TableName, ChainName), Vec<u64>>,
}

impl RuleHandles {
    /// Of no rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says the handles of a chain's rules, in the order of the chain.
    pub fn insert(&mut self, table: &Table, chain: &ChainName, handles: Vec<u64>) {
        let key = (table.family, table.name.clone(), chain.clone());
        self.chains.insert(key, handles);
    }

    /// The handles of a chain's rules.
    pub fn of(&self, table: &Table, chain: &Chain) -> &[u64] {
        let key = (table.family, table.name.clone(), chain.name.clone());
        self.chains.get(&key).map_or(&[], Vec::as_slice)
    }
}

impl Batch {
    /// The batch that makes these changes to what was read, in one transaction.
    ///
    /// It must be committed with [`Expect::Generation`](crate::Expect::Generation) of the reading,
    /// since handles and places are those of that generation; the executor refuses to do anything
    /// else.
    ///
    /// Changes that are empty make an empty batch, which need not be committed.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoHandle`] when `handles` does not have a rule of the reading, and as
    /// [`Batch::replace`].
    pub fn change(
        changes: &RulesetChanges<'_>,
        handles: &RuleHandles,
    ) -> Result<Self, EncodeError> {
        let mut writer = Writer {
            builder: BatchBuilder::new(),
            handles,
            set_id: 0,
        };
        for change in changes.tables() {
            writer.table(change)?;
        }
        let mut batch = writer.builder.finish(Purpose::Difference);
        let counts = changes.counts();
        batch.statistics.changed = Some(counts);
        batch.difference.deletes = counts.tables_removed
            + counts.tables_replaced
            + counts.chains_removed
            + counts.chains_replaced
            + counts.rules_removed
            + counts.rules_replaced
            + counts.rules_remade
            + counts.sets_removed
            + counts.sets_swapped
            + counts.elements_removed
            + counts.elements_changed
            > 0;
        Ok(batch)
    }
}

/// Writes the messages of changes.
struct Writer<'h> {
    builder: BatchBuilder,
    handles: &'h RuleHandles,
    /// The last number that a set of the batch was given.
    set_id: u32,
}

/// A table that changes.
#[derive(Clone, Copy)]
struct Scope<'c> {
    from: &'c Table,
    to: &'c Table,
    family: u8,
    name: &'c str,
}

/// The thing of a place of a change.
fn at<T>(list: &[T], place: usize) -> Result<&T, EncodeError> {
    list.get(place).ok_or(EncodeError::NoPlace)
}

impl Scope<'_> {
    fn old_chain(&self, place: usize) -> Result<&Chain, EncodeError> {
        at(&self.from.chains, place)
    }

    fn new_chain(&self, place: usize) -> Result<&Chain, EncodeError> {
        at(&self.to.chains, place)
    }

    fn old_set(&self, place: usize) -> Result<&Set, EncodeError> {
        at(&self.from.sets, place)
    }

    fn new_set(&self, place: usize) -> Result<&Set, EncodeError> {
        at(&self.to.sets, place)
    }
}

impl Writer<'_> {
    fn table(&mut self, change: &TableChange<'_>) -> Result<(), EncodeError> {
        match change {
            TableChange::Removed(old) => {
                self.note_before(old);
                let removed = (old.family, old.name.clone());
                self.builder.batch.difference.removed.push(removed);
                self.delete_table(old)
            }
            TableChange::Created(new) => self.create(new),
            TableChange::Changed(changes) if changes.replace => {
                self.note_before(changes.from);
                self.delete_table(changes.from)?;
                self.create(changes.to)
            }
            TableChange::Changed(changes) => {
                self.note_before(changes.from);
                self.builder.note(changes.to);
                let statistics = &mut self.builder.batch.statistics;
                let mut after = Contents::default();
                after.add(changes.to);
                statistics.tables += 1;
                statistics.chains += after.chains;
                statistics.sets += after.sets;
                statistics.rules += after.rules;
                statistics.elements += after.elements;
                self.changes(changes)
            }
        }
    }

    fn note_before(&mut self, table: &Table) {
        self.builder.batch.difference.before.add(table);
    }

    fn create(&mut self, table: &Table) -> Result<(), EncodeError> {
        self.builder.note(table);
        self.builder.table(table, &mut self.set_id)
    }

    fn delete_table(&mut self, old: &Table) -> Result<(), EncodeError> {
        let (family, name) = (old.family.nfproto(), old.name.as_str());
        self.builder
            .message(NFT_MSG_DELTABLE, 0, family, 0, |e| table::name(e, name))
    }

    fn changes(&mut self, changes: &Changes<'_>) -> Result<(), EncodeError> {
        let scope = Scope {
            from: changes.from,
            to: changes.to,
            family: changes.to.family.nfproto(),
            name: changes.to.name.as_str(),
        };
        for change in &changes.sets {
            if let SetChange::Changed { from, to, elements } = change {
                self.note_key_type(scope.to, scope.new_set(*to)?);
                self.delete_elements(scope, *from, elements)?;
            }
        }
        for change in &changes.chains {
            match change {
                ChainChange::Changed { from, rules, .. } => {
                    self.delete_rules(scope, *from, rules)?;
                }
                ChainChange::Removed { from } | ChainChange::Replaced { from, .. } => {
                    self.flush(scope, *from)?;
                }
                ChainChange::Added { .. } => {}
            }
        }
        for change in &changes.sets {
            if let SetChange::Removed { from } | SetChange::Swapped { from, .. } = change {
                self.delete_set(scope, *from)?;
            }
        }
        for change in &changes.chains {
            if let ChainChange::Removed { from } | ChainChange::Replaced { from, .. } = change {
                self.delete_chain(scope, *from)?;
            }
        }
        self.make(scope, changes)
    }

    /// What is new, when all that goes is gone.
    fn make(&mut self, scope: Scope<'_>, changes: &Changes<'_>) -> Result<(), EncodeError> {
        for change in &changes.sets {
            if let SetChange::Added { to } | SetChange::Swapped { to, .. } = change {
                self.make_set(scope, *to)?;
            }
        }
        for change in &changes.chains {
            match change {
                ChainChange::Added { to } | ChainChange::Replaced { to, .. } => {
                    self.make_chain(scope, *to, EXCLUSIVE)?;
                }
                ChainChange::Changed { to, policy, .. } if *policy => {
                    self.make_chain(scope, *to, 0)?;
                }
                ChainChange::Changed { .. } | ChainChange::Removed { .. } => {}
            }
        }
        for change in &changes.sets {
            match change {
                SetChange::Added { to } | SetChange::Swapped { to, .. } => {
                    let set = scope.new_set(*to)?;
                    self.builder.elements(scope.family, scope.name, set, None)?;
                }
                SetChange::Changed { to, elements, .. } => {
                    self.add_elements(scope, *to, elements)?;
                }
                SetChange::Removed { .. } => {}
            }
        }
        for change in &changes.chains {
            match change {
                ChainChange::Added { to } | ChainChange::Replaced { to, .. } => {
                    self.fill(scope, *to)?;
                }
                ChainChange::Changed {
                    from, to, rules, ..
                } => {
                    self.make_rules(scope, (*from, *to), rules)?;
                }
                ChainChange::Removed { .. } => {}
            }
        }
        Ok(())
    }

    /// Deletes all rules of a chain.
    fn flush(&mut self, scope: Scope<'_>, place: usize) -> Result<(), EncodeError> {
        let chain = scope.old_chain(place)?;
        self.builder
            .message(NFT_MSG_DELRULE, 0, scope.family, 0, |e| {
                e.text(NFTA_RULE_TABLE, scope.name)?;
                e.text(NFTA_RULE_CHAIN, chain.name.as_str())
            })
    }

    fn delete_chain(&mut self, scope: Scope<'_>, place: usize) -> Result<(), EncodeError> {
        let chain = scope.old_chain(place)?;
        self.builder
            .message(NFT_MSG_DELCHAIN, 0, scope.family, 0, |e| {
                e.text(NFTA_CHAIN_TABLE, scope.name)?;
                e.text(NFTA_CHAIN_NAME, chain.name.as_str())
            })
    }

    fn delete_set(&mut self, scope: Scope<'_>, place: usize) -> Result<(), EncodeError> {
        let set = scope.old_set(place)?;
        self.builder
            .message(NFT_MSG_DELSET, 0, scope.family, 0, |e| {
                e.text(NFTA_SET_TABLE, scope.name)?;
                e.text(NFTA_SET_NAME, set.name.as_str())
            })
    }

    fn make_chain(
        &mut self,
        scope: Scope<'_>,
        place: usize,
        flags: u16,
    ) -> Result<(), EncodeError> {
        let chain = scope.new_chain(place)?;
        self.builder
            .message(NFT_MSG_NEWCHAIN, CREATE | flags, scope.family, 0, |e| {
                chain::put(e, scope.name, chain)
            })
    }

    fn make_set(&mut self, scope: Scope<'_>, place: usize) -> Result<(), EncodeError> {
        let set = scope.new_set(place)?;
        self.set_id = self.set_id.wrapping_add(1);
        let id = self.set_id;
        self.builder
            .message(NFT_MSG_NEWSET, CREATE | EXCLUSIVE, scope.family, 0, |e| {
                set::put(e, scope.name, set, id)
            })
    }
}
