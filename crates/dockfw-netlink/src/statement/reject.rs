//! `reject`.

use dockfw_ir::statement::Reject;
use dockfw_ir::statement::reject::Icmpx;

use super::Result;
use crate::expr::RuleEncoder;
use crate::expr::known::rejected;
use crate::sys::nf_tables::{
    NFT_REJECT_ICMP_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED, NFT_REJECT_ICMPX_HOST_UNREACH,
    NFT_REJECT_ICMPX_NO_ROUTE, NFT_REJECT_ICMPX_PORT_UNREACH, NFT_REJECT_ICMPX_UNREACH,
    NFT_REJECT_TCP_RST, NFTA_REJECT_ICMP_CODE, NFTA_REJECT_TYPE,
};

/// The number of a reason that both families can express.
pub(crate) const fn icmpx(reason: Icmpx) -> u8 {
    match reason {
        Icmpx::NoRoute => NFT_REJECT_ICMPX_NO_ROUTE,
        Icmpx::PortUnreachable => NFT_REJECT_ICMPX_PORT_UNREACH,
        Icmpx::HostUnreachable => NFT_REJECT_ICMPX_HOST_UNREACH,
        Icmpx::AdminProhibited => NFT_REJECT_ICMPX_ADMIN_PROHIBITED,
    }
}

impl RuleEncoder<'_, '_> {
    /// The kernel drops what it cannot answer in the asked way, so the tests come first.
    ///
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_reject_attributes`;
    /// `nft_reject_inet_eval` (v6.12).
    pub(super) fn reject(&mut self, reject: Reject) -> Result {
        self.require(rejected(reject))?;
        let (kind, code) = match reject {
            Reject::TcpReset => (NFT_REJECT_TCP_RST, 0),
            Reject::Icmp(code) | Reject::Icmpv6(code) => (NFT_REJECT_ICMP_UNREACH, code),
            Reject::Icmpx(reason) => (NFT_REJECT_ICMPX_UNREACH, icmpx(reason)),
        };
        self.expression("reject", |e| {
            e.u32(NFTA_REJECT_TYPE, kind)?;
            e.u8(NFTA_REJECT_ICMP_CODE, code)
        })
    }
}
