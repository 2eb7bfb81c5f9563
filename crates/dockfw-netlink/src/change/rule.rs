//! Rules of chains that stay, and of those that are new.

use dockfw_ir::chain::Rule;
use dockfw_ir::diff::RuleEdit;

use super::{Chain, EncodeError, Scope, Writer, at};
use crate::rule;
use crate::sys::nf_tables::{
    NFT_MSG_DELRULE, NFT_MSG_NEWRULE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_POSITION,
    NFTA_RULE_TABLE,
};
use crate::wire::{APPEND, CREATE, REPLACE};

/// Where a rule goes.
#[derive(Clone, Copy)]
enum Place {
    /// The end of the chain.
    End,
    /// In front of the rule of this handle.
    Before(u64),
    /// The place of the rule of this handle, which goes.
    Instead(u64),
}

impl Writer<'_> {
    /// Deletes what goes, and what is made again.
    pub(super) fn delete_rules(
        &mut self,
        scope: Scope<'_>,
        place: usize,
        edits: &[RuleEdit],
    ) -> Result<(), EncodeError> {
        let chain = scope.old_chain(place)?;
        for edit in edits {
            let from = match edit {
                RuleEdit::Delete { from } | RuleEdit::Remake { from, .. } => *from,
                RuleEdit::Replace { .. } | RuleEdit::Insert { .. } => continue,
            };
            let handle = self.handle(scope, chain, from)?;
            self.builder
                .message(NFT_MSG_DELRULE, 0, scope.family, from, |e| {
                    e.text(NFTA_RULE_TABLE, scope.name)?;
                    e.text(NFTA_RULE_CHAIN, chain.name.as_str())?;
                    e.u64(NFTA_RULE_HANDLE, handle)
                })?;
        }
        Ok(())
    }

    /// Replaces and inserts.
    pub(super) fn make_rules(
        &mut self,
        scope: Scope<'_>,
        (from, to): (usize, usize),
        edits: &[RuleEdit],
    ) -> Result<(), EncodeError> {
        let (old, new) = (scope.old_chain(from)?, scope.new_chain(to)?);
        for edit in edits {
            let (to, place) = match *edit {
                RuleEdit::Delete { .. } => continue,
                RuleEdit::Replace { from, to } => {
                    (to, Place::Instead(self.handle(scope, old, from)?))
                }
                RuleEdit::Remake { to, before, .. } | RuleEdit::Insert { to, before } => {
                    let place = match before {
                        Some(before) => Place::Before(self.handle(scope, old, before)?),
                        None => Place::End,
                    };
                    (to, place)
                }
            };
            self.rule(scope, new, to, place)?;
        }
        Ok(())
    }

    /// Makes all rules of a new chain.
    pub(super) fn fill(&mut self, scope: Scope<'_>, place: usize) -> Result<(), EncodeError> {
        let chain = scope.new_chain(place)?;
        (0..chain.rules.len()).try_for_each(|index| self.rule(scope, chain, index, Place::End))
    }

    fn rule(
        &mut self,
        scope: Scope<'_>,
        chain: &Chain,
        index: usize,
        place: Place,
    ) -> Result<(), EncodeError> {
        let rule: &Rule = at(&chain.rules, index)?;
        let anonymous = self.set_id.wrapping_add(1);
        self.builder
            .anonymous_sets(scope.family, scope.name, rule, &mut self.set_id)?;
        let flags = match place {
            Place::End => CREATE | APPEND,
            Place::Before(_) => CREATE,
            Place::Instead(_) => REPLACE,
        };
        self.builder
            .message(NFT_MSG_NEWRULE, flags, scope.family, index, |e| {
                rule::put(e, scope.to, chain.name.as_str(), rule, anonymous)?;
                match place {
                    Place::End => Ok(()),
                    Place::Before(handle) => e.u64(NFTA_RULE_POSITION, handle),
                    Place::Instead(handle) => e.u64(NFTA_RULE_HANDLE, handle),
                }
            })
    }

    fn handle(&self, scope: Scope<'_>, chain: &Chain, index: usize) -> Result<u64, EncodeError> {
        let handles = self.handles.of(scope.from, chain);
        // A chain whose rules are not those of the reading has handles of others.
        let known = handles
            .get(index)
            .filter(|_| handles.len() == chain.rules.len());
        known.copied().ok_or_else(|| EncodeError::NoHandle {
            chain: chain.name.to_string(),
            index,
        })
    }
}
