//! An entry of conntrack's table, and a tuple in it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::sys::conntrack::{
    CTA_IP_V4_DST, CTA_IP_V4_SRC, CTA_IP_V6_DST, CTA_IP_V6_SRC, CTA_PROTO_DST_PORT,
    CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_CODE,
    CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_TUPLE_IP,
    CTA_TUPLE_PROTO, CTA_TUPLE_ZONE,
};
use crate::wire::{EncodeError, Encoder};

/// A flow that the kernel tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `CTA_ID`: tells this entry from a later one with the same tuples. A number without meaning.
    pub id: u32,
    /// How its first packet was when conntrack saw it: before any translation.
    pub original: Tuple,
    /// How the answers are when conntrack sees them: what the first packet was translated to, turned
    /// round.
    pub reply: Tuple,
    /// The zone of both directions; 0 is that of who says none. One direction's own is in its tuple.
    pub zone: u16,
    /// `IPS_*`.
    pub status: u32,
    /// The flow's mark; 0 where the kernel has none.
    pub mark: u32,
    /// Seconds until it ends unless a packet comes; `None` for one that ends by other means.
    pub timeout: Option<u32>,
    /// What it carried, in its original direction and in that of the answers; `None` unless
    /// `net.netfilter.nf_conntrack_acct` is on.
    pub counters: Option<[Counter; 2]>,
}

/// What one direction carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
}

/// One direction of a flow.
///
/// Source: `include/net/netfilter/nf_conntrack_tuple.h`, `struct nf_conntrack_tuple` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    /// The sender.
    pub source: IpAddr,
    /// The receiver, of the same family.
    pub destination: IpAddr,
    /// The transport protocol.
    pub protocol: u8,
    /// Source and destination port. Of GRE: its two keys. `None` for a protocol without.
    pub ports: Option<(u16, u16)>,
    /// What an ICMP or ICMPv6 message has instead of ports.
    pub icmp: Option<Icmp>,
    /// The zone of this direction, if it has one of its own.
    pub zone: Option<u16>,
}

/// What tells ICMP flows from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Icmp {
    /// The identifier of an echo.
    pub id: u16,
    /// The type of the message.
    pub kind: u8,
    /// The code of the message.
    pub code: u8,
}

impl Tuple {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(super) const fn family(&self) -> u8 {
        match self.destination {
            IpAddr::V4(_) => 2,
            IpAddr::V6(_) => 10,
        }
    }

    /// Writes the attributes inside `CTA_TUPLE_*`.
    pub(super) fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        e.nest(CTA_TUPLE_IP, |e| {
            for (address, v4, v6) in [
                (self.source, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
                (self.destination, CTA_IP_V4_DST, CTA_IP_V6_DST),
            ] {
                match address {
                    IpAddr::V4(address) => e.bytes(v4, &address.octets())?,
                    IpAddr::V6(address) => e.bytes(v6, &address.octets())?,
                }
            }
            Ok::<(), EncodeError>(())
        })?;
        e.nest(CTA_TUPLE_PROTO, |e| {
            e.u8(CTA_PROTO_NUM, self.protocol)?;
            if let Some((source, destination)) = self.ports {
                e.u16(CTA_PROTO_SRC_PORT, source)?;
                e.u16(CTA_PROTO_DST_PORT, destination)?;
            }
            if let Some(icmp) = self.icmp {
                let (id, kind, code) = match self.destination {
                    IpAddr::V4(_) => (CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE),
                    IpAddr::V6(_) => (
                        CTA_PROTO_ICMPV6_ID,
                        CTA_PROTO_ICMPV6_TYPE,
                        CTA_PROTO_ICMPV6_CODE,
                    ),
                };
                e.u16(id, icmp.id)?;
                e.u8(kind, icmp.kind)?;
                e.u8(code, icmp.code)?;
            }
            Ok::<(), EncodeError>(())
        })?;
        match self.zone {
            Some(zone) => e.u16(CTA_TUPLE_ZONE, zone),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Tuple {
    /// `tcp 192.0.2.9:40000 -> 203.0.113.1:8080`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            1 => f.write_str("icmp ")?,
            6 => f.write_str("tcp ")?,
            17 => f.write_str("udp ")?,
            33 => f.write_str("dccp ")?,
            58 => f.write_str("icmpv6 ")?,
            132 => f.write_str("sctp ")?,
            number => write!(f, "protocol {number} ")?,
        }
        if let Some((source, destination)) = self.ports {
            let from = SocketAddr::new(self.source, source);
            let to = SocketAddr::new(self.destination, destination);
            write!(f, "{from} -> {to}")
        } else {
            write!(f, "{} -> {}", self.source, self.destination)
        }
    }
}
