//! Tables.

use dockfw_ir::table::Table;

use crate::sys::nf_tables::{NFTA_TABLE_FLAGS, NFTA_TABLE_NAME, NFTA_TABLE_USERDATA};
use crate::userdata::UserData;
use crate::wire::{EncodeError, Encoder};

/// `NFTA_TABLE_NAME` alone: names a table, to make sure it exists or to delete it.
pub(crate) fn name(encoder: &mut Encoder, name: &str) -> Result<(), EncodeError> {
    encoder.text(NFTA_TABLE_NAME, name)
}

/// `flags` are `NFT_TABLE_F_*`.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_table_attributes` (v6.12).
pub(crate) fn put(encoder: &mut Encoder, table: &Table, flags: u32) -> Result<(), EncodeError> {
    encoder.text(NFTA_TABLE_NAME, table.name.as_str())?;
    encoder.u32(NFTA_TABLE_FLAGS, flags)?;
    match &table.comment {
        Some(comment) => UserData::comment(comment)?.put(encoder, NFTA_TABLE_USERDATA),
        None => Ok(()),
    }
}
