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
    /// `meta cgroup`: the `net_cls` class of the sending or receiving socket's cgroup.
    Cgroup,
    /// `meta hour`: seconds since midnight UTC. Since Linux 5.4.
    Hour,
    /// `meta day`: the day of the week, 0 for Sunday. Since Linux 5.4.
    ///
    /// In the kernel's time zone (`settimeofday(2)`), which is UTC where the hardware clock is; the
    /// other two are in UTC always.
    ///
    /// Source: `net/netfilter/nft_meta.c`, `nft_meta_weekday` (v6.12).
    Day,
    /// `meta ipsec`: 1 for what came through IPsec, else 0. Only at prerouting, input and forward.
    Ipsec,
    /// `meta time`: nanoseconds since 1970 in UTC. Since Linux 5.4.
    Time,
}

impl Meta {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::Length | Self::Cgroup => DataType::HostInteger(4),
            Self::Hour => DataType::TimeOfDay,
            Self::Day => DataType::Weekday,
            Self::Ipsec => DataType::Boolean,
            Self::Time => DataType::Timestamp,
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
