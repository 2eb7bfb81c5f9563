//! `payload`: fields of the packet's headers.

use crate::value::DataType;

/// A header field.
///
/// Reading one ends the rule without a match when the packet has no such header; see
/// [`Payload::requires`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// `ether saddr`.
    EtherSaddr,
    /// `ip saddr`.
    IpSaddr,
    /// `ip daddr`.
    IpDaddr,
    /// `ip6 saddr`.
    Ip6Saddr,
    /// `ip6 daddr`.
    Ip6Daddr,
    /// `th sport`: the source port of tcp, udp, sctp, dccp or udplite.
    ThSport,
    /// `th dport`: the destination port, likewise.
    ThDport,
    /// `tcp sport`.
    TcpSport,
    /// `tcp dport`.
    TcpDport,
    /// `tcp flags`.
    TcpFlags,
    /// `udp sport`.
    UdpSport,
    /// `udp dport`.
    UdpDport,
    /// `sctp sport`.
    SctpSport,
    /// `sctp dport`.
    SctpDport,
    /// `icmp type`.
    IcmpType,
    /// `icmp code`.
    IcmpCode,
    /// `icmpv6 type`.
    Icmpv6Type,
    /// `icmpv6 code`.
    Icmpv6Code,
}

/// The header an offset counts from.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_payload_bases` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// `NFT_PAYLOAD_LL_HEADER`.
    Link,
    /// `NFT_PAYLOAD_NETWORK_HEADER`.
    Network,
    /// `NFT_PAYLOAD_TRANSPORT_HEADER`.
    Transport,
}

/// The protocol a packet must have for a field to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requires {
    /// Nothing that is tested: `th` reads whatever transport header there is.
    Nothing,
    /// `meta nfproto` is this: 2 for IPv4, 10 for IPv6.
    Nfproto(u8),
    /// `meta l4proto` is this.
    L4proto(u8),
    /// An Ethernet header: `meta iiftype ether`.
    Ethernet,
}

impl Payload {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::EtherSaddr => DataType::EtherAddr,
            Self::IpSaddr | Self::IpDaddr => DataType::Ipv4Addr,
            Self::Ip6Saddr | Self::Ip6Daddr => DataType::Ipv6Addr,
            Self::ThSport
            | Self::ThDport
            | Self::TcpSport
            | Self::TcpDport
            | Self::UdpSport
            | Self::UdpDport
            | Self::SctpSport
            | Self::SctpDport => DataType::InetService,
            Self::TcpFlags => DataType::TcpFlag,
            Self::IcmpType => DataType::IcmpType,
            Self::IcmpCode => DataType::IcmpCode,
            Self::Icmpv6Type => DataType::Icmpv6Type,
            Self::Icmpv6Code => DataType::Icmpv6Code,
        }
    }

    /// The header the field is in.
    pub const fn base(self) -> Base {
        match self {
            Self::EtherSaddr => Base::Link,
            Self::IpSaddr | Self::IpDaddr | Self::Ip6Saddr | Self::Ip6Daddr => Base::Network,
            Self::ThSport
            | Self::ThDport
            | Self::TcpSport
            | Self::TcpDport
            | Self::TcpFlags
            | Self::UdpSport
            | Self::UdpDport
            | Self::SctpSport
            | Self::SctpDport
            | Self::IcmpType
            | Self::IcmpCode
            | Self::Icmpv6Type
            | Self::Icmpv6Code => Base::Transport,
        }
    }

    /// Where the field begins in its header, in bytes. Its length is that of its type.
    ///
    /// Source: RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1, RFC 768, RFC 9260 §3, RFC 792, RFC 4443 §2.1.
    pub const fn offset(self) -> u32 {
        match self {
            Self::ThSport
            | Self::TcpSport
            | Self::UdpSport
            | Self::SctpSport
            | Self::IcmpType
            | Self::Icmpv6Type => 0,
            Self::IcmpCode | Self::Icmpv6Code => 1,
            Self::ThDport | Self::TcpDport | Self::UdpDport | Self::SctpDport => 2,
            Self::EtherSaddr => 6,
            Self::Ip6Saddr => 8,
            Self::IpSaddr => 12,
            Self::TcpFlags => 13,
            Self::IpDaddr => 16,
            Self::Ip6Daddr => 24,
        }
    }

    /// What must be true of the packet for the field to exist.
    pub const fn requires(self) -> Requires {
        match self {
            Self::EtherSaddr => Requires::Ethernet,
            Self::IpSaddr | Self::IpDaddr => Requires::Nfproto(2),
            Self::Ip6Saddr | Self::Ip6Daddr => Requires::Nfproto(10),
            Self::ThSport | Self::ThDport => Requires::Nothing,
            Self::TcpSport | Self::TcpDport | Self::TcpFlags => Requires::L4proto(6),
            Self::UdpSport | Self::UdpDport => Requires::L4proto(17),
            Self::SctpSport | Self::SctpDport => Requires::L4proto(132),
            Self::IcmpType | Self::IcmpCode => Requires::L4proto(1),
            Self::Icmpv6Type | Self::Icmpv6Code => Requires::L4proto(58),
        }
    }
}
