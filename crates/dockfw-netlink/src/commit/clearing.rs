//! How the way is cleared for a replacement.
//!
//! Deleting a table and making it anew is one transaction, but may not be without a trace: as we
//! understand the kernel, packets can still enter the old base chains when their rules do not count
//! any more, and meet their policy. So a table that already has the right base chains keeps them,
//! and only what is inside goes.
//!
//! Of base chains of one hook and priority the kernel runs the one first that was made last. Those
//! that stay were made before those that are new, so they stay only where that is the order that
//! the ruleset has them in (`order`).
//!
//! What was and was not measured is in `docs/decisions/0004-emptying-instead-of-deleting.md`.

mod order;

use dockfw_ir::name::Comment;

use crate::batch::{Batch, Purpose, TableHead};
use crate::commit::Executor;
use crate::dump::{Inside, QueryError, SetInfo};
use crate::sys::nf_tables::{
    NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET, NFT_SET_ANONYMOUS, NFT_TABLE_F_OWNER,
    NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_NAME, NFTA_SET_TABLE,
};
use crate::wire::{EncodeError, Encoder, Header, REQUEST, nf_tables};

/// What is sent before the new tables.
#[derive(Debug)]
pub(super) enum Clearing {
    /// Nothing: none of the tables exists.
    Nothing,
    /// These messages, which empty the tables and leave their base chains on their hooks.
    Inside(Vec<u8>),
    /// The deletion of the tables, as it stands in the batch.
    Tables,
}

impl Executor {
    /// The gentlest way to clear the way for a batch.
    pub(super) fn clearing(&mut self, batch: &Batch) -> Result<Clearing, QueryError> {
        if batch.purpose != Purpose::Replace {
            return Ok(Clearing::Tables);
        }
        let mut tables = Vec::with_capacity(batch.tables.len());
        for head in &batch.tables {
            tables.push((head, self.inside(head.family, &head.name)?));
        }
        let there = || {
            let pairs = tables.iter();
            pairs.filter_map(|(head, inside)| Some((*head, inside.as_ref()?)))
        };
        if there().next().is_none() {
            return Ok(Clearing::Nothing);
        }
        let fits = |(head, inside): (&TableHead, &Inside)| head.fits(inside, batch.table_flags);
        if !there().all(fits) || !order::stays(&tables) {
            return Ok(Clearing::Tables);
        }
        let mut encoder = Encoder::with_capacity(4096);
        for (head, inside) in there() {
            empty(&mut encoder, head, inside)?;
        }
        Ok(Clearing::Inside(encoder.into_bytes()))
    }
}

impl TableHead {
    /// Whether the base chains of a table in the kernel are those of the new one, and it holds
    /// nothing but chains and sets: who adds a counter object or a flowtable by hand has the table
    /// deleted, since we would not know how to empty it.
    ///
    /// The comment of a table cannot be changed either.
    fn fits(&self, inside: &Inside, flags: u32) -> bool {
        let old = inside.chains.iter().filter(|chain| chain.hook.is_some());
        let is_kept = |name: &str, hook: Option<(u32, i32)>, kind: Option<&str>| {
            self.bases.iter().any(|base| {
                base.name == name
                    && Some((base.hook, base.priority)) == hook
                    && Some(base.kind) == kind
                    && !base.has_comment
            })
        };
        self.comment.as_ref().map(Comment::as_str) == inside.table.comment.as_deref()
            // Only a table that persists can be taken over.
            && inside.table.flags & !NFT_TABLE_F_OWNER == flags & !NFT_TABLE_F_OWNER
            && usize::try_from(inside.table.uses) == Ok(inside.chains.len() + inside.sets.len())
            && old
                .into_iter()
                .all(|chain| is_kept(&chain.name, chain.hook, chain.kind.as_deref()))
    }
}

/// Deletes all rules, then the sets, whose verdicts name chains, then the chains that are free.
///
/// Errors are reported as those of the table's deletion, whose sequence number is free.
fn empty(encoder: &mut Encoder, head: &TableHead, inside: &Inside) -> Result<(), EncodeError> {
    let table = head.name.as_str();
    let mut message = |kind, body: &dyn Fn(&mut Encoder) -> Result<(), EncodeError>| {
        let header = Header {
            kind: nf_tables(kind),
            flags: REQUEST,
            sequence: head.deletion,
            family: head.family.nfproto(),
            resource: 0,
        };
        encoder.message(header, body)
    };
    message(NFT_MSG_DELRULE, &|e| e.text(NFTA_RULE_TABLE, table))?;
    // An anonymous set goes with its rule.
    let named = |set: &&SetInfo| set.flags & NFT_SET_ANONYMOUS == 0;
    for set in inside.sets.iter().filter(named) {
        message(NFT_MSG_DELSET, &|e| {
            e.text(NFTA_SET_TABLE, table)?;
            e.text(NFTA_SET_NAME, &set.name)
        })?;
    }
    for chain in inside.chains.iter().filter(|chain| chain.hook.is_none()) {
        message(NFT_MSG_DELCHAIN, &|e| {
            e.text(NFTA_CHAIN_TABLE, table)?;
            e.text(NFTA_CHAIN_NAME, &chain.name)
        })?;
    }
    Ok(())
}
