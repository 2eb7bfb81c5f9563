//! `add @SET { … }`: elements that packets make.

use dockfw_ir::statement::{Dynset, DynsetOperation, DynsetStatement};

use super::{Result, limit, quota};
use crate::expr::{Register, RuleEncoder, trimmed};
use crate::set::milliseconds;
use crate::sys::nf_tables::{
    NFT_DYNSET_OP_ADD, NFT_DYNSET_OP_DELETE, NFT_DYNSET_OP_UPDATE, NFTA_DYNSET_EXPR,
    NFTA_DYNSET_OP, NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SREG_KEY, NFTA_DYNSET_TIMEOUT,
    NFTA_EXPR_DATA, NFTA_EXPR_NAME,
};
use crate::wire::{EncodeError, Encoder};

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_dynset_attributes` (v6.12).
    pub(super) fn dynset(&mut self, dynset: &Dynset) -> Result {
        self.set(&dynset.set)?;
        self.load_key(&dynset.key)?;
        if let Some(mask) = &dynset.mask {
            let mask = trimmed(mask, &dynset.key.data_types())?;
            let zero = [0; dockfw_ir::Value::MAX];
            let xor = zero.get(..mask.len()).ok_or(EncodeError::Registers)?;
            self.bitwise(mask, xor)?;
        }
        let operation = match dynset.operation {
            DynsetOperation::Add => NFT_DYNSET_OP_ADD,
            DynsetOperation::Update => NFT_DYNSET_OP_UPDATE,
            DynsetOperation::Delete => NFT_DYNSET_OP_DELETE,
        };
        self.expression("dynset", |e| {
            e.text(NFTA_DYNSET_SET_NAME, dynset.set.as_str())?;
            e.u32(NFTA_DYNSET_OP, operation)?;
            e.u32(NFTA_DYNSET_SREG_KEY, Register::FIRST.number())?;
            if let Some(timeout) = dynset.timeout {
                e.u64(NFTA_DYNSET_TIMEOUT, milliseconds(timeout))?;
            }
            match dynset.statement {
                None => Ok(()),
                Some(kept) => e.nest(NFTA_DYNSET_EXPR, |e| put(e, kept)),
            }
        })
    }
}

fn put(e: &mut Encoder, statement: DynsetStatement) -> Result {
    match statement {
        DynsetStatement::Counter => {
            e.text(NFTA_EXPR_NAME, "counter")?;
            e.nest(NFTA_EXPR_DATA, |_| Ok(()))
        }
        DynsetStatement::Limit(kept) => {
            e.text(NFTA_EXPR_NAME, "limit")?;
            e.nest(NFTA_EXPR_DATA, |e| limit::put(e, kept))
        }
        DynsetStatement::Quota(kept) => {
            e.text(NFTA_EXPR_NAME, "quota")?;
            e.nest(NFTA_EXPR_DATA, |e| quota::quota(e, kept))
        }
        DynsetStatement::CtCount(kept) => {
            e.text(NFTA_EXPR_NAME, "connlimit")?;
            e.nest(NFTA_EXPR_DATA, |e| quota::ct_count(e, kept))
        }
    }
}
