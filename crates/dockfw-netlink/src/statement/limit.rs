//! `limit rate`.

use dockfw_ir::statement::Limit;

use super::Result;
use crate::expr::RuleEncoder;
use crate::sys::nf_tables::{
    NFT_LIMIT_F_INV, NFT_LIMIT_PKTS, NFTA_LIMIT_BURST, NFTA_LIMIT_FLAGS, NFTA_LIMIT_RATE,
    NFTA_LIMIT_TYPE, NFTA_LIMIT_UNIT,
};

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_limit_attributes` (v6.12).
    pub(super) fn limit(&mut self, limit: Limit) -> Result {
        self.expression("limit", |e| {
            e.u64(NFTA_LIMIT_RATE, limit.rate)?;
            e.u64(NFTA_LIMIT_UNIT, limit.unit.seconds())?;
            e.u32(NFTA_LIMIT_BURST, limit.burst)?;
            e.u32(NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS)?;
            e.u32(
                NFTA_LIMIT_FLAGS,
                if limit.over { NFT_LIMIT_F_INV } else { 0 },
            )
        })
    }
}
