//! Types of data and the bytes the kernel compares.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smallvec::SmallVec;

use crate::name::IfName;

/// The type of one field of a set key, of a map's data, or of what an expression loads.
///
/// Source: nftables v1.0.6, `include/datatype.h`, `enum datatypes`; the numbers travel in
/// `NFTA_SET_KEY_TYPE` and tell nft(8) how to print a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// `nf_proto`: 1 byte, host; `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
    NfProto,
    /// `ipv4_addr`: 4 bytes, network byte order.
    Ipv4Addr,
    /// `ipv6_addr`: 16 bytes, network byte order.
    Ipv6Addr,
    /// `ether_addr`: 6 bytes.
    EtherAddr,
    /// `inet_proto`: 1 byte, IP protocol number.
    InetProto,
    /// `inet_service`: a port, 2 bytes, network byte order.
    InetService,
    /// `icmp_type`: 1 byte.
    IcmpType,
    /// `icmpv6_type`: 1 byte.
    Icmpv6Type,
    /// `icmp_code`: 1 byte.
    IcmpCode,
    /// `icmpv6_code`: 1 byte.
    Icmpv6Code,
    /// `tcp_flag`: 1 byte of flags.
    TcpFlag,
    /// `mark`: 4 bytes, host byte order.
    Mark,
    /// `ifname`: 16 bytes, NUL-padded.
    IfName,
    /// `ct_state`: 4 bytes of flags, host byte order.
    CtState,
    /// `ct_dir`: 1 byte.
    CtDir,
    /// `ct_status`: 4 bytes of flags, host byte order.
    CtStatus,
    /// `fib_addrtype`: 4 bytes, host byte order, `RTN_*`.
    FibAddrtype,
    /// `pkt_type`: 1 byte, `PACKET_*`.
    PktType,
    /// `uid`: 4 bytes, host byte order.
    Uid,
    /// `gid`: 4 bytes, host byte order.
    Gid,
    /// `boolean`: 1 byte, 1 for `exists` and 0 for `missing`.
    Boolean,
    /// `dscp`: 1 byte, 0 to 63.
    Dscp,
    /// `ecn`: 1 byte, 0 to 3.
    Ecn,
    /// `time`: 4 bytes, host byte order, milliseconds.
    Duration,
    /// `hour`: 4 bytes, host byte order, seconds since midnight UTC.
    TimeOfDay,
    /// `day`: 1 byte, 0 for Sunday.
    Weekday,
    /// `time` of `meta time`: 8 bytes, host byte order, nanoseconds since 1970 UTC.
    Timestamp,
    /// An integer of this many bytes, network byte order, that nft prints in hexadecimal: bytes of
    /// a header that have no name.
    Raw(u8),
    /// An integer of this many bytes, network byte order.
    Integer(u8),
    /// An integer of this many bytes, host byte order (`meta length`).
    HostInteger(u8),
}

impl DataType {
    /// The length in bytes, without padding.
    #[expect(clippy::len_without_is_empty, reason = "no type is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::NfProto
            | Self::InetProto
            | Self::IcmpType
            | Self::Icmpv6Type
            | Self::IcmpCode
            | Self::Icmpv6Code
            | Self::TcpFlag
            | Self::CtDir
            | Self::PktType
            | Self::Boolean
            | Self::Dscp
            | Self::Ecn
            | Self::Weekday => 1,
            Self::InetService => 2,
            Self::Ipv4Addr
            | Self::Mark
            | Self::CtState
            | Self::CtStatus
            | Self::FibAddrtype
            | Self::Uid
            | Self::Gid
            | Self::Duration
            | Self::TimeOfDay => 4,
            Self::EtherAddr => 6,
            Self::Timestamp => 8,
            Self::Ipv6Addr | Self::IfName => 16,
            #[expect(clippy::as_conversions, reason = "u8 to usize in a const fn")]
            Self::Integer(len) | Self::HostInteger(len) | Self::Raw(len) => len as usize,
        }
    }

    /// Whether a set can have keys of this type: the declaration has a name for it.
    pub const fn has_name(self) -> bool {
        crate::print::symbol::has_type_name(self)
    }

    /// The length in a register: rounded up to a multiple of 4 bytes.
    pub const fn register_len(self) -> usize {
        self.len().next_multiple_of(4)
    }

    /// Whether the bytes are in host byte order, which nft(8) must be told for sets.
    pub const fn is_host_endian(self) -> bool {
        matches!(
            self,
            Self::NfProto
                | Self::Mark
                | Self::IfName
                | Self::CtState
                | Self::CtDir
                | Self::CtStatus
                | Self::FibAddrtype
                | Self::PktType
                | Self::Uid
                | Self::Gid
                | Self::Duration
                | Self::TimeOfDay
                | Self::Weekday
                | Self::Timestamp
                | Self::HostInteger(_)
        )
    }

    /// Whether the bytes are a number, or flags, of several bytes in host byte order: what must be
    /// turned before the kernel, which compares bytes, can order it. Names of interfaces are none.
    pub const fn is_host_number(self) -> bool {
        self.is_host_endian() && !matches!(self, Self::IfName) && self.len() > 1
    }
}

impl DataType {
    /// Orders two values of one field as the numbers they are, whatever their byte order; names of
    /// interfaces too, as nft(8) does.
    pub fn order(self, left: &[u8], right: &[u8]) -> Ordering {
        if cfg!(target_endian = "little") && self.is_host_endian() {
            left.iter().rev().cmp(right.iter().rev())
        } else {
            left.cmp(right)
        }
    }
}

/// The register length of a concatenation of these types, in bytes.
pub fn register_len(types: &[DataType]) -> usize {
    types.iter().map(|t| t.register_len()).sum()
}

/// The bytes of a key, a datum or a constant, as they lie in registers.
///
/// Every field of a concatenation is padded with zeros to a multiple of 4 bytes; a single field
/// is padded too. What the bytes mean is said by the [`DataType`]s of the set or expression they
/// stand beside. At most 64 bytes (`NFT_DATA_VALUE_MAXLEN`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Value(SmallVec<[u8; 24]>);

impl Clone for Value {
    /// Copies the bytes at once; the derived form goes byte by byte.
    #[inline]
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl Value {
    /// The longest value the kernel takes, in bytes.
    pub const MAX: usize = 64;

    /// An empty value, to be filled by `and_*`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they are; the caller has padded them.
    pub fn from_registers(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The bytes, padding included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends a field of raw bytes and its padding.
    #[must_use]
    #[inline]
    pub fn and_bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
        self
    }

    /// Appends a field of four bytes, padding included.
    #[inline]
    fn and_word(mut self, word: [u8; 4]) -> Self {
        self.0.extend_from_slice(&word);
        self
    }

    /// Appends an `ipv4_addr`.
    #[must_use]
    #[inline]
    pub fn and_ipv4(self, address: Ipv4Addr) -> Self {
        self.and_word(address.octets())
    }

    /// Appends an `ipv6_addr`.
    #[must_use]
    pub fn and_ipv6(self, address: Ipv6Addr) -> Self {
        self.and_bytes(&address.octets())
    }

    /// Appends an `ipv4_addr` or `ipv6_addr`.
    #[must_use]
    pub fn and_ip(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.and_ipv4(address),
            IpAddr::V6(address) => self.and_ipv6(address),
        }
    }

    /// Appends a one-byte field: `inet_proto`, `nf_proto`, an ICMP type or code, TCP flags.
    #[must_use]
    #[inline]
    pub fn and_u8(self, byte: u8) -> Self {
        self.and_word([byte, 0, 0, 0])
    }

    /// Appends an `inet_service`: a port in host byte order, stored in network byte order.
    #[must_use]
    #[inline]
    pub fn and_port(self, port: u16) -> Self {
        let [high, low] = port.to_be_bytes();
        self.and_word([high, low, 0, 0])
    }

    /// Appends a 4-byte field that is kept in host byte order: mark, state, status, address type.
    #[must_use]
    pub fn and_host_u32(self, number: u32) -> Self {
        self.and_word(number.to_ne_bytes())
    }

    /// Appends an 8-byte field in host byte order: a point in time.
    #[must_use]
    pub fn and_host_u64(self, number: u64) -> Self {
        self.and_bytes(&number.to_ne_bytes())
    }

    /// Appends an `ifname`: 16 bytes, NUL-padded.
    #[must_use]
    pub fn and_ifname(self, name: &IfName) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(name.as_str().bytes()) {
            *to = from;
        }
        self.and_bytes(&bytes)
    }

    /// Splits the bytes into the fields of these types, without their padding.
    ///
    /// `None` when the lengths do not agree.
    pub fn fields<'a>(&'a self, types: &'a [DataType]) -> Option<Vec<(DataType, &'a [u8])>> {
        let mut rest: &[u8] = &self.0;
        let mut fields = Vec::with_capacity(types.len());
        for &data_type in types {
            let (field, tail) = rest.split_at_checked(data_type.register_len())?;
            fields.push((data_type, field.get(..data_type.len())?));
            rest = tail;
        }
        rest.is_empty().then_some(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_padded_to_four_bytes() {
        let value = Value::new()
            .and_ipv4(Ipv4Addr::new(192, 0, 2, 1))
            .and_u8(6)
            .and_port(80);
        assert_eq!(value.as_bytes(), [192, 0, 2, 1, 6, 0, 0, 0, 0, 80, 0, 0]);
        let types = [
            DataType::Ipv4Addr,
            DataType::InetProto,
            DataType::InetService,
        ];
        let fields = value.fields(&types).unwrap();
        assert_eq!(fields[2], (DataType::InetService, [0, 80].as_slice()));
        assert_eq!(value.fields(&types[..2]), None);
    }

    #[test]
    fn interface_names_fill_sixteen_bytes() {
        let value = Value::new().and_ifname(&IfName::new("br-web").unwrap());
        assert_eq!(value.as_bytes(), b"br-web\0\0\0\0\0\0\0\0\0\0");
    }
}
