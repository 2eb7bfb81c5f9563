//! `socket`: the local socket that would get the packet.

use dockfw_ir::expr::Socket;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_SOCKET_MARK, NFT_SOCKET_TRANSPARENT, NFT_SOCKET_WILDCARD, NFTA_SOCKET_DREG, NFTA_SOCKET_KEY,
};

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_socket_attributes` (v6.12).
    pub(crate) fn load_socket(&mut self, socket: Socket, to: Register) -> Result {
        let key = match socket {
            Socket::Transparent => NFT_SOCKET_TRANSPARENT,
            Socket::Mark => NFT_SOCKET_MARK,
            Socket::Wildcard => NFT_SOCKET_WILDCARD,
        };
        self.expression("socket", |e| {
            e.u32(NFTA_SOCKET_KEY, key)?;
            e.u32(NFTA_SOCKET_DREG, to.number())
        })
    }
}
