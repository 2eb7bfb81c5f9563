//! `meta`: the packet's metadata.

use crate::value::DataType;

/// A `meta` key.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_meta_keys` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meta {
    /// `meta length`: the packet's length in bytes.
    Length,
    /// `meta mark`.
    Mark,
    /// `iifname`: the input interface; an empty name for what the host itself sends.
    Iifname,
    /// `oifname`: the output interface; an empty name in prerouting and input.
    Oifname,
    /// `meta skuid`: the sending socket's user.
    Skuid,
    /// `meta skgid`: the sending socket's group.
    Skgid,
    /// `meta pkttype`.
    Pkttype,
    /// `meta nfproto`: the family of the packet in an `inet` table.
    Nfproto,
    /// `meta l4proto`: the transport protocol, IPv6 extension headers skipped.
    L4proto,
}

impl Meta {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::Length => DataType::HostInteger(4),
            Self::Mark => DataType::Mark,
            Self::Iifname | Self::Oifname => DataType::IfName,
            Self::Skuid => DataType::Uid,
            Self::Skgid => DataType::Gid,
            Self::Pkttype => DataType::PktType,
            Self::Nfproto => DataType::NfProto,
            Self::L4proto => DataType::InetProto,
        }
    }
}
