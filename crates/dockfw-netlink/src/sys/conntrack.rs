//! Numbers of ctnetlink, with the names of the kernel.
//!
//! Numbers in attributes are in network byte order throughout.
//!
//! Source: uapi `linux/netfilter/nfnetlink.h`, `linux/netfilter/nfnetlink_conntrack.h` (v6.12).

/// `NFNL_SUBSYS_CTNETLINK`
pub const NFNL_SUBSYS_CTNETLINK: u16 = 1;
/// `IPCTNL_MSG_CT_GET` of `enum cntl_msg_types`; entries come back as `IPCTNL_MSG_CT_NEW`.
pub const IPCTNL_MSG_CT_GET: u16 = 1;
/// `IPCTNL_MSG_CT_DELETE`. Without a tuple it would delete every entry.
pub const IPCTNL_MSG_CT_DELETE: u16 = 2;
/// `IPCTNL_MSG_CT_GET_STATS`: numbers of this network namespace.
pub const IPCTNL_MSG_CT_GET_STATS: u16 = 5;

/// `CTA_STATS_GLOBAL_ENTRIES` of `enum ctattr_stats_global`.
pub const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;

/// `CTA_TUPLE_ORIG` of `enum ctattr_type`.
pub const CTA_TUPLE_ORIG: u16 = 1;
/// `CTA_TUPLE_REPLY`
pub const CTA_TUPLE_REPLY: u16 = 2;
/// `CTA_STATUS`: `IPS_*`.
pub const CTA_STATUS: u16 = 3;
/// `CTA_TIMEOUT`: seconds that are left.
pub const CTA_TIMEOUT: u16 = 7;
/// `CTA_MARK`
pub const CTA_MARK: u16 = 8;
/// `CTA_COUNTERS_ORIG`
pub const CTA_COUNTERS_ORIG: u16 = 9;
/// `CTA_COUNTERS_REPLY`
pub const CTA_COUNTERS_REPLY: u16 = 10;
/// `CTA_ID`
pub const CTA_ID: u16 = 12;
/// `CTA_ZONE`: a zone of both directions; absent for zone 0.
pub const CTA_ZONE: u16 = 18;

/// `CTA_TUPLE_IP` of `enum ctattr_tuple`.
pub const CTA_TUPLE_IP: u16 = 1;
/// `CTA_TUPLE_PROTO`
pub const CTA_TUPLE_PROTO: u16 = 2;
/// `CTA_TUPLE_ZONE`: a zone of this direction alone.
pub const CTA_TUPLE_ZONE: u16 = 3;

/// `CTA_IP_V4_SRC` of `enum ctattr_ip`.
pub const CTA_IP_V4_SRC: u16 = 1;
/// `CTA_IP_V4_DST`
pub const CTA_IP_V4_DST: u16 = 2;
/// `CTA_IP_V6_SRC`
pub const CTA_IP_V6_SRC: u16 = 3;
/// `CTA_IP_V6_DST`
pub const CTA_IP_V6_DST: u16 = 4;

/// `CTA_PROTO_NUM` of `enum ctattr_l4proto`.
pub const CTA_PROTO_NUM: u16 = 1;
/// `CTA_PROTO_SRC_PORT`
pub const CTA_PROTO_SRC_PORT: u16 = 2;
/// `CTA_PROTO_DST_PORT`
pub const CTA_PROTO_DST_PORT: u16 = 3;
/// `CTA_PROTO_ICMP_ID`
pub const CTA_PROTO_ICMP_ID: u16 = 4;
/// `CTA_PROTO_ICMP_TYPE`
pub const CTA_PROTO_ICMP_TYPE: u16 = 5;
/// `CTA_PROTO_ICMP_CODE`
pub const CTA_PROTO_ICMP_CODE: u16 = 6;
/// `CTA_PROTO_ICMPV6_ID`
pub const CTA_PROTO_ICMPV6_ID: u16 = 7;
/// `CTA_PROTO_ICMPV6_TYPE`
pub const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
/// `CTA_PROTO_ICMPV6_CODE`
pub const CTA_PROTO_ICMPV6_CODE: u16 = 9;

/// `CTA_COUNTERS_PACKETS` of `enum ctattr_counters`.
pub const CTA_COUNTERS_PACKETS: u16 = 1;
/// `CTA_COUNTERS_BYTES`
pub const CTA_COUNTERS_BYTES: u16 = 2;

/// `IPS_EXPECTED`: another flow announced this one.
pub const IPS_EXPECTED: u32 = 1;
/// `IPS_SEEN_REPLY`: packets went both ways.
pub const IPS_SEEN_REPLY: u32 = 1 << 1;
/// `IPS_SRC_NAT`: the source is rewritten.
pub const IPS_SRC_NAT: u32 = 1 << 4;
/// `IPS_DST_NAT`: the destination is rewritten.
pub const IPS_DST_NAT: u32 = 1 << 5;
