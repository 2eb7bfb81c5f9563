//! `dnat`, `snat` and `masquerade`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::expr::Key;
use crate::name::SetName;
use crate::value::{DataType, Value};

/// Rewrites one end of a flow. Only in chains of type `nat`.
///
/// The packet must be of the family that is rewritten, otherwise the rule does not match.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_nat_attributes` (v6.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// Which end.
    pub kind: NatKind,
    /// To what.
    pub target: NatTarget,
    /// `random`, `fully-random`, `persistent`.
    pub flags: NatFlags,
}

/// Which end of a flow is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatKind {
    /// `snat`: in postrouting and input.
    Snat,
    /// `dnat`: in prerouting and output.
    Dnat,
}

/// The new address, port or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatTarget {
    /// `ip to A[-B][:P[-Q]]`: ranges have both ends; equal ends are one address or port.
    Ipv4 {
        /// First and last address.
        addresses: (Ipv4Addr, Ipv4Addr),
        /// First and last port; `None` keeps the port if it is free.
        ports: Option<(u16, u16)>,
    },
    /// `ip6 to …`: likewise.
    Ipv6 {
        /// First and last address.
        addresses: (Ipv6Addr, Ipv6Addr),
        /// First and last port; `None` keeps the port if it is free.
        ports: Option<(u16, u16)>,
    },
    /// `ip prefix to NETWORK`: the bits of the address outside the prefix stay as they are
    /// (`NF_NAT_RANGE_NETMAP`). Without flags: nft would list it as something else.
    Prefix(IpNet),
    /// `to :P[-Q]`: the address stays. After a match of a transport protocol.
    Ports(u16, u16),
    /// `ip to KEY map @MAP`: the map's data is an address, or an address and a port.
    /// When the map has nothing for the key, the rule does not match.
    Map {
        /// The family of the addresses.
        family: NatFamily,
        /// What is looked up.
        key: Key,
        /// A map of the same table with data `ipv4_addr` or `ipv4_addr . inet_service` (or
        /// `ipv6_addr`).
        map: SetName,
    },
}

/// The family of a NAT map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatFamily {
    /// `ip`
    Ipv4,
    /// `ip6`
    Ipv6,
}

impl NatFamily {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub const fn nfproto(self) -> u8 {
        match self {
            Self::Ipv4 => 2,
            Self::Ipv6 => 10,
        }
    }
}

impl NatTarget {
    /// The family that is rewritten; `None` for ports alone.
    pub const fn family(&self) -> Option<NatFamily> {
        match self {
            Self::Ipv4 { .. } | Self::Prefix(IpNet::V4(_)) => Some(NatFamily::Ipv4),
            Self::Ipv6 { .. } | Self::Prefix(IpNet::V6(_)) => Some(NatFamily::Ipv6),
            Self::Map { family, .. } => Some(*family),
            Self::Ports(..) => None,
        }
    }

    /// What a map would give in place of one address, or one address and port: the datum and its
    /// types. `None` for everything else.
    pub fn datum(&self) -> Option<(Value, Vec<DataType>)> {
        let (address, data_type, ports) = match *self {
            Self::Ipv4 {
                addresses: (first, last),
                ports,
            } if first == last => (Value::new().and_ipv4(first), DataType::Ipv4Addr, ports),
            Self::Ipv6 {
                addresses: (first, last),
                ports,
            } if first == last => (Value::new().and_ipv6(first), DataType::Ipv6Addr, ports),
            Self::Ipv4 { .. }
            | Self::Ipv6 { .. }
            | Self::Prefix(_)
            | Self::Ports(..)
            | Self::Map { .. } => return None,
        };
        match ports {
            None => Some((address, vec![data_type])),
            Some((first, last)) if first == last => Some((
                address.and_port(first),
                vec![data_type, DataType::InetService],
            )),
            Some(_) => None,
        }
    }
}

/// How a free port or address is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NatFlags {
    /// `random`: the source port is drawn by hashing.
    pub random: bool,
    /// `fully-random`: the source port is drawn at random.
    pub fully_random: bool,
    /// `persistent`: a client keeps its address.
    pub persistent: bool,
}

/// Rewrites the source to the address of the output interface. Only in nat postrouting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Masquerade {
    /// `to :P-Q`: first and last source port.
    pub ports: Option<(u16, u16)>,
    /// `random`, `fully-random`, `persistent`.
    pub flags: NatFlags,
}
