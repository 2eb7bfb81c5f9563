//! `quota` and `ct count`.

use dockfw_ir::statement::{CtCount, Quota};

use super::Result;
use crate::sys::nf_tables::{
    NFT_CONNLIMIT_F_INV, NFT_QUOTA_F_INV, NFTA_CONNLIMIT_COUNT, NFTA_CONNLIMIT_FLAGS,
    NFTA_QUOTA_BYTES, NFTA_QUOTA_FLAGS,
};
use crate::wire::Encoder;

/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_quota_attributes` (v6.12).
pub(super) fn quota(encoder: &mut Encoder, quota: Quota) -> Result {
    encoder.u64(NFTA_QUOTA_BYTES, quota.bytes)?;
    encoder.u32(
        NFTA_QUOTA_FLAGS,
        if quota.over { NFT_QUOTA_F_INV } else { 0 },
    )
}

/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_connlimit_attributes` (v6.12).
pub(super) fn ct_count(encoder: &mut Encoder, count: CtCount) -> Result {
    encoder.u32(NFTA_CONNLIMIT_COUNT, count.count)?;
    encoder.u32(
        NFTA_CONNLIMIT_FLAGS,
        if count.over { NFT_CONNLIMIT_F_INV } else { 0 },
    )
}
