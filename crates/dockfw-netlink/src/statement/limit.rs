//! `limit rate`.

use dockfw_ir::statement::{Limit, Measure};

use super::Result;
use crate::sys::nf_tables::{
    NFT_LIMIT_F_INV, NFT_LIMIT_PKT_BYTES, NFT_LIMIT_PKTS, NFTA_LIMIT_BURST, NFTA_LIMIT_FLAGS,
    NFTA_LIMIT_RATE, NFTA_LIMIT_TYPE, NFTA_LIMIT_UNIT,
};
use crate::wire::Encoder;

/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_limit_attributes` (v6.12).
pub(super) fn put(e: &mut Encoder, limit: Limit) -> Result {
    let measure = match limit.measure {
        Measure::Packets => NFT_LIMIT_PKTS,
        Measure::Bytes => NFT_LIMIT_PKT_BYTES,
    };
    e.u64(NFTA_LIMIT_RATE, limit.rate)?;
    e.u64(NFTA_LIMIT_UNIT, limit.unit.seconds())?;
    e.u32(NFTA_LIMIT_BURST, limit.burst)?;
    e.u32(NFTA_LIMIT_TYPE, measure)?;
    e.u32(
        NFTA_LIMIT_FLAGS,
        if limit.over { NFT_LIMIT_F_INV } else { 0 },
    )
}
