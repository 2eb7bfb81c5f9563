//! `quota` and `ct count`.

use std::borrow::Cow;

use dockfw_ir::statement::{CtCount, Quota};

use crate::read::attribute::{Result, long, number, optional};
use crate::sys::nf_tables::{
    NFT_CONNLIMIT_F_INV, NFT_QUOTA_F_INV, NFTA_CONNLIMIT_COUNT, NFTA_CONNLIMIT_FLAGS,
    NFTA_QUOTA_BYTES, NFTA_QUOTA_FLAGS,
};
use crate::wire::Attributes;

pub(super) fn quota(data: Attributes<'_>) -> Result<Quota> {
    let bytes = long(data, NFTA_QUOTA_BYTES)?;
    let flags = optional(data, NFTA_QUOTA_FLAGS)?.unwrap_or(0);
    Ok(Quota {
        bytes: bytes.ok_or(Cow::Borrowed("a quota without bytes"))?,
        over: flags & NFT_QUOTA_F_INV != 0,
    })
}

pub(super) fn ct_count(data: Attributes<'_>) -> Result<CtCount> {
    let flags = optional(data, NFTA_CONNLIMIT_FLAGS)?.unwrap_or(0);
    Ok(CtCount {
        count: number(data, NFTA_CONNLIMIT_COUNT)?,
        over: flags & NFT_CONNLIMIT_F_INV != 0,
    })
}
