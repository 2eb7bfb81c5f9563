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
    /// `ip dscp`: 6 bits, see [`Payload::bits`].
    IpDscp,
    /// `ip ecn`: 2 bits.
    IpEcn,
    /// `ip ttl`.
    IpTtl,
    /// `ip frag-off`: flags (3 bits) and the offset in units of 8 bytes (13 bits).
    ///
    /// Conntrack puts fragments together: only raw chains before it see any.
    IpFragOff,
    /// `ip6 saddr`.
    Ip6Saddr,
    /// `ip6 daddr`.
    Ip6Daddr,
    /// `ip6 dscp`: 6 bits.
    Ip6Dscp,
    /// `ip6 ecn`: 2 bits.
    Ip6Ecn,
    /// `ip6 hoplimit`.
    Ip6Hoplimit,
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
    /// `udp length`: header and data, in bytes.
    UdpLength,
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
    /// `ah spi`.
    AhSpi,
    /// `esp spi`.
    EspSpi,
    /// `@nh,…` and `@th,…`: bytes of a header, whatever it is.
    Raw(Raw),
}

/// Bytes of a header: `@nh,OFFSET,LENGTH`, which nft counts in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Raw {
    /// The header: network or transport.
    pub base: Base,
    /// The first byte.
    pub offset: u16,
    /// The number of bytes: 1, 2 or 4.
    pub len: u8,
}

/// A field that does not fill its bytes.
///
/// Its value in the IR is the number itself, one byte; the kernel loads the bytes, masks them and
/// compares them with the number shifted to its place. Such a field is compared with `==` and `!=`
/// or set, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// How many bytes are loaded: 1 or 2.
    pub len: u8,
    /// The bits of the field, of the loaded bytes in network byte order.
    pub mask: u16,
    /// How far the number is shifted to the left.
    pub shift: u8,
}

/// The header an offset counts from.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_payload_bases` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Nothing.
    Nothing,
    /// Nothing that is tested: `th` reads the ports of whatever transport header there is.
    Ports,
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
            Self::IpDscp | Self::Ip6Dscp => DataType::Dscp,
            Self::IpEcn | Self::Ip6Ecn => DataType::Ecn,
            Self::IpTtl | Self::Ip6Hoplimit => DataType::Integer(1),
            Self::IpFragOff | Self::UdpLength => DataType::Integer(2),
            Self::AhSpi | Self::EspSpi => DataType::Integer(4),
            Self::Raw(raw) => DataType::Raw(raw.len),
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
            Self::IpSaddr
            | Self::IpDaddr
            | Self::IpDscp
            | Self::IpEcn
            | Self::IpTtl
            | Self::IpFragOff
            | Self::Ip6Saddr
            | Self::Ip6Daddr
            | Self::Ip6Dscp
            | Self::Ip6Ecn
            | Self::Ip6Hoplimit => Base::Network,
            Self::Raw(raw) => raw.base,
            Self::ThSport
            | Self::ThDport
            | Self::TcpSport
            | Self::TcpDport
            | Self::TcpFlags
            | Self::UdpSport
            | Self::UdpDport
            | Self::UdpLength
            | Self::SctpSport
            | Self::SctpDport
            | Self::IcmpType
            | Self::IcmpCode
            | Self::Icmpv6Type
            | Self::Icmpv6Code
            | Self::AhSpi
            | Self::EspSpi => Base::Transport,
        }
    }

    /// Where the field begins in its header, in bytes. Its length is that of its type, or of its
    /// [`Bits`].
    ///
    /// Source: RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1, RFC 768, RFC 9260 §3, RFC 792, RFC 4443 §2.1,
    /// RFC 4302 §2, RFC 4303 §2.
    pub const fn offset(self) -> u32 {
        match self {
            Self::ThSport
            | Self::TcpSport
            | Self::UdpSport
            | Self::SctpSport
            | Self::IcmpType
            | Self::Ip6Dscp
            | Self::Icmpv6Type
            | Self::EspSpi => 0,
            Self::IcmpCode | Self::Icmpv6Code | Self::IpDscp | Self::IpEcn | Self::Ip6Ecn => 1,
            Self::ThDport | Self::TcpDport | Self::UdpDport | Self::SctpDport => 2,
            Self::UdpLength | Self::AhSpi => 4,
            Self::EtherSaddr | Self::IpFragOff => 6,
            Self::Ip6Hoplimit => 7,
            Self::Ip6Saddr | Self::IpTtl => 8,
            Self::IpSaddr => 12,
            Self::TcpFlags => 13,
            Self::IpDaddr => 16,
            Self::Ip6Daddr => 24,
            #[expect(clippy::as_conversions, reason = "u16 to u32 in a const fn")]
            Self::Raw(raw) => raw.offset as u32,
        }
    }

    /// What must be true of the packet for the field to exist.
    pub const fn requires(self) -> Requires {
        match self {
            Self::EtherSaddr => Requires::Ethernet,
            Self::IpSaddr
            | Self::IpDaddr
            | Self::IpDscp
            | Self::IpEcn
            | Self::IpTtl
            | Self::IpFragOff => Requires::Nfproto(2),
            Self::Ip6Saddr | Self::Ip6Daddr | Self::Ip6Dscp | Self::Ip6Ecn | Self::Ip6Hoplimit => {
                Requires::Nfproto(10)
            }
            Self::ThSport | Self::ThDport => Requires::Ports,
            Self::Raw(_) => Requires::Nothing,
            Self::TcpSport | Self::TcpDport | Self::TcpFlags => Requires::L4proto(6),
            Self::UdpSport | Self::UdpDport | Self::UdpLength => Requires::L4proto(17),
            Self::SctpSport | Self::SctpDport => Requires::L4proto(132),
            Self::EspSpi => Requires::L4proto(50),
            Self::AhSpi => Requires::L4proto(51),
            Self::IcmpType | Self::IcmpCode => Requires::L4proto(1),
            Self::Icmpv6Type | Self::Icmpv6Code => Requires::L4proto(58),
        }
    }

    /// Where the bits of the field are, of one that does not fill its bytes.
    ///
    /// Source: RFC 2474 §3, RFC 3168 §5, RFC 8200 §3.
    pub const fn bits(self) -> Option<Bits> {
        let (len, mask, shift) = match self {
            Self::IpDscp => (1, 0xfc, 2),
            Self::IpEcn => (1, 0x03, 0),
            Self::Ip6Dscp => (2, 0x0fc0, 6),
            Self::Ip6Ecn => (1, 0x30, 4),
            Self::EtherSaddr
            | Self::IpSaddr
            | Self::IpDaddr
            | Self::IpTtl
            | Self::IpFragOff
            | Self::Ip6Saddr
            | Self::Ip6Daddr
            | Self::Ip6Hoplimit
            | Self::ThSport
            | Self::ThDport
            | Self::TcpSport
            | Self::TcpDport
            | Self::TcpFlags
            | Self::UdpSport
            | Self::UdpDport
            | Self::UdpLength
            | Self::SctpSport
            | Self::SctpDport
            | Self::IcmpType
            | Self::IcmpCode
            | Self::Icmpv6Type
            | Self::Icmpv6Code
            | Self::AhSpi
            | Self::EspSpi
            | Self::Raw(_) => return None,
        };
        Some(Bits { len, mask, shift })
    }
}
