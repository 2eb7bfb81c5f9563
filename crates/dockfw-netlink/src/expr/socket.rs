//! `socket`: the local socket that would get the packet.

use dockfw_ir::expr::Socket;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_SOCKET_MARK, NFT_SOCKET_TRANSPARENT, NFT_SOCKET_WILDCARD, NFTA_SOCKET_DREG, NFTA_SOCKET_KEY,
};

/// The kernel's number of a key.
pub(crate) const fn key(socket: Socket) -> u32 {
    match socket {
        Socket::Transparent => NFT_SOCKET_TRANSPARENT,
        Socket::Mark => NFT_SOCKET_MARK,
        Socket::Wildcard => NFT_SOCKET_WILDCARD,
    }
}

/// Every key.
pub(crate) const KEYS: [Socket; 3] = [Socket::Transparent, Socket::Mark, Socket::Wildcard];

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_socket_attributes` (v6.12).
    pub(crate) fn load_socket(&mut self, socket: Socket, to: Register) -> Result {
        self.expression("socket", |e| {
            e.u32(NFTA_SOCKET_KEY, key(socket))?;
            e.u32(NFTA_SOCKET_DREG, to.number())
        })
    }
}
