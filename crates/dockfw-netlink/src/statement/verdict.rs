//! Verdicts.

use dockfw_ir::statement::Verdict;

use super::Result;
use crate::expr::{Register, RuleEncoder};
use crate::sys::nf_tables::{
    NF_ACCEPT, NF_DROP, NFT_CONTINUE, NFT_GOTO, NFT_JUMP, NFT_RETURN, NFTA_DATA_VERDICT,
    NFTA_IMMEDIATE_DATA, NFTA_IMMEDIATE_DREG, NFTA_VERDICT_CHAIN, NFTA_VERDICT_CODE,
};
use crate::wire::Encoder;

impl RuleEncoder<'_, '_> {
    pub(super) fn verdict(&mut self, verdict: &Verdict) -> Result {
        self.expression("immediate", |e| {
            e.u32(NFTA_IMMEDIATE_DREG, Register::VERDICT.number())?;
            data(e, NFTA_IMMEDIATE_DATA, verdict)
        })
    }
}

/// Writes a verdict as data of an expression or element.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_verdict_attributes` (v6.12).
pub(crate) fn data(encoder: &mut Encoder, kind: u16, verdict: &Verdict) -> Result {
    let (code, chain) = match verdict {
        Verdict::Accept => (NF_ACCEPT, None),
        Verdict::Drop => (NF_DROP, None),
        Verdict::Continue => (NFT_CONTINUE, None),
        Verdict::Return => (NFT_RETURN, None),
        Verdict::Jump(chain) => (NFT_JUMP, Some(chain)),
        Verdict::Goto(chain) => (NFT_GOTO, Some(chain)),
    };
    encoder.nest(kind, |e| {
        e.nest(NFTA_DATA_VERDICT, |e| {
            e.i32(NFTA_VERDICT_CODE, code)?;
            match chain {
                Some(chain) => e.text(NFTA_VERDICT_CHAIN, chain.as_str()),
                None => Ok(()),
            }
        })
    })
}
