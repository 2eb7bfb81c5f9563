//! `payload`: fields of headers.

use dockfw_ir::expr::Payload;
use dockfw_ir::expr::payload::Base;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER,
    NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET,
};
use crate::wire::EncodeError;

/// Every field with a name; those that need no test of the protocol come last.
pub(crate) const FIELDS: [Payload; 28] = [
    Payload::EtherSaddr,
    Payload::IpSaddr,
    Payload::IpDaddr,
    Payload::IpDscp,
    Payload::IpEcn,
    Payload::IpTtl,
    Payload::IpFragOff,
    Payload::Ip6Saddr,
    Payload::Ip6Daddr,
    Payload::Ip6Dscp,
    Payload::Ip6Ecn,
    Payload::Ip6Hoplimit,
    Payload::TcpSport,
    Payload::TcpDport,
    Payload::TcpFlags,
    Payload::UdpSport,
    Payload::UdpDport,
    Payload::UdpLength,
    Payload::SctpSport,
    Payload::SctpDport,
    Payload::IcmpType,
    Payload::IcmpCode,
    Payload::Icmpv6Type,
    Payload::Icmpv6Code,
    Payload::AhSpi,
    Payload::EspSpi,
    Payload::ThSport,
    Payload::ThDport,
];

/// The number of a header.
pub(crate) const fn base(base: Base) -> u32 {
    match base {
        Base::Link => NFT_PAYLOAD_LL_HEADER,
        Base::Network => NFT_PAYLOAD_NETWORK_HEADER,
        Base::Transport => NFT_PAYLOAD_TRANSPORT_HEADER,
    }
}

impl RuleEncoder<'_, '_> {
    /// Loads the first `len` bytes of a field; a prefix of an address is a shorter load.
    ///
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_payload_attributes` (v6.12).
    pub(crate) fn load_payload(&mut self, payload: Payload, len: usize, to: Register) -> Result {
        let len = u32::try_from(len).ok().ok_or(EncodeError::Registers)?;
        self.expression("payload", |e| {
            e.u32(NFTA_PAYLOAD_DREG, to.number())?;
            e.u32(NFTA_PAYLOAD_BASE, base(payload.base()))?;
            e.u32(NFTA_PAYLOAD_OFFSET, payload.offset())?;
            e.u32(NFTA_PAYLOAD_LEN, len)
        })
    }
}
