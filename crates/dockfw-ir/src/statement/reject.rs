//! `reject`.

/// Drops the packet and tells the sender.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_reject_types`,
/// `enum nft_reject_inet_code` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// `reject with tcp reset`; the packet must be TCP.
    TcpReset,
    /// `reject with icmp CODE`: IPv4 only, the code of a destination-unreachable message.
    Icmp(u8),
    /// `reject with icmpv6 CODE`: IPv6 only.
    Icmpv6(u8),
    /// `reject with icmpx CODE`: either family.
    Icmpx(Icmpx),
}

/// A reason that both families can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icmpx {
    /// `no-route`
    NoRoute,
    /// `port-unreachable`: what a plain `reject` says.
    PortUnreachable,
    /// `host-unreachable`
    HostUnreachable,
    /// `admin-prohibited`
    AdminProhibited,
}
