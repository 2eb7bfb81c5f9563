//! A block without some of its entries.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{ACCEPT, EXTENSION};
use super::{Entry, HOOKS, XtRemoval, XtTable, XtTarget, put};

/// A table without what was to go.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) block: Vec<u8>,
    pub(super) hook_entry: [u32; HOOKS],
    pub(super) underflow: [u32; HOOKS],
    /// The entries that stayed, by their old numbers.
    pub(super) kept: Vec<usize>,
}

impl XtTable {
    /// The table without what is to go; `None` when that is not in the table.
    pub(super) fn edited(&self, removal: &XtRemoval) -> Option<Edited> {
        let gone = self.gone(removal)?;
        let kept: Vec<usize> = (0..self.entries.len())
            .filter(|entry| !gone.contains(entry))
            .collect();
        let mut edited = Edited {
            block: Vec::with_capacity(self.block.len()),
            hook_entry: self.hook_entry,
            underflow: self.underflow,
            kept,
        };
        // What led to an entry that goes leads to the next one that stays.
        let mut moved: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            moved.insert(entry.offset, edited.block.len());
            if !gone.contains(&index) {
                let bytes = self.block.get(entry.offset..entry.offset + entry.next)?;
                edited.block.extend_from_slice(bytes);
            }
        }
        for index in edited.kept.clone() {
            let entry = self.entries.get(index)?;
            let at = moved.get(&entry.offset)? + entry.target + EXTENSION;
            if let Some(verdict) = self.jump(entry) {
                let to = moved.get(&verdict)?;
                put(
                    &mut edited.block,
                    at,
                    &i32::try_from(*to).ok()?.to_ne_bytes(),
                )?;
            }
        }
        for chain in &removal.accept {
            let chain = self.chains.get(*chain)?;
            chain.policy?;
            let entry = self.entries.get(chain.tail)?;
            let at = moved.get(&entry.offset)? + entry.target + EXTENSION;
            put(&mut edited.block, at, &ACCEPT.to_ne_bytes())?;
        }
        let hooks = edited.hook_entry.iter_mut().zip(&mut edited.underflow);
        for (hook, (entry, underflow)) in hooks.enumerate() {
            if self.valid_hooks & (1 << hook) != 0 {
                for offset in [entry, underflow] {
                    let to = moved.get(&usize::try_from(*offset).ok()?)?;
                    *offset = u32::try_from(*to).ok()?;
                }
            }
        }
        Some(edited)
    }

    /// The numbers of the entries that go.
    fn gone(&self, removal: &XtRemoval) -> Option<BTreeSet<usize>> {
        let mut gone = BTreeSet::new();
        for (chain, rule) in &removal.rules {
            gone.insert(self.chains.get(*chain)?.rules.get(*rule)?.entry);
        }
        for chain in &removal.chains {
            let of = self.chains.get(*chain)?;
            gone.extend([of.head?, of.tail]);
            gone.extend(of.rules.iter().map(|rule| rule.entry));
        }
        // Nothing that stays may lead to a chain that goes.
        let names: BTreeSet<&str> = removal
            .chains
            .iter()
            .filter_map(|chain| Some(self.chains.get(*chain)?.name.as_str()))
            .collect();
        let mut rules = self.chains.iter().flat_map(|chain| &chain.rules);
        let leads = rules.any(|rule| match &rule.target {
            XtTarget::Jump(to) | XtTarget::Goto(to) => {
                names.contains(to.as_str()) && !gone.contains(&rule.entry)
            }
            XtTarget::Accept
            | XtTarget::Drop
            | XtTarget::Return
            | XtTarget::Continue
            | XtTarget::Other(_)
            | XtTarget::Extension(_) => false,
        });
        (!leads).then_some(gone)
    }

    /// The offset to which a standard target leads.
    fn jump(&self, entry: &Entry) -> Option<usize> {
        let target = self.block.get(entry.offset + entry.target..)?;
        let is_standard = *target.get(2)? == 0;
        let verdict = i32::from_ne_bytes(*target.get(EXTENSION..)?.first_chunk()?);
        is_standard.then(|| usize::try_from(verdict).ok()).flatten()
    }
}
