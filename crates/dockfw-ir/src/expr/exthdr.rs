//! `tcp option` and `exthdr`: TCP options and IPv6 extension headers.

use super::payload::Requires;
use crate::value::DataType;

/// A TCP option or an IPv6 extension header.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_exthdr_attributes`,
/// `NFT_EXTHDR_F_PRESENT` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exthdr {
    /// `tcp option KIND exists` or `missing`: 1 where the TCP header has the option.
    ///
    /// Against the rule of the crate it loads for every packet: of one that is not TCP, or whose
    /// header is cut off, every option is missing (`nft_exthdr_tcp_eval`, v6.12).
    TcpOption(u8),
    /// `tcp option maxseg size`: bytes, network byte order. Ends the rule without a match when the
    /// packet is not TCP or has no such option.
    TcpMaxseg,
    /// `rt type` and so on. Ends the rule without a match when the packet is not IPv6 or has no such
    /// header.
    Ipv6Field(Ipv6Field),
    /// `exthdr NAME exists` or `missing`: 1 where the IPv6 packet has the header.
    Ipv6(Ipv6Header),
}

/// An IPv6 extension header that nft can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ipv6Header {
    /// `hbh`: hop-by-hop options, 0.
    HopByHop,
    /// `rt`: routing, 43.
    Routing,
    /// `frag`: fragment, 44.
    Fragment,
    /// `dst`: destination options, 60.
    Destination,
    /// `mh`: mobility, 135.
    Mobility,
}

/// A field of an IPv6 extension header.
///
/// Lengths are in units of 8 bytes, the first 8 not counted.
///
/// Source: RFC 8200 §4.3 to §4.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ipv6Field {
    /// `hbh hdrlength`.
    HopByHopLength,
    /// `dst hdrlength`.
    DestinationLength,
    /// `rt hdrlength`.
    RoutingLength,
    /// `rt type`.
    RoutingType,
    /// `rt seg-left`.
    RoutingSegments,
    /// `frag id`.
    FragmentId,
}

impl Ipv6Field {
    /// The header it is in.
    pub const fn header(self) -> Ipv6Header {
        match self {
            Self::HopByHopLength => Ipv6Header::HopByHop,
            Self::DestinationLength => Ipv6Header::Destination,
            Self::RoutingLength | Self::RoutingType | Self::RoutingSegments => Ipv6Header::Routing,
            Self::FragmentId => Ipv6Header::Fragment,
        }
    }

    /// Where it begins in its header, in bytes.
    pub const fn offset(self) -> u8 {
        match self {
            Self::HopByHopLength | Self::DestinationLength | Self::RoutingLength => 1,
            Self::RoutingType => 2,
            Self::RoutingSegments => 3,
            Self::FragmentId => 4,
        }
    }

    /// How many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "no field is empty")]
    pub const fn len(self) -> u8 {
        match self {
            Self::HopByHopLength
            | Self::DestinationLength
            | Self::RoutingLength
            | Self::RoutingType
            | Self::RoutingSegments => 1,
            Self::FragmentId => 4,
        }
    }
}

impl Ipv6Header {
    /// The protocol number, as in a next header field.
    pub const fn number(self) -> u8 {
        match self {
            Self::HopByHop => 0,
            Self::Routing => 43,
            Self::Fragment => 44,
            Self::Destination => 60,
            Self::Mobility => 135,
        }
    }
}

impl Exthdr {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::TcpOption(_) | Self::Ipv6(_) => DataType::Boolean,
            Self::TcpMaxseg => DataType::Integer(2),
            Self::Ipv6Field(field) => DataType::Integer(field.len()),
        }
    }

    /// What must be true of the packet.
    pub const fn requires(self) -> Requires {
        match self {
            Self::TcpOption(_) | Self::TcpMaxseg => Requires::Nothing,
            Self::Ipv6(_) | Self::Ipv6Field(_) => Requires::Nfproto(10),
        }
    }
}
