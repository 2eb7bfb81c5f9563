//! `ct`: the packet's conntrack entry.

use dockfw_ir::expr::Ct;
use dockfw_ir::expr::ct::{Counter, Direction, TupleField};

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_CT_AVGPKT, NFT_CT_BYTES, NFT_CT_DIRECTION, NFT_CT_DST_IP, NFT_CT_DST_IP6,
    NFT_CT_EXPIRATION, NFT_CT_MARK, NFT_CT_PKTS, NFT_CT_PROTO_DST, NFT_CT_PROTO_SRC,
    NFT_CT_PROTOCOL, NFT_CT_SRC_IP, NFT_CT_SRC_IP6, NFT_CT_STATE, NFT_CT_STATUS, NFTA_CT_DIRECTION,
    NFTA_CT_DREG, NFTA_CT_KEY,
};

/// The kernel's number of a key.
///
/// The addresses are the family-specific keys of kernel 4.17, whose length does not depend on the
/// table. Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_ct_keys` (v6.12).
pub(crate) const fn key(ct: Ct) -> u32 {
    match ct {
        Ct::State => NFT_CT_STATE,
        Ct::Direction => NFT_CT_DIRECTION,
        Ct::Status => NFT_CT_STATUS,
        Ct::Mark => NFT_CT_MARK,
        Ct::Expiration => NFT_CT_EXPIRATION,
        Ct::Counter(Counter::Packets, _) => NFT_CT_PKTS,
        Ct::Counter(Counter::Bytes, _) => NFT_CT_BYTES,
        Ct::Counter(Counter::Average, _) => NFT_CT_AVGPKT,
        Ct::Tuple(_, TupleField::IpSaddr) => NFT_CT_SRC_IP,
        Ct::Tuple(_, TupleField::IpDaddr) => NFT_CT_DST_IP,
        Ct::Tuple(_, TupleField::Ip6Saddr) => NFT_CT_SRC_IP6,
        Ct::Tuple(_, TupleField::Ip6Daddr) => NFT_CT_DST_IP6,
        Ct::Tuple(_, TupleField::Protocol) => NFT_CT_PROTOCOL,
        Ct::Tuple(_, TupleField::ProtoSrc) => NFT_CT_PROTO_SRC,
        Ct::Tuple(_, TupleField::ProtoDst) => NFT_CT_PROTO_DST,
    }
}

/// Every key without a direction.
pub(crate) const KEYS: [Ct; 5] = [
    Ct::State,
    Ct::Direction,
    Ct::Status,
    Ct::Mark,
    Ct::Expiration,
];

/// Every counter of a flow.
pub(crate) const COUNTERS: [Counter; 3] = [Counter::Packets, Counter::Bytes, Counter::Average];

/// Every field of a tuple.
pub(crate) const FIELDS: [TupleField; 7] = [
    TupleField::IpSaddr,
    TupleField::IpDaddr,
    TupleField::Ip6Saddr,
    TupleField::Ip6Daddr,
    TupleField::Protocol,
    TupleField::ProtoSrc,
    TupleField::ProtoDst,
];

/// `enum ip_conntrack_dir`, one byte.
pub(crate) const fn direction(direction: Direction) -> u8 {
    match direction {
        Direction::Original => 0,
        Direction::Reply => 1,
    }
}

impl RuleEncoder<'_, '_> {
    pub(crate) fn load_ct(&mut self, ct: Ct, to: Register) -> Result {
        self.expression("ct", |e| {
            e.u32(NFTA_CT_DREG, to.number())?;
            e.u32(NFTA_CT_KEY, key(ct))?;
            match ct {
                Ct::Tuple(of, _) | Ct::Counter(_, Some(of)) => {
                    e.u8(NFTA_CT_DIRECTION, direction(of))
                }
                // A counter without direction is that of both.
                Ct::State
                | Ct::Direction
                | Ct::Status
                | Ct::Mark
                | Ct::Expiration
                | Ct::Counter(_, None) => Ok(()),
            }
        })
    }
}
