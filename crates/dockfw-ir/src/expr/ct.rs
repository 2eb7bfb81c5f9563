//! `ct`: the packet's conntrack entry.
//!
//! Without an entry (untracked, or before conntrack ran) only `ct state` loads; every other key
//! ends the rule without a match.

use crate::value::DataType;

/// A `ct` key.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_ct_keys` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ct {
    /// `ct state`: flags, see [`state`].
    State,
    /// `ct direction`: 0 is original, 1 is reply.
    Direction,
    /// `ct status`: flags, see [`status`].
    Status,
    /// `ct mark`.
    Mark,
    /// `ct expiration`: the time the entry has left, in milliseconds.
    Expiration,
    /// `ct packets`, `ct bytes` and `ct avgpkt`: what the flow has carried, this packet included, in
    /// one direction or, for `None`, in both.
    ///
    /// 0 for a flow that began before conntrack counted, which it does from the first such rule on.
    Counter(Counter, Option<Direction>),
    /// A part of one of the two tuples: `ct original ip daddr`, `ct reply proto-src`.
    Tuple(Direction, TupleField),
}

/// What conntrack counts of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// `packets`.
    Packets,
    /// `bytes`: those of IP packets.
    Bytes,
    /// `avgpkt`: bytes for each packet, rounded down.
    Average,
}

/// The direction of a conntrack tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// As the first packet of the flow was, before any rewriting.
    Original,
    /// As answers are.
    Reply,
}

/// A field of a conntrack tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TupleField {
    /// `ip saddr`; IPv4 flows only.
    IpSaddr,
    /// `ip daddr`; IPv4 flows only.
    IpDaddr,
    /// `ip6 saddr`; IPv6 flows only.
    Ip6Saddr,
    /// `ip6 daddr`; IPv6 flows only.
    Ip6Daddr,
    /// `protocol`: the transport protocol.
    Protocol,
    /// `proto-src`: the source port.
    ProtoSrc,
    /// `proto-dst`: the destination port.
    ProtoDst,
}

impl Ct {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::State => DataType::CtState,
            Self::Direction => DataType::CtDir,
            Self::Status => DataType::CtStatus,
            Self::Mark => DataType::Mark,
            Self::Expiration => DataType::Duration,
            Self::Counter(..) => DataType::HostInteger(8),
            Self::Tuple(_, field) => match field {
                TupleField::IpSaddr | TupleField::IpDaddr => DataType::Ipv4Addr,
                TupleField::Ip6Saddr | TupleField::Ip6Daddr => DataType::Ipv6Addr,
                TupleField::Protocol => DataType::InetProto,
                TupleField::ProtoSrc | TupleField::ProtoDst => DataType::InetService,
            },
        }
    }
}

/// Bits of `ct state`.
///
/// Source: uapi `linux/netfilter/nf_conntrack_common.h`, `NF_CT_STATE_BIT` (v6.12).
pub mod state {
    /// `invalid`: conntrack could make nothing of the packet.
    pub const INVALID: u32 = 1;
    /// `established`: answers were seen.
    pub const ESTABLISHED: u32 = 2;
    /// `related`: belongs to another flow, for example an ICMP error.
    pub const RELATED: u32 = 4;
    /// `new`.
    pub const NEW: u32 = 8;
    /// `untracked`: `notrack`, or no conntrack at all.
    pub const UNTRACKED: u32 = 64;
}

/// Bits of `ct status`.
///
/// Source: uapi `linux/netfilter/nf_conntrack_common.h`, `enum ip_conntrack_status` (v6.12).
pub mod status {
    /// `expected`.
    pub const EXPECTED: u32 = 1;
    /// `seen-reply`.
    pub const SEEN_REPLY: u32 = 2;
    /// `assured`.
    pub const ASSURED: u32 = 4;
    /// `confirmed`.
    pub const CONFIRMED: u32 = 8;
    /// `snat`: the source was rewritten.
    pub const SNAT: u32 = 16;
    /// `dnat`: the destination was rewritten.
    pub const DNAT: u32 = 32;
}
