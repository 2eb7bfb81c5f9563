//! `… set …`: what a rule changes on the packet or its flow, besides marks.

use crate::expr::Payload;
use crate::expr::ct::Direction;

/// Sets something to a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mangle {
    /// `meta priority set MAJOR:MINOR`: the class for queueing disciplines, the major number in the
    /// upper 16 bits.
    Priority(u32),
    /// `ct [original|reply] zone set N`: the conntrack zone; only before conntrack.
    ///
    /// Source: uapi `linux/netfilter/nf_tables.h`, `NFT_CT_ZONE` (v6.12).
    Zone {
        /// The direction that is told apart; `None` is both.
        direction: Option<Direction>,
        /// The zone.
        zone: u16,
    },
    /// `ip dscp set`, `ip ecn set`, `ip ttl set`, `ip6 dscp set`, `ip6 ecn set` and
    /// `ip6 hoplimit set`; the IPv4 header checksum is kept right.
    ///
    /// Of a packet of the other family the rule does not match.
    Field {
        /// The field; only these six can be set.
        field: Payload,
        /// Its value.
        value: u8,
    },
    /// `tcp option maxseg size set`: never raises the size, and does not add the option.
    MaxSegment(MaxSegment),
}

/// The new maximum segment size of a TCP SYN.
///
/// Source: `net/netfilter/nft_exthdr.c`, `nft_exthdr_tcp_set_eval` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxSegment {
    /// This many bytes.
    Bytes(u16),
    /// `rt mtu`: what fits the route of the packet. Only at forward, output and postrouting.
    RouteMtu,
}
