//! `exthdr`: TCP options and IPv6 extension headers.

use dockfw_ir::expr::Exthdr;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_EXTHDR_F_PRESENT, NFT_EXTHDR_OP_IPV6, NFT_EXTHDR_OP_TCPOPT, NFTA_EXTHDR_DREG,
    NFTA_EXTHDR_FLAGS, NFTA_EXTHDR_LEN, NFTA_EXTHDR_OFFSET, NFTA_EXTHDR_OP, NFTA_EXTHDR_SREG,
    NFTA_EXTHDR_TYPE,
};

/// `TCPOPT_MSS`, and where its value is. Source: RFC 9293 §3.2.
pub(crate) const MAXSEG: u8 = 2;
const MAXSEG_OFFSET: u32 = 2;
const MAXSEG_LEN: u32 = 2;

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_exthdr_attributes` (v6.12).
    pub(super) fn load_exthdr(&mut self, exthdr: Exthdr, to: Register) -> Result {
        let (operation, kind, offset, len, flags) = match exthdr {
            Exthdr::TcpOption(kind) => (NFT_EXTHDR_OP_TCPOPT, kind, 0, 1, NFT_EXTHDR_F_PRESENT),
            Exthdr::TcpMaxseg => (NFT_EXTHDR_OP_TCPOPT, MAXSEG, MAXSEG_OFFSET, MAXSEG_LEN, 0),
            Exthdr::Ipv6Field(field) => {
                let (offset, len) = (field.offset().into(), field.len().into());
                (NFT_EXTHDR_OP_IPV6, field.header().number(), offset, len, 0)
            }
            Exthdr::Ipv6(header) => {
                let kind = header.number();
                (NFT_EXTHDR_OP_IPV6, kind, 0, 1, NFT_EXTHDR_F_PRESENT)
            }
        };
        self.expression("exthdr", |e| {
            e.u32(NFTA_EXTHDR_DREG, to.number())?;
            e.u8(NFTA_EXTHDR_TYPE, kind)?;
            e.u32(NFTA_EXTHDR_OFFSET, offset)?;
            e.u32(NFTA_EXTHDR_LEN, len)?;
            e.u32(NFTA_EXTHDR_FLAGS, flags)?;
            e.u32(NFTA_EXTHDR_OP, operation)
        })
    }

    /// Writes the first register into the maximum segment size.
    pub(crate) fn write_maxseg(&mut self) -> Result {
        self.expression("exthdr", |e| {
            e.u32(NFTA_EXTHDR_SREG, Register::FIRST.number())?;
            e.u8(NFTA_EXTHDR_TYPE, MAXSEG)?;
            e.u32(NFTA_EXTHDR_OFFSET, MAXSEG_OFFSET)?;
            e.u32(NFTA_EXTHDR_LEN, MAXSEG_LEN)?;
            e.u32(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT)
        })
    }
}
