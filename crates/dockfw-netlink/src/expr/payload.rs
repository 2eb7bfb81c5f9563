//! `payload`: fields of headers.

use dockfw_ir::expr::Payload;
use dockfw_ir::expr::payload::Base;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER,
    NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET,
};
use crate::wire::EncodeError;

impl RuleEncoder<'_, '_> {
    /// Loads the first `len` bytes of a field; a prefix of an address is a shorter load.
    ///
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_payload_attributes` (v6.12).
    pub(crate) fn load_payload(&mut self, payload: Payload, len: usize, to: Register) -> Result {
        let base = match payload.base() {
            Base::Link => NFT_PAYLOAD_LL_HEADER,
            Base::Network => NFT_PAYLOAD_NETWORK_HEADER,
            Base::Transport => NFT_PAYLOAD_TRANSPORT_HEADER,
        };
        let len = u32::try_from(len).ok().ok_or(EncodeError::Registers)?;
        self.expression("payload", |e| {
            e.u32(NFTA_PAYLOAD_DREG, to.number())?;
            e.u32(NFTA_PAYLOAD_BASE, base)?;
            e.u32(NFTA_PAYLOAD_OFFSET, payload.offset())?;
            e.u32(NFTA_PAYLOAD_LEN, len)
        })
    }
}
