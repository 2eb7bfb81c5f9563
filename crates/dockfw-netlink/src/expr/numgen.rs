//! `numgen`: a number that is made, not read.

use dockfw_ir::expr::Numgen;
use dockfw_ir::expr::numgen::NumgenMode;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_NG_INCREMENTAL, NFT_NG_RANDOM, NFTA_NG_DREG, NFTA_NG_MODULUS, NFTA_NG_OFFSET, NFTA_NG_TYPE,
};

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_ng_attributes` (v6.12).
    pub(super) fn load_numgen(&mut self, numgen: Numgen, to: Register) -> Result {
        let mode = match numgen.mode {
            NumgenMode::Increment => NFT_NG_INCREMENTAL,
            NumgenMode::Random => NFT_NG_RANDOM,
        };
        self.expression("numgen", |e| {
            e.u32(NFTA_NG_DREG, to.number())?;
            e.u32(NFTA_NG_MODULUS, numgen.modulus)?;
            e.u32(NFTA_NG_TYPE, mode)?;
            e.u32(NFTA_NG_OFFSET, numgen.offset)
        })
    }
}
