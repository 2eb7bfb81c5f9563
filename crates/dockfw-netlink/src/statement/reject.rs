//! `reject`.

use dockfw_ir::expr::payload::Requires;
use dockfw_ir::statement::Reject;
use dockfw_ir::statement::reject::Icmpx;

use super::Result;
use crate::expr::RuleEncoder;
use crate::sys::nf_tables::{
    NFPROTO_IPV4, NFPROTO_IPV6, NFT_REJECT_ICMP_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED,
    NFT_REJECT_ICMPX_HOST_UNREACH, NFT_REJECT_ICMPX_NO_ROUTE, NFT_REJECT_ICMPX_PORT_UNREACH,
    NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_TCP_RST, NFTA_REJECT_ICMP_CODE, NFTA_REJECT_TYPE,
};

/// The transport protocol TCP.
const TCP: u8 = 6;

impl RuleEncoder<'_, '_> {
    /// The kernel drops what it cannot answer in the asked way, so the tests come first.
    ///
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_reject_attributes`;
    /// `nft_reject_inet_eval` (v6.12).
    pub(super) fn reject(&mut self, reject: Reject) -> Result {
        let (kind, code) = match reject {
            Reject::TcpReset => {
                self.require(Requires::L4proto(TCP))?;
                (NFT_REJECT_TCP_RST, 0)
            }
            Reject::Icmp(code) => {
                self.require(Requires::Nfproto(NFPROTO_IPV4))?;
                (NFT_REJECT_ICMP_UNREACH, code)
            }
            Reject::Icmpv6(code) => {
                self.require(Requires::Nfproto(NFPROTO_IPV6))?;
                (NFT_REJECT_ICMP_UNREACH, code)
            }
            Reject::Icmpx(reason) => {
                let code = match reason {
                    Icmpx::NoRoute => NFT_REJECT_ICMPX_NO_ROUTE,
                    Icmpx::PortUnreachable => NFT_REJECT_ICMPX_PORT_UNREACH,
                    Icmpx::HostUnreachable => NFT_REJECT_ICMPX_HOST_UNREACH,
                    Icmpx::AdminProhibited => NFT_REJECT_ICMPX_ADMIN_PROHIBITED,
                };
                (NFT_REJECT_ICMPX_UNREACH, code)
            }
        };
        self.expression("reject", |e| {
            e.u32(NFTA_REJECT_TYPE, kind)?;
            e.u8(NFTA_REJECT_ICMP_CODE, code)
        })
    }
}
