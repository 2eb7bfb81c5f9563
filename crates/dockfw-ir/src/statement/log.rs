//! `log`.

use crate::name::Comment;

/// Writes the packet to the kernel log, or to a userspace group.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_log_attributes` (v6.12).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// `prefix "…"`: at most 127 bytes (`NF_LOG_PREFIXLEN` is 128 with the NUL).
    pub prefix: Option<Comment>,
    /// `level`: a syslog severity, 0 (emerg) to 7 (debug); `None` is warn (4). Not with `group`.
    pub level: Option<u8>,
    /// `group`: the nfnetlink_log group that gets the packet instead of the kernel log.
    pub group: Option<u16>,
    /// `snaplen`: bytes of the packet that the group gets. Only with `group`.
    pub snaplen: Option<u32>,
    /// `queue-threshold`: packets collected before the group is told. Only with `group`.
    pub queue_threshold: Option<u16>,
    /// `flags`: what the kernel log shows besides. Not with `group`.
    pub flags: LogFlags,
}

/// What a line of the kernel log shows on top.
///
/// Source: uapi `linux/netfilter/nf_log.h`, `NF_LOG_*` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each flag of the kernel"
)]
pub struct LogFlags {
    /// `tcp sequence`: sequence numbers.
    pub tcp_sequence: bool,
    /// `tcp options`.
    pub tcp_options: bool,
    /// `ip options`.
    pub ip_options: bool,
    /// `skuid`: the sending user.
    pub skuid: bool,
    /// `ether`: the Ethernet header.
    pub ether: bool,
}

impl LogFlags {
    /// `flags all`.
    pub const ALL: Self = Self {
        tcp_sequence: true,
        tcp_options: true,
        ip_options: true,
        skuid: true,
        ether: true,
    };

    /// No flag.
    pub const NONE: Self = Self {
        tcp_sequence: false,
        tcp_options: false,
        ip_options: false,
        skuid: false,
        ether: false,
    };
}
